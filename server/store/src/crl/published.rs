//! Reading published lists and the chunks that they are made of.

use time::OffsetDateTime;

use super::{COMPLETE, Crl, Published};
use crate::{Queries, StoreError, moment::moment, sql};

#[derive(serde::Deserialize)]
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
