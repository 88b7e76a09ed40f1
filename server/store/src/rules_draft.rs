//! Rules that somebody is writing for a live service: theirs alone until they propose them.

use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, moment::moment, sql};

/// Rules in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The version that was in force when they were begun; 0 where none was.
    pub base_version: i64,
    /// JSON of the authz crate.
    pub rules: String,
    /// When they were last changed.
    pub changed_at: OffsetDateTime,
}

/// What a person is writing for a service.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(
    queries: &mut impl Queries,
    service_id: &str,
    person_id: &str,
) -> Result<Option<Draft>, StoreError> {
    let row: Option<(i64, String, i64)> = queries
        .fetch_optional(
            sql("SELECT base_version, rules, changed_at FROM rules_draft
                 WHERE service_id = $1 AND person_id = $2")
            .bind(service_id)
            .bind(person_id),
        )
        .await?;
    let Some((base_version, rules, changed_at)) = row else { return Ok(None) };
    Ok(Some(Draft { base_version, rules, changed_at: moment("rules_draft", changed_at)? }))
}

/// Keeps what a person is writing for a service, instead of what they wrote before.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn keep(
    tx: &mut Tx,
    service_id: &str,
    person_id: &str,
    draft: &Draft,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO rules_draft (service_id, person_id, base_version, rules, changed_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (service_id, person_id) DO UPDATE
             SET base_version = excluded.base_version, rules = excluded.rules,
                 changed_at = excluded.changed_at")
        .bind(service_id)
        .bind(person_id)
        .bind(draft.base_version)
        .bind(&draft.rules)
        .bind(draft.changed_at),
    )
    .await?;
    Ok(())
}

/// Forgets what a person was writing for a service; answers whether there was something.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn discard(tx: &mut Tx, service_id: &str, person_id: &str) -> Result<bool, StoreError> {
    let statement = sql("DELETE FROM rules_draft WHERE service_id = $1 AND person_id = $2");
    Ok(tx.execute(statement.bind(service_id).bind(person_id)).await? == 1)
}
