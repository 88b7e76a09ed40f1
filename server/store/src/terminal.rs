//! Terminals: a facility's PCs, each with a certificate and a key of its own.
//!
//! The status follows from events, its own and those of its current certificate: created, enrolled,
//! on hold, without a certificate that counts, revoked. Revocation is final; a PC that comes back is
//! a new terminal. Its own holds stand in [`crate::terminal_hold`].

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    current_certificate::current_standing,
    enrolment_code,
    event::{self, Event, Of},
    moment::{moment, moment_opt},
    replacement,
    revocation::{self, Act, Scope},
    router_psk::{self, PskEnd},
    router_setup,
    session::{self, SessionOf},
    sql,
    terminal_hold::on_hold,
};

/// Octets of an identifier: T and ten characters.
const ID_LENGTH: usize = 11;

/// Where a terminal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminalStatus {
    /// Entered; no certificate yet.
    Created,
    /// Has or had a certificate.
    Enrolled,
    /// It is on hold, or its current certificate is, alone or with all of its facility: nothing is
    /// issued to it until that ends.
    Held,
    /// Its current certificate was taken back and it was not: it takes a new code to enrol again.
    CertificateRevoked,
    /// Taken back, for ever.
    Revoked,
}

impl TerminalStatus {
    /// As on pages and in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Enrolled => "enrolled",
            Self::Held => "held",
            Self::CertificateRevoked => "certificate_revoked",
            Self::Revoked => "revoked",
        }
    }
}

/// What stands at a terminal's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// A PC, at which people log in.
    Pc,
    /// A router, of which more stands in [`crate::router`]. Its certificate logs nobody in.
    Router,
}

impl Device {
    pub(crate) fn of_count(routers: i64) -> Self {
        if routers > 0 { Self::Router } else { Self::Pc }
    }
}

/// A terminal as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// `T` and ten characters.
    pub id: String,
    /// Its facility.
    pub organisation_id: String,
    /// What people call it: 外来1号機.
    pub name: String,
    /// PC or router; for ever.
    pub device: Device,
    /// When it was entered.
    pub created_at: OffsetDateTime,
    /// Where it stands.
    pub status: TerminalStatus,
    /// End of validity of its newest certificate that was not taken back.
    pub certificate_until: Option<OffsetDateTime>,
    /// When somebody last brought a used code of it with another key.
    pub code_misused_at: Option<OffsetDateTime>,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    organisation_id: String,
    name: String,
    created_at: i64,
    routers: i64,
    revoked: i64,
    held: i64,
    enrolled: i64,
    certificate: Option<String>,
    certificate_until: Option<i64>,
    code_misused_at: Option<i64>,
}

impl Row {
    fn into_terminal(self) -> Result<Terminal, StoreError> {
        let certificate = self.certificate.as_deref();
        let status = if self.revoked > 0 {
            TerminalStatus::Revoked
        } else if self.held > 0 || certificate == Some("held") {
            TerminalStatus::Held
        } else if self.enrolled == 0 {
            TerminalStatus::Created
        } else if certificate == Some("revoked") {
            TerminalStatus::CertificateRevoked
        } else {
            TerminalStatus::Enrolled
        };
        Ok(Terminal {
            id: self.id,
            organisation_id: self.organisation_id,
            name: self.name,
            device: Device::of_count(self.routers),
            created_at: moment("terminal", self.created_at)?,
            status,
            certificate_until: moment_opt("certificate", self.certificate_until)?,
            code_misused_at: moment_opt("terminal event", self.code_misused_at)?,
        })
    }
}

/// The columns of [`Row`]. `concat!` keeps the statements constants.
macro_rules! select_terminal {
    ($condition:literal) => {
        concat!(
            "SELECT t.id, t.organisation_id, t.name, t.created_at,
                    (SELECT COUNT(*) FROM router q WHERE q.terminal_id = t.id) AS routers,
                    (SELECT COUNT(*) FROM terminal_event e
                     WHERE e.terminal_id = t.id AND e.kind = 'revoked') AS revoked,
                    CASE WHEN ",
            on_hold!("t.id"),
            " THEN CAST(1 AS BIGINT) ELSE 0 END AS held,
                    ",
            current_standing!("t.id"),
            " AS certificate,
                    (SELECT COUNT(*) FROM terminal_event e
                     WHERE e.terminal_id = t.id AND e.kind = 'enrolled') AS enrolled,
                    (SELECT MAX(c.not_after) FROM certificate c WHERE c.terminal_id = t.id
                       AND NOT EXISTS (SELECT 1 FROM revocation_event r
                           WHERE r.issuer_id = c.issuer_id AND r.serial = c.serial
                             AND r.kind = 'revoked')) AS certificate_until,
                    (SELECT MAX(e.at) FROM terminal_event e
                     WHERE e.terminal_id = t.id AND e.kind = 'code_misused') AS code_misused_at
             FROM terminal t WHERE ",
            $condition
        )
    };
}

/// The terminal of this identifier.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(queries: &mut impl Queries, id: &str) -> Result<Option<Terminal>, StoreError> {
    let row: Option<Row> =
        queries.fetch_optional(sql(select_terminal!("t.id = $1")).bind(id)).await?;
    row.map(Row::into_terminal).transpose()
}

/// A terminal's name and that of its facility now.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Place {
    /// The terminal.
    pub terminal_id: String,
    /// Its name.
    pub terminal_name: String,
    /// What its facility is called; absent while it has no name.
    pub organisation_name: Option<String>,
}

/// The places of those among `ids` that are terminals, by identifier. One question, however many.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn places(
    queries: &mut impl Queries,
    ids: &BTreeSet<&str>,
) -> Result<BTreeMap<String, Place>, StoreError> {
    // As in `person::names`; identifiers of terminals are all of one length, too.
    let wanted: String = ids.iter().copied().filter(|id| id.len() == ID_LENGTH).collect();
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let places: Vec<Place> = queries
        .fetch_all(
            sql("WITH RECURSIVE wanted (id, rest) AS (
                     SELECT SUBSTR(CAST($1 AS TEXT), 1, 11), SUBSTR(CAST($1 AS TEXT), 12)
                     UNION ALL
                     SELECT SUBSTR(rest, 1, 11), SUBSTR(rest, 12) FROM wanted WHERE rest <> '')
                 SELECT t.id AS terminal_id, t.name AS terminal_name,
                        (SELECT n.name FROM organisation_name n
                         WHERE n.organisation_id = t.organisation_id AND n.valid_until IS NULL)
                            AS organisation_name
                 FROM wanted w JOIN terminal t ON t.id = w.id")
            .bind(&wanted),
        )
        .await?;
    Ok(places.into_iter().map(|place| (place.terminal_id.clone(), place)).collect())
}

/// A facility's terminals, oldest first: `limit` of them after the first `offset`.
///
/// Identifiers are random, so the order is by creation and then by identifier.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn list(
    queries: &mut impl Queries,
    organisation_id: &str,
    offset: i64,
    limit: i64,
) -> Result<Vec<Terminal>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_terminal!(
                "t.organisation_id = $1 ORDER BY t.created_at, t.id LIMIT $2 OFFSET $3"
            ))
            .bind(organisation_id)
            .bind(limit)
            .bind(offset),
        )
        .await?;
    rows.into_iter().map(Row::into_terminal).collect()
}

/// The same of its PCs or of its routers alone.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn list_of(
    queries: &mut impl Queries,
    organisation_id: &str,
    device: Device,
    offset: i64,
    limit: i64,
) -> Result<Vec<Terminal>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_terminal!(
                "t.organisation_id = $1
                   AND (SELECT COUNT(*) FROM router q WHERE q.terminal_id = t.id) = $4
                 ORDER BY t.created_at, t.id LIMIT $2 OFFSET $3"
            ))
            .bind(organisation_id)
            .bind(limit)
            .bind(offset)
            .bind(i64::from(device == Device::Router)),
        )
        .await?;
    rows.into_iter().map(Row::into_terminal).collect()
}

/// Whether a facility has a terminal of this name that is not revoked. Two names that people take for
/// one are one: 外来1号機 and 外来１号機, `PC-a` and `pc-A`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn name_in_use(
    queries: &mut impl Queries,
    organisation_id: &str,
    name: &str,
) -> Result<bool, StoreError> {
    let names: Vec<(String,)> = queries
        .fetch_all(
            sql("SELECT t.name FROM terminal t WHERE t.organisation_id = $1
                   AND NOT EXISTS (SELECT 1 FROM terminal_event e
                       WHERE e.terminal_id = t.id AND e.kind = 'revoked')")
            .bind(organisation_id),
        )
        .await?;
    let key = name_key(name);
    Ok(names.iter().any(|(other,)| name_key(other) == key))
}

/// A name as it is compared with others: NFKC, without regard to case. To capital and then to small
/// letters, as case folding has it (ß is ss).
fn name_key(name: &str) -> String {
    let folded = name.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    folded.nfkc().collect()
}

/// Enters a terminal.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the identifier is taken; draw another one.
pub async fn create(
    tx: &mut Tx,
    id: &str,
    organisation_id: &str,
    name: &str,
    person_id: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO terminal (id, organisation_id, name, created_at, created_by)
             VALUES ($1, $2, $3, $4, $5)")
        .bind(id)
        .bind(organisation_id)
        .bind(name)
        .bind(at)
        .bind(person_id),
    )
    .await?;
    note(tx, id, "created", Some(person_id), at).await
}

/// Notes that the terminal got a certificate, by a code or by its old certificate.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn note_certificate(
    tx: &mut Tx,
    id: &str,
    renewed: bool,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    note(tx, id, if renewed { "renewed" } else { "enrolled" }, None, at).await
}

/// Whether a certificate was noted at the terminal at this moment or later.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn was_certified_since(
    queries: &mut impl Queries,
    id: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let noted: Option<(i64,)> = queries
        .fetch_optional(
            sql("SELECT CAST(1 AS BIGINT) FROM terminal_event
                 WHERE terminal_id = $1 AND kind IN ('enrolled', 'renewed') AND at >= $2 LIMIT 1")
            .bind(id)
            .bind(at),
        )
        .await?;
    Ok(noted.is_some())
}

/// Notes that somebody brought a used code of this terminal with another key.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn note_misused_code(
    tx: &mut Tx,
    id: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    note(tx, id, "code_misused", None, at).await
}

pub(crate) async fn note(
    tx: &mut Tx,
    id: &str,
    kind: &'static str,
    person_id: Option<&str>,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    event::add(tx, Of::Terminal, id, Event { kind, person_id, reason: "", at }).await
}

/// Something that happened to a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalEvent {
    /// When.
    pub at: OffsetDateTime,
    /// `created`, `enrolled`, `renewed`, `code_misused`, `held`, `released`, `revoked`; of its PC
    /// `replacement_begun`, `replacement_cancelled`, `replaced`; of its
    /// certificates alone `certificate_held`, `certificate_released`, `certificate_revoked`, and
    /// `certificate_superseded` where it yielded to a newer one that was there at that time.
    pub kind: String,
    /// The person who did it, if one did.
    pub person_id: Option<String>,
    /// Why, in the words of that person.
    pub reason: String,
    /// Why it was revoked, as [`Revocation::cause`]; absent in events of other kinds.
    pub cause: Option<String>,
    /// CRLReason, of an event of its certificates.
    pub crl_reason: Option<u8>,
}

#[derive(serde::Deserialize)]
struct EventRow {
    at: i64,
    kind: String,
    person_id: Option<String>,
    reason: String,
    cause: Option<String>,
    crl_reason: Option<i64>,
}

/// What happened to a terminal, newest first. At most `limit`.
///
/// One decision is one event here, however many certificates it was about, and whether it was about
/// the terminal, its facility (whose holds are events of the certificates) or a certificate or key.
/// What a revocation of the newest certificate takes along is no event besides that; what a newer
/// certificate took the place of is one.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn events(
    queries: &mut impl Queries,
    id: &str,
    limit: i64,
) -> Result<Vec<TerminalEvent>, StoreError> {
    let rows: Vec<EventRow> = queries
        .fetch_all(
            sql("SELECT h.at, h.kind, h.person_id, h.reason, h.cause, h.crl_reason
                 FROM (SELECT e.id, e.at, e.kind, e.person_id, e.reason, e.cause,
                              CAST(NULL AS BIGINT) AS crl_reason FROM terminal_event e
                       WHERE e.terminal_id = $1
                       UNION ALL
                       SELECT r.act AS id, MIN(r.at) AS at,
                              CASE WHEN r.scope IN ('terminal', 'facility')
                                        AND r.kind <> 'revoked' THEN r.kind
                                   WHEN r.kind = 'revoked' AND r.reason = 4
                                        AND MAX(CASE WHEN EXISTS (SELECT 1 FROM certificate n
                                            WHERE n.terminal_id = c.terminal_id
                                              AND n.issued_at <= r.at
                                              AND (n.issued_at > c.issued_at
                                                   OR n.issued_at = c.issued_at
                                                      AND n.serial > c.serial))
                                            THEN 1 ELSE 0 END) = 1
                                        THEN 'certificate_superseded'
                                   ELSE 'certificate_' || r.kind END AS kind,
                              CAST(NULL AS TEXT) AS person_id, '' AS reason,
                              CAST(NULL AS TEXT) AS cause,
                              CAST(MAX(r.reason) AS BIGINT) AS crl_reason
                       FROM certificate c
                       JOIN revocation_event r
                         ON r.issuer_id = c.issuer_id AND r.serial = c.serial
                       WHERE c.terminal_id = $1 AND NOT (r.scope = 'older' AND r.reason <> 4)
                         AND NOT (r.scope = 'terminal' AND EXISTS (SELECT 1 FROM terminal_event o
                             WHERE o.terminal_id = c.terminal_id AND o.kind = r.kind
                               AND (o.kind = 'revoked' OR o.id <= r.act)))
                       GROUP BY r.act, r.kind, r.scope, r.reason) h
                 ORDER BY h.at DESC, h.id DESC LIMIT $2")
            .bind(id)
            .bind(limit),
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(TerminalEvent {
                at: moment("terminal event", row.at)?,
                kind: row.kind,
                person_id: row.person_id,
                reason: row.reason,
                cause: row.cause,
                crl_reason: row.crl_reason.and_then(|code| u8::try_from(code).ok()),
            })
        })
        .collect()
}

/// Why and by whom a terminal is revoked.
#[derive(Clone, Copy, Debug)]
pub struct Revocation<'a> {
    /// CRLReason of its certificates (RFC 5280 §5.3.1).
    pub crl_reason: u8,
    /// Why, as it was chosen: a constant token.
    pub cause: &'a str,
    /// Why, in words of the person.
    pub note: &'a str,
    /// Who, if a person did and no operator.
    pub person_id: Option<&'a str>,
    /// When.
    pub at: OffsetDateTime,
}

/// What a revocation took back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenBack {
    /// Certificates that were good before: issuer's name and serial number.
    pub certificates: Vec<(String, Vec<u8>)>,
    /// Sessions that it ended.
    pub sessions: Vec<SessionOf>,
}

/// Revokes a terminal of this facility: its certificates, its sessions, its codes.
///
/// `None`: there is no such terminal here, or it was revoked before; nothing changed.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn revoke(
    tx: &mut Tx,
    id: &str,
    organisation_id: &str,
    revocation: Revocation<'_>,
) -> Result<Option<TakenBack>, StoreError> {
    let added = tx
        .execute(
            sql("INSERT INTO terminal_event (id, terminal_id, at, kind, person_id, reason, cause)
                 SELECT CAST($1 AS TEXT), t.id, CAST($4 AS BIGINT), 'revoked', CAST($5 AS TEXT),
                        CAST($6 AS TEXT), CAST($7 AS TEXT)
                 FROM terminal t WHERE t.id = $2 AND t.organisation_id = $3
                 ON CONFLICT DO NOTHING")
            .bind(Uuid::now_v7().to_string())
            .bind(id)
            .bind(organisation_id)
            .bind(revocation.at)
            .bind(revocation.person_id)
            .bind(revocation.note)
            .bind(revocation.cause),
        )
        .await?;
    if added == 0 {
        return Ok(None);
    }
    let mut taken = TakenBack::default();
    let act = Act::revoke(revocation.crl_reason, revocation.at);
    taken.certificates = revocation::carry_out(tx, Scope::Terminal(id), act).await?;
    enrolment_code::withdraw(tx, id, revocation.at).await?;
    replacement::cancel(tx, id, revocation.person_id, revocation.at).await?;
    router_psk::end_of_router(tx, id, PskEnd::RouterRevoked, revocation.at).await?;
    router_setup::end(tx, id, PskEnd::RouterRevoked, revocation.at).await?;
    taken.sessions = session::end_of_terminal(tx, id, "terminal_revoked", revocation.at).await?;
    Ok(Some(taken))
}
