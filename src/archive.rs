//! Prearchive and archive: the layout on disk, and every change of what stands in it.
//!
//! Each change is a commit in two steps around the file system: the store writes down what will be, the
//! files are put into place by a step that may be repeated, the store makes it visible. After a crash
//! [`Archive::recover`] repeats what was begun. Rules are not known here.

mod catalog;
mod file_name;
mod kinds;
mod place;

use crate::store::{
    Area, CommitError, CommitPlan, Orphan, PendingCommit, Session, SessionState, Store, StoreError,
    StoredFile,
};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use file_name::{Names, clean, series_folder, template};
pub use kinds::{resource_of, scan_type, session_modality, session_type};
pub(crate) use place::same_bytes;
pub use place::sync_file_system;

/// How a call wants a session archived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchiveOptions {
    /// Merge into an experiment of that label (`overwrite=append`).
    pub merge: bool,
    /// Merge and override conflicts of modality and study (`overwrite=delete` or `override`).
    pub override_conflicts: bool,
    /// Replace stored files of the same instance and name (`overwrite_files=true`).
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
    /// What is stored stands in the way; the session is now in CONFLICT.
    #[error("{0}")]
    Conflict(String),
    #[error("the session has no files")]
    Empty,
    #[error("the session's folder can't be changed: {0}")]
    Files(#[from] std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CommitError> for ActionError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Store(error) => Self::Store(error),
            CommitError::LabelTaken => {
                Self::Conflict("The label belongs to another study in this project.".into())
            }
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
}

impl Archive {
    pub fn new(store: Store, data: PathBuf) -> Self {
        Self {
            store,
            data,
            running: Arc::default(),
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
        let id = self.store.commits().begin(plan).await?;
        let pending = self.store.commits().pending(id).await?;
        self.complete(pending.ok_or(ActionError::Busy)?).await
    }

    /// Repeats what was begun and not finished by processes that are gone, or by this one if a disk that
    /// refused stopped it. To be called at start, before anything else changes a session, and now and then.
    ///
    /// # Errors
    /// The first commit that can't be finished stops it: nothing may run over it.
    pub async fn recover(&self) -> Result<usize, ActionError> {
        let orphans = self.store.commits().orphans().await?;
        self.finish_all(orphans).await
    }

    /// The same for what earlier workers at a request began. For who holds the request now.
    ///
    /// # Errors
    /// As [`Archive::recover`].
    pub async fn recover_request(&self, request: i64) -> Result<usize, ActionError> {
        let orphans = self.store.commits().orphans_of(request).await?;
        self.finish_all(orphans).await
    }

    async fn finish_all(&self, orphans: Vec<Orphan>) -> Result<usize, ActionError> {
        let mut finished = 0;
        for orphan in orphans {
            if self.lock_running().contains(&orphan.id) {
                continue;
            }
            if let Some(pending) = self.store.commits().adopt(&orphan).await? {
                self.complete(pending).await?;
                finished += 1;
            }
        }
        Ok(finished)
    }

    fn lock_running(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves a session of the prearchive into the archive, alone or into an experiment of its label.
    ///
    /// # Errors
    /// [`ActionError::Conflict`] puts the session into CONFLICT and changes nothing else.
    pub async fn archive(
        &self,
        session: &Session,
        options: ArchiveOptions,
        by: &str,
    ) -> Result<Session, ActionError> {
        let ready = [
            SessionState::Ready,
            SessionState::Conflict,
            SessionState::Error,
        ];
        let sessions = self.store.sessions();
        if !sessions
            .set_state(session.id, &ready, SessionState::Archiving, None, by)
            .await?
        {
            return Err(ActionError::Busy);
        }
        let moved = self.move_to_archive(session, options, by).await;
        if let Err(error) = &moved {
            let (state, reason) = match error {
                ActionError::Conflict(why) => (SessionState::Conflict, Some(why.as_str())),
                ActionError::Busy => (session.state, None),
                _ => (SessionState::Error, None),
            };
            sessions
                .set_state(session.id, &[SessionState::Archiving], state, reason, by)
                .await?;
        }
        moved
    }

    /// Removes a session of the prearchive or in quarantine: rows first, so that nobody sees half a folder.
    ///
    /// # Errors
    /// [`ActionError::Busy`] if somebody else is at it, or it is archived.
    pub async fn delete(&self, session: &Session, by: &str) -> Result<(), ActionError> {
        use SessionState::{Building, Conflict, Error, Quarantined, Ready, Receiving};
        let idle = [Receiving, Building, Ready, Conflict, Error, Quarantined];
        let sessions = self.store.sessions();
        if !sessions
            .set_state(session.id, &idle, SessionState::Deleting, None, by)
            .await?
        {
            return Err(ActionError::Busy);
        }
        // The state no longer tells a quarantined session's area, the session as it was read does.
        place::remove_folder(&self.data, &session.home())?;
        sessions.remove(session.id, by).await?;
        Ok(())
    }

    async fn move_to_archive(
        &self,
        session: &Session,
        options: ArchiveOptions,
        by: &str,
    ) -> Result<Session, ActionError> {
        let sessions = self.store.sessions();
        let overwrite = options.overwrite_files || options.override_conflicts;
        let mut planned = session.to_new();
        planned.subject = options.subject.unwrap_or(planned.subject);
        planned.label = options.label.unwrap_or(planned.label);
        planned.reason = None;
        let files = sessions.files(session.id, None).await?;
        if files.is_empty() {
            return Err(ActionError::Empty);
        }
        let stored = sessions
            .find_experiment(Some(&planned.project), &planned.label)
            .await?;
        let (into, files, scans) = match stored {
            None => (session.id, Vec::new(), Vec::new()),
            Some(_) if !options.merge && !options.override_conflicts => {
                return Err(ActionError::Conflict(
                    "Session already exists, retry with overwrite enabled".into(),
                ));
            }
            Some(stored) => {
                check_same_session(
                    &stored,
                    session,
                    &planned.subject,
                    options.override_conflicts,
                )?;
                let there = sessions.files(stored.id, None).await?;
                check_files(&files, &there, overwrite)?;
                let scans = sessions
                    .scans(session.id)
                    .await?
                    .into_iter()
                    .map(|s| s.scan)
                    .collect();
                (stored.id, files, scans)
            }
        };
        let plan = CommitPlan {
            request: None,
            username: by.to_owned(),
            staging: session.home().to_string_lossy().into_owned(),
            final_path: planned.home(Area::Archive).to_string_lossy().into_owned(),
            session: planned,
            into: Some(into),
            retires: (into != session.id).then_some(session.id),
            outcome: SessionState::Archived,
            scans,
            files,
            details: serde_json::json!({ "overwrite": overwrite }),
        };
        self.commit(plan).await
    }

    /// Writes the catalogs of a session anew, from its rows.
    ///
    /// # Errors
    /// If its folder can't be written to.
    pub async fn write_catalogs(&self, session: &Session) -> Result<(), ActionError> {
        let files = self.store.sessions().files(session.id, None).await?;
        let scans = self.store.commits().scans(session.id).await?;
        let home = self.data.join(session.home());
        Ok(run_blocking(move || catalog::write_all(&home, &files, &scans)).await?)
    }

    /// The step on the file system, which may be repeated, and the end of the commit.
    async fn complete(&self, pending: PendingCommit) -> Result<Session, ActionError> {
        let id = pending.id;
        self.lock_running().insert(id);
        let completed = self.run_step(pending).await;
        self.lock_running().remove(&id);
        completed
    }

    async fn run_step(&self, pending: PendingCommit) -> Result<Session, ActionError> {
        let sessions = self.store.sessions();
        let mut files = self.store.commits().files(pending.id).await?;
        let mut all = sessions.files(pending.session.id, None).await?;
        if files.is_empty() {
            // A session that moves as it is.
            files.clone_from(&all);
        } else {
            let added: HashSet<_> = files.iter().map(place_of).collect();
            all.retain(|stored| !added.contains(&place_of(stored)));
            all.extend(files.iter().cloned());
        }
        let step = place::Step {
            data: self.data.clone(),
            staging: PathBuf::from(&pending.staging),
            target: PathBuf::from(&pending.final_path),
            overwrite: pending.details["overwrite"].as_bool().unwrap_or(false),
            commit: pending.id,
            files,
            all,
            scans: self.store.commits().scans(pending.session.id).await?,
        };
        run_blocking(move || step.run()).await?;
        let session = self.store.commits().finish(pending.id).await?;
        let (data, staging) = (self.data.clone(), PathBuf::from(pending.staging));
        run_blocking(move || place::remove_folder(&data, &staging)).await?;
        Ok(session)
    }
}

async fn run_blocking(
    step: impl FnOnce() -> std::io::Result<()> + Send + 'static,
) -> std::io::Result<()> {
    match tokio::task::spawn_blocking(step).await {
        Ok(done) => done,
        Err(panicked) => Err(std::io::Error::other(panicked)),
    }
}

/// Where a file stands in its session: one file to a place.
fn place_of(file: &StoredFile) -> (&str, &str, &str) {
    (&file.scan_id, &file.resource, &file.name)
}

/// XNAT's rules 3 and 4 (`MergePrearcToArchiveSession`): modality, subject, study.
fn check_same_session(
    stored: &Session,
    session: &Session,
    subject: &str,
    override_conflicts: bool,
) -> Result<(), ActionError> {
    let differs = |what: &str| {
        Err(ActionError::Conflict(format!(
            "Invalid modification of session {what} via archive process."
        )))
    };
    if stored.xsi_type != session.xsi_type && !override_conflicts {
        return differs("modality");
    }
    if stored.subject != subject {
        return differs("subject: the label exists for another subject");
    }
    if stored.study_key != session.study_key && !override_conflicts {
        return differs("UID");
    }
    Ok(())
}

/// XNAT's rule 7: equal names, but with the right to replace them; another instance under the name always.
fn check_files(
    files: &[StoredFile],
    there: &[StoredFile],
    overwrite: bool,
) -> Result<(), ActionError> {
    let by_place: HashMap<_, _> = there.iter().map(|f| (place_of(f), f)).collect();
    for file in files {
        match by_place.get(&place_of(file)) {
            Some(stored) if stored.sop_uid != file.sop_uid || !overwrite => {
                return Err(ActionError::Conflict(
                    "Session already exists with matching files.".into(),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
