//! What an authority of another system had issued before it was taken over: never ours to intend, and
//! from now on ours to answer for.

use std::collections::BTreeMap;

use sekisho_ca::record::IssuedCertificate;
use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, db::sql_rows, sql};

/// Rows of one statement: the widest has ten columns, and a database takes some 30,000 values.
const ROWS: usize = 500;

/// SHA-256 of each certificate that is kept of this issuer, by serial number.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn known(
    queries: &mut impl Queries,
    issuer_id: &str,
) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
    let rows: Vec<(Vec<u8>, Vec<u8>)> = queries
        .fetch_all(
            sql("SELECT serial, fingerprint FROM certificate WHERE issuer_id = $1").bind(issuer_id),
        )
        .await?;
    Ok(rows.into_iter().collect())
}

/// Keeps certificates with their serial numbers, which nobody gets again. The caller's record tells of
/// them: there may be a hundred thousand, and none of them was decided here.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: a serial number or a certificate is kept already.
/// [`StoreError::Unavailable`] also when there is no such issuer. [`StoreError::Corrupt`]: one is no
/// certificate.
pub async fn take(
    tx: &mut Tx,
    certificates: &[&IssuedCertificate],
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    for certificates in certificates.chunks(ROWS) {
        let rows = certificates.len();
        let mut serials = sql_rows(
            "INSERT INTO serial_number (issuer_id, serial, reserved_at) VALUES ",
            rows,
            3,
            "",
        );
        let mut intentions = sql_rows(
            "INSERT INTO issuance_intention (issuer_id, serial, profile, tbs_der, at) VALUES ",
            rows,
            5,
            "",
        );
        let mut kept = sql_rows(
            "INSERT INTO certificate (issuer_id, serial, fingerprint, spki_sha256, profile,
                 not_before, not_after, issued_at, der) VALUES ",
            rows,
            9,
            "",
        );
        for one in certificates {
            let serial = one.serial.as_octets();
            let tbs_der = one.intention().map_err(|error| StoreError::Corrupt {
                what: "certificate",
                detail: error.to_string(),
            })?;
            serials = serials.bind(&one.issuer_id).bind(serial).bind(at);
            intentions = intentions
                .bind(&one.issuer_id)
                .bind(serial)
                .bind(&one.profile)
                .bind(tbs_der.tbs_der)
                .bind(at);
            kept = kept
                .bind(&one.issuer_id)
                .bind(serial)
                .bind(one.fingerprint)
                .bind(one.public_key_sha256)
                .bind(&one.profile)
                .bind(one.not_before)
                .bind(one.not_after)
                .bind(one.issued_at)
                .bind(&one.der);
        }
        for statement in [serials, intentions, kept] {
            tx.execute(statement).await?;
        }
    }
    Ok(())
}
