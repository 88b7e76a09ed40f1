//! Passwords that people chose, so that none of the last few is chosen again.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Queries, StoreError, Tx, sql};

/// PHC strings of a person's last passwords, the newest first.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn of_person(
    queries: &mut impl Queries,
    person_id: &str,
) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = queries
        .fetch_all(
            sql("SELECT phc FROM chosen_password WHERE person_id = $1
                 ORDER BY chosen_at DESC, id DESC")
            .bind(person_id),
        )
        .await?;
    Ok(rows.into_iter().map(|(phc,)| phc).collect())
}

/// Remembers a password, and no more than `keep` of the person's last ones.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn remember(
    tx: &mut Tx,
    person_id: &str,
    phc: &str,
    keep: i64,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO chosen_password (id, person_id, phc, chosen_at) VALUES ($1, $2, $3, $4)")
            .bind(Uuid::now_v7().to_string())
            .bind(person_id)
            .bind(phc)
            .bind(at),
    )
    .await?;
    tx.execute(
        sql("DELETE FROM chosen_password
             WHERE person_id = $1 AND id NOT IN (
                 SELECT id FROM chosen_password WHERE person_id = $1
                 ORDER BY chosen_at DESC, id DESC LIMIT $2)")
        .bind(person_id)
        .bind(keep),
    )
    .await?;
    Ok(())
}
