//! `sluice rule`: writing rules without a server: a module from a template, checks, tests, a look at what
//! rules do to real files.

mod apply;
mod bench;
mod check;
mod codes;
mod convert;
mod explain;
mod junit;
mod new;
mod test;

use super::CliError;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::runtime::Runtime;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Start a module: manifest, code, settings schema, tests and a README that already work together
    New(new::Args),
    /// Look for mistakes in a module, in a whole rules folder or in a .das script, without running anything
    Check(check::Args),
    /// Run the test cases of a module, or of every module in a folder
    Test(test::Args),
    /// Show what a project's rules in the rules folder would do with files, active or not, without importing them
    Explain(explain::Args),
    /// Run rules over one file and write the outcome; exit status 0 written, 10 rejected, 11 quarantined
    Apply(apply::Args),
    /// Turn a DicomEdit 4 script into DicomEdit 6, and list what is left; exit status 0 all done, 10 something left
    Convert(convert::Args),
    /// Measure what a module takes for a file
    Bench(bench::Args),
    /// List the codes with which rules fail: what they mean and what to do
    Codes(codes::Args),
}

pub fn run(command: Command, runtime: &Runtime) -> Result<ExitCode, CliError> {
    match command {
        Command::New(args) => new::run(args),
        Command::Check(args) => check::run(args),
        Command::Test(args) => test::run(args),
        Command::Explain(args) => runtime.block_on(explain::run(args)),
        Command::Apply(args) => runtime.block_on(apply::run(args)),
        Command::Bench(args) => bench::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Codes(args) => codes::run(args),
    }
}

/// A folder of rules: the one that was named, or the data folder's.
#[derive(clap::Args)]
struct RulesArg {
    /// A module's folder, or a rules folder (site, projects, modules) [default: the data folder's rules]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The data folder
    #[arg(
        long,
        env = "SLUICE_DATA",
        value_name = "DIR",
        default_value = "sluice-data"
    )]
    data: PathBuf,
}

impl RulesArg {
    /// A DicomEdit script, where one is named.
    fn script(&self) -> Option<PathBuf> {
        let named = self.folder.as_deref()?;
        let extension = named.extension()?.to_str()?;
        (extension.eq_ignore_ascii_case("das") && named.is_file()).then(|| named.to_owned())
    }

    fn folder(&self) -> Result<PathBuf, CliError> {
        let folder = self
            .folder
            .clone()
            .unwrap_or_else(|| self.data.join("rules"));
        match folder.is_dir() {
            true => Ok(folder),
            false => Err(format!("there is no folder {}", folder.display()).into()),
        }
    }
}

fn is_module(folder: &Path) -> bool {
    folder.join("module.json").exists()
}

/// The modules in a folder: itself, those in its `modules`, or those right in it.
fn modules_in(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    if is_module(folder) {
        return Ok(vec![folder.to_owned()]);
    }
    let within = match folder.join("modules") {
        modules if modules.is_dir() => modules,
        _ => folder.to_owned(),
    };
    let mut modules = Vec::new();
    for entry in std::fs::read_dir(&within)? {
        let path = entry?.path();
        if is_module(&path) {
            modules.push(path);
        }
    }
    modules.sort();
    match modules.is_empty() {
        true => Err(format!(
            "{} holds no module: no folder in it has a module.json",
            within.display()
        )
        .into()),
        false => Ok(modules),
    }
}

/// A line on standard output. A reader that went away, such as `head`, ends the command quietly.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::rule::say_line(format_args!($($text)*)) };
}
use say;

fn say_line(text: std::fmt::Arguments<'_>) {
    if let Err(error) = writeln!(std::io::stdout(), "{text}") {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => std::process::exit(0),
            _ => eprintln!("sluice: standard output: {error}"),
        }
    }
}

fn exit(failed: bool) -> ExitCode {
    match failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// `1 error`, `2 errors`
fn counted(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}
