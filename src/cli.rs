//! The command line: one file for each command, thin over the library.
//!
//! Every command that touches a server's state takes `--data`, `--config` and `--database`, works while
//! the server runs, and ends with one line of reason and status 1 when it fails.

mod backup;
mod demo;
mod maintenance;
mod project;
mod request;
mod restore;
mod rule;
mod sample;
mod serve;
mod session;
mod user;
mod webhook;
mod worker;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::archive::Archive;
use crate::config::{self, Config, StateArgs};
use crate::import::{Disk, Importer};
use crate::inbox::{Inbox, Uploads};
use crate::rulebook::Rulebook;
use crate::rules::{Registry, Urls};
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
    Serve(Box<serve::Args>),
    /// Copy everything that is needed to go on elsewhere into a file, while the server runs
    Backup(backup::BackupArgs),
    /// Make a data folder from a backup
    Restore(restore::RestoreArgs),
    /// Remove what has been kept long enough, as the server does every day
    Maintenance(maintenance::MaintenanceArgs),
    /// Run workers only, beside servers on the same database and data folder
    Worker(Box<serve::Args>),
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
    /// Sessions that wait in the prearchive or in quarantine
    #[command(subcommand)]
    Session(session::Command),
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
        Command::Serve(args) => runtime.block_on(serve::run(*args)),
        Command::Backup(args) => runtime.block_on(backup::run(args)),
        Command::Restore(args) => runtime.block_on(restore::run(args)),
        Command::Maintenance(args) => runtime.block_on(maintenance::run(args)),
        Command::Worker(args) => runtime.block_on(worker::run(*args)),
        Command::Demo(args) => runtime.block_on(demo::run(args)).map_err(Into::into),
        Command::Sample(args) => sample::run(args).map_err(Into::into),
        Command::User(command) => runtime.block_on(user::run(command)),
        Command::Project(command) => runtime.block_on(project::run(command)),
        Command::Request(command) => runtime.block_on(request::run(command)),
        Command::Session(command) => runtime.block_on(session::run(command)),
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
    open_with(Config::load_state(state)?, state).await
}

async fn open_with(config: Config, state: &StateArgs) -> Result<(Config, Store), CliError> {
    if state.database.is_none() && !config.data.is_dir() {
        return Err(format!("there is no data folder {}", config.data.display()).into());
    }
    let store = Store::open(&config.database).await?;
    Ok((config, store))
}

/// What acts on requests and sessions: the same in a server, a worker and a command beside them.
pub(crate) fn importer(config: &Config, store: &Store) -> Result<Importer, CliError> {
    let uploads = std::path::absolute(config.data.join("uploads"))?;
    let inbox = Inbox::new(config.inbox.clone())?
        .with(
            config.project_to_inbox_root.clone(),
            config.client_prefix_to_path.clone(),
        )
        .with_uploads(Uploads::new(uploads));
    Ok(Importer {
        archive: Archive::new(store.clone(), config.data.clone()),
        rulebook: Rulebook::new(
            store.clone(),
            Registry::open(config.rules()).with_urls(Urls::new(config.geturl_hosts.clone())),
        ),
        store: store.clone(),
        inbox,
        data: config.data.clone(),
        turns: Arc::default(),
        held_up: Arc::default(),
        disk: Arc::new(Disk::new(
            config.data.clone(),
            config.reserve_bytes,
            config.disk_wait,
        )),
        settle: config.settle,
        limits: config.archives,
        max_files: config.max_files,
        runtime: tokio::runtime::Handle::current(),
    })
}

/// Says on stderr which rules are told of, where the folder does not hold what is active.
fn say_if_apart(config: &Config, project: &str, active: &str, told: &str) {
    let draft = Registry::open(config.rules()).draft(project, &[]);
    if draft.is_ok_and(|draft| draft.hash() == active) {
        return;
    }
    let short = active.get(..12).unwrap_or(active);
    eprintln!(
        "sluice: in {project} version {short} is active, which is not what the rules folder holds: this is {told}"
    );
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
