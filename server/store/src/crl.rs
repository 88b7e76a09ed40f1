//! Certificate revocation lists as published, and their numbers, which never go back.

use time::OffsetDateTime;

use crate::{Attempts, Queries, Store, StoreError, Tx, moment::moment, sql};

/// A CRL as published.
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

/// The number that the issuer's next CRL gets: one more than any before, from 1.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn next_number(queries: &mut impl Queries, issuer_id: &str) -> Result<i64, StoreError> {
    let (last,): (i64,) = queries
        .fetch_one(
            sql("SELECT COALESCE(MAX(number), 0) FROM crl WHERE issuer_id = $1").bind(issuer_id),
        )
        .await?;
    Ok(last + 1)
}

/// The issuer's newest CRL.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn latest(
    queries: &mut impl Queries,
    issuer_id: &str,
) -> Result<Option<Crl>, StoreError> {
    let row: Option<(i64, i64, i64, Vec<u8>)> = queries
        .fetch_optional(
            sql("SELECT number, this_update, next_update, der FROM crl
                 WHERE issuer_id = $1 ORDER BY number DESC LIMIT 1")
            .bind(issuer_id),
        )
        .await?;
    row.map(|(number, this_update, next_update, der)| {
        Ok(Crl {
            number,
            this_update: moment("CRL", this_update)?,
            next_update: moment("CRL", next_update)?,
            der,
        })
    })
    .transpose()
}

/// Publishes a CRL whose number is greater than each before; answers whether it did.
///
/// `false`: a publisher that ran at the same time was faster, and its list is at least as new as
/// its number says; the caller builds anew from what the database now holds.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn publish(tx: &mut Tx, issuer_id: &str, crl: &Crl) -> Result<bool, StoreError> {
    let added = tx
        .execute(
            sql("INSERT INTO crl (issuer_id, number, this_update, next_update, der)
                 SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS BIGINT),
                        CAST($4 AS BIGINT), $5
                 WHERE NOT EXISTS
                     (SELECT 1 FROM crl WHERE issuer_id = $1 AND number >= $2)
                 ON CONFLICT DO NOTHING")
            .bind(issuer_id)
            .bind(crl.number)
            .bind(crl.this_update)
            .bind(crl.next_update)
            .bind(&crl.der),
        )
        .await?;
    Ok(added == 1)
}

impl Store {
    /// Publishes a CRL outside any decision: the regular one, which takes nothing back by itself.
    ///
    /// # Errors
    /// As [`publish`].
    pub async fn publish_crl(&self, issuer_id: &str, crl: &Crl) -> Result<bool, StoreError> {
        let mut attempts = Attempts::new();
        loop {
            match self.publish_once(issuer_id, crl).await {
                Err(StoreError::Conflict(_)) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn publish_once(&self, issuer_id: &str, crl: &Crl) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let published = publish(&mut tx, issuer_id, crl).await?;
        tx.finish().await?;
        Ok(published)
    }
}
