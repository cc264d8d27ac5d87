//! Cancelling a request, and queueing one again.

use super::super::signals::Word;
use super::super::{SYSTEM, Session, StoreError, audit, column, now_ms, webhooks};
use super::{NewRequest, Requests, Status, action, from_row, insert_row, object};

/// What came of a wish to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It was not begun, and has ended.
    Ended,
    /// Its worker is told, and ends it.
    Asked,
    /// Too late: everything is stored, only the clean-up is left.
    TooLate,
    /// It had ended before.
    Final,
    Missing,
}

/// How a cancelled request ends: what it had committed by then stays.
pub fn cancelled_text(kept: &[Session]) -> String {
    match kept {
        [] => "Cancelled; nothing was stored.".to_owned(),
        kept => {
            let uris: Vec<String> = kept.iter().map(Session::uri).collect();
            format!("Cancelled; stored before, and kept: {}", uris.join(" "))
        }
    }
}

impl Requests<'_> {
    /// Cancels a request. One that no worker ever had ends at once; any other is marked, for only its
    /// worker can tell what it has stored and drop what it has staged. The mark outlives a crash.
    pub async fn cancel(&self, id: i64, by: &str) -> Result<Cancelled, StoreError> {
        let mut tx = self.0.begin().await?;
        let now = now_ms();
        let ended = sqlx::query(
            "UPDATE requests SET status = $2, resolution = $3, cancel_asked = $4, timestamp = $4,
                    finished = $4 WHERE id = $1 AND status = $5 AND attempt = 0 RETURNING *",
        )
        .bind(id)
        .bind(Status::Failed.as_str())
        .bind(cancelled_text(&[]))
        .bind(now)
        .bind(Status::Queued.as_str())
        .fetch_optional(tx.on())
        .await?;
        let outcome = match ended {
            Some(row) => {
                audit::record(&mut tx, SYSTEM, action(Status::Failed), object(id)).await?;
                webhooks::add_notices(&mut tx, &from_row(&row)?).await?;
                Cancelled::Ended
            }
            None => {
                let asked = sqlx::query(
                    "UPDATE requests SET cancel_asked = COALESCE(cancel_asked, $2)
                     WHERE id = $1 AND finished IS NULL AND status <> $3",
                )
                .bind(id)
                .bind(now)
                .bind(Status::Processed.as_str())
                .execute(tx.on())
                .await?;
                match asked.rows_affected() {
                    0 => Cancelled::Final,
                    _ => Cancelled::Asked,
                }
            }
        };
        if outcome == Cancelled::Final {
            drop(tx);
            return Ok(match self.get(id).await? {
                None => Cancelled::Missing,
                Some(request) if request.status.is_final() => Cancelled::Final,
                Some(_) => Cancelled::TooLate,
            });
        }
        audit::record(&mut tx, by, "request.cancel", object(id)).await?;
        // A marked one that waits in the queue is for a worker to end.
        tx.say(Word::RequestAdded);
        tx.say(Word::RequestChanged(id));
        tx.commit().await?;
        Ok(outcome)
    }

    /// Whether a request's cancelling was asked for.
    pub async fn is_cancel_asked(&self, id: i64) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT cancel_asked FROM requests WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.0.pool)
            .await?;
        Ok(match row {
            Some(row) => column::<Option<i64>>(&row, "cancel_asked")?.is_some(),
            None => false,
        })
    }

    /// Queues a new request in the place of one that has ended; each names the other. `by` is who asked.
    pub async fn retry(&self, old: i64, new: NewRequest, by: &str) -> Result<i64, StoreError> {
        let mut tx = self.0.begin().await?;
        let id = insert_row(&mut tx, new).await?;
        sqlx::query("UPDATE requests SET retry_of = $2 WHERE id = $1")
            .bind(id)
            .bind(old)
            .execute(tx.on())
            .await?;
        let named = sqlx::query(
            "UPDATE requests SET retried_as = $2 WHERE id = $1 AND finished IS NOT NULL
                AND (retried_as IS NULL
                     OR retried_as IN (SELECT id FROM requests WHERE finished IS NOT NULL))",
        )
        .bind(old)
        .bind(id)
        .execute(tx.on())
        .await?;
        if named.rows_affected() == 0 {
            return Err(StoreError::Refused(
                "The request, or the last retry of it, has not ended yet.",
            ));
        }
        audit::record(&mut tx, by, "request.retry", object(old)).await?;
        tx.say(Word::RequestChanged(old));
        tx.commit().await?;
        Ok(id)
    }
}
