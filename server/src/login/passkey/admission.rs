//! May whoever holds a passkey have a session here? Decided and opened in the transaction of
//! [`crate::login::admission`], which reads and writes the passkey's counter as well.

use sekisho_store::{
    Tx,
    audit::{Actor, Entry},
    membership,
    passkey::{self, Passkey},
    session::{self as sessions, Ground, Session},
};
use sekisho_wire::{acr, amr};
use time::OffsetDateTime;

use super::{
    COPIED,
    assertion::{Assertion, Worth},
    relying_party::RelyingParty,
};
use crate::{
    app::App,
    listener::FacilityConnection,
    login::{
        admission::{Arrival, Decided},
        opening::{self, Admitted, Opening},
        refusal::{LoginError, Refusal},
        visitor::{self, Stranger},
        vouching::{self, Lapse},
    },
};

/// Methods of a login by passkey (RFC 8176 §2): the person was there, and verified by the
/// authenticator, so more than one factor; and which.
pub(in crate::login) const AMR: [&str; 3] = ["mfa", amr::PASSKEY, "user"];

/// The act.
pub(super) const ACT: &str = "login.passkey";

/// Decides, and opens the session.
///
/// # Errors
/// The database, or a defect. A refusal is part of the decision.
pub(in crate::login) async fn decide(
    tx: &mut Tx,
    app: &App,
    assertion: &Assertion,
    arrival: Arrival<'_>,
    previous: Option<&Session>,
    opening: Opening,
) -> Result<Decided, LoginError> {
    let (facility, now) = (arrival.facility, opening.now);
    let organisation_id = facility.organisation_id.as_str();
    // Judged before, and worth something then: only a removal of this moment leads here.
    let unknown = || {
        let refusal = Refusal::PasskeyUnknown;
        let record = Entry::refused(ACT, facility.actor(), now, refusal.code());
        Ok(Decided::refused(arrival, record, refusal, None))
    };
    let Some(passkey) = passkey::of_credential(tx, assertion.credential_id()).await? else {
        return unknown();
    };
    let credential = match assertion.verify(app, &RelyingParty::of(app)?, (&passkey).into())? {
        Worth::Nothing(_) => return unknown(),
        Worth::Sound(credential) if passkey.held_at.is_none() => credential,
        Worth::Sound(_) | Worth::Copied => return hold(tx, &passkey, arrival, now).await,
    };
    let refused = |refusal: Refusal, stays: Option<&Session>| {
        let person = Actor::Person(passkey.person_id.clone());
        let record = Entry::refused(ACT, person, now, refusal.code()).on("passkey", &passkey.id);
        Ok(Decided::refused(arrival, record, refusal, stays))
    };
    if arrival.within.is_some()
        && previous.is_some_and(|previous| previous.person_id != passkey.person_id)
    {
        return refused(Refusal::AnotherPerson, previous);
    }
    let trust = app.card_trust().at(organisation_id);
    if passkey.voucher.world != trust.world() {
        // Invented people and real ones never meet (decision 22), whatever enrolled them.
        return refused(Refusal::of_other_world(trust.world()), None);
    }
    let person_id = passkey.person_id.as_str();
    let vouched = vouching::judge(&trust, &passkey.voucher.certificate_der, now);
    let standing = vouched.as_ref().err().map_or("vouched", |lapse: &Lapse| lapse.code());
    let hc_roles = vouched.unwrap_or_default();
    let ground = match membership::in_force(tx, person_id, organisation_id).await? {
        Some(membership) => Ground::Membership(membership.id),
        None => {
            let stranger =
                Stranger { person_id: Some(person_id), roles: &hc_roles, acr: acr::PASSKEY };
            match visitor::ground(tx, app, arrival, previous, stranger, now).await? {
                Ok(ground) => ground,
                Err(refusal) => return refused(refusal, None),
            }
        }
    };
    let login = assertion.login(&passkey, &facility.fingerprint, now);
    let admitted = Admitted {
        person_id,
        ground,
        act: ACT,
        evidence_id: passkey::note_login(tx, &login, &credential).await?,
        presence_id: None,
        hc_roles,
        acr: acr::PASSKEY,
        amr: &AMR,
    };
    let opened = opening::open(tx, arrival, previous, admitted, opening).await?;
    let said = |login: Entry| login.on("passkey", &passkey.id).fact("profession", standing);
    let entries = opened.records(said).collect();
    Ok(Decided { outcome: Ok(()), entries })
}

/// Refuses a passkey of which there are two, for ever: whose sessions are the person's, nobody knows.
async fn hold(
    tx: &mut Tx,
    passkey: &Passkey,
    arrival: Arrival<'_>,
    now: OffsetDateTime,
) -> Result<Decided, LoginError> {
    let facility: &FacilityConnection = arrival.facility;
    let refusal = Refusal::PasskeyCopied;
    let refused =
        Entry::refused(ACT, facility.actor(), now, refusal.code()).on("passkey", &passkey.id);
    let mut decided = Decided::refused(arrival, refused, refusal, None);
    if passkey::hold(tx, &passkey.id, now).await? {
        let ended = sessions::end_of_passkey(tx, &passkey.id, COPIED, now).await?;
        let held = Entry::done("passkey.hold", Actor::System, now)
            .on("passkey", &passkey.id)
            .on("person", &passkey.person_id)
            .fact("sessions_ended", ended.len());
        decided.entries.push(facility.place(held, arrival.peer));
    }
    Ok(decided)
}
