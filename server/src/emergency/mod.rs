//! Emergency access (緊急時アクセス, break-glass): for an hour of one login, services that opted in are open to a
//! licensed person although membership, prefecture or hours do not fit.
//!
//! It lifts nothing else: who the person is, how they proved it, what was revoked, and what administrators
//! may do are asked as ever. Whether it is in force is read from the database at each decision, and ends
//! with its hour, with the login, or when somebody ends it. `docs/decisions/0036-…` says why it is so.

pub mod begin;
pub mod end;
pub mod page;
pub mod upkeep;

use sekisho_authz::{Decision, Request};
use sekisho_pki::national::hc_role::{self, RoleKind};
use sekisho_store::{
    Queries, StoreError,
    audit::Entry,
    emergency_access::{self, EmergencyAccess},
    session::Session,
};
use sekisho_wire::acr;
use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use url::form_urlencoded::Serializer;

use crate::{catalogue::Text, portal::when::JST};

/// How long one lasts at most.
pub const LENGTH: Duration = Duration::minutes(60);
/// Within which time a second person is to review it.
pub const REVIEWED_WITHIN: Duration = Duration::hours(72);
/// Where one is opened.
pub const PATH: &str = "/emergency";

/// Why somebody breaks the glass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The patient cannot say anything, or was brought by ambulance.
    PatientUnconscious,
    /// A disaster: people work where and when they otherwise do not.
    Disaster,
    /// Whoever is in charge of the patient cannot be reached.
    InChargeAbsent,
    /// The system that is used otherwise is out of order.
    SystemDown,
    /// Something else, which the words say.
    Other,
}

impl Reason {
    /// All, in the order in which the form asks.
    pub const ALL: [Self; 5] = [
        Self::PatientUnconscious,
        Self::Disaster,
        Self::InChargeAbsent,
        Self::SystemDown,
        Self::Other,
    ];

    /// As in forms and as stored.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::PatientUnconscious => "patient_unconscious",
            Self::Disaster => "disaster",
            Self::InChargeAbsent => "in_charge_absent",
            Self::SystemDown => "system_down",
            Self::Other => "other",
        }
    }
}

/// Message key of a reason, by its code.
#[must_use]
pub fn reason_key(code: &str) -> String {
    format!("emergency-reason-{}", code.replace('_', "-"))
}

/// What a second person finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The glass was broken for good reason.
    Justified,
    /// It was not.
    NotJustified,
}

impl Verdict {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Justified, Self::NotJustified];

    /// As in forms and as stored.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Justified => "justified",
            Self::NotJustified => "not_justified",
        }
    }
}

/// How the review of one stands, in words.
#[must_use]
pub fn review_words(found: &EmergencyAccess, text: &Text) -> String {
    text.t(match &found.review {
        Some(review) if review.verdict == Verdict::Justified.code() => {
            "emergency-verdict-justified"
        }
        Some(_) => "emergency-verdict-not-justified",
        None if found.escalated_at.is_some() => "emergency-review-escalated",
        None => "emergency-review-waits",
    })
}

/// One that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Its record.
    pub id: String,
    /// Until when.
    pub ends_at: OffsetDateTime,
}

/// Why somebody can have none, whatever the emergency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// No licence is known that counts now: none on the card, or nobody vouches for it any more.
    NotLicensed,
    /// The login stands for less than two factors.
    NotTwoFactor,
}

/// The day by which the limit is counted: `yyyy-mm-dd`, in Japan.
pub(super) fn day_of(at: OffsetDateTime) -> String {
    at.to_offset(JST).date().to_string()
}

/// Whether somebody with these roles, as they count now, and a login of this level can have one.
///
/// # Errors
/// [`Unfit`].
pub fn fit(roles: &[String], acr: &str) -> Result<(), Unfit> {
    let licensed =
        |role: &String| hc_role::known(role).is_some_and(|known| known.kind == RoleKind::Licence);
    if !roles.iter().any(licensed) {
        return Err(Unfit::NotLicensed);
    }
    if !acr::TWO_FACTOR.contains(&acr) {
        return Err(Unfit::NotTwoFactor);
    }
    Ok(())
}

/// The one that is in force in a login, whose person has these roles and proved themself at this level.
/// With the licence it falls away, in the middle of its hour as well.
///
/// # Errors
/// [`StoreError`].
pub async fn in_force(
    queries: &mut impl Queries,
    session_hash: &[u8; 32],
    roles: &[String],
    acr: &str,
    now: OffsetDateTime,
) -> Result<Option<InForce>, StoreError> {
    if fit(roles, acr).is_err() {
        return Ok(None);
    }
    let found = emergency_access::in_force(queries, session_hash, now).await?;
    Ok(found.map(|found| InForce { id: found.id, ends_at: found.ends_at }))
}

/// The same of a session as [`crate::oidc::liveness`] answered it.
///
/// # Errors
/// [`StoreError`].
pub async fn of_session(
    queries: &mut impl Queries,
    session: &Session,
    now: OffsetDateTime,
) -> Result<Option<InForce>, StoreError> {
    in_force(queries, &session.id_hash, &session.hc_roles, &session.acr, now).await
}

/// Where somebody who is refused can open one, if that would help them.
#[must_use]
pub fn offered(request: &Request, decision: &Decision) -> Option<&'static str> {
    let helps = decision.emergency_would_help && fit(&request.roles, &request.acr).is_ok();
    helps.then_some(PATH)
}

/// Where one is opened, and the path of ours at which what it was opened for goes on.
#[must_use]
pub fn address(return_to: Option<&str>) -> String {
    let mut query = Serializer::new(String::new());
    return_to.map(|path| query.append_pair("return_to", path));
    match query.finish() {
        query if query.is_empty() => PATH.to_owned(),
        query => format!("{PATH}?{query}"),
    }
}

/// A record that names the emergency access to which what it tells of is owed.
#[must_use]
pub fn named(entry: Entry, emergency: Option<&InForce>) -> Entry {
    match emergency {
        Some(emergency) => entry.on("emergency_access", &emergency.id),
        None => entry,
    }
}

/// A time, or the end of the emergency access to which something is owed, whichever is first.
#[must_use]
pub fn no_longer_than(emergency: Option<&InForce>, end: OffsetDateTime) -> OffsetDateTime {
    emergency.map_or(end, |emergency| emergency.ends_at.min(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Catalogue, Lang};

    #[test]
    fn a_licence_and_two_factors_are_asked_for() {
        let roles =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let doctor = roles(&["Medical Doctor"]);
        for level in acr::TWO_FACTOR {
            assert_eq!(fit(&doctor, level), Ok(()), "{level}");
        }
        for level in [acr::PASSWORD_AT_FACILITY, "", "urn:oid:1.3.6.1.4.1.32473.3.9", "1"] {
            assert_eq!(fit(&doctor, level), Err(Unfit::NotTwoFactor), "{level}");
        }
        let managers: Vec<_> =
            hc_role::known_roles().filter(|role| role.kind == RoleKind::Manager).collect();
        assert!(!managers.is_empty());
        // A post is no licence, and nor is a name that nobody knows.
        for manager in managers {
            assert_eq!(fit(&roles(&[manager.name]), acr::HPKI_CARD), Err(Unfit::NotLicensed));
        }
        for names in [&[][..], &["Wizard"], &["medical doctor"]] {
            assert_eq!(fit(&roles(names), acr::HPKI_CARD), Err(Unfit::NotLicensed), "{names:?}");
        }
        assert_eq!(fit(&roles(&["Wizard", "Pharmacist"]), acr::PASSKEY), Ok(()));
    }

    #[test]
    fn every_reason_has_words_in_both_languages() {
        let catalogue = Catalogue::load().unwrap();
        for (reason, lang) in Reason::ALL.into_iter().flat_map(|r| Lang::ALL.map(|lang| (r, lang)))
        {
            let key = reason_key(reason.code());
            assert!(catalogue.has(lang, &key), "{key} in {}", lang.tag());
        }
    }

    #[test]
    fn a_code_reads_back_as_its_reason_and_its_verdict() {
        let read = |code: &str| serde_json::from_value::<Reason>(code.into()).unwrap();
        assert_eq!(Reason::ALL.map(|reason| read(reason.code())), Reason::ALL);
        let read = |code: &str| serde_json::from_value::<Verdict>(code.into()).unwrap();
        assert_eq!(Verdict::ALL.map(|verdict| read(verdict.code())), Verdict::ALL);
    }
}
