//! Commits that were begun and not finished, and who finishes them.

use sqlx::any::AnyRow;

use super::super::{Lock, StoreError, column, flag, json, sessions};
use super::{Commits, PendingCommit, outcome_from};

/// A commit that its process may have left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    pub id: i64,
    /// The process that began it, or took it over last; empty for none.
    pub holder: String,
}

impl Commits<'_> {
    /// A commit that was begun and not finished.
    pub async fn pending(&self, id: i64) -> Result<Option<PendingCommit>, StoreError> {
        let row = sqlx::query("SELECT * FROM commits WHERE id = $1 AND finished IS NULL")
            .bind(id)
            .fetch_optional(&self.0.pool)
            .await?;
        match row {
            Some(row) => self.read_pending(&row).await,
            None => Ok(None),
        }
    }

    /// What was begun by this process, or by one that is gone, in order: at start, what a crash left.
    pub async fn orphans(&self) -> Result<Vec<Orphan>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, COALESCE(instance, '') AS holder FROM commits
             WHERE finished IS NULL AND (instance IS NULL OR instance = $1
                   OR NOT EXISTS (SELECT 1 FROM instances i WHERE i.id = commits.instance)) ORDER BY id",
        )
        .bind(self.0.instance())
        .fetch_all(&self.0.pool)
        .await?;
        rows.iter().map(orphan).collect()
    }

    /// What earlier workers at a request had begun. Only for who holds the request now.
    pub async fn orphans_of(&self, request: i64) -> Result<Vec<Orphan>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, COALESCE(instance, '') AS holder FROM commits
             WHERE finished IS NULL AND request = $1 ORDER BY id",
        )
        .bind(request)
        .fetch_all(&self.0.pool)
        .await?;
        rows.iter().map(orphan).collect()
    }

    /// What the commits of a request that are not finished still need of staging, below the data folder.
    pub async fn staging_of(&self, request: i64) -> Result<Vec<String>, StoreError> {
        let rows =
            sqlx::query("SELECT staging FROM commits WHERE finished IS NULL AND request = $1")
                .bind(request)
                .fetch_all(&self.0.pool)
                .await?;
        rows.iter().map(|row| column(row, "staging")).collect()
    }

    /// What all commits that are not finished still need of staging, below the data folder.
    pub async fn stagings(&self) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT staging FROM commits WHERE finished IS NULL")
            .fetch_all(&self.0.pool)
            .await?;
        rows.iter().map(|row| column(row, "staging")).collect()
    }

    /// Whether a commit of that session was begun and is not finished.
    pub async fn is_pending_for(&self, session: i64) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT 1 FROM commits WHERE finished IS NULL AND (session = $1 OR retires = $1) LIMIT 1",
        )
        .bind(session)
        .fetch_optional(&self.0.pool)
        .await?;
        Ok(row.is_some())
    }

    /// Takes a commit over, to finish it. None if somebody else did, or it is finished.
    pub async fn adopt(&self, orphan: &Orphan) -> Result<Option<PendingCommit>, StoreError> {
        let mut tx = self.0.begin_taking(Lock::Rows).await?;
        let row = sqlx::query(
            "UPDATE commits SET instance = $3
             WHERE id = $1 AND COALESCE(instance, '') = $2 AND finished IS NULL RETURNING *",
        )
        .bind(orphan.id)
        .bind(&orphan.holder)
        .bind(self.0.instance())
        .fetch_optional(tx.on())
        .await?;
        tx.commit().await?;
        match row {
            Some(row) => self.read_pending(&row).await,
            None => Ok(None),
        }
    }

    /// None if its session is gone.
    async fn read_pending(&self, row: &AnyRow) -> Result<Option<PendingCommit>, StoreError> {
        let Some(session) = column::<Option<i64>>(row, "session")? else {
            return Ok(None);
        };
        let session = sqlx::query("SELECT * FROM sessions WHERE id = $1")
            .bind(session)
            .fetch_one(&self.0.pool)
            .await?;
        Ok(Some(PendingCommit {
            id: column(row, "id")?,
            request: column(row, "request")?,
            username: column(row, "username")?,
            session: sessions::from_row(&session)?,
            is_new: flag(row, "created_session")?,
            retires: column(row, "retires")?,
            outcome: outcome_from(row)?,
            planned: json(row, "changes")?,
            staging: column(row, "staging")?,
            final_path: column(row, "final_path")?,
            details: json(row, "details")?,
        }))
    }
}

fn orphan(row: &AnyRow) -> Result<Orphan, StoreError> {
    Ok(Orphan {
        id: column(row, "id")?,
        holder: column(row, "holder")?,
    })
}
