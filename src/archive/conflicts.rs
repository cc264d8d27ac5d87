//! What stands between a waiting session and the archive, as it is now.

use super::join::join;
use super::{ActionError, Archive};
use crate::store::{Area, Session, SessionState};
use serde::Serialize;

/// One thing that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Conflict {
    /// `label`, `subject`, `modality`, `experiment`, `instance` or `waiting`.
    pub code: &'static str,
    pub detail: String,
    /// The stored session's address.
    pub session: String,
}

impl Archive {
    /// Everything that would stop a plain call to archive the session. Compares instances that both
    /// sessions hold, so it reads files.
    ///
    /// # Errors
    /// If the store fails, or a stored file can't be read.
    pub async fn conflicts(&self, session: &Session) -> Result<Vec<Conflict>, ActionError> {
        let mut conflicts = Vec::new();
        let mut add = |code, other: &Session, detail: &str| {
            conflicts.push(Conflict {
                code,
                detail: detail.to_owned(),
                session: format!("/data{}", other.uri()),
            });
        };
        for other in self.of_other_study(session).await? {
            add(
                "label",
                &other,
                "The label belongs to this session's study. Archive or relabel the one in conflict under another \
                 label, or delete one of the two.",
            );
        }
        let experiment = self.experiment(&session.to_new()).await?;
        if let Some(stored) = experiment.filter(|e| e.study_key == session.study_key) {
            add(
                "experiment",
                &stored,
                "The session is archived already. Archive with overwrite=append to add to it, or overwrite=delete \
                 to replace what differs.",
            );
            if stored.subject != session.subject {
                add(
                    "subject",
                    &stored,
                    "It is archived for another subject. Archive for that subject (subject=), or under another label.",
                );
            }
            if stored.xsi_type != session.xsi_type {
                add(
                    "modality",
                    &stored,
                    "It is archived as a session of another modality. Archive with overwrite=delete, or under \
                     another label.",
                );
            }
            if let Some(differing) = self.differing(session, &stored).await? {
                add("instance", &stored, &differing);
            }
        }
        let of_study = self
            .store
            .sessions()
            .of_study(&session.project, &session.study_key)
            .await?;
        let waits_too = |other: &&Session| {
            other.id != session.id
                && other.label == session.label
                && session.state == SessionState::Conflict
                && other.area() == Area::Prearchive
        };
        for other in of_study.iter().filter(waits_too) {
            add(
                "waiting",
                other,
                "Another part of the session waits in the prearchive. Archive that one first and this one with \
                 overwrite=append, or delete one of the two.",
            );
        }
        Ok(conflicts)
    }

    /// The sessions of another study that bear the session's label by right.
    async fn of_other_study(&self, session: &Session) -> Result<Vec<Session>, ActionError> {
        let holder = self
            .store
            .labels()
            .holder(&session.project, &session.label)
            .await?;
        let Some(holder) = holder.filter(|holder| *holder != session.study_key) else {
            return Ok(Vec::new());
        };
        let mut others = self
            .store
            .sessions()
            .of_study(&session.project, &holder)
            .await?;
        others.retain(|other| {
            other.label == session.label
                && !matches!(
                    other.state,
                    SessionState::Conflict | SessionState::Quarantined
                )
        });
        Ok(others)
    }

    /// What of the session differs from what is archived. Of an identified one that is not known before
    /// its rules have run.
    async fn differing(
        &self,
        session: &Session,
        stored: &Session,
    ) -> Result<Option<String>, ActionError> {
        if session.identified {
            return Ok(None);
        }
        let (incoming, there) = (self.incoming(session).await?, self.incoming(stored).await?);
        let (folder, home) = (
            self.data.join(session.home()),
            self.data.join(stored.home()),
        );
        let compared =
            tokio::task::spawn_blocking(move || join(incoming, &folder, &there, &home, false))
                .await;
        match compared.map_err(|e| ActionError::Files(std::io::Error::other(e)))? {
            Err(ActionError::Conflict(why)) => Ok(Some(why)),
            Err(error) => Err(error),
            Ok(_) => Ok(None),
        }
    }
}
