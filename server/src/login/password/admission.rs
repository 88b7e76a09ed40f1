//! May whoever typed a password that fits have a session here? Decided and opened in the transaction of
//! [`crate::login::admission`], which consumes the code as well.

use sekisho_store::{
    Tx,
    audit::{Actor, Entry},
    membership,
    password_login::{self, NewLogin, SecondFactor},
    session::{Ground, Session},
};
use sekisho_wire::{acr, amr};

use crate::{
    login::{
        admission::{Arrival, Decided},
        opening::{self, Admitted, Opening},
        refusal::{LoginError, Refusal},
    },
    people::proof::{Second, Verified, Why},
};

/// Methods of a login by password and one-time password (RFC 8176 §2).
pub(in crate::login) const AMR: [&str; 3] = ["mfa", "otp", "pwd"];
/// Methods of a login by password alone. The key is the terminal's, so there is one factor of the person, and no
/// `mfa`.
pub(in crate::login) const AMR_ALONE: [&str; 2] = [amr::POP, "pwd"];

/// The act.
pub(super) const ACT: &str = "login.password";

/// The level that a password reaches with what was typed beside it.
pub(super) const fn level(second: Option<Second>) -> &'static str {
    match second {
        Some(_) => acr::PASSWORD_TOTP,
        None => acr::PASSWORD_AT_FACILITY,
    }
}

/// The record of a login that is refused for this reason. Whatever it is, the person is told one thing.
pub(super) fn wrong(who: Actor, why: Why, at: time::OffsetDateTime) -> Entry {
    Entry::refused(ACT, who, at, Refusal::PasswordWrong.code()).fact("why", why)
}

/// Decides, and opens the session.
///
/// # Errors
/// The database, or a defect. A refusal is part of the decision.
pub(in crate::login) async fn decide(
    tx: &mut Tx,
    verified: &Verified,
    arrival: Arrival<'_>,
    previous: Option<&Session>,
    opening: Opening,
) -> Result<Decided, LoginError> {
    let (facility, now) = (arrival.facility, opening.now);
    let person_id = verified.person_id();
    let person = || Actor::Person(person_id.to_owned());
    let refused = |why: Why| {
        let record = wrong(person(), why, now);
        Ok(Decided::refused(arrival, record, Refusal::PasswordWrong, None))
    };
    let organisation_id = facility.organisation_id.as_str();
    let Some(membership) = membership::in_force(tx, person_id, organisation_id).await? else {
        return refused("not_a_member");
    };
    // After it: a colleague's session open here is not to tell whose password fits elsewhere.
    if arrival.within.is_some() && previous.is_some_and(|previous| previous.person_id != person_id)
    {
        let refusal = Refusal::AnotherPerson;
        let record = Entry::refused(ACT, person(), now, refusal.code());
        return Ok(Decided::refused(arrival, record, refusal, previous));
    }
    if let Err(why) = verified.consume(tx, now).await? {
        return refused(why);
    }
    let admitted = admitted(tx, person_id, membership.id, verified.second, arrival, now).await?;
    let opened = opening::open(tx, arrival, previous, admitted, opening).await?;
    let said = |login: Entry| login.fact("second_factor", verified.second_factor());
    Ok(Decided { outcome: Ok(()), entries: opened.records(said).collect() })
}

/// Somebody whose factors were proven and consumed, with the login kept that proved them.
pub(super) async fn admitted<'a>(
    tx: &mut Tx,
    person_id: &'a str,
    membership_id: String,
    second: Option<Second>,
    arrival: Arrival<'_>,
    at: time::OffsetDateTime,
) -> Result<Admitted<'a>, LoginError> {
    let login = NewLogin {
        person_id,
        at,
        terminal_fingerprint: &arrival.facility.fingerprint,
        second_factor: second.map_or(SecondFactor::None, Second::kept),
    };
    Ok(Admitted {
        person_id,
        ground: Ground::Membership(membership_id),
        act: ACT,
        evidence_id: password_login::keep(tx, login).await?,
        presence_id: None,
        hc_roles: Vec::new(),
        acr: level(second),
        amr: if second.is_some() { &AMR } else { &AMR_ALONE },
    })
}
