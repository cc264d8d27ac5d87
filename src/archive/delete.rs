//! Sessions that are removed: the folder, then the rows that tell of it.

use super::{ActionError, Archive, place};
use crate::failpoint::crash_point;
use crate::store::{Area, Session, SessionState};

impl Archive {
    /// Removes a session of the prearchive or in quarantine: rows last, so that a crash leaves what tells
    /// of the rest.
    ///
    /// # Errors
    /// [`ActionError::Busy`] if somebody else is at it, or it is archived.
    pub async fn delete(&self, session: &Session, by: &str) -> Result<(), ActionError> {
        use SessionState::{Conflict, Error, Quarantined, Ready, Receiving};
        let idle = [Receiving, Ready, Conflict, Error, Quarantined];
        self.delete_idle(session, &idle, by).await
    }

    pub(super) async fn delete_idle(
        &self,
        session: &Session,
        idle: &[SessionState],
        by: &str,
    ) -> Result<(), ActionError> {
        let held = SessionState::Deleting;
        if !self.take(session.id, idle, held, by).await? {
            return Err(ActionError::Busy);
        }
        crash_point("delete.marked");
        self.check_none_pending(session, held, by).await?;
        let removed = self.remove(session, by).await;
        removed.map_err(|error| self.left_in(session.id, error))
    }

    /// The state no longer tells in which area the folder is. Only what is archived has a number; what has none
    /// is in one of the other two, and no other session's folder there is of that name.
    pub(super) async fn remove(&self, session: &Session, by: &str) -> Result<(), ActionError> {
        let planned = session.to_new();
        let areas: &[Area] = match session.experiment_id {
            Some(_) => &[Area::Archive],
            None => &[Area::Prearchive, Area::Quarantine],
        };
        for area in areas.iter().copied() {
            place::remove_folder(&self.data, &planned.home(area))?;
        }
        crash_point("delete.folder_removed");
        self.store.sessions().remove(session.id, by).await?;
        Ok(())
    }
}
