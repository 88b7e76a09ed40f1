//! One door to two databases.
//!
//! A [`Statement`] is written once and dispatched here. SQLite has one writing connection and takes
//! `BEGIN IMMEDIATE`; PostgreSQL runs each transaction `SERIALIZABLE` and repeats it on conflict.

mod open;

use std::{future::Future, sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, FromRow, PgPool, Postgres, SqlSafeStr, SqlStr, Sqlite, SqlitePool, Transaction,
    postgres::PgRow, sqlite::SqliteRow,
};

use self::open::Schema;
use crate::{
    audit::{Audited, Entry},
    error::StoreError,
    issuing::Issuing,
    revocation_watch::{Changed, RevocationListener, RevocationWatch},
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
    /// One writer, so that no statement ever meets `SQLITE_BUSY` within this process.
    Sqlite {
        writer: SqlitePool,
        reader: SqlitePool,
    },
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
            Database::Sqlite { writer, .. } => {
                Backend::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?)
            }
            Database::Postgres(pool) => {
                Backend::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE").await?)
            }
        };
        let revocations = self.revocations.clone();
        Ok(Tx { backend, node: self.node.clone(), revocations, changed: Changed::default() })
    }

    /// Closes all connections after what is under way has ended.
    pub async fn close(&self) {
        match &self.database {
            Database::Sqlite { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
            Database::Postgres(pool) => pool.close().await,
        }
    }
}

/// A value bound to a placeholder.
#[derive(Clone, Debug)]
pub enum Value {
    /// 64-bit integer, also for times (Unix seconds).
    Integer(Option<i64>),
    /// Text.
    Text(Option<String>),
    /// Octets.
    Octets(Option<Vec<u8>>),
}

macro_rules! value_from {
    ($($type:ty => $variant:ident($convert:expr)),* $(,)?) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self { Self::$variant(Some($convert(value))) }
        }
        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self { Self::$variant(value.map($convert)) }
        }
    )*};
}

value_from! {
    i64 => Integer(|v| v),
    String => Text(|v| v),
    &String => Text(|v: &String| v.clone()),
    &str => Text(str::to_owned),
    Vec<u8> => Octets(|v| v),
    &Vec<u8> => Octets(|v: &Vec<u8>| v.clone()),
    &[u8] => Octets(<[u8]>::to_vec),
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(value: [u8; N]) -> Self {
        Self::Octets(Some(value.to_vec()))
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(value: &[u8; N]) -> Self {
        Self::Octets(Some(value.to_vec()))
    }
}

impl From<time::OffsetDateTime> for Value {
    fn from(value: time::OffsetDateTime) -> Self {
        Self::Integer(Some(value.unix_timestamp()))
    }
}

impl From<Option<time::OffsetDateTime>> for Value {
    fn from(value: Option<time::OffsetDateTime>) -> Self {
        Self::Integer(value.map(time::OffsetDateTime::unix_timestamp))
    }
}

/// SQL text with its bound values, not yet run.
#[derive(Clone, Debug)]
pub struct Statement {
    text: SqlStr,
    values: Vec<Value>,
}

/// Starts a statement. The text is a constant: nothing a caller sends ever becomes SQL.
#[must_use]
pub fn sql(text: &'static str) -> Statement {
    Statement { text: text.into_sql_str(), values: Vec::new() }
}

/// Starts a statement over several rows: `before`, then `rows` times a group of `width`
/// placeholders, then `after`. The first placeholder is `$1`; rows are bound one after the other.
pub(crate) fn sql_rows(
    before: &'static str,
    rows: usize,
    width: usize,
    after: &'static str,
) -> Statement {
    let mut text = String::with_capacity(before.len() + after.len() + rows * width * 6);
    text.push_str(before);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 1..=width {
            if column > 1 {
                text.push_str(", ");
            }
            text.push('$');
            text.push_str(&(row * width + column).to_string());
        }
        text.push(')');
    }
    text.push_str(after);
    // Constants and numbered placeholders only.
    Statement { text: AssertSqlSafe(text).into_sql_str(), values: Vec::with_capacity(rows * width) }
}

impl Statement {
    /// Binds the next placeholder.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }
}

/// A row type that both drivers can fill: derive `sqlx::FromRow`, or use a tuple.
pub trait DbRow:
    Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>
{
}

impl<T> DbRow for T where
    T: Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>
{
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
    ) -> impl Future<Output = Result<T, StoreError>> + Send;
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
    revocations: RevocationWatch,
    changed: Changed,
}

#[derive(Debug)]
enum Backend {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// Binds the values for one driver.
macro_rules! bound {
    ($query:expr, $values:expr) => {{
        let mut query = $query;
        for value in $values {
            query = match value {
                Value::Integer(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Octets(value) => query.bind(value),
            };
        }
        query
    }};
}

macro_rules! dispatch_reader {
    ($self:ident, $statement:ident, $method:ident) => {
        match &$self.database {
            Database::Sqlite { reader, .. } => {
                bound!(sqlx::query_as::<Sqlite, T>($statement.text), $statement.values)
                    .$method(reader)
                    .await
            }
            Database::Postgres(pool) => {
                bound!(sqlx::query_as::<Postgres, T>($statement.text), $statement.values)
                    .$method(pool)
                    .await
            }
        }
        .map_err(StoreError::from)
    };
}

macro_rules! dispatch_tx {
    ($self:ident, $statement:ident, $method:ident) => {
        match &mut $self.backend {
            Backend::Sqlite(tx) => {
                bound!(sqlx::query_as::<Sqlite, T>($statement.text), $statement.values)
                    .$method(&mut **tx)
                    .await
            }
            Backend::Postgres(tx) => {
                bound!(sqlx::query_as::<Postgres, T>($statement.text), $statement.values)
                    .$method(&mut **tx)
                    .await
            }
        }
        .map_err(StoreError::from)
    };
}

impl Queries for Reader {
    async fn fetch_all<T: DbRow>(&mut self, statement: Statement) -> Result<Vec<T>, StoreError> {
        dispatch_reader!(self, statement, fetch_all)
    }

    async fn fetch_optional<T: DbRow>(
        &mut self,
        statement: Statement,
    ) -> Result<Option<T>, StoreError> {
        dispatch_reader!(self, statement, fetch_optional)
    }

    async fn fetch_one<T: DbRow>(&mut self, statement: Statement) -> Result<T, StoreError> {
        dispatch_reader!(self, statement, fetch_one)
    }
}

impl Queries for Tx {
    async fn fetch_all<T: DbRow>(&mut self, statement: Statement) -> Result<Vec<T>, StoreError> {
        dispatch_tx!(self, statement, fetch_all)
    }

    async fn fetch_optional<T: DbRow>(
        &mut self,
        statement: Statement,
    ) -> Result<Option<T>, StoreError> {
        dispatch_tx!(self, statement, fetch_optional)
    }

    async fn fetch_one<T: DbRow>(&mut self, statement: Statement) -> Result<T, StoreError> {
        dispatch_tx!(self, statement, fetch_one)
    }
}

impl Tx {
    /// Runs a statement that changes rows; returns how many.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when a uniqueness rule refuses.
    pub async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        match &mut self.backend {
            Backend::Sqlite(tx) => bound!(sqlx::query::<Sqlite>(statement.text), statement.values)
                .execute(&mut **tx)
                .await
                .map(|done| done.rows_affected()),
            Backend::Postgres(tx) => {
                bound!(sqlx::query::<Postgres>(statement.text), statement.values)
                    .execute(&mut **tx)
                    .await
                    .map(|done| done.rows_affected())
            }
        }
        .map_err(StoreError::from)
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
        let outcome = match self.backend {
            Backend::Sqlite(tx) => tx.commit().await,
            Backend::Postgres(tx) => tx.commit().await,
        };
        // Also when it failed: a commit whose answer was lost may have been made.
        self.revocations.tell(&self.changed);
        outcome.map_err(StoreError::from)
    }

    /// Notes what its commit will have to tell.
    pub(crate) fn note_revocations(&mut self, changed: Changed) {
        self.changed.everything |= changed.everything;
        self.changed.certificates.extend(changed.certificates);
    }
}

/// How often a transaction that met another one is repeated.
#[derive(Debug, Default)]
pub struct Attempts {
    made: u32,
}

impl Attempts {
    /// Under contention each attempt lets at least one other transaction win, so a bounded number
    /// with growing pauses ends for any load that the connection pool admits.
    const LIMIT: u32 = 12;

    /// None made yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits and answers whether one more attempt is due.
    pub async fn again(&mut self) -> bool {
        self.made += 1;
        if self.made >= Self::LIMIT {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(u64::from(2 * self.made * self.made))).await;
        true
    }
}

/// Runs housekeeping as one transaction that [`Tx::finish`] commits, and repeats it when it met
/// another one. The block evaluates to the value, may run more than once, and may end early with
/// `return Ok(value)`, which changes nothing.
macro_rules! housekeeping {
    ($store:expr, |$tx:ident| $body:expr) => {{
        let mut attempts = $crate::Attempts::new();
        loop {
            let outcome: Result<_, $crate::StoreError> = async {
                let mut transaction = $store.begin().await?;
                let value = {
                    let $tx = &mut transaction;
                    $body
                };
                transaction.finish().await?;
                Ok(value)
            }
            .await;
            match outcome {
                Err($crate::StoreError::Conflict(_)) if attempts.again().await => {}
                outcome => break outcome,
            }
        }
    }};
}

pub(crate) use housekeeping;

/// Runs a decision as one transaction, repeats it when it met another one, and commits it together
/// with its audit records.
///
/// ```ignore
/// transaction!(&store, StoreError, |tx| {
///     tx.execute(sql("…").bind(id)).await?;
///     Ok(Audited::new(value, entry))
/// })
/// ```
/// The block is an `async` block that may borrow from around it; it must evaluate to
/// `Result<Audited<T>, E>` with `E: MayConflict`, and may run more than once: nothing in it may
/// have an effect outside the transaction.
#[macro_export]
macro_rules! transaction {
    ($store:expr, $error:ty, |$tx:ident| $body:expr) => {{
        let mut attempts = $crate::Attempts::new();
        loop {
            let mut transaction = match $store.begin().await {
                Ok(transaction) => transaction,
                Err(error) => break Err(<$error>::from(error)),
            };
            let outcome: Result<$crate::audit::Audited<_>, $error> = {
                #[allow(unused_variables)]
                let $tx = &mut transaction;
                async { $body }.await
            };
            let error = match outcome {
                Ok(audited) => match transaction.commit(audited).await {
                    Ok(value) => break Ok(value),
                    Err(error) => <$error>::from(error),
                },
                Err(error) => {
                    drop(transaction);
                    error
                }
            };
            if !($crate::MayConflict::is_conflict(&error) && attempts.again().await) {
                break Err(error);
            }
        }
    }};
}
