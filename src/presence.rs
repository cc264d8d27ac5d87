//! This process among the others that use the same database and data folder: it says that it lives, and
//! frees what those held that don't.
//!
//! A process that was killed is noticed at once by its lock: each holds one on a file of its own in
//! `run/` of the data folder, which the kernel drops with the process. Where that can't be seen (another
//! machine that lost its power) it is noticed by its silence, after the length of a lease.

use crate::store::{Store, StoreError};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Well within a lease.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// While it is held, others see the process as living.
pub struct Presence {
    store: Store,
    lock: Option<(File, PathBuf)>,
    heartbeat: JoinHandle<()>,
}

impl Presence {
    /// Says that this process is there, with that many workers, and goes on saying so.
    ///
    /// # Errors
    /// If the store or the data folder can't be written to.
    pub async fn enter(store: Store, data: &Path, workers: usize) -> io::Result<Presence> {
        let host: Arc<str> = host_name().into();
        let lock = lock_own(&run_folder(data), store.instance())?;
        store
            .instances()
            .keep(&host, workers)
            .await
            .map_err(io::Error::other)?;
        let heartbeat = tokio::spawn(beat(store.clone(), host, workers));
        Ok(Presence {
            store,
            lock,
            heartbeat,
        })
    }

    /// Leaves: what this process held is free. To be called when nothing of it runs any more.
    ///
    /// # Errors
    /// If the store fails; others then notice by the lock, or by silence.
    pub async fn leave(self) -> Result<(), StoreError> {
        self.heartbeat.abort();
        self.store.instances().forget(self.store.instance()).await?;
        if let Some((_lock, path)) = &self.lock {
            // Left behind, it is removed by the next who looks.
            _ = fs::remove_file(path);
        }
        Ok(())
    }
}

async fn beat(store: Store, host: Arc<str>, workers: usize) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        if let Err(error) = store.instances().keep(&host, workers).await {
            tracing::warn!(%error, "the database can't be told that this process lives");
        }
    }
}

/// Forgets the processes that are gone, so that what they held can be taken over. Returns how many.
///
/// # Errors
/// If the store fails.
pub async fn forget_the_dead(store: &Store, data: &Path) -> Result<u64, StoreError> {
    let folder = run_folder(data);
    let dead = tokio::task::spawn_blocking(move || dead_in(&folder)).await;
    let mut forgotten = 0;
    for (lock, path, instance) in dead.unwrap_or_default() {
        forgotten += 1;
        store.instances().forget(&instance).await?;
        // Only now: had this failed, the next look would find it again.
        _ = fs::remove_file(path);
        drop(lock);
        tracing::info!(instance, "a process that had ended was forgotten");
    }
    let silent = store.instances().forget_silent().await?;
    if silent > 0 {
        tracing::warn!(
            processes = silent,
            "processes that fell silent were forgotten"
        );
    }
    Ok(forgotten + silent)
}

fn run_folder(data: &Path) -> PathBuf {
    data.join("run")
}

/// Locks a file named after the instance. None where the file system knows no locks.
fn lock_own(folder: &Path, instance: &str) -> io::Result<Option<(File, PathBuf)>> {
    fs::create_dir_all(folder)?;
    let (path, new) = (folder.join(instance), folder.join(format!(".{instance}")));
    // Under its name only once it is locked: unlocked, it would say that the process is gone.
    let file = File::create_new(&new)?;
    match file.try_lock() {
        Ok(()) => {
            fs::rename(&new, &path)?;
            Ok(Some((file, path)))
        }
        Err(error) => {
            tracing::warn!(%error, "the data folder's file system has no locks: a killed process is noticed late");
            fs::remove_file(&new)?;
            Ok(None)
        }
    }
}

/// Files whose locks can be had: those of processes that are gone. Held until they are dropped.
fn dead_in(folder: &Path) -> Vec<(File, PathBuf, String)> {
    let mut dead = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else {
            continue;
        };
        if file.try_lock().is_ok() {
            dead.push((file, entry.path(), name));
        }
    }
    dead
}

fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}
