//! What must reach somebody else: written in the transaction of the change, delivered after it.

use serde_json::Value as Json;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{Queries, Store, StoreError, Tx, db::housekeeping, sql};

/// Puts a message into the outbox, in the transaction of the change it tells of.
///
/// `kind` selects who delivers it; `payload` is that deliverer's own JSON, without secrets. Answers its name.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn put(
    tx: &mut Tx,
    kind: &str,
    payload: &Json,
    now: OffsetDateTime,
) -> Result<String, StoreError> {
    let id = Uuid::now_v7().to_string();
    tx.execute(
        sql("INSERT INTO outbox (id, kind, payload, created_at, next_at) VALUES ($1, $2, $3, $4, $4)")
            .bind(&id)
            .bind(kind)
            .bind(payload.to_string())
            .bind(now),
    )
    .await?;
    Ok(id)
}

/// A message that is due.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Message {
    /// UUIDv7; a receiver can tell a repeated delivery by it.
    pub id: String,
    /// Who delivers it.
    pub kind: String,
    /// JSON text.
    pub payload: String,
    /// Deliveries tried before.
    pub attempts: i64,
}

impl Store {
    /// Claims messages of these kinds that are due, oldest first, for `hold`: nobody else sees them
    /// until then, and a deliverer that dies leaves them to the next.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn claim_outbox(
        &self,
        kind: &str,
        now: OffsetDateTime,
        hold: Duration,
        limit: i64,
    ) -> Result<Vec<Message>, StoreError> {
        housekeeping!(self, |tx| {
            tx.fetch_all(
                sql("UPDATE outbox SET next_at = $1, attempts = attempts + 1 WHERE id IN (
                         SELECT id FROM outbox WHERE kind = $2 AND done_at IS NULL AND next_at <= $3
                         ORDER BY id LIMIT $4)
                     RETURNING id, kind, payload, attempts - 1 AS attempts")
                .bind(now + hold)
                .bind(kind)
                .bind(now)
                .bind(limit),
            )
            .await?
        })
    }

    /// Claims one message as [`Self::claim_outbox`] does, if it is due.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn claim_message(
        &self,
        id: &str,
        now: OffsetDateTime,
        hold: Duration,
    ) -> Result<Option<Message>, StoreError> {
        housekeeping!(self, |tx| {
            tx.fetch_optional(
                sql("UPDATE outbox SET next_at = $1, attempts = attempts + 1
                     WHERE id = $2 AND done_at IS NULL AND next_at <= $3
                     RETURNING id, kind, payload, attempts - 1 AS attempts")
                .bind(now + hold)
                .bind(id)
                .bind(now),
            )
            .await?
        })
    }

    /// Notes that a message reached its receiver.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn outbox_delivered(&self, id: &str, now: OffsetDateTime) -> Result<(), StoreError> {
        housekeeping!(self, |tx| {
            tx.execute(
                sql("UPDATE outbox SET done_at = $1, last_error = NULL WHERE id = $2")
                    .bind(now)
                    .bind(id),
            )
            .await?;
        })
    }

    /// Notes why a delivery failed and when it is tried again; without `next`, never.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn outbox_failed(
        &self,
        id: &str,
        now: OffsetDateTime,
        next: Option<OffsetDateTime>,
        error: &str,
    ) -> Result<(), StoreError> {
        let given_up = next.is_none().then_some(now);
        housekeeping!(self, |tx| {
            tx.execute(
                sql("UPDATE outbox SET next_at = $1, done_at = $2, last_error = $3 WHERE id = $4")
                    .bind(next.unwrap_or(now))
                    .bind(given_up)
                    .bind(error)
                    .bind(id),
            )
            .await?;
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        audit::{Actor, Audited, Entry},
        transaction,
    };

    #[tokio::test]
    async fn a_message_is_claimed_once_and_comes_back_when_its_deliverer_died() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        let store = Store::open(&url.into(), "n").await.unwrap();
        let now = OffsetDateTime::UNIX_EPOCH;
        let hold = Duration::seconds(30);
        transaction!(store, StoreError, |tx| {
            put(tx, "notice", &json!({"a": 1}), now).await?;
            Ok(Audited::new((), Entry::done("test", Actor::System, now)))
        })
        .unwrap();
        assert!(store.claim_outbox("other", now, hold, 10).await.unwrap().is_empty());
        let first = store.claim_outbox("notice", now, hold, 10).await.unwrap();
        assert_eq!((first.len(), first[0].attempts), (1, 0));
        assert!(store.claim_outbox("notice", now, hold, 10).await.unwrap().is_empty());
        let second = store.claim_outbox("notice", now + hold, hold, 10).await.unwrap();
        assert_eq!(second[0].attempts, 1);
        store.outbox_delivered(&second[0].id, now + hold).await.unwrap();
        assert!(store.claim_outbox("notice", now + hold * 9, hold, 10).await.unwrap().is_empty());
    }
}
