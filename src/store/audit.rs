//! Who did what, when, to which row.
//!
//! Written in the transaction of the change it records, so neither exists without the other. It holds
//! user names, actions and ids: never a label, a header's value, a path or text written by a rule.

use super::{Store, StoreError, WriteTransaction, column, now_ms, sessions};

/// The user of what the server does on its own.
pub const SYSTEM: &str = "(system)";

#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct AuditEntry {
    pub id: i64,
    pub at: i64,
    pub username: String,
    /// Such as `request.insert` or `session.archived`.
    pub action: String,
    /// Such as `request/17` or `project/DEMO`.
    pub object: String,
}

pub(super) async fn record(
    tx: &mut WriteTransaction,
    username: &str,
    action: &'static str,
    object: String,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO audit (at, username, action, object) VALUES ($1, $2, $3, $4)")
        .bind(now_ms())
        .bind(username)
        .bind(action)
        .bind(object)
        .execute(tx.on())
        .await?;
    Ok(())
}

impl Store {
    /// Records that somebody had a project's rules explained on files of its inbox, before they are told.
    pub async fn record_explained(&self, username: &str, project: &str) -> Result<(), StoreError> {
        let mut tx = self.begin_rows().await?;
        let object = format!("project/{project}");
        record(&mut tx, username, "rules.explain", object).await?;
        tx.commit().await
    }

    /// Records that somebody looks at the header of a session's file, before it is shown.
    pub async fn record_header_shown(
        &self,
        username: &str,
        session: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_rows().await?;
        record(
            &mut tx,
            username,
            "session.header",
            sessions::object(session),
        )
        .await?;
        tx.commit().await
    }

    /// Records that somebody changed a module: where no project uses it, no project's history tells.
    pub async fn record_module_changed(
        &self,
        username: &str,
        module: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_rows().await?;
        let object = format!("module/{module}");
        record(&mut tx, username, "rules.module", object).await?;
        tx.commit().await
    }

    /// The last `limit` entries, newest first.
    pub async fn audit_trail(&self, limit: i64) -> Result<Vec<AuditEntry>, StoreError> {
        let rows = sqlx::query("SELECT * FROM audit ORDER BY id DESC LIMIT $1")
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(AuditEntry {
                    id: column(row, "id")?,
                    at: column(row, "at")?,
                    username: column(row, "username")?,
                    action: column(row, "action")?,
                    object: column(row, "object")?,
                })
            })
            .collect()
    }
}
