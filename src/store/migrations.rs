//! The schema's versions, run in order when a store is opened.
//!
//! Each runs once, inside the transaction that records it, so two processes that open a new database
//! at the same time do not run it twice and a crash leaves either version whole.

use super::{Store, StoreError, column};

/// One script per version, in order; never changed once released. The same for every database, but for
/// the types named in braces.
const SCRIPTS: &[&str] = &[
    include_str!("migrations/0001_start.sql"),
    include_str!("migrations/0002_instances.sql"),
    include_str!("migrations/0003_follow.sql"),
    include_str!("migrations/0007_rules.sql"),
];

pub(super) async fn run(store: &Store) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
        .execute(tx.on())
        .await?;
    let row = sqlx::query("SELECT COALESCE(MAX(version), 0) AS version FROM schema_version")
        .fetch_one(tx.on())
        .await?;
    let found: i64 = column(&row, "version")?;
    let known = SCRIPTS.len() as i64;
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for (version, script) in (1..).zip(SCRIPTS).skip(found as usize) {
        let script = store.shared.database.kind.spell(script);
        sqlx::raw_sql(sqlx::AssertSqlSafe(script))
            .execute(tx.on())
            .await?;
        sqlx::query("INSERT INTO schema_version (version) VALUES ($1)")
            .bind(version as i64)
            .execute(tx.on())
            .await?;
    }
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::super::{Store, StoreError, testing};

    #[tokio::test]
    async fn opening_again_keeps_what_is_there() {
        let (_folder, store) = testing::store_with_project().await;
        let again = testing::another(&store).await;
        assert!(again.projects().get("DEMO").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_database_of_a_later_version_is_refused() {
        let (_folder, store) = testing::store().await;
        sqlx::query("INSERT INTO schema_version (version) VALUES (999)")
            .execute(&store.pool)
            .await
            .unwrap();
        let again = Store::open(store.url()).await;
        assert!(matches!(again, Err(StoreError::TooNew { found: 999, .. })));
    }
}
