//! How the site does over time: for administrators to look at.

use std::collections::BTreeMap;

use super::requests::Counts;
use super::sessions::{Findings, from_row};
use super::{Leak, Session, Status, Store, StoreError, column, json};

/// What the imports came to that ended within one stretch of time.
#[derive(Debug, Clone, Default, serde::Serialize, schemars::JsonSchema)]
pub struct Period {
    /// Its beginning, in milliseconds since 1970.
    pub from: i64,
    pub completed: u64,
    pub failed: u64,
    pub files: Counts,
    pub bytes: i64,
    /// For how long imports ran, those side by side added up, in milliseconds.
    pub worked: i64,
}

/// Where identifying values stand in a session's files, and in how many.
#[derive(Debug, Clone)]
pub struct LeakySession {
    pub session: Session,
    pub leaks: Vec<(Leak, u64)>,
}

/// A process that takes part, and what it has to do.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct Process {
    pub host: String,
    pub pid: i64,
    pub workers: i64,
    /// Imports that it runs.
    pub running: i64,
    pub started: i64,
    /// When it last said that it lives.
    pub seen: i64,
}

/// Files that are looked through for leaks, the latest first.
const MOST_FINDINGS: i64 = 20_000;

impl Store {
    /// One period after the other, each `step` milliseconds long, the first from `since` on and the last not over.
    pub async fn activity(
        &self,
        since: i64,
        step: i64,
        periods: usize,
    ) -> Result<Vec<Period>, StoreError> {
        let mut activity: Vec<Period> = (0..periods as i64)
            .map(|number| Period {
                from: since + number * step,
                ..Period::default()
            })
            .collect();
        let rows = sqlx::query(
            "SELECT status, started, finished, counts, bytes FROM requests WHERE finished >= $1",
        )
        .bind(since)
        .fetch_all(&self.pool)
        .await?;
        for row in &rows {
            let finished: i64 = column(row, "finished")?;
            let number = usize::try_from((finished - since) / step).unwrap_or(usize::MAX);
            let Some(period) = activity.get_mut(number) else {
                continue;
            };
            match column::<&str>(row, "status")? == Status::Completed.as_str() {
                true => period.completed += 1,
                false => period.failed += 1,
            }
            period.files.add(&json(row, "counts")?);
            period.bytes += column::<i64>(row, "bytes")?;
            let started: Option<i64> = column(row, "started")?;
            period.worked += started.map_or(0, |started| (finished - started).max(0));
        }
        Ok(activity)
    }

    /// The sessions last made in which identifying values of the originals still stand.
    pub async fn leaky_sessions(&self, most: usize) -> Result<Vec<LeakySession>, StoreError> {
        let rows = sqlx::query(
            "SELECT session, findings FROM stored_files WHERE findings IS NOT NULL
             ORDER BY session DESC LIMIT $1",
        )
        .bind(MOST_FINDINGS)
        .fetch_all(&self.pool)
        .await?;
        let mut session_to_leaks: BTreeMap<i64, BTreeMap<Leak, u64>> = BTreeMap::new();
        for row in &rows {
            let findings: Findings = json(row, "findings")?;
            if findings.leaks.is_empty() {
                continue;
            }
            let leaks = session_to_leaks.entry(column(row, "session")?).or_default();
            for leak in findings.leaks {
                *leaks.entry(leak).or_default() += 1;
            }
        }
        let mut sessions = Vec::new();
        for (id, leaks) in session_to_leaks.into_iter().rev().take(most) {
            let row = sqlx::query("SELECT * FROM sessions WHERE id = $1")
                .bind(id)
                .fetch_optional(&self.pool)
                .await?;
            if let Some(row) = row {
                sessions.push(LeakySession {
                    session: from_row(&row)?,
                    leaks: leaks.into_iter().collect(),
                });
            }
        }
        Ok(sessions)
    }

    /// The processes that are not known to be gone, by host.
    pub async fn processes(&self) -> Result<Vec<Process>, StoreError> {
        let rows = sqlx::query(
            "SELECT i.*, (SELECT COUNT(*) FROM requests r WHERE r.instance = i.id) AS running
             FROM instances i ORDER BY i.host, i.pid",
        )
        .fetch_all(&self.pool)
        .await?;
        let process = |row| {
            Ok(Process {
                host: column(row, "host")?,
                pid: column(row, "pid")?,
                workers: column(row, "workers")?,
                running: column(row, "running")?,
                started: column(row, "started")?,
                seen: column(row, "seen")?,
            })
        };
        rows.iter().map(process).collect()
    }
}
