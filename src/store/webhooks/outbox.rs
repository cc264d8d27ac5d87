//! The outbox: what is still to be told to webhooks, and what came of the rest.
//!
//! A notice is written in the transaction that ends its request, so neither exists without the other.
//! Sending is [`crate::webhook`]'s. A notice holds ids, counts and times: no label, path or header value,
//! for it leaves the site's rights behind.

use serde_json::json;
use sqlx::any::AnyRow;

use super::super::signals::Word;
use super::super::{
    ImportRequest, Status, StoreError, WriteTransaction, audit, column, now_ms, text_enum, to_json,
};
use super::{Secret, Webhooks, object};

/// For how long a sender has a notice for itself: well beyond the time that an attempt may take.
const LEASE_MS: i64 = 60_000;

/// What is told after a request's end, and on an administrator's wish.
const COMPLETED: &str = "request.completed";
const FAILED: &str = "request.failed";
const TEST: &str = "webhook.test";

/// The problem of a notice that was never tried.
const TOO_LATE: &str = "late";

text_enum! {
    DeliveryState { Pending = "pending", Delivered = "delivered", Failed = "failed" }
}

/// A notice on its way, or past it.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub id: i64,
    pub webhook: i64,
    pub event: String,
    pub request: Option<i64>,
    /// A JSON object.
    pub content: String,
    pub state: DeliveryState,
    pub attempts: i64,
    pub created: i64,
    pub next_attempt: i64,
    /// The HTTP status of the last attempt's answer, if there was one.
    pub answered: Option<i64>,
    /// Why the last attempt failed, as a code.
    pub problem: Option<String>,
    pub ended: Option<i64>,
}

/// How an attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    pub answered: Option<u16>,
    /// None: it was delivered.
    pub problem: Option<&'static str>,
    /// When to try again; none: never.
    pub again: Option<i64>,
}

/// The notice to be told next. The targets are gone through, not the notices, of which there may be thousands for
/// one that does not answer; of each the first is found by an index.
const DUE: &str = "SELECT d.id FROM webhooks w JOIN webhook_deliveries d ON d.id = (
         SELECT n.id FROM webhook_deliveries n
         WHERE n.webhook = w.id AND n.state = 'pending' AND n.next_attempt <= $1
         ORDER BY n.next_attempt, n.id LIMIT 1)
     WHERE w.enabled <> 0
       AND NOT EXISTS (SELECT 1 FROM webhook_deliveries o WHERE o.webhook = w.id
                       AND o.state = 'pending' AND o.lease_until >= $1)
     ORDER BY d.next_attempt, d.id LIMIT 1";

impl Webhooks<'_> {
    /// Puts a notice into the outbox that tells of nothing.
    pub async fn test(&self, id: i64, by: &str) -> Result<Delivery, StoreError> {
        let mut tx = self.0.begin().await?;
        let row = sqlx::query(
            "INSERT INTO webhook_deliveries (webhook, event, content, state, created, next_attempt)
             VALUES ($1, $2, '{}', $3, $4, $4) RETURNING *",
        )
        .bind(id)
        .bind(TEST)
        .bind(DeliveryState::Pending.as_str())
        .bind(now_ms())
        .fetch_one(tx.on())
        .await?;
        let delivery = delivery_from_row(&row)?;
        audit::record(&mut tx, by, "webhook.test", object(id)).await?;
        tx.say(Word::NoticeAdded);
        tx.commit().await?;
        Ok(delivery)
    }

    /// A target's last notices, the newest first.
    pub async fn deliveries(&self, id: i64, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM webhook_deliveries WHERE webhook = $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(id)
        .bind(i64::from(limit))
        .fetch_all(&self.0.pool)
        .await?;
        rows.iter().map(delivery_from_row).collect()
    }

    /// Takes a notice that is due, for [`LEASE_MS`], with its target's address and secret. One at a time
    /// for each target, so that one which does not answer holds up no other; none of a disabled target.
    pub async fn take(&self) -> Result<Option<(Delivery, String, Secret)>, StoreError> {
        let now = now_ms();
        // Looked at without the writer's turn first: most calls find nothing.
        let due = sqlx::query(DUE)
            .bind(now)
            .fetch_optional(&self.0.pool)
            .await?;
        if due.is_none() {
            return Ok(None);
        }
        let mut tx = self.0.begin().await?;
        // What another server took in the meantime is not taken again.
        let sql = format!(
            "UPDATE webhook_deliveries SET lease_until = $2, attempts = attempts + 1
             WHERE id = ({DUE}) AND state = 'pending' AND lease_until < $1 RETURNING *"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(now)
            .bind(now + LEASE_MS)
            .fetch_optional(tx.on())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let delivery = delivery_from_row(&row)?;
        let target = sqlx::query("SELECT url, secret FROM webhooks WHERE id = $1")
            .bind(delivery.webhook)
            .fetch_one(tx.on())
            .await?;
        let taken = (
            delivery,
            column(&target, "url")?,
            Secret(column(&target, "secret")?),
        );
        tx.commit().await?;
        Ok(Some(taken))
    }

    /// Writes down how an attempt went, unless another one was begun since.
    pub async fn settle(&self, taken: &Delivery, attempt: Attempt) -> Result<(), StoreError> {
        let (state, ended) = match (attempt.problem, attempt.again) {
            (None, _) => (DeliveryState::Delivered, Some(now_ms())),
            (Some(_), None) => (DeliveryState::Failed, Some(now_ms())),
            (Some(_), Some(_)) => (DeliveryState::Pending, None),
        };
        let mut tx = self.0.begin().await?;
        sqlx::query(
            "UPDATE webhook_deliveries SET state = $3, answered = $4, problem = $5, next_attempt = $6,
                    ended = $7, lease_until = 0
             WHERE id = $1 AND attempts = $2 AND state = 'pending'",
        )
        .bind(taken.id)
        .bind(taken.attempts)
        .bind(state.as_str())
        .bind(attempt.answered.map(i64::from))
        .bind(attempt.problem)
        .bind(attempt.again.unwrap_or(taken.next_attempt))
        .bind(ended)
        .execute(tx.on())
        .await?;
        tx.commit().await
    }

    /// Gives up the notices that were made before a time, but those that are being told. Who tells one gives it up
    /// too, but those of a disabled target nobody tells, and of one that is slow not all. Answers how many.
    pub async fn give_up(&self, created_before: i64) -> Result<u64, StoreError> {
        let mut tx = self.0.begin().await?;
        let given_up = sqlx::query(
            "UPDATE webhook_deliveries SET state = $3, problem = COALESCE(problem, $4), ended = $2
             WHERE state = 'pending' AND created < $1 AND lease_until < $2",
        )
        .bind(created_before)
        .bind(now_ms())
        .bind(DeliveryState::Failed.as_str())
        .bind(TOO_LATE)
        .execute(tx.on())
        .await?;
        tx.commit().await?;
        Ok(given_up.rows_affected())
    }

    /// Forgets notices that ended before a time.
    pub async fn forget(&self, ended_before: i64) -> Result<u64, StoreError> {
        let mut tx = self.0.begin().await?;
        let forgotten = sqlx::query("DELETE FROM webhook_deliveries WHERE ended < $1")
            .bind(ended_before)
            .execute(tx.on())
            .await?;
        tx.commit().await?;
        Ok(forgotten.rows_affected())
    }
}

/// Notices of a request's end, one for each target that wants it.
pub(in crate::store) async fn add_notices(
    tx: &mut WriteTransaction,
    request: &ImportRequest,
) -> Result<(), StoreError> {
    let event = match request.status {
        Status::Completed => COMPLETED,
        _ => FAILED,
    };
    let content = json!({
        "request": request.id,
        "status": request.status,
        "project": request.project,
        "counts": request.counts,
        "bytes": request.bytes,
        "created": request.created,
        "started": request.started,
        "finished": request.finished,
        "cancelled": request.cancel_asked.is_some() && request.status == Status::Failed,
        "retryOf": request.retry_of,
    });
    let targets = sqlx::query(
        "SELECT id FROM webhooks WHERE enabled <> 0 AND (project = '' OR project = $1)",
    )
    .bind(&request.project)
    .fetch_all(tx.on())
    .await?;
    for target in &targets {
        sqlx::query(
            "INSERT INTO webhook_deliveries (webhook, event, request, content, state, created, next_attempt)
             VALUES ($1, $2, $3, $4, $5, $6, $6)",
        )
        .bind(column::<i64>(target, "id")?)
        .bind(event)
        .bind(request.id)
        .bind(to_json(&content, "content")?)
        .bind(DeliveryState::Pending.as_str())
        .bind(now_ms())
        .execute(tx.on())
        .await?;
    }
    if !targets.is_empty() {
        tx.say(Word::NoticeAdded);
    }
    Ok(())
}

fn delivery_from_row(row: &AnyRow) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: column(row, "id")?,
        webhook: column(row, "webhook")?,
        event: column(row, "event")?,
        request: column(row, "request")?,
        content: column(row, "content")?,
        state: DeliveryState::from_text(column(row, "state")?)
            .ok_or(StoreError::BadValue { column: "state" })?,
        attempts: column(row, "attempts")?,
        created: column(row, "created")?,
        next_attempt: column(row, "next_attempt")?,
        answered: column(row, "answered")?,
        problem: column(row, "problem")?,
        ended: column(row, "ended")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::{NewWebhook, Store, WebhookChange, testing};
    use super::{Attempt, DeliveryState};

    async fn store_with_two_targets() -> (tempfile::TempDir, Store) {
        let (folder, store) = testing::store().await;
        for url in ["http://a", "http://b"] {
            let new = NewWebhook {
                url: url.into(),
                project: None,
                enabled: true,
            };
            store.webhooks().add(new, "root").await.unwrap();
        }
        (folder, store)
    }

    #[tokio::test]
    async fn a_notice_is_taken_once_and_one_at_a_time_for_each_target() {
        let (_folder, store) = store_with_two_targets().await;
        let webhooks = store.webhooks();
        for target in [1, 1, 2] {
            webhooks.test(target, "root").await.unwrap();
        }
        let (first, url, _) = webhooks.take().await.unwrap().unwrap();
        assert_eq!((first.id, url.as_str()), (1, "http://a"));
        let (second, url, _) = webhooks.take().await.unwrap().unwrap();
        assert_eq!((second.id, url.as_str()), (3, "http://b"));
        assert!(webhooks.take().await.unwrap().is_none(), "a is being told");
        let done = Attempt {
            answered: Some(200),
            problem: None,
            again: None,
        };
        webhooks.settle(&first, done).await.unwrap();
        let (third, ..) = webhooks.take().await.unwrap().unwrap();
        assert_eq!((third.id, third.attempts), (2, 1));
    }

    #[tokio::test]
    async fn a_sender_that_died_and_came_back_settles_nothing() {
        let (_folder, store) = store_with_two_targets().await;
        let webhooks = store.webhooks();
        webhooks.test(1, "root").await.unwrap();
        let (late, ..) = webhooks.take().await.unwrap().unwrap();
        sqlx::query("UPDATE webhook_deliveries SET lease_until = 1")
            .execute(&store.pool)
            .await
            .unwrap();
        let (again, ..) = webhooks.take().await.unwrap().unwrap();
        assert_eq!((again.id, again.attempts), (late.id, 2));
        let gave_up = Attempt {
            answered: None,
            problem: Some("timeout"),
            again: None,
        };
        webhooks.settle(&late, gave_up).await.unwrap();
        let state = webhooks.deliveries(1, 9).await.unwrap()[0].state;
        assert_eq!(state, DeliveryState::Pending);
    }

    #[tokio::test]
    async fn what_is_due_is_found_by_index_whatever_a_disabled_target_has_waiting() {
        let (_folder, store) = store_with_two_targets().await;
        let mut tx = store.begin().await.unwrap();
        let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
            INSERT INTO webhook_deliveries (webhook, event, content, state, created, next_attempt)
            SELECT 1, 'webhook.test', '{}', 'pending', 1, 1 FROM n";
        for sql in [many, "UPDATE webhooks SET enabled = 0 WHERE id = 1"] {
            sqlx::query(sql).execute(tx.on()).await.unwrap();
        }
        tx.commit().await.unwrap();
        let webhooks = store.webhooks();
        assert!(webhooks.take().await.unwrap().is_none());
        let other = webhooks.test(2, "root").await.unwrap();
        let (taken, ..) = webhooks.take().await.unwrap().unwrap();
        assert_eq!(taken.id, other.id);
        let plan = testing::plan(&store, &super::DUE.replace("$1", "5")).await;
        assert!(
            plan.iter()
                .all(|step| !step.starts_with("SCAN") || step == "SCAN w"),
            "{plan:?}"
        );
    }

    #[tokio::test]
    async fn what_is_too_old_is_given_up_though_its_target_is_disabled() {
        let (_folder, store) = store_with_two_targets().await;
        let webhooks = store.webhooks();
        for target in [1, 1, 2] {
            webhooks.test(target, "root").await.unwrap();
        }
        let (told, ..) = webhooks.take().await.unwrap().unwrap();
        let off = WebhookChange {
            enabled: Some(false),
            ..WebhookChange::default()
        };
        webhooks.change(2, off, "root").await.unwrap();
        assert_eq!(webhooks.give_up(1).await.unwrap(), 0, "nothing is so old");
        assert_eq!(webhooks.give_up(i64::MAX).await.unwrap(), 2);
        let late = &webhooks.deliveries(2, 9).await.unwrap()[0];
        assert_eq!(late.state, DeliveryState::Failed);
        assert_eq!(late.problem.as_deref(), Some("late"));
        assert!(late.ended.is_some());
        let done = Attempt {
            answered: Some(200),
            problem: None,
            again: None,
        };
        webhooks.settle(&told, done).await.unwrap();
        let states: Vec<_> = webhooks.deliveries(1, 9).await.unwrap();
        let states: Vec<_> = states.iter().map(|delivery| delivery.state).collect();
        assert_eq!(states, [DeliveryState::Failed, DeliveryState::Delivered]);
    }

    #[tokio::test]
    async fn a_removed_target_takes_its_notices_along() {
        let (_folder, store) = store_with_two_targets().await;
        store.webhooks().test(1, "root").await.unwrap();
        assert!(store.webhooks().remove(1, "root").await.unwrap());
        assert!(!store.webhooks().remove(1, "root").await.unwrap());
        assert!(store.webhooks().take().await.unwrap().is_none());
        assert_eq!(store.overview().await.unwrap().pending_notices, 0);
    }
}
