//! Challenges for passkeys, waiting for one answer.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    challenge::Consumption,
    moment::{digest, moment},
    sql,
};

/// What a passkey is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To log its person in.
    Login,
    /// To be enrolled.
    Enrol,
    /// To stand for the one-time password of an account.
    SecondFactor,
    /// To be enrolled for that.
    EnrolSecondFactor,
}

impl Purpose {
    /// As stored and in audit records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Enrol => "enrol",
            Self::SecondFactor => "second_factor",
            Self::EnrolSecondFactor => "enrol_second_factor",
        }
    }

    fn parse(word: String) -> Result<Self, StoreError> {
        [Self::Login, Self::Enrol, Self::SecondFactor, Self::EnrolSecondFactor]
            .into_iter()
            .find(|purpose| purpose.as_str() == word)
            .ok_or(StoreError::Corrupt { what: "passkey challenge", detail: word })
    }
}

/// A challenge to be remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyChallenge {
    /// SHA-256 of the challenge.
    pub challenge_hash: [u8; 32],
    /// SHA-256 of the cookie of the browser it was given to.
    pub browser_hash: [u8; 32],
    /// SHA-256 of the facility certificate of the TLS connection.
    pub terminal_fingerprint: [u8; 32],
    /// What it is for.
    pub purpose: Purpose,
    /// With what the answer is verified, JSON.
    pub state: String,
    /// The living session for which alone the answer counts.
    pub session_hash: Option<[u8; 32]>,
    /// What had proved that session when the challenge was given out.
    pub session_evidence_id: Option<String>,
    /// Where the browser goes afterwards: a path of the terminal name.
    pub return_to: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// From when on it is refused.
    pub expires_at: OffsetDateTime,
}

#[derive(serde::Deserialize)]
struct Row {
    challenge_hash: Vec<u8>,
    browser_hash: Vec<u8>,
    terminal_fingerprint: Vec<u8>,
    purpose: String,
    state: String,
    session_hash: Option<Vec<u8>>,
    session_evidence_id: Option<String>,
    return_to: Option<String>,
    created_at: i64,
    expires_at: i64,
}

/// Remembers a challenge.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: it was given out before, which 32 random octets never are.
pub async fn remember(tx: &mut Tx, challenge: &PasskeyChallenge) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO passkey_challenge (challenge_hash, browser_hash, terminal_fingerprint, purpose,
                 state, session_hash, session_evidence_id, return_to, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
        .bind(challenge.challenge_hash)
        .bind(challenge.browser_hash)
        .bind(challenge.terminal_fingerprint)
        .bind(challenge.purpose.as_str())
        .bind(&challenge.state)
        .bind(challenge.session_hash.map(|hash| hash.to_vec()))
        .bind(challenge.session_evidence_id.as_ref())
        .bind(challenge.return_to.as_ref())
        .bind(challenge.created_at)
        .bind(challenge.expires_at),
    )
    .await?;
    Ok(())
}

/// Consumes a challenge. One that is over is consumed too: the caller judges time, browser and
/// terminal afterwards, and a second try finds nothing to judge.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn consume(
    tx: &mut Tx,
    challenge_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<Consumption<PasskeyChallenge>, StoreError> {
    let row: Option<Row> = tx
        .fetch_optional(
            sql("UPDATE passkey_challenge SET consumed_at = $2
                 WHERE challenge_hash = $1 AND consumed_at IS NULL
                 RETURNING challenge_hash, browser_hash, terminal_fingerprint, purpose, state,
                           session_hash, session_evidence_id, return_to, created_at, expires_at")
            .bind(challenge_hash)
            .bind(at),
        )
        .await?;
    let Some(row) = row else {
        let known: Option<(i64,)> = tx
            .fetch_optional(
                sql("SELECT created_at FROM passkey_challenge WHERE challenge_hash = $1")
                    .bind(challenge_hash),
            )
            .await?;
        return Ok(if known.is_some() { Consumption::Replayed } else { Consumption::Unknown });
    };
    Ok(Consumption::Consumed(Box::new(PasskeyChallenge {
        challenge_hash: digest("challenge", row.challenge_hash)?,
        browser_hash: digest("browser cookie", row.browser_hash)?,
        terminal_fingerprint: digest("terminal fingerprint", row.terminal_fingerprint)?,
        purpose: Purpose::parse(row.purpose)?,
        state: row.state,
        session_hash: row.session_hash.map(|hash| digest("session", hash)).transpose()?,
        session_evidence_id: row.session_evidence_id,
        return_to: row.return_to,
        created_at: moment("passkey challenge", row.created_at)?,
        expires_at: moment("passkey challenge", row.expires_at)?,
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
            sql("SELECT COUNT(*) FROM passkey_challenge
                 WHERE terminal_fingerprint = $1 AND created_at >= $2 AND consumed_at IS NULL")
            .bind(terminal_fingerprint)
            .bind(since),
        )
        .await?;
    Ok(count)
}
