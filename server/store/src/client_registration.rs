//! Tokens by which services register and keep their own registration (RFC 7591, RFC 7592).

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Queries, StoreError, Tx, sql};

/// An initial access token to be kept (RFC 7591 §1.2).
#[derive(Clone, Copy, Debug)]
pub struct NewInitialToken<'a> {
    /// SHA-256 of the token.
    pub token_hash: &'a [u8; 32],
    /// Who runs what is registered by it.
    pub organisation_id: Option<&'a str>,
    /// How many services it registers.
    pub uses: u32,
    /// The person who made it; absent: the operator of the host.
    pub created_by: Option<&'a str>,
    /// When.
    pub created_at: OffsetDateTime,
    /// Until when it can be used.
    pub expires_at: OffsetDateTime,
}

/// An initial access token that still registers.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct InitialToken {
    /// UUIDv7.
    pub id: String,
    /// Who runs what is registered by it.
    pub organisation_id: Option<String>,
}

/// Keeps an initial access token; answers its identifier.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the token exists, which 256 random bits never do.
pub async fn add_initial(tx: &mut Tx, token: NewInitialToken<'_>) -> Result<String, StoreError> {
    let id = Uuid::now_v7().to_string();
    tx.execute(
        sql("INSERT INTO initial_access_token (id, token_hash, organisation_id, uses_left, created_at,
                 created_by, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(&id)
        .bind(token.token_hash)
        .bind(token.organisation_id)
        .bind(i64::from(token.uses))
        .bind(token.created_at)
        .bind(token.created_by)
        .bind(token.expires_at),
    )
    .await?;
    Ok(id)
}

/// The initial access token of this hash, if it registers at `now`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn find_initial(
    queries: &mut impl Queries,
    token_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<InitialToken>, StoreError> {
    queries
        .fetch_optional(
            sql("SELECT id, organisation_id FROM initial_access_token
                 WHERE token_hash = $1 AND uses_left > 0 AND expires_at > $2")
            .bind(token_hash)
            .bind(now),
        )
        .await
}

/// Uses an initial access token once; answers whether it was there to be used.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn consume_initial(
    tx: &mut Tx,
    id: &str,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let statement = sql("UPDATE initial_access_token SET uses_left = uses_left - 1
                         WHERE id = $1 AND uses_left > 0 AND expires_at > $2");
    Ok(tx.execute(statement.bind(id).bind(now)).await? == 1)
}

/// Keeps the token by which a service reaches its own registration.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the service has one.
pub async fn add_access(
    tx: &mut Tx,
    token_hash: &[u8; 32],
    service_id: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO registration_access_token (token_hash, service_id, created_at)
             VALUES ($1, $2, $3)")
        .bind(token_hash)
        .bind(service_id)
        .bind(at),
    )
    .await?;
    Ok(())
}

/// The service, not withdrawn, whose registration this token reaches.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn service_of(
    queries: &mut impl Queries,
    token_hash: &[u8; 32],
) -> Result<Option<String>, StoreError> {
    let found: Option<(String,)> = queries
        .fetch_optional(
            sql("SELECT t.service_id FROM registration_access_token t
                 JOIN service s ON s.id = t.service_id
                 WHERE t.token_hash = $1 AND s.withdrawn_at IS NULL")
            .bind(token_hash),
        )
        .await?;
    Ok(found.map(|(id,)| id))
}
