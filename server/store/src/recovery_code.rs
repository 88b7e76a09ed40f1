//! Recovery codes: each stands once for a second factor that is not at hand.

use time::{Duration, OffsetDateTime};

use crate::{Queries, StoreError, Tx, sql};

/// How long it is kept that a code was used.
const TOLD_FOR: Duration = Duration::days(90);

/// Gives a person these codes, by their SHA-256, instead of all earlier ones.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`]; [`StoreError::AlreadyExists`]: a code exists, which random
/// ones never do.
pub async fn replace(
    tx: &mut Tx,
    person_id: &str,
    code_hashes: &[[u8; 32]],
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    withdraw(tx, person_id).await?;
    tx.execute(
        sql("DELETE FROM recovery_code WHERE person_id = $1 AND used_at < $2")
            .bind(person_id)
            .bind(at - TOLD_FOR),
    )
    .await?;
    for code_hash in code_hashes {
        tx.execute(
            sql("INSERT INTO recovery_code (code_hash, person_id, made_at) VALUES ($1, $2, $3)")
                .bind(code_hash)
                .bind(person_id)
                .bind(at),
        )
        .await?;
    }
    Ok(())
}

/// Takes all unused codes of a person back. That one was used stays: its person is told of it at the next login,
/// whatever was done with it meanwhile.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn withdraw(tx: &mut Tx, person_id: &str) -> Result<(), StoreError> {
    tx.execute(
        sql("DELETE FROM recovery_code WHERE person_id = $1 AND used_at IS NULL").bind(person_id),
    )
    .await?;
    Ok(())
}

/// Whether a code is this person's and unused. Consumes nothing.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn is_good(
    queries: &mut impl Queries,
    person_id: &str,
    code_hash: &[u8; 32],
) -> Result<bool, StoreError> {
    let row: Option<(String,)> = queries
        .fetch_optional(
            sql("SELECT person_id FROM recovery_code
                 WHERE code_hash = $1 AND person_id = $2 AND used_at IS NULL")
            .bind(code_hash)
            .bind(person_id),
        )
        .await?;
    Ok(row.is_some())
}

/// Consumes a code; `false` when it is used, withdrawn or another person's.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn consume(
    tx: &mut Tx,
    person_id: &str,
    code_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE recovery_code SET used_at = $3
                 WHERE code_hash = $1 AND person_id = $2 AND used_at IS NULL")
            .bind(code_hash)
            .bind(person_id)
            .bind(at),
        )
        .await?;
    Ok(changed == 1)
}

/// How many codes a person has left.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn left(queries: &mut impl Queries, person_id: &str) -> Result<i64, StoreError> {
    let (left,): (i64,) = queries
        .fetch_one(
            sql("SELECT COUNT(*) FROM recovery_code WHERE person_id = $1 AND used_at IS NULL")
                .bind(person_id),
        )
        .await?;
    Ok(left)
}
