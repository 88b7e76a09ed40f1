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
    /// `root`, `terminals`, `routers`, `servers`; a roll-over adds a name: `terminals-2`.
    pub id: String,
    /// Its certificate.
    pub certificate_der: Vec<u8>,
    /// When it was entered.
    pub created_at: OffsetDateTime,
    /// From when it issues.
    pub active_from: OffsetDateTime,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    certificate_der: Vec<u8>,
    created_at: i64,
    active_from: i64,
}

impl Row {
    fn into_issuer(self) -> Result<Issuer, StoreError> {
        Ok(Issuer {
            id: self.id,
            certificate_der: self.certificate_der,
            created_at: moment("issuer", self.created_at)?,
            active_from: moment("issuer", self.active_from)?,
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

/// The columns of [`Row`]; issuers from before activation was announced issued at once.
macro_rules! select_issuer {
    ($rest:literal) => {
        concat!(
            "SELECT id, certificate_der, created_at, COALESCE(active_from, created_at) AS active_from
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
