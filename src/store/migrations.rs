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
    include_str!("migrations/0006_retention.sql"),
];

/// The version that this program works with.
pub(super) const KNOWN: i64 = SCRIPTS.len() as i64;

/// How SQLite spells the types in braces.
const SQLITE_TYPES: [(&str, &str); 2] = [
    ("{id}", "INTEGER PRIMARY KEY AUTOINCREMENT"),
    ("{bytes}", "BLOB"),
];

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
        copy::before_migration(store, found).await?;
    }
    let scripts = (1_i64..).zip(SCRIPTS);
    for (version, script) in scripts.filter(|(number, _)| *number > found && *number <= version) {
        let script = SQLITE_TYPES
            .iter()
            .fold((*script).to_owned(), |sql, (name, spelt)| {
                sql.replace(name, spelt)
            });
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
mod tests {
    use super::super::{Store, StoreError, column, sqlite_url, testing};
    use super::{KNOWN, tables};

    #[tokio::test]
    async fn opening_again_keeps_what_is_there() {
        let (folder, store) = testing::store_with_project().await;
        store.close().await;
        let again = Store::open(&sqlite_url(&folder.path().join("test.db")))
            .await
            .unwrap();
        assert!(again.projects().get("DEMO").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_database_of_a_later_version_is_refused() {
        let (folder, store) = testing::store().await;
        sqlx::query("INSERT INTO schema_version (version) VALUES (999)")
            .execute(&store.pool)
            .await
            .unwrap();
        let again = Store::open(&sqlite_url(&folder.path().join("test.db"))).await;
        assert!(matches!(again, Err(StoreError::TooNew { found: 999, .. })));
    }

    #[tokio::test]
    async fn every_table_is_known_by_the_script_that_makes_it() {
        let (_folder, store) = testing::store().await;
        let rows = sqlx::query(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
               AND name <> 'schema_version' ORDER BY name",
        )
        .fetch_all(&store.pool)
        .await
        .unwrap();
        let made: Vec<String> = rows
            .iter()
            .map(|row| column(row, "name").unwrap())
            .collect();
        let mut named: Vec<&str> = tables(KNOWN).iter().map(|table| table.name).collect();
        named.sort_unstable();
        assert_eq!(named, made);
        let rows = sqlx::query(
            "SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%' ORDER BY name",
        )
        .fetch_all(&store.pool)
        .await
        .unwrap();
        let numbered: Vec<String> = rows
            .iter()
            .map(|row| column(row, "name").unwrap())
            .collect();
        let mut told = tables(KNOWN);
        told.retain(|table| table.numbered);
        told.sort_unstable_by_key(|table| table.name);
        assert_eq!(told.iter().map(|t| t.name).collect::<Vec<_>>(), numbered);
    }

    /// What the first release made: its script, run as it ran it, and rows in it.
    async fn first_version(path: &std::path::Path) {
        use sqlx::ConnectOptions as _;
        let url = sqlite_url(path);
        let options: sqlx::sqlite::SqliteConnectOptions = url.parse().unwrap();
        let mut old = options.connect().await.unwrap();
        let script = super::SQLITE_TYPES
            .iter()
            .fold(super::SCRIPTS[0].to_owned(), |sql, (name, spelt)| {
                sql.replace(name, spelt)
            });
        let rows = "
            CREATE TABLE schema_version (version BIGINT NOT NULL);
            INSERT INTO schema_version (version) VALUES (1);
            INSERT INTO users (name, password, created) VALUES ('ada', 'hash', 1);
            INSERT INTO projects (id, created, created_by, pseudonym_key)
                VALUES ('DEMO', 1, 'ada', x'0707070707070707070707070707070707070707070707070707070707070707');
            INSERT INTO requests (username, project, parameters, session_path, status, cleanup, created, timestamp)
                VALUES ('ada', 'DEMO', '{\"PROJECT_ID\":\"DEMO\"}', '/inbox/DEMO/a', 'Queued', 0, 1, 1);
            INSERT INTO sessions (project, state, timestamp, folder, subject, label, study_uid, study_key,
                                  modality, xsi_type, created, uploaded, lastmod)
                VALUES ('DEMO', 'READY', '20240101_000000000', 'A', 'S', 'A', '1.2', 'key',
                        'MR', 'xnat:mrSessionData', 1, 1, 1);
            INSERT INTO labels VALUES ('DEMO', 'A', 'key', 1);";
        for sql in [script.as_str(), rows] {
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
                .execute(&mut old)
                .await
                .unwrap();
        }
    }

    #[tokio::test]
    async fn the_first_versions_database_is_migrated_with_all_that_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        first_version(&path).await;
        let store = Store::open(&sqlite_url(&path)).await.unwrap();
        let project = store.projects().get("DEMO").await.unwrap().unwrap();
        assert_eq!(project.pseudonym_key.as_bytes(), &[7; 32]);
        assert_eq!(
            store
                .users()
                .get("ada")
                .await
                .unwrap()
                .unwrap()
                .password
                .as_str(),
            "hash"
        );
        let request = store.requests().claim("w").await.unwrap().unwrap();
        assert_eq!(request.session_path, "/inbox/DEMO/a");
        let sessions = store.sessions().list(Default::default()).await.unwrap();
        assert_eq!(sessions[0].label, "A");
        assert_eq!(
            store.labels().holder("DEMO", "A").await.unwrap().as_deref(),
            Some("key")
        );
        // What came later works on it.
        assert_eq!(store.projects().rotate_key("DEMO", "ada").await.unwrap(), 2);
        let versions =
            sqlx::query("SELECT COUNT(*) AS n, MAX(version) AS newest FROM schema_version")
                .fetch_one(&store.pool)
                .await
                .unwrap();
        assert_eq!(column::<i64>(&versions, "n").unwrap(), KNOWN);
        assert_eq!(column::<i64>(&versions, "newest").unwrap(), KNOWN);
    }

    #[tokio::test]
    async fn a_copy_of_the_database_before_its_migration_is_left_beside_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        first_version(&path).await;
        Store::open(&sqlite_url(&path)).await.unwrap().close().await;
        let copy = folder.path().join("test.db.before-v2");
        let mode = std::fs::metadata(&copy).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "it holds the keys");
        // Going back is putting it in place: it is of the first version, and can be migrated again.
        std::fs::rename(&copy, folder.path().join("old.db")).unwrap();
        let old = Store::open(&sqlite_url(&folder.path().join("old.db")))
            .await
            .unwrap();
        assert!(old.projects().get("DEMO").await.unwrap().is_some());
        assert!(folder.path().join("old.db.before-v2").exists());
        // A database that needs no migration is not copied.
        Store::open(&sqlite_url(&path)).await.unwrap();
        assert!(!copy.exists());
    }
}
