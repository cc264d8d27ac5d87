//! Stores for tests: SQLite in a folder that goes with the test or, where SLUICE_TEST_POSTGRES names a
//! server, a database of their own there.

use sqlx::ConnectOptions as _;
use tempfile::TempDir;

use super::database::Kind;
use super::{
    Claim, NewProject, NewRequest, NewUser, Store, column, now_ms, random_bytes, sqlite_url,
};

/// The URL of a server whose databases tests may make: `postgres://user@host:port`.
pub const SERVER: &str = "SLUICE_TEST_POSTGRES";

/// Enough that no test runs out of them.
const WORKERS: usize = 100;

/// The URL of a new database, and the folder that it lives in, if any.
pub async fn url() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Ok(server) = std::env::var(SERVER) else {
        let url = sqlite_url(&folder.path().join("test.db"));
        return (folder, url);
    };
    let name = format!("unit_{}", hex::encode(random_bytes::<8>().expect("random")));
    let options: sqlx::postgres::PgConnectOptions =
        format!("{server}/postgres").parse().expect("a URL");
    let mut connection = options.connect().await.expect("the test server answers");
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut connection)
        .await
        .expect("a new database");
    (folder, format!("{server}/{name}"))
}

/// A store with nothing in it, of a process that lives.
pub async fn store() -> (TempDir, Store) {
    let (folder, url) = url().await;
    let store = Store::open(&url).await.expect("a new database opens");
    store
        .instances()
        .keep("test", WORKERS)
        .await
        .expect("a process of that store");
    (folder, store)
}

/// Another process on the same database.
pub async fn another(store: &Store) -> Store {
    let other = Store::open(store.url()).await.expect("it opens again");
    other
        .instances()
        .keep("other", WORKERS)
        .await
        .expect("another process");
    other
}

pub async fn store_with_project() -> (TempDir, Store) {
    let (folder, store) = store().await;
    store
        .users()
        .add(NewUser::new("ada", "hash"))
        .await
        .expect("a user");
    store
        .projects()
        .create(NewProject::new("DEMO"), "ada")
        .await
        .expect("a project");
    (folder, store)
}

/// How SQLite goes about a query, step by step, as `SCAN table` or `SEARCH table USING …`. Nothing on PostgreSQL, which
/// goes by how much there is.
pub async fn plan(store: &Store, sql: &str) -> Vec<String> {
    if store.shared.database.kind != Kind::Sqlite {
        return Vec::new();
    }
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
        .fetch_all(&store.pool)
        .await
        .expect("a query that can be explained");
    rows.iter()
        .map(|row| column(row, "detail").expect("a step of the plan"))
        .collect()
}

/// A request of the project DEMO that a worker holds.
pub async fn claimed(store: &Store) -> Claim {
    let request = NewRequest {
        username: "ada".into(),
        project: "DEMO".into(),
        parameters: [("made".to_owned(), now_ms().to_string())].into(),
        session_path: "/inbox/DEMO/a".into(),
        cleanup: false,
    };
    store.requests().insert(request).await.expect("a request");
    let claimed = store.requests().claim("w").await.expect("a claim");
    claimed.expect("the request").claim()
}
