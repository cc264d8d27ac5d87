//! The `sluice` program: everything is in the library.

fn main() -> std::process::ExitCode {
    sluice::arenas::limit();
    sluice::failpoint::arm();
    sluice::cli::run()
}
