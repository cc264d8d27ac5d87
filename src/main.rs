//! The `sluice` program: everything is in the library.

fn main() -> std::process::ExitCode {
    sluice::memory::configure();
    sluice::failpoint::arm();
    sluice::cli::run()
}
