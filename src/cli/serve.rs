//! `sluice serve`: one process with the REST interface and its workers.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, KeepFlags, LogFormat, RawConfig, StateArgs};
use crate::password;
use crate::server::{self, AppState};
use crate::store::{NewUser, Store};

use super::CliError;
use super::worker::Workers;

/// The first user's name.
const FIRST_USER: &str = "admin";

/// What `sluice serve` and `sluice worker` are told.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    flags: RawConfig,
    #[command(flatten)]
    keep: KeepFlags,
}

impl Args {
    /// Makes ready what either works on: the log, the data folder, the database.
    pub async fn open(self) -> Result<(Config, Store), CliError> {
        let config = Config::load(&self.state, self.flags.with_keep(self.keep))?;
        start_logging(&config)?;
        config.make_folders()?;
        let store = Store::open(&config.database).await?;
        Ok((config, store))
    }
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let (config, store) = args.open().await?;
    ensure_admin(&store, super::admin_password()).await?;
    let listener = bind(config.listen).await?;
    run_server(config, store, listener, stop_signal()?).await
}

pub async fn bind(address: SocketAddr) -> Result<TcpListener, CliError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| format!("can't listen on {address}: {error}").into())
}

/// One process with everything: takes over what a crash left, then serves and imports until `stop`.
pub async fn run_server(
    config: Config,
    store: Store,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), CliError> {
    let address = listener.local_addr()?;
    let workers = Workers::start(&config, store.clone()).await?;
    let state = AppState::new(config.clone(), workers.importer.clone())?;
    tracing::info!(%address, data = %config.data.display(), workers = config.workers, "serving");
    let served = server::serve(state, listener, stop).await;
    workers.stop().await?;
    Ok(served?)
}

/// Resolves at the first SIGTERM or SIGINT. What is under way then has a bounded time to end.
pub fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static, CliError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("stopping: SIGTERM"),
            _ = interrupt.recv() => tracing::info!("stopping: SIGINT"),
        }
    })
}

/// Text where someone reads along, JSON where a machine collects, on standard error either way.
pub fn start_logging(config: &Config) -> Result<(), CliError> {
    let filter = EnvFilter::try_new(&config.log).map_err(|error| format!("log: {error}"))?;
    let format = config
        .log_format
        .unwrap_or(match std::io::stderr().is_terminal() {
            true => LogFormat::Text,
            false => LogFormat::Json,
        });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder
            .with_ansi(std::io::stderr().is_terminal())
            .try_init(),
        LogFormat::Json => builder.json().try_init(),
    }
}

/// A server without users gets its first administrator, whose password is printed when it was made here.
pub async fn ensure_admin(store: &Store, given: Option<String>) -> Result<(), CliError> {
    if !store.users().list().await?.is_empty() {
        return Ok(());
    }
    let password = match &given {
        Some(password) => password.clone(),
        None => password::generate()?,
    };
    let record = password::hash(&password)?;
    let user = NewUser {
        admin: true,
        ..NewUser::new(FIRST_USER, record.as_str())
    };
    store.users().add(user).await?;
    if given.is_none() {
        // Printed once, and not logged.
        writeln!(
            std::io::stdout(),
            "The first administrator is {FIRST_USER}, password {password}"
        )?;
    }
    Ok(())
}
