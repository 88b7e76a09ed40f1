//! Access tokens that were issued: what the signature cannot say, whether they still count.

use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, moment::digest, sql};

/// A token to be remembered. The token itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// `jti`.
    pub id: String,
    /// The code it was issued for.
    pub code_hash: [u8; 32],
    /// The client.
    pub service_id: String,
    /// The session.
    pub session_hash: [u8; 32],
    /// Granted scope.
    pub scope: String,
    /// When it was issued.
    pub issued_at: OffsetDateTime,
    /// When it ends.
    pub expires_at: OffsetDateTime,
}

/// Remembers a token.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the identifier exists.
pub async fn add(tx: &mut Tx, token: &AccessToken) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO access_token (id, code_hash, service_id, session_hash, scope, issued_at,
                 expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(&token.id)
        .bind(token.code_hash)
        .bind(&token.service_id)
        .bind(token.session_hash)
        .bind(&token.scope)
        .bind(token.issued_at)
        .bind(token.expires_at),
    )
    .await?;
    Ok(())
}

/// What a live token gives access to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveToken {
    /// The client it was issued to.
    pub service_id: String,
    /// The session it belongs to.
    pub session_hash: [u8; 32],
    /// JSON object of the claims that were released.
    pub claims: String,
}

/// The token `id`, if it is neither withdrawn nor expired and its client is still approved.
/// Whether its session is alive is the caller's next question.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn live(
    queries: &mut impl Queries,
    id: &str,
    now: OffsetDateTime,
) -> Result<Option<LiveToken>, StoreError> {
    let row: Option<(String, Vec<u8>, String)> = queries
        .fetch_optional(
            sql("SELECT t.service_id, t.session_hash, c.claims
                 FROM access_token t
                 JOIN authorization_code c ON c.code_hash = t.code_hash
                 JOIN service v ON v.id = t.service_id
                 WHERE t.id = $1 AND t.withdrawn_at IS NULL AND t.expires_at > $2
                   AND v.withdrawn_at IS NULL")
            .bind(id)
            .bind(now),
        )
        .await?;
    row.map(|(service_id, session_hash, claims)| {
        let session_hash = digest("token's session", session_hash)?;
        Ok(LiveToken { service_id, session_hash, claims })
    })
    .transpose()
}

/// Withdraws what a code produced (RFC 6749 §4.1.2); answers how many tokens that were.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn withdraw_of_code(
    tx: &mut Tx,
    code_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<u64, StoreError> {
    tx.execute(
        sql("UPDATE access_token SET withdrawn_at = $2
             WHERE code_hash = $1 AND withdrawn_at IS NULL")
        .bind(code_hash)
        .bind(at),
    )
    .await
}
