//! Leases: one process at a time runs a scheduled job.

use time::{Duration, OffsetDateTime};

use crate::{Queries, Store, StoreError, db::housekeeping, sql};

impl Store {
    /// Takes or keeps the lease `name` for this node until `now + length`.
    ///
    /// Returns whether this node holds it. A holder that died is followed as soon as its lease has
    /// run out by this node's clock, so `length` must exceed the clock skew between nodes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn take_lease(
        &self,
        name: &str,
        now: OffsetDateTime,
        length: Duration,
    ) -> Result<bool, StoreError> {
        housekeeping!(self, |tx| {
            let held: Option<(String,)> = tx
                .fetch_optional(
                    sql("INSERT INTO lease (name, holder, held_until) VALUES ($1, $2, $3)
                         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
                         WHERE lease.holder = excluded.holder OR lease.held_until <= $4
                         RETURNING holder")
                    .bind(name)
                    .bind(self.node())
                    .bind(now + length)
                    .bind(now),
                )
                .await?;
            held.is_some()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lease_is_held_by_one_node_until_it_runs_out() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        let one = Store::open(&url.clone().into(), "one").await.unwrap();
        let two = Store::open(&url.into(), "two").await.unwrap();
        let now = OffsetDateTime::UNIX_EPOCH;
        let length = Duration::seconds(30);
        assert!(one.take_lease("job", now, length).await.unwrap());
        assert!(one.take_lease("job", now, length).await.unwrap(), "the holder keeps it");
        assert!(!two.take_lease("job", now + Duration::seconds(29), length).await.unwrap());
        assert!(two.take_lease("job", now + length, length).await.unwrap());
        assert!(!one.take_lease("job", now + length, length).await.unwrap());
    }
}
