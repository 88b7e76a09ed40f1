//! May whoever holds a slip and knows its PIN have a session here? Decided and opened in the transaction of
//! [`crate::login::admission`].

use sekisho_store::{
    Tx,
    audit::{Actor, Entry},
    day_pass::{self, DayPass},
    membership,
    session::{Ground, Session},
};
use sekisho_wire::{acr, amr};

use crate::{
    app::App,
    login::{
        admission::{Arrival, Decided, why_no_member},
        opening::{self, Admitted, Opening},
        refusal::{LoginError, Refusal},
        vouching::{self, Lapse},
    },
};

/// Methods of a login by slip and PIN (RFC 8176 §2).
pub(in crate::login) const AMR: [&str; 3] = [amr::DAY_PASS, "mfa", "pin"];

/// The act.
pub(super) const ACT: &str = "login.day_pass";

/// Decides, and opens the session: it ends with the pass at the latest.
///
/// # Errors
/// The database, or a defect. A refusal is part of the decision.
pub(in crate::login) async fn decide(
    tx: &mut Tx,
    app: &App,
    pass: &DayPass,
    arrival: Arrival<'_>,
    previous: Option<&Session>,
    opening: Opening,
) -> Result<Decided, LoginError> {
    let (facility, now) = (arrival.facility, opening.now);
    let (person_id, here) = (pass.person_id.as_str(), facility.organisation_id.as_str());
    let refused = |refusal: Refusal, stays: Option<&Session>| {
        let person = Actor::Person(pass.person_id.clone());
        let record = Entry::refused(ACT, person, now, refusal.code()).on("day_pass", &pass.id);
        Ok(Decided::refused(arrival, record, refusal, stays))
    };
    if arrival.within.is_some() && previous.is_some_and(|previous| previous.person_id != person_id)
    {
        return refused(Refusal::AnotherPerson, previous);
    }
    let trust = app.card_trust().at(here);
    if pass.voucher.world != trust.world() {
        return refused(Refusal::of_other_world(trust.world()), None);
    }
    let Some(membership) = membership::in_force(tx, person_id, here).await? else {
        return refused(why_no_member(tx, person_id, here).await?, None);
    };
    let login = day_pass::note_login(tx, &pass.id, &facility.fingerprint, now).await?;
    let Some(evidence_id) = login else {
        return refused(Refusal::DayPassOver, None);
    };
    let vouched = vouching::judge(&trust, &pass.voucher.certificate_der, now);
    let standing = vouched.as_ref().err().map_or("vouched", |lapse: &Lapse| lapse.code());
    let admitted = Admitted {
        person_id,
        ground: Ground::Membership(membership.id),
        act: ACT,
        evidence_id,
        presence_id: None,
        hc_roles: vouched.unwrap_or_default(),
        acr: acr::DAY_PASS,
        amr: &AMR,
    };
    let opening = Opening { expires_at: opening.expires_at.min(pass.valid_until), ..opening };
    let opened = opening::open(tx, arrival, previous, admitted, opening).await?;
    let said = |login: Entry| login.on("day_pass", &pass.id).fact("profession", standing);
    Ok(Decided { outcome: Ok(()), entries: opened.records(said).collect() })
}
