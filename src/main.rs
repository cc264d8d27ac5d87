//! The `sluice` program: everything is in the library.

fn main() -> std::process::ExitCode {
    sluice::failpoint::arm();
    sluice::cli::run()
}
