//! Finished commits whose source folder may still be there.

use super::super::{StoreError, column, json};
use super::Commits;

impl Commits<'_> {
    /// Says that the folder which a finished commit took its files from is gone.
    pub async fn swept(&self, id: i64) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        sqlx::query("UPDATE commits SET swept = 1 WHERE id = $1")
            .bind(id)
            .execute(tx.on())
            .await?;
        tx.commit().await
    }

    /// Finished commits whose source folder may still be there, each with that folder and its details.
    pub async fn unswept(&self) -> Result<Vec<(i64, String, serde_json::Value)>, StoreError> {
        // The sign keeps SQLite from going through all commits in their order.
        let rows = sqlx::query(
            "SELECT id, staging, details FROM commits WHERE finished IS NOT NULL AND swept = 0 ORDER BY +id",
        )
        .fetch_all(&self.0.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok((
                    column(row, "id")?,
                    column(row, "staging")?,
                    json(row, "details")?,
                ))
            })
            .collect()
    }
}
