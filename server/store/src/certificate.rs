//! What the authority signed, and what it was about to sign.
//!
//! Three facts, each durable before the next step of an issuance may begin: the serial number is
//! reserved, the intention is written, the certificate is kept. A crash between two of them leaves
//! knowledge of every certificate that might exist. Rows are only ever added.

use async_trait::async_trait;
use sekisho_ca::record::{self, IssuedCertificate, Record, RecordError};
use sekisho_pki::encoding::serial::Serial;
use time::OffsetDateTime;

use crate::{
    Attempts, Queries, Store, StoreError,
    audit::{Actor, Audited, Entry},
    moment::{digest, moment},
    revocation::{Status, StatusRow},
    sql, transaction,
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

#[derive(sqlx::FromRow)]
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

/// The columns of [`Row`] with the event that decides the status: a revocation is final, otherwise
/// the latest event counts. `concat!` keeps the statements constants.
macro_rules! select_certificate {
    ($condition:literal) => {
        concat!(
            "SELECT c.issuer_id, c.serial, c.fingerprint, c.spki_sha256, c.profile,
                    c.organisation_id, c.terminal_id, c.not_before, c.not_after, c.issued_at, c.der,
                    e.kind AS event_kind, e.reason AS event_reason, e.at AS event_at
             FROM certificate c
             LEFT JOIN revocation_event e ON e.id =
                 (SELECT d.id FROM revocation_event d
                  WHERE d.issuer_id = c.issuer_id AND d.serial = c.serial
                  ORDER BY CASE WHEN d.kind = 'revoked' THEN 0 ELSE 1 END, d.at DESC, d.id DESC
                  LIMIT 1)
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

impl Store {
    /// Sets a serial number aside, for ever. No record of its own: it decides nothing yet.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`]: reserved before; draw another one.
    pub async fn reserve_serial(
        &self,
        issuer_id: &str,
        serial: &[u8],
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut attempts = Attempts::new();
        loop {
            match self.reserve_once(issuer_id, serial, at).await {
                Err(StoreError::Conflict(_)) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn reserve_once(
        &self,
        issuer_id: &str,
        serial: &[u8],
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        tx.execute(
            sql("INSERT INTO serial_number (issuer_id, serial, reserved_at) VALUES ($1, $2, $3)")
                .bind(issuer_id)
                .bind(serial)
                .bind(at),
        )
        .await?;
        tx.finish().await
    }

    /// Writes down what is about to be signed.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`]: something was to be signed under this serial number before.
    /// [`StoreError::Unavailable`] also when the serial number was not reserved.
    pub async fn record_intention(
        &self,
        intention: Intention<'_>,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        transaction!(self, StoreError, |tx| {
            tx.execute(
                sql("INSERT INTO issuance_intention
                         (issuer_id, serial, profile, tbs_der, organisation_id, terminal_id, at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7)")
                .bind(intention.issuer_id)
                .bind(intention.serial)
                .bind(intention.profile)
                .bind(intention.tbs_der)
                .bind(intention.organisation_id)
                .bind(intention.terminal_id)
                .bind(at),
            )
            .await?;
            Ok(Audited::new(
                (),
                entry(
                    "certificate.intend",
                    intention.issuer_id,
                    intention.serial,
                    intention.profile,
                    (intention.organisation_id, intention.terminal_id),
                    at,
                ),
            ))
        })
    }

    /// Keeps a certificate that was signed.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`]: a certificate of this serial number is kept.
    /// [`StoreError::Corrupt`]: nothing was to be signed under this serial number.
    pub async fn record_certificate(
        &self,
        signed: Signed<'_>,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        transaction!(self, StoreError, |tx| {
            let intention: Option<(String, Option<String>, Option<String>)> = tx
                .fetch_optional(
                    sql("SELECT profile, organisation_id, terminal_id FROM issuance_intention
                         WHERE issuer_id = $1 AND serial = $2")
                    .bind(signed.issuer_id)
                    .bind(signed.serial),
                )
                .await?;
            let Some((profile, organisation_id, terminal_id)) = intention else {
                return Err(StoreError::Corrupt {
                    what: "issuance",
                    detail: format!(
                        "no intention for serial number {} of {}",
                        hex::encode(signed.serial),
                        signed.issuer_id
                    ),
                });
            };
            tx.execute(
                sql(
                    "INSERT INTO certificate (issuer_id, serial, fingerprint, spki_sha256, profile,
                         organisation_id, terminal_id, not_before, not_after, issued_at, der)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                )
                .bind(signed.issuer_id)
                .bind(signed.serial)
                .bind(signed.fingerprint)
                .bind(signed.spki_sha256)
                .bind(&profile)
                .bind(organisation_id.as_deref())
                .bind(terminal_id.as_deref())
                .bind(signed.not_before)
                .bind(signed.not_after)
                .bind(at)
                .bind(signed.der),
            )
            .await?;
            let entry = entry(
                "certificate.issue",
                signed.issuer_id,
                signed.serial,
                &profile,
                (organisation_id.as_deref(), terminal_id.as_deref()),
                at,
            );
            Ok(Audited::new((), entry.fact("certificate_sha256", hex::encode(signed.fingerprint))))
        })
    }
}

#[async_trait]
impl Record for Store {
    async fn reserve_serial(
        &self,
        issuer_id: &str,
        serial: &Serial,
        at: OffsetDateTime,
    ) -> Result<(), RecordError> {
        Self::reserve_serial(self, issuer_id, serial.as_octets(), at).await.map_err(|error| {
            match error {
                StoreError::AlreadyExists { .. } => RecordError::SerialTaken {
                    issuer_id: issuer_id.to_owned(),
                    serial: serial.clone(),
                },
                other => unavailable(other),
            }
        })
    }

    async fn record_intention(&self, intention: &record::Intention) -> Result<(), RecordError> {
        let kept = Intention {
            issuer_id: &intention.issuer_id,
            serial: intention.serial.as_octets(),
            profile: &intention.profile,
            tbs_der: &intention.tbs_der,
            organisation_id: intention.subscriber.organisation_id.as_deref(),
            terminal_id: intention.subscriber.terminal_id.as_deref(),
        };
        Self::record_intention(self, kept, intention.at).await.map_err(unavailable)
    }

    async fn record_certificate(&self, certificate: &IssuedCertificate) -> Result<(), RecordError> {
        let kept = Signed {
            issuer_id: &certificate.issuer_id,
            serial: certificate.serial.as_octets(),
            fingerprint: &certificate.fingerprint,
            spki_sha256: &certificate.public_key_sha256,
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            der: &certificate.der,
        };
        Self::record_certificate(self, kept, certificate.issued_at).await.map_err(unavailable)
    }
}

fn unavailable(error: StoreError) -> RecordError {
    RecordError::Unavailable(Box::new(error))
}

fn entry(
    act: &'static str,
    issuer_id: &str,
    serial: &[u8],
    profile: &str,
    (organisation_id, terminal_id): (Option<&str>, Option<&str>),
    at: OffsetDateTime,
) -> Entry {
    let mut entry = Entry::done(act, Actor::System, at)
        .on("certificate", format!("{issuer_id}:{}", hex::encode(serial)))
        .fact("profile", profile);
    if let Some(id) = organisation_id {
        entry = entry.at_organisation(id);
    }
    if let Some(id) = terminal_id {
        entry = entry.on("terminal", id);
    }
    entry
}
