//! SQLite's one writing connection, and the transaction that requests share.
//!
//! A durable commit waits for the storage. Requests that wait for each other need not each wait for
//! one of their own: who is done leaves the transaction open for those who queued behind, each with
//! a savepoint of its own, and the commit takes its turn in the same queue. Nobody is told of success
//! before that commit, nobody reads what it has not made durable, and who fails takes back only what
//! is their own.

use std::{
    mem,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{
    runtime::Handle,
    sync::{Mutex, OwnedMutexGuard, oneshot},
    time::timeout,
};

use crate::error::StoreError;

/// How long a request queues before it is told that the database does not answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Parts that one commit carries at most: with more the first would wait too long for the last.
const MOST_PARTS: usize = 64;

/// The connection, and the queue before it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    options: Arc<SqliteConnectOptions>,
    /// Fair: the order of the queue is what makes parts share a commit.
    seat: Arc<Mutex<Seat>>,
    queued: Arc<AtomicUsize>,
}

/// Somebody in the queue; no longer when this is dropped.
struct Queued<'w>(&'w AtomicUsize);

impl<'w> Queued<'w> {
    fn up(queued: &'w AtomicUsize) -> Self {
        queued.fetch_add(1, Ordering::Relaxed);
        Self(queued)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Seat {
    /// None after [`Writer::close`].
    connection: Option<SqliteConnection>,
    batch: Batch,
}

/// What the open transaction holds.
#[derive(Debug, Default)]
struct Batch {
    open: bool,
    /// A part has begun and is neither kept nor taken back.
    unfinished: bool,
    /// The storage failed: what SQLite has kept of the transaction is not known.
    broken: bool,
    /// The commit stands in the queue.
    called: bool,
    /// Who wait for the commit.
    done: Vec<oneshot::Sender<Result<(), StoreError>>>,
}

impl Writer {
    pub(super) async fn connect(options: SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let connection = Some(SqliteConnection::connect_with(&options).await?);
        let seat = Seat { connection, batch: Batch::default() };
        let (options, seat) = (Arc::new(options), Arc::new(Mutex::new(seat)));
        Ok(Self { options, seat, queued: Arc::default() })
    }

    /// The database file.
    pub(crate) fn filename(&self) -> &Path {
        self.options.get_filename()
    }

    /// Queues for the connection and begins a part of the transaction there, or a new one.
    pub(super) async fn begin(&self) -> Result<Part, StoreError> {
        let queued = Queued::up(&self.queued);
        let seat = timeout(PATIENCE, Arc::clone(&self.seat).lock_owned()).await;
        drop(queued);
        let seat = seat.map_err(|_| sqlx::Error::PoolTimedOut)?;
        // Dropped at any point from here on, it takes back what it may have begun.
        let mut part = Part { seat: Some(seat), writer: self.clone() };
        part.start().await?;
        Ok(part)
    }

    /// Lets the commit queue for its turn.
    fn call_commit(&self, runtime: &Handle) {
        let writer = self.clone();
        runtime.spawn(async move {
            let mut seat = writer.seat.lock().await;
            seat.batch.called = false;
            seat.end().await;
        });
    }

    /// Ends what is under way and closes the connection.
    pub(super) async fn close(&self) {
        let mut seat = self.seat.lock().await;
        seat.end().await;
        if let Some(connection) = seat.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the database did not close");
        }
    }
}

impl Seat {
    async fn run(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        let connection = self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        sqlx::query(statement).execute(connection).await.map(drop)
    }

    /// Takes back what a part left that was given up, and all of a transaction that cannot be kept.
    async fn tidy(&mut self) {
        if self.batch.unfinished && !self.batch.broken && !self.batch.done.is_empty() {
            let back = async {
                self.run("ROLLBACK TO part").await?;
                self.run("RELEASE part").await
            };
            match back.await {
                Ok(()) => self.batch.unfinished = false,
                Err(error) => {
                    tracing::error!(%error, "a part of a shared transaction was not taken back");
                    self.batch.broken = true;
                }
            }
        }
        if self.batch.unfinished || self.batch.broken {
            self.roll_back().await;
            // Nothing of it was written, so each may try again.
            for waiting in self.forget() {
                let _ = waiting.send(Err(StoreError::Conflict(sqlx::Error::WorkerCrashed)));
            }
        }
    }

    /// Makes durable what is done and tells who waits for it.
    async fn end(&mut self) {
        self.tidy().await;
        if !self.batch.open {
            return;
        }
        let outcome = self.run("COMMIT").await;
        if outcome.is_err() {
            self.roll_back().await;
        }
        let failed = outcome.err().map(|error| Arc::new(StoreError::from(error)));
        for waiting in self.forget() {
            let told = failed.clone().map_or(Ok(()), |error| Err(StoreError::SharedCommit(error)));
            // Who does not listen any more went away meanwhile.
            let _ = waiting.send(told);
        }
    }

    /// SQLite may have rolled back by itself already, and then says that there is nothing to do.
    async fn roll_back(&mut self) {
        if let Err(error) = self.run("ROLLBACK").await {
            tracing::debug!(%error, "there was no transaction to roll back");
        }
    }

    /// Begins anew; the commit that was called finds nothing, or what comes next.
    fn forget(&mut self) -> Vec<oneshot::Sender<Result<(), StoreError>>> {
        let called = self.batch.called;
        mem::replace(&mut self.batch, Batch { called, ..Batch::default() }).done
    }
}

/// A part of the shared transaction under way. Dropping it takes it back.
#[derive(Debug)]
pub(super) struct Part {
    /// Until it is kept.
    seat: Option<OwnedMutexGuard<Seat>>,
    writer: Writer,
}

impl Part {
    async fn start(&mut self) -> Result<(), StoreError> {
        let seat = self.seat_mut()?;
        seat.tidy().await;
        // Before the statement: who gives up while it runs cannot know whether it did.
        let alone = !mem::replace(&mut seat.batch.open, true);
        seat.batch.unfinished = true;
        Ok(seat.run(if alone { "BEGIN IMMEDIATE" } else { "SAVEPOINT part" }).await?)
    }

    fn seat_mut(&mut self) -> Result<&mut OwnedMutexGuard<Seat>, StoreError> {
        // It is there until the part is kept, and that takes it away.
        Ok(self.seat.as_mut().ok_or(sqlx::Error::PoolClosed)?)
    }

    /// For statements of this part.
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        Ok(self.seat_mut()?.connection.as_mut().ok_or(sqlx::Error::PoolClosed)?)
    }

    /// Looks at what a statement failed for: SQLite may have rolled back the whole transaction.
    pub(super) fn note(&mut self, error: &sqlx::Error) {
        if ends_transaction(error)
            && let Some(seat) = &mut self.seat
        {
            seat.batch.broken = true;
        }
    }

    /// Keeps the part; answers when it is durable.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        let writer = self.writer.clone();
        let seat = self.seat_mut()?;
        if seat.batch.broken {
            return Err(StoreError::Conflict(sqlx::Error::WorkerCrashed));
        }
        if !seat.batch.done.is_empty() {
            seat.run("RELEASE part").await?;
        }
        let (tell, hear) = oneshot::channel();
        seat.batch.unfinished = false;
        seat.batch.done.push(tell);
        let alone = seat.batch.done.len() == 1;
        if alone && writer.queued.load(Ordering::Relaxed) == 0 {
            // Nobody to share with, and nobody to whom giving up in the middle could matter.
            seat.end().await;
        } else if seat.batch.done.len() >= MOST_PARTS {
            if let Some(mut seat) = self.seat.take() {
                tokio::spawn(async move { seat.end().await });
            }
        } else if !mem::replace(&mut seat.batch.called, true) {
            writer.call_commit(&Handle::current());
        }
        self.seat = None;
        hear.await.unwrap_or(Err(StoreError::Unavailable(sqlx::Error::PoolClosed)))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let Some(seat) = &mut self.seat else { return };
        // Where no runtime is left the connection ends as well, and what is not committed with it.
        if seat.batch.open
            && !mem::replace(&mut seat.batch.called, true)
            && let Ok(runtime) = Handle::try_current()
        {
            self.writer.call_commit(&runtime);
        }
    }
}

/// Errors after which SQLite may have ended the transaction by itself (sqlite.org, "Transaction", §3.1:
/// `SQLITE_FULL`, `SQLITE_IOERR`, `SQLITE_NOMEM`, `SQLITE_BUSY`, `SQLITE_INTERRUPT`), and all that are
/// not SQLite's own. What a constraint refuses ends nothing.
fn ends_transaction(error: &sqlx::Error) -> bool {
    const ENDING: [u32; 5] = [5, 7, 9, 10, 13];
    match error {
        sqlx::Error::Database(refused) => {
            let code = refused.code().and_then(|code| code.parse::<u32>().ok());
            // The lowest octet of an extended code is the code.
            code.is_none_or(|code| ENDING.contains(&(code & 0xff)))
        }
        sqlx::Error::RowNotFound
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests;
