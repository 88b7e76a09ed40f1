//! What must reach somebody else: written with the change, delivered after it.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Queries, Store, StoreError, Tx, sql};

/// A message to be delivered.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Message {
    /// UUIDv7.
    pub id: String,
    /// What it is: `notice`, `backchannel_logout`.
    pub kind: String,
    /// JSON, in the form of its kind.
    pub payload: String,
    /// Attempts made, this one included.
    pub attempts: i64,
}

/// Writes a message in the transaction of the change it tells of.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn add(
    tx: &mut Tx,
    kind: &str,
    payload: &serde_json::Value,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO outbox (id, kind, payload, created_at, next_at)
             VALUES ($1, $2, $3, $4, $4)")
        .bind(Uuid::now_v7().to_string())
        .bind(kind)
        .bind(payload.to_string())
        .bind(at),
    )
    .await?;
    Ok(())
}

impl Store {
    /// Takes the oldest message of `kind` that is due, and keeps others off it until `retry_at`.
    ///
    /// A process that dies before it reports leaves the message to be taken again: delivery is at
    /// least once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Conflict`].
    pub async fn take_message(
        &self,
        kind: &str,
        now: OffsetDateTime,
        retry_at: OffsetDateTime,
    ) -> Result<Option<Message>, StoreError> {
        let mut tx = self.begin().await?;
        let message = tx
            .fetch_optional(
                sql("UPDATE outbox SET attempts = attempts + 1, next_at = $3
                     WHERE done_at IS NULL AND next_at <= $2 AND id =
                         (SELECT id FROM outbox WHERE done_at IS NULL AND kind = $1 AND next_at <= $2
                          ORDER BY next_at, id LIMIT 1)
                     RETURNING id, kind, payload, attempts")
                .bind(kind)
                .bind(now)
                .bind(retry_at),
            )
            .await?;
        tx.finish().await?;
        Ok(message)
    }

    /// Notes that a message was delivered, or given up with `fault`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Conflict`].
    pub async fn close_message(
        &self,
        id: &str,
        at: OffsetDateTime,
        fault: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        tx.execute(
            sql(
                "UPDATE outbox SET done_at = $2, last_error = $3 WHERE id = $1 AND done_at IS NULL",
            )
            .bind(id)
            .bind(at)
            .bind(fault),
        )
        .await?;
        tx.finish().await
    }

    /// Notes why a message was not delivered, and when to try again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Conflict`].
    pub async fn postpone_message(
        &self,
        id: &str,
        next_at: OffsetDateTime,
        fault: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        tx.execute(
            sql(
                "UPDATE outbox SET next_at = $2, last_error = $3 WHERE id = $1 AND done_at IS NULL",
            )
            .bind(id)
            .bind(next_at)
            .bind(fault),
        )
        .await?;
        tx.finish().await
    }
}
