//! The portal session: it belongs to the terminal certificate that opened it.
//!
//! On every request the certificate of *this* TLS connection must equal the session's. Facility and
//! revocation are judged before, by [`FacilityConnection`]; nothing is remembered from the
//! handshake.

use axum::extract::{Extension, FromRef, FromRequestParts};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use sekisho_store::{
    Queries, StoreError,
    audit::{Actor, Audited, Entry},
    emergency_access,
    facility_policy::{self, CardRemoval},
    person::{self, PersonName},
    session::{self as sessions, Ground, Realm, Session},
    transaction,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::{Duration, OffsetDateTime};

use super::{
    admission::cookie_text,
    day_pass,
    jpki::{linking::RELINKED, page::CARD_UNLINKED},
    passkey,
    vouching::{self, Profession},
};
use crate::{
    app::App,
    config::RemovalPolicy,
    cookie::{self, SameSite},
    emergency::{self, InForce},
    entitlement,
    error::page::PageError,
    listener::{FacilityConnection, Peer},
    page::PageFrame,
    portal,
};

/// The session's cookie. `Lax`, since services send the person here by navigation.
pub const COOKIE: &str = "__Host-session";

/// A live session of a person at this terminal, judged on this request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalSession {
    /// Names the session; equal to the hash of the cookie's identifier until it is renewed.
    pub id_hash: [u8; 32],
    /// The person.
    pub person_id: String,
    /// Their names.
    pub names: PersonName,
    /// The facility of this connection.
    pub organisation_id: String,
    /// The terminal of this connection.
    pub terminal_id: String,
    /// Its name.
    pub terminal_name: String,
    /// What admits the person here.
    pub ground: Ground,
    /// How the person proved themself (`sekisho_wire::acr`).
    pub acr: String,
    /// Methods (RFC 8176).
    pub amr: Vec<String>,
    /// When.
    pub auth_time: OffsetDateTime,
    /// The login's evidence.
    pub evidence_id: String,
    /// hcRole names, verbatim, as they count now; unknown ones too, which authorise nothing:
    /// see [`Self::authorising_roles`].
    pub roles: Vec<String>,
    /// On what they rest.
    pub profession: Profession,
    /// The emergency access that is in force.
    pub emergency: Option<InForce>,
}

impl PortalSession {
    /// The page's frame, of the person at this terminal.
    #[must_use]
    pub fn frame(&self, page: PageFrame, facility: &FacilityConnection) -> PageFrame {
        let place = format!("{} ・ {}", facility.organisation_name, facility.terminal_name);
        let page = page.with_signed_in(self.names.name.clone(), place, "/logout");
        let page = if self.ground.is_visit() { page } else { portal::with_nav(page) };
        match &self.emergency {
            Some(emergency) => page.with_emergency(emergency.ends_at),
            None => page,
        }
    }

    /// The roles that a rule may look at: those of the table of known names.
    #[must_use]
    pub fn authorising_roles(&self) -> Vec<String> {
        entitlement::authorising_roles(&self.roles)
    }
}

/// What the request's cookie stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No session: no cookie, or one that we do not know.
    None,
    /// A live session at this terminal.
    Live(Box<PortalSession>),
    /// The card left the reader; the same person may come back with it.
    Locked {
        /// The person's name.
        name: String,
    },
    /// It ended, now or before, for this reason.
    Ended {
        /// Constant code.
        reason: String,
        /// Whether it began at the terminal of this connection.
        here: bool,
    },
}

/// A session that was used on a connection with another terminal certificate.
pub const OTHER_TERMINAL: &str = "other_terminal";
/// A session whose own terminal shows another certificate than the one that opened it: it was
/// enrolled anew or renewed.
pub const TERMINAL_RENEWED: &str = "terminal_renewed";
/// A session at a PC that another one took the place of.
pub const PC_REPLACED: &str = "pc_replaced";
/// A session that its person ended from another one.
pub const ENDED_FROM_ELSEWHERE: &str = "ended_from_elsewhere";
/// A session that reached its absolute or idle limit.
pub const EXPIRED: &str = "expired";

/// SHA-256 of the session cookie's value, if there is one sound cookie.
#[must_use]
pub fn cookie_hash(headers: &HeaderMap) -> Option<[u8; 32]> {
    let octets = sekisho_protocol::octets::decode(cookie::read(headers, COOKIE)?).ok()?;
    (octets.len() == 32).then(|| Sha256::digest(octets).into())
}

/// The session that this request's cookie opens, ended or not.
///
/// # Errors
/// [`StoreError`].
pub async fn of_cookie(
    queries: &mut impl Queries,
    headers: &HeaderMap,
) -> Result<Option<Session>, StoreError> {
    match cookie_hash(headers) {
        Some(cookie) => sessions::find_by_cookie(queries, Realm::Portal, &cookie).await,
        None => Ok(None),
    }
}

/// The cookie of a new session; it ends with the browser, the session by our own clock.
#[must_use]
pub(super) fn set_cookie(identifier: &[u8; 32]) -> Option<HeaderValue> {
    cookie::set(COOKIE, &cookie_text(identifier), None, SameSite::Lax)
}

/// Judges the session of this request. Ends it, with an audit record, when it is used on another
/// terminal's connection, past its time, or after its HPKI card was revoked or expired.
///
/// # Errors
/// [`StoreError`].
pub async fn state(
    app: &App,
    peer: &Peer,
    headers: &HeaderMap,
    facility: &FacilityConnection,
) -> Result<State, StoreError> {
    let mut reader = app.store().read();
    let Some(session) = of_cookie(&mut reader, headers).await? else { return Ok(State::None) };
    let id_hash = session.id_hash;
    if let Some((_, reason)) = session.ended {
        let here = session.at_terminal.is_some_and(|at| at.terminal_id == facility.terminal_id);
        return Ok(State::Ended { reason, here });
    }
    let Some(at) = session.at_terminal.clone() else { return Ok(State::None) };
    let now = app.now();
    if !bool::from(at.fingerprint.ct_eq(&facility.fingerprint)) {
        let same = at.terminal_id == facility.terminal_id;
        let reason = if same { TERMINAL_RENEWED } else { OTHER_TERMINAL };
        return end(app, peer, facility, &session, reason).await;
    }
    let idle = app.config().session().portal_idle();
    if now >= session.expires_at || now - session.last_seen_at >= idle {
        // Of a visitor it is the emergency that is over, if there was one: its end may not be noted yet.
        let over = at.ground.is_visit()
            && !emergency_access::over_in_session(&mut reader, &id_hash, now).await?.is_empty();
        let reason = if over { emergency::end::VISIT_OVER } else { EXPIRED };
        return end(app, peer, facility, &session, reason).await;
    }
    if at.ground.is_visit() && !app.config().emergency().visitors() {
        return end(app, peer, facility, &session, emergency::end::VISIT_OVER).await;
    }
    let names = person::name(&mut reader, &session.person_id).await?.unwrap_or(PersonName {
        name: String::new(),
        name_kana: String::new(),
        name_romaji: String::new(),
    });
    if session.locked_at.is_some() {
        return Ok(State::Locked { name: names.name });
    }
    let (roles, profession) = vouching::now(app, &mut reader, &session).await?;
    if let Some(reason) = vouching::end_of(&session, profession) {
        return end(app, peer, facility, &session, reason).await;
    }
    let emergency = emergency::in_force(&mut reader, &id_hash, &roles, &session.acr, now).await?;
    if now - session.last_seen_at >= Duration::minutes(1) {
        app.store().note_activity(&id_hash, now).await?;
    }
    Ok(State::Live(Box::new(PortalSession {
        id_hash,
        person_id: session.person_id,
        names,
        // Equal to the session's by the fingerprint, and taken from this connection.
        organisation_id: facility.organisation_id.clone(),
        terminal_id: facility.terminal_id.clone(),
        terminal_name: facility.terminal_name.clone(),
        ground: at.ground,
        acr: session.acr,
        amr: session.amr,
        auth_time: session.auth_time,
        evidence_id: at.evidence_id,
        roles,
        profession,
        emergency,
    })))
}

/// The live session of a member in this request; `None` of a visitor too.
///
/// # Errors
/// [`StoreError`].
pub async fn current(
    app: &App,
    peer: &Peer,
    headers: &HeaderMap,
    facility: &FacilityConnection,
) -> Result<Option<PortalSession>, StoreError> {
    let found = present(app, peer, headers, facility).await?;
    Ok(found.filter(|session| !session.ground.is_visit()))
}

/// The live session of this request, of whoever is here; `None` means: log in. What of a visitor's is to be done
/// is the caller's to judge: nothing but what an emergency access opens.
///
/// # Errors
/// [`StoreError`].
pub async fn present(
    app: &App,
    peer: &Peer,
    headers: &HeaderMap,
    facility: &FacilityConnection,
) -> Result<Option<PortalSession>, StoreError> {
    Ok(match state(app, peer, headers, facility).await? {
        State::Live(session) => Some(*session),
        State::None | State::Locked { .. } | State::Ended { .. } => None,
    })
}

async fn end(
    app: &App,
    peer: &Peer,
    facility: &FacilityConnection,
    session: &Session,
    reason: &'static str,
) -> Result<State, StoreError> {
    let now = app.now();
    let actor = if reason == OTHER_TERMINAL {
        // Whoever sent the cookie is not known to be the person.
        facility.actor()
    } else {
        Actor::System
    };
    let record = Entry::refused("session.use", actor, now, reason)
        .on("session", hex::encode(session.id_hash))
        .on("person", &session.person_id);
    let record = facility.place(record, peer);
    transaction!(app.store(), StoreError, |tx| {
        sessions::end(tx, &session.id_hash, reason, now).await?;
        Ok(Audited::new((), record.clone()))
    })?;
    Ok(State::Ended { reason: reason.to_owned(), here: reason != OTHER_TERMINAL })
}

/// What happens at this facility when a card leaves the reader.
///
/// # Errors
/// [`StoreError`].
pub async fn card_removal(
    app: &App,
    queries: &mut impl Queries,
    organisation_id: &str,
) -> Result<RemovalPolicy, StoreError> {
    Ok(match facility_policy::chosen(queries, organisation_id).await? {
        Some(CardRemoval::Logout) => RemovalPolicy::Logout,
        Some(CardRemoval::Lock) => RemovalPolicy::Lock,
        Some(CardRemoval::Keep) => RemovalPolicy::Keep,
        None => app.config().card_login().card_removal(),
    })
}

/// The live session of whoever is here: a member, or a visitor in an emergency. What takes a [`PortalSession`]
/// itself is closed to visitors.
pub struct Present(pub PortalSession);

impl<S> FromRequestParts<S> for PortalSession
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let Present(session) = Present::from_request_parts(parts, state).await?;
        if session.ground.is_visit() {
            let (title, text) = ("emergency-visitor-closed-title", "emergency-visitor-closed-text");
            let page =
                PageError::new(StatusCode::FORBIDDEN, title, text, "emergency-visitor-closed-help");
            return Err(page);
        }
        Ok(session)
    }
}

impl<S> FromRequestParts<S> for Present
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let app = App::from_ref(state);
        let facility = FacilityConnection::from_request_parts(parts, state).await?;
        let Extension(peer) = Extension::<Peer>::from_request_parts(parts, state)
            .await
            .map_err(|error| PageError::internal(&error))?;
        let found = self::state(&app, &peer, &parts.headers, &facility).await?;
        let log_in = |notice: &str| {
            let mut page = PageError::new(
                StatusCode::SEE_OTHER,
                "login-session-none-title",
                "login-session-none-text",
                "login-session-none-help",
            );
            let query = if notice.is_empty() { String::new() } else { format!("?notice={notice}") };
            if let Ok(location) = HeaderValue::from_str(&format!("/login{query}")) {
                page = page.header(header::LOCATION, location);
            }
            page
        };
        match found {
            State::Live(session) => Ok(Self(*session)),
            State::None => Err(log_in("")),
            State::Locked { .. } => Err(log_in("locked")),
            State::Ended { reason, here } if reason == OTHER_TERMINAL => {
                // Who sits where the login began, and who sits where its cookie was brought, have
                // each to know what happened on their side.
                let (text, help) = if here {
                    ("login-session-used-elsewhere-text", "login-session-used-elsewhere-help")
                } else {
                    ("login-session-other-terminal-text", "login-session-other-terminal-help")
                };
                let title = "login-session-other-terminal-title";
                let mut page = PageError::new(StatusCode::FORBIDDEN, title, text, help);
                if let Some(cleared) = cookie::clear(COOKIE) {
                    page = page.header(header::SET_COOKIE, cleared);
                }
                Err(page)
            }
            State::Ended { reason, .. } => Err(log_in(notice_of(&reason))),
        }
    }
}

/// The notice of the login page for a session that ended.
fn notice_of(reason: &str) -> &'static str {
    match reason {
        EXPIRED => "expired",
        TERMINAL_RENEWED | "terminal_enrolled_anew" => "terminal-renewed",
        "card_removed" => "card-removed",
        "agent_silent" | "agent_stopped" => "agent-silent",
        "membership_ended" => "membership-ended",
        emergency::end::VISIT_OVER => "visit-over",
        vouching::CARD_REVOKED => "card-revoked",
        vouching::CARD_EXPIRED => "card-expired",
        CARD_UNLINKED => "unlinked",
        RELINKED => "relinked",
        passkey::REMOVED => "passkey-removed",
        passkey::COPIED => "passkey-held",
        day_pass::TAKEN_BACK | day_pass::CARD_BACK => "day-pass-ended",
        ENDED_FROM_ELSEWHERE => "ended-from-elsewhere",
        "logout" => "logged-out",
        _ => "ended",
    }
}
