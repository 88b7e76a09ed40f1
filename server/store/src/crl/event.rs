//! Events of revocation as lists need them.

use sekisho_ca::revocation::RevocationKind;
use time::OffsetDateTime;

use crate::{
    Queries, StoreError,
    moment::{moment, moment_opt},
    sql,
};

/// An event as a list needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedEvent {
    /// Which certificate.
    pub serial: Vec<u8>,
    /// What happened.
    pub kind: RevocationKind,
    /// CRLReason.
    pub reason: u8,
    /// When.
    pub at: OffsetDateTime,
    /// Since when it was not to be relied on, if known.
    pub invalidity_at: Option<OffsetDateTime>,
    /// Last second of the certificate.
    pub not_after: OffsetDateTime,
}

#[derive(serde::Deserialize)]
struct EventRow {
    serial: Vec<u8>,
    kind: String,
    reason: i64,
    at: i64,
    invalidity_at: Option<i64>,
    not_after: i64,
}

impl EventRow {
    fn into_event(self) -> Result<ListedEvent, StoreError> {
        let kind = match self.kind.as_str() {
            "revoked" => RevocationKind::Revoked,
            "held" => RevocationKind::Held,
            "released" => RevocationKind::Released,
            other => {
                return Err(StoreError::Corrupt {
                    what: "revocation event",
                    detail: other.to_owned(),
                });
            }
        };
        Ok(ListedEvent {
            serial: self.serial,
            kind,
            reason: crate::revocation::reason_code(self.reason)?,
            at: moment("revocation event", self.at)?,
            invalidity_at: moment_opt("invalidity date", self.invalidity_at)?,
            not_after: moment("certificate", self.not_after)?,
        })
    }
}

fn events(rows: Vec<EventRow>) -> Result<Vec<ListedEvent>, StoreError> {
    rows.into_iter().map(EventRow::into_event).collect()
}

/// The latest event of each certificate of a chunk that has any and had not expired at
/// `unexpired_since`, by serial number.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn events_of_chunk(
    queries: &mut impl Queries,
    issuer_id: &str,
    chunk: &str,
    unexpired_since: OffsetDateTime,
) -> Result<Vec<ListedEvent>, StoreError> {
    events(
        queries
            .fetch_all(
                sql("SELECT e.serial, e.kind, e.reason, e.at, e.invalidity_at, e.not_after
                     FROM revocation_event e
                     WHERE e.issuer_id = $1 AND e.chunk = $2 AND e.not_after >= $3
                       AND NOT EXISTS (SELECT 1 FROM revocation_event d
                           WHERE d.issuer_id = e.issuer_id AND d.serial = e.serial
                             AND d.seq > e.seq)
                     ORDER BY e.serial")
                .bind(issuer_id)
                .bind(chunk)
                .bind(unexpired_since)
                .long(),
            )
            .await?,
    )
}

/// The latest event of each of the issuer's certificates that is taken back or on hold and had not
/// expired at `unexpired_since`, by serial number: what a list made elsewhere has to name.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn taken_back(
    queries: &mut impl Queries,
    issuer_id: &str,
    unexpired_since: OffsetDateTime,
) -> Result<Vec<ListedEvent>, StoreError> {
    events(
        queries
            .fetch_all(
                sql("SELECT e.serial, e.kind, e.reason, e.at, e.invalidity_at, e.not_after
                     FROM revocation_event e
                     WHERE e.issuer_id = $1 AND e.not_after >= $2 AND e.kind <> 'released'
                       AND NOT EXISTS (SELECT 1 FROM revocation_event d
                           WHERE d.issuer_id = e.issuer_id AND d.serial = e.serial
                             AND d.seq > e.seq)
                     ORDER BY e.serial")
                .bind(issuer_id)
                .bind(unexpired_since)
                .long(),
            )
            .await?,
    )
}

/// The latest event of each certificate that changed after edition `base` and up to `number`, by
/// serial number.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn events_since(
    queries: &mut impl Queries,
    issuer_id: &str,
    base: i64,
    number: i64,
) -> Result<Vec<ListedEvent>, StoreError> {
    events(
        queries
            .fetch_all(
                sql("SELECT e.serial, e.kind, e.reason, e.at, e.invalidity_at, e.not_after
                     FROM revocation_event e
                     WHERE e.issuer_id = $1
                       AND e.serial IN (SELECT c.serial FROM crl_change c
                           WHERE c.issuer_id = $1 AND c.edition > $2 AND c.edition <= $3)
                       AND NOT EXISTS (SELECT 1 FROM revocation_event d
                           WHERE d.issuer_id = e.issuer_id AND d.serial = e.serial
                             AND d.seq > e.seq)
                     ORDER BY e.serial")
                .bind(issuer_id)
                .bind(base)
                .bind(number)
                .long(),
            )
            .await?,
    )
}
