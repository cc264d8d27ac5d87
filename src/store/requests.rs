//! Import requests: the queue, its leases, and what is known of each import.
//!
//! A request is claimed by exactly one worker, which holds it by a lease that it renews. A worker that
//! died lets its lease run out, and the request goes back to the queue. Status names are XNAT's
//! (`DicomInboxImportRequest.Status`). What a request means is not known here.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::any::AnyRow;

use super::{
    SYSTEM, Store, StoreError, WriteTransaction, audit, column, flag, json, now_ms, text_enum,
    to_json, webhooks,
};

mod counts;
mod list;
mod steer;

pub use counts::Counts;
pub use list::RequestFilter;
pub use steer::{Cancelled, cancelled_text};

/// How long a claim holds without being renewed.
const LEASE: Duration = Duration::from_secs(30);

/// XNAT cuts a resolution to the width of its column.
const RESOLUTION_CHARS: usize = 255;

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
        let mut tx = self.0.begin().await?;
        let id = insert_row(&mut tx, new).await?;
        tx.commit().await?;
        self.0.shared.request_added.notify_one();
        Ok(id)
    }

    /// Takes the oldest queued request for `worker`, which is then Accepted. No two calls get the same.
    pub async fn claim(&self, worker: &str) -> Result<Option<ImportRequest>, StoreError> {
        // Looked at without the writer's turn first: most calls find nothing.
        let queued = sqlx::query("SELECT 1 FROM requests WHERE status = $1 LIMIT 1")
            .bind(Status::Queued.as_str())
            .fetch_optional(&self.0.pool)
            .await?;
        if queued.is_none() {
            return Ok(None);
        }
        let now = now_ms();
        let mut tx = self.0.begin().await?;
        let row = sqlx::query(
            "UPDATE requests SET status = $1, worker = $2, lease_until = $3, timestamp = $4,
                    started = COALESCE(started, $4), attempt = attempt + 1
             WHERE id = (SELECT id FROM requests WHERE status = $5 ORDER BY id LIMIT 1)
             RETURNING *",
        )
        .bind(Status::Accepted.as_str())
        .bind(worker)
        .bind(now + LEASE.as_millis() as i64)
        .bind(now)
        .bind(Status::Queued.as_str())
        .fetch_optional(tx.on())
        .await?;
        let Some(request) = row.as_ref().map(from_row).transpose()? else {
            return Ok(None);
        };
        audit::record(&mut tx, SYSTEM, "request.accepted", object(request.id)).await?;
        tx.commit().await?;
        self.0.notify_change(request.id);
        Ok(Some(request))
    }

    /// Renews a claim, to be called well within 30 seconds of the last time. False when the request
    /// is no longer this worker's, which must then stop.
    pub async fn renew(&self, id: i64, worker: &str) -> Result<bool, StoreError> {
        let mut tx = self.0.begin().await?;
        let renewed = sqlx::query(
            "UPDATE requests SET lease_until = $3 WHERE id = $1 AND worker = $2 AND finished IS NULL",
        )
        .bind(id)
        .bind(worker)
        .bind(now_ms() + LEASE.as_millis() as i64)
        .execute(tx.on())
        .await?;
        tx.commit().await?;
        Ok(renewed.rows_affected() == 1)
    }

    /// Moves a request on. For the last step, `finish`.
    pub async fn set_status(&self, id: i64, status: Status) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        sqlx::query(
            "UPDATE requests SET status = $2, timestamp = $3 WHERE id = $1 AND finished IS NULL",
        )
        .bind(id)
        .bind(status.as_str())
        .bind(now_ms())
        .execute(tx.on())
        .await?;
        audit::record(&mut tx, SYSTEM, action(status), object(id)).await?;
        tx.commit().await?;
        self.0.notify_change(id);
        Ok(())
    }

    /// What is known so far. Each call waits for the disk: say it now and then, not per file.
    pub async fn progress(&self, id: i64, counts: &Counts, bytes: i64) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        sqlx::query("UPDATE requests SET counts = $2, bytes = $3, timestamp = $4 WHERE id = $1")
            .bind(id)
            .bind(to_json(counts, "counts")?)
            .bind(bytes)
            .bind(now_ms())
            .execute(tx.on())
            .await?;
        tx.commit().await?;
        self.0.notify_change(id);
        Ok(())
    }

    /// Records the rule set that the request runs under, by its hash.
    pub async fn pin(&self, id: i64, rule_set: &str) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        sqlx::query("UPDATE requests SET rule_set = $2, timestamp = $3 WHERE id = $1")
            .bind(id)
            .bind(rule_set)
            .bind(now_ms())
            .execute(tx.on())
            .await?;
        audit::record(&mut tx, SYSTEM, "request.pin", object(id)).await?;
        tx.commit().await
    }

    /// Ends a request: Completed or Failed, with the final counts. Those who asked for it are told.
    pub async fn finish(
        &self,
        id: i64,
        status: Status,
        resolution: Option<&str>,
        counts: &Counts,
        bytes: i64,
    ) -> Result<(), StoreError> {
        let resolution: Option<String> =
            resolution.map(|text| text.chars().take(RESOLUTION_CHARS).collect());
        let mut tx = self.0.begin().await?;
        let row = sqlx::query(
            "UPDATE requests SET status = $2, resolution = $3, counts = $4, bytes = $5, timestamp = $6,
                    finished = $6, worker = NULL, lease_until = NULL
             WHERE id = $1 AND finished IS NULL RETURNING *",
        )
        .bind(id)
        .bind(status.as_str())
        .bind(resolution)
        .bind(to_json(counts, "counts")?)
        .bind(bytes)
        .bind(now_ms())
        .fetch_optional(tx.on())
        .await?;
        // What has ended stays as it is, and is told once.
        let Some(row) = row else { return Ok(()) };
        audit::record(&mut tx, SYSTEM, action(status), object(id)).await?;
        webhooks::add_notices(&mut tx, &from_row(&row)?).await?;
        tx.commit().await?;
        self.0.shared.notice_added.notify_one();
        self.0.notify_change(id);
        Ok(())
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

    /// Puts requests back into the queue whose worker let its lease run out. To be called at start and
    /// now and then. Returns how many.
    pub async fn requeue_abandoned(&self) -> Result<u64, StoreError> {
        let mut tx = self.0.begin().await?;
        let rows = sqlx::query(
            "UPDATE requests SET status = $1, worker = NULL, lease_until = NULL, timestamp = $2
             WHERE finished IS NULL AND status <> $1 AND (lease_until IS NULL OR lease_until < $2)
             RETURNING id",
        )
        .bind(Status::Queued.as_str())
        .bind(now_ms())
        .fetch_all(tx.on())
        .await?;
        self.requeued(tx, rows).await
    }

    /// Puts back what `worker` holds: a clean shutdown need not wait for the lease.
    pub async fn release(&self, worker: &str) -> Result<u64, StoreError> {
        let mut tx = self.0.begin().await?;
        let rows = sqlx::query(
            "UPDATE requests SET status = $1, worker = NULL, lease_until = NULL, timestamp = $2
             WHERE finished IS NULL AND worker = $3 RETURNING id",
        )
        .bind(Status::Queued.as_str())
        .bind(now_ms())
        .bind(worker)
        .fetch_all(tx.on())
        .await?;
        self.requeued(tx, rows).await
    }

    async fn requeued(
        &self,
        mut tx: WriteTransaction,
        rows: Vec<AnyRow>,
    ) -> Result<u64, StoreError> {
        for row in &rows {
            audit::record(
                &mut tx,
                SYSTEM,
                "request.requeue",
                object(column(row, "id")?),
            )
            .await?;
        }
        tx.commit().await?;
        for row in &rows {
            self.0.shared.request_added.notify_one();
            self.0.notify_change(column(row, "id")?);
        }
        Ok(rows.len() as u64)
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
        attempt: column(row, "attempt")?,
        cancel_asked: column(row, "cancel_asked")?,
        retry_of: column(row, "retry_of")?,
        retried_as: column(row, "retried_as")?,
    })
}

#[cfg(test)]
mod tests;
