//! A copy of the whole database in a form of its own, the same for every database: one table after the other,
//! as lines of JSON, out of one snapshot; and the way back.
//!
//! The first line of a table names its columns, each other line is a row: numbers, texts, null, and
//! `{"hex": "…"}` for bytes. Which tables there are, and in which order they can be filled, is what the
//! schema's scripts say.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};

use futures_util::TryStreamExt as _;
use serde_json::Value;
use sqlx::any::{AnyRow, AnyTypeInfoKind};
use sqlx::{Any, Column as _, Row as _, Transaction, ValueRef as _};

use super::database::Kind;
use super::migrations::{self, TableName};
use super::{
    Session, SessionState, Status, Store, StoreError, StoredFile, WriteTransaction, audit, column,
    now_ms, sessions,
};

/// Tables whose rows mean something to the running servers only: open logins, whose turn it is, who lives.
const LEFT_OUT: [&str; 3] = ["logins", "turns", "instances"];

/// Rows of one INSERT; times the columns of the widest table below SQLite's limit of 32,766 parameters.
const ROWS_PER_INSERT: usize = 400;

/// And so many bytes of text, for a few rows hold whole files.
const BYTES_PER_INSERT: usize = 4 << 20;

/// The database as it was at one moment, while others go on writing to it.
pub struct Snapshot {
    tx: Transaction<'static, Any>,
    kind: Kind,
}

/// A session of a snapshot, and what tells whether it has changed since.
#[derive(Debug, Clone)]
pub struct SnapshotSession {
    pub session: Session,
    /// A commit of it was running: its folder holds more or other files than its rows say.
    pub changing: bool,
}

impl SnapshotSession {
    /// Whether the session's folder is still as it was at the moment of the other.
    pub fn is_as_in(&self, other: &SnapshotSession) -> bool {
        let state = |one: &SnapshotSession| (one.session.state, one.session.lastmod);
        !self.changing && !other.changing && state(self) == state(other)
    }
}

impl Store {
    /// The database's state now, to be read in peace.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let kind = self.shared.database.kind;
        let begin = match kind {
            Kind::Sqlite => "BEGIN",
            // Files are linked and written meanwhile; it holds no lock that others wait for.
            Kind::Postgres => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
                 SET LOCAL idle_in_transaction_session_timeout = 0"
            }
        };
        let mut tx = self.pool.begin_with(begin).await?;
        // The first thing read fixes what all others are of.
        sqlx::query("SELECT MAX(version) FROM schema_version")
            .fetch_one(&mut *tx)
            .await?;
        Ok(Snapshot { tx, kind })
    }

    /// Writes down that a copy of everything left the house.
    pub async fn record_backup(&self, by: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        audit::record(&mut tx, by, "site.backup", "site".into()).await?;
        tx.commit().await
    }
}

impl Snapshot {
    /// The schema's version.
    pub fn version(&self) -> i64 {
        migrations::KNOWN
    }

    /// The tables to copy, each after those that it refers to.
    pub fn tables(&self) -> Vec<&'static str> {
        copied(migrations::KNOWN).map(|table| table.name).collect()
    }

    /// Writes a table, and answers its number of rows.
    pub async fn write_table(
        &mut self,
        table: &str,
        out: &mut (impl Write + Send),
    ) -> Result<u64, StoreError> {
        let known = copied(migrations::KNOWN).find(|known| known.name == table);
        let table = known.ok_or(StoreError::Refused("no table of that name"))?;
        let order = if table.numbered { " ORDER BY id" } else { "" };
        let sql = format!("SELECT * FROM {}{order}", table.name);
        let mut rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch(&mut *self.tx);
        let mut count = 0;
        while let Some(row) = rows.try_next().await? {
            if count == 0 {
                let names: Vec<&str> = row.columns().iter().map(|column| column.name()).collect();
                write_line(out, &names)?;
            }
            write_line(out, &values(&row)?)?;
            count += 1;
        }
        Ok(count)
    }

    /// The last number that each numbered table gave: none is given twice, in the copy either.
    pub async fn sequences(&mut self) -> Result<BTreeMap<String, i64>, StoreError> {
        let sql = match self.kind {
            Kind::Sqlite => {
                "SELECT COALESCE(MAX(seq), 0) AS seq FROM sqlite_sequence WHERE name = $1"
            }
            Kind::Postgres => {
                "SELECT COALESCE(pg_sequence_last_value(pg_get_serial_sequence($1, 'id')::regclass), 0) AS seq"
            }
        };
        let mut table_to_last = BTreeMap::new();
        for table in copied(migrations::KNOWN).filter(|table| table.numbered) {
            let row = sqlx::query(sql)
                .bind(table.name)
                .fetch_one(&mut *self.tx)
                .await?;
            table_to_last.insert(table.name.to_owned(), column(&row, "seq")?);
        }
        Ok(table_to_last)
    }

    /// The requests that had ended.
    pub async fn ended_requests(&mut self) -> Result<Vec<i64>, StoreError> {
        let rows = sqlx::query("SELECT id FROM requests WHERE finished IS NOT NULL ORDER BY id")
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| column(row, "id")).collect()
    }

    /// The sessions that have a folder.
    pub async fn sessions(&mut self) -> Result<Vec<SnapshotSession>, StoreError> {
        let rows = sqlx::query(
            "SELECT s.*, (SELECT COUNT(*) FROM commits c WHERE c.finished IS NULL
                          AND (c.session = s.id OR c.retires = s.id)) AS running
             FROM sessions s WHERE s.state NOT IN ('COMMITTING', 'DELETING') ORDER BY s.id",
        )
        .fetch_all(&mut *self.tx)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(SnapshotSession {
                    session: sessions::from_row(row)?,
                    changing: column::<i64>(row, "running")? > 0,
                })
            })
            .collect()
    }

    /// A session's files.
    pub async fn files(&mut self, session: i64) -> Result<Vec<StoredFile>, StoreError> {
        let rows = sqlx::query("SELECT * FROM stored_files WHERE session = $1 ORDER BY id")
            .bind(session)
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(sessions::file_from_row).collect()
    }
}

/// A database that is being filled from a copy; nothing of it shows before [`Restoring::finish`].
pub struct Restoring {
    store: Store,
    tx: WriteTransaction,
    version: i64,
}

impl Restoring {
    /// Makes the schema of that version in an empty database.
    ///
    /// # Errors
    /// If there is something in it, or the version is a later program's.
    pub async fn into_empty(url: &str, version: i64) -> Result<Restoring, StoreError> {
        let known = migrations::KNOWN;
        if version > known || version < 1 {
            return Err(StoreError::TooNew {
                found: version,
                known,
            });
        }
        let store = Store::connect(url).await?;
        if migrations::run_up_to(&store, version).await? > 0 {
            return Err(StoreError::NotEmpty);
        }
        let mut tx = store.begin().await?;
        if store.shared.database.kind == Kind::Postgres {
            // A copy may be read slowly, and nobody else uses the database yet.
            sqlx::query("SET LOCAL idle_in_transaction_session_timeout = 0")
                .execute(tx.on())
                .await?;
        }
        // Rows that the scripts themselves put in.
        let tables: Vec<TableName> = copied(version).collect();
        for table in tables.iter().rev() {
            let sql = format!("DELETE FROM {}", table.name);
            sqlx::query(sqlx::AssertSqlSafe(sql))
                .execute(tx.on())
                .await?;
        }
        Ok(Restoring { store, tx, version })
    }

    /// Fills a table, and answers its number of rows.
    pub async fn read_table(
        &mut self,
        table: &str,
        from: &mut impl BufRead,
    ) -> Result<u64, StoreError> {
        let known = copied(self.version).find(|known| known.name == table);
        let table = known
            .ok_or(StoreError::BadDump("a table that this version has not"))?
            .name;
        let mut lines = from.lines();
        let Some(first) = lines.next() else {
            return Ok(0);
        };
        let columns: Vec<String> = parse(&first?)?;
        let is_name = |name: &String| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if !columns.iter().all(is_name) {
            return Err(StoreError::BadDump("a column's name is none"));
        }
        let insert = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
        let mut count = 0;
        let mut rows: Vec<Vec<Value>> = Vec::new();
        let mut bytes = 0;
        for line in lines {
            let line = line?;
            bytes += line.len();
            let row: Vec<Value> = parse(&line)?;
            if row.len() != columns.len() {
                return Err(StoreError::BadDump(
                    "a row of another length than its table's",
                ));
            }
            rows.push(row);
            count += 1;
            if rows.len() == ROWS_PER_INSERT || bytes > BYTES_PER_INSERT {
                bytes = 0;
                self.insert(&insert, &mut rows).await?;
            }
        }
        self.insert(&insert, &mut rows).await?;
        Ok(count)
    }

    async fn insert(&mut self, insert: &str, rows: &mut Vec<Vec<Value>>) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        // Not by sqlx's builder, which writes places as one of the two databases does not.
        let mut sql = insert.to_owned();
        let mut bound = Vec::new();
        for (number, row) in rows.drain(..).enumerate() {
            sql.push_str(if number == 0 { "(" } else { ", (" });
            for (at, value) in row.into_iter().enumerate() {
                if at > 0 {
                    sql.push_str(", ");
                }
                // Null is spelt out: a bound one would need the column's type.
                if value.is_null() {
                    sql.push_str("NULL");
                } else {
                    bound.push(value);
                    sql.push_str(&format!("${}", bound.len()));
                }
            }
            sql.push(')');
        }
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql)).persistent(false);
        for value in bound {
            query = bind(query, value)?;
        }
        query.execute(self.tx.on()).await?;
        Ok(())
    }

    /// Has the numbered tables go on after the last numbers that were given, makes the copy fit to be worked
    /// on, and brings its schema up to date. `by` is whom the audit names.
    pub async fn finish(
        mut self,
        table_to_last: &BTreeMap<String, i64>,
        by: &str,
    ) -> Result<Store, StoreError> {
        let numbered: Vec<TableName> = copied(self.version).filter(|t| t.numbered).collect();
        for (table, last) in table_to_last.iter().filter(|(_, last)| **last > 0) {
            if !numbered.iter().any(|known| known.name == table) {
                return Err(StoreError::BadDump("a sequence that this version has not"));
            }
            self.set_sequence(table, *last).await?;
        }
        audit::record(&mut self.tx, by, "site.restore", "site".into()).await?;
        self.tx.commit().await?;
        migrations::run(&self.store).await?;
        settle(&self.store, by).await?;
        Ok(self.store)
    }

    async fn set_sequence(&mut self, table: &str, last: i64) -> Result<(), StoreError> {
        if self.store.shared.database.kind == Kind::Postgres {
            sqlx::query("SELECT setval(pg_get_serial_sequence($1, 'id'), $2)")
                .bind(table)
                .bind(last)
                .execute(self.tx.on())
                .await?;
            return Ok(());
        }
        let sql = "UPDATE sqlite_sequence SET seq = $2 WHERE name = $1";
        let known = sqlx::query(sql)
            .bind(table)
            .bind(last)
            .execute(self.tx.on())
            .await?;
        if known.rows_affected() == 0 {
            let sql = "INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)";
            sqlx::query(sql)
                .bind(table)
                .bind(last)
                .execute(self.tx.on())
                .await?;
        }
        Ok(())
    }
}

/// What was under way at the moment of the copy is undone: its staging stayed behind. Its request is in the
/// queue again, or its user asks again.
async fn settle(store: &Store, by: &str) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    sqlx::query(
        "UPDATE requests SET status = $1, worker = NULL, instance = NULL, lease_until = NULL, timestamp = $2
         WHERE finished IS NULL",
    )
    .bind(Status::Queued.as_str())
    .bind(now_ms())
    .execute(tx.on())
    .await?;
    tx.commit().await?;
    let begun = sqlx::query("SELECT id FROM commits WHERE finished IS NULL ORDER BY id")
        .fetch_all(&store.pool)
        .await?;
    for row in &begun {
        store.commits().abandon(column(row, "id")?).await?;
    }
    let sessions = store.sessions();
    for session in sessions.list(Default::default()).await? {
        match session.state {
            state @ (SessionState::Archiving | SessionState::Moving | SessionState::Building) => {
                let from = [state];
                sessions
                    .set_state(session.id, &from, SessionState::Ready, None, by)
                    .await?;
            }
            SessionState::Deleting => sessions.remove(session.id, by).await?,
            _ => {}
        }
    }
    Ok(())
}

fn copied(version: i64) -> impl Iterator<Item = TableName> {
    let tables = migrations::tables(version).into_iter();
    tables.filter(|table| !LEFT_OUT.contains(&table.name))
}

fn write_line(out: &mut impl Write, line: &impl serde::Serialize) -> Result<(), StoreError> {
    serde_json::to_writer(&mut *out, line).map_err(std::io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}

fn parse<T: serde::de::DeserializeOwned>(line: &str) -> Result<T, StoreError> {
    serde_json::from_str(line).map_err(|_| StoreError::BadDump("a line is no row"))
}

fn values(row: &AnyRow) -> Result<Vec<Value>, StoreError> {
    let one = |at: usize| {
        let raw = row.try_get_raw(at)?;
        if raw.is_null() {
            return Ok(Value::Null);
        }
        Ok(match raw.type_info().kind() {
            AnyTypeInfoKind::BigInt | AnyTypeInfoKind::Integer | AnyTypeInfoKind::SmallInt => {
                row.try_get::<i64, _>(at)?.into()
            }
            AnyTypeInfoKind::Text => row.try_get::<String, _>(at)?.into(),
            AnyTypeInfoKind::Blob => {
                serde_json::json!({ "hex": hex::encode(row.try_get::<Vec<u8>, _>(at)?) })
            }
            _ => {
                return Err(StoreError::BadDump(
                    "a column of a type that the schema has not",
                ));
            }
        })
    };
    (0..row.len()).map(one).collect()
}

type Query<'q> = sqlx::query::Query<'q, Any, <Any as sqlx::Database>::Arguments>;

fn bind(query: Query<'_>, value: Value) -> Result<Query<'_>, StoreError> {
    Ok(match value {
        Value::Number(number) => match number.as_i64() {
            Some(number) => query.bind(number),
            None => return Err(StoreError::BadDump("a number out of range")),
        },
        Value::String(text) => query.bind(text),
        Value::Object(object) => {
            let hex = object.get("hex").and_then(Value::as_str);
            let bytes = hex.and_then(|text| hex::decode(text).ok());
            query.bind(bytes.ok_or(StoreError::BadDump("bytes that are not in hex"))?)
        }
        _ => return Err(StoreError::BadDump("a value that is none")),
    })
}

#[cfg(test)]
mod tests;
