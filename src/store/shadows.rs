//! What came of candidates that ran beside imports: where they and the active rules disagreed, in numbers.

use serde::{Deserialize, Serialize};

use super::{Lock, Store, StoreError, column, now_ms};

/// Each file and each session is in one of the counts of its kind, or in none if the two agree.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(default, rename_all = "camelCase")]
pub struct ShadowCounts {
    /// Files that both went over.
    pub files: u64,
    /// The candidate would have them come to something else.
    pub outcome: u64,
    /// It would store another header.
    pub output: u64,
    /// It gave no answer, where the active rules did.
    pub errors: u64,
    /// Sessions that both were asked about.
    pub sessions: u64,
    pub labels: u64,
    pub route: u64,
}

impl ShadowCounts {
    pub fn disagreements(&self) -> u64 {
        self.outcome + self.output + self.errors + self.labels + self.route
    }
}

#[derive(Debug, Clone)]
pub struct ShadowRun {
    pub request: i64,
    pub candidate: String,
    pub at: i64,
    pub counts: ShadowCounts,
}

pub struct Shadows<'a>(pub(super) &'a Store);

impl Shadows<'_> {
    /// Keeps what came of a request's candidate; a later attempt's counts.
    pub async fn record(
        &self,
        request: i64,
        project: &str,
        candidate: &str,
        counts: &ShadowCounts,
    ) -> Result<(), StoreError> {
        let text =
            serde_json::to_string(counts).map_err(|_| StoreError::BadValue { column: "counts" })?;
        let mut tx = self.0.begin_step(Lock::Rows).await?;
        sqlx::query(
            "INSERT INTO shadow_runs (request, project, candidate, at, counts) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (request) DO UPDATE SET candidate = excluded.candidate, at = excluded.at,
             counts = excluded.counts",
        )
        .bind(request)
        .bind(project)
        .bind(candidate)
        .bind(now_ms())
        .bind(text)
        .execute(tx.on())
        .await?;
        tx.commit().await
    }

    /// A project's, the newest first.
    pub async fn of_project(&self, project: &str) -> Result<Vec<ShadowRun>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM shadow_runs WHERE project = $1 ORDER BY request DESC")
                .bind(project)
                .fetch_all(&self.0.pool)
                .await?;
        rows.iter()
            .map(|row| {
                Ok(ShadowRun {
                    request: column(row, "request")?,
                    candidate: column(row, "candidate")?,
                    at: column(row, "at")?,
                    counts: serde_json::from_str(column(row, "counts")?)
                        .map_err(|_| StoreError::BadValue { column: "counts" })?,
                })
            })
            .collect()
    }
}
