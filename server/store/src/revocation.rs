//! Taking certificates back, and what CRL and OCSP have to say about it.
//!
//! Events are only ever added; the latest of a certificate is its status. They are counted, not
//! ordered by time: the clocks of two processes may differ, and a hold that follows a release must
//! stand whatever they say. A revocation is final, a hold ends with a release (RFC 5280 §5.3.1).

use sekisho_ca::revocation::RevocationKind;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx, moment::moment, replacement::of_new_pc, revocation_watch::Changed,
    sql, terminal_hold::on_hold,
};

/// Whether a certificate was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Issued and not taken back. It may have expired.
    Good,
    /// Taken back, or on hold while `reason` is certificateHold (6).
    Revoked {
        /// CRLReason (RFC 5280 §5.3.1).
        reason: u8,
        /// Since when.
        at: OffsetDateTime,
    },
}

impl Status {
    /// Taken back for now.
    #[must_use]
    pub const fn is_hold(self) -> bool {
        matches!(self, Self::Revoked { reason: CERTIFICATE_HOLD, .. })
    }

    /// Taken back for ever.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Revoked { .. }) && !self.is_hold()
    }
}

/// keyCompromise of CRLReason (RFC 5280 §5.3.1).
pub const KEY_COMPROMISE: u8 = 1;
/// superseded of CRLReason (RFC 5280 §5.3.1).
pub const SUPERSEDED: u8 = 4;
/// cessationOfOperation of CRLReason (RFC 5280 §5.3.1).
pub const CESSATION_OF_OPERATION: u8 = 5;
/// certificateHold of CRLReason (RFC 5280 §5.3.1).
pub const CERTIFICATE_HOLD: u8 = 6;

/// The latest event of a certificate, if it has any.
#[derive(serde::Deserialize)]
pub(crate) struct StatusRow {
    pub(crate) event_kind: Option<String>,
    pub(crate) event_reason: Option<i64>,
    pub(crate) event_at: Option<i64>,
}

impl StatusRow {
    pub(crate) fn into_status(self) -> Result<Status, StoreError> {
        match (self.event_kind.as_deref(), self.event_reason, self.event_at) {
            (None, ..) | (Some("released"), ..) => Ok(Status::Good),
            (Some("revoked" | "held"), Some(reason), Some(at)) => Ok(Status::Revoked {
                reason: reason_code(reason)?,
                at: moment("revocation event", at)?,
            }),
            // Not knowing must never read as good.
            (Some(kind), ..) => Err(unknown_kind(kind)),
        }
    }
}

fn unknown_kind(kind: &str) -> StoreError {
    StoreError::Corrupt { what: "revocation event", detail: kind.to_owned() }
}

pub(crate) fn reason_code(stored: i64) -> Result<u8, StoreError> {
    match u8::try_from(stored) {
        // 7 is not used (RFC 5280 §5.3.1).
        Ok(code @ (0..=6 | 8..=10)) => Ok(code),
        _ => Err(StoreError::Corrupt { what: "CRLReason", detail: stored.to_string() }),
    }
}

#[derive(serde::Deserialize)]
struct StatusOfAny {
    event_kind: Option<String>,
    event_reason: Option<i64>,
    event_at: Option<i64>,
    issuer_reason: Option<i64>,
    issuer_at: Option<i64>,
}

/// Status of a certificate now, by its issuer's name and serial number. `None`: never issued.
///
/// Whatever an issuer signed that was itself taken back is revoked with it (RFC 6960 §2.7).
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`]: the status is not known.
pub async fn status(
    queries: &mut impl Queries,
    issuer_id: &str,
    serial: &[u8],
) -> Result<Option<Status>, StoreError> {
    let row: Option<StatusOfAny> = queries
        .fetch_optional(
            sql("SELECT e.kind AS event_kind, e.reason AS event_reason, e.at AS event_at,
                        i.reason AS issuer_reason, i.at AS issuer_at
                 FROM certificate c
                 LEFT JOIN revoked_issuer i ON i.issuer_id = c.issuer_id
                 LEFT JOIN revocation_event e ON e.issuer_id = c.issuer_id AND e.serial = c.serial
                 WHERE c.issuer_id = $1 AND c.serial = $2
                 ORDER BY e.seq DESC
                 LIMIT 1")
            .bind(issuer_id)
            .bind(serial),
        )
        .await?;
    row.map(|row| {
        let own = StatusRow {
            event_kind: row.event_kind,
            event_reason: row.event_reason,
            event_at: row.event_at,
        }
        .into_status()?;
        match (own, row.issuer_reason, row.issuer_at) {
            (Status::Revoked { reason, .. }, ..) if reason != CERTIFICATE_HOLD => Ok(own),
            (_, Some(reason), Some(at)) => Ok(Status::Revoked {
                reason: reason_code(reason)?,
                at: moment("issuer's revocation", at)?,
            }),
            _ => Ok(own),
        }
    })
    .transpose()
}

/// Which certificates a decision is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// One.
    Certificate {
        /// Name of its issuer.
        issuer_id: &'a str,
        /// Its serial number.
        serial: &'a [u8],
    },
    /// Those of the same terminal that were issued before this one, are good or on hold, and have not
    /// expired. A new PC that waits for its first login and the PC that it is to replace are not of
    /// one line: neither is older than the other.
    OlderThan {
        /// Name of its issuer.
        issuer_id: &'a str,
        /// Its serial number.
        serial: &'a [u8],
    },
    /// Every other one of the same terminal that has not expired.
    OthersThan {
        /// Name of its issuer.
        issuer_id: &'a str,
        /// Its serial number.
        serial: &'a [u8],
    },
    /// All of a terminal that have not expired.
    Terminal(&'a str),
    /// All of a facility, routers and terminals, that have not expired.
    Facility(&'a str),
    /// All for a public key, by the SHA-256 of its `SubjectPublicKeyInfo`.
    Key(&'a [u8; 32]),
    /// All of suspended facilities: whoever suspended them, and whatever was being issued meanwhile.
    SuspendedFacilities,
    /// All of active facilities: whoever let them act again.
    ActiveFacilities,
}

impl Scope<'_> {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Certificate { .. } => "certificate",
            Self::OlderThan { .. } => "older",
            Self::OthersThan { .. } => "others",
            Self::Terminal(_) => "terminal",
            Self::Facility(_) | Self::SuspendedFacilities | Self::ActiveFacilities => "facility",
            Self::Key(_) => "key",
        }
    }
}

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Act {
    /// Taken back for ever, for now, or no longer.
    pub kind: RevocationKind,
    /// CRLReason (RFC 5280 §5.3.1) of a revocation.
    pub reason: u8,
    /// Since when the key or the subject was not to be relied on (RFC 5280 §5.3.2), if known.
    pub invalidity_at: Option<OffsetDateTime>,
    /// When.
    pub at: OffsetDateTime,
}

impl Act {
    /// A revocation without an invalidity date.
    #[must_use]
    pub const fn revoke(reason: u8, at: OffsetDateTime) -> Self {
        Self { kind: RevocationKind::Revoked, reason, invalidity_at: None, at }
    }

    /// A hold.
    #[must_use]
    pub const fn hold(at: OffsetDateTime) -> Self {
        Self { kind: RevocationKind::Held, reason: CERTIFICATE_HOLD, invalidity_at: None, at }
    }

    /// The end of a hold.
    #[must_use]
    pub const fn release(at: OffsetDateTime) -> Self {
        Self { kind: RevocationKind::Released, reason: 0, invalidity_at: None, at }
    }
}

/// A certificate by its issuer's name and serial number.
pub type CertificateKey = (String, Vec<u8>);

/// Adds the events of a decision: one statement, however many certificates. `concat!` keeps the
/// statements constants. $1 act, $2 kind, $3 reason, $4 at, $5 scope, $6 invalidity date.
macro_rules! add_events {
    ($condition:expr, $($eligible:tt)+) => {
        concat!(
            "INSERT INTO revocation_event
                 (id, issuer_id, serial, chunk, seq, kind, reason, at, act, scope, invalidity_at,
                  not_after)
             SELECT CAST($1 AS TEXT) || '-'
                        || CAST(ROW_NUMBER() OVER (ORDER BY c.issuer_id, c.serial) AS TEXT),
                    c.issuer_id, c.serial, substr(hex(c.serial), 3, 2), COALESCE(e.seq, 0) + 1, CAST($2 AS TEXT),
                    CAST($3 AS BIGINT),
                    CASE WHEN e.kind = 'held' AND CAST($2 AS TEXT) <> 'released' THEN e.at
                         ELSE CAST($4 AS BIGINT) END,
                    CAST($1 AS TEXT), CAST($5 AS TEXT), CAST($6 AS BIGINT), c.not_after
             FROM certificate c
             LEFT JOIN revocation_event e ON e.issuer_id = c.issuer_id AND e.serial = c.serial
                 AND e.seq = (SELECT MAX(d.seq) FROM revocation_event d
                              WHERE d.issuer_id = c.issuer_id AND d.serial = c.serial)
             WHERE ",
            $condition,
            " AND ",
            $($eligible)+,
            " ON CONFLICT DO NOTHING"
        )
    };
}

/// The statement for a scope among those certificates whose status lets the act change something.
macro_rules! statement {
    ($scope:expr, $($eligible:tt)+) => {
        match $scope {
            Scope::Certificate { .. } => {
                add_events!("c.issuer_id = $7 AND c.serial = $8", $($eligible)+)
            }
            Scope::OlderThan { .. } => add_events!(
                concat!(
                    "c.not_after >= CAST($4 AS BIGINT) AND COALESCE(e.kind, 'released') <> 'revoked'
                 AND EXISTS (SELECT 1 FROM certificate n
                     WHERE n.issuer_id = $7 AND n.serial = $8
                       AND n.terminal_id = c.terminal_id AND n.issued_at > c.issued_at
                       AND NOT ",
                    of_new_pc!("n"),
                    ") AND NOT ",
                    of_new_pc!("c")
                ),
                $($eligible)+
            ),
            Scope::OthersThan { .. } => add_events!(
                "c.not_after >= CAST($4 AS BIGINT) AND COALESCE(e.kind, 'released') <> 'revoked'
                 AND EXISTS (SELECT 1 FROM certificate n
                     WHERE n.issuer_id = $7 AND n.serial = $8 AND n.terminal_id = c.terminal_id
                       AND (n.issuer_id <> c.issuer_id OR n.serial <> c.serial))",
                $($eligible)+
            ),
            Scope::Terminal(_) => {
                add_events!("c.terminal_id = $7 AND c.not_after >= CAST($4 AS BIGINT)", $($eligible)+)
            }
            Scope::Facility(_) => {
                add_events!(
                    "c.organisation_id = $7 AND c.not_after >= CAST($4 AS BIGINT)",
                    $($eligible)+
                )
            }
            Scope::Key(_) => add_events!("c.spki_sha256 = $7", $($eligible)+),
            Scope::SuspendedFacilities => add_events!(
                "c.organisation_id IN
                     (SELECT o.organisation_id FROM organisation_event o WHERE o.kind = 'suspended'
                        AND NOT EXISTS (SELECT 1 FROM organisation_event n
                            WHERE n.organisation_id = o.organisation_id
                              AND (n.at > o.at OR n.at = o.at AND n.id > o.id)))
                 AND c.not_after >= CAST($4 AS BIGINT)",
                $($eligible)+
            ),
            Scope::ActiveFacilities => add_events!(
                "c.organisation_id IN
                     (SELECT o.organisation_id FROM organisation_event o WHERE o.kind = 'resumed'
                        AND NOT EXISTS (SELECT 1 FROM organisation_event n
                            WHERE n.organisation_id = o.organisation_id
                              AND (n.at > o.at OR n.at = o.at AND n.id > o.id)))
                 AND c.not_after >= CAST($4 AS BIGINT)",
                $($eligible)+
            ),
        }
    };
}

/// Carries out a decision about every certificate in scope whose status it changes, and answers
/// which those were. Doing it twice changes nothing the second time.
///
/// A revocation turns a hold final and dates from it. A release ends the holds of its own scope: a
/// facility's quarantine is lifted for the facility only, and while a facility is suspended nothing
/// of it is released otherwise, nor a certificate while its terminal is on hold.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn carry_out(
    tx: &mut Tx,
    scope: Scope<'_>,
    act: Act,
) -> Result<Vec<CertificateKey>, StoreError> {
    let (kind, text) = match act.kind {
        RevocationKind::Revoked => {
            ("revoked", statement!(scope, "(e.kind IS NULL OR e.kind <> 'revoked')"))
        }
        RevocationKind::Held => (
            "held",
            // A hold of the certificate's own stands beside the facility's and outlasts it.
            statement!(
                scope,
                "(e.kind IS NULL OR e.kind = 'released'
                  OR e.kind = 'held' AND e.scope = 'facility' AND CAST($5 AS TEXT) <> 'facility')"
            ),
        ),
        RevocationKind::Released => (
            "released",
            statement!(
                scope,
                concat!(
                    "e.kind = 'held'
                 AND (e.scope = CAST($5 AS TEXT)
                      OR e.scope = 'terminal' AND CAST($5 AS TEXT) = 'certificate'
                         AND NOT ",
                    on_hold!("c.terminal_id"),
                    ")
                 AND (CAST($5 AS TEXT) = 'facility' OR c.organisation_id IS NULL OR COALESCE(
                      (SELECT o.kind FROM organisation_event o
                       WHERE o.organisation_id = c.organisation_id
                       ORDER BY o.at DESC, o.id DESC LIMIT 1), '') <> 'suspended')"
                )
            ),
        ),
    };
    let id = Uuid::now_v7().to_string();
    let statement = sql(text)
        .bind(&id)
        .bind(kind)
        .bind(i64::from(act.reason))
        .bind(act.at)
        .bind(scope.as_str())
        .bind(act.invalidity_at);
    let added = tx
        .execute(match scope {
            Scope::Certificate { issuer_id, serial }
            | Scope::OlderThan { issuer_id, serial }
            | Scope::OthersThan { issuer_id, serial } => statement.bind(issuer_id).bind(serial),
            Scope::Terminal(id) | Scope::Facility(id) => statement.bind(id),
            Scope::Key(spki_sha256) => statement.bind(spki_sha256),
            Scope::SuspendedFacilities | Scope::ActiveFacilities => statement,
        })
        .await?;
    if added == 0 {
        return Ok(Vec::new());
    }
    tx.execute(
        sql("INSERT INTO crl_change (event_id, issuer_id, serial)
             SELECT id, issuer_id, serial FROM revocation_event WHERE act = $1")
        .bind(&id),
    )
    .await?;
    let certificates: Vec<CertificateKey> = tx
        .fetch_all(
            sql("SELECT issuer_id, serial FROM revocation_event WHERE act = $1
                 ORDER BY issuer_id, serial")
            .bind(&id),
        )
        .await?;
    tx.note_revocations(Changed { certificates: certificates.clone(), everything: false });
    Ok(certificates)
}

/// Revokes one certificate; answers whether this call did. Revoking twice is no error and changes
/// neither time nor reason; a hold becomes final.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn revoke(
    tx: &mut Tx,
    issuer_id: &str,
    serial: &[u8],
    reason: u8,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let scope = Scope::Certificate { issuer_id, serial };
    Ok(!carry_out(tx, scope, Act::revoke(reason, at)).await?.is_empty())
}

/// Whether certificates stand otherwise than their facility: good while it is suspended, or held for
/// it while it is active again. [`Scope::SuspendedFacilities`] and [`Scope::ActiveFacilities`] put
/// that right.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn differs_from_facility(
    queries: &mut impl Queries,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let found: Option<(i64,)> = queries
        .fetch_optional(
            sql("SELECT CAST(1 AS BIGINT) FROM organisation_event o
                 JOIN certificate c ON c.organisation_id = o.organisation_id
                 LEFT JOIN revocation_event e ON e.issuer_id = c.issuer_id AND e.serial = c.serial
                     AND e.seq = (SELECT MAX(d.seq) FROM revocation_event d
                                  WHERE d.issuer_id = c.issuer_id AND d.serial = c.serial)
                 WHERE o.kind IN ('suspended', 'resumed') AND c.not_after >= $1
                   AND NOT EXISTS (SELECT 1 FROM organisation_event n
                       WHERE n.organisation_id = o.organisation_id
                         AND (n.at > o.at OR n.at = o.at AND n.id > o.id))
                   AND CASE WHEN o.kind = 'suspended' THEN COALESCE(e.kind, 'released') = 'released'
                            ELSE e.kind = 'held' AND e.scope = 'facility' END
                 LIMIT 1")
            .bind(at),
        )
        .await?;
    Ok(found.is_some())
}

/// Enters a key among those that are never certified again, whosever they are.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn note_compromised_key(
    tx: &mut Tx,
    spki_sha256: &[u8; 32],
    note: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let added = tx
        .execute(
            sql("INSERT INTO compromised_key (spki_sha256, at, note) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING")
            .bind(spki_sha256)
            .bind(at)
            .bind(note),
        )
        .await?;
    Ok(added == 1)
}

/// Whether a key is among those that are never certified again.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn is_compromised_key(
    queries: &mut impl Queries,
    spki_sha256: &[u8; 32],
) -> Result<bool, StoreError> {
    let found: Option<(i64,)> = queries
        .fetch_optional(
            sql("SELECT at FROM compromised_key WHERE spki_sha256 = $1").bind(spki_sha256),
        )
        .await?;
    Ok(found.is_some())
}

/// Takes an authority back: nothing that it signed counts from now on. Answers whether this call
/// did; twice is no error.
///
/// # Errors
/// [`StoreError::Unavailable`] also when there is no such authority.
pub async fn revoke_issuer(
    tx: &mut Tx,
    issuer_id: &str,
    reason: u8,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let added = tx
        .execute(
            sql("INSERT INTO revoked_issuer (issuer_id, reason, at) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING")
            .bind(issuer_id)
            .bind(i64::from(reason))
            .bind(at),
        )
        .await?;
    tx.note_revocations(Changed { certificates: Vec::new(), everything: added > 0 });
    Ok(added == 1)
}
