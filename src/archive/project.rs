//! A waiting session's move to another project. What its files become there is for the caller, who knows rules.

use super::{ActionError, Archive, Content};
use crate::failpoint::crash_point;
use crate::store::{Session, SessionState};

impl Archive {
    /// Takes a waiting session in hand, to move it to another project.
    ///
    /// # Errors
    /// [`ActionError::Busy`] if somebody else is at it.
    pub async fn claim_for_move(
        &self,
        session: &Session,
        by: &str,
    ) -> Result<Session, ActionError> {
        let claimed = self.hold(session, SessionState::Moving, by).await?;
        crash_point("move.marked");
        Ok(claimed)
    }

    /// Ends a claim that did not end in the other project: the session is as it was.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn stay(&self, session: &Session, by: &str) -> Result<(), ActionError> {
        self.let_go(session.id, SessionState::Moving, session.state, None, by)
            .await
    }

    /// Puts what has been made of a claimed session into the project that `content` names: into its prearchive,
    /// or its quarantine. The claimed session is gone with the same commit.
    ///
    /// # Errors
    /// [`ActionError::Conflict`] if a session there stands in the way; nothing is changed then.
    pub async fn move_claimed(
        &self,
        claimed: &Session,
        content: Content,
        state: SessionState,
        by: &str,
    ) -> Result<Session, ActionError> {
        let planned = &content.session;
        if let Some(stored) = self.experiment(planned).await?
            && stored.subject != planned.subject
        {
            return Err(ActionError::Conflict(format!(
                "Not moved: project {} has an archived session of that label for another subject. Move it under \
                 another label (session=), or for that subject (subject=).",
                planned.project
            )));
        }
        let project = planned.project.clone();
        let moved = self.move_alone(claimed, content, state, by).await;
        moved.map_err(|error| match error {
            ActionError::Conflict(_) => ActionError::Conflict(format!(
                "Not moved: project {project} has a session of that label. Move it under another label (session=), \
                 or delete one of the two."
            )),
            other => other,
        })
    }
}
