//! The database of a data folder: SQLite in it or, where SLUICE_TEST_POSTGRES names a server, one there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use sqlx::{AnyConnection, Connection as _};

/// The server whose databases these tests make: `postgres://user@host:port`.
const SERVER: &str = "SLUICE_TEST_POSTGRES";

/// Databases that were made, by their data folders.
static FOLDER_TO_URL: LazyLock<Mutex<BTreeMap<PathBuf, String>>> = LazyLock::new(Mutex::default);

/// The URL of a data folder's database, made at the first call. None: the program's own default.
pub fn url(data: &Path) -> Option<String> {
    let server = std::env::var(SERVER).ok()?;
    let mut made = FOLDER_TO_URL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(url) = made.get(data) {
        return Some(url.clone());
    }
    let name = format!("suite_{}_{}", std::process::id(), made.len());
    run(
        &format!("{server}/postgres"),
        &format!("CREATE DATABASE {name}"),
    );
    let url = format!("{server}/{name}");
    made.insert(data.to_owned(), url.clone());
    Some(url)
}

/// Runs one statement on a data folder's database, behind the program's back.
pub fn execute(data: &Path, sql: &str) -> u64 {
    let sqlite = || sluice::store::sqlite_url(&data.join("sluice.db"));
    run(&url(data).unwrap_or_else(sqlite), sql)
}

fn run(url: &str, sql: &str) -> u64 {
    sqlx::any::install_default_drivers();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut connection = AnyConnection::connect(url).await.unwrap();
        let statement = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()));
        statement
            .execute(&mut connection)
            .await
            .unwrap()
            .rows_affected()
    })
}
