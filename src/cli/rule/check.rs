//! `sluice rule check`: what is wrong with a module, a rules folder or a DicomEdit script, a line for each.

use super::{CliError, RulesArg, counted, exit, is_module, say};
use crate::rules::check::{self, Severity};
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    rules: RulesArg,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Warnings alone leave the exit status 0.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let script = args.rules.script();
    let folder = match &script {
        Some(script) => script.clone(),
        None => args.rules.folder()?,
    };
    let findings = match is_module(&folder) {
        _ if script.is_some() => check::loose(&folder),
        true => check::module(&folder),
        false
            if ["site", "projects", "modules"]
                .iter()
                .any(|part| folder.join(part).is_dir()) =>
        {
            check::folder(&folder)
        }
        // What looks like a module that lost its manifest is told as such.
        false => check::module(&folder),
    };
    let errors = findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .count();
    let warnings = findings.len() - errors;
    if args.json {
        let told =
            serde_json::json!({ "errors": errors, "warnings": warnings, "findings": findings });
        say!("{told:#}");
    } else {
        for finding in &findings {
            say!("{finding}");
        }
        let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
        say!("{}: {errors}, {warnings}", folder.display());
    }
    Ok(exit(errors > 0))
}
