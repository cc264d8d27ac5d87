//! Prearchive and archive: the layout on disk, and every change of what stands in it.
//!
//! Each change is a commit in two steps around the file system: the store writes down what will be, the
//! files are put into place by a step that may be repeated, the store makes it visible. After a crash
//! [`Archive::recover`] repeats what was begun. Rules are not known here.

mod catalog;
mod conflicts;
mod delete;
mod file_name;
mod hand;
mod join;
mod kinds;
mod moves;
mod place;
mod project;
mod recover;
mod review;
mod step;
mod stored;

use crate::failpoint::crash_point;
use crate::store::{CommitError, CommitPlan, Session, Store, StoreError};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::RwLock;

pub use conflicts::Conflict;
pub use file_name::{Fingerprint, Names, clean, is_one_step, series_folder, template};
pub use join::Incoming;
pub use kinds::{
    resource_of, scan_type, scan_types, session_modality, session_type, session_types,
};
pub use moves::{Content, MIXED};
pub(crate) use place::same_bytes;
pub use recover::LOOK_BACK;
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

    fn lock_running(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
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
}

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
