//! The second half of a commit: what it brought is made visible, all at once.

use super::super::{
    NewSession, Session, SessionState, StoreError, WriteTransaction, audit, column, flag, json,
    now_ms, sessions, subjects,
};
use super::rows::{inherit, replace_files, update_session};
use super::{CommitError, Commits, merge, outcome_from};

impl Commits<'_> {
    /// Makes a commit visible. Returns its session; doing it twice changes nothing.
    pub async fn finish(&self, id: i64) -> Result<Session, CommitError> {
        let mut tx = self.0.begin().await?;
        let row = sqlx::query("SELECT * FROM commits WHERE id = $1")
            .bind(id)
            .fetch_optional(tx.on())
            .await?
            .ok_or(CommitError::Gone)?;
        let session: i64 = column::<Option<i64>>(&row, "session")?.ok_or(CommitError::Gone)?;
        if column::<Option<i64>>(&row, "finished")?.is_none() {
            let username: String = column(&row, "username")?;
            let now = now_ms();
            replace_files(&mut tx, id).await?;
            // What was planned of the session is in its row now. Where rules at archiving make that anew, nothing
            // else may tell what it was before.
            sqlx::query("UPDATE commits SET finished = $2, changes = '{}' WHERE id = $1")
                .bind(id)
                .bind(now)
                .execute(tx.on())
                .await?;
            if let Some(retired) = column::<Option<i64>>(&row, "retires")? {
                merge::keep_origins(&mut tx, id, retired).await?;
                if flag(&row, "created_session")? {
                    inherit(&mut tx, session, retired).await?;
                }
                sqlx::query("UPDATE commits SET session = $2 WHERE session = $1")
                    .bind(retired)
                    .bind(session)
                    .execute(tx.on())
                    .await?;
                sessions::remove(&mut tx, retired).await?;
                audit::record(
                    &mut tx,
                    &username,
                    "session.merged",
                    sessions::object(retired),
                )
                .await?;
            }
            let outcome = outcome_from(&row)?;
            let planned: NewSession = json(&row, "changes")?;
            if is_released(&mut tx, session, outcome).await? {
                audit::record(
                    &mut tx,
                    &username,
                    "session.released",
                    sessions::object(session),
                )
                .await?;
            }
            update_session(&mut tx, session, outcome, &planned, now).await?;
            if outcome == SessionState::Archived {
                enter_archive(&mut tx, session, &planned, &username, now).await?;
            }
            audit::record(
                &mut tx,
                &username,
                sessions::action(outcome),
                sessions::object(session),
            )
            .await?;
        }
        let row = sqlx::query("SELECT * FROM sessions WHERE id = $1")
            .bind(session)
            .fetch_one(tx.on())
            .await?;
        let session = sessions::from_row(&row)?;
        tx.commit().await?;
        Ok(session)
    }
}

/// Whether this commit is what takes the session out of quarantine.
async fn is_released(
    tx: &mut WriteTransaction,
    session: i64,
    outcome: SessionState,
) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT state FROM sessions WHERE id = $1")
        .bind(session)
        .fetch_one(tx.on())
        .await?;
    let held = column::<&str>(&row, "state")? == SessionState::Quarantined.as_str();
    Ok(held && outcome != SessionState::Quarantined)
}

/// Gives the session its subject and, the first time, its number.
async fn enter_archive(
    tx: &mut WriteTransaction,
    session: i64,
    planned: &NewSession,
    by: &str,
    now: i64,
) -> Result<(), StoreError> {
    let subject = subjects::ensure(tx, &planned.project, &planned.subject, by).await?;
    let row = sqlx::query("SELECT experiment FROM sessions WHERE id = $1")
        .bind(session)
        .fetch_one(tx.on())
        .await?;
    let number = match column::<Option<i64>>(&row, "experiment")? {
        Some(number) => number,
        None => {
            let row = sqlx::query(
                "UPDATE counters SET value = value + 1 WHERE name = 'experiment' RETURNING value",
            )
            .fetch_one(tx.on())
            .await?;
            column(&row, "value")?
        }
    };
    sqlx::query(
        "UPDATE sessions SET subject_id = $2, experiment = $3, archived = COALESCE(archived, $4),
                archived_by = COALESCE(archived_by, $5) WHERE id = $1",
    )
    .bind(session)
    .bind(subject)
    .bind(number)
    .bind(now)
    .bind(by)
    .execute(tx.on())
    .await?;
    Ok(())
}
