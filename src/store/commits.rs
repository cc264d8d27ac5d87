//! A change of what is stored, in two steps around the file system.
//!
//! `begin` writes down what will be: the session, its scans and files, where the bytes are staged and
//! where they will stand. Nothing of it is visible. Then the caller moves the files, by a step that may
//! be repeated. Then `finish` makes it visible, all at once. After a crash `orphans` (`pending.rs`)
//! tells what was begun: the file system step is repeated and finished, never guessed.
//!
//! The same serves a new session, more files for one that exists, and a session that goes from the
//! prearchive to the archive, alone or into an experiment. One commit at a time for each session.

mod checks;
mod finish;
mod merge;
mod pending;
mod rows;
mod sweep;

use std::sync::Arc;

use sqlx::any::AnyRow;

pub use pending::Orphan;

use checks::{
    check_absent, check_archive_free, check_folder_free, check_free, check_retiring,
    check_unchanged,
};
use rows::{insert_files, insert_session};

use super::labels::{self, Taken};
use super::requests::check_held;
use super::sessions::{self, file_from_row, scan_from_row};
use super::{
    Claim, NewSession, Scan, Session, SessionState, Store, StoreError, StoredFile, audit, column,
    flag, json, now_ms, read_all, to_json,
};

#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The label belongs to another study.
    #[error("the label belongs to another study")]
    LabelTaken,
    /// Another commit of the same session is running, or it is being archived or deleted.
    #[error("the session is being changed by someone else")]
    Busy,
    /// There is such a session in that area: commit into it.
    #[error("session {0} of that study and label exists")]
    Exists(i64),
    #[error("the session to add to is gone")]
    Gone,
    /// Take another timestamp or folder name.
    #[error("a session folder of that name exists")]
    FolderTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for CommitError {
    fn from(error: sqlx::Error) -> Self {
        CommitError::Store(error.into())
    }
}

impl From<Taken> for CommitError {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::ByAnotherStudy | Taken::UnderAnEarlierKey => CommitError::LabelTaken,
            Taken::Store(error) => CommitError::Store(error),
        }
    }
}

#[derive(Debug, Clone)]
pub struct CommitPlan {
    /// The import it belongs to, which must still be the caller's; none for a user's own call.
    pub request: Option<Claim>,
    pub username: String,
    /// The session as it shall be. Committing into one that is there changes its labels, folder, rule
    /// sets, reason and marks, and nothing else of it.
    pub session: NewSession,
    /// The session to add to or to move on; none for a new one.
    pub into: Option<i64>,
    /// A waiting session whose files this commit takes into another: gone when finished. A new session
    /// takes over when and by which request it came, and may take its folder's name.
    pub retires: Option<i64>,
    /// The session's state once finished.
    pub outcome: SessionState,
    pub staging: String,
    pub final_path: String,
    pub scans: Vec<Scan>,
    /// What is added; one of the same scan, resource and name as a stored one takes its place.
    pub files: Vec<Arc<StoredFile>>,
    /// Sessions as the plan was made from them, with `Session::lastmod`: if one has changed since, the plan
    /// is refused as [`CommitError::Busy`].
    pub seen: Vec<(i64, i64)>,
    /// Whatever the caller needs to repeat its step on the file system.
    pub details: serde_json::Value,
}

/// A commit that was begun and not finished.
#[derive(Debug, Clone)]
pub struct PendingCommit {
    pub id: i64,
    pub request: Option<i64>,
    pub username: String,
    /// The session's row as it is now (`Committing` when new).
    pub session: Session,
    pub is_new: bool,
    pub retires: Option<i64>,
    pub outcome: SessionState,
    /// The session as it shall be.
    pub planned: NewSession,
    pub staging: String,
    pub final_path: String,
    pub details: serde_json::Value,
}

pub struct Commits<'a>(pub(super) &'a Store);

impl Commits<'_> {
    /// Writes down what will be, and gives the label to the study for good. Returns the commit's id.
    pub async fn begin(&self, plan: CommitPlan) -> Result<i64, CommitError> {
        let mut tx = self.0.begin().await?;
        if let Some(claim) = plan.request {
            check_held(&mut tx, claim).await?;
        }
        check_unchanged(&mut tx, &plan.seen).await?;
        let session = match plan.into {
            Some(id) => {
                check_free(&mut tx, id, plan.outcome).await?;
                check_folder_free(&mut tx, id, &plan.session).await?;
                id
            }
            None => {
                check_absent(&mut tx, &plan).await?;
                if let Some(retired) = plan.retires {
                    check_folder_free(&mut tx, retired, &plan.session).await?;
                }
                insert_session(&mut tx, &plan).await?
            }
        };
        if let Some(retired) = plan.retires {
            check_retiring(&mut tx, retired).await?;
        }
        let reserved = labels::reserve(
            &mut tx,
            &plan.session.project,
            &plan.session.label,
            &plan.session.study_key,
        )
        .await;
        match reserved {
            // What is in conflict may bear a label that is not its study's. So may what is in quarantine:
            // who releases it is told.
            Err(Taken::ByAnotherStudy)
                if matches!(
                    plan.outcome,
                    SessionState::Conflict | SessionState::Quarantined
                ) => {}
            reserved => reserved?,
        }
        if plan.outcome == SessionState::Archived {
            check_archive_free(&mut tx, session, &plan.session).await?;
        }
        let row = sqlx::query(
            "INSERT INTO commits (request, username, session, created_session, retires, outcome, changes,
                                  staging, final_path, details, created, instance)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id",
        )
        .bind(plan.request.map(|claim| claim.request))
        .bind(&plan.username)
        .bind(session)
        .bind(i64::from(plan.into.is_none()))
        .bind(plan.retires)
        .bind(plan.outcome.as_str())
        .bind(to_json(&plan.session, "changes")?)
        .bind(&plan.staging)
        .bind(&plan.final_path)
        .bind(to_json(&plan.details, "details")?)
        .bind(now_ms())
        .bind(self.0.instance())
        .fetch_one(tx.on())
        .await?;
        let id = column(&row, "id")?;
        insert_files(&mut tx, id, session, &plan.scans, &plan.files).await?;
        audit::record(&mut tx, &plan.username, "commit.begin", object(id)).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Drops a commit that was begun and whose files are nowhere but in staging.
    pub async fn abandon(&self, id: i64) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        let row = sqlx::query("SELECT * FROM commits WHERE id = $1 AND finished IS NULL")
            .bind(id)
            .fetch_optional(tx.on())
            .await?;
        let Some(row) = row else { return Ok(()) };
        sqlx::query("DELETE FROM files WHERE commit_id = $1")
            .bind(id)
            .execute(tx.on())
            .await?;
        sqlx::query("DELETE FROM commits WHERE id = $1")
            .bind(id)
            .execute(tx.on())
            .await?;
        if let Some(session) = column::<Option<i64>>(&row, "session")? {
            if flag(&row, "created_session")? {
                sessions::remove(&mut tx, session).await?;
            } else {
                let planned: NewSession = json(&row, "changes")?;
                labels::release_unused(&mut tx, &planned.project, &planned.label).await?;
            }
        }
        audit::record(
            &mut tx,
            column(&row, "username")?,
            "commit.abandon",
            object(id),
        )
        .await?;
        tx.commit().await
    }

    /// The series of a commit's session, with those that it adds.
    pub async fn scans(&self, session: i64) -> Result<Vec<Scan>, StoreError> {
        let rows = sqlx::query("SELECT * FROM scans WHERE session = $1 ORDER BY id")
            .bind(session)
            .fetch_all(&self.0.pool)
            .await?;
        rows.iter().map(scan_from_row).collect()
    }

    /// Whether a commit adds files, finished or not.
    pub async fn has_files(&self, id: i64) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 FROM files WHERE commit_id = $1 LIMIT 1")
            .bind(id)
            .fetch_optional(&self.0.pool)
            .await?;
        Ok(row.is_some())
    }

    /// The files that a commit adds to a scan of its session, finished or not.
    pub async fn files(
        &self,
        id: i64,
        session: i64,
        scan_id: &str,
    ) -> Result<Vec<StoredFile>, StoreError> {
        // The sign keeps SQLite from going through all files of the commit for each scan.
        let query = sqlx::query(
            "SELECT f.*, s.scan_id, r.label AS resource FROM scans s
             JOIN resources r ON r.scan = s.id JOIN files f ON f.resource = r.id
             WHERE s.session = $2 AND s.scan_id = $3 AND +f.commit_id = $1 ORDER BY f.id",
        )
        .bind(id)
        .bind(session)
        .bind(scan_id);
        read_all(query.fetch(&self.0.pool), file_from_row).await
    }
}

fn object(id: i64) -> String {
    format!("commit/{id}")
}

fn outcome_from(row: &AnyRow) -> Result<SessionState, StoreError> {
    SessionState::from_text(column(row, "outcome")?)
        .ok_or(StoreError::BadValue { column: "outcome" })
}

#[cfg(test)]
mod tests;
