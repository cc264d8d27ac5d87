//! The schema's versions, run in order when a store is opened.
//!
//! Each runs once, inside the transaction that records it, so two processes that open a new database
//! at the same time do not run it twice and a crash leaves either version whole.

mod copy;

use super::{Store, StoreError, column};

/// One script per version, in order; never changed once released. The same for every database, but for
/// the types named in braces.
const SCRIPTS: &[&str] = &[
    include_str!("migrations/0001_start.sql"),
    include_str!("migrations/0002_instances.sql"),
    include_str!("migrations/0003_follow.sql"),
    include_str!("migrations/0004_review.sql"),
    include_str!("migrations/0005_waiting.sql"),
    include_str!("migrations/0006_retention.sql"),
    include_str!("migrations/0007_rules.sql"),
    include_str!("migrations/0008_shadow.sql"),
    include_str!("migrations/0009_overview.sql"),
    include_str!("migrations/0010_finished.sql"),
    include_str!("migrations/0011_indexes.sql"),
];

/// The version that this program works with.
pub(super) const KNOWN: i64 = SCRIPTS.len() as i64;

/// Brings the schema up to this program's version. A database file of an earlier version is copied first.
pub(super) async fn run(store: &Store) -> Result<(), StoreError> {
    run_up_to(store, KNOWN).await.map(drop)
}

/// Brings the schema up to `version`, and answers which one was found; 0 is an empty database.
pub(super) async fn run_up_to(store: &Store, version: i64) -> Result<i64, StoreError> {
    let mut tx = store.begin().await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
        .execute(tx.on())
        .await?;
    let row = sqlx::query("SELECT COALESCE(MAX(version), 0) AS version FROM schema_version")
        .fetch_one(tx.on())
        .await?;
    let found: i64 = column(&row, "version")?;
    if found > KNOWN {
        return Err(StoreError::TooNew {
            found,
            known: KNOWN,
        });
    }
    if found > 0 && found < version {
        // The transaction keeps every other writer out, so that the copy is what is migrated.
        copy::before_migration(store, version).await?;
    }
    let scripts = (1_i64..).zip(SCRIPTS);
    for (version, script) in scripts.filter(|(number, _)| *number > found && *number <= version) {
        let script = store.shared.database.kind.spell(script);
        sqlx::raw_sql(sqlx::AssertSqlSafe(script))
            .execute(tx.on())
            .await?;
        sqlx::query("INSERT INTO schema_version (version) VALUES ($1)")
            .bind(version)
            .execute(tx.on())
            .await?;
    }
    tx.commit().await?;
    Ok(found)
}

/// A table as a script makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TableName {
    pub name: &'static str,
    /// Whether its rows are numbered by the database.
    pub numbered: bool,
}

/// The tables of a version, each after those that it refers to.
pub(super) fn tables(version: i64) -> Vec<TableName> {
    let scripts = (1_i64..).zip(SCRIPTS);
    scripts
        .filter(|(number, _)| *number <= version)
        .flat_map(|(_, script)| script.split("CREATE TABLE ").skip(1))
        .map(|rest| TableName {
            name: rest.split_whitespace().next().unwrap_or_default(),
            numbered: rest.split(';').next().is_some_and(|s| s.contains("{id}")),
        })
        .collect()
}

#[cfg(test)]
mod tests;
