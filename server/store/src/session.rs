//! Sessions, kept by the hash of their identifier.
//!
//! A session of realm `portal` belongs to the terminal certificate that opened it; one of realm
//! `console` to a password and a second factor. Ending is a fact that stays: the row says when and
//! why, so that the page can explain it.

mod ending;
mod of_person;

use time::OffsetDateTime;

pub use ending::{
    ProvedByCard, end, end_of_card, end_of_day_pass, end_of_level, end_of_membership,
    end_of_organisation, end_of_other_certificates, end_of_passkey, end_of_person,
    end_of_second_factor, end_of_terminal, end_others_of_profile, leave_service, overdue,
    proved_by_card, withdraw_tokens_of_emergency,
};
pub(crate) use ending::{of, tell};
pub use of_person::{Live, live_of_person};

use crate::{
    Queries, Store, StoreError, Tx,
    audit::Entry,
    db::housekeeping,
    moment::{digest, moment, moment_opt, text_list},
    sql,
};

/// Which kind of login opened a session; neither realm's cookie opens the other's doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Realm {
    /// Login at a terminal, by card or passkey.
    Portal,
    /// Password and one-time password, for people without a card.
    Console,
}

impl Realm {
    /// As stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Portal => "portal",
            Self::Console => "console",
        }
    }
}

/// On what ground somebody has a session at a facility's terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ground {
    /// They are a member there, by this membership.
    Membership(String),
    /// They are none, and are let in for an emergency alone.
    Emergency,
}

impl Ground {
    /// The membership, if that is the ground.
    #[must_use]
    pub fn membership(&self) -> Option<&str> {
        match self {
            Self::Membership(id) => Some(id),
            Self::Emergency => None,
        }
    }

    /// Whether the person is no member.
    #[must_use]
    pub const fn is_visit(&self) -> bool {
        matches!(self, Self::Emergency)
    }

    /// A record that names it.
    #[must_use]
    pub fn named(&self, entry: Entry) -> Entry {
        match self {
            Self::Membership(id) => entry.on("membership", id),
            Self::Emergency => entry.fact("ground", "emergency"),
        }
    }
}

/// Where a portal session was opened and on what ground.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtTerminal {
    /// The facility.
    pub organisation_id: String,
    /// The terminal.
    pub terminal_id: String,
    /// SHA-256 of the terminal certificate of the TLS connection.
    pub fingerprint: [u8; 32],
    /// What admits the person there.
    pub ground: Ground,
    /// What was proven: of [`crate::evidence`], or a login of [`crate::passkey`].
    pub evidence_id: String,
    /// The agent's name for the card in its reader, if the agent watches it.
    pub presence_id: Option<String>,
}

/// A session, to be opened or as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the identifier in the cookie that it was opened with; it names the session for
    /// ever, also under the cookies that [`renew`] gave it.
    pub id_hash: [u8; 32],
    /// Which kind of login opened it.
    pub realm: Realm,
    /// Whose it is.
    pub person_id: String,
    /// Where, for a portal session.
    pub at_terminal: Option<AtTerminal>,
    /// Roles from the card, verbatim.
    pub hc_roles: Vec<String>,
    /// How the person proved themself (`sekisho_wire::acr`).
    pub acr: String,
    /// Methods (RFC 8176).
    pub amr: Vec<String>,
    /// When the person proved themself.
    pub auth_time: OffsetDateTime,
    /// When it was opened.
    pub created_at: OffsetDateTime,
    /// The latest request, to within a minute.
    pub last_seen_at: OffsetDateTime,
    /// The end that no activity puts off.
    pub expires_at: OffsetDateTime,
    /// Since when it is locked.
    pub locked_at: Option<OffsetDateTime>,
    /// When and why it ended.
    pub ended: Option<(OffsetDateTime, String)>,
}

/// A session that was just ended or found worth ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOf {
    /// SHA-256 of the identifier.
    pub id_hash: [u8; 32],
    /// Whose it is.
    pub person_id: String,
    /// Where.
    pub organisation_id: Option<String>,
    /// At which terminal.
    pub terminal_id: Option<String>,
}

/// Opens a session.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the identifier exists, which 32 random octets never do.
pub async fn open(tx: &mut Tx, session: &Session) -> Result<(), StoreError> {
    let at = session.at_terminal.as_ref();
    let presence = at.and_then(|at| at.presence_id.as_ref());
    tx.execute(
        sql("INSERT INTO session (id_hash, realm, person_id, organisation_id, terminal_id,
                 terminal_fingerprint, membership_id, hc_roles, acr, amr, auth_time, evidence_id,
                 presence_id, presence_at, created_at, last_seen_at, expires_at, visiting)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)")
        .bind(session.id_hash)
        .bind(session.realm.as_str())
        .bind(&session.person_id)
        .bind(at.map(|at| at.organisation_id.as_str()))
        .bind(at.map(|at| at.terminal_id.as_str()))
        .bind(at.map(|at| at.fingerprint.to_vec()))
        .bind(at.and_then(|at| at.ground.membership()))
        .bind(serde_json::Value::from(session.hc_roles.clone()).to_string())
        .bind(&session.acr)
        .bind(serde_json::Value::from(session.amr.clone()).to_string())
        .bind(session.auth_time)
        .bind(at.map(|at| at.evidence_id.as_str()))
        .bind(presence)
        .bind(presence.map(|_| session.created_at))
        .bind(session.created_at)
        .bind(session.last_seen_at)
        .bind(session.expires_at)
        .bind(i64::from(at.is_some_and(|at| at.ground.is_visit()))),
    )
    .await?;
    Ok(())
}

#[derive(serde::Deserialize)]
struct Row {
    id_hash: Vec<u8>,
    person_id: String,
    organisation_id: Option<String>,
    terminal_id: Option<String>,
    terminal_fingerprint: Option<Vec<u8>>,
    membership_id: Option<String>,
    visiting: i64,
    hc_roles: String,
    acr: String,
    amr: String,
    auth_time: i64,
    evidence_id: Option<String>,
    presence_id: Option<String>,
    created_at: i64,
    last_seen_at: i64,
    expires_at: i64,
    locked_at: Option<i64>,
    ended_at: Option<i64>,
    end_reason: Option<String>,
}

impl Row {
    fn into_session(self, realm: Realm) -> Result<Session, StoreError> {
        // Nobody is let in without a membership because one is missing: the row says that it is so.
        let ground = match (self.membership_id, self.visiting) {
            (Some(id), 0) => Some(Ground::Membership(id)),
            (None, 1) => Some(Ground::Emergency),
            _ => None,
        };
        let at_terminal = match (
            self.organisation_id,
            self.terminal_id,
            self.terminal_fingerprint,
            ground,
            self.evidence_id,
        ) {
            (
                Some(organisation_id),
                Some(terminal_id),
                Some(fingerprint),
                Some(ground),
                Some(evidence_id),
            ) => Some(AtTerminal {
                organisation_id,
                terminal_id,
                fingerprint: digest("terminal fingerprint", fingerprint)?,
                ground,
                evidence_id,
                presence_id: self.presence_id,
            }),
            _ => None,
        };
        // A portal session without its terminal would belong to none: never let it pass as one.
        if realm == Realm::Portal && at_terminal.is_none() {
            return Err(StoreError::Corrupt {
                what: "portal session",
                detail: "it names no terminal, or not on what ground".to_owned(),
            });
        }
        Ok(Session {
            id_hash: digest("session", self.id_hash)?,
            realm,
            person_id: self.person_id,
            at_terminal,
            hc_roles: text_list("hcRole list", &self.hc_roles)?,
            acr: self.acr,
            amr: text_list("amr", &self.amr)?,
            auth_time: moment("session", self.auth_time)?,
            created_at: moment("session", self.created_at)?,
            last_seen_at: moment("session", self.last_seen_at)?,
            expires_at: moment("session", self.expires_at)?,
            locked_at: moment_opt("session", self.locked_at)?,
            ended: moment_opt("session", self.ended_at)?
                .map(|at| (at, self.end_reason.unwrap_or_default())),
        })
    }
}

/// The session that a cookie's identifier opens in this realm, ended or not. After [`renew`] only
/// the new cookie's does.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find_by_cookie(
    queries: &mut impl Queries,
    realm: Realm,
    cookie_hash: &[u8; 32],
) -> Result<Option<Session>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql("SELECT id_hash, person_id, organisation_id, terminal_id, terminal_fingerprint, membership_id,
                        visiting, hc_roles, acr, amr, auth_time, evidence_id, presence_id, created_at, last_seen_at,
                        expires_at, locked_at, ended_at, end_reason
                 FROM session
                 WHERE (cookie_hash = $1 OR (id_hash = $1 AND cookie_hash IS NULL)) AND realm = $2")
            .bind(cookie_hash)
            .bind(realm.as_str()),
        )
        .await?;
    row.map(|row| row.into_session(realm)).transpose()
}

/// Renews a live session under a new cookie: its person proved themself again, at its terminal and
/// on its ground. What the session gave out stays good; a lock is lifted.
///
/// `by` is what would otherwise be opened; its `id_hash` becomes the cookie's. Answers whether this
/// call renewed: not where the session ended, is past its end, or is anybody else's.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn renew(tx: &mut Tx, id_hash: &[u8; 32], by: &Session) -> Result<bool, StoreError> {
    let Some(at) = &by.at_terminal else { return Ok(false) };
    let changed = tx
        .execute(
            sql("UPDATE session
                 SET cookie_hash = $2, hc_roles = $3, acr = $4, amr = $5, auth_time = $6,
                     evidence_id = $7, presence_id = $8, presence_at = $6, presence_sequence = NULL,
                     last_seen_at = $6, expires_at = $9, locked_at = NULL, room_made_at = NULL
                 WHERE id_hash = $1 AND realm = $10 AND ended_at IS NULL AND expires_at > $6
                   AND person_id = $11 AND COALESCE(membership_id, '') = $12 AND terminal_fingerprint = $13
                   AND visiting = $14")
            .bind(id_hash)
            .bind(by.id_hash)
            .bind(serde_json::Value::from(by.hc_roles.clone()).to_string())
            .bind(&by.acr)
            .bind(serde_json::Value::from(by.amr.clone()).to_string())
            .bind(by.auth_time)
            .bind(&at.evidence_id)
            .bind(at.presence_id.as_ref())
            .bind(by.expires_at)
            .bind(by.realm.as_str())
            .bind(&by.person_id)
            .bind(at.ground.membership().unwrap_or_default())
            .bind(at.fingerprint.to_vec())
            .bind(i64::from(at.ground.is_visit())),
        )
        .await?;
    Ok(changed == 1)
}

/// Moves the end of the live session of a visitor to that of the emergency access that was just begun in it;
/// `false` where there is none.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn last_as_long_as_the_emergency(
    tx: &mut Tx,
    id_hash: &[u8; 32],
    ends_at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let statement = sql("UPDATE session SET expires_at = $2
                         WHERE id_hash = $1 AND visiting = 1 AND ended_at IS NULL");
    Ok(tx.execute(statement.bind(id_hash).bind(ends_at)).await? == 1)
}

/// Notes in which browser profile the session stands that a cookie opens.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn note_profile(
    tx: &mut Tx,
    cookie_hash: &[u8; 32],
    profile_hash: &[u8; 32],
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE session SET profile_hash = $2
             WHERE cookie_hash = $1 OR (id_hash = $1 AND cookie_hash IS NULL)")
        .bind(cookie_hash)
        .bind(profile_hash),
    )
    .await?;
    Ok(())
}

/// The session of this identifier in this realm, ended or not.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(
    queries: &mut impl Queries,
    realm: Realm,
    id_hash: &[u8; 32],
) -> Result<Option<Session>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql("SELECT id_hash, person_id, organisation_id, terminal_id, terminal_fingerprint, membership_id,
                        visiting, hc_roles, acr, amr, auth_time, evidence_id, presence_id, created_at, last_seen_at,
                        expires_at, locked_at, ended_at, end_reason
                 FROM session WHERE id_hash = $1 AND realm = $2")
            .bind(id_hash)
            .bind(realm.as_str()),
        )
        .await?;
    row.map(|row| row.into_session(realm)).transpose()
}

impl Store {
    /// Notes activity of a live session, at most once a minute; not a decision, so no record.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn note_activity(
        &self,
        id_hash: &[u8; 32],
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        housekeeping!(self, |tx| {
            tx.execute(
                sql("UPDATE session SET last_seen_at = $2
                     WHERE id_hash = $1 AND ended_at IS NULL AND last_seen_at <= $3")
                .bind(id_hash)
                .bind(at)
                .bind(at - time::Duration::minutes(1)),
            )
            .await?;
        })
    }
}
