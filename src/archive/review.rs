//! What a review of a waiting session ends with: release from quarantine, or other labels.

use super::join::check_same_session;
use super::moves::{MIXED, wait_alike};
use super::{ActionError, Archive, ArchiveOptions};
use crate::store::{Area, Session, SessionState};

/// How a session is let out of quarantine.
#[derive(Debug, Clone, Default)]
pub struct Release {
    /// Why, for who looks at the session.
    pub reason: String,
    /// Join a session of the study and label that waits in the prearchive.
    pub merge: bool,
    /// And replace its files where they differ.
    pub overwrite_files: bool,
}

impl Archive {
    /// Lets a session out of quarantine, into the prearchive and no further.
    ///
    /// # Errors
    /// [`ActionError::Conflict`] if another session stands in its place; it stays in quarantine then.
    pub async fn release(
        &self,
        session: &Session,
        release: Release,
        by: &str,
    ) -> Result<Session, ActionError> {
        if session.state != SessionState::Quarantined {
            return Err(ActionError::Refused(
                "The session is not in quarantine.".into(),
            ));
        }
        let mut content = self.content(session, &ArchiveOptions::default()).await?;
        content.session.auto_archive = false;
        content.session.reason = Some(match release.reason.is_empty() {
            true => format!("released from quarantine by {by}"),
            false => format!("released from quarantine by {by}: {}", release.reason),
        });
        let waiting = self.beside(session, &session.label, is_waiting).await?;
        let Some(waiting) = waiting else {
            return self
                .move_alone(session, content, SessionState::Ready, by)
                .await;
        };
        if !release.merge {
            return Err(ActionError::Conflict(format!(
                "A session of this study and label stands in the prearchive: /data{}. Release with \
                 overwrite=append to add to it or overwrite=delete to replace what differs, or archive, delete or \
                 relabel one of the two.",
                waiting.uri()
            )));
        }
        check_same_session(
            &waiting,
            session,
            &waiting.xsi_type,
            &session.subject,
            false,
        )?;
        if !wait_alike(&waiting, &content.session) {
            return Err(ActionError::Conflict(MIXED.into()));
        }
        self.join_into(
            session,
            content,
            &waiting,
            SessionState::Ready,
            release.overwrite_files,
            by,
        )
        .await
    }

    /// Gives a waiting session another label or subject: its rows and its folder. What rules have written
    /// into its files stays as it is.
    ///
    /// # Errors
    /// [`ActionError::Conflict`] if the label is another study's, or another session of this one has it.
    pub async fn relabel(
        &self,
        session: &Session,
        options: &ArchiveOptions,
        by: &str,
    ) -> Result<Session, ActionError> {
        let movable = [
            SessionState::Ready,
            SessionState::Conflict,
            SessionState::Error,
            SessionState::Quarantined,
        ];
        if !movable.contains(&session.state) {
            return Err(ActionError::Busy);
        }
        let mut content = self.content(session, options).await?;
        content.session.folder.clone_from(&content.session.label);
        let state = match session.state {
            SessionState::Quarantined => {
                content.session.reason.clone_from(&session.reason);
                SessionState::Quarantined
            }
            _ => SessionState::Ready,
        };
        let same_area =
            |s: &Session| s.area() == session.area() && s.state != SessionState::Conflict;
        if let Some(other) = self
            .beside(session, &content.session.label, same_area)
            .await?
        {
            return Err(ActionError::Conflict(format!(
                "A session of this study has that label already: /data{}. Archive or delete it first.",
                other.uri()
            )));
        }
        if let Some(stored) = self.experiment(&content.session).await?
            && stored.subject != content.session.subject
        {
            return Err(ActionError::Conflict(format!(
                "The label exists for another subject: /data{}. Choose another label, or that subject.",
                stored.uri()
            )));
        }
        self.move_alone(session, content, state, by).await
    }
}

/// In the prearchive, and not for being in somebody's way.
fn is_waiting(session: &Session) -> bool {
    session.area() == Area::Prearchive && session.state != SessionState::Conflict
}
