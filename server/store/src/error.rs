//! What can go wrong between the service and its database.

use std::sync::Arc;

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
    Conflict(#[source] sqlx::Error),
    /// The database does not answer, or refused for a reason of its own.
    #[error("the database did not carry out the statement")]
    Unavailable(#[source] sqlx::Error),
    /// It cannot be opened at all.
    #[error("cannot open {database}; {remedy}")]
    Unopened {
        /// Which, without its password.
        database: String,
        /// What to look at.
        remedy: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
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

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let Some(database) = error.as_database_error() {
            if database.is_unique_violation() {
                let constraint = database
                    .constraint()
                    .map_or_else(|| database.message().to_owned(), str::to_owned);
                return Self::AlreadyExists { constraint };
            }
            // PostgreSQL: serialization_failure and deadlock_detected. SQLite: SQLITE_BUSY and its
            // SNAPSHOT variant, which a second process over the same file can cause.
            if matches!(database.code().as_deref(), Some("40001" | "40P01" | "5" | "517")) {
                return Self::Conflict(error);
            }
        }
        Self::Unavailable(error)
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
