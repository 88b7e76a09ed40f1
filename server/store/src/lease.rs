//! Leases: one process at a time runs a scheduled job.

use time::OffsetDateTime;

use crate::{Queries, Store, StoreError, sql};

/// Whether a lease was had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// This process holds it.
    Mine,
    /// Another process holds it still.
    Another,
}

impl Store {
    /// Takes the lease `name` for this process until `until`, unless another holds it at `now`.
    /// Whoever holds it may renew it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Conflict`].
    pub async fn take_lease(
        &self,
        name: &str,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Taken, StoreError> {
        let mut tx = self.begin().await?;
        // One statement decides: of two that come at once, the second sees the first one's row.
        let row: Option<(String,)> = tx
            .fetch_optional(
                sql("INSERT INTO lease (name, holder, held_until) VALUES ($1, $2, $3)
                     ON CONFLICT (name) DO UPDATE SET holder = $2, held_until = $3
                     WHERE lease.held_until <= $4 OR lease.holder = $2
                     RETURNING holder")
                .bind(name)
                .bind(self.node())
                .bind(until)
                .bind(now),
            )
            .await?;
        match row {
            Some(_) => {
                tx.finish().await?;
                Ok(Taken::Mine)
            }
            None => Ok(Taken::Another),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_lease_has_one_holder_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        let one = Store::open(&url.clone().into(), "one").await.unwrap();
        let two = Store::open(&url.into(), "two").await.unwrap();
        let now = OffsetDateTime::UNIX_EPOCH;
        let minute = Duration::MINUTE;
        assert_eq!(one.take_lease("crl", now, now + minute).await.unwrap(), Taken::Mine);
        assert_eq!(two.take_lease("crl", now, now + minute).await.unwrap(), Taken::Another);
        assert_eq!(two.take_lease("other", now, now + minute).await.unwrap(), Taken::Mine);
        // Renewed by its holder, it lasts longer.
        assert_eq!(one.take_lease("crl", now, now + minute * 2).await.unwrap(), Taken::Mine);
        let later = now + minute;
        assert_eq!(two.take_lease("crl", later, later + minute).await.unwrap(), Taken::Another);
        let later = now + minute * 2;
        assert_eq!(two.take_lease("crl", later, later + minute).await.unwrap(), Taken::Mine);
        assert_eq!(one.take_lease("crl", later, later + minute).await.unwrap(), Taken::Another);
    }
}
