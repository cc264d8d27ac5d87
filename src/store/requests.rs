//! Import requests: the queue, and what is known of each import.
//!
//! A request is claimed by exactly one worker, which holds it by a lease that it renews (`claim.rs`). A
//! worker that died lets its lease run out, and the request goes back to the queue. Status names are
//! XNAT's (`DicomInboxImportRequest.Status`). What a request means is not known here.

mod claim;
mod counts;
mod list;
mod steer;
mod stored;

use std::collections::BTreeMap;

use sqlx::any::AnyRow;

pub use claim::Claim;
pub(super) use claim::{LEASE, check_held};
pub use counts::Counts;
pub use list::RequestFilter;
pub use steer::{Cancelled, cancelled_text};
pub use stored::Place;

use super::signals::Word;
use super::{
    SYSTEM, Store, StoreError, WriteTransaction, audit, column, flag, json, now_ms, text_enum,
    to_json,
};

text_enum! {
    Status {
        Queued = "Queued",
        Accepted = "Accepted",
        Trawling = "Trawling",
        Importing = "Importing",
        Processed = "Processed",
        Completed = "Completed",
        Failed = "Failed",
    }
}

impl Status {
    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Status::Completed | Status::Failed)
    }
}

#[derive(Debug, Clone)]
pub struct ImportRequest {
    pub id: i64,
    pub username: String,
    pub project: String,
    /// As the caller gave them.
    pub parameters: BTreeMap<String, String>,
    /// Absolute, as the client sees it.
    pub session_path: String,
    pub status: Status,
    pub cleanup: bool,
    pub resolution: Option<String>,
    pub created: i64,
    /// Of the last change.
    pub timestamp: i64,
    pub started: Option<i64>,
    pub finished: Option<i64>,
    pub rule_set: Option<String>,
    pub counts: Counts,
    pub bytes: i64,
    /// What the import is held up by; none while it runs.
    pub waiting: Option<String>,
    /// How often it has been claimed: more than once after a crash.
    pub attempt: i64,
    /// When its cancelling was asked for.
    pub cancel_asked: Option<i64>,
    /// The request whose parameters it repeats.
    pub retry_of: Option<i64>,
    /// The last request that repeats this one's.
    pub retried_as: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct NewRequest {
    pub username: String,
    pub project: String,
    pub parameters: BTreeMap<String, String>,
    pub session_path: String,
    pub cleanup: bool,
}

pub struct Requests<'a>(pub(super) &'a Store);

impl Requests<'_> {
    /// Queues a request and wakes a worker.
    pub async fn insert(&self, new: NewRequest) -> Result<i64, StoreError> {
        let mut tx = self.0.begin_rows().await?;
        let id = insert_row(&mut tx, new).await?;
        tx.commit().await?;
        Ok(id)
    }

    pub async fn get(&self, id: i64) -> Result<Option<ImportRequest>, StoreError> {
        sqlx::query("SELECT * FROM requests WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.0.pool)
            .await?
            .as_ref()
            .map(from_row)
            .transpose()
    }

    /// The sessions a request made or added to, in the order of their commits.
    pub async fn sessions(&self, id: i64) -> Result<Vec<super::Session>, StoreError> {
        let rows = sqlx::query(
            "SELECT s.* FROM sessions s JOIN (
                 SELECT session, MIN(id) AS first FROM commits
                 WHERE request = $1 AND finished IS NOT NULL GROUP BY session
             ) c ON c.session = s.id ORDER BY c.first",
        )
        .bind(id)
        .fetch_all(&self.0.pool)
        .await?;
        rows.iter().map(super::sessions::from_row).collect()
    }
}

/// Adds a queued request's row.
pub(super) async fn insert_row(
    tx: &mut WriteTransaction,
    new: NewRequest,
) -> Result<i64, StoreError> {
    let row = sqlx::query(
        "INSERT INTO requests (username, project, parameters, session_path, status, cleanup, created, timestamp)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7) RETURNING id",
    )
    .bind(&new.username)
    .bind(new.project)
    .bind(to_json(&new.parameters, "parameters")?)
    .bind(new.session_path)
    .bind(Status::Queued.as_str())
    .bind(i64::from(new.cleanup))
    .bind(now_ms())
    .fetch_one(tx.on())
    .await?;
    let id = column(&row, "id")?;
    audit::record(tx, &new.username, "request.insert", object(id)).await?;
    tx.say(Word::RequestAdded);
    Ok(id)
}

fn object(id: i64) -> String {
    format!("request/{id}")
}

fn action(status: Status) -> &'static str {
    match status {
        Status::Queued => "request.queued",
        Status::Accepted => "request.accepted",
        Status::Trawling => "request.trawling",
        Status::Importing => "request.importing",
        Status::Processed => "request.processed",
        Status::Completed => "request.completed",
        Status::Failed => "request.failed",
    }
}

fn from_row(row: &AnyRow) -> Result<ImportRequest, StoreError> {
    Ok(ImportRequest {
        id: column(row, "id")?,
        username: column(row, "username")?,
        project: column(row, "project")?,
        parameters: json(row, "parameters")?,
        session_path: column(row, "session_path")?,
        status: Status::from_text(column(row, "status")?)
            .ok_or(StoreError::BadValue { column: "status" })?,
        cleanup: flag(row, "cleanup")?,
        resolution: column(row, "resolution")?,
        created: column(row, "created")?,
        timestamp: column(row, "timestamp")?,
        started: column(row, "started")?,
        finished: column(row, "finished")?,
        rule_set: column(row, "rule_set")?,
        counts: json(row, "counts")?,
        bytes: column(row, "bytes")?,
        waiting: column(row, "waiting")?,
        attempt: column(row, "attempt")?,
        cancel_asked: column(row, "cancel_asked")?,
        retry_of: column(row, "retry_of")?,
        retried_as: column(row, "retried_as")?,
    })
}

#[cfg(test)]
mod tests;
