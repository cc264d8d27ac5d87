//! The command line: one file for each command, thin over the library.
//!
//! Every command that touches a server's state takes `--data`, `--config` and `--database`, works while
//! the server runs, and ends with one line of reason and status 1 when it fails.

mod demo;
mod project;
mod request;
mod rule;
mod sample;
mod serve;
mod user;
mod webhook;
mod worker;

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::{self, Config, StateArgs};
use crate::inbox::Inbox;
use crate::store::Store;

/// What a command fails with: shown in one line, causes after colons.
pub type CliError = Box<dyn std::error::Error + Send + Sync>;

/// Who the audit names for what the command line did.
const BY: &str = "(command line)";

/// Read at the first start, by no flag: a password has no place among the arguments.
pub const ADMIN_PASSWORD: &str = "SLUICE_ADMIN_PASSWORD";

/// The first administrator's password, if one is given.
fn admin_password() -> Option<String> {
    std::env::var(ADMIN_PASSWORD)
        .ok()
        .filter(|password| !password.is_empty())
}

#[derive(Parser)]
#[command(name = "sluice", version, about = "A rule-driven DICOM importer")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server: the REST interface and its workers
    Serve(serve::Args),
    /// Run workers only, beside servers on the same database and data folder
    Worker(worker::Args),
    /// A data folder with sample data, imports of each kind, and the server left up
    Demo(demo::DemoArgs),
    /// Generate DICOM files for tests and benchmarks
    #[command(hide = true)]
    Sample(sample::SampleArgs),
    /// Users of a server
    #[command(subcommand)]
    User(user::Command),
    /// Projects of a server
    #[command(subcommand)]
    Project(project::Command),
    /// Write, check and test rules
    #[command(subcommand)]
    Rule(rule::Command),
    /// Import requests of a server
    #[command(subcommand)]
    Request(request::Command),
    /// Whom a server tells of the ends of requests
    #[command(subcommand)]
    Webhook(webhook::Command),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match check_environment().and_then(|()| dispatch(cli.command)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sluice: {}", one_line(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<ExitCode, CliError> {
    let runtime = tokio::runtime::Runtime::new()?;
    let done = match command {
        Command::Rule(command) => return rule::run(command, &runtime),
        Command::Serve(args) => runtime.block_on(serve::run(args)),
        Command::Worker(args) => runtime.block_on(worker::run(args)),
        Command::Demo(args) => runtime.block_on(demo::run(args)).map_err(Into::into),
        Command::Sample(args) => sample::run(args).map_err(Into::into),
        Command::User(command) => runtime.block_on(user::run(command)),
        Command::Project(command) => runtime.block_on(project::run(command)),
        Command::Request(command) => runtime.block_on(request::run(command)),
        Command::Webhook(command) => runtime.block_on(webhook::run(command)),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// The variables that some flag of some command reads, and the first password.
fn check_environment() -> Result<(), CliError> {
    let mut known = BTreeSet::from([ADMIN_PASSWORD.to_string()]);
    collect_variables(&Cli::command(), &mut known);
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    Ok(config::check_environment(names, |name| {
        known.contains(name)
    })?)
}

fn collect_variables(command: &clap::Command, known: &mut BTreeSet<String>) {
    let variables = command.get_arguments().filter_map(|arg| arg.get_env());
    known.extend(variables.map(|name| name.to_string_lossy().into_owned()));
    for inner in command.get_subcommands() {
        collect_variables(inner, known);
    }
}

/// The settings and the store that a command works on. No other command than `serve` makes a data folder.
async fn open(state: &StateArgs) -> Result<(Config, Store), CliError> {
    let config = Config::load_state(state)?;
    if state.database.is_none() && !config.data.is_dir() {
        return Err(format!("there is no data folder {}", config.data.display()).into());
    }
    let store = Store::open(&config.database).await?;
    Ok((config, store))
}

/// The inbox as the settings have it.
fn inbox(config: &Config) -> Result<Inbox, CliError> {
    let inbox = Inbox::new(config.inbox.clone())?;
    Ok(inbox.with(
        config.project_to_inbox_root.clone(),
        config.client_prefix_to_path.clone(),
    ))
}

fn one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = inner.source();
    }
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_serve_has_its_variable() {
        let mut known = BTreeSet::new();
        collect_variables(&Cli::command(), &mut known);
        for name in [
            "SLUICE_DATA",
            "SLUICE_DATABASE",
            "SLUICE_LISTEN",
            "SLUICE_WORKERS",
            "SLUICE_LOG",
            "SLUICE_METRICS",
        ] {
            assert!(known.contains(name), "{name}");
        }
    }
}
