//! What the authority signed, and what it was about to sign.
//!
//! Three facts, each durable before the next step of an issuance may begin: the serial number is
//! reserved, the intention is written, the certificate is kept. A crash between two of them leaves
//! knowledge of every certificate that might exist. Rows are only ever added; [`crate::issuing`]
//! adds them.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError,
    moment::{digest, moment},
    revocation::{Status, StatusRow},
    sql,
};

/// What is about to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Intention<'a> {
    /// Name of the issuing authority.
    pub issuer_id: &'a str,
    /// Serial number, big-endian, as in the certificate.
    pub serial: &'a [u8],
    /// Name of the certificate profile.
    pub profile: &'a str,
    /// The `TBSCertificate`, DER.
    pub tbs_der: &'a [u8],
    /// Facility that the certificate names, if it names one.
    pub organisation_id: Option<&'a str>,
    /// Terminal that the certificate names, if it names one.
    pub terminal_id: Option<&'a str>,
}

/// A signed certificate to be kept. Subject and profile stand in its intention.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// Name of the issuing authority.
    pub issuer_id: &'a str,
    /// Serial number.
    pub serial: &'a [u8],
    /// SHA-256 of the DER.
    pub fingerprint: &'a [u8; 32],
    /// SHA-256 of the subject's `SubjectPublicKeyInfo`.
    pub spki_sha256: &'a [u8; 32],
    /// First moment of validity.
    pub not_before: OffsetDateTime,
    /// Last moment of validity.
    pub not_after: OffsetDateTime,
    /// The certificate, DER.
    pub der: &'a [u8],
}

/// A certificate that we issued, as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Name of the issuing authority.
    pub issuer_id: String,
    /// Serial number.
    pub serial: Vec<u8>,
    /// SHA-256 of the DER.
    pub fingerprint: [u8; 32],
    /// SHA-256 of the subject's `SubjectPublicKeyInfo`.
    pub spki_sha256: [u8; 32],
    /// Name of the certificate profile.
    pub profile: String,
    /// Facility that it names.
    pub organisation_id: Option<String>,
    /// Terminal that it names.
    pub terminal_id: Option<String>,
    /// First moment of validity.
    pub not_before: OffsetDateTime,
    /// Last moment of validity.
    pub not_after: OffsetDateTime,
    /// When it was signed.
    pub issued_at: OffsetDateTime,
    /// The certificate, DER.
    pub der: Vec<u8>,
    /// Whether it was taken back.
    pub status: Status,
}

#[derive(serde::Deserialize)]
struct Row {
    issuer_id: String,
    serial: Vec<u8>,
    fingerprint: Vec<u8>,
    spki_sha256: Vec<u8>,
    profile: String,
    organisation_id: Option<String>,
    terminal_id: Option<String>,
    not_before: i64,
    not_after: i64,
    issued_at: i64,
    der: Vec<u8>,
    event_kind: Option<String>,
    event_reason: Option<i64>,
    event_at: Option<i64>,
}

impl Row {
    fn into_certificate(self) -> Result<Certificate, StoreError> {
        let status = StatusRow {
            event_kind: self.event_kind,
            event_reason: self.event_reason,
            event_at: self.event_at,
        };
        Ok(Certificate {
            issuer_id: self.issuer_id,
            serial: self.serial,
            fingerprint: digest("certificate fingerprint", self.fingerprint)?,
            spki_sha256: digest("key fingerprint", self.spki_sha256)?,
            profile: self.profile,
            organisation_id: self.organisation_id,
            terminal_id: self.terminal_id,
            not_before: moment("certificate", self.not_before)?,
            not_after: moment("certificate", self.not_after)?,
            issued_at: moment("certificate", self.issued_at)?,
            der: self.der,
            status: status.into_status()?,
        })
    }
}

/// The columns of [`Row`] with the latest event, which is the status. `concat!` keeps the
/// statements constants.
macro_rules! select_certificate {
    ($condition:literal) => {
        concat!(
            "SELECT c.issuer_id, c.serial, c.fingerprint, c.spki_sha256, c.profile,
                    c.organisation_id, c.terminal_id, c.not_before, c.not_after, c.issued_at, c.der,
                    e.kind AS event_kind, e.reason AS event_reason, e.at AS event_at
             FROM certificate c
             LEFT JOIN revocation_event e ON e.issuer_id = c.issuer_id AND e.serial = c.serial
                 AND e.seq = (SELECT MAX(d.seq) FROM revocation_event d
                              WHERE d.issuer_id = c.issuer_id AND d.serial = c.serial)
             WHERE ",
            $condition
        )
    };
}

async fn one(
    queries: &mut impl Queries,
    statement: crate::Statement,
) -> Result<Option<Certificate>, StoreError> {
    let row: Option<Row> = queries.fetch_optional(statement).await?;
    row.map(Row::into_certificate).transpose()
}

async fn many(
    queries: &mut impl Queries,
    statement: crate::Statement,
) -> Result<Vec<Certificate>, StoreError> {
    let rows: Vec<Row> = queries.fetch_all(statement).await?;
    rows.into_iter().map(Row::into_certificate).collect()
}

/// The certificate of this issuer and serial number, if it was issued.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(
    queries: &mut impl Queries,
    issuer_id: &str,
    serial: &[u8],
) -> Result<Option<Certificate>, StoreError> {
    one(
        queries,
        sql(select_certificate!("c.issuer_id = $1 AND c.serial = $2")).bind(issuer_id).bind(serial),
    )
    .await
}

/// The certificate whose DER has this SHA-256 (`x5t#S256`), if we issued it.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find_by_fingerprint(
    queries: &mut impl Queries,
    fingerprint: &[u8; 32],
) -> Result<Option<Certificate>, StoreError> {
    one(queries, sql(select_certificate!("c.fingerprint = $1")).bind(fingerprint)).await
}

/// Every certificate of a terminal, newest first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_terminal(
    queries: &mut impl Queries,
    terminal_id: &str,
) -> Result<Vec<Certificate>, StoreError> {
    many(
        queries,
        sql(select_certificate!("c.terminal_id = $1 ORDER BY c.issued_at DESC, c.serial"))
            .bind(terminal_id),
    )
    .await
}

/// Every certificate for a public key, newest first. At most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_key(
    queries: &mut impl Queries,
    spki_sha256: &[u8; 32],
    limit: i64,
) -> Result<Vec<Certificate>, StoreError> {
    many(
        queries,
        sql(select_certificate!("c.spki_sha256 = $1 ORDER BY c.issued_at DESC, c.serial LIMIT $2"))
            .bind(spki_sha256)
            .bind(limit),
    )
    .await
}

/// How many certificates of an issuer are in force or on hold, and until when the last of them is;
/// `None` where there are none. Those of its own OCSP responder don't count: they speak of the others. Of a revoked
/// issuer none are.
/// Reads every certificate of the issuer: for a decision of years, not for a page.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn living(
    queries: &mut impl Queries,
    issuer_id: &str,
    at: OffsetDateTime,
) -> Result<Option<(u64, OffsetDateTime)>, StoreError> {
    let (count, last): (i64, Option<i64>) = queries
        .fetch_one(
            sql("SELECT COUNT(*), MAX(c.not_after) FROM certificate c
                 WHERE c.issuer_id = $1 AND c.not_after >= $2 AND c.profile <> 'ocsp_responder'
                 AND NOT EXISTS (SELECT 1 FROM revocation_event e
                     WHERE e.issuer_id = c.issuer_id AND e.serial = c.serial
                     AND e.kind = 'revoked')
                 AND NOT EXISTS (SELECT 1 FROM revoked_issuer r WHERE r.issuer_id = c.issuer_id)")
            .bind(issuer_id)
            .bind(at),
        )
        .await?;
    let last = last.map(|at| moment("certificate", at)).transpose()?;
    Ok(last.map(|last| (count.unsigned_abs(), last)))
}

/// Whether a certificate was ever made for a public key.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn key_is_certified(
    queries: &mut impl Queries,
    spki_sha256: &[u8; 32],
) -> Result<bool, StoreError> {
    let found: Option<(i64,)> = queries
        .fetch_optional(
            sql("SELECT c.not_after FROM certificate c WHERE c.spki_sha256 = $1 LIMIT 1")
                .bind(spki_sha256),
        )
        .await?;
    Ok(found.is_some())
}

/// Serial numbers that were to be signed and of which no certificate is kept: after a crash they
/// might exist. `before` leaves out issuances that are under way.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn unfinished(
    queries: &mut impl Queries,
    before: OffsetDateTime,
) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    queries
        .fetch_all(
            sql("SELECT i.issuer_id, i.serial FROM issuance_intention i
                 LEFT JOIN certificate c ON c.issuer_id = i.issuer_id AND c.serial = i.serial
                 WHERE c.serial IS NULL AND i.at < $1 ORDER BY i.at, i.serial")
            .bind(before),
        )
        .await
}

/// The octets that were to be signed under this serial number, if any were.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn intention(
    queries: &mut impl Queries,
    issuer_id: &str,
    serial: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    let row: Option<(Vec<u8>,)> = queries
        .fetch_optional(
            sql("SELECT tbs_der FROM issuance_intention WHERE issuer_id = $1 AND serial = $2")
                .bind(issuer_id)
                .bind(serial),
        )
        .await?;
    Ok(row.map(|(tbs_der,)| tbs_der))
}

/// Certificates that are kept and were never to be signed: there must be none.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn without_intention(
    queries: &mut impl Queries,
) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    queries
        .fetch_all(sql("SELECT c.issuer_id, c.serial FROM certificate c
             LEFT JOIN issuance_intention i ON i.issuer_id = c.issuer_id AND i.serial = c.serial
             WHERE i.serial IS NULL ORDER BY c.issuer_id, c.serial"))
        .await
}
