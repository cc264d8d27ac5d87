//! The folder in which an attempt stages what it will commit.

use super::{Importer, Job};
use crate::store::ImportRequest;
use std::path::{Path, PathBuf};

impl Importer {
    /// One folder for each attempt: a worker that was taken for dead may still write to its own.
    pub(super) fn staging_of(&self, request: &ImportRequest) -> PathBuf {
        let attempt = format!("{}-{}", request.id, request.attempt);
        self.data.join("staging").join(attempt)
    }

    /// Removes an attempt's staging, but for what a commit still needs that the disk has stopped.
    pub(super) fn drop_staging(&self, request: &ImportRequest, folder: &Path) {
        let commits = self.store.commits();
        let needed = match self.block_on(commits.staging_of(request.id)) {
            Ok(needed) => needed,
            Err(error) => {
                tracing::warn!(request = request.id, %error, "staging is left, perhaps a commit needs it");
                return;
            }
        };
        let needed: Vec<PathBuf> = needed.iter().map(|path| self.data.join(path)).collect();
        if let Err(error) = remove_all_but(folder, &needed)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(request = request.id, %error, "staging can't be removed");
        }
    }
}

impl Job<'_> {
    pub(super) fn fresh_staging(&self) -> std::io::Result<()> {
        match std::fs::remove_dir_all(&self.staging) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        std::fs::create_dir_all(&self.staging)
    }
}

/// Removes a folder, or all that is in it beside what is to be kept.
fn remove_all_but(folder: &Path, kept: &[PathBuf]) -> std::io::Result<()> {
    if !kept.iter().any(|path| path.starts_with(folder)) {
        return std::fs::remove_dir_all(folder);
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if !kept.contains(&path) {
            std::fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}
