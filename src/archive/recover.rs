//! What a crash left behind: commits that are repeated and finished, folders and sessions that nobody else will see to.

use super::{ActionError, Archive, moves, step};
use crate::failpoint::crash_point;
use crate::store::{Orphan, Session, SessionState, StoreError};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What folders in staging are called in which archives lie unpacked to be read once more.
pub const LOOK_BACK: &str = ".again-";

/// No look back at a request takes as long.
pub(super) const LONGEST_LOOK_BACK: Duration = Duration::from_secs(24 * 60 * 60);

impl Archive {
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

    /// Whether [`tidy`](Self::tidy) has something to do that no crash has left.
    pub fn has_left(&self) -> bool {
        !self.lock_left().is_empty()
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

/// Whether a folder is a request's own staging, which the request drops.
fn is_of_request(folder: &Path) -> bool {
    let below = folder.strip_prefix("staging").ok();
    let name = below.and_then(|below| below.iter().next());
    name.is_some_and(|name| moves::staged_by(&name.to_string_lossy()).is_none())
}
