//! What the server asks of the rest of the program, as it wants to ask it.
//!
//! The inbox, and the folders of sessions, are other modules' business; the server holds them behind
//! these two traits, so that its tests need neither DICOM nor a disk full of it.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use crate::store::{Session, StoreError};

/// What a path in the inbox leads to.
#[derive(Debug, Clone)]
pub struct Located {
    /// The folder below the inbox that the path is in: a project's exact ID, if there is such a project.
    pub project: String,
    /// Below that folder.
    pub relative: PathBuf,
    pub absolute: PathBuf,
    pub is_dir: bool,
    /// A folder without any file below it.
    pub empty: bool,
}

/// The path is missing or outside the inbox; which of them is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such path in the inbox")]
pub struct NotThere;

/// The inbox. Called where blocking is allowed.
pub trait Folders: Send + Sync {
    /// Finds a path as a client gave it, without following a link out of the inbox.
    fn locate(&self, path: &str) -> Result<Located, NotThere>;
}

pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How a call wants a session archived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchiveOptions {
    /// Merge into an experiment of that label (`overwrite=append`).
    pub merge: bool,
    /// Merge and override conflicts (`overwrite=delete` or `override`).
    pub override_conflicts: bool,
    /// Replace equal files.
    pub overwrite_files: bool,
    /// Another subject than the session's own.
    pub subject: Option<String>,
    /// Another label than the session's own.
    pub label: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// Someone else is at it.
    #[error("Operation already in progress on this prearchive entry.")]
    Busy,
    #[error("Unknown prearchive session.")]
    Gone,
    /// What stands in the way, for the caller.
    #[error("{0}")]
    Conflict(String),
    /// What the session itself lacks, for the caller.
    #[error("{0}")]
    Refused(String),
    #[error("the session's files could not be moved: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What can be done to a session that is stored.
pub trait SessionActions: Send + Sync {
    /// Moves a session from the prearchive to the archive; gives the experiment it became.
    fn archive<'a>(
        &'a self,
        session: &'a Session,
        options: ArchiveOptions,
        by: &'a str,
    ) -> Work<'a, Result<Session, ActionError>>;

    /// Removes a session of the prearchive or in quarantine, folder and rows.
    fn delete<'a>(&'a self, session: &'a Session, by: &'a str)
    -> Work<'a, Result<(), ActionError>>;
}
