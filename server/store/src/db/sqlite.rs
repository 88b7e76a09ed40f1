//! SQLite on the thread that asks.
//!
//! A statement that finds a few rows is done in microseconds, and a commit follows another one as
//! soon as the disk has taken it; handing them to another thread and the answer back costs more than
//! they do. There is one [`writer`], so commits hold up one of the runtime's threads at most
//! ([`THREADS_HELD_UP`]). Statements over many rows run where they hold up nobody.

mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{
    CachedStatement, Connection, OpenFlags, ToSql, types::ToSqlOutput, types::ValueRef,
};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{Semaphore, SemaphorePermit},
};

use self::writer::Writer;
pub(super) use self::writer::Writing;
use super::{
    DbRow,
    row::read,
    statement::{Placeholders, Statement, Value},
};
use crate::error::{Cause, StoreError};

/// Prepared statements that a connection keeps: shared commits have a text for each number of
/// rows.
const STATEMENTS_KEPT: usize = 512;

/// How many threads of its runtime a store may hold up while the disk takes a commit: one, its
/// writer's.
pub const THREADS_HELD_UP: usize = 1;

/// Statements over many rows that may run at a time.
const LONG_READS: u32 = 4;

/// Reading connections that are kept for the next who asks.
const IDLE_READERS: usize = 4;

/// KiB of pages that a connection may keep, taken as they are used. The writer has at hand the
/// indexes that every issuance descends.
const WRITERS_CACHE: i64 = 8192;
const READERS_CACHE: i64 = 4096;

/// For how long another process may hold the file against a reader.
const HELD_BY_ANOTHER: Duration = Duration::from_secs(5);

/// One writer, so that no statement ever meets `SQLITE_BUSY` within this process, and readers.
#[derive(Clone, Debug)]
pub(crate) struct Sqlite {
    writer: Writer,
    readers: Arc<Readers>,
}

#[derive(Debug)]
struct Readers {
    path: PathBuf,
    /// Connections at rest; gone once closed.
    idle: Mutex<Option<Vec<Connection>>>,
    long: Semaphore,
}

impl Sqlite {
    /// Connections to a file whose schema is in order.
    pub(super) fn open(path: PathBuf) -> Result<Self, rusqlite::Error> {
        let writer = Writer::open(&path)?;
        let first = reader(&path)?;
        Ok(Self {
            writer,
            readers: Arc::new(Readers {
                path,
                idle: Mutex::new(Some(vec![first])),
                long: Semaphore::new(LONG_READS as usize),
            }),
        })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.readers.path
    }

    /// Begins a transaction once those before it have ended, in this process and in others.
    pub(super) async fn begin(&self) -> Result<Writing, StoreError> {
        self.writer.begin().await
    }

    pub(super) async fn fetch_all<T: DbRow>(
        &self,
        statement: Statement,
    ) -> Result<Vec<T>, StoreError> {
        if statement.is_short() {
            return self.readers.with(|connection| all(connection, statement));
        }
        let _turn = self.readers.turn().await?;
        aside(|| self.readers.with(|connection| all(connection, statement)))
    }

    pub(super) async fn fetch_optional<T: DbRow>(
        &self,
        statement: Statement,
    ) -> Result<Option<T>, StoreError> {
        if statement.is_long() {
            let _turn = self.readers.turn().await?;
            aside(|| self.readers.with(|connection| first(connection, statement)))
        } else {
            self.readers.with(|connection| first(connection, statement))
        }
    }

    /// Closes all connections after what is under way has ended; the writer is the last, so that
    /// it puts the log back into the file.
    pub(super) async fn close(&self) {
        let long = self.readers.long.acquire_many(LONG_READS).await;
        drop(self.readers.lock().take());
        drop(long);
        self.writer.close().await;
    }
}

impl Readers {
    /// Waits until a statement over many rows may run.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        let turn = self.long.acquire().await;
        turn.map_err(|_| StoreError::Unavailable(Cause::Closed))
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = match self.lock().as_mut() {
            Some(idle) => idle.pop(),
            None => return Err(StoreError::Unavailable(Cause::Closed)),
        };
        let connection = match idle {
            Some(connection) => connection,
            None => reader(&self.path)?,
        };
        let outcome = work(&connection);
        if let Some(idle) = self.lock().as_mut().filter(|idle| idle.len() < IDLE_READERS) {
            idle.push(connection);
        }
        outcome
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect_writer(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITERS_CACHE)?;
    // Waiting for another process is done without a thread, when a transaction begins.
    connection.busy_timeout(Duration::ZERO)?;
    // 32 MiB of log between checkpoints, which stop the writer: pages that change in
    // every commit are then written back once for many.
    connection.pragma_update(None, "wal_autocheckpoint", 8192)?;
    Ok(connection)
}

fn reader(path: &Path) -> Result<Connection, rusqlite::Error> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, READERS_CACHE)
}

/// One connection, set up.
fn connect(path: &Path, access: OpenFlags, cache: i64) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.busy_timeout(HELD_BY_ANOTHER)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // An issued certificate must survive a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -cache)?;
    Ok(connection)
}

/// Runs what may take long so that the other tasks of this thread go on meanwhile.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

fn run(connection: &Connection, text: &str) -> Result<(), StoreError> {
    connection.prepare_cached(text)?.raw_execute()?;
    Ok(())
}

fn all<T: DbRow>(connection: &Connection, statement: Statement) -> Result<Vec<T>, StoreError> {
    let mut prepared = prepare(connection, statement)?;
    let mut rows = prepared.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn first<T: DbRow>(connection: &Connection, statement: Statement) -> Result<Option<T>, StoreError> {
    let mut prepared = prepare(connection, statement)?;
    let mut rows = prepared.raw_query();
    Ok(rows.next()?.map(read).transpose()?)
}

fn prepare(
    connection: &Connection,
    statement: Statement,
) -> Result<CachedStatement<'_>, StoreError> {
    let (text, values) = statement.into_parts(Placeholders::InTurn);
    let mut prepared = connection.prepare_cached(text.as_str())?;
    for place in 1..=prepared.parameter_count() {
        // `$2` is a name to SQLite, which counts the names in the order in which they come.
        let named = prepared.parameter_name(place).and_then(|name| name[1..].parse().ok());
        let value = values.get(named.unwrap_or(place) - 1);
        let value = value.ok_or(rusqlite::Error::InvalidParameterCount(values.len(), place))?;
        prepared.raw_bind_parameter(place, value)?;
    }
    Ok(prepared)
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Integer(Some(value)) => ValueRef::Integer(*value),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Octets(Some(octets)) => ValueRef::Blob(octets),
            Self::Integer(None) | Self::Text(None) | Self::Octets(None) => ValueRef::Null,
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::{db::sql, revocation_watch::Untold};

    pub(super) async fn opened(folder: &tempfile::TempDir) -> Sqlite {
        let path = folder.path().join("t.db");
        let made = Connection::open(&path).unwrap();
        made.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a INTEGER, b TEXT)")
            .unwrap();
        Sqlite::open(path).unwrap()
    }

    pub(super) async fn rows(sqlite: &Sqlite) -> Vec<(i64, String)> {
        sqlite.fetch_all(sql("SELECT a, b FROM t ORDER BY a")).await.unwrap()
    }

    #[tokio::test]
    async fn values_go_to_the_numbers_of_their_placeholders() {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = opened(&folder).await;
        let tx = sqlite.begin().await.unwrap();
        let insert = sql("INSERT INTO t (b, a) VALUES ($2 || $2, $1)");
        assert_eq!(tx.execute(insert.bind(7_i64).bind("x")).unwrap(), 1);
        tx.commit(Untold::default()).await.unwrap();
        assert_eq!(rows(&sqlite).await, [(7, "xx".to_owned())]);
        let unbound = sqlite.fetch_optional::<(i64,)>(sql("SELECT $1")).await.unwrap_err();
        assert!(matches!(unbound, StoreError::Unavailable(Cause::Sqlite(_))), "{unbound:?}");
    }

    #[tokio::test]
    async fn a_reader_changes_nothing_and_a_closed_database_answers_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = opened(&folder).await;
        let write = sql("INSERT INTO t VALUES (1, 'x') RETURNING a");
        assert!(sqlite.fetch_optional::<(i64,)>(write).await.is_err());
        sqlite.close().await;
        let read = sqlite.fetch_optional::<(i64,)>(sql("SELECT 1")).await.unwrap_err();
        assert!(matches!(read, StoreError::Unavailable(Cause::Closed)), "{read:?}");
        let begun = sqlite.begin().await.unwrap_err();
        assert!(matches!(begun, StoreError::Unavailable(Cause::Closed)), "{begun:?}");
        assert!(!folder.path().join("t.db-wal").exists(), "the log is back in the file");
    }
}
