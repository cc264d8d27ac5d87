//! Changes of a session that stay in its place: another label in the archive, removal from there, and rows made
//! anew from its files.

use super::{ActionError, Archive, ArchiveOptions, catalog, run_blocking};
use crate::failpoint::crash_point;
use crate::store::{NewSession, Rebuilt, Scan, Session, SessionState, StoredFile, Taken};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What reading a session's files again has found.
#[derive(Debug, Default)]
pub struct Reread {
    /// The series, by the scans that the files are in.
    pub scans: Vec<Scan>,
    pub files: Vec<StoredFile>,
    /// Files of which the folder holds nothing any more.
    pub gone: Vec<StoredFile>,
    /// Files that can't be read as what they should be.
    pub unreadable: usize,
    /// The dates, types and UID of the session as its first file has them.
    pub told: NewSession,
}

impl Archive {
    /// Gives an archived session another label: its rows and its folder.
    ///
    /// # Errors
    /// [`ActionError::Conflict`] if the label is another session's.
    pub async fn rename(
        &self,
        session: &Session,
        label: &str,
        by: &str,
    ) -> Result<Session, ActionError> {
        if session.state != SessionState::Archived {
            return Err(ActionError::Busy);
        }
        if session.label == label {
            return Ok(session.clone());
        }
        let options = ArchiveOptions {
            label: Some(label.to_owned()),
            ..ArchiveOptions::default()
        };
        let mut content = self.content(session, &options).await?;
        content.session.reason.clone_from(&session.reason);
        // The row stays, and the folder is linked to where the new label wants it.
        let renamed = self
            .move_alone(session, content, SessionState::Archived, by)
            .await;
        renamed.map_err(|error| match error {
            ActionError::Conflict(_) => ActionError::Conflict(
                "The label belongs to another session of the project: choose another label.".into(),
            ),
            other => other,
        })
    }

    /// Removes an archived session, files and all.
    ///
    /// # Errors
    /// [`ActionError::Busy`] if somebody else is at it.
    pub async fn delete_archived(&self, session: &Session, by: &str) -> Result<(), ActionError> {
        self.delete_idle(session, &[SessionState::Archived], by)
            .await
    }

    /// Takes a waiting session in hand, to read its files again.
    ///
    /// # Errors
    /// [`ActionError::Busy`] if somebody else is at it.
    pub async fn claim_for_rebuild(
        &self,
        session: &Session,
        by: &str,
    ) -> Result<Session, ActionError> {
        let claimed = self.hold(session, SessionState::Building, by).await?;
        crash_point("rebuild.marked");
        self.check_none_pending(session, SessionState::Building, by)
            .await?;
        Ok(claimed)
    }

    /// Ends a rebuilding without a result.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn end_rebuild(
        &self,
        session: &Session,
        state: SessionState,
        reason: Option<&str>,
        by: &str,
    ) -> Result<(), ActionError> {
        self.let_go(session.id, SessionState::Building, state, reason, by)
            .await
    }

    /// Files in a session's folder that the store does not know: nobody has put them through the rules.
    ///
    /// # Errors
    /// If the folder can't be read.
    pub async fn unknown_files(
        &self,
        session: &Session,
        known: &[StoredFile],
    ) -> Result<usize, ActionError> {
        let scans = self.data.join(session.home()).join("SCANS");
        let known: HashSet<PathBuf> = known.iter().map(relative).collect();
        Ok(run_blocking(move || count_unknown(&scans, &known)).await?)
    }

    /// Writes down what a claimed session's files say, and what state that leaves it in; its catalogs first.
    ///
    /// # Errors
    /// If the store fails, or the catalogs can't be written.
    pub async fn rebuilt(
        &self,
        claimed: &Session,
        before: &Session,
        reread: Reread,
        unknown: usize,
        by: &str,
    ) -> Result<Session, ActionError> {
        let Reread {
            scans,
            files,
            gone,
            unreadable,
            told,
        } = reread;
        let mut reasons = Vec::new();
        let mut count = |number: usize, what: &str| {
            if number > 0 {
                reasons.push(format!("{number} files {what}"));
            }
        };
        count(gone.len(), "are gone from its folder");
        count(unreadable, "can't be read");
        count(
            unknown,
            "in its folder were put there by hand and are no part of it: import them",
        );
        let state = if files.is_empty() {
            reasons.push("no file is left: delete the session".into());
            SessionState::Error
        } else if unreadable > 0 {
            SessionState::Error
        } else if let Some(why) = self.stands_in_the_way(before).await? {
            reasons.insert(0, why);
            SessionState::Conflict
        } else {
            SessionState::Ready
        };
        let reason = match reasons.is_empty() {
            true => format!("rebuilt by {by}"),
            false => format!("rebuilt by {by}: {}", reasons.join("; ")),
        };
        let rebuilt = Rebuilt {
            scans,
            files,
            gone,
            told,
            state,
            reason: Some(reason),
        };
        crash_point("rebuild.read");
        // Before the rows: a crash in between leaves a session that is to be rebuilt again.
        let (files, scans) = (rebuilt.files.clone(), rebuilt.scans.clone());
        let home = self.data.join(before.home());
        run_blocking(move || catalog::write_all(&home, &scans, &files)).await?;
        let sessions = self.store.sessions();
        let session = sessions.rebuild(claimed.id, rebuilt, by).await?;
        let session = session.ok_or(ActionError::Busy)?;
        crash_point("rebuild.written");
        Ok(session)
    }

    /// Why the session is still in conflict, if it was and is.
    async fn stands_in_the_way(&self, before: &Session) -> Result<Option<String>, ActionError> {
        let labels = self.store.labels();
        match labels
            .reserve(&before.project, &before.label, &before.study_key)
            .await
        {
            Ok(()) => {}
            Err(Taken::Store(error)) => return Err(error.into()),
            Err(Taken::ByAnotherStudy | Taken::UnderAnEarlierKey) => {
                return Ok(Some(
                    "the label belongs to another study of the project".into(),
                ));
            }
        }
        if before.state != SessionState::Conflict {
            return Ok(None);
        }
        let conflicts = self.conflicts(before).await?;
        Ok(conflicts.into_iter().next().map(|first| first.detail))
    }
}

fn relative(file: &StoredFile) -> PathBuf {
    Path::new(&*file.scan_id)
        .join(&*file.resource)
        .join(&file.name)
}

/// Files below `scans/<scan>/<resource>`, but for catalogs and what is hidden.
fn count_unknown(scans: &Path, known: &HashSet<PathBuf>) -> std::io::Result<usize> {
    let mut unknown = 0;
    let mut folders = vec![scans.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') || name.ends_with("_catalog.xml") {
                continue;
            }
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if !path
                .strip_prefix(scans)
                .is_ok_and(|below| known.contains(below))
            {
                unknown += 1;
            }
        }
    }
    Ok(unknown)
}
