//! Letters to the register's address, and the activation code printed on each: good for one person
//! who then administers the organisation.
//!
//! A letter is never forgotten: whoever made it must not become administrator by another one.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    event::{self, Event, Of},
    moment::{moment, moment_opt},
    organisation::{self, OrganisationStatus},
    sql,
};

/// A letter about to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewLetter<'a> {
    /// The organisation that it goes to.
    pub organisation_id: &'a str,
    /// SHA-256 of the code printed on it.
    pub code_hash: &'a [u8; 32],
    /// The officer who makes it.
    pub issued_by: &'a str,
    /// Why, where the organisation has an administrator already; empty otherwise.
    pub reason: &'a str,
    /// Until when the code is good.
    pub expires_at: OffsetDateTime,
}

/// Keeps a letter with the hash of its code. Codes of earlier letters end.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the code exists, which random ones never do.
pub async fn issue(
    tx: &mut Tx,
    letter: NewLetter<'_>,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    withdraw(tx, letter.organisation_id, at).await?;
    tx.execute(
        sql("INSERT INTO activation_code
                 (code_hash, organisation_id, issued_by, reason, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(letter.code_hash)
        .bind(letter.organisation_id)
        .bind(letter.issued_by)
        .bind(letter.reason)
        .bind(at)
        .bind(letter.expires_at),
    )
    .await?;
    Ok(())
}

/// A letter that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// When.
    pub at: OffsetDateTime,
    /// Name of the officer who made it, where it is known.
    pub issued_by: Option<String>,
    /// Why, where the organisation had an administrator already; empty otherwise.
    pub reason: String,
    /// Until when its code is good.
    pub expires_at: OffsetDateTime,
    /// When its code was used.
    pub used_at: Option<OffsetDateTime>,
    /// Name of whom it made administrator, where it is known.
    pub used_by: Option<String>,
    /// When a later letter replaced it.
    pub withdrawn_at: Option<OffsetDateTime>,
}

#[derive(serde::Deserialize)]
struct LetterRow {
    created_at: i64,
    issuer: Option<String>,
    reason: String,
    expires_at: i64,
    used_at: Option<i64>,
    bearer: Option<String>,
    withdrawn_at: Option<i64>,
}

/// The letters to an organisation, newest first; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn list(
    queries: &mut impl Queries,
    organisation_id: &str,
    limit: i64,
) -> Result<Vec<Letter>, StoreError> {
    let rows: Vec<LetterRow> = queries
        .fetch_all(
            sql("SELECT l.created_at, i.name AS issuer, l.reason, l.expires_at, l.used_at,
                     u.name AS bearer, l.withdrawn_at
                 FROM activation_code l
                 LEFT JOIN person_name i ON i.person_id = l.issued_by
                 LEFT JOIN person_name u ON u.person_id = l.used_by
                 WHERE l.organisation_id = $1
                 ORDER BY l.created_at DESC, l.code_hash LIMIT $2")
            .bind(organisation_id)
            .bind(limit),
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Letter {
                at: moment("letter", row.created_at)?,
                issued_by: row.issuer,
                reason: row.reason,
                expires_at: moment("letter", row.expires_at)?,
                used_at: moment_opt("letter", row.used_at)?,
                used_by: row.bearer,
                withdrawn_at: moment_opt("letter", row.withdrawn_at)?,
            })
        })
        .collect()
}

/// Ends every unused code of an organisation.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn withdraw(
    tx: &mut Tx,
    organisation_id: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE activation_code SET withdrawn_at = $2
             WHERE organisation_id = $1 AND used_at IS NULL AND withdrawn_at IS NULL")
        .bind(organisation_id)
        .bind(at),
    )
    .await?;
    Ok(())
}

/// What an activation code led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redemption {
    /// The letter arrived: whoever brings the code acts for this organisation.
    Redeemed {
        /// The organisation.
        organisation_id: String,
        /// The officer who made the letter; absent for letters of an earlier version.
        issued_by: Option<String>,
    },
    /// No letter has this code.
    Unknown,
    /// The code was used before.
    Used,
    /// Its time is over.
    Expired,
    /// A later letter replaced it.
    Withdrawn,
    /// The organisation is suspended or closed.
    OrganisationInactive {
        /// The organisation.
        organisation_id: String,
    },
}

/// The organisation whose activation code this is, if it could be redeemed now. Spends nothing.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn find(
    queries: &mut impl Queries,
    code_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<Option<String>, StoreError> {
    let found: Option<(String,)> = queries
        .fetch_optional(
            sql("SELECT organisation_id FROM activation_code
                 WHERE code_hash = $1 AND used_at IS NULL AND withdrawn_at IS NULL
                   AND expires_at > $2")
            .bind(code_hash)
            .bind(at),
        )
        .await?;
    Ok(found.map(|(organisation_id,)| organisation_id))
}

#[derive(serde::Deserialize)]
struct CodeRow {
    organisation_id: String,
    issued_by: Option<String>,
    expires_at: i64,
    used_at: Option<i64>,
    withdrawn_at: Option<i64>,
}

/// Consumes an activation code for a person and, the first time, activates its organisation.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn redeem(
    tx: &mut Tx,
    code_hash: &[u8; 32],
    person_id: &str,
    at: OffsetDateTime,
) -> Result<Redemption, StoreError> {
    let row: Option<CodeRow> = tx
        .fetch_optional(
            sql("SELECT organisation_id, issued_by, expires_at, used_at, withdrawn_at
                 FROM activation_code WHERE code_hash = $1")
            .bind(code_hash),
        )
        .await?;
    let Some(row) = row else { return Ok(Redemption::Unknown) };
    let CodeRow { organisation_id, issued_by, expires_at, used_at, withdrawn_at } = row;
    if used_at.is_some() {
        return Ok(Redemption::Used);
    }
    if withdrawn_at.is_some() {
        return Ok(Redemption::Withdrawn);
    }
    if expires_at <= at.unix_timestamp() {
        return Ok(Redemption::Expired);
    }
    let status = organisation::status(tx, &organisation_id).await?;
    if !matches!(status, Some(OrganisationStatus::Approved | OrganisationStatus::Active)) {
        return Ok(Redemption::OrganisationInactive { organisation_id });
    }
    // The condition stands here once more: two that read the same row cannot both win.
    let consumed = tx
        .execute(
            sql("UPDATE activation_code SET used_at = $2, used_by = $3 WHERE code_hash = $1
                   AND used_at IS NULL AND withdrawn_at IS NULL AND expires_at > $2")
            .bind(code_hash)
            .bind(at)
            .bind(person_id),
        )
        .await?;
    if consumed == 0 {
        return Ok(Redemption::Used);
    }
    if status == Some(OrganisationStatus::Approved) {
        let event = Event { kind: "activated", person_id: Some(person_id), reason: "", at };
        event::add(tx, Of::Organisation, &organisation_id, event).await?;
    }
    Ok(Redemption::Redeemed { organisation_id, issued_by })
}
