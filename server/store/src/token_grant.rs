//! What clients were granted: everything given out under a grant ends with it.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    moment::{digest, moment},
    sql,
};

/// A grant to a client, in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// UUIDv7.
    pub id: String,
    /// The client.
    pub service_id: String,
    /// The session in which it was granted.
    pub session_hash: [u8; 32],
    /// The code that it came of.
    pub code_hash: Option<[u8; 32]>,
    /// Granted scope, space separated.
    pub scope: String,
    /// JSON object: what tokens say.
    pub claims: String,
    /// JSON object of the caller's.
    pub details: String,
    /// The emergency access that it is owed to: it ends with it.
    pub emergency_id: Option<String>,
    /// When.
    pub created_at: OffsetDateTime,
}

/// Keeps a new grant.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: of this code there is one.
pub async fn add(tx: &mut Tx, grant: &Grant) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO token_grant (id, service_id, session_hash, code_hash, scope, claims, details,
                 emergency_id, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(&grant.id)
        .bind(&grant.service_id)
        .bind(grant.session_hash)
        .bind(grant.code_hash.map(|hash| hash.to_vec()))
        .bind(&grant.scope)
        .bind(&grant.claims)
        .bind(&grant.details)
        .bind(grant.emergency_id.as_deref())
        .bind(grant.created_at),
    )
    .await?;
    Ok(())
}

/// Notes to which emergency access a grant is owed from now, or that it is owed to none any more.
///
/// # Errors
/// [`StoreError::Unavailable`], also for an emergency access that nobody knows; [`StoreError::Conflict`].
pub async fn owe(tx: &mut Tx, id: &str, emergency_id: Option<&str>) -> Result<(), StoreError> {
    let statement = sql("UPDATE token_grant SET emergency_id = $2 WHERE id = $1");
    tx.execute(statement.bind(id).bind(emergency_id)).await?;
    Ok(())
}

#[derive(serde::Deserialize)]
struct Row {
    service_id: String,
    session_hash: Vec<u8>,
    code_hash: Option<Vec<u8>>,
    scope: String,
    claims: String,
    details: String,
    emergency_id: Option<String>,
    created_at: i64,
}

/// The grant `id`, if it was not withdrawn and its client is still approved. Whether its session is
/// alive is the caller's next question.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn live(queries: &mut impl Queries, id: &str) -> Result<Option<Grant>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql("SELECT g.service_id, g.session_hash, g.code_hash, g.scope, g.claims, g.details,
                        g.emergency_id, g.created_at
                 FROM token_grant g JOIN service v ON v.id = g.service_id
                 WHERE g.id = $1 AND g.withdrawn_at IS NULL AND v.withdrawn_at IS NULL")
            .bind(id),
        )
        .await?;
    row.map(|row| {
        Ok(Grant {
            id: id.to_owned(),
            service_id: row.service_id,
            session_hash: digest("grant's session", row.session_hash)?,
            code_hash: row.code_hash.map(|hash| digest("grant's code", hash)).transpose()?,
            scope: row.scope,
            claims: row.claims,
            details: row.details,
            emergency_id: row.emergency_id,
            created_at: moment("grant", row.created_at)?,
        })
    })
    .transpose()
}

/// The services that were given something in a session, withdrawn since or not.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn services(
    queries: &mut impl Queries,
    session_hash: &[u8; 32],
) -> Result<Vec<String>, StoreError> {
    let found: Vec<(String,)> = queries
        .fetch_all(
            sql("SELECT DISTINCT service_id FROM token_grant WHERE session_hash = $1
                 ORDER BY service_id")
            .bind(session_hash),
        )
        .await?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Withdraws a grant; answers whether this call did.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn withdraw(tx: &mut Tx, id: &str, at: OffsetDateTime) -> Result<bool, StoreError> {
    let statement =
        sql("UPDATE token_grant SET withdrawn_at = $2 WHERE id = $1 AND withdrawn_at IS NULL");
    Ok(tx.execute(statement.bind(id).bind(at)).await? == 1)
}

/// Withdraws what a code produced (RFC 6749 §4.1.2); answers whether there was anything.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn withdraw_of_code(
    tx: &mut Tx,
    code_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let statement = sql(
        "UPDATE token_grant SET withdrawn_at = $2 WHERE code_hash = $1 AND withdrawn_at IS NULL",
    );
    Ok(tx.execute(statement.bind(code_hash).bind(at)).await? == 1)
}

/// Withdraws everything that a service was given in a session; answers how many grants that were.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn withdraw_of_service(
    tx: &mut Tx,
    service_id: &str,
    session_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<u64, StoreError> {
    let statement = sql("UPDATE token_grant SET withdrawn_at = $3
         WHERE service_id = $1 AND session_hash = $2 AND withdrawn_at IS NULL");
    tx.execute(statement.bind(service_id).bind(session_hash).bind(at)).await
}

/// Revokes one access token by its `jti` (RFC 7009), until it would have ended. Again changes nothing.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn revoke_token(
    tx: &mut Tx,
    token_id: &str,
    expires_at: OffsetDateTime,
) -> Result<(), StoreError> {
    let statement = sql("INSERT INTO revoked_token (id, expires_at) VALUES ($1, $2)
                         ON CONFLICT (id) DO NOTHING");
    tx.execute(statement.bind(token_id).bind(expires_at)).await?;
    Ok(())
}

/// Whether an access token was revoked by itself.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn is_token_revoked(
    queries: &mut impl Queries,
    token_id: &str,
) -> Result<bool, StoreError> {
    let found: Option<(String,)> = queries
        .fetch_optional(sql("SELECT id FROM revoked_token WHERE id = $1").bind(token_id))
        .await?;
    Ok(found.is_some())
}
