//! With which peers a router's texts were taken last.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    moment::{digest, moment},
    sql,
};

/// The texts that were taken last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterText {
    /// SHA-256 over the peers and networks in them.
    pub fingerprint: [u8; 32],
    /// When.
    pub taken_at: OffsetDateTime,
}

/// Notes that a router's texts were taken, with these peers.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn take(
    tx: &mut Tx,
    router_id: &str,
    fingerprint: &[u8; 32],
    by: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO router_text (id, router_id, fingerprint, taken_at, taken_by)
             VALUES ($1, $2, $3, $4, $5)")
        .bind(Uuid::now_v7().to_string())
        .bind(router_id)
        .bind(fingerprint)
        .bind(at)
        .bind(by),
    )
    .await?;
    Ok(())
}

/// Those that were taken last; `None` where nobody said so.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn latest(
    queries: &mut impl Queries,
    router_id: &str,
) -> Result<Option<RouterText>, StoreError> {
    let row: Option<(Vec<u8>, i64)> = queries
        .fetch_optional(
            sql("SELECT fingerprint, taken_at FROM router_text WHERE router_id = $1
                 ORDER BY id DESC LIMIT 1")
            .bind(router_id),
        )
        .await?;
    let read = |(fingerprint, taken_at)| {
        Ok(RouterText {
            fingerprint: digest("router_text", fingerprint)?,
            taken_at: moment("router_text", taken_at)?,
        })
    };
    row.map(read).transpose()
}
