//! My Number cards that people linked to who they are by HPKI card.
//!
//! A link knows the card by a keyed hash of its certificate's serial number, which stands nowhere, and
//! the certificate neither. The HPKI certificate of the login in which it was made vouches for the
//! person's profession, as long as it is valid itself.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    moment::{digest, moment},
    sql,
    voucher::Voucher,
};

/// A link to be made.
#[derive(Clone, Debug)]
pub struct NewLink<'a> {
    /// Whose.
    pub person_id: &'a str,
    /// Keyed hash of the issuer's key and the certificate's serial number.
    pub serial_hash: &'a [u8; 32],
    /// SHA-256 of the certificate.
    pub fingerprint: &'a [u8; 32],
    /// Its public key, the bits of the subjectPublicKey: what the card signed stays verifiable.
    pub public_key: &'a [u8],
    /// End of its validity.
    pub not_after: OffsetDateTime,
    /// SHA-256 of the HPKI certificate that vouches.
    pub voucher_fingerprint: &'a [u8; 32],
    /// What that card signed in the session of the link, [`crate::evidence`].
    pub voucher_evidence_id: &'a str,
    /// What the My Number card signed in it, [`crate::evidence`].
    pub evidence_id: &'a str,
    /// When.
    pub at: OffsetDateTime,
}

/// A link that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// UUIDv7.
    pub id: String,
    /// Whose.
    pub person_id: String,
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
    /// End of its validity.
    pub not_after: OffsetDateTime,
    /// When it was made.
    pub linked_at: OffsetDateTime,
    /// The HPKI card whose certificate vouches.
    pub voucher: Voucher,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    person_id: String,
    fingerprint: Vec<u8>,
    not_after: i64,
    linked_at: i64,
    voucher_der: Vec<u8>,
    voucher_not_after: i64,
    issuer_hash: Vec<u8>,
    serial_number: String,
    world: String,
}

impl Row {
    fn into_link(self) -> Result<Link, StoreError> {
        Ok(Link {
            id: self.id,
            person_id: self.person_id,
            fingerprint: digest("card fingerprint", self.fingerprint)?,
            not_after: moment("JPKI link", self.not_after)?,
            linked_at: moment("JPKI link", self.linked_at)?,
            voucher: Voucher::of_columns(
                self.voucher_der,
                self.voucher_not_after,
                self.issuer_hash,
                self.serial_number,
                &self.world,
            )?,
        })
    }
}

/// Live links with what vouches for them, of which `condition` holds.
macro_rules! links_where {
    ($condition:literal) => {
        sql(concat!(
            "SELECT l.id, l.person_id, l.fingerprint, l.not_after, l.linked_at,
                    c.der AS voucher_der, c.not_after AS voucher_not_after, i.issuer_hash, i.serial_number,
                    i.world
             FROM jpki_link l
             JOIN card_certificate c ON c.fingerprint = l.voucher_fingerprint
             JOIN card_identity i ON i.id = c.card_identity_id
             WHERE l.ended_at IS NULL AND ",
            $condition
        ))
    };
}

/// The link of a certificate, by the keyed hash of its serial number.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_serial(
    queries: &mut impl Queries,
    serial_hash: &[u8; 32],
) -> Result<Option<Link>, StoreError> {
    let row: Option<Row> =
        queries.fetch_optional(links_where!("l.serial_hash = $1").bind(serial_hash)).await?;
    row.map(Row::into_link).transpose()
}

/// The link of a person.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_person(
    queries: &mut impl Queries,
    person_id: &str,
) -> Result<Option<Link>, StoreError> {
    let row: Option<Row> =
        queries.fetch_optional(links_where!("l.person_id = $1").bind(person_id)).await?;
    row.map(Row::into_link).transpose()
}

/// The link by which a login was proved; `None` where it has ended, and where another card proved it.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_evidence(
    queries: &mut impl Queries,
    evidence_id: &str,
) -> Result<Option<Link>, StoreError> {
    let link = links_where!(
        "l.fingerprint = (SELECT e.card_fingerprint FROM login_evidence e WHERE e.id = $1)"
    );
    let row: Option<Row> = queries.fetch_optional(link.bind(evidence_id)).await?;
    row.map(Row::into_link).transpose()
}

/// Makes a link; answers its identifier.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the certificate is linked, to this person or another, or the person
/// has a link.
pub async fn make(tx: &mut Tx, link: &NewLink<'_>) -> Result<String, StoreError> {
    let id = Uuid::now_v7().to_string();
    tx.execute(
        sql(
            "INSERT INTO jpki_link (id, person_id, serial_hash, fingerprint, public_key, not_after,
                 voucher_fingerprint, voucher_evidence_id, evidence_id, linked_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(&id)
        .bind(link.person_id)
        .bind(link.serial_hash)
        .bind(link.fingerprint)
        .bind(link.public_key)
        .bind(link.not_after)
        .bind(link.voucher_fingerprint)
        .bind(link.voucher_evidence_id)
        .bind(link.evidence_id)
        .bind(link.at),
    )
    .await?;
    Ok(id)
}

/// Ends the link of a person and erases by what the certificate would be known again; answers its
/// identifier, `None` where there is none.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end(
    tx: &mut Tx,
    person_id: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = tx
        .fetch_optional(
            sql("UPDATE jpki_link SET ended_at = $2, end_reason = $3, serial_hash = NULL
                 WHERE person_id = $1 AND ended_at IS NULL RETURNING id")
            .bind(person_id)
            .bind(at)
            .bind(reason),
        )
        .await?;
    Ok(row.map(|(id,)| id))
}

/// The public key of a certificate that was ever linked, for whoever verifies a login's evidence again.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn public_key(
    queries: &mut impl Queries,
    fingerprint: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    let row: Option<(Vec<u8>,)> = queries
        .fetch_optional(
            sql("SELECT public_key FROM jpki_link WHERE fingerprint = $1 LIMIT 1")
                .bind(fingerprint),
        )
        .await?;
    Ok(row.map(|(key,)| key))
}
