//! Activation codes: printed on the letter to the register's address, good for one person who then
//! administers the organisation.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    event::{self, Event, Of},
    organisation::{self, OrganisationStatus},
    sql,
};

/// Keeps the activation code of a letter, by its hash. Codes of earlier letters end.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the code exists, which random ones never do.
pub async fn issue(
    tx: &mut Tx,
    id: &str,
    code_hash: &[u8; 32],
    at: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), StoreError> {
    withdraw(tx, id, at).await?;
    tx.execute(
        sql("INSERT INTO activation_code (code_hash, organisation_id, created_at, expires_at)
             VALUES ($1, $2, $3, $4)")
        .bind(code_hash)
        .bind(id)
        .bind(at)
        .bind(expires_at),
    )
    .await?;
    Ok(())
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

/// Consumes an activation code and, the first time, activates its organisation.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn redeem(
    tx: &mut Tx,
    code_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<Redemption, StoreError> {
    let row: Option<(String, i64, Option<i64>, Option<i64>)> = tx
        .fetch_optional(
            sql("SELECT organisation_id, expires_at, used_at, withdrawn_at FROM activation_code
                 WHERE code_hash = $1")
            .bind(code_hash),
        )
        .await?;
    let Some((organisation_id, expires_at, used_at, withdrawn_at)) = row else {
        return Ok(Redemption::Unknown);
    };
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
            sql("UPDATE activation_code SET used_at = $2 WHERE code_hash = $1
                   AND used_at IS NULL AND withdrawn_at IS NULL AND expires_at > $2")
            .bind(code_hash)
            .bind(at),
        )
        .await?;
    if consumed == 0 {
        return Ok(Redemption::Used);
    }
    if status == Some(OrganisationStatus::Approved) {
        let event = Event { kind: "activated", person_id: None, reason: "", at };
        event::add(tx, Of::Organisation, &organisation_id, event).await?;
    }
    Ok(Redemption::Redeemed { organisation_id })
}
