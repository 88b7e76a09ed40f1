//! Requests by a code that needs a person's approval: what came with it, and what was decided.
//!
//! The first key that comes with the code waits. A person sees its fingerprint and approves that key, or
//! refuses it, which ends the code. Only then can the code be used, with that key alone.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    enrolment_code::{self, Attempt},
    moment::{digest, moment},
    sql,
    terminal::Device,
};

/// A request that is to wait.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Terminal, code and key.
    pub attempt: Attempt<'a>,
    /// The kind of key, as people are shown it.
    pub key_kind: &'a str,
    /// The door that it came by: `est`, `scep`, `cmp`.
    pub door: &'a str,
    /// What the door needs where its clients ask again without the request.
    pub poll: Option<Poll<'a>>,
    /// Where it came from.
    pub address: &'a str,
    /// Until when the code can still be used.
    pub until: OffsetDateTime,
}

/// What a poll is answered from.
#[derive(Clone, Copy, Debug)]
pub struct Poll<'a> {
    /// By which the protocol knows the request.
    pub transaction_id: &'a str,
    /// The request, sealed: it may hold the code.
    pub sealed_request: &'a [u8],
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    /// It waits now, and somebody must be told.
    First,
    /// It waited before.
    Again,
    /// Another key came with this code before.
    OtherKey {
        /// Whether this is the first time for this code: then somebody must be told.
        first: bool,
    },
}

/// Lets a request wait. The code keeps until it is decided, but no longer than `until`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn park(tx: &mut Tx, request: Request<'_>) -> Result<Parked, StoreError> {
    let Attempt { terminal_id, code_hash, spki_sha256, at } = request.attempt;
    let (transaction_id, sealed) =
        request.poll.map(|poll| (poll.transaction_id, poll.sealed_request)).unzip();
    let first: Option<(Vec<u8>,)> = tx
        .fetch_optional(
            sql("SELECT spki_sha256 FROM waiting_enrolment WHERE code_hash = $1").bind(code_hash),
        )
        .await?;
    let Some((first,)) = first else {
        tx.execute(
            sql("INSERT INTO waiting_enrolment
                     (code_hash, terminal_id, spki_sha256, key_kind, door, transaction_id,
                      sealed_request, address, asked_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
            .bind(code_hash)
            .bind(terminal_id)
            .bind(spki_sha256)
            .bind(request.key_kind)
            .bind(request.door)
            .bind(transaction_id)
            .bind(sealed)
            .bind(request.address)
            .bind(at),
        )
        .await?;
        keep_code_until(tx, code_hash, request.until).await?;
        return Ok(Parked::First);
    };
    if first != spki_sha256 {
        let first = enrolment_code::note_misuse(tx, code_hash, at).await?;
        return Ok(Parked::OtherKey { first });
    }
    // A client that lost its state begins another transaction with the same key. Who asks at a door without
    // any takes nobody's away: whoever has the code and has seen the request could.
    if request.poll.is_some() {
        tx.execute(
            sql("UPDATE waiting_enrolment SET door = $2, transaction_id = $3, sealed_request = $4
                 WHERE code_hash = $1 AND decided_at IS NULL")
            .bind(code_hash)
            .bind(request.door)
            .bind(transaction_id)
            .bind(sealed),
        )
        .await?;
    }
    Ok(Parked::Again)
}

async fn keep_code_until(
    tx: &mut Tx,
    code_hash: &[u8],
    until: OffsetDateTime,
) -> Result<u64, StoreError> {
    tx.execute(
        sql("UPDATE enrolment_code
             SET expires_at = CASE WHEN expires_at < $2 THEN $2 ELSE expires_at END
             WHERE code_hash = $1 AND used_at IS NULL AND withdrawn_at IS NULL")
        .bind(code_hash)
        .bind(until),
    )
    .await
}

/// What a request by a code must stand on to be waiting, beside its own row `w`: an unused code `c` in
/// force at `$1`.
macro_rules! open_code {
    () => {
        "JOIN enrolment_code c ON c.code_hash = w.code_hash
             AND c.used_at IS NULL AND c.withdrawn_at IS NULL AND c.expires_at > $1
             AND c.tries_left > 0 "
    };
}

/// Whether this request waits, by this transaction where the door has one: then nothing is to be
/// written. Says nothing of the terminal, which may have been stopped since.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn waits(
    queries: &mut impl Queries,
    attempt: Attempt<'_>,
    transaction_id: Option<&str>,
) -> Result<bool, StoreError> {
    let row: Option<(Option<String>,)> = queries
        .fetch_optional(
            sql(concat!(
                "SELECT w.transaction_id FROM waiting_enrolment w ",
                open_code!(),
                "WHERE w.code_hash = $2 AND w.terminal_id = $3 AND w.spki_sha256 = $4
                   AND w.decided_at IS NULL"
            ))
            .bind(attempt.at)
            .bind(attempt.code_hash)
            .bind(attempt.terminal_id)
            .bind(attempt.spki_sha256),
        )
        .await?;
    Ok(row.is_some_and(|(of,)| transaction_id.is_none() || of.as_deref() == transaction_id))
}

/// A request that a transaction asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    /// SHA-256 of its code.
    pub code_hash: [u8; 32],
    /// Its terminal.
    pub terminal_id: String,
    /// The request, as [`Poll::sealed_request`].
    pub sealed_request: Vec<u8>,
}

/// The newest request of this door, transaction and key, decided or not.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_transaction(
    queries: &mut impl Queries,
    door: &str,
    transaction_id: &str,
    spki_sha256: &[u8; 32],
) -> Result<Option<Polled>, StoreError> {
    let row: Option<(Vec<u8>, String, Vec<u8>)> = queries
        .fetch_optional(
            sql("SELECT code_hash, terminal_id, sealed_request FROM waiting_enrolment
                 WHERE transaction_id = $1 AND door = $2 AND spki_sha256 = $3
                   AND sealed_request IS NOT NULL
                 ORDER BY asked_at DESC, code_hash LIMIT 1")
            .bind(transaction_id)
            .bind(door)
            .bind(spki_sha256),
        )
        .await?;
    row.map(|(code_hash, terminal_id, sealed_request)| {
        let code_hash = digest("waiting enrolment", code_hash)?;
        Ok(Polled { code_hash, terminal_id, sealed_request })
    })
    .transpose()
}

/// A request that waits, as whoever decides sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its terminal.
    pub terminal_id: String,
    /// The terminal's name.
    pub terminal_name: String,
    /// PC or router.
    pub device: Device,
    /// Its facility.
    pub organisation_id: String,
    /// SHA-256 of the `SubjectPublicKeyInfo`.
    pub spki_sha256: [u8; 32],
    /// The kind of key.
    pub key_kind: String,
    /// The door that it came by.
    pub door: String,
    /// Where it came from.
    pub address: String,
    /// When it came.
    pub asked_at: OffsetDateTime,
    /// Until when it can be decided.
    pub until: OffsetDateTime,
    /// Whether another key came with the same code since.
    pub other_key_came: bool,
}

#[derive(serde::Deserialize)]
struct Row {
    terminal_id: String,
    terminal_name: String,
    routers: i64,
    organisation_id: String,
    spki_sha256: Vec<u8>,
    key_kind: String,
    door: String,
    address: String,
    asked_at: i64,
    expires_at: i64,
    misused_at: Option<i64>,
}

impl TryFrom<Row> for Waiting {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        const WHAT: &str = "waiting enrolment";
        Ok(Self {
            terminal_id: row.terminal_id,
            terminal_name: row.terminal_name,
            device: Device::of_count(row.routers),
            organisation_id: row.organisation_id,
            spki_sha256: digest(WHAT, row.spki_sha256)?,
            key_kind: row.key_kind,
            door: row.door,
            address: row.address,
            asked_at: moment(WHAT, row.asked_at)?,
            until: moment(WHAT, row.expires_at)?,
            other_key_came: row.misused_at.is_some(),
        })
    }
}

/// The open requests that fulfil a condition, oldest first. `concat!` keeps the statements constants.
macro_rules! select_open {
    ($condition:literal) => {
        concat!(
            "SELECT w.terminal_id, t.name AS terminal_name,
                    (SELECT COUNT(*) FROM router q WHERE q.terminal_id = t.id) AS routers,
                    t.organisation_id, w.spki_sha256, w.key_kind, w.door, w.address, w.asked_at,
                    c.expires_at, c.misused_at
             FROM waiting_enrolment w JOIN terminal t ON t.id = w.terminal_id ",
            open_code!(),
            "WHERE w.decided_at IS NULL ",
            $condition,
            " ORDER BY w.asked_at, w.terminal_id LIMIT $2"
        )
    };
}

/// The request of this terminal that waits, if one does.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_terminal(
    queries: &mut impl Queries,
    terminal_id: &str,
    at: OffsetDateTime,
) -> Result<Option<Waiting>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql(select_open!("AND w.terminal_id = $3")).bind(at).bind(1).bind(terminal_id),
        )
        .await?;
    row.map(TryInto::try_into).transpose()
}

/// The requests of a facility that wait, at most so many.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_facility(
    queries: &mut impl Queries,
    organisation_id: &str,
    most: i64,
    at: OffsetDateTime,
) -> Result<Vec<Waiting>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_open!("AND t.organisation_id = $3"))
                .bind(at)
                .bind(most)
                .bind(organisation_id),
        )
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// What a person decides.
#[derive(Clone, Copy, Debug)]
pub enum Decision<'a> {
    /// This key gets its certificate, if it asks before `until`.
    Approve {
        /// Until when.
        until: OffsetDateTime,
    },
    /// Nothing is issued; the code ends.
    Refuse {
        /// Why, for the record.
        reason: &'a str,
    },
}

/// Decides the request of this terminal and key, if it waits; answers whether it did.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn decide(
    tx: &mut Tx,
    (terminal_id, spki_sha256): (&str, &[u8; 32]),
    decision: Decision<'_>,
    person_id: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let row: Option<(Vec<u8>,)> = tx
        .fetch_optional(
            sql(concat!(
                "SELECT w.code_hash FROM waiting_enrolment w ",
                open_code!(),
                "WHERE w.terminal_id = $2 AND w.spki_sha256 = $3 AND w.decided_at IS NULL"
            ))
            .bind(at)
            .bind(terminal_id)
            .bind(spki_sha256),
        )
        .await?;
    let Some((code_hash,)) = row else { return Ok(false) };
    let (approved, reason) = match decision {
        Decision::Approve { .. } => (1, None),
        Decision::Refuse { reason } => (0, Some(reason)),
    };
    tx.execute(
        sql("UPDATE waiting_enrolment
             SET decided_at = $2, decided_by = $3, approved = $4, reason = $5
             WHERE code_hash = $1 AND decided_at IS NULL")
        .bind(&code_hash)
        .bind(at)
        .bind(person_id)
        .bind(approved)
        .bind(reason),
    )
    .await?;
    match decision {
        Decision::Approve { until } => {
            keep_code_until(tx, &code_hash, until).await?;
            tx.execute(
                sql("UPDATE enrolment_code SET approved_spki_sha256 = $2 WHERE code_hash = $1")
                    .bind(&code_hash)
                    .bind(spki_sha256),
            )
            .await?;
        }
        Decision::Refuse { .. } => enrolment_code::withdraw(tx, terminal_id, at).await?,
    }
    Ok(true)
}

/// Whether a person refused this key, which came with this code.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub(crate) async fn was_refused(
    queries: &mut impl Queries,
    attempt: Attempt<'_>,
) -> Result<bool, StoreError> {
    let row: Option<(i64,)> = queries
        .fetch_optional(
            sql("SELECT decided_at FROM waiting_enrolment
                 WHERE code_hash = $1 AND spki_sha256 = $2 AND approved = 0")
            .bind(attempt.code_hash)
            .bind(attempt.spki_sha256),
        )
        .await?;
    Ok(row.is_some())
}
