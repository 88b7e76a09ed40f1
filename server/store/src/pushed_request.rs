//! Authorization requests that a client sent ahead (RFC 9126): kept by hash of their reference.

use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, moment::moment, sql};

/// A request that was sent ahead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// SHA-256 of the reference's random part.
    pub id_hash: [u8; 32],
    /// The client that sent it.
    pub service_id: String,
    /// Its parameters, urlencoded.
    pub parameters: String,
    /// JSON object of the caller's.
    pub details: String,
    /// When it was sent.
    pub created_at: OffsetDateTime,
    /// Until when it can be used.
    pub expires_at: OffsetDateTime,
}

/// Keeps a request.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the reference exists, which 32 random octets never do.
pub async fn add(tx: &mut Tx, pushed: &Pushed) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO pushed_request (id_hash, service_id, parameters, details, created_at,
                 expires_at) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(pushed.id_hash)
        .bind(&pushed.service_id)
        .bind(&pushed.parameters)
        .bind(&pushed.details)
        .bind(pushed.created_at)
        .bind(pushed.expires_at),
    )
    .await?;
    Ok(())
}

/// The client's own request that was not used before. Whether it has expired is for the caller: a
/// person who logs in meanwhile takes longer than a browser that follows a redirect.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn unused(
    queries: &mut impl Queries,
    id_hash: &[u8; 32],
    service_id: &str,
) -> Result<Option<Pushed>, StoreError> {
    let row: Option<(String, String, i64, i64)> = queries
        .fetch_optional(
            sql("SELECT parameters, details, created_at, expires_at FROM pushed_request
                 WHERE id_hash = $1 AND service_id = $2 AND used_at IS NULL")
            .bind(id_hash)
            .bind(service_id),
        )
        .await?;
    row.map(|(parameters, details, created_at, expires_at)| {
        Ok(Pushed {
            id_hash: *id_hash,
            service_id: service_id.to_owned(),
            parameters,
            details,
            created_at: moment("pushed request", created_at)?,
            expires_at: moment("pushed request", expires_at)?,
        })
    })
    .transpose()
}

/// Uses the request up, in the transaction of the code that answers it; `false` when somebody was
/// first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn consume(
    tx: &mut Tx,
    id_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let statement =
        sql("UPDATE pushed_request SET used_at = $2 WHERE id_hash = $1 AND used_at IS NULL");
    Ok(tx.execute(statement.bind(id_hash).bind(now)).await? == 1)
}
