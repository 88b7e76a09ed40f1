//! The one connection that writes, and transactions that share a commit.
//!
//! While the disk takes a commit, others ask for the writer. Each of them is then a part of one
//! transaction: who ends while somebody else waits hands the connection on, and the commit after
//! the last of them makes all durable. Nobody hears of what he did before that commit, and nobody
//! hears of what he saw there either: who is refused for what another part wrote hears it when that
//! is durable. A part that fails is undone alone.

use std::{
    mem,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rusqlite::Connection;
use tokio::{
    sync::{Mutex, OwnedMutexGuard, oneshot},
    time::{Instant, sleep, timeout_at},
};

use super::{
    super::{DbRow, statement::Statement},
    all, aside, connect_writer, first, prepare, run,
};
use crate::{
    error::{Cause, StoreError},
    revocation_watch::Untold,
};

/// For how long a transaction waits for those before it: whoever asked is still there to be told.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Transactions that share a commit at most, so that the first does not wait for ever.
const MOST_PARTS: usize = 64;

/// The way to the writing connection. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    /// Taken in the order of asking.
    desk: Arc<Mutex<Desk>>,
    /// How many wait for it.
    waiting: Arc<AtomicUsize>,
    path: Arc<PathBuf>,
}

#[derive(Debug)]
struct Desk {
    link: Link,
    /// Parts of the transaction under way whose work is done.
    done: Vec<Done>,
}

#[derive(Debug)]
enum Link {
    Open(Connection),
    /// A transaction in it could be ended by nothing but its own end; the next opens another one.
    Lost,
    Closed,
}

/// Work that waits for the commit.
#[derive(Debug)]
struct Done {
    told: oneshot::Sender<Result<(), Arc<StoreError>>>,
    untold: Untold,
}

/// The writing connection inside a transaction. Dropping it takes back what was written in it.
#[derive(Debug)]
pub(crate) struct Writing {
    desk: OwnedMutexGuard<Desk>,
    writer: Writer,
    /// Whether others' work stands in the same transaction.
    shares: bool,
    ended: bool,
}

/// Somebody who waits for the writer, for as long as this lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn for_one(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Writer {
    pub(super) fn open(path: &Path) -> Result<Self, rusqlite::Error> {
        let link = Link::Open(connect_writer(path)?);
        Ok(Self {
            desk: Arc::new(Mutex::new(Desk { link, done: Vec::new() })),
            waiting: Arc::default(),
            path: Arc::new(path.to_owned()),
        })
    }

    /// Begins a transaction once those before it have ended, in this process and in others.
    pub(super) async fn begin(&self) -> Result<Writing, StoreError> {
        let until = Instant::now() + LONGEST_WAIT;
        let mut desk = self.turn(until).await?;
        let shares = !desk.done.is_empty();
        if shares {
            run(desk.inside()?, "SAVEPOINT part")?;
        } else {
            self.begin_alone(&mut desk, until).await?;
        }
        Ok(Writing { desk, writer: self.clone(), shares, ended: false })
    }

    async fn turn(&self, until: Instant) -> Result<OwnedMutexGuard<Desk>, StoreError> {
        if let Ok(desk) = Arc::clone(&self.desk).try_lock_owned() {
            return Ok(desk);
        }
        let _waiting = Waiting::for_one(&self.waiting);
        let turn = timeout_at(until, Arc::clone(&self.desk).lock_owned()).await;
        turn.map_err(|_| StoreError::Unavailable(Cause::Queue))
    }

    async fn begin_alone(&self, desk: &mut Desk, until: Instant) -> Result<(), StoreError> {
        let mut pause = Duration::from_millis(1);
        loop {
            if matches!(desk.link, Link::Lost) {
                desk.link = Link::Open(connect_writer(&self.path)?);
            }
            let begun = desk.open().and_then(|connection| run(connection, "BEGIN IMMEDIATE"));
            match begun {
                Err(StoreError::Conflict(_)) if Instant::now() < until => {
                    sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                // Not to be tried again: this was as long as anybody waits.
                Err(StoreError::Conflict(_)) => return Err(StoreError::Unavailable(Cause::Queue)),
                outcome => return outcome,
            }
        }
    }

    /// Commits what is done after those who wait for the writer now, if none of them does.
    fn commit_in_turn(&self) {
        let desk = Arc::clone(&self.desk);
        tokio::spawn(async move {
            let mut desk = desk.lock_owned().await;
            if !desk.done.is_empty() {
                // Those whom it concerns hear of it.
                let _ = desk.commit();
            }
        });
    }

    /// Closes the connection after what is under way has ended.
    pub(super) async fn close(&self) {
        let mut desk = self.desk.lock().await;
        aside(|| {
            if !desk.done.is_empty() {
                let _ = desk.commit();
            }
            desk.link = Link::Closed;
        });
    }
}

impl Desk {
    fn open(&self) -> Result<&Connection, StoreError> {
        match &self.link {
            Link::Open(open) => Ok(open),
            Link::Lost | Link::Closed => Err(StoreError::Unavailable(Cause::Closed)),
        }
    }

    /// The connection, in a transaction. A statement that fails may have ended it, and what follows
    /// would be written by itself.
    fn inside(&self) -> Result<&Connection, StoreError> {
        let connection = self.open()?;
        if connection.is_autocommit() {
            return Err(StoreError::Unavailable(Cause::Undone));
        }
        Ok(connection)
    }

    /// Makes durable all that is done, and tells of it; or nothing of it.
    fn commit(&mut self) -> Result<(), StoreError> {
        let committed = self.open().and_then(|connection| run(connection, "COMMIT"));
        if committed.is_err() {
            self.undo_all();
        }
        self.tell(committed)
    }

    /// Ends the transaction with nothing written.
    fn undo_all(&mut self) {
        // A failed statement or commit may have ended the transaction already.
        let undone = self.open().and_then(|connection| {
            if connection.is_autocommit() { Ok(()) } else { run(connection, "ROLLBACK") }
        });
        if let Err(error) = undone {
            // Nobody may go on in it: the connection ends, and the transaction with it.
            tracing::error!(%error, "a transaction could not be rolled back");
            self.link = Link::Lost;
        }
    }

    /// Undoes the part under way; if that cannot be, the others with it.
    fn undo_part(&mut self) -> Result<(), StoreError> {
        let undone = self.inside().and_then(|connection| {
            run(connection, "ROLLBACK TO part")?;
            run(connection, "RELEASE part")
        });
        if undone.is_err() {
            self.undo_all();
            return self.tell(undone);
        }
        undone
    }

    fn tell(&mut self, outcome: Result<(), StoreError>) -> Result<(), StoreError> {
        let done = mem::take(&mut self.done);
        if done.is_empty() {
            return outcome;
        }
        let outcome = outcome.map_err(Arc::new);
        for Done { told, untold } in done {
            drop(untold);
            // Who does not wait any more finds what is written.
            let _ = told.send(outcome.clone());
        }
        outcome.map_err(StoreError::SharedCommit)
    }
}

impl Writing {
    pub(in crate::db) fn fetch_all<T: DbRow>(
        &self,
        statement: Statement,
    ) -> Result<Vec<T>, StoreError> {
        let find = |statement| all(self.desk.inside()?, statement);
        if statement.is_long() { aside(|| find(statement)) } else { find(statement) }
    }

    pub(in crate::db) fn fetch_optional<T: DbRow>(
        &self,
        statement: Statement,
    ) -> Result<Option<T>, StoreError> {
        let find = |statement| first(self.desk.inside()?, statement);
        if statement.is_long() { aside(|| find(statement)) } else { find(statement) }
    }

    /// How many rows it changed.
    pub(in crate::db) fn execute(&self, statement: Statement) -> Result<u64, StoreError> {
        let change = |statement| {
            let connection = self.desk.inside()?;
            let mut prepared = prepare(connection, statement)?;
            let mut rows = prepared.raw_query();
            while rows.next()?.is_some() {}
            Ok(connection.changes())
        };
        if statement.is_long() { aside(|| change(statement)) } else { change(statement) }
    }

    /// Answers when what was written is durable. `untold` is told of then, whether or not somebody
    /// still waits here.
    ///
    /// # Errors
    /// Nothing was written, or after a commit that failed it is not known;
    /// [`StoreError::SharedCommit`] where it would have been with others' work.
    pub(in crate::db) async fn commit(mut self, untold: Untold) -> Result<(), StoreError> {
        let connection = self.desk.inside()?;
        if self.shares {
            run(connection, "RELEASE part")?;
        }
        self.ended = true;
        self.durable(untold).await
    }

    /// Takes back what was written; answers when what others had written before is durable.
    ///
    /// # Errors
    /// What others had written is not durable, and what was seen there never was.
    pub(in crate::db) async fn give_up(mut self) -> Result<(), StoreError> {
        self.undo()?;
        if self.desk.done.is_empty() { Ok(()) } else { self.durable(Untold::default()).await }
    }

    async fn durable(mut self, untold: Untold) -> Result<(), StoreError> {
        let parts = self.desk.done.len() + 1;
        if parts == MOST_PARTS || self.writer.waiting.load(Ordering::Relaxed) == 0 {
            return self.desk.commit();
        }
        let (told, outcome) = oneshot::channel();
        self.desk.done.push(Done { told, untold });
        if parts == 1 {
            self.writer.commit_in_turn();
        }
        drop(self);
        let outcome = outcome.await.map_err(|_| StoreError::Unavailable(Cause::Closed))?;
        outcome.map_err(StoreError::SharedCommit)
    }

    fn undo(&mut self) -> Result<(), StoreError> {
        self.ended = true;
        if self.shares {
            return self.desk.undo_part();
        }
        self.desk.undo_all();
        Ok(())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.ended {
            // Those whom it concerns hear of it.
            let _ = self.undo();
        }
    }
}

#[cfg(test)]
mod tests;
