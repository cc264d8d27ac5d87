//! `sluice rule convert`: a DicomEdit 4 script as one of DicomEdit 6, as far as that is mechanical.

use super::CliError;
use crate::rules::dicomedit::convert::{Note, convert};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Something is left to do by hand.
const UNFINISHED: u8 = 10;

#[derive(clap::Args)]
pub struct Args {
    /// A DicomEdit 4 script: one without a line that begins with `version`
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// The script goes to standard output, what was done and what is left to standard error.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let shown = args.file.display();
    let text = fs::read_to_string(&args.file).map_err(|error| format!("{shown}: {error}"))?;
    if text.lines().any(|line| line.starts_with("version")) {
        return Err(format!("{shown} says its version, and so is no DicomEdit 4").into());
    }
    let converted = convert(&text);
    std::io::stdout().write_all(converted.script.as_bytes())?;
    for Note {
        line,
        message,
        is_done,
    } in &converted.notes
    {
        let what = if *is_done { "done" } else { "to do" };
        eprintln!("{shown}:{line}: {what}: {message}");
    }
    match converted.notes.iter().all(|note| note.is_done) {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::from(UNFINISHED)),
    }
}
