//! Certificate revocation lists as published, and their numbers, which never go back.
//!
//! An issuer's lists are made in editions: an edition takes in what changed, rewrites the chunks
//! of encoded entries that it concerns, and gives its number to every list made from it. Chunks
//! and lists are never changed, only followed by newer ones, so whoever reads a list while the
//! next is made reads a whole one.

use sekisho_ca::revocation::RevocationKind;
use time::{Duration, OffsetDateTime};

use crate::{
    Queries, Store, StoreError, Tx,
    db::housekeeping,
    moment::{moment, moment_opt},
    sql,
};

/// Scope of the list of all of an issuer's certificates.
pub const COMPLETE: &str = "complete";
/// Scope of what changed since an earlier complete list.
pub const DELTA: &str = "delta";

/// A CRL in one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crl {
    /// CRL number (RFC 5280 §5.2.3).
    pub number: i64,
    /// thisUpdate.
    pub this_update: OffsetDateTime,
    /// nextUpdate.
    pub next_update: OffsetDateTime,
    /// `CertificateList`, DER.
    pub der: Vec<u8>,
}

/// What is known of a published list without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// [`COMPLETE`], [`DELTA`] or the name of a partition.
    pub scope: String,
    /// CRL number.
    pub number: i64,
    /// thisUpdate.
    pub this_update: OffsetDateTime,
    /// nextUpdate.
    pub next_update: OffsetDateTime,
    /// Octets of the whole list.
    pub length: u64,
    /// The chunks of entries that it has between head and tail, first and last.
    pub chunks: Option<(String, String)>,
}

/// A list to be published.
#[derive(Clone, Debug)]
pub struct NewList {
    /// As in [`Published`].
    pub scope: String,
    /// Of a delta: the complete list that it adds to.
    pub base_number: Option<i64>,
    /// thisUpdate.
    pub this_update: OffsetDateTime,
    /// nextUpdate.
    pub next_update: OffsetDateTime,
    /// What stands before the entries, or the whole list.
    pub head: Vec<u8>,
    /// The chunks of entries, first and last.
    pub chunks: Option<(String, String)>,
    /// What stands after the entries.
    pub tail: Vec<u8>,
    /// Octets of the whole list.
    pub length: usize,
}

/// Encoded entries of one chunk.
#[derive(Clone, Debug)]
pub struct NewChunk {
    /// Second octet of their serial numbers, hexadecimal.
    pub chunk: String,
    /// revokedCertificates, DER, one after the other.
    pub entries: Vec<u8>,
    /// notAfter of the certificate that expires first.
    pub first_expiry: Option<OffsetDateTime>,
}

/// The name of a chunk.
#[must_use]
pub fn chunk_name(chunk: u8) -> String {
    hex::encode_upper([chunk])
}

#[derive(sqlx::FromRow)]
struct PublishedRow {
    scope: String,
    number: i64,
    this_update: i64,
    next_update: i64,
    length: i64,
    first_chunk: Option<String>,
    last_chunk: Option<String>,
}

impl PublishedRow {
    fn into_published(self) -> Result<Published, StoreError> {
        Ok(Published {
            scope: self.scope,
            number: self.number,
            this_update: moment("CRL", self.this_update)?,
            next_update: moment("CRL", self.next_update)?,
            length: u64::try_from(self.length).map_err(|_| StoreError::Corrupt {
                what: "CRL",
                detail: format!("{} octets", self.length),
            })?,
            chunks: self.first_chunk.zip(self.last_chunk),
        })
    }
}

/// The columns of [`PublishedRow`]. `concat!` keeps the statements constants.
macro_rules! select_published {
    ($condition:literal) => {
        concat!(
            "SELECT l.scope, l.number, l.this_update, l.next_update, l.length, l.first_chunk,
                    l.last_chunk
             FROM crl_list l WHERE ",
            $condition
        )
    };
}

/// The newest list of this scope.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn newest(
    queries: &mut impl Queries,
    issuer_id: &str,
    scope: &str,
) -> Result<Option<Published>, StoreError> {
    let row: Option<PublishedRow> = queries
        .fetch_optional(
            sql(select_published!(
                "l.issuer_id = $1 AND l.scope = $2 ORDER BY l.number DESC LIMIT 1"
            ))
            .bind(issuer_id)
            .bind(scope),
        )
        .await?;
    row.map(PublishedRow::into_published).transpose()
}

/// The newest list of each scope that the issuer ever published.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn newest_of_each(
    queries: &mut impl Queries,
    issuer_id: &str,
) -> Result<Vec<Published>, StoreError> {
    let rows: Vec<PublishedRow> = queries
        .fetch_all(
            sql(select_published!(
                "l.issuer_id = $1 AND l.number = (SELECT MAX(m.number) FROM crl_list m
                     WHERE m.issuer_id = l.issuer_id AND m.scope = l.scope)"
            ))
            .bind(issuer_id),
        )
        .await?;
    rows.into_iter().map(PublishedRow::into_published).collect()
}

/// Head and tail of a published list; `None` when it is no longer kept.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn frame(
    queries: &mut impl Queries,
    issuer_id: &str,
    list: &Published,
) -> Result<Option<(Vec<u8>, Vec<u8>)>, StoreError> {
    queries
        .fetch_optional(
            sql("SELECT head, tail FROM crl_list
                 WHERE issuer_id = $1 AND scope = $2 AND number = $3")
            .bind(issuer_id)
            .bind(&list.scope)
            .bind(list.number),
        )
        .await
}

/// The version of a chunk that an edition of this number ($4) sees.
macro_rules! chunk_as_of {
    ($columns:literal, $condition:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM crl_chunk c WHERE c.issuer_id = $1 AND c.chunk BETWEEN $2 AND $3
               AND c.number = (SELECT MAX(d.number) FROM crl_chunk d
                   WHERE d.issuer_id = c.issuer_id AND d.chunk = c.chunk AND d.number <= $4)",
            $condition
        )
    };
}

/// A range of chunks as an edition sees them: name, edition that wrote it, octets.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn chunks(
    queries: &mut impl Queries,
    issuer_id: &str,
    (first, last): (&str, &str),
    number: i64,
) -> Result<Vec<(String, i64, i64)>, StoreError> {
    queries
        .fetch_all(
            sql(chunk_as_of!("c.chunk, c.number, c.length", " ORDER BY c.chunk"))
                .bind(issuer_id)
                .bind(first)
                .bind(last)
                .bind(number),
        )
        .await
}

/// The encoded entries of a chunk as its edition wrote them.
///
/// # Errors
/// [`StoreError::Unavailable`] also when it is no longer kept.
pub async fn chunk_entries(
    queries: &mut impl Queries,
    issuer_id: &str,
    chunk: &str,
    number: i64,
) -> Result<Vec<u8>, StoreError> {
    let (entries,): (Vec<u8>,) = queries
        .fetch_one(
            sql("SELECT entries FROM crl_chunk
                 WHERE issuer_id = $1 AND chunk = $2 AND number = $3")
            .bind(issuer_id)
            .bind(chunk)
            .bind(number),
        )
        .await?;
    Ok(entries)
}

/// Chunks with an entry whose certificate ended before `unexpired_since`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn chunks_with_expired(
    queries: &mut impl Queries,
    issuer_id: &str,
    unexpired_since: OffsetDateTime,
) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = queries
        .fetch_all(
            sql("SELECT c.chunk FROM crl_chunk c
                 WHERE c.issuer_id = $1 AND c.first_expiry < $2
                   AND c.number = (SELECT MAX(d.number) FROM crl_chunk d
                       WHERE d.issuer_id = c.issuer_id AND d.chunk = c.chunk)")
            .bind(issuer_id)
            .bind(unexpired_since),
        )
        .await?;
    Ok(rows.into_iter().map(|(chunk,)| chunk).collect())
}

/// The newest list of all of the issuer's certificates, whole.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn latest(
    queries: &mut impl Queries,
    issuer_id: &str,
) -> Result<Option<Crl>, StoreError> {
    let Some(list) = newest(queries, issuer_id, COMPLETE).await? else { return Ok(None) };
    let der = whole(queries, issuer_id, &list).await?;
    let Published { number, this_update, next_update, .. } = list;
    Ok(der.map(|der| Crl { number, this_update, next_update, der }))
}

/// A published list, whole; `None` when it is no longer kept.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn whole(
    queries: &mut impl Queries,
    issuer_id: &str,
    list: &Published,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some((mut der, tail)) = frame(queries, issuer_id, list).await? else { return Ok(None) };
    if let Some((first, last)) = &list.chunks {
        for (chunk, number, _) in chunks(queries, issuer_id, (first, last), list.number).await? {
            der.extend(chunk_entries(queries, issuer_id, &chunk, number).await?);
        }
    }
    der.extend(tail);
    Ok(Some(der))
}

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

/// An event as a list needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedEvent {
    /// Which certificate.
    pub serial: Vec<u8>,
    /// What happened.
    pub kind: RevocationKind,
    /// CRLReason.
    pub reason: u8,
    /// When.
    pub at: OffsetDateTime,
    /// Since when it was not to be relied on, if known.
    pub invalidity_at: Option<OffsetDateTime>,
    /// Last second of the certificate.
    pub not_after: OffsetDateTime,
}

#[derive(sqlx::FromRow)]
struct EventRow {
    serial: Vec<u8>,
    kind: String,
    reason: i64,
    at: i64,
    invalidity_at: Option<i64>,
    not_after: i64,
}

impl EventRow {
    fn into_event(self) -> Result<ListedEvent, StoreError> {
        let kind = match self.kind.as_str() {
            "revoked" => RevocationKind::Revoked,
            "held" => RevocationKind::Held,
            "released" => RevocationKind::Released,
            other => {
                return Err(StoreError::Corrupt {
                    what: "revocation event",
                    detail: other.to_owned(),
                });
            }
        };
        Ok(ListedEvent {
            serial: self.serial,
            kind,
            reason: crate::revocation::reason_code(self.reason)?,
            at: moment("revocation event", self.at)?,
            invalidity_at: moment_opt("invalidity date", self.invalidity_at)?,
            not_after: moment("certificate", self.not_after)?,
        })
    }
}

fn events(rows: Vec<EventRow>) -> Result<Vec<ListedEvent>, StoreError> {
    rows.into_iter().map(EventRow::into_event).collect()
}

/// The latest event of each certificate of a chunk that has any and had not expired at
/// `unexpired_since`, by serial number.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn events_of_chunk(
    queries: &mut impl Queries,
    issuer_id: &str,
    chunk: &str,
    unexpired_since: OffsetDateTime,
) -> Result<Vec<ListedEvent>, StoreError> {
    events(
        queries
            .fetch_all(
                sql("SELECT e.serial, e.kind, e.reason, e.at, e.invalidity_at, e.not_after
                     FROM revocation_event e
                     WHERE e.issuer_id = $1 AND e.chunk = $2 AND e.not_after >= $3
                       AND NOT EXISTS (SELECT 1 FROM revocation_event d
                           WHERE d.issuer_id = e.issuer_id AND d.serial = e.serial
                             AND d.seq > e.seq)
                     ORDER BY e.serial")
                .bind(issuer_id)
                .bind(chunk)
                .bind(unexpired_since),
            )
            .await?,
    )
}

/// The latest event of each of the issuer's certificates that is taken back or on hold and had not
/// expired at `unexpired_since`, by serial number: what a list made elsewhere has to name.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn taken_back(
    queries: &mut impl Queries,
    issuer_id: &str,
    unexpired_since: OffsetDateTime,
) -> Result<Vec<ListedEvent>, StoreError> {
    events(
        queries
            .fetch_all(
                sql("SELECT e.serial, e.kind, e.reason, e.at, e.invalidity_at, e.not_after
                     FROM revocation_event e
                     WHERE e.issuer_id = $1 AND e.not_after >= $2 AND e.kind <> 'released'
                       AND NOT EXISTS (SELECT 1 FROM revocation_event d
                           WHERE d.issuer_id = e.issuer_id AND d.serial = e.serial
                             AND d.seq > e.seq)
                     ORDER BY e.serial")
                .bind(issuer_id)
                .bind(unexpired_since),
            )
            .await?,
    )
}

/// The latest event of each certificate that changed after edition `base` and up to `number`, by
/// serial number.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn events_since(
    queries: &mut impl Queries,
    issuer_id: &str,
    base: i64,
    number: i64,
) -> Result<Vec<ListedEvent>, StoreError> {
    events(
        queries
            .fetch_all(
                sql("SELECT e.serial, e.kind, e.reason, e.at, e.invalidity_at, e.not_after
                     FROM revocation_event e
                     WHERE e.issuer_id = $1
                       AND e.serial IN (SELECT c.serial FROM crl_change c
                           WHERE c.issuer_id = $1 AND c.edition > $2 AND c.edition <= $3)
                       AND NOT EXISTS (SELECT 1 FROM revocation_event d
                           WHERE d.issuer_id = e.issuer_id AND d.serial = e.serial
                             AND d.seq > e.seq)
                     ORDER BY e.serial")
                .bind(issuer_id)
                .bind(base)
                .bind(number),
            )
            .await?,
    )
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
                .bind(attempt),
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
            if !add_edition(tx, issuer_id, number, at).await? {
                return Ok(false);
            }
            tx.execute(
                sql("UPDATE crl_change SET edition = $3
                     WHERE issuer_id = $1 AND edition IS NULL AND claimed_by = $2")
                .bind(issuer_id)
                .bind(attempt)
                .bind(number),
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
        housekeeping!(self, |tx| add_edition(tx, issuer_id, number, at).await?)
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
                .bind(keep_complete_until),
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
                .bind(before),
            )
            .await?;
            tx.execute(
                sql("DELETE FROM crl_change
                     WHERE issuer_id = $1 AND edition <= (SELECT MIN(l.number) FROM crl_list l
                         WHERE l.issuer_id = $1 AND l.scope = 'complete')")
                .bind(issuer_id),
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
    if !add_edition(tx, issuer_id, crl.number, crl.this_update).await? {
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

async fn add_edition(
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

/// How long a list that a newer one replaced can still be fetched to its end.
pub const KEPT_FOR_READERS: Duration = Duration::minutes(15);
