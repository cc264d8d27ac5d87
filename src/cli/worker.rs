//! `sluice worker`: imports without a server, beside servers and workers on the same database and folder.

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::archive::{ActionError, Archive};
use crate::config::{Config, RawConfig, StateArgs};
use crate::import::Importer;
use crate::presence::Presence;
use crate::rulebook::{self, Rulebook};
use crate::rules::Registry;
use crate::store::Store;
use crate::{webhook, worker};

use super::{CliError, serve};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    flags: RawConfig,
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let config = Config::load(&args.state, args.flags)?;
    serve::start_logging(&config)?;
    config.make_folders()?;
    let store = Store::open(&config.database).await?;
    let stop = serve::stop_signal()?;
    let workers = Workers::start(&config, store).await?;
    tracing::info!(data = %config.data.display(), workers = config.workers, "working");
    stop.await;
    workers.stop().await
}

/// The workers of this process, which others see as living until they are stopped; and who tells webhooks.
pub struct Workers {
    pub importer: Importer,
    presence: Presence,
    down: watch::Sender<bool>,
    running: JoinHandle<Result<(), ActionError>>,
    telling: JoinHandle<()>,
}

impl Workers {
    pub async fn start(config: &Config, store: Store) -> Result<Workers, CliError> {
        let importer = Importer {
            archive: Archive::new(store.clone(), config.data.clone()),
            rulebook: Rulebook::new(store.clone(), Registry::open(config.rules())),
            inbox: super::inbox(config)?,
            data: config.data.clone(),
            runtime: tokio::runtime::Handle::current(),
            store: store.clone(),
        };
        let presence = Presence::enter(store.clone(), &config.data, config.workers).await?;
        let (down, shutdown) = watch::channel(false);
        tokio::spawn(rulebook::watch(importer.rulebook.clone(), shutdown.clone()));
        let telling = tokio::spawn(webhook::run(store, shutdown.clone()));
        let running = tokio::spawn(worker::run(importer.clone(), config.workers, shutdown));
        Ok(Workers {
            importer,
            presence,
            down,
            running,
            telling,
        })
    }

    /// Interrupts what runs, whose requests go back to the queue, and closes the store.
    pub async fn stop(self) -> Result<(), CliError> {
        // The receivers are gone only if the workers have ended already.
        _ = self.down.send(true);
        self.running.await??;
        self.telling.await?;
        self.presence.leave().await?;
        self.importer.store.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}
