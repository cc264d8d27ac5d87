//! A copy of everything that is needed to go on elsewhere, made while the server runs, and the way back.
//!
//! One tar file: the database in a form that any database can be filled from, rules, reports, the settings'
//! file, and where asked for the sessions' files. Last comes `manifest.json` with the size and SHA-256 of each
//! entry, so that a file that was cut short or changed is told from a whole one. It holds the pseudonym keys
//! and patients' data: only its owner may read it.

mod manifest;
mod pin;
mod restore;
mod write;

use std::path::PathBuf;

pub use restore::{Restore, Restored};
pub use write::{Backup, Written};

use crate::store::StoreError;

/// The entries' folders, which are those of the data folder but for the first.
const DATABASE: &str = "database";
const RULES: &str = "rules";
const REPORTS: &str = "reports";
const FILE_AREAS: [&str; 3] = ["prearchive", "quarantine", "archive"];
const SETTINGS: &str = "sluice.toml";
const MANIFEST: &str = "manifest.json";

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{what} {}: {source}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} exists already; a backup is written to a new file", .0.display())]
    Exists(PathBuf),
    #[error("another backup of this data folder is running")]
    Running,
    #[error("a stored file is not where the database says: {}", .0.display())]
    Missing(PathBuf),
    #[error("sessions were changed again and again while they were copied; try at a quieter time")]
    Restless,
    #[error("{} can't be named in a backup: its name is not UTF-8", .0.display())]
    Name(PathBuf),
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    #[error("the backup is of format {found}, this program knows {known}")]
    Format { found: u64, known: u64 },
    #[error("{} is not empty; a backup is restored into a new folder", .0.display())]
    NotEmpty(PathBuf),
}

/// What failed, with which file.
fn io(what: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { what, path, source }
}
