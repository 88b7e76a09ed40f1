//! Authorization codes (RFC 6749 §4.1.2): kept by hash, used once.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    moment::{digest, moment, moment_opt},
    sql,
};

/// A code and everything that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// SHA-256 of the code.
    pub code_hash: [u8; 32],
    /// The client it was issued to.
    pub service_id: String,
    /// The session it was issued in.
    pub session_hash: [u8; 32],
    /// The redirect URI of the request.
    pub redirect_uri: String,
    /// PKCE challenge, method `S256`.
    pub code_challenge: Option<String>,
    /// Granted scope, space separated.
    pub scope: String,
    /// JSON object: what the tokens will say.
    pub claims: String,
    /// JSON object of the caller's.
    pub details: String,
    /// When it was issued.
    pub created_at: OffsetDateTime,
    /// When it ends.
    pub expires_at: OffsetDateTime,
    /// When it was used.
    pub consumed_at: Option<OffsetDateTime>,
}

/// Keeps a new code.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the code exists, which 32 random octets never do.
pub async fn add(tx: &mut Tx, code: &Code) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO authorization_code (code_hash, service_id, session_hash, redirect_uri,
                 code_challenge, scope, claims, details, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
        .bind(code.code_hash)
        .bind(&code.service_id)
        .bind(code.session_hash)
        .bind(&code.redirect_uri)
        .bind(code.code_challenge.as_deref())
        .bind(&code.scope)
        .bind(&code.claims)
        .bind(&code.details)
        .bind(code.created_at)
        .bind(code.expires_at),
    )
    .await?;
    Ok(())
}

#[derive(serde::Deserialize)]
struct Row {
    service_id: String,
    session_hash: Vec<u8>,
    redirect_uri: String,
    code_challenge: Option<String>,
    scope: String,
    claims: String,
    details: String,
    created_at: i64,
    expires_at: i64,
    consumed_at: Option<i64>,
}

/// The code of this hash, used or not, expired or not.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(
    queries: &mut impl Queries,
    code_hash: &[u8; 32],
) -> Result<Option<Code>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql("SELECT service_id, session_hash, redirect_uri, code_challenge, scope,
                        claims, details, created_at, expires_at, consumed_at
                 FROM authorization_code WHERE code_hash = $1")
            .bind(code_hash),
        )
        .await?;
    row.map(|row| {
        Ok(Code {
            code_hash: *code_hash,
            service_id: row.service_id,
            session_hash: digest("code's session", row.session_hash)?,
            redirect_uri: row.redirect_uri,
            code_challenge: row.code_challenge,
            scope: row.scope,
            claims: row.claims,
            details: row.details,
            created_at: moment("code", row.created_at)?,
            expires_at: moment("code", row.expires_at)?,
            consumed_at: moment_opt("code", row.consumed_at)?,
        })
    })
    .transpose()
}

/// Uses the code; `false` when somebody was first or it has expired.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn consume(
    tx: &mut Tx,
    code_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let used: Option<(String,)> = tx
        .fetch_optional(
            sql("UPDATE authorization_code SET consumed_at = $2
                 WHERE code_hash = $1 AND consumed_at IS NULL AND expires_at > $2
                 RETURNING service_id")
            .bind(code_hash)
            .bind(now),
        )
        .await?;
    Ok(used.is_some())
}
