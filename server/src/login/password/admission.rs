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
    app::App,
    login::{
        admission::{Arrival, Decided},
        opening::{self, Admitted, Opening},
        passkey::{assertion::Assertion, second_factor},
        refusal::{LoginError, Refusal},
    },
    people::proof::{Second, Verified, Why},
};

/// Methods of a login by password and one-time password (RFC 8176 §2).
pub(in crate::login) const AMR: [&str; 3] = ["mfa", "otp", "pwd"];
/// Methods of a login by password and a passkey of the account in place of the one-time password, which verified its
/// user.
pub(in crate::login) const AMR_PASSKEY: [&str; 4] = ["mfa", amr::PASSKEY, "pwd", "user"];
/// Methods of a login by password alone. The key is the terminal's, so there is one factor of the person, and no
/// `mfa`.
pub(in crate::login) const AMR_ALONE: [&str; 2] = [amr::POP, "pwd"];

/// The act.
pub(in crate::login) const ACT: &str = "login.password";

/// The level that a password reaches with what was typed beside it.
pub(super) const fn level(second: SecondFactor) -> &'static str {
    match second {
        SecondFactor::Totp | SecondFactor::RecoveryCode | SecondFactor::Passkey => {
            acr::PASSWORD_TOTP
        }
        SecondFactor::None => acr::PASSWORD_AT_FACILITY,
    }
}

/// Its methods.
const fn methods(second: SecondFactor) -> &'static [&'static str] {
    match second {
        SecondFactor::Totp | SecondFactor::RecoveryCode => &AMR,
        SecondFactor::Passkey => &AMR_PASSKEY,
        SecondFactor::None => &AMR_ALONE,
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
    app: &App,
    (verified, passkey): (&Verified, Option<&Assertion>),
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
    let standing = match passkey {
        None => None,
        Some(assertion) => match second_factor::judge(tx, app, assertion, person_id, now).await? {
            second_factor::Judged::Sound(standing) => Some(standing),
            second_factor::Judged::Unknown => return refused("unknown"),
            second_factor::Judged::Held(id, record) => {
                let refusal = Refusal::PasskeyCopied;
                let refused = Entry::refused(ACT, person(), now, refusal.code());
                let refused = refused.on("account_passkey", id);
                let mut decided = Decided::refused(arrival, refused, refusal, None);
                decided.entries.extend(record.map(|held| facility.place(held, arrival.peer)));
                return Ok(decided);
            }
        },
    };
    let second = match &standing {
        Some(_) => SecondFactor::Passkey,
        None => verified.second.map_or(SecondFactor::None, Second::kept),
    };
    let admitted = admitted(tx, person_id, membership.id, second, arrival, now).await?;
    if let Some(standing) = &standing {
        standing.keep(tx, &admitted.evidence_id, now).await?;
    }
    let opened = opening::open(tx, arrival, previous, admitted, opening).await?;
    let said = |login: Entry| {
        let login = login.fact("second_factor", second.as_str());
        match &standing {
            Some(standing) => login.on("account_passkey", standing.id()),
            None => login,
        }
    };
    Ok(Decided { outcome: Ok(()), entries: opened.records(said).collect() })
}

/// Somebody whose factors were proven and consumed, with the login kept that proved them.
pub(super) async fn admitted<'a>(
    tx: &mut Tx,
    person_id: &'a str,
    membership_id: String,
    second_factor: SecondFactor,
    arrival: Arrival<'_>,
    at: time::OffsetDateTime,
) -> Result<Admitted<'a>, LoginError> {
    let login = NewLogin {
        person_id,
        at,
        terminal_fingerprint: &arrival.facility.fingerprint,
        second_factor,
    };
    Ok(Admitted {
        person_id,
        ground: Ground::Membership(membership_id),
        act: ACT,
        evidence_id: password_login::keep(tx, login).await?,
        presence_id: None,
        hc_roles: Vec::new(),
        acr: level(second_factor),
        amr: methods(second_factor),
    })
}
