//! Sessions that a call has in hand: in a state that only a running process holds, so that nobody else changes them
//! meanwhile. Each is let go of by who took it; where the disk or the database refuses that, it is done later.

use super::{ActionError, Archive};
use crate::failpoint::crash_point;
use crate::store::{Session, SessionState, StoreError};
use std::collections::HashSet;
use std::sync::{MutexGuard, PoisonError};

impl Archive {
    /// Takes a waiting session in hand: no import adds to it, and no other call archives it.
    ///
    /// # Errors
    /// [`ActionError::Busy`] if somebody else is at it.
    pub async fn claim(&self, session: &Session, by: &str) -> Result<Session, ActionError> {
        let claimed = self.hold(session, SessionState::Archiving, by).await?;
        crash_point("archive.marked");
        Ok(claimed)
    }

    /// Takes a waiting session in hand for what the state `held` says.
    pub(super) async fn hold(
        &self,
        session: &Session,
        held: SessionState,
        by: &str,
    ) -> Result<Session, ActionError> {
        let ready = [
            SessionState::Ready,
            SessionState::Conflict,
            SessionState::Error,
        ];
        if !self.take(session.id, &ready, held, by).await? {
            return Err(ActionError::Busy);
        }
        match self.store.sessions().get(session.id).await {
            Ok(Some(now)) => Ok(now),
            Ok(None) => Err(ActionError::Busy),
            Err(error) => Err(self.left_in(session.id, error.into())),
        }
    }

    /// Puts a session into a state that only a running process holds; false if it is in none of the states `from`.
    pub(super) async fn take(
        &self,
        session: i64,
        from: &[SessionState],
        held: SessionState,
        by: &str,
    ) -> Result<bool, StoreError> {
        // What this process once left in such a state has been ended by who takes it now.
        let was_left = self.lock_left().remove(&session);
        let sessions = self.store.sessions();
        let taken = sessions.set_state(session, from, held, None, by).await;
        if was_left && !matches!(taken, Ok(true)) {
            self.lock_left().insert(session);
        }
        taken
    }

    /// Gives a session back if a commit into it had been begun before it was taken. From then on none can
    /// be.
    pub(super) async fn check_none_pending(
        &self,
        session: &Session,
        held: SessionState,
        by: &str,
    ) -> Result<(), ActionError> {
        match self.store.commits().is_pending_for(session.id).await {
            Ok(false) => Ok(()),
            Ok(true) => {
                self.let_go(session.id, held, session.state, None, by)
                    .await?;
                Err(ActionError::Busy)
            }
            Err(error) => Err(self.left_in(session.id, error.into())),
        }
    }

    /// Ends what [`take`](Self::take) began.
    pub(super) async fn let_go(
        &self,
        session: i64,
        held: SessionState,
        to: SessionState,
        reason: Option<&str>,
        by: &str,
    ) -> Result<(), ActionError> {
        let sessions = self.store.sessions();
        let let_go = sessions.set_state(session, &[held], to, reason, by).await;
        let_go
            .map(drop)
            .map_err(|error| self.left_in(session, error.into()))
    }

    /// A session stays in a state that only a running process holds, as the disk or the database refuses what would
    /// end that. [`Archive::tidy`] ends it when they don't.
    pub(super) fn left_in(&self, session: i64, error: ActionError) -> ActionError {
        self.lock_left().insert(session);
        error
    }

    pub(super) fn lock_left(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a claim that did not end in the archive, with the state that says why.
    ///
    /// # Errors
    /// The one that is given.
    pub async fn give_back(
        &self,
        session: &Session,
        moved: Result<Session, ActionError>,
        by: &str,
    ) -> Result<Session, ActionError> {
        if let Err(error) = &moved {
            let (state, reason) = match error {
                ActionError::Conflict(why) => (SessionState::Conflict, Some(why.as_str())),
                ActionError::Refused(why) => (SessionState::Error, Some(why.as_str())),
                ActionError::Busy | ActionError::NotAllowed(_) => (session.state, None),
                _ => (SessionState::Error, None),
            };
            self.let_go(session.id, SessionState::Archiving, state, reason, by)
                .await?;
        }
        moved
    }

    /// An archiving, a move or a rebuilding that was cut off before its commit: nothing has happened to the session.
    pub(super) async fn interrupted(&self, session: &Session) -> Result<(), ActionError> {
        let (state, why) = match session.state {
            SessionState::Moving => (SessionState::Ready, "moving was interrupted: move it again"),
            // It may have been broken before.
            SessionState::Building => (
                SessionState::Error,
                "rebuilding was interrupted: rebuild it again",
            ),
            _ => (
                SessionState::Ready,
                "archiving was interrupted: archive it again",
            ),
        };
        let sessions = self.store.sessions();
        let by = crate::store::SYSTEM;
        sessions
            .set_state(session.id, &[session.state], state, Some(why), by)
            .await?;
        Ok(())
    }
}
