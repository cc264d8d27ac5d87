//! What Sluice remembers between two calls: users, projects, requests, sessions, and who changed what.
//!
//! One file per subject, one struct per table row, and every change of state in one transaction with
//! its audit row. SQL stays in here; callers see structs. The store knows nothing of HTTP, of DICOM or
//! of the folders that its rows describe: it never opens a file but its own database.
//!
//! Everything goes through sqlx's `Any` driver with `$1` placeholders and the types BIGINT, TEXT and
//! BLOB, so that another database means another folder in `migrations/` and no other code.

mod audit;
mod commits;
mod dump;
mod keys;
mod labels;
mod logins;
mod migrations;
mod projects;
mod requests;
mod retention;
mod sessions;
mod subjects;
mod users;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{Any, AnyPool, Executor as _, Row, Transaction};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};

pub use audit::{AuditEntry, SYSTEM};
pub use commits::{CommitError, CommitPlan, Commits, PendingCommit};
pub use dump::{Restoring, Snapshot, SnapshotSession};
pub use labels::{Labels, Taken};
pub use logins::{Login, Logins, Token};
pub use projects::{NewProject, Project, Projects, PseudonymKey, Role, RoleEntry};
pub use requests::{Counts, ImportRequest, NewRequest, RequestFilter, Requests, Status};
pub use retention::{ReplacedFiles, Retention, Turn};
pub use sessions::{
    Area, NewSession, ResourceSummary, Scan, ScanSummary, Session, SessionFilter, SessionState,
    Sessions, StoredFile,
};
pub use subjects::{Subject, Subjects};
pub use users::{NewUser, PasswordRecord, User, Users};

/// Readers of one server; more would only wait for the same disk.
const MAX_CONNECTIONS: u32 = 8;

/// How long a statement waits for another process (the command line beside the server) to finish writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database refused a statement")]
    Database(#[from] sqlx::Error),
    #[error("no database driver for this URL; it should start with sqlite:")]
    UnknownDriver,
    #[error("the database is of version {found}, this program knows up to {known}")]
    TooNew { found: i64, known: i64 },
    #[error("column {column} holds what this program can't read")]
    BadValue { column: &'static str },
    #[error("{0}")]
    Refused(&'static str),
    #[error("no random bytes from the operating system")]
    Random,
    #[error("the database file can't be copied before its migration")]
    Copy(#[source] std::io::Error),
    #[error("the database is not empty")]
    NotEmpty,
    #[error("the copy of the database can't be read or written: {0}")]
    Dump(#[from] std::io::Error),
    #[error("the copy of the database is damaged: {0}")]
    BadDump(&'static str),
}

/// A handle on the database; clones share the connections.
#[derive(Clone)]
pub struct Store {
    pool: AnyPool,
    shared: Arc<Shared>,
}

struct Shared {
    sqlite: bool,
    /// SQLite has one writer; queueing for it here is fair, its own busy loop is not.
    writer: Arc<Mutex<()>>,
    request_added: Notify,
}

/// The URL of the database file at `path`, made when it is missing.
pub fn sqlite_url(path: &Path) -> String {
    let mut url = String::from("sqlite://");
    for c in path.to_string_lossy().chars() {
        match c {
            '%' => url.push_str("%25"),
            '?' => url.push_str("%3F"),
            '#' => url.push_str("%23"),
            _ => url.push(c),
        }
    }
    url.push_str("?mode=rwc");
    url
}

impl Store {
    /// Opens the database at `url` (`sqlite://…`) and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Store, StoreError> {
        let store = Store::connect(url).await?;
        migrations::run(&store).await?;
        Ok(store)
    }

    /// Opens the database at `url` as it is.
    async fn connect(url: &str) -> Result<Store, StoreError> {
        sqlx::any::install_default_drivers();
        if !url.starts_with("sqlite:") {
            return Err(StoreError::UnknownDriver);
        }
        let pool = AnyPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    let busy = format!("PRAGMA busy_timeout = {}", BUSY_TIMEOUT.as_millis());
                    connection.execute(sqlx::AssertSqlSafe(busy)).await?;
                    // FULL: a commit that was answered must survive a power cut.
                    connection
                        .execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
                        .await?;
                    Ok(())
                })
            })
            .connect(url)
            .await?;
        Ok(Store {
            pool,
            shared: Arc::new(Shared {
                sqlite: true,
                writer: Arc::new(Mutex::new(())),
                request_added: Notify::new(),
            }),
        })
    }

    pub fn users(&self) -> Users<'_> {
        Users(self)
    }

    pub fn logins(&self) -> Logins<'_> {
        Logins(self)
    }

    pub fn projects(&self) -> Projects<'_> {
        Projects(self)
    }

    pub fn subjects(&self) -> Subjects<'_> {
        Subjects(self)
    }

    pub fn requests(&self) -> Requests<'_> {
        Requests(self)
    }

    pub fn sessions(&self) -> Sessions<'_> {
        Sessions(self)
    }

    pub fn commits(&self) -> Commits<'_> {
        Commits(self)
    }

    pub fn retention(&self) -> Retention<'_> {
        Retention(self)
    }

    pub fn labels(&self) -> Labels<'_> {
        Labels(self)
    }

    /// Resolves once a request has been added since the last time this was awaited (by this process;
    /// requests added by another one are found by asking again now and then).
    pub async fn request_added(&self) {
        self.shared.request_added.notified().await;
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").fetch_one(&self.pool).await?;
        Ok(())
    }

    /// Closes the connections once their statements are done.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Starts a transaction that will write. Dropped without `commit`, it changes nothing.
    async fn begin(&self) -> Result<WriteTransaction, StoreError> {
        let turn = self.shared.writer.clone().lock_owned().await;
        let inner = if self.shared.sqlite {
            // A deferred one could fail half-way, when it first writes.
            self.pool.begin_with("BEGIN IMMEDIATE").await?
        } else {
            self.pool.begin().await?
        };
        Ok(WriteTransaction { inner, _turn: turn })
    }
}

/// The one writer's transaction.
struct WriteTransaction {
    inner: Transaction<'static, Any>,
    _turn: OwnedMutexGuard<()>,
}

impl WriteTransaction {
    fn on(&mut self) -> &mut sqlx::AnyConnection {
        &mut self.inner
    }

    async fn commit(self) -> Result<(), StoreError> {
        self.inner.commit().await?;
        Ok(())
    }
}

/// Now, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// `size` bytes from the operating system's generator.
fn random_bytes<const SIZE: usize>() -> Result<[u8; SIZE], StoreError> {
    let mut bytes = [0u8; SIZE];
    getrandom::fill(&mut bytes).map_err(|_| StoreError::Random)?;
    Ok(bytes)
}

/// A column read as its type, the column named in the error.
fn column<'r, T>(row: &'r AnyRow, name: &'static str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, Any> + sqlx::Type<Any>,
{
    Ok(row.try_get(name)?)
}

fn flag(row: &AnyRow, name: &'static str) -> Result<bool, StoreError> {
    Ok(column::<i64>(row, name)? != 0)
}

/// A column of JSON text, read as its type.
fn json<T: serde::de::DeserializeOwned>(row: &AnyRow, name: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(column::<&str>(row, name)?)
        .map_err(|_| StoreError::BadValue { column: name })
}

/// `value` as JSON text for a column.
fn to_json<T: serde::Serialize>(value: &T, column: &'static str) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::BadValue { column })
}

/// Whether an error says that a unique row is already there.
fn is_duplicate(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(inner) if inner.is_unique_violation())
}

/// An enum that a TEXT column holds by name.
macro_rules! text_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            pub fn from_text(text: &str) -> Option<$name> {
                match text { $($text => Some($name::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}
use text_enum;

#[cfg(test)]
mod testing {
    use super::*;

    /// A store of its own in a folder that goes with the test.
    pub(super) async fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(&sqlite_url(&folder.path().join("test.db")))
            .await
            .expect("a new database opens");
        (folder, store)
    }

    pub(super) async fn store_with_project() -> (tempfile::TempDir, Store) {
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
}
