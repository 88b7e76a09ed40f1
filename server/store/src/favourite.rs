//! Services that a person wants to see first.

use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, sql};

/// The services of a person, in the order in which they were chosen.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn of_person(
    queries: &mut impl Queries,
    person_id: &str,
) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = queries
        .fetch_all(
            sql("SELECT service_id FROM favourite_service WHERE person_id = $1
                 ORDER BY chosen_at, service_id")
            .bind(person_id)
            .short(),
        )
        .await?;
    Ok(rows.into_iter().map(|(service_id,)| service_id).collect())
}

/// Puts a service among them, unless there are `most` already; answers whether it was not there before and is now.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn add(
    tx: &mut Tx,
    person_id: &str,
    service_id: &str,
    most: i64,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let added = tx
        .execute(
            sql("INSERT INTO favourite_service (person_id, service_id, chosen_at)
                 SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS BIGINT)
                 WHERE (SELECT COUNT(*) FROM favourite_service WHERE person_id = $1) < $4
                 ON CONFLICT (person_id, service_id) DO NOTHING")
            .bind(person_id)
            .bind(service_id)
            .bind(at)
            .bind(most),
        )
        .await?;
    Ok(added == 1)
}

/// Takes one away; answers whether it was there.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn remove(tx: &mut Tx, person_id: &str, service_id: &str) -> Result<bool, StoreError> {
    let removed = tx
        .execute(
            sql("DELETE FROM favourite_service WHERE person_id = $1 AND service_id = $2")
                .bind(person_id)
                .bind(service_id),
        )
        .await?;
    Ok(removed == 1)
}
