//! The two databases that a store can be in, and all in which they differ.
//!
//! SQLite has one writer; PostgreSQL has many, in several processes. What has to see all that others
//! wrote before it decides ([`Lock::Alone`]) runs alone in either: behind this process's lock and SQLite's
//! own, or behind an advisory lock of PostgreSQL. What only changes its own rows ([`Lock::Rows`]) waits for
//! nobody but who changes the same rows.
//!
//! What was answered, or what files are moved by, outlasts a power cut ([`Kept::Always`]). How far a request
//! is need not: waiting for the disk at each step, a small import would do little else.
//!
//! PostgreSQL's locks belong to a connection, and a machine that is frozen or cut off keeps its own. The
//! server ends it ([`SESSION`]) before the others' leases run out.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::postgres::PgListener;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Executor as _, Transaction};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::StoreError;
use super::signals::{Signals, Word};

/// Readers of one server; more would only wait for the same disk.
const MAX_CONNECTIONS: u32 = 8;

/// How long a statement waits for another process (the command line beside the server) to finish writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);

/// The advisory locks that stand for "the one writer" and "the one who hands out requests": any numbers,
/// the same in every process.
const WRITER_LOCK: i64 = 0x51_0c_e0;
const QUEUE_LOCK: i64 = 0x51_0c_e1;

/// What PostgreSQL is told of each connection. A transaction in which no statement comes for so long is a dead
/// machine's: nothing but statements is done in one. Waiting for a lock and long statements don't count. The
/// rest finds out that nobody is at the other end while an answer is sent; it is ignored where there is no TCP.
const SESSION: &str = "SET idle_in_transaction_session_timeout = '20s';
    SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 2;
    SET tcp_user_timeout = '20s'";

/// What PostgreSQL's servers and workers tell each other by.
const CHANNEL: &str = "sluice";

/// How long to wait before listening is tried again when the database is gone.
const LISTEN_AGAIN: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// What a transaction may not run beside, in any process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    /// Any other that runs alone: what it reads stays true until it is committed.
    Alone,
    /// Others that hand out requests; a long commit does not hold these up.
    Queue,
    /// Those that change the same rows: its statements depend on no others.
    Rows,
}

/// What a power cut leaves of a transaction that was committed. A crash of this process takes nothing from either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// All.
    Always,
    /// All, if a process could go by it that the power cut leaves alive: a client of PostgreSQL, on another
    /// machine. SQLite's processes are gone with it, and to them it is as `Soon`.
    ForOthers,
    /// All or nothing of it; and nothing of what came later, if nothing of it. Any later one that is kept always
    /// keeps it too.
    Soon,
}

/// The connections, and the turn of who writes.
pub(super) struct Database {
    pub pool: AnyPool,
    pub kind: Kind,
    pub signals: Signals,
    url: String,
    /// SQLite has one writer; queueing for it here is fair, its own busy loop is not.
    writer: Arc<Mutex<()>>,
}

/// At the end of a URL: the file is made if it is missing.
const MAKE: &str = "?mode=rwc";

/// The URL of the SQLite database file at `path`, made when it is missing.
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
    url.push_str(MAKE);
    url
}

impl Kind {
    fn of(url: &str) -> Result<Kind, StoreError> {
        match url.split(':').next() {
            Some("sqlite") => Ok(Kind::Sqlite),
            Some("postgres" | "postgresql") => Ok(Kind::Postgres),
            _ => Err(StoreError::UnknownDriver),
        }
    }

    /// A schema script with the types in braces as this database spells them.
    pub(super) fn spell(self, script: &str) -> String {
        let (id, bytes) = match self {
            Kind::Sqlite => ("INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB"),
            Kind::Postgres => (
                "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
                "BYTEA",
            ),
        };
        script.replace("{id}", id).replace("{bytes}", bytes)
    }
}

/// The file holds pseudonym keys and password hashes: it is made for its owner, and what stands is closed to all
/// but owner and group. SQLite gives the files beside it (`-wal`, `-shm`) the same rights.
fn keep_private(url: &str) -> Result<(), StoreError> {
    let options = SqliteConnectOptions::from_str(url)?;
    let file = options.get_filename();
    if url.ends_with(MAKE) {
        // Where it can't be made SQLite says why.
        _ = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file);
    }
    if let Ok(metadata) = file.metadata() {
        let mode = metadata.permissions().mode() & 0o770;
        // Of another owner's file they stay as they are.
        _ = std::fs::set_permissions(file, Permissions::from_mode(mode));
    }
    Ok(())
}

impl Database {
    pub async fn open(url: &str) -> Result<Database, StoreError> {
        sqlx::any::install_default_drivers();
        let kind = Kind::of(url)?;
        if kind == Kind::Sqlite {
            keep_private(url)?;
        }
        let pool = AnyPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .after_connect(move |connection, _| Box::pin(set_up(connection, kind)))
            // SQLite ends a transaction by itself when the disk is full. Its connection, which is not told,
            // would refuse every transaction from then on.
            .before_acquire(|connection, _| {
                let is_usable = !connection.is_in_transaction();
                Box::pin(async move { Ok(is_usable) })
            })
            .connect(url)
            .await?;
        Ok(Database {
            pool,
            kind,
            signals: Signals::new(),
            url: url.to_owned(),
            writer: Arc::new(Mutex::new(())),
        })
    }

    /// A transaction, when its turn has come.
    pub async fn begin(&self, lock: Lock, kept: Kept) -> Result<WriteTransaction, StoreError> {
        let (inner, turn) = match self.kind {
            Kind::Sqlite => {
                // Before a connection is taken: those who wait for the turn must not use up the pool.
                let turn = self.writer.clone().lock_owned().await;
                let begin = match kept {
                    Kept::Always => "PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
                    Kept::ForOthers | Kept::Soon => "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
                };
                (self.pool.begin_with(begin).await?, Some(turn))
            }
            Kind::Postgres => {
                let turn = match lock {
                    Lock::Alone => Some(self.writer.clone().lock_owned().await),
                    Lock::Queue | Lock::Rows => None,
                };
                let begin = match kept {
                    Kept::Always | Kept::ForOthers => "BEGIN",
                    Kept::Soon => "BEGIN; SET LOCAL synchronous_commit = off",
                };
                let mut inner = self.pool.begin_with(begin).await?;
                let key = match lock {
                    Lock::Alone => Some(WRITER_LOCK),
                    Lock::Queue => Some(QUEUE_LOCK),
                    Lock::Rows => None,
                };
                if let Some(key) = key {
                    sqlx::query("SELECT pg_advisory_xact_lock($1)")
                        .bind(key)
                        .execute(&mut *inner)
                        .await?;
                }
                (inner, turn)
            }
        };
        Ok(WriteTransaction {
            inner,
            kind: self.kind,
            signals: self.signals.clone(),
            words: Vec::new(),
            _turn: turn,
        })
    }

    #[cfg(test)]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Hears what other processes say, for as long as this one lives. SQLite has no such means: its
    /// processes ask again now and then.
    pub fn listen(&self) {
        if self.kind == Kind::Sqlite {
            return;
        }
        let (url, pool, signals) = (self.url.clone(), self.pool.clone(), self.signals.clone());
        tokio::spawn(async move {
            while !pool.is_closed() {
                if let Err(error) = hear(&url, &pool, &signals).await {
                    tracing::warn!(%error, "the database tells nothing at present");
                    tokio::time::sleep(LISTEN_AGAIN).await;
                }
            }
        });
    }
}

async fn hear(url: &str, pool: &AnyPool, signals: &Signals) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    loop {
        tokio::select! {
            heard = listener.recv() => {
                if let Some(word) = Word::from_text(heard?.payload()) {
                    signals.say(word);
                }
            }
            () = pool.close_event() => return Ok(()),
        }
    }
}

async fn set_up(connection: &mut AnyConnection, kind: Kind) -> Result<(), sqlx::Error> {
    match kind {
        Kind::Sqlite => {
            let busy = format!("PRAGMA busy_timeout = {}", BUSY_TIMEOUT.as_millis());
            connection.execute(sqlx::AssertSqlSafe(busy)).await?;
            // How far a commit is synced is said when its transaction begins.
            connection
                .execute(
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON",
                )
                .await?;
        }
        Kind::Postgres => _ = connection.execute(SESSION).await?,
    }
    Ok(())
}

/// A transaction that writes. Dropped without `commit`, it changes nothing and says nothing.
pub(super) struct WriteTransaction {
    inner: Transaction<'static, Any>,
    kind: Kind,
    signals: Signals,
    words: Vec<Word>,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl WriteTransaction {
    /// The values of an INSERT of many rows, each bound in turn: `($1, $2), ($3, $4)`. SQLite is given no numbers: it
    /// would look for each among those of all, so that rows cost more the more there are.
    pub fn value_rows(&self, rows: usize, columns: usize) -> String {
        let mut numbers = 1..;
        let mut place = || match self.kind {
            Kind::Sqlite => "?".to_owned(),
            Kind::Postgres => format!("${}", numbers.next().unwrap_or_default()),
        };
        let mut row = || {
            let places: Vec<String> = (0..columns).map(|_| place()).collect();
            format!("({})", places.join(", "))
        };
        let rows: Vec<String> = (0..rows).map(|_| row()).collect();
        rows.join(", ")
    }

    pub fn on(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }

    /// Has those who wait hear `word` once this is committed.
    pub fn say(&mut self, word: Word) {
        self.words.push(word);
    }

    pub async fn commit(mut self) -> Result<(), StoreError> {
        if self.kind == Kind::Postgres {
            for word in &self.words {
                sqlx::query("SELECT pg_notify($1, $2)")
                    .bind(CHANNEL)
                    .bind(word.to_text())
                    .execute(&mut *self.inner)
                    .await?;
            }
        }
        self.inner.commit().await?;
        for word in self.words {
            self.signals.say(word);
        }
        Ok(())
    }
}

/// Text as every database can hold it: a NUL, which headers may hold, is none that PostgreSQL takes.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests;
