//! Every version opens, with all that is in it.

use super::super::{Store, StoreError, column, sqlite_url, testing};
use super::{KNOWN, tables};
use crate::store::database::Kind;

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

#[tokio::test]
async fn every_table_is_known_by_the_script_that_makes_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite_url(&folder.path().join("test.db"));
    let store = Store::open(&url).await.unwrap();
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
    let script = Kind::Sqlite.spell(super::SCRIPTS[0]);
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
    let versions = sqlx::query("SELECT COUNT(*) AS n, MAX(version) AS newest FROM schema_version")
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
    let copy = folder.path().join(format!("test.db.before-v{KNOWN}"));
    let mode = std::fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds the keys");
    // Going back is putting it in place: it is of the first version, and can be migrated again.
    std::fs::rename(&copy, folder.path().join("old.db")).unwrap();
    let old = Store::open(&sqlite_url(&folder.path().join("old.db")))
        .await
        .unwrap();
    assert!(old.projects().get("DEMO").await.unwrap().is_some());
    assert!(
        folder
            .path()
            .join(format!("old.db.before-v{KNOWN}"))
            .exists()
    );
    // A database that needs no migration is not copied.
    Store::open(&sqlite_url(&path)).await.unwrap();
    assert!(!copy.exists());
}
