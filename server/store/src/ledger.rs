//! The record as the signing process reads it: what was to be signed, and how far lists have come.

use async_trait::async_trait;
use sekisho_ca::{
    oversight::{Editions, Ledger, OnRecord},
    record::RecordError,
};
use sekisho_pki::encoding::serial::Serial;

use crate::{Queries, Store, StoreError, moment::moment, sql};

#[derive(serde::Deserialize)]
struct IntentionRow {
    profile: String,
    tbs_der: Vec<u8>,
    at: i64,
    certificates: i64,
    revocations_of_issuer: i64,
}

/// What is on record about a serial number, in one statement, so that its parts are of one moment.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn intention(
    queries: &mut impl Queries,
    issuer_id: &str,
    serial: &[u8],
) -> Result<Option<OnRecord>, StoreError> {
    let row: Option<IntentionRow> = queries
        .fetch_optional(
            sql("SELECT i.profile, i.tbs_der, i.at,
                        (SELECT COUNT(*) FROM certificate c
                         WHERE c.issuer_id = i.issuer_id AND c.serial = i.serial) AS certificates,
                        (SELECT COUNT(*) FROM revoked_issuer r
                         WHERE r.issuer_id = i.issuer_id) AS revocations_of_issuer
                 FROM issuance_intention i WHERE i.issuer_id = $1 AND i.serial = $2")
            .bind(issuer_id)
            .bind(serial),
        )
        .await?;
    row.map(|row| {
        Ok(OnRecord {
            profile: row.profile,
            tbs_der: row.tbs_der,
            at: moment("intention", row.at)?,
            is_issued: row.certificates > 0,
            issuer_is_revoked: row.revocations_of_issuer > 0,
        })
    })
    .transpose()
}

/// Whether edition `number` of the issuer's lists was opened, and the newest that has a list.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn editions(
    queries: &mut impl Queries,
    issuer_id: &str,
    number: u64,
) -> Result<Editions, StoreError> {
    // What does not fit into the column was never opened.
    let number = i64::try_from(number).unwrap_or(-1);
    let (opened, newest): (i64, Option<i64>) = queries
        .fetch_one(
            sql("SELECT (SELECT COUNT(*) FROM crl_edition
                         WHERE issuer_id = $1 AND number = $2),
                        (SELECT MAX(number) FROM crl_list WHERE issuer_id = $1)")
            .bind(issuer_id)
            .bind(number),
        )
        .await?;
    let newest_published = newest
        .map(|number| {
            u64::try_from(number).map_err(|_| StoreError::Corrupt {
                what: "CRL",
                detail: format!("number {number}"),
            })
        })
        .transpose()?;
    Ok(Editions { is_open: opened > 0, newest_published })
}

#[async_trait]
impl Ledger for Store {
    async fn intention(
        &self,
        issuer_id: &str,
        serial: &Serial,
    ) -> Result<Option<OnRecord>, RecordError> {
        intention(&mut self.read(), issuer_id, serial.as_octets()).await.map_err(unavailable)
    }

    async fn editions(&self, issuer_id: &str, number: u64) -> Result<Editions, RecordError> {
        editions(&mut self.read(), issuer_id, number).await.map_err(unavailable)
    }
}

fn unavailable(error: StoreError) -> RecordError {
    RecordError::Unavailable(Box::new(error))
}
