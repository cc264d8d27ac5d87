//! Webhooks: whom the end of a request is told. What they are told is in the outbox.

mod outbox;

use sqlx::any::AnyRow;

use super::{Store, StoreError, audit, column, flag, now_ms, random_bytes};

pub(super) use outbox::add_notices;
pub use outbox::{Attempt, Delivery, DeliveryState};

/// What signs a target's notices; not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A target, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub id: i64,
    pub url: String,
    /// Only of this project's requests; none: of all.
    pub project: Option<String>,
    pub enabled: bool,
    pub created: i64,
    pub created_by: String,
}

#[derive(Debug, Clone)]
pub struct NewWebhook {
    pub url: String,
    pub project: Option<String>,
    pub enabled: bool,
}

/// What is to be another; none of it: left as it is.
#[derive(Debug, Clone, Default)]
pub struct WebhookChange {
    pub url: Option<String>,
    /// `Some(None)`: of all projects.
    pub project: Option<Option<String>>,
    pub enabled: Option<bool>,
}

pub struct Webhooks<'a>(pub(super) &'a Store);

impl Webhooks<'_> {
    /// Adds a target, and makes the secret that is shown this once.
    pub async fn add(&self, new: NewWebhook, by: &str) -> Result<(Webhook, Secret), StoreError> {
        let secret = Secret(format!("whsec_{}", hex::encode(random_bytes::<32>()?)));
        let mut tx = self.0.begin().await?;
        let row = sqlx::query(
            "INSERT INTO webhooks (url, project, secret, enabled, created, created_by)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING *",
        )
        .bind(new.url)
        .bind(new.project.unwrap_or_default())
        .bind(secret.as_str())
        .bind(i64::from(new.enabled))
        .bind(now_ms())
        .bind(by)
        .fetch_one(tx.on())
        .await?;
        let webhook = from_row(&row)?;
        audit::record(&mut tx, by, "webhook.add", object(webhook.id)).await?;
        tx.commit().await?;
        Ok((webhook, secret))
    }

    pub async fn list(&self) -> Result<Vec<Webhook>, StoreError> {
        let rows = sqlx::query("SELECT * FROM webhooks ORDER BY id")
            .fetch_all(&self.0.pool)
            .await?;
        rows.iter().map(from_row).collect()
    }

    pub async fn get(&self, id: i64) -> Result<Option<Webhook>, StoreError> {
        let row = sqlx::query("SELECT * FROM webhooks WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.0.pool)
            .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// Changes a target; its secret stays. None: there is no such target.
    pub async fn change(
        &self,
        id: i64,
        change: WebhookChange,
        by: &str,
    ) -> Result<Option<Webhook>, StoreError> {
        let mut tx = self.0.begin().await?;
        // One statement: what another call changes at the same time stays.
        let row = sqlx::query(
            "UPDATE webhooks SET url = COALESCE($2, url), project = COALESCE($3, project),
                 enabled = COALESCE($4, enabled)
             WHERE id = $1 RETURNING *",
        )
        .bind(id)
        .bind(change.url)
        .bind(change.project.map(Option::unwrap_or_default))
        .bind(change.enabled.map(i64::from))
        .fetch_optional(tx.on())
        .await?;
        let Some(row) = row else { return Ok(None) };
        audit::record(&mut tx, by, "webhook.change", object(id)).await?;
        tx.commit().await?;
        from_row(&row).map(Some)
    }

    /// Removes a target with its notices. False: there is no such target.
    pub async fn remove(&self, id: i64, by: &str) -> Result<bool, StoreError> {
        let mut tx = self.0.begin().await?;
        let removed = sqlx::query("DELETE FROM webhooks WHERE id = $1")
            .bind(id)
            .execute(tx.on())
            .await?;
        if removed.rows_affected() == 0 {
            return Ok(false);
        }
        audit::record(&mut tx, by, "webhook.remove", object(id)).await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn object(id: i64) -> String {
    format!("webhook/{id}")
}

fn from_row(row: &AnyRow) -> Result<Webhook, StoreError> {
    Ok(Webhook {
        id: column(row, "id")?,
        url: column(row, "url")?,
        project: Some(column::<String>(row, "project")?).filter(|project| !project.is_empty()),
        enabled: flag(row, "enabled")?,
        created: column(row, "created")?,
        created_by: column(row, "created_by")?,
    })
}
