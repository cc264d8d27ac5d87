//! Uploads that a process received and did not live to remove.

use super::Importer;
use crate::inbox::Left;
use crate::store::{RequestFilter, StoreError};
use std::collections::HashSet;
use std::path::PathBuf;

impl Importer {
    /// Removes the uploads of processes that are gone, but those for which a request has still to run.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn sweep_uploads(&self) -> Result<(), StoreError> {
        let Some(uploads) = self.inbox.uploads() else {
            return Ok(());
        };
        let left = match uploads.left() {
            Ok(left) if left.is_empty() => return Ok(()),
            Ok(left) => left,
            Err(error) => {
                tracing::warn!(%error, "the uploads could not be listed");
                return Ok(());
            }
        };
        // Asked before the requests: what is gone by now queues none any more.
        let living = self.store.instances().living().await?;
        let active = RequestFilter {
            active: true,
            ..RequestFilter::default()
        };
        let active = self.store.requests().list(active).await?;
        let paths: HashSet<PathBuf> = active
            .into_iter()
            .map(|request| request.session_path.into())
            .collect();
        let is_needed = |left: &Left| {
            living.contains(&left.instance) || paths.iter().any(|p| p.starts_with(&left.folder))
        };
        for left in left.iter().filter(|left| !is_needed(left)) {
            if let Err(error) = std::fs::remove_dir_all(&left.folder) {
                tracing::warn!(%error, "an upload of a process that is gone could not be removed");
            }
        }
        Ok(())
    }
}
