//! Retention: forgets what has been kept long enough, once a day, by one server for all.
//!
//! Joins the store's rows with the files that belong to them: reports, and what replaced files left in
//! `.history`. Nothing goes unless the settings give it an end; sessions and their files never do.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use crate::config::Keep;
use crate::store::{ReplacedFiles, Store, StoreError, Turn, now_ms};

/// How often a server looks whether it is time.
const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);

const DAILY: Turn = Turn {
    duty: "retention",
    held_ms: 60 * 60 * 1000,
    // A little less than a day: looking once an hour must not make it later every day.
    every_ms: 23 * 60 * 60 * 1000,
};

/// At the start of a server its settings may be new.
const AT_START: Turn = Turn {
    every_ms: 0,
    ..DAILY
};

/// What went, or would go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    pub requests: u64,
    pub reports: u64,
    pub audit_rows: u64,
    pub logins: u64,
    pub replaced_files: u64,
    /// Records of changes of which nothing is left.
    pub commits: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a report or a replaced file can't be removed: {0}")]
    Files(#[from] io::Error),
    #[error("another server is at it; try again later")]
    Busy,
}

/// A data folder, its store, and how long what is kept there.
#[derive(Clone)]
pub struct Maintenance {
    pub store: Store,
    pub data: PathBuf,
    pub keep: Keep,
}

impl Maintenance {
    /// Runs at once and then daily, until `shutdown` turns true.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let mut turn = AT_START;
        while !*shutdown.borrow() {
            match self.in_turn(turn).await {
                Ok(None) => {}
                Ok(Some(removed)) => tell(&removed),
                Err(error) => tracing::error!(%error, "retention could not be carried out"),
            }
            turn = DAILY;
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = shutdown.wait_for(|down| *down) => {}
            }
        }
    }

    /// Removes now what is due, or only counts it.
    ///
    /// # Errors
    /// If another server is at it, or something can't be removed: what went before is gone.
    pub async fn by_hand(&self, dry_run: bool) -> Result<Removed, MaintenanceError> {
        match dry_run {
            true => self.apply(false).await,
            false => self.in_turn(AT_START).await?.ok_or(MaintenanceError::Busy),
        }
    }

    async fn in_turn(&self, turn: Turn) -> Result<Option<Removed>, MaintenanceError> {
        let holder = format!("{}-{}", std::process::id(), now_ms());
        if !self.store.retention().take_turn(turn, &holder).await? {
            return Ok(None);
        }
        let removed = self.apply(true).await;
        let done = removed.is_ok();
        self.store.retention().end_turn(turn, &holder, done).await?;
        removed.map(Some)
    }

    async fn apply(&self, remove: bool) -> Result<Removed, MaintenanceError> {
        let retention = self.store.retention();
        let mut removed = Removed::default();
        let requests = self.ended_longer_than(self.keep.requests).await?;
        let mut reports = self.ended_longer_than(self.keep.reports).await?;
        reports.extend(&requests);
        // The reports first: a request that is still there has its report looked for again.
        let folder = self.data.join("reports");
        removed.reports = blocking(move || remove_reports(&folder, &reports, remove)).await?;
        removed.requests = match remove {
            true => retention.remove_requests(&requests).await?,
            false => requests.len() as u64,
        };
        if let Some(time) = cut(self.keep.history) {
            let replaced = retention.replaced_before(time).await?;
            let data = self.data.clone();
            removed.replaced_files =
                blocking(move || remove_histories(&data, &replaced, remove)).await?;
        }
        // As long as the requests that they were part of; and after what they set aside is gone.
        if let Some(time) = cut(self.keep.requests) {
            let commits = retention
                .commits_left_by_all(time, cut(self.keep.history))
                .await?;
            removed.commits = match remove {
                true => retention.remove_commits(&commits).await?,
                false => commits.len() as u64,
            };
        }
        if let Some(time) = cut(self.keep.audit) {
            removed.audit_rows = match remove {
                true => retention.remove_audit_before(time).await?,
                false => retention.audit_rows_before(time).await?,
            };
        }
        removed.logins = match remove {
            true => retention.remove_expired_logins().await?,
            false => retention.expired_logins().await?,
        };
        if remove && removed.is_worth_telling() {
            retention.record("retention.run").await?;
        }
        Ok(removed)
    }

    async fn ended_longer_than(&self, kept: Option<Duration>) -> Result<BTreeSet<i64>, StoreError> {
        match cut(kept) {
            Some(time) => self.store.retention().requests_ended_before(time).await,
            None => Ok(BTreeSet::new()),
        }
    }
}

impl Removed {
    /// Logins end every day, and tell nothing.
    fn is_worth_telling(&self) -> bool {
        let without_logins = Removed { logins: 0, ..*self };
        without_logins != Removed::default()
    }
}

fn tell(removed: &Removed) {
    if *removed != Removed::default() {
        tracing::info!(
            requests = removed.requests,
            reports = removed.reports,
            audit_rows = removed.audit_rows,
            logins = removed.logins,
            replaced_files = removed.replaced_files,
            commits = removed.commits,
            "retention: removed what was kept long enough"
        );
    }
}

/// Before which time what is kept for so long is to go.
fn cut(kept: Option<Duration>) -> Option<i64> {
    let kept = i64::try_from(kept?.as_millis()).unwrap_or(i64::MAX);
    Some(now_ms().saturating_sub(kept))
}

async fn blocking<T: Send + 'static>(
    step: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(step).await {
        Ok(done) => done,
        Err(broken) => Err(io::Error::other(broken)),
    }
}

fn remove_reports(folder: &Path, requests: &BTreeSet<i64>, remove: bool) -> io::Result<u64> {
    let mut removed = 0;
    for id in requests {
        let report = folder.join(format!("{id}.json"));
        removed += u64::from(match remove {
            true => remove_file(&report)?,
            false => report.exists(),
        });
    }
    Ok(removed)
}

/// Whether there was one.
fn remove_file(path: &Path) -> io::Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Below each resource of a session is `.history/<commit>` with the files that the commit replaced.
fn remove_histories(data: &Path, replaced: &[ReplacedFiles], remove: bool) -> io::Result<u64> {
    let mut removed = 0;
    for one in replaced {
        let scans = data.join(one.session.home()).join("SCANS");
        for resource in folders(&scans)?.iter().map(|scan| folders(scan)) {
            for resource in resource? {
                let history = resource.join(".history");
                let set_aside = history.join(one.commit.to_string());
                removed += entries(&set_aside)?.len() as u64;
                if remove && set_aside.exists() {
                    std::fs::remove_dir_all(&set_aside)?;
                    // It goes with the last commit in it; that it is not empty yet is no error.
                    _ = std::fs::remove_dir(&history);
                }
            }
        }
    }
    Ok(removed)
}

fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = entries(folder)?;
    folders.retain(|path| path.is_dir());
    Ok(folders)
}

/// What is in a folder; nothing in one that is not there.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
