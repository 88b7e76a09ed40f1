//! Making editions: what changed is claimed, taken in under a number, published and at last dropped.

use time::OffsetDateTime;

use super::{COMPLETE, Crl, NewChunk, NewList};
use crate::{Queries, Store, StoreError, Tx, db::housekeeping, moment::moment, sql};

/// The newest edition of the issuer: its number and its time.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn last_edition(
    queries: &mut impl Queries,
    issuer_id: &str,
) -> Result<Option<(i64, OffsetDateTime)>, StoreError> {
    let row: Option<(i64, i64)> = queries
        .fetch_optional(
            sql("SELECT number, at FROM crl_edition WHERE issuer_id = $1
                 ORDER BY number DESC LIMIT 1")
            .bind(issuer_id),
        )
        .await?;
    row.map(|(number, at)| Ok((number, moment("CRL edition", at)?))).transpose()
}

/// The number that the issuer's next lists get: one more than any before, from 1.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn next_number(queries: &mut impl Queries, issuer_id: &str) -> Result<i64, StoreError> {
    Ok(last_edition(queries, issuer_id).await?.map_or(0, |(number, _)| number) + 1)
}

/// Whether something changed that no edition has taken in.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn has_pending(queries: &mut impl Queries, issuer_id: &str) -> Result<bool, StoreError> {
    let found: Option<(i64,)> = queries
        .fetch_optional(
            sql("SELECT CAST(1 AS BIGINT) FROM crl_change
                 WHERE issuer_id = $1 AND edition IS NULL LIMIT 1")
            .bind(issuer_id),
        )
        .await?;
    Ok(found.is_some())
}

/// Chunks with a change that this attempt claimed.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn claimed_chunks(
    queries: &mut impl Queries,
    issuer_id: &str,
    attempt: &str,
) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = queries
        .fetch_all(
            sql("SELECT DISTINCT e.chunk FROM crl_change c
                 JOIN revocation_event e ON e.id = c.event_id
                 WHERE c.issuer_id = $1 AND c.edition IS NULL AND c.claimed_by = $2")
            .bind(issuer_id)
            .bind(attempt),
        )
        .await?;
    Ok(rows.into_iter().map(|(chunk,)| chunk).collect())
}

/// The complete list that a delta of edition `number` should add to: the oldest that was in force
/// at `since`, so that whoever holds one in force can bring it up to date; but the oldest that at
/// most about `most` changes lie behind, or else the newest, so that a delta is long only until the
/// complete list after a great many revocations at once.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn base_for_delta(
    queries: &mut impl Queries,
    issuer_id: &str,
    number: i64,
    since: OffsetDateTime,
    most: u32,
) -> Result<Option<i64>, StoreError> {
    let (base,): (Option<i64>,) = queries
        .fetch_one(
            sql("SELECT COALESCE(
                     MIN(CASE WHEN l.number >= COALESCE(m.edition, 0) THEN l.number END),
                     MAX(l.number))
                 FROM crl_list l LEFT JOIN (SELECT c.edition FROM crl_change c
                     WHERE c.issuer_id = $1 AND c.edition <= $2
                     ORDER BY c.edition DESC LIMIT 1 OFFSET $4) m ON 1 = 1
                 WHERE l.issuer_id = $1 AND l.scope = 'complete' AND l.number < $2
                   AND l.next_update > $3")
            .bind(issuer_id)
            .bind(number)
            .bind(since)
            .bind(i64::from(most)),
        )
        .await?;
    Ok(base)
}

impl Store {
    /// Claims for this attempt all changes that no edition has taken in. An attempt that dies
    /// leaves them to the next.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Conflict`].
    pub async fn claim_crl_changes(
        &self,
        issuer_id: &str,
        attempt: &str,
    ) -> Result<u64, StoreError> {
        housekeeping!(self, |tx| {
            tx.execute(
                sql("UPDATE crl_change SET claimed_by = $2
                     WHERE issuer_id = $1 AND edition IS NULL")
                .bind(issuer_id)
                .bind(attempt)
                .long(),
            )
            .await?
        })
    }

    /// Opens edition `number`, which takes in what `attempt` claimed as these chunks; answers
    /// whether it did.
    ///
    /// `number` must be what [`next_number`] answered before the changes were claimed and the
    /// chunks read. `false`: another attempt has opened an edition since; begin anew.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Conflict`].
    pub async fn open_crl_edition(
        &self,
        issuer_id: &str,
        number: i64,
        attempt: &str,
        chunks: &[NewChunk],
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        housekeeping!(self, |tx| {
            if !pass_number(tx, issuer_id, number, at).await? {
                return Ok(false);
            }
            tx.execute(
                sql("UPDATE crl_change SET edition = $3
                     WHERE issuer_id = $1 AND edition IS NULL AND claimed_by = $2")
                .bind(issuer_id)
                .bind(attempt)
                .bind(number)
                .long(),
            )
            .await?;
            for chunk in chunks {
                tx.execute(
                    sql("INSERT INTO crl_chunk
                             (issuer_id, chunk, number, length, entries, first_expiry)
                         VALUES ($1, $2, $3, $4, $5, $6)")
                    .bind(issuer_id)
                    .bind(&chunk.chunk)
                    .bind(number)
                    .bind(length(chunk.entries.len()))
                    .bind(&chunk.entries)
                    .bind(chunk.first_expiry),
                )
                .await?;
            }
            true
        })
    }

    /// Lets the issuer's numbers go on after `number`, which a published list has; answers whether
    /// they had been behind.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Conflict`].
    pub async fn pass_crl_number(
        &self,
        issuer_id: &str,
        number: i64,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        housekeeping!(self, |tx| pass_number(tx, issuer_id, number, at).await?)
    }

    /// Publishes lists of an open edition, each unless a newer one of its scope is published.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Conflict`].
    pub async fn publish_lists(
        &self,
        issuer_id: &str,
        number: i64,
        lists: &[NewList],
    ) -> Result<(), StoreError> {
        housekeeping!(self, |tx| {
            for list in lists {
                add_list(tx, issuer_id, number, list).await?;
            }
        })
    }

    /// Publishes a ready-made complete list as an edition of its own: a root's, whose key is
    /// elsewhere. Answers whether it did; see [`publish`].
    ///
    /// # Errors
    /// As [`publish`].
    pub async fn publish_crl(&self, issuer_id: &str, crl: &Crl) -> Result<bool, StoreError> {
        housekeeping!(self, |tx| publish(tx, issuer_id, crl).await?)
    }

    /// Drops what newer lists replaced before `before`: octets of lists and chunks, and changes
    /// that every list in force has taken in. Numbers are kept by the newest edition.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Conflict`].
    pub async fn prune_crl(
        &self,
        issuer_id: &str,
        before: OffsetDateTime,
        keep_complete_until: OffsetDateTime,
    ) -> Result<(), StoreError> {
        housekeeping!(self, |tx| {
            // No list that is the newest of its scope loses a chunk: one that failed to be made
            // again is still whole. A complete list stays known, as a base of deltas, while it is in force.
            tx.execute(
                sql("DELETE FROM crl_list
                     WHERE issuer_id = $1
                       AND (scope <> 'complete' OR next_update <= $3)
                       AND EXISTS (SELECT 1 FROM crl_list n JOIN crl_edition e
                               ON e.issuer_id = n.issuer_id AND e.number = n.number
                           WHERE n.issuer_id = crl_list.issuer_id AND n.scope = crl_list.scope
                             AND n.number > crl_list.number AND e.at < $2)")
                .bind(issuer_id)
                .bind(before)
                .bind(keep_complete_until)
                .long(),
            )
            .await?;
            tx.execute(
                sql("DELETE FROM crl_chunk
                     WHERE issuer_id = $1
                       AND EXISTS (SELECT 1 FROM crl_chunk n JOIN crl_edition e
                               ON e.issuer_id = n.issuer_id AND e.number = n.number
                           WHERE n.issuer_id = crl_chunk.issuer_id AND n.chunk = crl_chunk.chunk
                             AND n.number > crl_chunk.number AND e.at < $2
                             AND n.number <= (SELECT MIN(s.newest) FROM
                                 (SELECT MAX(l.number) AS newest FROM crl_list l
                                  WHERE l.issuer_id = $1 AND l.first_chunk IS NOT NULL
                                  GROUP BY l.scope) s))")
                .bind(issuer_id)
                .bind(before)
                .long(),
            )
            .await?;
            tx.execute(
                sql("DELETE FROM crl_change
                     WHERE issuer_id = $1 AND edition <= (SELECT MIN(l.number) FROM crl_list l
                         WHERE l.issuer_id = $1 AND l.scope = 'complete')")
                .bind(issuer_id)
                .long(),
            )
            .await?;
        })
    }
}

/// Publishes a ready-made complete list whose number is greater than each before; answers whether
/// it did. `false`: somebody who published at the same time was faster.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn publish(tx: &mut Tx, issuer_id: &str, crl: &Crl) -> Result<bool, StoreError> {
    if !pass_number(tx, issuer_id, crl.number, crl.this_update).await? {
        return Ok(false);
    }
    let list = NewList {
        scope: COMPLETE.to_owned(),
        base_number: None,
        this_update: crl.this_update,
        next_update: crl.next_update,
        head: crl.der.clone(),
        chunks: None,
        tail: Vec::new(),
        length: crl.der.len(),
    };
    add_list(tx, issuer_id, crl.number, &list).await?;
    Ok(true)
}

/// Lets the issuer's numbers go on after `number`, in the caller's transaction; answers whether they had
/// been behind.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn pass_number(
    tx: &mut Tx,
    issuer_id: &str,
    number: i64,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let added = tx
        .execute(
            sql("INSERT INTO crl_edition (issuer_id, number, at)
                 SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS BIGINT)
                 WHERE NOT EXISTS
                     (SELECT 1 FROM crl_edition WHERE issuer_id = $1 AND number >= $2)
                 ON CONFLICT DO NOTHING")
            .bind(issuer_id)
            .bind(number)
            .bind(at),
        )
        .await?;
    Ok(added == 1)
}

async fn add_list(
    tx: &mut Tx,
    issuer_id: &str,
    number: i64,
    list: &NewList,
) -> Result<(), StoreError> {
    let (first, last) = match &list.chunks {
        Some((first, last)) => (Some(first.clone()), Some(last.clone())),
        None => (None, None),
    };
    tx.execute(
        sql(
            "INSERT INTO crl_list (issuer_id, scope, number, base_number, this_update, next_update,
                 head, first_chunk, last_chunk, tail, length)
             SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS BIGINT), CAST($4 AS BIGINT),
                    CAST($5 AS BIGINT), CAST($6 AS BIGINT), $7, CAST($8 AS TEXT),
                    CAST($9 AS TEXT), $10, CAST($11 AS BIGINT)
             WHERE NOT EXISTS (SELECT 1 FROM crl_list
                 WHERE issuer_id = $1 AND scope = $2 AND number >= $3)
             ON CONFLICT DO NOTHING",
        )
        .bind(issuer_id)
        .bind(&list.scope)
        .bind(number)
        .bind(list.base_number)
        .bind(list.this_update)
        .bind(list.next_update)
        .bind(&list.head)
        .bind(first)
        .bind(last)
        .bind(&list.tail)
        .bind(length(list.length)),
    )
    .await?;
    Ok(())
}

/// Octets in memory always fit.
fn length(octets: usize) -> i64 {
    i64::try_from(octets).unwrap_or(i64::MAX)
}
