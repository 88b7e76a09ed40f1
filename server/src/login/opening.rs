//! Opening a portal session, or renewing the one that the same person has in this browser.

use http::HeaderValue;
use sekisho_key::RandomnessError;
use sekisho_store::{
    Tx,
    audit::{Actor, Entry},
    login_time,
    session::{self as sessions, AtTerminal, Ground, Realm, Session, SessionOf},
};
use sekisho_wire::acr;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{
    admission::Arrival, challenge::random_octets, day_pass, handover::Profile, level::strength,
    new_pc, refusal::LoginError, session, visitor,
};
use crate::app::App;

/// Why a session ended that stood in the browser of a later one.
pub(super) const REPLACED: &str = "replaced";

/// Who was admitted, and what they proved.
pub(super) struct Admitted<'a> {
    pub(super) person_id: &'a str,
    /// What admits them.
    pub(super) ground: Ground,
    /// The act that the trail tells of.
    pub(super) act: &'static str,
    /// What was proven, as it was kept.
    pub(super) evidence_id: String,
    /// The agent's name for the card, of a login by one.
    pub(super) presence_id: Option<&'a str>,
    /// Verbatim.
    pub(super) hc_roles: Vec<String>,
    /// Level (`sekisho_wire::acr`).
    pub(super) acr: &'static str,
    pub(super) amr: &'static [&'static str],
}

/// The times and the new identifier of a session.
#[derive(Clone, Copy)]
pub(super) struct Opening {
    /// SHA-256 of the identifier in the cookie.
    pub(super) id_hash: [u8; 32],
    pub(super) now: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
    /// Names the browser profile at this terminal.
    pub(super) profile_hash: [u8; 32],
}

impl Opening {
    /// A session of now under a fresh identifier in the profile that the browser names, and the cookies that hold
    /// both.
    ///
    /// # Errors
    /// [`RandomnessError`].
    pub(super) fn draw(
        app: &App,
        Arrival { headers, facility, .. }: Arrival<'_>,
    ) -> Result<(Self, [HeaderValue; 2]), RandomnessError> {
        let identifier: [u8; 32] = random_octets(app.random())?;
        let now = app.now();
        let expires_at = now + app.config().session().portal_lifetime();
        let cookie = session::set_cookie(&identifier).ok_or(RandomnessError)?;
        let profile = Profile::of(app, headers, &facility.terminal_id)?;
        let id_hash = Sha256::digest(identifier).into();
        let opening = Self { id_hash, now, expires_at, profile_hash: profile.hash };
        Ok((opening, [cookie, profile.cookie]))
    }
}

/// The records of a session that was opened.
pub(super) struct Opened {
    ended: Option<Entry>,
    login: Entry,
    replaced: Option<Entry>,
    /// Other sessions of the profile that ended, and passes of the person.
    others: Vec<Entry>,
}

impl Opened {
    /// All of them in their order; `said` adds to that of the login what proved it.
    pub(super) fn records(self, said: impl FnOnce(Entry) -> Entry) -> impl Iterator<Item = Entry> {
        self.ended.into_iter().chain([said(self.login)]).chain(self.replaced).chain(self.others)
    }
}

/// Opens the session, or renews `previous` where it is the same person's here and of no higher level:
/// what was given out after a stronger proof is not carried on by a weaker one.
pub(super) async fn open(
    tx: &mut Tx,
    arrival: Arrival<'_>,
    previous: Option<&Session>,
    admitted: Admitted<'_>,
    opening: Opening,
) -> Result<Opened, LoginError> {
    let (Arrival { peer, facility, .. }, Opening { id_hash, now, expires_at, profile_hash }) =
        (arrival, opening);
    let ground = admitted.ground.clone();
    let mut session = Session {
        id_hash,
        realm: Realm::Portal,
        person_id: admitted.person_id.to_owned(),
        at_terminal: Some(AtTerminal {
            organisation_id: facility.organisation_id.clone(),
            terminal_id: facility.terminal_id.clone(),
            fingerprint: facility.fingerprint,
            ground: admitted.ground,
            evidence_id: admitted.evidence_id.clone(),
            presence_id: admitted.presence_id.map(str::to_owned),
        }),
        hc_roles: admitted.hc_roles,
        acr: admitted.acr.to_owned(),
        amr: admitted.amr.iter().map(|&method| method.to_owned()).collect(),
        auth_time: now,
        created_at: now,
        last_seen_at: now,
        expires_at,
        locked_at: None,
        ended: None,
    };
    let person = || Actor::Person(admitted.person_id.to_owned());
    let renewed = match previous {
        Some(previous) if strength(&previous.acr) <= strength(admitted.acr) => {
            if ground.is_visit() {
                session.expires_at = visitor::renewed_until(tx, previous, now).await?;
            }
            sessions::renew(tx, &previous.id_hash, &session).await?
        }
        _ => false,
    };
    let (named, becomes) = match previous {
        Some(previous) if renewed => (previous.id_hash, "renewed"),
        _ => (id_hash, "opened"),
    };
    let placed = |record| facility.place(record, peer);
    let mut ended = None;
    if !renewed {
        if let Some(previous) = previous {
            ended = replace(tx, previous, person(), now).await?.map(placed);
        }
        if ground.is_visit() {
            session.expires_at = now + visitor::TIME_TO_SAY_WHY;
        }
        sessions::open(tx, &session).await?;
    }
    if let Some(stopwatch) = arrival.stopwatch {
        let of = login_time::Of {
            session_hash: &named,
            person_id: admitted.person_id,
            organisation_id: &facility.organisation_id,
            terminal_id: &facility.terminal_id,
            at: now,
        };
        stopwatch.note(tx, of).await?;
    }
    // What else stood in this profile has lost its cookie, not the services that it opened.
    sessions::note_profile(tx, &id_hash, &profile_hash).await?;
    let others =
        sessions::end_others_of_profile(tx, &profile_hash, &id_hash, REPLACED, now).await?;
    let others = others.into_iter().map(|other| placed(self::replaced(other, person(), now)));
    let mut others: Vec<Entry> = others.collect();
    if admitted.acr == acr::HPKI_CARD {
        // Whoever has the card at hand needs no pass, and nobody else is to have it.
        let passes =
            day_pass::end_all(tx, admitted.person_id, "", day_pass::CARD_BACK, now).await?;
        others.extend(passes.into_iter().map(placed));
    }
    // That the new PC serves the facility is shown by its own people.
    let replaced = if facility.of_new_pc && !ground.is_visit() {
        new_pc::take_over(tx, facility, now).await?
    } else {
        None
    };
    let within = arrival.expected.is_some() || arrival.within.is_some();
    let record = Entry::done(admitted.act, person(), now)
        .on("session", hex::encode(named))
        .fact("session_is", becomes)
        .fact("purpose", if within { "stepup" } else { "login" })
        .on("evidence", admitted.evidence_id)
        .fact("acr", admitted.acr)
        .fact("hc_roles", session.hc_roles);
    let record = ground.named(record);
    Ok(Opened { ended, login: placed(record), replaced: replaced.map(placed), others })
}

/// Ends the session that this browser held; the record of it, unless it had ended before.
async fn replace(
    tx: &mut Tx,
    previous: &Session,
    by: Actor,
    now: OffsetDateTime,
) -> Result<Option<Entry>, LoginError> {
    let ended = sessions::end(tx, &previous.id_hash, REPLACED, now).await?;
    Ok(ended.map(|ended| replaced(ended, by, now)))
}

/// The record of a session that ended for another in its browser.
pub(super) fn replaced(ended: SessionOf, by: Actor, now: OffsetDateTime) -> Entry {
    Entry::done("session.end", by, now)
        .on("session", hex::encode(ended.id_hash))
        .on("person", ended.person_id)
        .fact("reason", REPLACED)
}
