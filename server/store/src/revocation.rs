//! Taking certificates back, and what CRL and OCSP have to say about it.
//!
//! Events are only ever added; the status follows from them. A revocation is final, a hold ends
//! with a release (RFC 5280 §5.3.1).

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Queries, StoreError, Tx, moment::moment, sql};

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

/// certificateHold of CRLReason (RFC 5280 §5.3.1).
pub const CERTIFICATE_HOLD: u8 = 6;

/// The deciding event of a certificate, if it has any.
#[derive(sqlx::FromRow)]
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
            (Some(kind), ..) => {
                Err(StoreError::Corrupt { what: "revocation event", detail: kind.to_owned() })
            }
        }
    }
}

fn reason_code(stored: i64) -> Result<u8, StoreError> {
    match u8::try_from(stored) {
        // 7 is not used (RFC 5280 §5.3.1).
        Ok(code @ (0..=6 | 8..=10)) => Ok(code),
        _ => Err(StoreError::Corrupt { what: "CRLReason", detail: stored.to_string() }),
    }
}

/// Status of a certificate now, by its issuer's name and serial number. `None`: never issued.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`]: the status is not known.
pub async fn status(
    queries: &mut impl Queries,
    issuer_id: &str,
    serial: &[u8],
) -> Result<Option<Status>, StoreError> {
    let row: Option<StatusRow> = queries
        .fetch_optional(
            sql("SELECT e.kind AS event_kind, e.reason AS event_reason, e.at AS event_at
                 FROM certificate c
                 LEFT JOIN revocation_event e ON e.issuer_id = c.issuer_id AND e.serial = c.serial
                 WHERE c.issuer_id = $1 AND c.serial = $2
                 ORDER BY CASE WHEN e.kind = 'revoked' THEN 0 ELSE 1 END, e.at DESC, e.id DESC
                 LIMIT 1")
            .bind(issuer_id)
            .bind(serial),
        )
        .await?;
    row.map(StatusRow::into_status).transpose()
}

/// Revokes a certificate; answers whether this call did. Revoking twice is no error and changes
/// neither time nor reason; a hold becomes final.
///
/// # Errors
/// [`StoreError::Unavailable`] also when no such certificate was issued.
pub async fn revoke(
    tx: &mut Tx,
    issuer_id: &str,
    serial: &[u8],
    reason: u8,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let added = tx
        .execute(
            sql("INSERT INTO revocation_event (id, issuer_id, serial, kind, reason, at)
                 VALUES ($1, $2, $3, 'revoked', $4, $5) ON CONFLICT DO NOTHING")
            .bind(Uuid::now_v7().to_string())
            .bind(issuer_id)
            .bind(serial)
            .bind(i64::from(reason))
            .bind(at),
        )
        .await?;
    Ok(added == 1)
}

/// A line of a CRL (RFC 5280 §5.1.2.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlEntry {
    /// Serial number.
    pub serial: Vec<u8>,
    /// When it was taken back.
    pub revoked_at: OffsetDateTime,
    /// CRLReason.
    pub reason: u8,
}

/// What an issuer's complete CRL lists: all that is revoked or on hold and had not expired at
/// `unexpired_since`, by serial number.
///
/// RFC 5280 §3.3 keeps an entry until it was on one regular CRL after the certificate's expiry, so
/// `unexpired_since` must lie at least one CRL period back.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn crl_entries(
    queries: &mut impl Queries,
    issuer_id: &str,
    unexpired_since: OffsetDateTime,
) -> Result<Vec<CrlEntry>, StoreError> {
    let rows: Vec<(Vec<u8>, String, i64, i64)> = queries
        .fetch_all(
            sql("SELECT c.serial, e.kind, e.at, e.reason
                 FROM revocation_event e
                 JOIN certificate c ON c.issuer_id = e.issuer_id AND c.serial = e.serial
                 WHERE e.issuer_id = $1 AND c.not_after >= $2 AND e.id =
                     (SELECT d.id FROM revocation_event d
                      WHERE d.issuer_id = c.issuer_id AND d.serial = c.serial
                      ORDER BY CASE WHEN d.kind = 'revoked' THEN 0 ELSE 1 END, d.at DESC, d.id DESC
                      LIMIT 1)
                 ORDER BY c.serial")
            .bind(issuer_id)
            .bind(unexpired_since),
        )
        .await?;
    rows.into_iter()
        .filter(|(_, kind, ..)| kind != "released")
        .map(|(serial, _, at, reason)| {
            Ok(CrlEntry {
                serial,
                revoked_at: moment("revocation event", at)?,
                reason: reason_code(reason)?,
            })
        })
        .collect()
}
