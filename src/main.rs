//! The `sluice` program: everything is in the library.

fn main() -> std::process::ExitCode {
    sluice::cli::run()
}
