//! Who works on a request: claims, leases, and every write that only the holder may make.
//!
//! A claim is (request, attempt). The number of the attempt goes up with each claim, and whoever writes
//! names it, so that a worker that was taken for dead and is not can no longer change anything: its
//! writes find no row.

use std::time::Duration;

use sqlx::any::AnyRow;

use super::super::signals::Word;
use super::super::{Lock, StoreError, WriteTransaction, audit, column, now_ms, to_json, webhooks};
use super::{Counts, ImportRequest, Requests, SYSTEM, Status, action, from_row, object};

/// How long a claim holds without being renewed.
pub(in crate::store) const LEASE: Duration = Duration::from_secs(30);

/// XNAT cuts a resolution to the width of its column.
const RESOLUTION_CHARS: usize = 255;

/// The states of a request that a worker has, for SQL: named one by one, they are found by the index.
const HELD_STATES: &str = "('Accepted', 'Trawling', 'Importing', 'Processed')";

/// A worker's hold on a request: until it ends, or another worker claims it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub request: i64,
    pub attempt: i64,
}

impl ImportRequest {
    pub fn claim(&self) -> Claim {
        Claim {
            request: self.id,
            attempt: self.attempt,
        }
    }
}

/// Completed with `$1` and `$2` of a [`Claim`].
macro_rules! held {
    ($sql:literal) => {
        concat!(
            $sql,
            " WHERE id = $1 AND attempt = $2 AND worker IS NOT NULL AND finished IS NULL"
        )
    };
}

impl Requests<'_> {
    /// Takes a queued request for `worker`, which is then Accepted. No two calls get the same.
    ///
    /// Projects take turns: first the one with the fewest requests running, then the one that was served
    /// longest ago; within a project the oldest first. As long as there is more than one worker, no
    /// project has them all, so that another's small request need not wait for the end of a large one.
    pub async fn claim(&self, worker: &str) -> Result<Option<ImportRequest>, StoreError> {
        // Looked at without a lock first: most calls find nothing.
        let queued = sqlx::query("SELECT 1 FROM requests WHERE status = $1 LIMIT 1")
            .bind(Status::Queued.as_str())
            .fetch_optional(&self.0.pool)
            .await?;
        if queued.is_none() {
            return Ok(None);
        }
        let now = now_ms();
        let mut tx = self.0.begin_taking(Lock::Queue).await?;
        let Some(id) = next_in_turn(&mut tx).await? else {
            return Ok(None);
        };
        let row = sqlx::query(
            "UPDATE requests SET status = $2, worker = $3, instance = $4, lease_until = $5, timestamp = $6,
                    started = COALESCE(started, $6), attempt = attempt + 1
             WHERE id = $1 AND status = $7 RETURNING *",
        )
        .bind(id)
        .bind(Status::Accepted.as_str())
        .bind(worker)
        .bind(self.0.instance())
        .bind(now + LEASE.as_millis() as i64)
        .bind(now)
        .bind(Status::Queued.as_str())
        .fetch_optional(tx.on())
        .await?;
        let Some(request) = row.as_ref().map(from_row).transpose()? else {
            return Ok(None);
        };
        audit::record(&mut tx, SYSTEM, action(Status::Accepted), object(id)).await?;
        tx.say(Word::RequestChanged(id));
        tx.commit().await?;
        Ok(Some(request))
    }

    /// Prolongs the lease, to be called well within it; false if the request is no longer the worker's.
    pub async fn renew(&self, claim: Claim) -> Result<bool, StoreError> {
        let mut tx = self.0.begin_step(Lock::Rows).await?;
        let renewed = sqlx::query(held!("UPDATE requests SET lease_until = $3"))
            .bind(claim.request)
            .bind(claim.attempt)
            .bind(now_ms() + LEASE.as_millis() as i64)
            .execute(tx.on())
            .await?;
        tx.commit().await?;
        Ok(renewed.rows_affected() == 1)
    }

    /// What is known so far. Each call waits for the disk: say it now and then, not per file. Nothing
    /// changes if the request is no longer the worker's.
    pub async fn progress(
        &self,
        claim: Claim,
        counts: &Counts,
        bytes: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.0.begin_step(Lock::Rows).await?;
        sqlx::query(held!(
            "UPDATE requests SET counts = $3, bytes = $4, timestamp = $5"
        ))
        .bind(claim.request)
        .bind(claim.attempt)
        .bind(to_json(counts, "counts")?)
        .bind(bytes)
        .bind(now_ms())
        .execute(tx.on())
        .await?;
        tx.say(Word::RequestChanged(claim.request));
        tx.commit().await
    }

    /// Moves a request on. For the last step, `finish`.
    ///
    /// # Errors
    /// [`StoreError::ClaimLost`], as with all that follow.
    pub async fn set_status(&self, claim: Claim, status: Status) -> Result<(), StoreError> {
        let mut tx = self.0.begin_step(Lock::Rows).await?;
        let changed = sqlx::query(held!("UPDATE requests SET status = $3, timestamp = $4"))
            .bind(claim.request)
            .bind(claim.attempt)
            .bind(status.as_str())
            .bind(now_ms())
            .execute(tx.on())
            .await?;
        still_held(changed.rows_affected())?;
        audit::record(&mut tx, SYSTEM, action(status), object(claim.request)).await?;
        tx.say(Word::RequestChanged(claim.request));
        tx.commit().await
    }

    /// Says what a request waits for, or that it goes on.
    pub async fn set_waiting(&self, claim: Claim, on: Option<&str>) -> Result<(), StoreError> {
        let mut tx = self.0.begin_step(Lock::Rows).await?;
        let changed = sqlx::query(held!("UPDATE requests SET waiting = $3, timestamp = $4"))
            .bind(claim.request)
            .bind(claim.attempt)
            .bind(on)
            .bind(now_ms())
            .execute(tx.on())
            .await?;
        still_held(changed.rows_affected())?;
        tx.say(Word::RequestChanged(claim.request));
        tx.commit().await
    }

    /// Moves a request to Processed, from where it can't be cancelled. False if it has been by now.
    pub async fn set_processed(&self, claim: Claim) -> Result<bool, StoreError> {
        let mut tx = self.0.begin_step(Lock::Rows).await?;
        check_held(&mut tx, claim).await?;
        let moved = sqlx::query(
            "UPDATE requests SET status = $2, timestamp = $3 WHERE id = $1 AND cancel_asked IS NULL",
        )
        .bind(claim.request)
        .bind(Status::Processed.as_str())
        .bind(now_ms())
        .execute(tx.on())
        .await?;
        if moved.rows_affected() == 0 {
            return Ok(false);
        }
        audit::record(
            &mut tx,
            SYSTEM,
            action(Status::Processed),
            object(claim.request),
        )
        .await?;
        tx.say(Word::RequestChanged(claim.request));
        tx.commit().await?;
        Ok(true)
    }

    /// Gives a request that named no project the one it belongs to, as if the call had named it.
    pub async fn assign(&self, claim: Claim, request: &ImportRequest) -> Result<(), StoreError> {
        let mut tx = self.0.begin_step(Lock::Rows).await?;
        let changed = sqlx::query(held!(
            "UPDATE requests SET project = $3, parameters = $4, timestamp = $5"
        ))
        .bind(claim.request)
        .bind(claim.attempt)
        .bind(&request.project)
        .bind(to_json(&request.parameters, "parameters")?)
        .bind(now_ms())
        .execute(tx.on())
        .await?;
        still_held(changed.rows_affected())?;
        audit::record(&mut tx, SYSTEM, "request.assign", object(claim.request)).await?;
        tx.say(Word::RequestChanged(claim.request));
        tx.commit().await
    }

    /// Records the rule set that the request runs under, by its hash.
    pub async fn pin(&self, claim: Claim, rule_set: &str) -> Result<(), StoreError> {
        let mut tx = self.0.begin_step(Lock::Rows).await?;
        let changed = sqlx::query(held!("UPDATE requests SET rule_set = $3, timestamp = $4"))
            .bind(claim.request)
            .bind(claim.attempt)
            .bind(rule_set)
            .bind(now_ms())
            .execute(tx.on())
            .await?;
        still_held(changed.rows_affected())?;
        audit::record(&mut tx, SYSTEM, "request.pin", object(claim.request)).await?;
        tx.commit().await
    }

    /// Ends a request: Completed or Failed, with the final counts. Those who asked for it are told.
    pub async fn finish(
        &self,
        claim: Claim,
        status: Status,
        resolution: Option<&str>,
        counts: &Counts,
        bytes: i64,
    ) -> Result<(), StoreError> {
        let resolution: Option<String> =
            resolution.map(|text| text.chars().take(RESOLUTION_CHARS).collect());
        let mut tx = self.0.begin_rows().await?;
        let ended = sqlx::query(concat!(
            held!(
                "UPDATE requests SET status = $3, resolution = $4, counts = $5, bytes = $6, timestamp = $7,
                        finished = $7, worker = NULL, instance = NULL, lease_until = NULL, waiting = NULL"
            ),
            " RETURNING *"
        ))
        .bind(claim.request)
        .bind(claim.attempt)
        .bind(status.as_str())
        .bind(resolution)
        .bind(to_json(counts, "counts")?)
        .bind(bytes)
        .bind(now_ms())
        .fetch_optional(tx.on())
        .await?;
        let ended = ended.ok_or(StoreError::ClaimLost)?;
        audit::record(&mut tx, SYSTEM, action(status), object(claim.request)).await?;
        webhooks::add_notices(&mut tx, &from_row(&ended)?).await?;
        tx.say(Word::RequestChanged(claim.request));
        tx.commit().await
    }

    /// Puts a request back into the queue: a clean shutdown need not wait for the lease.
    pub async fn release(&self, claim: Claim) -> Result<(), StoreError> {
        let mut tx = self.0.begin_step(Lock::Rows).await?;
        let rows = sqlx::query(concat!(
            held!(
                "UPDATE requests SET status = $3, worker = NULL, instance = NULL, lease_until = NULL,
                        waiting = NULL, timestamp = $4"
            ),
            " RETURNING id"
        ))
        .bind(claim.request)
        .bind(claim.attempt)
        .bind(Status::Queued.as_str())
        .bind(now_ms())
        .fetch_all(tx.on())
        .await?;
        self.requeued(tx, rows).await.map(drop)
    }

    /// Puts requests back into the queue whose worker let its lease run out, or whose process is gone. To
    /// be called at start and now and then. Returns how many.
    pub async fn requeue_abandoned(&self) -> Result<u64, StoreError> {
        let abandoned = format!(
            "status IN {HELD_STATES} AND (lease_until IS NULL OR lease_until < $1
             OR NOT EXISTS (SELECT 1 FROM instances i WHERE i.id = requests.instance))"
        );
        let now = now_ms();
        let look = format!("SELECT 1 FROM requests WHERE {abandoned} LIMIT 1");
        let found = sqlx::query(sqlx::AssertSqlSafe(look))
            .bind(now)
            .fetch_optional(&self.0.pool)
            .await?;
        if found.is_none() {
            return Ok(0);
        }
        let mut tx = self.0.begin_step(Lock::Queue).await?;
        let requeue = format!(
            "UPDATE requests SET status = 'Queued', worker = NULL, instance = NULL, lease_until = NULL,
                    waiting = NULL, timestamp = $1 WHERE {abandoned} RETURNING id"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(requeue))
            .bind(now)
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
            let id = column(row, "id")?;
            audit::record(&mut tx, SYSTEM, "request.requeue", object(id)).await?;
            tx.say(Word::RequestAdded);
            tx.say(Word::RequestChanged(id));
        }
        tx.commit().await?;
        Ok(rows.len() as u64)
    }
}

/// Sees, and keeps true until the transaction ends, that a claim holds.
pub(in crate::store) async fn check_held(
    tx: &mut WriteTransaction,
    claim: Claim,
) -> Result<(), StoreError> {
    // An update that changes nothing: it locks the row, in either database.
    let held = sqlx::query(held!("UPDATE requests SET worker = worker"))
        .bind(claim.request)
        .bind(claim.attempt)
        .execute(tx.on())
        .await?;
    still_held(held.rows_affected())
}

fn still_held(rows: u64) -> Result<(), StoreError> {
    match rows {
        0 => Err(StoreError::ClaimLost),
        _ => Ok(()),
    }
}

/// What [`next_in_turn`] asks. What is running is counted among what has not ended: a project may have ended hundreds
/// of thousands.
pub(super) fn turn_sql() -> String {
    format!(
        "SELECT q.oldest,
                (SELECT COUNT(*) FROM requests r WHERE r.project = q.project AND r.finished IS NULL
                 AND r.status IN {HELD_STATES}) AS running,
                (SELECT COALESCE(MAX(r.started), 0) FROM requests r WHERE r.project = q.project) AS served,
                (SELECT CAST(COALESCE(SUM(i.workers), 0) AS BIGINT) FROM instances i) AS workers
         FROM (SELECT project, MIN(id) AS oldest FROM requests WHERE status = 'Queued' GROUP BY project) q
         ORDER BY running, served, oldest LIMIT 1"
    )
}

/// The request whose turn it is, unless its project has all the workers that one project may have.
async fn next_in_turn(tx: &mut WriteTransaction) -> Result<Option<i64>, StoreError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(turn_sql()))
        .fetch_optional(tx.on())
        .await?;
    let Some(row) = row else { return Ok(None) };
    let workers: i64 = column(&row, "workers")?;
    let share = (workers - 1).max(1);
    match column::<i64>(&row, "running")? < share {
        true => Ok(Some(column(&row, "oldest")?)),
        false => Ok(None),
    }
}
