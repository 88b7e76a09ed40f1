//! Keys by which an account is bound to a service (RFC 8555 §7.3.4). Each opens one account.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    moment::{moment, moment_opt},
    sql,
};

/// A binding key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// `kid`.
    pub id: String,
    /// Whose account it opens.
    pub service_id: String,
    /// The HMAC key, sealed; gone when the binding has ended.
    pub sealed_key: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Until when it opens an account.
    pub expires_at: OffsetDateTime,
    /// When it was used, or another took its place.
    pub ended_at: Option<OffsetDateTime>,
    /// The account that it opened.
    pub account_id: Option<String>,
}

impl Binding {
    /// Whether it opens an account now.
    #[must_use]
    pub fn is_open(&self, at: OffsetDateTime) -> bool {
        self.ended_at.is_none() && at < self.expires_at
    }
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    service_id: String,
    sealed_key: Option<Vec<u8>>,
    created_at: i64,
    expires_at: i64,
    ended_at: Option<i64>,
    account_id: Option<String>,
}

impl Row {
    fn into_binding(self) -> Result<Binding, StoreError> {
        Ok(Binding {
            id: self.id,
            service_id: self.service_id,
            sealed_key: self.sealed_key,
            created_at: moment("ACME binding", self.created_at)?,
            expires_at: moment("ACME binding", self.expires_at)?,
            ended_at: moment_opt("ACME binding", self.ended_at)?,
            account_id: self.account_id,
        })
    }
}

/// Keeps a new key. What the service had of keys that nobody used ends.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn add(tx: &mut Tx, binding: &Binding) -> Result<(), StoreError> {
    end_unused(tx, &binding.service_id, binding.created_at).await?;
    tx.execute(
        sql("INSERT INTO acme_binding (id, service_id, sealed_key, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5)")
        .bind(&binding.id)
        .bind(&binding.service_id)
        .bind(binding.sealed_key.as_deref())
        .bind(binding.created_at)
        .bind(binding.expires_at),
    )
    .await?;
    Ok(())
}

/// Ends the keys of a service that nobody used.
pub(crate) async fn end_unused(
    tx: &mut Tx,
    service_id: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE acme_binding SET ended_at = $2, sealed_key = NULL
             WHERE service_id = $1 AND ended_at IS NULL")
        .bind(service_id)
        .bind(at),
    )
    .await?;
    Ok(())
}

/// By its `kid`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(queries: &mut impl Queries, id: &str) -> Result<Option<Binding>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql("SELECT id, service_id, sealed_key, created_at, expires_at, ended_at, account_id
                 FROM acme_binding WHERE id = $1")
            .bind(id),
        )
        .await?;
    row.map(Row::into_binding).transpose()
}

/// The key of a service that opens an account at `at`, if there is one.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn open_of(
    queries: &mut impl Queries,
    service_id: &str,
    at: OffsetDateTime,
) -> Result<Option<Binding>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql("SELECT id, service_id, sealed_key, created_at, expires_at, ended_at, account_id
                 FROM acme_binding
                 WHERE service_id = $1 AND ended_at IS NULL AND expires_at > $2")
            .bind(service_id)
            .bind(at),
        )
        .await?;
    row.map(Row::into_binding).transpose()
}

/// Uses a key up for an account and takes it out of the database; answers whether it was still open.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn consume(
    tx: &mut Tx,
    id: &str,
    account_id: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let used = tx
        .execute(
            sql("UPDATE acme_binding SET ended_at = $3, account_id = $2, sealed_key = NULL
                 WHERE id = $1 AND ended_at IS NULL AND expires_at > $3")
            .bind(id)
            .bind(account_id)
            .bind(at),
        )
        .await?;
    Ok(used == 1)
}
