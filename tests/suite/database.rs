//! The database of a data folder: SQLite in it or, where SLUICE_TEST_POSTGRES names a server, one there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use sqlx::{AnyConnection, Connection as _};

/// The server whose databases these tests make: `postgres://user@host:port`.
const SERVER: &str = "SLUICE_TEST_POSTGRES";

/// Databases that were made, by their data folders.
static FOLDER_TO_URL: LazyLock<Mutex<BTreeMap<PathBuf, String>>> = LazyLock::new(Mutex::default);

/// How many were made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Whether databases are on a server, and not in their data folders.
pub fn is_elsewhere() -> bool {
    std::env::var(SERVER).is_ok()
}

/// The URL of a data folder's database, made at the first call. None: the program's own default.
pub fn url(data: &Path) -> Option<String> {
    made(data, None)
}

/// The same, as a copy of another database if it has to be made.
fn made(data: &Path, template: Option<&str>) -> Option<String> {
    let server = std::env::var(SERVER).ok()?;
    let mut made = FOLDER_TO_URL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(url) = made.get(data) {
        return Some(url.clone());
    }
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let name = format!("suite_{}_{number}", std::process::id());
    let from = template.map_or(String::new(), |url| format!(" TEMPLATE {}", name_of(url)));
    let sql = format!("CREATE DATABASE {name}{from}");
    run(&format!("{server}/postgres"), &sql);
    let url = format!("{server}/{name}");
    made.insert(data.to_owned(), url.clone());
    Some(url)
}

fn name_of(url: &str) -> &str {
    url.rsplit_once('/').unwrap().1
}

/// Says where the database of a data folder is: on a server that the test has for itself.
pub fn put(data: &Path, url: &str) {
    let mut made = FOLDER_TO_URL.lock().unwrap_or_else(PoisonError::into_inner);
    made.insert(data.to_owned(), url.to_owned());
}

/// Takes that back.
pub fn put_back(data: &Path) {
    let mut made = FOLDER_TO_URL.lock().unwrap_or_else(PoisonError::into_inner);
    made.remove(data);
}

/// Gives a data folder a database with all that another's has. Both are of processes that have ended. SQLite's
/// is copied with the folder.
pub fn copy(from: &Path, to: &Path) {
    if let Some(template) = url(from) {
        made(to, Some(&template));
    }
}

/// Removes a data folder's database, if it is on a server: it does not go with the folder.
pub fn forget(data: &Path) {
    let Ok(server) = std::env::var(SERVER) else {
        return;
    };
    let mut made = FOLDER_TO_URL.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(url) = made.remove(data) else { return };
    drop(made);
    let sql = format!("DROP DATABASE {} WITH (FORCE)", name_of(&url));
    run(&format!("{server}/postgres"), &sql);
}

/// Runs one statement on a data folder's database, behind the program's back. Returns how many rows it
/// changed.
pub fn execute(data: &Path, sql: &str) -> u64 {
    run(&url_of(data), sql)
}

/// The rows of a query for two numbers each.
pub fn pairs(data: &Path, sql: &str) -> Vec<(i64, i64)> {
    let url = url_of(data);
    block_on(async {
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql.to_owned()));
        let rows = query.fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        rows
    })
}

/// Its size in bytes, with what SQLite has beside it.
pub fn size(data: &Path) -> u64 {
    let Some(url) = url(data) else {
        let files = ["sluice.db", "sluice.db-wal"].map(|name| data.join(name));
        let sizes = files.iter().filter_map(|file| file.metadata().ok());
        return sizes.map(|file| file.len()).sum();
    };
    let sql = format!("SELECT pg_database_size('{}'), 0::BIGINT", name_of(&url));
    pairs(data, &sql)[0].0.unsigned_abs()
}

/// The URL of a data folder's database, wherever it is.
pub fn url_of(data: &Path) -> String {
    url(data).unwrap_or_else(|| sluice::store::sqlite_url(&data.join("sluice.db")))
}

fn run(url: &str, sql: &str) -> u64 {
    block_on(async {
        let mut connection = AnyConnection::connect(url).await.unwrap();
        let statement = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()));
        let done = statement.execute(&mut connection).await.unwrap();
        // Else it goes in its own time, and SQLite's files beside the database with it.
        connection.close().await.unwrap();
        done.rows_affected()
    })
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    sqlx::any::install_default_drivers();
    tokio::runtime::Runtime::new().unwrap().block_on(work)
}
