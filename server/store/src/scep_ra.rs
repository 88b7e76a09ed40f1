//! Keys and certificates of the registration authorities of the doors for SCEP and CMP, the private half
//! sealed by the caller.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    moment::{digest, moment},
    sql,
};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScepRa {
    /// Whose: `scep` or `cmp`.
    pub door: String,
    /// SHA-256 of the certificate.
    pub certificate_sha256: [u8; 32],
    /// The authority that issued it.
    pub issuer_id: String,
    /// The certificate.
    pub certificate_der: Vec<u8>,
    /// The private half, sealed.
    pub sealed_key: Vec<u8>,
    /// When it was made.
    pub made_at: OffsetDateTime,
    /// When it ends.
    pub not_after: OffsetDateTime,
}

type Row = (Vec<u8>, String, Vec<u8>, Vec<u8>, i64, i64);

/// A door's that have not ended at `now`, newest first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn in_force(
    queries: &mut impl Queries,
    door: &str,
    now: OffsetDateTime,
) -> Result<Vec<ScepRa>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql("SELECT certificate_sha256, issuer_id, certificate_der, sealed_key, made_at, not_after
                 FROM scep_ra WHERE door = $1 AND not_after >= $2 ORDER BY made_at DESC, certificate_sha256")
            .bind(door)
            .bind(now),
        )
        .await?;
    let at = |value| moment("SCEP registration authority", value);
    let read = |(sha256, issuer_id, certificate_der, sealed_key, made, ends): Row| {
        Ok(ScepRa {
            door: door.to_owned(),
            certificate_sha256: digest("SCEP registration authority", sha256)?,
            issuer_id,
            certificate_der,
            sealed_key,
            made_at: at(made)?,
            not_after: at(ends)?,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Enters one.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: its certificate is there.
pub async fn add(tx: &mut Tx, ra: &ScepRa) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO scep_ra
                 (certificate_sha256, issuer_id, certificate_der, sealed_key, made_at, not_after, door)
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(ra.certificate_sha256)
        .bind(&ra.issuer_id)
        .bind(&ra.certificate_der)
        .bind(&ra.sealed_key)
        .bind(ra.made_at)
        .bind(ra.not_after)
        .bind(&ra.door),
    )
    .await?;
    Ok(())
}
