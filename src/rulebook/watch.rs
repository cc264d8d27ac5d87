//! Staging what changes in the rules folder without waiting for the next import, so that an error shows
//! when it is made.

use super::{Author, Rulebook};
use notify::{RecursiveMode, Watcher as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch as channel};

/// An editor's save is several changes; a copied module is many.
const DEBOUNCE: Duration = Duration::from_millis(300);

/// File systems on the network tell nothing of what others change.
const LOOK_ANYWAY: Duration = Duration::from_secs(60);

/// Watches until `shutdown` turns true. SIGHUP asks for a look at once.
pub async fn watch(rulebook: Rulebook, mut shutdown: channel::Receiver<bool>) {
    let changed = Arc::new(Notify::new());
    let told = changed.clone();
    let root = rulebook.registry().root().to_owned();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading is an event too, and staging reads.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            told.notify_one();
        }
    })
    .and_then(|mut watcher| {
        watcher.watch(&root, RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    if let Err(error) = &watcher {
        tracing::warn!(%error, "the rules folder can't be watched: changes are seen within a minute");
    }
    let mut hangup = signal(SignalKind::hangup()).ok();
    loop {
        if let Err(error) = rulebook.refresh_all(Author::FILES).await {
            tracing::warn!(%error, "the rules could not be looked at");
        }
        let asked = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await.map_or((), drop),
                None => std::future::pending().await,
            }
        };
        let down = async { drop(shutdown.wait_for(|down| *down).await) };
        tokio::select! {
            () = changed.notified() => tokio::time::sleep(DEBOUNCE).await,
            () = asked => tracing::info!("looking at the rules: SIGHUP"),
            () = tokio::time::sleep(LOOK_ANYWAY) => {}
            () = down => return,
        }
    }
}
