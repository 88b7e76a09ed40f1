//! How keys end: one by one, in time, and with the right of a router or of its facility.

use time::OffsetDateTime;

use super::{PskEnd, RouterPsk, Row, select_psk};
use crate::{Queries, StoreError, Tx, sql, vpn_peers, vpn_place};

/// Ends a key; `false` when it had ended before.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end(
    tx: &mut Tx,
    id: &str,
    reason: PskEnd,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let ended = tx
        .execute(
            sql("UPDATE router_psk SET sealed = NULL, ended_at = $2, end_reason = $3
                 WHERE id = $1 AND ended_at IS NULL")
            .bind(id)
            .bind(at)
            .bind(reason.as_str()),
        )
        .await?;
    Ok(ended == 1)
}

/// Ends a key that not both ends fetched in time; `false` when it had ended before. The one that it was to
/// replace, which both ends have, is theirs again: nobody loaded another.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn expire(tx: &mut Tx, psk: &RouterPsk, at: OffsetDateTime) -> Result<bool, StoreError> {
    if !end(tx, &psk.id, PskEnd::Expired, at).await? {
        return Ok(false);
    }
    let [first, second] = psk.ends.each_ref().map(|end| end.router_id.as_str());
    tx.execute(
        sql("UPDATE router_psk SET ended_at = NULL, end_reason = NULL
             WHERE id = (SELECT MAX(b.id) FROM router_psk b
                         WHERE b.first_id = $1 AND b.second_id = $2 AND b.id < $3)
               AND end_reason = 'replaced'
               AND first_fetched_at IS NOT NULL AND second_fetched_at IS NOT NULL")
        .bind(first)
        .bind(second)
        .bind(psk.id.as_str()),
    )
    .await?;
    Ok(true)
}

/// Ends every key of a router: whoever had them is to be let in nowhere.
pub(crate) async fn end_of_router(
    tx: &mut Tx,
    router_id: &str,
    reason: PskEnd,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE router_psk SET sealed = NULL, ended_at = $2, end_reason = $3
             WHERE (first_id = $1 OR second_id = $1) AND ended_at IS NULL")
        .bind(router_id)
        .bind(at)
        .bind(reason.as_str()),
    )
    .await?;
    Ok(())
}

/// Ends every key of a facility's routers.
pub(crate) async fn end_of_facility(
    tx: &mut Tx,
    organisation_id: &str,
    reason: PskEnd,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE router_psk SET sealed = NULL, ended_at = $2, end_reason = $3
             WHERE ended_at IS NULL AND EXISTS (SELECT 1 FROM terminal t
                 WHERE t.organisation_id = $1 AND t.id IN (first_id, second_id))")
        .bind(organisation_id)
        .bind(at)
        .bind(reason.as_str()),
    )
    .await?;
    Ok(())
}

/// Ends the keys of a router with those who are no peers of it now: called after its place in a group ended.
pub(crate) async fn end_with_strangers(
    tx: &mut Tx,
    router_id: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let rows: Vec<Row> = tx
        .fetch_all(
            sql(select_psk!("(k.first_id = $1 OR k.second_id = $1) AND k.ended_at IS NULL"))
                .bind(router_id),
        )
        .await?;
    if rows.is_empty() {
        return Ok(());
    }
    let peers = vpn_peers::named(router_id, &vpn_place::around(tx, router_id, at).await?);
    for row in rows {
        let psk = row.into_psk()?;
        if !peers.contains(&psk.other(router_id).router_id) {
            end(tx, &psk.id, PskEnd::NotPeers, at).await?;
        }
    }
    Ok(())
}

/// Keys that not both ends fetched in time, oldest first; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn expired(
    queries: &mut impl Queries,
    at: OffsetDateTime,
    limit: i64,
) -> Result<Vec<RouterPsk>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_psk!("k.sealed IS NOT NULL AND k.expires_at <= $1 ORDER BY k.id LIMIT $2"))
                .bind(at)
                .bind(limit),
        )
        .await?;
    rows.into_iter().map(Row::into_psk).collect()
}
