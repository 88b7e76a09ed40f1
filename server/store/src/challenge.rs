//! Login challenges: a request that the portal signed, waiting for one card's answer.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    moment::{digest, moment},
    sql,
};

/// A challenge to be remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// SHA-256 of the nonce.
    pub nonce_hash: [u8; 32],
    /// SHA-256 of the cookie of the browser it was given to.
    pub browser_hash: [u8; 32],
    /// SHA-256 of the facility certificate of the TLS connection.
    pub terminal_fingerprint: [u8; 32],
    /// Thumbprint of the page's key (RFC 7638).
    pub page_thumbprint: String,
    /// The request as signed.
    pub request_jws: String,
    /// What the card is asked for: `login`, or within a living session `stepup` or `link`.
    pub purpose: String,
    /// The living session for which alone the answer counts.
    pub session_hash: Option<[u8; 32]>,
    /// Invitation whose code was entered in this browser.
    pub invitation_id: Option<String>,
    /// Where the browser goes afterwards: a path of the terminal name.
    pub return_to: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// From when on it is refused.
    pub expires_at: OffsetDateTime,
}

/// What became of an attempt to consume a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consumption<T> {
    /// This call consumed it; nobody else can.
    Consumed(Box<T>),
    /// Somebody consumed it before.
    Replayed,
    /// There is no such challenge.
    Unknown,
}

/// Remembers a challenge.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the nonce was used before, which 32 random octets never are.
pub async fn remember(tx: &mut Tx, challenge: &Challenge) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO login_challenge (nonce_hash, browser_hash, terminal_fingerprint, page_thumbprint,
                 request_jws, purpose, session_hash, invitation_id, return_to, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
        .bind(challenge.nonce_hash)
        .bind(challenge.browser_hash)
        .bind(challenge.terminal_fingerprint)
        .bind(&challenge.page_thumbprint)
        .bind(&challenge.request_jws)
        .bind(&challenge.purpose)
        .bind(challenge.session_hash.map(|hash| hash.to_vec()))
        .bind(challenge.invitation_id.as_ref())
        .bind(challenge.return_to.as_ref())
        .bind(challenge.created_at)
        .bind(challenge.expires_at),
    )
    .await?;
    Ok(())
}

#[derive(serde::Deserialize)]
struct Row {
    nonce_hash: Vec<u8>,
    browser_hash: Vec<u8>,
    terminal_fingerprint: Vec<u8>,
    page_thumbprint: String,
    request_jws: String,
    purpose: String,
    session_hash: Option<Vec<u8>>,
    invitation_id: Option<String>,
    return_to: Option<String>,
    created_at: i64,
    expires_at: i64,
}

/// Consumes a challenge. An expired one is consumed too: the caller judges time, browser and
/// terminal afterwards, and a second try finds nothing to judge.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn consume(
    tx: &mut Tx,
    nonce_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<Consumption<Challenge>, StoreError> {
    let row: Option<Row> = tx
        .fetch_optional(
            sql("UPDATE login_challenge SET consumed_at = $2
                 WHERE nonce_hash = $1 AND consumed_at IS NULL
                 RETURNING nonce_hash, browser_hash, terminal_fingerprint, page_thumbprint,
                           request_jws, purpose, session_hash, invitation_id, return_to, created_at,
                           expires_at")
            .bind(nonce_hash)
            .bind(at),
        )
        .await?;
    let Some(row) = row else {
        let known: Option<(i64,)> = tx
            .fetch_optional(
                sql("SELECT created_at FROM login_challenge WHERE nonce_hash = $1")
                    .bind(nonce_hash),
            )
            .await?;
        return Ok(if known.is_some() { Consumption::Replayed } else { Consumption::Unknown });
    };
    Ok(Consumption::Consumed(Box::new(Challenge {
        nonce_hash: digest("nonce", row.nonce_hash)?,
        browser_hash: digest("browser cookie", row.browser_hash)?,
        terminal_fingerprint: digest("terminal fingerprint", row.terminal_fingerprint)?,
        page_thumbprint: row.page_thumbprint,
        request_jws: row.request_jws,
        purpose: row.purpose,
        session_hash: row.session_hash.map(|hash| digest("session", hash)).transpose()?,
        invitation_id: row.invitation_id,
        return_to: row.return_to,
        created_at: moment("challenge", row.created_at)?,
        expires_at: moment("challenge", row.expires_at)?,
    })))
}

/// How many challenges this terminal was given since `since` and not answered: the ceiling against
/// filling the table.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn unanswered(
    queries: &mut impl Queries,
    terminal_fingerprint: &[u8; 32],
    since: OffsetDateTime,
) -> Result<i64, StoreError> {
    let (count,): (i64,) = queries
        .fetch_one(
            sql("SELECT COUNT(*) FROM login_challenge
                 WHERE terminal_fingerprint = $1 AND created_at >= $2 AND consumed_at IS NULL")
            .bind(terminal_fingerprint)
            .bind(since),
        )
        .await?;
    Ok(count)
}

/// Whether a living session waits for the answer to a challenge of its own, for which the card of its
/// login may make room in the reader. A card that made room is told as gone again and again, also while
/// the answer is being judged: for it the challenge is not over before its time.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn is_awaited(
    queries: &mut impl Queries,
    session_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let (count,): (i64,) = queries
        .fetch_one(
            sql("SELECT COUNT(*) FROM login_challenge AS challenge
                 JOIN session ON session.id_hash = challenge.session_hash
                 WHERE challenge.session_hash = $1 AND challenge.expires_at > $2
                   AND (challenge.consumed_at IS NULL OR session.room_made_at IS NOT NULL)")
            .bind(session_hash)
            .bind(at),
        )
        .await?;
    Ok(count > 0)
}
