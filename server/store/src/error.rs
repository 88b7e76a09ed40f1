//! What can go wrong between the service and its database.

use std::sync::Arc;

use crate::db::Unread;

/// A failed statement or transaction.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A uniqueness rule of the schema refused the row: somebody was first.
    #[error("the row exists already ({constraint})")]
    AlreadyExists {
        /// Name of the constraint or index, as the database reports it.
        constraint: String,
    },
    /// Two transactions met; the helper tries again before it lets this out.
    #[error("the transaction met another one and has to be repeated")]
    Conflict(#[source] Cause),
    /// The database does not answer, or refused for a reason of its own.
    #[error("the database did not carry out the statement")]
    Unavailable(#[source] Cause),
    /// It cannot be opened at all.
    #[error("cannot open {database}; {remedy}")]
    Unopened {
        /// Which, without its password.
        database: String,
        /// What to look at.
        remedy: &'static str,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The commit that this change shared with others failed: nothing was written, or it is not
    /// known whether it was.
    #[error("the commit that the change shared with others failed")]
    SharedCommit(#[source] Arc<StoreError>),
    /// The authority was taken back and issues no more certificates; the refusal is recorded.
    #[error("authority {issuer_id} was revoked")]
    IssuerRevoked {
        /// The authority.
        issuer_id: String,
    },
    /// The schema could not be brought up to date.
    #[error("the database schema could not be brought up to date")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// An audit record would not have said from where its act came; nothing was written.
    #[error("the audit record of {act} names no place")]
    Unplaced {
        /// The act.
        act: &'static str,
    },
    /// A stored value does not read back as what was written.
    #[error("a stored {what} does not read back: {detail}")]
    Corrupt {
        /// Which value.
        what: &'static str,
        /// What was found.
        detail: String,
    },
}

/// What the database or its driver said.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// PostgreSQL, or SQLite while its schema is brought up to date.
    #[error(transparent)]
    Sqlx(#[from] sqlx::Error),
    /// SQLite.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A row of another shape than its type.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// Where a row has to be is none.
    #[error("the statement found no row")]
    NoRow,
    /// The transactions before this one did not end in time.
    #[error("the transactions before this one did not end")]
    Queue,
    /// A statement that failed took the transaction with it.
    #[error("the database took the transaction back")]
    Undone,
    /// The store was closed.
    #[error("the database was closed")]
    Closed,
}

impl Cause {
    /// The database's own code of the error: SQLSTATE, or SQLite's extended result code.
    pub(crate) fn code(&self) -> Option<String> {
        match self {
            Self::Sqlx(error) => error.as_database_error()?.code().map(Into::into),
            Self::Sqlite(error) => Some(error.sqlite_error()?.extended_code.to_string()),
            Self::Unread(_) | Self::NoRow | Self::Queue | Self::Undone | Self::Closed => None,
        }
    }

    /// The uniqueness rule that refused, as the database names it.
    fn not_unique(&self) -> Option<String> {
        match self {
            Self::Sqlx(error) => {
                let error =
                    error.as_database_error().filter(|error| error.is_unique_violation())?;
                Some(error.constraint().unwrap_or(error.message()).to_owned())
            }
            // SQLITE_CONSTRAINT_UNIQUE and its PRIMARYKEY variant.
            Self::Sqlite(rusqlite::Error::SqliteFailure(error, said))
                if matches!(error.extended_code, 2067 | 1555) =>
            {
                Some(said.clone().unwrap_or_else(|| error.to_string()))
            }
            _ => None,
        }
    }
}

impl<E: Into<Cause>> From<E> for StoreError {
    fn from(error: E) -> Self {
        let cause = error.into();
        if let Some(constraint) = cause.not_unique() {
            return Self::AlreadyExists { constraint };
        }
        // PostgreSQL: serialization_failure and deadlock_detected. SQLite: SQLITE_BUSY and its
        // SNAPSHOT variant, which a second process over the same file can cause.
        if matches!(cause.code().as_deref(), Some("40001" | "40P01" | "5" | "517")) {
            return Self::Conflict(cause);
        }
        Self::Unavailable(cause)
    }
}

/// An error that may stand for a conflict between transactions, so that the helper can retry.
pub trait MayConflict: From<StoreError> {
    /// Whether repeating the whole transaction may succeed.
    fn is_conflict(&self) -> bool;
}

impl MayConflict for StoreError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }
}
