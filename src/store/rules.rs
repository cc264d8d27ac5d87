//! Versions of rule sets: the content of each that was ever active, and when it became so, by whom, why.
//!
//! Content is kept once for each file, whatever number of versions and projects hold it. What a rule
//! set means is not known here.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use sqlx::any::AnyRow;

use super::{Store, StoreError, WriteTransaction, audit, column, now_ms};

/// When a rule set became a project's active one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    pub id: i64,
    pub project: String,
    /// The rule set's hash.
    pub rule_set: String,
    /// The hash of what the rules folder held then; empty if that was broken.
    pub draft: String,
    pub at: i64,
    pub username: String,
    pub reason: String,
}

/// A rule set to become active.
#[derive(Debug, Clone)]
pub struct NewActivation<'a> {
    pub project: &'a str,
    /// The activation that it was decided to take the place of; none if there was none.
    pub after: Option<i64>,
    pub rule_set: &'a str,
    pub draft: &'a str,
    pub username: &'a str,
    pub reason: &'a str,
    /// What the rule set is made of; needed the first time.
    pub files: &'a BTreeMap<String, Arc<[u8]>>,
}

pub struct RuleSets<'a>(pub(super) &'a Store);

impl RuleSets<'_> {
    /// What a project's imports run under; none before its first.
    pub async fn active(&self, project: &str) -> Result<Option<Activation>, StoreError> {
        let row = sqlx::query(
            "SELECT * FROM rule_activations WHERE project = $1 ORDER BY id DESC LIMIT 1",
        )
        .bind(project)
        .fetch_optional(&self.0.pool)
        .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// A project's history, or everyone's, the newest first.
    pub async fn history(
        &self,
        project: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Activation>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM rule_activations WHERE $1 IS NULL OR project = $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(project)
        .bind(limit)
        .fetch_all(&self.0.pool)
        .await?;
        rows.iter().map(from_row).collect()
    }

    /// Each rule set that became active in a project, or in any, the oldest first, with those of its files whose
    /// paths are like one of two patterns.
    pub async fn files_over_time(
        &self,
        project: Option<&str>,
        patterns: [&str; 2],
    ) -> Result<Vec<(Activation, BTreeMap<String, Arc<[u8]>>)>, StoreError> {
        let activations = sqlx::query(
            "SELECT * FROM rule_activations WHERE $1 IS NULL OR project = $1 ORDER BY id",
        )
        .bind(project)
        .fetch_all(&self.0.pool)
        .await?;
        let rows = sqlx::query(
            "SELECT s.rule_set, s.path, f.content FROM rule_set_files s JOIN rule_files f ON f.hash = s.file
             WHERE (s.path LIKE $2 OR s.path LIKE $3) AND s.rule_set IN
             (SELECT rule_set FROM rule_activations WHERE $1 IS NULL OR project = $1)",
        )
        .bind(project)
        .bind(patterns[0])
        .bind(patterns[1])
        .fetch_all(&self.0.pool)
        .await?;
        let mut of_rule_set: BTreeMap<String, BTreeMap<String, Arc<[u8]>>> = BTreeMap::new();
        for row in &rows {
            let content: Vec<u8> = column(row, "content")?;
            let files = of_rule_set.entry(column(row, "rule_set")?).or_default();
            files.insert(column(row, "path")?, content.into());
        }
        activations
            .iter()
            .map(|row| {
                let activation = from_row(row)?;
                let files = of_rule_set.get(&activation.rule_set);
                let files = files.cloned().unwrap_or_default();
                Ok((activation, files))
            })
            .collect()
    }

    /// Whether a rule set was ever active in a project.
    pub async fn was_active(&self, project: &str, rule_set: &str) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT 1 FROM rule_activations WHERE project = $1 AND rule_set = $2 LIMIT 1",
        )
        .bind(project)
        .bind(rule_set)
        .fetch_optional(&self.0.pool)
        .await?;
        Ok(row.is_some())
    }

    /// The rule sets whose hashes begin so, a few of them.
    pub async fn beginning(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        // Nothing else is in a hash; some of what else there is means something to LIKE.
        if !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Vec::new());
        }
        let rows = sqlx::query("SELECT hash FROM rule_sets WHERE hash LIKE $1 LIMIT 20")
            .bind(format!("{}%", prefix.to_ascii_lowercase()))
            .fetch_all(&self.0.pool)
            .await?;
        rows.iter().map(|row| column(row, "hash")).collect()
    }

    /// Whether a file is part of a rule set.
    pub async fn holds(&self, rule_set: &str, path: &str) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 FROM rule_set_files WHERE rule_set = $1 AND path = $2")
            .bind(rule_set)
            .bind(path)
            .fetch_optional(&self.0.pool)
            .await?;
        Ok(row.is_some())
    }

    /// Whether a file is part of what is active in any project.
    pub async fn is_active_anywhere(&self, path: &str) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT 1 FROM rule_set_files WHERE path = $1 AND rule_set IN
             (SELECT rule_set FROM rule_activations WHERE id IN
              (SELECT MAX(id) FROM rule_activations GROUP BY project))
             LIMIT 1",
        )
        .bind(path)
        .fetch_optional(&self.0.pool)
        .await?;
        Ok(row.is_some())
    }

    /// The files of a rule set; empty if there is none of that hash.
    pub async fn files(&self, rule_set: &str) -> Result<BTreeMap<String, Arc<[u8]>>, StoreError> {
        let rows = sqlx::query(
            "SELECT s.path, f.content FROM rule_set_files s JOIN rule_files f ON f.hash = s.file
             WHERE s.rule_set = $1",
        )
        .bind(rule_set)
        .fetch_all(&self.0.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let content: Vec<u8> = column(row, "content")?;
                Ok((column(row, "path")?, content.into()))
            })
            .collect()
    }

    /// Makes a rule set the active one. Doing it twice is once: of two servers that saw the same change
    /// one records it. False if another was made active meanwhile: who decided without knowing of it looks again.
    pub async fn activate(&self, new: NewActivation<'_>) -> Result<bool, StoreError> {
        let mut tx = self.0.begin().await?;
        let last = sqlx::query(
            "SELECT * FROM rule_activations WHERE project = $1 ORDER BY id DESC LIMIT 1",
        )
        .bind(new.project)
        .fetch_optional(tx.on())
        .await?;
        let last = last.as_ref().map(from_row).transpose()?;
        let is_same = |last: &Activation| last.rule_set == new.rule_set && last.draft == new.draft;
        if last.as_ref().is_some_and(is_same) {
            return Ok(true);
        }
        if last.map(|last| last.id) != new.after {
            return Ok(false);
        }
        keep(&mut tx, new.rule_set, new.files).await?;
        sqlx::query(
            "INSERT INTO rule_activations (project, rule_set, draft, at, username, reason)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(new.project)
        .bind(new.rule_set)
        .bind(new.draft)
        .bind(now_ms())
        .bind(new.username)
        .bind(new.reason)
        .execute(tx.on())
        .await?;
        let object = format!("project/{}/rules/{}", new.project, new.rule_set);
        audit::record(&mut tx, new.username, "rules.activate", object).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn keep(
    tx: &mut WriteTransaction,
    rule_set: &str,
    files: &BTreeMap<String, Arc<[u8]>>,
) -> Result<(), StoreError> {
    let new = sqlx::query(
        "INSERT INTO rule_sets (hash, created) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING",
    )
    .bind(rule_set)
    .bind(now_ms())
    .execute(tx.on())
    .await?;
    if new.rows_affected() == 0 {
        return Ok(());
    }
    for (path, content) in files {
        let hash = hex::encode(Sha256::digest(content));
        sqlx::query(
            "INSERT INTO rule_files (hash, content) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING",
        )
        .bind(&hash)
        .bind(content.to_vec())
        .execute(tx.on())
        .await?;
        sqlx::query("INSERT INTO rule_set_files (rule_set, path, file) VALUES ($1, $2, $3)")
            .bind(rule_set)
            .bind(path)
            .bind(hash)
            .execute(tx.on())
            .await?;
    }
    Ok(())
}

fn from_row(row: &AnyRow) -> Result<Activation, StoreError> {
    Ok(Activation {
        id: column(row, "id")?,
        project: column(row, "project")?,
        rule_set: column(row, "rule_set")?,
        draft: column(row, "draft")?,
        at: column(row, "at")?,
        username: column(row, "username")?,
        reason: column(row, "reason")?,
    })
}
