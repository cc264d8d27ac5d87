//! `sluice rule test`: the cases of one module or of many, with what differs, and the lines of scripts
//! that no case reached.

use super::junit::{self, Suite, TestCase};
use super::{CliError, RulesArg, counted, exit, modules_in, say};
use crate::rules::case::{Case, Coverage, Mismatch, coverage};
use crate::rules::{Module, ModuleSource};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    rules: RulesArg,
    /// Also write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// List the lines of scripts that no case runs
    #[arg(long)]
    coverage: bool,
    /// Write what comes out now as the files that cases expect
    #[arg(long)]
    bless: bool,
}

pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let folder = args.rules.folder()?;
    let mut suites = Vec::new();
    for module in modules_in(&folder)? {
        suites.push(test_module(&module, &args)?);
    }
    let cases: Vec<&TestCase> = suites.iter().flat_map(|suite| &suite.cases).collect();
    let failed = cases.iter().filter(|case| case.failure.is_some()).count();
    if let Some(file) = &args.junit {
        std::fs::write(file, junit::xml(&suites))
            .map_err(|e| format!("{} can't be written: {e}", file.display()))?;
    }
    if cases.is_empty() {
        return Err(format!(
            "{} holds no test case: they are tests/*.json in a module's folder",
            folder.display()
        )
        .into());
    }
    say!("{}, {failed} failed", counted(cases.len(), "case"));
    Ok(exit(failed > 0))
}

fn test_module(folder: &Path, args: &Args) -> Result<Suite, CliError> {
    let source = ModuleSource::open(folder)?;
    let module = source.compile()?;
    say!("{} ({})", source.manifest.name, folder.display());
    let (mut cases, mut runnable) = (Vec::new(), Vec::new());
    for case in Case::read_all(folder) {
        let (name, failure) = match case {
            Ok(case) => {
                let failure = run_case(&case, &module, args.bless);
                let name = case.name.clone();
                runnable.push(case);
                (name, failure)
            }
            Err(error) => ("unreadable".to_owned(), Some(error.to_string())),
        };
        match &failure {
            None => say!("  ok    {name}"),
            Some(text) => say!("  FAIL  {name}\n{}", indented(text)),
        }
        cases.push(TestCase { name, failure });
    }
    if let (Some(coverage), Some(code)) = (coverage(&source, &runnable)?, source.script()) {
        tell_coverage(&coverage, code, args.coverage);
    }
    Ok(Suite {
        name: source.manifest.name.clone(),
        cases,
    })
}

/// Why the case fails, if it does.
fn run_case(case: &Case, module: &Module, bless: bool) -> Option<String> {
    let compared = || -> Result<Vec<Mismatch>, CliError> {
        if bless && case.bless(&case.run(module)?)? {
            say!("  wrote the file that {} expects", case.name);
        }
        Ok(case.compare(case.run(module)?)?)
    };
    match compared() {
        Err(error) => Some(error.to_string()),
        Ok(differences) if differences.is_empty() => None,
        Ok(differences) => Some(
            differences
                .iter()
                .map(Mismatch::to_string)
                .collect::<Vec<_>>()
                .join("\n"),
        ),
    }
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("        {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn tell_coverage(coverage: &Coverage, code: &str, list: bool) {
    let Coverage { lines, missed } = coverage;
    say!(
        "  {} of {} run",
        lines - missed.len(),
        counted(*lines, "line")
    );
    let texts: Vec<&str> = code.lines().collect();
    for line in missed.iter().filter(|_| list) {
        let text = texts.get(line - 1).unwrap_or(&"");
        say!("  not run: {line:>4}  {}", text.trim_end());
    }
}
