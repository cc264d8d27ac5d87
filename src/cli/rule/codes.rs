//! `sluice rule codes`: the table of codes, for a terminal, as JSON or as the page in `rules/codes.md`.

use super::{CliError, say};
use crate::rules::codes::{CODES, page};
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    /// Only this one
    code: Option<String>,
    /// As JSON
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// As the page that the repository holds
    #[arg(long, conflicts_with = "code")]
    markdown: bool,
}

pub fn run(args: Args) -> Result<ExitCode, CliError> {
    if args.markdown {
        say!("{}", page().trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = args.code.as_deref();
    let codes: Vec<_> = (CODES.iter())
        .filter(|code| wanted.is_none_or(|wanted| wanted == code.code))
        .collect();
    if codes.is_empty() {
        return Err(format!(
            "there is no code {:?}; `sluice rule codes` lists all",
            wanted.unwrap_or_default()
        )
        .into());
    }
    if args.json {
        say!("{:#}", serde_json::to_value(codes)?);
        return Ok(ExitCode::SUCCESS);
    }
    for code in codes {
        say!("{}\n    {}\n    {}", code.code, code.meaning, code.remedy);
    }
    Ok(ExitCode::SUCCESS)
}
