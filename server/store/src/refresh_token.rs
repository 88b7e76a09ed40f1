//! Refresh tokens (RFC 6749 §1.5): kept by hash, under a grant.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    moment::{moment, moment_opt},
    sql,
};

/// A refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// SHA-256 of the token.
    pub token_hash: [u8; 32],
    /// The grant that it renews the tokens of.
    pub grant_id: String,
    /// When it was issued.
    pub issued_at: OffsetDateTime,
    /// When it ends.
    pub expires_at: OffsetDateTime,
    /// When it was exchanged for its successor.
    pub used_at: Option<OffsetDateTime>,
}

/// Keeps a new token.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: it exists, which 32 random octets never do.
pub async fn add(tx: &mut Tx, token: &RefreshToken) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO refresh_token (token_hash, grant_id, issued_at, expires_at)
             VALUES ($1, $2, $3, $4)")
        .bind(token.token_hash)
        .bind(&token.grant_id)
        .bind(token.issued_at)
        .bind(token.expires_at),
    )
    .await?;
    Ok(())
}

/// The token of this hash, used or not, expired or not.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(
    queries: &mut impl Queries,
    token_hash: &[u8; 32],
) -> Result<Option<RefreshToken>, StoreError> {
    let row: Option<(String, i64, i64, Option<i64>)> = queries
        .fetch_optional(
            sql("SELECT grant_id, issued_at, expires_at, used_at FROM refresh_token
                 WHERE token_hash = $1")
            .bind(token_hash),
        )
        .await?;
    row.map(|(grant_id, issued_at, expires_at, used_at)| {
        Ok(RefreshToken {
            token_hash: *token_hash,
            grant_id,
            issued_at: moment("refresh token", issued_at)?,
            expires_at: moment("refresh token", expires_at)?,
            used_at: moment_opt("refresh token", used_at)?,
        })
    })
    .transpose()
}

/// Uses the token up; `false` when somebody was first or it has expired.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn consume(
    tx: &mut Tx,
    token_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let used = tx
        .execute(
            sql("UPDATE refresh_token SET used_at = $2
                 WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2")
            .bind(token_hash)
            .bind(now),
        )
        .await?;
    Ok(used == 1)
}
