//! Figures about the whole store, for metrics.

use super::{SessionState, Status, Store, StoreError, column, now_ms};

#[derive(Debug, Clone, Default)]
pub struct Overview {
    /// Every status, also those that no request is in.
    pub requests: Vec<(Status, i64)>,
    /// Every state that a user may see.
    pub sessions: Vec<(SessionState, i64)>,
    /// How long the oldest request of the queue has waited.
    pub oldest_queued_ms: i64,
    pub pending_notices: i64,
}

impl Store {
    pub async fn overview(&self) -> Result<Overview, StoreError> {
        let mut overview = Overview::default();
        let rows = sqlx::query(
            "SELECT status, COUNT(*) AS rows_of, MIN(created) AS first FROM requests GROUP BY status",
        )
        .fetch_all(&self.pool)
        .await?;
        for status in Status::ALL {
            let mut count = 0;
            for row in &rows {
                if column::<&str>(row, "status")? != status.as_str() {
                    continue;
                }
                count = column(row, "rows_of")?;
                if *status == Status::Queued {
                    overview.oldest_queued_ms = (now_ms() - column::<i64>(row, "first")?).max(0);
                }
            }
            overview.requests.push((*status, count));
        }
        let rows = sqlx::query("SELECT state, COUNT(*) AS rows_of FROM sessions GROUP BY state")
            .fetch_all(&self.pool)
            .await?;
        for state in SessionState::ALL {
            let mut count = 0;
            for row in &rows {
                if column::<&str>(row, "state")? == state.as_str() {
                    count = column(row, "rows_of")?;
                }
            }
            overview.sessions.push((*state, count));
        }
        let row = sqlx::query(
            "SELECT COUNT(*) AS rows_of FROM webhook_deliveries WHERE state = 'pending'",
        )
        .fetch_one(&self.pool)
        .await?;
        overview.pending_notices = column(&row, "rows_of")?;
        Ok(overview)
    }
}
