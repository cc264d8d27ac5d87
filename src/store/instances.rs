//! The processes that use the database: which live, and what the dead ones left behind.
//!
//! A process says every few seconds that it lives. One that has not been heard of for the length of a
//! lease is forgotten, and with it its hold on requests and commits. That it still runs (a paused
//! machine) does no harm: each claim has a number of its own, and writing under an old one is refused.

use super::requests::LEASE;
use super::{Lock, Store, StoreError, column, now_ms};

pub struct Instances<'a>(pub(super) &'a Store);

impl Instances<'_> {
    /// Says that this process lives, with how many workers. To be repeated well within a lease.
    pub async fn keep(&self, host: &str, workers: usize) -> Result<(), StoreError> {
        let mut tx = self.0.begin_step(Lock::Rows).await?;
        sqlx::query(
            "INSERT INTO instances (id, host, pid, workers, started, seen) VALUES ($1, $2, $3, $4, $5, $5)
             ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, workers = excluded.workers",
        )
        .bind(self.0.instance())
        .bind(host)
        .bind(i64::from(std::process::id()))
        .bind(i64::try_from(workers).unwrap_or(i64::MAX))
        .bind(now_ms())
        .execute(tx.on())
        .await?;
        tx.commit().await
    }

    /// The processes that are not known to be gone.
    pub async fn living(&self) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT id FROM instances")
            .fetch_all(&self.0.pool)
            .await?;
        rows.iter().map(|row| column(row, "id")).collect()
    }

    /// Forgets a process that is known to be gone. What it held is free from now on.
    pub async fn forget(&self, instance: &str) -> Result<(), StoreError> {
        let mut tx = self.0.begin_step(Lock::Rows).await?;
        sqlx::query("DELETE FROM instances WHERE id = $1")
            .bind(instance)
            .execute(tx.on())
            .await?;
        tx.commit().await
    }

    /// Forgets the processes that have been silent for the length of a lease. Returns how many.
    pub async fn forget_silent(&self) -> Result<u64, StoreError> {
        let cutoff = now_ms() - LEASE.as_millis() as i64;
        // Looked at first: most calls find nothing, and writing waits for the disk.
        let silent = sqlx::query("SELECT 1 FROM instances WHERE seen < $1 LIMIT 1")
            .bind(cutoff)
            .fetch_optional(&self.0.pool)
            .await?;
        if silent.is_none() {
            return Ok(0);
        }
        let mut tx = self.0.begin_step(Lock::Rows).await?;
        let gone = sqlx::query("DELETE FROM instances WHERE seen < $1")
            .bind(cutoff)
            .execute(tx.on())
            .await?;
        tx.commit().await?;
        Ok(gone.rows_affected())
    }
}
