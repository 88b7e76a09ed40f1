//! Authorization requests waiting for a login at the same terminal.

use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, moment::moment, sql};

/// A request that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The checked parameters, as the caller wrote them.
    pub parameters: String,
    /// When it came, or was set aside for the first time.
    pub created_at: OffsetDateTime,
    /// A login before this is not an answer to `prompt=login`.
    pub login_since: OffsetDateTime,
}

/// Sets a request aside for the terminal of this certificate.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the identifier exists, which 32 random octets never do.
pub async fn park(
    tx: &mut Tx,
    id_hash: &[u8; 32],
    terminal_fingerprint: &[u8; 32],
    parked: &Parked,
    expires_at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO parked_request (id_hash, terminal_fingerprint, parameters, created_at,
                 login_since, expires_at) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(id_hash)
        .bind(terminal_fingerprint)
        .bind(&parked.parameters)
        .bind(parked.created_at)
        .bind(parked.login_since)
        .bind(expires_at),
    )
    .await?;
    Ok(())
}

/// Consumes a request: once, before it expires, at its own terminal.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn resume(
    tx: &mut Tx,
    id_hash: &[u8; 32],
    terminal_fingerprint: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<Parked>, StoreError> {
    let row: Option<(String, i64, i64)> = tx
        .fetch_optional(
            sql("UPDATE parked_request SET resumed_at = $3
                 WHERE id_hash = $1 AND terminal_fingerprint = $2
                   AND resumed_at IS NULL AND expires_at > $3
                 RETURNING parameters, created_at, COALESCE(login_since, created_at)")
            .bind(id_hash)
            .bind(terminal_fingerprint)
            .bind(now),
        )
        .await?;
    row.map(|(parameters, created_at, login_since)| {
        let (created_at, login_since) =
            (moment("parked request", created_at)?, moment("parked request", login_since)?);
        Ok(Parked { parameters, created_at, login_since })
    })
    .transpose()
}

/// How many requests were set aside since then for the terminal of this certificate, whatever became
/// of them.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn parked(
    queries: &mut impl Queries,
    terminal_fingerprint: &[u8; 32],
    since: OffsetDateTime,
) -> Result<i64, StoreError> {
    let (count,): (i64,) = queries
        .fetch_one(
            sql("SELECT COUNT(*) FROM parked_request
                 WHERE terminal_fingerprint = $1 AND created_at >= $2")
            .bind(terminal_fingerprint)
            .bind(since),
        )
        .await?;
    Ok(count)
}
