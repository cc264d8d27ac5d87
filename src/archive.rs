//! Prearchive and archive: the layout on disk, and every change of what stands in it.
//!
//! Each change is a commit in two steps around the file system: the store writes down what will be, the
//! files are put into place by a step that may be repeated, the store makes it visible. After a crash
//! [`Archive::recover`] repeats what was begun. Rules are not known here.

mod catalog;
mod conflicts;
mod file_name;
mod hand;
mod join;
mod kinds;
mod moves;
mod place;
mod project;
mod review;
mod step;
mod stored;

use crate::failpoint::crash_point;
use crate::store::{
    Area, CommitError, CommitPlan, Orphan, Session, SessionState, Store, StoreError,
};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::RwLock;

pub use conflicts::Conflict;
pub use file_name::{Fingerprint, Names, clean, is_one_step, series_folder, template};
pub use join::Incoming;
pub use kinds::{
    resource_of, scan_type, scan_types, session_modality, session_type, session_types,
};
pub use moves::{Content, MIXED};
pub(crate) use place::same_bytes;
pub use review::Release;
pub use stored::Reread;

/// How a call wants a session archived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchiveOptions {
    /// Merge into an experiment of that label (`overwrite=append`).
    pub merge: bool,
    /// Merge and override conflicts of modality and study (`overwrite=delete` or `override`).
    pub override_conflicts: bool,
    /// Replace stored files of the same instance (`overwrite_files=true`, and `overwrite=delete`).
    pub overwrite_files: bool,
    /// Another subject than the session's own.
    pub subject: Option<String>,
    /// Another label than the session's own.
    pub label: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    #[error("Operation already in progress on this prearchive entry.")]
    Busy,
    /// What is stored stands in the way; at archiving, the session is then in CONFLICT.
    #[error("{0}")]
    Conflict(String),
    /// The session's state, or its rules, don't let it go on; where it is now, the text says.
    #[error("{0}")]
    Refused(String),
    /// More than a policy allows.
    #[error("{0}")]
    NotAllowed(String),
    #[error("Empty sessions cannot be archived.")]
    Empty,
    #[error("the session's folder can't be changed: {0}")]
    Files(#[from] std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ActionError {
    /// Whether no commit had begun: nothing that was staged for one is needed any more. After the other errors
    /// one may go on.
    pub fn leaves_all_as_it_was(&self) -> bool {
        matches!(
            self,
            Self::Conflict(_) | Self::Refused(_) | Self::NotAllowed(_) | Self::Busy
        )
    }
}

impl From<CommitError> for ActionError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Store(error) => Self::Store(error),
            CommitError::LabelTaken => Self::Conflict(
                "The label belongs to another study in this project. Choose another label, or delete one of \
                 the two sessions."
                    .into(),
            ),
            CommitError::Exists(_) => {
                Self::Conflict("Session already exists, retry with overwrite enabled".into())
            }
            CommitError::Busy | CommitError::Gone | CommitError::FolderTaken => Self::Busy,
        }
    }
}

/// The data folder's prearchive, quarantine and archive, with the rows that describe them.
#[derive(Clone)]
pub struct Archive {
    store: Store,
    data: PathBuf,
    /// Commits whose step runs in this process.
    running: Arc<Mutex<HashSet<i64>>>,
    /// Sessions that this process took in hand and could not let go of.
    left: Arc<Mutex<HashSet<i64>>>,
    /// Read by who begins a commit, written by who looks for those left behind.
    begins: Arc<RwLock<()>>,
}

impl Archive {
    pub fn new(store: Store, data: PathBuf) -> Self {
        Self {
            store,
            data,
            running: Arc::default(),
            left: Arc::default(),
            begins: Arc::default(),
        }
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Commits staged files: writes the plan down, puts them into place, makes them visible.
    ///
    /// # Errors
    /// [`CommitError`] before anything was changed, so that the caller may plan anew; an I/O error leaves
    /// the commit to [`Archive::recover`].
    pub async fn commit(&self, plan: CommitPlan) -> Result<Session, ActionError> {
        crash_point("commit.begin");
        // Known to run before it can be taken for one that was left behind.
        let beginning = self.begins.read().await;
        let id = self.store.commits().begin(plan).await?;
        self.lock_running().insert(id);
        drop(beginning);
        crash_point("commit.begun");
        let completed = match self.store.commits().pending(id).await {
            Ok(Some(pending)) => self.run_step(pending).await,
            Ok(None) => Err(ActionError::Busy),
            Err(error) => Err(error.into()),
        };
        self.lock_running().remove(&id);
        completed
    }

    /// Repeats what was begun and not finished by processes that are gone, or by this one if a disk that
    /// refused stopped it. To be called at start, before anything else changes a session, and now and then.
    /// What the disk still refuses is left for the next time. Returns how many commits were finished.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn recover(&self) -> Result<usize, StoreError> {
        let mut finished = 0;
        for orphan in self.store.commits().orphans().await? {
            match self.finish_orphan(&orphan).await {
                Ok(true) => finished += 1,
                Ok(false) => {}
                Err(ActionError::Store(error)) => return Err(error),
                Err(error) => {
                    tracing::error!(commit = orphan.id, %error, "a commit that was cut off can't be finished yet");
                }
            }
        }
        Ok(finished)
    }

    /// Finishes what earlier workers at a request began. For who holds the request now.
    ///
    /// # Errors
    /// The first commit that can't be finished.
    pub async fn recover_request(&self, request: i64) -> Result<(), ActionError> {
        for orphan in self.store.commits().orphans_of(request).await? {
            self.finish_orphan(&orphan).await?;
        }
        Ok(())
    }

    async fn finish_orphan(&self, orphan: &Orphan) -> Result<bool, ActionError> {
        {
            let _none_begins = self.begins.write().await;
            if !self.lock_running().insert(orphan.id) {
                return Ok(false);
            }
        }
        let finished = self.adopt(orphan).await;
        self.lock_running().remove(&orphan.id);
        finished
    }

    async fn adopt(&self, orphan: &Orphan) -> Result<bool, ActionError> {
        let Some(pending) = self.store.commits().adopt(orphan).await? else {
            return Ok(false);
        };
        crash_point("recover.adopted");
        self.run_step(pending).await?;
        Ok(true)
    }

    /// What processes that are gone left beside commits, folders of finished ones, files staged for the
    /// archive, and sessions in a state that nobody will end, this process's own among them.
    ///
    /// What the disk refuses is left for the next time.
    ///
    /// # Errors
    /// If the store refuses.
    pub async fn tidy(&self) -> Result<(), StoreError> {
        self.sweep_all().await?;
        crash_point("recover.swept");
        self.drop_abandoned().await?;
        crash_point("recover.dropped");
        let left: Vec<i64> = self.lock_left().iter().copied().collect();
        for session in self.store.sessions().interrupted(&left).await? {
            match self.end_interrupted(&session).await {
                Ok(()) => _ = self.lock_left().remove(&session.id),
                Err(ActionError::Store(error)) => return Err(error),
                Err(error) => {
                    self.lock_left().insert(session.id);
                    tracing::warn!(session = session.id, %error, "what was begun with it can't be ended yet");
                }
            }
        }
        Ok(())
    }

    async fn end_interrupted(&self, session: &Session) -> Result<(), ActionError> {
        match session.state {
            SessionState::Deleting => {
                self.remove(session, crate::store::SYSTEM).await?;
                crash_point("recover.deleted");
            }
            _ => {
                self.interrupted(session).await?;
                crash_point("recover.archiving");
            }
        }
        Ok(())
    }

    /// Whether [`tidy`](Self::tidy) has something to do that no crash has left.
    pub fn has_left(&self) -> bool {
        !self.lock_left().is_empty()
    }

    fn lock_running(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes a session of the prearchive or in quarantine: rows last, so that a crash leaves what tells
    /// of the rest.
    ///
    /// # Errors
    /// [`ActionError::Busy`] if somebody else is at it, or it is archived.
    pub async fn delete(&self, session: &Session, by: &str) -> Result<(), ActionError> {
        use SessionState::{Conflict, Error, Quarantined, Ready, Receiving};
        let idle = [Receiving, Ready, Conflict, Error, Quarantined];
        self.delete_idle(session, &idle, by).await
    }

    async fn delete_idle(
        &self,
        session: &Session,
        idle: &[SessionState],
        by: &str,
    ) -> Result<(), ActionError> {
        let held = SessionState::Deleting;
        if !self.take(session.id, idle, held, by).await? {
            return Err(ActionError::Busy);
        }
        crash_point("delete.marked");
        // A commit may have been begun before. Now none can be.
        match self.store.commits().is_pending_for(session.id).await {
            Ok(false) => {}
            Ok(true) => {
                self.let_go(session.id, held, session.state, None, by)
                    .await?;
                return Err(ActionError::Busy);
            }
            Err(error) => return Err(self.left_in(session.id, error.into())),
        }
        let removed = self.remove(session, by).await;
        removed.map_err(|error| self.left_in(session.id, error))
    }

    /// The state no longer tells in which area the folder is. Only what is archived has a number; what has none
    /// is in one of the other two, and no other session's folder there is of that name.
    async fn remove(&self, session: &Session, by: &str) -> Result<(), ActionError> {
        let planned = session.to_new();
        let areas: &[Area] = match session.experiment_id {
            Some(_) => &[Area::Archive],
            None => &[Area::Prearchive, Area::Quarantine],
        };
        for area in areas.iter().copied() {
            place::remove_folder(&self.data, &planned.home(area))?;
        }
        crash_point("delete.folder_removed");
        self.store.sessions().remove(session.id, by).await?;
        Ok(())
    }

    /// Writes the catalogs of a session anew, from its rows.
    ///
    /// # Errors
    /// If its folder can't be written to.
    pub async fn write_catalogs(&self, session: &Session) -> Result<(), ActionError> {
        let home = Arc::new(self.data.join(session.home()));
        for scan in self.store.commits().scans(session.id).await? {
            let files = self
                .store
                .sessions()
                .files(session.id, Some(&scan.scan_id))
                .await?;
            let home = home.clone();
            run_blocking(move || catalog::write_scan(&home, &scan, files.iter())).await?;
        }
        Ok(())
    }

    /// What was staged on the way to the archive by a process that is gone and did not come to commit it, and
    /// what was unpacked for a look back that has not tidied up. What can't be removed is left for the next time.
    async fn drop_abandoned(&self) -> Result<(), StoreError> {
        let staging = self.data.join("staging");
        let folders: Vec<_> = std::fs::read_dir(staging)
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        let living = self.store.instances().living().await?;
        // A commit that the disk has stopped is finished from what is staged.
        let needed = self.store.commits().stagings().await?;
        for folder in folders {
            let path = folder.path();
            let is_needed = needed.iter().any(|needed| self.data.join(needed) == path);
            let name = folder.file_name();
            let name = name.to_string_lossy();
            let is_abandoned = moves::staged_by(&name)
                .is_some_and(|instance| !living.iter().any(|living| living == instance));
            // A command's process is not among the living ones: only time tells.
            let is_old = || {
                let modified = folder.metadata().and_then(|m| m.modified()).ok();
                modified.is_some_and(|m| m.elapsed().is_ok_and(|age| age > LONGEST_LOOK_BACK))
            };
            if is_needed || !(is_abandoned || name.starts_with(LOOK_BACK) && is_old()) {
                continue;
            }
            match std::fs::remove_dir_all(&path) {
                // Another process was faster.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => tracing::warn!(%error, "staging that nobody needs can't be removed"),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Removes the folders that a finished commit took its files from.
    async fn sweep(
        &self,
        commit: i64,
        sources: Vec<PathBuf>,
        home: PathBuf,
    ) -> Result<(), ActionError> {
        let data = self.data.clone();
        run_blocking(move || {
            sources
                .iter()
                .filter(|source| **source != home)
                .try_for_each(|source| place::remove_folder(&data, source))
        })
        .await?;
        crash_point("commit.sources_removed");
        self.store.commits().swept(commit).await?;
        crash_point("commit.swept");
        Ok(())
    }

    /// What a crash after the end of a commit left. A request's staging is not touched: the request may be
    /// running again, and drops it itself.
    async fn sweep_all(&self) -> Result<(), StoreError> {
        let unswept = self.store.commits().unswept().await?;
        if unswept.is_empty() {
            return Ok(());
        }
        let sessions = self.store.sessions();
        let homes: HashSet<PathBuf> = sessions
            .list(Default::default())
            .await?
            .iter()
            .map(Session::home)
            .collect();
        for (commit, staging, details) in unswept {
            let mut sources = step::sources(&staging, &details);
            sources.retain(|source| !homes.contains(source) && !is_of_request(source));
            match self.sweep(commit, sources, PathBuf::new()).await {
                Ok(()) => {}
                Err(ActionError::Store(error)) => return Err(error),
                Err(error) => {
                    tracing::warn!(commit, %error, "what it took its files from can't be removed yet");
                }
            }
        }
        Ok(())
    }
}

/// What folders in staging are called in which archives lie unpacked to be read once more.
pub const LOOK_BACK: &str = ".again-";

/// No look back at a request takes as long.
const LONGEST_LOOK_BACK: Duration = Duration::from_secs(24 * 60 * 60);

/// Project, timestamp and folder of a waiting session's address, with `/data` before it or not.
pub fn parse_uri(uri: &str) -> Option<(&str, &str, &str)> {
    let below = uri.strip_prefix("/data").unwrap_or(uri);
    let mut steps = below.trim_matches('/').split('/');
    let mut next = || steps.next().filter(|step| !step.is_empty());
    let ("prearchive", "projects") = (next()?, next()?) else {
        return None;
    };
    let place = (next()?, next()?, next()?);
    steps.next().is_none().then_some(place)
}

/// Whether a folder is a request's own staging, which the request drops.
fn is_of_request(folder: &Path) -> bool {
    let below = folder.strip_prefix("staging").ok();
    let name = below.and_then(|below| below.iter().next());
    name.is_some_and(|name| moves::staged_by(&name.to_string_lossy()).is_none())
}

async fn run_blocking<T: Send + 'static>(
    step: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    match tokio::task::spawn_blocking(step).await {
        Ok(done) => done,
        Err(panicked) => Err(std::io::Error::other(panicked)),
    }
}

#[cfg(test)]
mod tests;
