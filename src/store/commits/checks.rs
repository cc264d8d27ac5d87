//! What must hold before a commit is written down. Each looks inside the commit's own transaction, so
//! that of two which exclude each other one is refused.

use super::super::{Area, NewSession, SessionState, StoreError, WriteTransaction, column, json};
use super::{CommitError, CommitPlan};

/// A session that a commit may change: there, visible, and in no one else's hands.
pub(super) async fn check_free(
    tx: &mut WriteTransaction,
    session: i64,
    outcome: SessionState,
) -> Result<(), CommitError> {
    match state_if_idle(tx, session).await? {
        SessionState::Committing | SessionState::Deleting => Err(CommitError::Busy),
        // Archiving ends by the commit into the archive, or back in the state it came from, by hand.
        SessionState::Archiving if outcome != SessionState::Archived => Err(CommitError::Busy),
        SessionState::Moving | SessionState::Building => Err(CommitError::Busy),
        _ => Ok(()),
    }
}

/// A session that goes into another: who archives it may also end in quarantine.
pub(super) async fn check_retiring(
    tx: &mut WriteTransaction,
    session: i64,
) -> Result<(), CommitError> {
    match state_if_idle(tx, session).await? {
        SessionState::Committing | SessionState::Deleting | SessionState::Building => {
            Err(CommitError::Busy)
        }
        _ => Ok(()),
    }
}

/// A plan is made from what sessions held; what they hold now must be the same.
pub(super) async fn check_unchanged(
    tx: &mut WriteTransaction,
    seen: &[(i64, i64)],
) -> Result<(), CommitError> {
    for (session, lastmod) in seen {
        let row = sqlx::query("SELECT lastmod FROM sessions WHERE id = $1")
            .bind(*session)
            .fetch_optional(tx.on())
            .await?
            .ok_or(CommitError::Gone)?;
        if column::<i64>(&row, "lastmod")? != *lastmod {
            return Err(CommitError::Busy);
        }
    }
    Ok(())
}

/// A session's folder may get another name, but no other session's.
pub(super) async fn check_folder_free(
    tx: &mut WriteTransaction,
    session: i64,
    planned: &NewSession,
) -> Result<(), CommitError> {
    let other = sqlx::query(
        "SELECT id FROM sessions WHERE project = $1 AND timestamp = $2 AND folder = $3 AND id <> $4",
    )
    .bind(&planned.project)
    .bind(&planned.timestamp)
    .bind(&planned.folder)
    .bind(session)
    .fetch_optional(tx.on())
    .await?;
    match other {
        Some(_) => Err(CommitError::FolderTaken),
        None => Ok(()),
    }
}

/// The session's state, if no commit is changing it.
async fn state_if_idle(
    tx: &mut WriteTransaction,
    session: i64,
) -> Result<SessionState, CommitError> {
    let row = sqlx::query(
        "SELECT state, (SELECT COUNT(*) FROM commits c WHERE c.finished IS NULL
                        AND (c.session = $1 OR c.retires = $1)) AS running
         FROM sessions WHERE id = $1",
    )
    .bind(session)
    .fetch_optional(tx.on())
    .await?
    .ok_or(CommitError::Gone)?;
    if column::<i64>(&row, "running")? > 0 {
        return Err(CommitError::Busy);
    }
    let state = SessionState::from_text(column(&row, "state")?);
    Ok(state.ok_or(StoreError::BadValue { column: "state" })?)
}

/// A new session must not double one of the same study and label in the same area. One in conflict may
/// stand beside one that is not: what is in its way may be that one.
pub(super) async fn check_absent(
    tx: &mut WriteTransaction,
    plan: &CommitPlan,
) -> Result<(), CommitError> {
    let rows = sqlx::query(
        "SELECT s.id, s.state, s.subject, c.outcome FROM sessions s
         LEFT JOIN commits c ON c.session = s.id AND c.finished IS NULL
         WHERE s.project = $1 AND s.label = $2 AND s.study_key = $3",
    )
    .bind(&plan.session.project)
    .bind(&plan.session.label)
    .bind(&plan.session.study_key)
    .fetch_all(tx.on())
    .await?;
    for row in &rows {
        let outcome = column::<Option<&str>>(row, "outcome")?;
        let state = outcome.map_or_else(|| column::<&str>(row, "state"), Ok)?;
        let Some(state) = SessionState::from_text(state) else {
            continue;
        };
        if state.area() != plan.outcome.area()
            || plan.retires == Some(column(row, "id")?)
            || plan.outcome == SessionState::Conflict
                && (state != SessionState::Conflict
                    || column::<&str>(row, "subject")? != plan.session.subject)
        {
            continue;
        }
        return Err(match outcome {
            Some(_) => CommitError::Busy,
            None => CommitError::Exists(column(row, "id")?),
        });
    }
    Ok(())
}

/// What still has its folder where an experiment is to stand.
pub(super) const LEAVING: &str =
    "SELECT 1 FROM sessions WHERE project = $1 AND label = $2 AND state = 'DELETING' AND experiment IS NOT NULL
     UNION ALL
     SELECT 1 FROM commits WHERE finished IS NOT NULL AND swept = 0 AND staging = $3 AND session <> $4";

/// One experiment of a label, among those stored and those on their way.
pub(super) async fn check_archive_free(
    tx: &mut WriteTransaction,
    session: i64,
    planned: &NewSession,
) -> Result<(), CommitError> {
    let stored = sqlx::query(
        "SELECT id FROM sessions WHERE project = $1 AND label = $2 AND state = 'ARCHIVED' AND id <> $3",
    )
    .bind(&planned.project)
    .bind(&planned.label)
    .bind(session)
    .fetch_optional(tx.on())
    .await?;
    if let Some(row) = stored {
        return Err(CommitError::Exists(column(&row, "id")?));
    }
    // What is being deleted, or has just got another label, still has its folder there.
    let leaving = sqlx::query(LEAVING)
        .bind(&planned.project)
        .bind(&planned.label)
        .bind(planned.home(Area::Archive).to_string_lossy().into_owned())
        .bind(session)
        .fetch_optional(tx.on())
        .await?;
    if leaving.is_some() {
        return Err(CommitError::Busy);
    }
    let on_their_way = sqlx::query(
        "SELECT changes FROM commits WHERE finished IS NULL AND outcome = 'ARCHIVED' AND session <> $1",
    )
    .bind(session)
    .fetch_all(tx.on())
    .await?;
    for row in &on_their_way {
        let other: NewSession = json(row, "changes")?;
        if other.project == planned.project && other.label == planned.label {
            return Err(CommitError::Busy);
        }
    }
    Ok(())
}
