//! `sluice worker`: imports without a server, beside servers and workers on the same database and folder.

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::import::Importer;
use crate::maintenance::Maintenance;
use crate::presence::Presence;
use crate::rulebook;
use crate::store::Store;
use crate::{webhook, worker};

use super::{CliError, serve};

pub async fn run(args: serve::Args) -> Result<(), CliError> {
    let (config, store) = args.open().await?;
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
    running: JoinHandle<()>,
    telling: JoinHandle<()>,
    maintaining: JoinHandle<()>,
}

impl Workers {
    pub async fn start(config: &Config, store: Store) -> Result<Workers, CliError> {
        let importer = super::importer(config, &store)?;
        let presence = Presence::enter(store.clone(), &config.data, config.workers).await?;
        let (down, shutdown) = watch::channel(false);
        let maintenance = Maintenance {
            store: store.clone(),
            data: config.data.clone(),
            keep: config.keep,
        };
        let maintaining = tokio::spawn(maintenance.run(shutdown.clone()));
        tokio::spawn(rulebook::watch(importer.rulebook.clone(), shutdown.clone()));
        let telling = tokio::spawn(webhook::run(store, shutdown.clone()));
        let running = tokio::spawn(worker::run(importer.clone(), config.workers, shutdown));
        Ok(Workers {
            importer,
            presence,
            down,
            running,
            telling,
            maintaining,
        })
    }

    /// Interrupts what runs, whose requests go back to the queue, and closes the store.
    pub async fn stop(self) -> Result<(), CliError> {
        // The receivers are gone only if the workers have ended already.
        _ = self.down.send(true);
        self.running.await?;
        self.telling.await?;
        self.maintaining.await?;
        self.presence.leave().await?;
        self.importer.store.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}
