//! One door to two databases.
//!
//! A [`Statement`] is written once and dispatched here. SQLite has one writing connection and takes
//! `BEGIN IMMEDIATE`, and transactions that wait for one another share a commit; PostgreSQL runs each transaction `SERIALIZABLE` and repeats it on conflict.

mod open;
mod repeat;
mod row;
mod sqlite;
mod statement;

use std::{future::Future, sync::Arc};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    PgPool, Postgres, Transaction,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use self::{
    open::Schema,
    sqlite::{Sqlite, Writing},
    statement::Placeholders,
};
pub use self::{
    repeat::Attempts,
    row::{DbRow, Unread},
    sqlite::THREADS_HELD_UP,
    statement::{Statement, Value, sql},
};
pub(crate) use self::{repeat::housekeeping, statement::sql_rows};
use crate::{
    audit::{Audited, Entry},
    error::{Cause, StoreError},
    issuing::Issuing,
    revocation_watch::{Changed, RevocationListener, RevocationWatch, Untold},
};

/// The database of one instance. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) database: Database,
    node: String,
    pub(crate) issuing: Issuing,
    revocations: RevocationWatch,
}

#[derive(Clone, Debug)]
pub(crate) enum Database {
    Sqlite(Sqlite),
    Postgres(PgPool),
}

impl Store {
    /// Opens `sqlite://PATH` or `postgres://…` and brings the schema up to date.
    ///
    /// `node` names this process in audit records and leases; it must be unique among the
    /// processes that share the database.
    ///
    /// # Errors
    /// [`StoreError::Unopened`] when the database does not answer,
    /// [`StoreError::Migration`] when its schema is not one of ours.
    pub async fn open(url: &SecretString, node: &str) -> Result<Self, StoreError> {
        Self::over(url, node, Schema::BroughtUpToDate).await
    }

    /// Opens a database that another process keeps, as a guest: nothing is made, the schema stays as
    /// it is, and no more rights are needed than for what is then asked of it.
    ///
    /// # Errors
    /// [`StoreError::Unopened`] when the database is not there or does not answer.
    pub async fn join(url: &SecretString, node: &str) -> Result<Self, StoreError> {
        Self::over(url, node, Schema::LeftAlone).await
    }

    async fn over(url: &SecretString, node: &str, schema: Schema) -> Result<Self, StoreError> {
        let database = open::open(url.expose_secret(), schema).await?;
        let unled = Self {
            database,
            node: node.to_owned(),
            issuing: Issuing::none(),
            revocations: RevocationWatch::default(),
        };
        Ok(Self { issuing: Issuing::start(&unled), ..unled })
    }

    /// Name of this process among those that share the database.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// A reader outside any transaction: sees what is committed.
    #[must_use]
    pub fn read(&self) -> Reader {
        Reader { database: self.database.clone() }
    }

    /// Tells `listener` of each revocation, hold and release that this process commits, before the
    /// commit is reported.
    pub fn on_revocation(&self, listener: Arc<dyn RevocationListener>) {
        self.revocations.add(listener);
    }

    /// Begins a transaction. Use [`transaction!`](crate::transaction), which retries and audits.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when no connection can be had.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let backend = match &self.database {
            Database::Sqlite(sqlite) => Backend::Sqlite(sqlite.begin().await?),
            Database::Postgres(pool) => {
                Backend::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE").await?)
            }
        };
        Ok(Tx { backend, node: self.node.clone(), untold: self.revocations.untold() })
    }

    /// Closes all connections after what is under way has ended.
    pub async fn close(&self) {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.close().await,
            Database::Postgres(pool) => pool.close().await,
        }
    }
}

/// What a [`Reader`] and a [`Tx`] both can do.
pub trait Queries: Send {
    /// All rows.
    fn fetch_all<T: DbRow>(
        &mut self,
        statement: Statement,
    ) -> impl Future<Output = Result<Vec<T>, StoreError>> + Send;

    /// The first row, if any.
    fn fetch_optional<T: DbRow>(
        &mut self,
        statement: Statement,
    ) -> impl Future<Output = Result<Option<T>, StoreError>> + Send;

    /// Exactly one row; its absence is an error.
    fn fetch_one<T: DbRow>(
        &mut self,
        statement: Statement,
    ) -> impl Future<Output = Result<T, StoreError>> + Send {
        async { self.fetch_optional(statement).await?.ok_or(StoreError::Unavailable(Cause::NoRow)) }
    }
}

/// Reads what is committed.
#[derive(Clone, Debug)]
pub struct Reader {
    database: Database,
}

/// A transaction under way. Dropping it rolls back.
#[derive(Debug)]
pub struct Tx {
    backend: Backend,
    node: String,
    /// Also when the commit failed: one whose answer was lost may have been made.
    untold: Untold,
}

#[derive(Debug)]
enum Backend {
    Sqlite(Writing),
    Postgres(Transaction<'static, Postgres>),
}

/// A statement as `sqlx` sends it to PostgreSQL, with its values bound.
fn numbered(statement: Statement) -> Query<'static, Postgres, PgArguments> {
    let (text, values) = statement.into_parts(Placeholders::Numbered);
    values.into_iter().fold(sqlx::query(text), |query, value| match value {
        Value::Integer(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Octets(value) => query.bind(value),
    })
}

fn read_all<T: DbRow>(rows: Vec<PgRow>) -> Result<Vec<T>, StoreError> {
    rows.iter().map(|row| Ok(row::read(row)?)).collect()
}

fn read_first<T: DbRow>(row: Option<PgRow>) -> Result<Option<T>, StoreError> {
    Ok(row.as_ref().map(row::read).transpose()?)
}

impl Queries for Reader {
    async fn fetch_all<T: DbRow>(&mut self, statement: Statement) -> Result<Vec<T>, StoreError> {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.fetch_all(statement).await,
            Database::Postgres(pool) => read_all(numbered(statement).fetch_all(pool).await?),
        }
    }

    async fn fetch_optional<T: DbRow>(
        &mut self,
        statement: Statement,
    ) -> Result<Option<T>, StoreError> {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.fetch_optional(statement).await,
            Database::Postgres(pool) => read_first(numbered(statement).fetch_optional(pool).await?),
        }
    }
}

impl Queries for Tx {
    async fn fetch_all<T: DbRow>(&mut self, statement: Statement) -> Result<Vec<T>, StoreError> {
        match &mut self.backend {
            Backend::Sqlite(tx) => tx.fetch_all(statement),
            Backend::Postgres(tx) => read_all(numbered(statement).fetch_all(&mut **tx).await?),
        }
    }

    async fn fetch_optional<T: DbRow>(
        &mut self,
        statement: Statement,
    ) -> Result<Option<T>, StoreError> {
        match &mut self.backend {
            Backend::Sqlite(tx) => tx.fetch_optional(statement),
            Backend::Postgres(tx) => {
                read_first(numbered(statement).fetch_optional(&mut **tx).await?)
            }
        }
    }
}

impl Tx {
    /// Runs a statement that changes rows; returns how many.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when a uniqueness rule refuses.
    pub async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        match &mut self.backend {
            Backend::Sqlite(tx) => tx.execute(statement),
            Backend::Postgres(tx) => {
                let done = numbered(statement).execute(&mut **tx).await?;
                Ok(done.rows_affected())
            }
        }
    }

    /// Writes the audit records of the change and commits both together.
    ///
    /// # Errors
    /// Any [`StoreError`]; then nothing was changed.
    pub async fn commit<T>(mut self, audited: Audited<T>) -> Result<T, StoreError> {
        let (value, entries) = audited.into_parts();
        self.append_audit(&entries).await?;
        self.finish().await?;
        Ok(value)
    }

    /// Writes audit records of changes that this transaction makes.
    pub(crate) async fn append_audit(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let node = self.node.clone();
        crate::audit::append(self, &node, entries).await
    }

    /// Commits housekeeping of this crate that changes nothing anyone decided: leases, the audit
    /// chain itself, delivered notices.
    pub(crate) async fn finish(self) -> Result<(), StoreError> {
        match self.backend {
            Backend::Sqlite(tx) => tx.commit(self.untold).await,
            Backend::Postgres(tx) => {
                let committed = tx.commit().await;
                drop(self.untold);
                Ok(committed?)
            }
        }
    }

    /// Takes back what this transaction changed, and answers when what it saw is durable: who is
    /// refused for what another one wrote must not hear of it before that is.
    ///
    /// # Errors
    /// [`StoreError::SharedCommit`], [`StoreError::Unavailable`]: that will not be durable.
    pub async fn give_up(self) -> Result<(), StoreError> {
        match self.backend {
            Backend::Sqlite(tx) => tx.give_up().await,
            // It sees what is committed, and nothing else.
            Backend::Postgres(tx) => {
                drop(tx);
                Ok(())
            }
        }
    }

    /// Notes what its commit will have to tell.
    pub(crate) fn note_revocations(&mut self, changed: Changed) {
        self.untold.note(changed);
    }
}
