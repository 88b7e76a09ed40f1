//! The authority's own certificates: whose signature stands on what was issued.

use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    audit::{Actor, Entry},
    moment::moment,
    sql,
};

/// A certification authority of this instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// `root`, `terminals`, `routers`, `servers`; a roll-over adds a name: `terminals-2`, `root-2`.
    pub id: String,
    /// Its certificate.
    pub certificate_der: Vec<u8>,
    /// When it was entered.
    pub created_at: OffsetDateTime,
    /// From when it issues; of a root: from when it is the one that is told to new terminals.
    pub active_from: OffsetDateTime,
    /// Since when it is no trust anchor any more; roots only.
    pub ended_at: Option<OffsetDateTime>,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    certificate_der: Vec<u8>,
    created_at: i64,
    active_from: i64,
    ended_at: Option<i64>,
}

impl Row {
    fn into_issuer(self) -> Result<Issuer, StoreError> {
        Ok(Issuer {
            id: self.id,
            certificate_der: self.certificate_der,
            created_at: moment("issuer", self.created_at)?,
            active_from: moment("issuer", self.active_from)?,
            ended_at: self.ended_at.map(|at| moment("issuer", at)).transpose()?,
        })
    }
}

/// Enters an authority and answers the record that must be committed with it.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the name is taken; an authority's certificate is never replaced.
pub async fn add(
    tx: &mut Tx,
    id: &str,
    certificate_der: &[u8],
    active_from: OffsetDateTime,
    actor: Actor,
    at: OffsetDateTime,
) -> Result<Entry, StoreError> {
    tx.execute(
        sql("INSERT INTO issuer (id, certificate_der, created_at, active_from)
             VALUES ($1, $2, $3, $4)")
        .bind(id)
        .bind(certificate_der)
        .bind(at)
        .bind(active_from),
    )
    .await?;
    Ok(Entry::done("issuer.add", actor, at)
        .on("issuer", id)
        .fact("active_from", active_from.unix_timestamp())
        .fact("certificate_sha256", hex::encode(Sha256::digest(certificate_der))))
}

/// Ends a root: it is no trust anchor any more. Answers the record that must be committed with it, or
/// `None` where it had ended, or there is no such authority.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn end(
    tx: &mut Tx,
    id: &str,
    actor: Actor,
    at: OffsetDateTime,
) -> Result<Option<Entry>, StoreError> {
    let ended = sql("UPDATE issuer SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL");
    let changed = tx.execute(ended.bind(id).bind(at)).await?;
    Ok((changed == 1).then(|| Entry::done("issuer.end", actor, at).on("issuer", id)))
}

/// The columns of [`Row`]; issuers from before activation was announced issued at once.
macro_rules! select_issuer {
    ($rest:literal) => {
        concat!(
            "SELECT id, certificate_der, created_at, COALESCE(active_from, created_at) AS active_from,
                    ended_at
             FROM issuer ",
            $rest
        )
    };
}

/// The authority of this name.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(queries: &mut impl Queries, id: &str) -> Result<Option<Issuer>, StoreError> {
    let row: Option<Row> =
        queries.fetch_optional(sql(select_issuer!("WHERE id = $1")).bind(id)).await?;
    row.map(Row::into_issuer).transpose()
}

/// Every authority, by name.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn list(queries: &mut impl Queries) -> Result<Vec<Issuer>, StoreError> {
    let rows: Vec<Row> = queries.fetch_all(sql(select_issuer!("ORDER BY id"))).await?;
    rows.into_iter().map(Row::into_issuer).collect()
}
