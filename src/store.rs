//! What Sluice remembers between two calls: users, projects, requests, sessions, and who changed what.
//!
//! One file per subject, one struct per table row, and every change of state in one transaction with
//! its audit row. SQL stays in here; callers see structs. The store knows nothing of HTTP, of DICOM or
//! of the folders that its rows describe: it never opens a file but its own database.
//!
//! Everything goes through sqlx's `Any` driver with `$1` placeholders and the types BIGINT, TEXT and
//! bytes, so that SQLite and PostgreSQL differ in `database.rs` alone.

mod activity;
mod audit;
mod commits;
mod database;
mod dump;
mod idempotency;
mod instances;
mod keys;
mod labels;
mod logins;
mod migrations;
mod overview;
mod projects;
mod requests;
mod retention;
mod rules;
mod sessions;
mod shadows;
mod signals;
mod subjects;
mod users;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, TryStreamExt as _};
use sqlx::any::AnyRow;
use sqlx::{Any, AnyPool, Row};
use tokio::sync::broadcast;

use database::{Database, Kept, Lock, WriteTransaction};
use signals::Signals;

/// After which a database counts as away.
const PING: Duration = Duration::from_secs(2);

pub use activity::{LeakySession, Period, Process};
pub use audit::{AuditEntry, SYSTEM};
pub use commits::{CommitError, CommitPlan, Commits, Orphan, PendingCommit};
pub use database::sqlite_url;
pub use dump::{Restoring, Snapshot, SnapshotSession};
pub use idempotency::{CallKey, Inserted};
pub use instances::Instances;
pub use labels::{Labels, Taken};
pub use logins::{Login, Logins, Token};
pub use overview::Overview;
pub use projects::{NewProject, Project, Projects, PseudonymKey, Role, RoleEntry, UNASSIGNED};
pub use requests::{
    Cancelled, Claim, Counts, ImportRequest, NewRequest, Place, RequestFilter, Requests, Status,
    cancelled_text,
};
pub use retention::{ReplacedFiles, Retention, Turn};
pub use rules::{Activation, NewActivation, RuleSets};
pub use sessions::{
    Area, Findings, Leak, NewSession, Rebuilt, ResourceSummary, Scan, ScanSummary, Session,
    SessionFilter, SessionState, Sessions, StoredFile,
};
pub use shadows::{ShadowCounts, ShadowRun, Shadows};
pub use subjects::{Subject, Subjects};
pub use users::{NewUser, PasswordRecord, User, UserChange, Users};
pub use webhooks::{
    Attempt, Delivery, DeliveryState, NewWebhook, Secret, Webhook, WebhookChange, Webhooks,
};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database refused a statement")]
    Database(#[source] sqlx::Error),
    #[error("the database can't be reached")]
    Away(#[source] sqlx::Error),
    #[error("a value holds a NUL character")]
    NulCharacter,
    #[error("no database driver for this URL; it should start with sqlite: or postgres:")]
    UnknownDriver,
    #[error("the database is of version {found}, this program knows up to {known}")]
    TooNew { found: i64, known: i64 },
    #[error("column {column} holds what this program can't read")]
    BadValue { column: &'static str },
    #[error("{0}")]
    Refused(&'static str),
    /// The worker's lease ran out, and the request is no longer its.
    #[error("the request is no longer this worker's")]
    ClaimLost,
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

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error::{Database, Io, PoolClosed, PoolTimedOut, Tls};
        match &error {
            Io(_) | Tls(_) | PoolClosed | PoolTimedOut => StoreError::Away(error),
            Database(inner) => match inner.code().as_deref() {
                // character_not_in_repertoire: PostgreSQL's text holds everything but NUL.
                Some("22021") => StoreError::NulCharacter,
                // admin_shutdown, crash_shutdown, cannot_connect_now; and what ends a session that was silent for
                // too long in a transaction, or outside of one: this machine was frozen, and can try again.
                Some("57P01" | "57P02" | "57P03" | "25P03" | "57P05") => StoreError::Away(error),
                _ => StoreError::Database(error),
            },
            _ => StoreError::Database(error),
        }
    }
}

/// A handle on the database; clones share the connections.
#[derive(Clone)]
pub struct Store {
    pool: AnyPool,
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    /// What tells this process from all others that use the database.
    instance: String,
    signals: Signals,
}

impl Store {
    /// Opens the database at `url` (`sqlite://…` or `postgres://…`) and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Store, StoreError> {
        let store = Store::connect(url).await?;
        migrations::run(&store).await?;
        store.shared.database.listen();
        Ok(store)
    }

    /// Opens the database at `url` as it is.
    async fn connect(url: &str) -> Result<Store, StoreError> {
        let database = Database::open(url).await?;
        Ok(Store {
            pool: database.pool.clone(),
            shared: Arc::new(Shared {
                instance: hex::encode(random_bytes::<8>()?),
                signals: database.signals.clone(),
                database,
            }),
        })
    }

    /// The name of this process among all that use the database: new at each start.
    pub fn instance(&self) -> &str {
        &self.shared.instance
    }

    #[cfg(test)]
    fn url(&self) -> &str {
        self.shared.database.url()
    }

    pub fn instances(&self) -> Instances<'_> {
        Instances(self)
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

    pub fn rule_sets(&self) -> RuleSets<'_> {
        RuleSets(self)
    }

    pub fn shadows(&self) -> Shadows<'_> {
        Shadows(self)
    }

    pub fn labels(&self) -> Labels<'_> {
        Labels(self)
    }

    /// Resolves once a request has been added since the last time this was awaited: by this process or,
    /// on PostgreSQL, by any. Others' are found by asking again now and then.
    pub async fn request_added(&self) {
        self.shared.signals.request_added.notified().await;
    }

    /// The ids of requests that change from now on: by this process or, on PostgreSQL, by any. A listener
    /// that falls behind gets `Lagged`, and must then take it that its request has changed.
    pub fn changes(&self) -> broadcast::Receiver<i64> {
        self.shared.signals.request_changed.subscribe()
    }

    /// Resolves once a notice has been added to the outbox since this was awaited last, as with `changes`.
    pub async fn notice_added(&self) {
        self.shared.signals.notice_added.notified().await;
    }

    pub fn webhooks(&self) -> Webhooks<'_> {
        Webhooks(self)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let asked = sqlx::query("SELECT 1").fetch_one(&self.pool);
        // A server that is away is waited for by what needs it, not by who asks whether it is there.
        let answer = tokio::time::timeout(PING, asked).await;
        answer.map_err(|_| sqlx::Error::PoolTimedOut)??;
        Ok(())
    }

    /// Closes the connections once their statements are done.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A transaction that runs alone: what it reads stays true until it is committed.
    async fn begin(&self) -> Result<WriteTransaction, StoreError> {
        self.shared.database.begin(Lock::Alone, Kept::Always).await
    }

    /// A transaction that only changes rows of its own.
    async fn begin_rows(&self) -> Result<WriteTransaction, StoreError> {
        self.shared.database.begin(Lock::Rows, Kept::Always).await
    }

    /// A step by which this process takes what no other may have: were it undone under a process that lives on,
    /// another would take the same under the same number.
    async fn begin_taking(&self, lock: Lock) -> Result<WriteTransaction, StoreError> {
        self.shared.database.begin(lock, Kept::ForOthers).await
    }

    /// A step on a request's way: what a power cut undoes of it is done again when the request is.
    async fn begin_step(&self, lock: Lock) -> Result<WriteTransaction, StoreError> {
        self.shared.database.begin(lock, Kept::Soon).await
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

/// What is read from rows as they come: the rows themselves take several times as much memory.
async fn read_all<T>(
    mut rows: impl Stream<Item = Result<AnyRow, sqlx::Error>> + Unpin,
    read: impl Fn(&AnyRow) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut all = Vec::new();
    while let Some(row) = rows.try_next().await? {
        all.push(read(&row)?);
    }
    Ok(all)
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

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": [$($text),+] })
            }
        }
    };
}
use text_enum;

#[cfg(test)]
pub(crate) mod testing;
