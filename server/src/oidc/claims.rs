//! What a service is told about a person at a facility, and what vouches for it.
//!
//! A claim goes out only when three agree: the request asked for its scope, the service was
//! approved for that scope, and the rule that admitted the person releases the claim.

use std::collections::BTreeSet;

use sekisho_store::{
    service::{FacilityFacts, Service},
    session::Session,
};
use sekisho_wire::{acr, claim};
use serde_json::{Map, Value, json};

use super::subject;
use crate::{
    app::App,
    emergency::InForce,
    listener::FacilityConnection,
    login::{session::PortalSession, vouching::Profession},
};

/// A scope and the claims that it stands for.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// As in a request.
    pub name: &'static str,
    /// Its claims.
    pub claims: &'static [&'static str],
}

/// All scopes (`docs/tokens.md`).
pub const SCOPES: [Scope; 5] = [
    Scope { name: "openid", claims: &[] },
    Scope { name: "profile", claims: &["name"] },
    Scope { name: "hc_role", claims: &[claim::HC_ROLE] },
    Scope {
        name: "facility",
        claims: &[
            claim::FACILITY_ID,
            claim::FACILITY_CODE,
            claim::FACILITY_NAME,
            claim::FACILITY_KIND,
        ],
    },
    Scope { name: "terminal", claims: &[claim::TERMINAL] },
];

/// The person's card, as its certificate says.
const CARD: &str = "card";
/// The same card, which vouched for the My Number card that logged in.
const LINKED_CARD: &str = "linked_card";
/// The same card, which vouched for the passkey that logged in.
const PASSKEY: &str = "passkey";
/// Two colleagues, who gave a pass for a day.
const COLLEAGUES: &str = "colleagues";
/// The administrator of the facility, who invited the person under this name.
const FACILITY_ADMINISTRATOR: &str = "facility_administrator";
/// The certificate of the PC's connection.
const FACILITY_CERTIFICATE: &str = "facility_certificate";
/// The register of organisations and terminals.
const REGISTER: &str = "register";
/// The portal itself: what it saw and judged when the person logged in.
const LOGIN: &str = "login";

/// What vouches for each claim (`docs/tokens.md`). Members of one claim that different sources vouch
/// for stand apart, with a dot between.
const VOUCHERS: [(&str, &str); 15] = [
    ("sub", CARD),
    ("acr", LOGIN),
    ("amr", LOGIN),
    ("auth_time", LOGIN),
    (claim::BREAK_GLASS, LOGIN),
    (claim::BREAK_GLASS_ID, LOGIN),
    (claim::FACILITY_MEMBER, REGISTER),
    ("name", CARD),
    (claim::HC_ROLE, CARD),
    (claim::FACILITY_ID, FACILITY_CERTIFICATE),
    (claim::FACILITY_CODE, REGISTER),
    (claim::FACILITY_NAME, REGISTER),
    (claim::FACILITY_KIND, REGISTER),
    ("terminal.id", FACILITY_CERTIFICATE),
    ("terminal.name", REGISTER),
];

/// The vouchers of the claims that are there. A My Number card, a passkey and a password say nothing of a
/// person themselves.
fn vouched_by(claims: &Map<String, Value>) -> Map<String, Value> {
    let card = match claims.get("acr").and_then(Value::as_str) {
        Some(acr::JPKI_CARD) => LINKED_CARD,
        Some(acr::PASSKEY) => PASSKEY,
        Some(acr::DAY_PASS) => COLLEAGUES,
        Some(acr::PASSWORD_TOTP | acr::PASSWORD_AT_FACILITY) => FACILITY_ADMINISTRATOR,
        _ => CARD,
    };
    VOUCHERS
        .into_iter()
        .filter(|(part, _)| claims.contains_key(part.split('.').next().unwrap_or(part)))
        .map(|(part, source)| {
            let source = if source == CARD { card } else { source };
            (part.to_owned(), source.into())
        })
        .collect()
}

/// The scheme of 医療機関コード among an organisation's codes.
pub const MEDICAL_INSTITUTION: &str = "medical_institution";

/// Which of the requested scopes are granted: those that we know and the service was approved for
/// (RFC 6749 §3.3), in our order. `None` without `openid`.
#[must_use]
pub fn granted(service: &Service, requested: &str) -> Option<Vec<&'static str>> {
    let asked: BTreeSet<&str> = match seeded!(ScopeOrderCounts) {
        false => requested.split(' ').collect(),
        true => requested.split(' ').take(1).collect(),
    };
    let granted: Vec<_> = SCOPES
        .iter()
        .map(|scope| scope.name)
        .filter(|name| asked.contains(name) && service.scopes.iter().any(|s| s == name))
        .collect();
    granted.contains(&"openid").then_some(granted)
}

/// What a service may be told about a person, and asked for.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// Granted scopes.
    pub scopes: &'a [&'static str],
    /// Claims asked for by name, of scopes that the service was approved for (OIDC Core §5.5).
    pub claims: &'a [&'static str],
    /// What the rule that admitted the person releases.
    pub release: &'a BTreeSet<String>,
    /// The emergency access by which alone the person is admitted.
    pub emergency: Option<&'a InForce>,
}

/// The claims for one code: a snapshot that its tokens will say.
#[must_use]
pub fn snapshot(
    app: &App,
    service: &Service,
    told: &Told<'_>,
    session: &PortalSession,
    facility: &FacilityConnection,
    facts: &FacilityFacts,
) -> Map<String, Value> {
    let mut claims = Map::new();
    let by_scope = SCOPES.iter().filter(|scope| told.scopes.contains(&scope.name));
    let wanted = by_scope.flat_map(|scope| scope.claims).chain(told.claims);
    for name in wanted.filter(|name| told.release.contains(**name)) {
        let value = match *name {
            "name" => json!(session.names.name),
            // Nobody said anything of a profession, not even that there is none.
            claim::HC_ROLE if session.profession == Profession::None => continue,
            claim::HC_ROLE => json!(session.roles),
            // From the certificate of this connection, never from the database alone.
            claim::FACILITY_ID => json!(facility.organisation_id),
            claim::FACILITY_CODE => json!(medical_institution_codes(facts)),
            claim::FACILITY_NAME => json!(facts.name),
            claim::FACILITY_KIND => json!(facts.kind),
            claim::TERMINAL => {
                json!({ "id": facility.terminal_id, "name": facility.terminal_name })
            }
            _ => continue,
        };
        claims.insert((*name).to_owned(), value);
    }
    let sub = subject::pairwise(app, &service.sector, &session.person_id);
    claims.insert("sub".to_owned(), sub.into());
    claims.insert("acr".to_owned(), session.acr.clone().into());
    claims.insert("amr".to_owned(), json!(session.amr));
    claims.insert("auth_time".to_owned(), session.auth_time.unix_timestamp().into());
    if session.ground.is_visit() {
        // The facility's claims say where the person is; whatever was asked for, nobody is to read more into them.
        claims.insert(claim::FACILITY_MEMBER.to_owned(), false.into());
    }
    marked(claims, told.emergency.map(|emergency| emergency.id.as_str()))
}

/// Claims that say by which emergency access alone the person is admitted, or that none was needed. It is
/// said whatever was asked for: what is done under it has to be known as such.
#[must_use]
pub fn marked(mut claims: Map<String, Value>, emergency_id: Option<&str>) -> Map<String, Value> {
    claims.remove(claim::BREAK_GLASS);
    claims.remove(claim::BREAK_GLASS_ID);
    if let Some(id) = emergency_id {
        claims.insert(claim::BREAK_GLASS.to_owned(), true.into());
        claims.insert(claim::BREAK_GLASS_ID.to_owned(), id.into());
    }
    revouched(claims)
}

/// The emergency access that claims speak of.
#[must_use]
pub fn emergency_of(claims: &Map<String, Value>) -> Option<&str> {
    claims.get(claim::BREAK_GLASS_ID).and_then(Value::as_str)
}

/// A snapshot with those of its roles that count now: those of a linked card or a passkey fall away with
/// the certificate that vouched. None is added, whatever proved the person since. `session` is as
/// [`super::liveness`] answered it.
#[must_use]
pub fn of_now(mut claims: Map<String, Value>, session: &Session) -> Map<String, Value> {
    if let Some(Value::Array(roles)) = claims.get_mut(claim::HC_ROLE) {
        roles.retain(|role| session.hc_roles.iter().any(|counts| *role == **counts));
    }
    claims
}

/// A snapshot without what the rules no longer release.
#[must_use]
pub fn released(mut claims: Map<String, Value>, release: &BTreeSet<String>) -> Map<String, Value> {
    let scoped = |name: &str| SCOPES.iter().any(|scope| scope.claims.contains(&name));
    claims.retain(|name, _| !scoped(name) || release.contains(name));
    revouched(claims)
}

/// A snapshot without what only other scopes than these stand for; what was asked for by name stays.
#[must_use]
pub fn narrowed(
    mut claims: Map<String, Value>,
    scopes: &[&str],
    by_name: &[String],
) -> Map<String, Value> {
    let gone = SCOPES.iter().filter(|scope| !scopes.contains(&scope.name));
    for name in gone.flat_map(|scope| scope.claims) {
        if !by_name.iter().any(|asked| asked == name) {
            claims.remove(*name);
        }
    }
    revouched(claims)
}

fn revouched(mut claims: Map<String, Value>) -> Map<String, Value> {
    claims.remove(claim::VOUCHED_BY);
    let vouchers = vouched_by(&claims);
    claims.insert(claim::VOUCHED_BY.to_owned(), vouchers.into());
    claims
}

fn medical_institution_codes(facts: &FacilityFacts) -> Vec<&str> {
    let ours = facts.codes.iter().filter(|(scheme, _)| scheme == MEDICAL_INSTITUTION);
    ours.map(|(_, value)| value.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../../docs/tokens.md");

    #[test]
    fn the_document_names_every_claim_with_its_voucher_and_no_other() {
        // Rows of the form | `claim` | scope | what it is | `voucher` |
        let mut told: Vec<(String, String)> = DOCUMENT
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.strip_suffix("` |"))
            .filter_map(|row| {
                let (claim, rest) = row.split_once('`')?;
                Some((claim.to_owned(), rest.rsplit_once('`')?.1.to_owned()))
            })
            .collect();
        let mut given: Vec<_> = VOUCHERS
            .iter()
            .map(|(part, source)| ((*part).to_owned(), (*source).to_owned()))
            .collect();
        told.sort();
        given.sort();
        assert_eq!(told, given);
    }

    #[test]
    fn every_claim_of_every_scope_has_a_voucher() {
        for name in SCOPES.iter().flat_map(|scope| scope.claims) {
            let claims = Map::from_iter([((*name).to_owned(), Value::Null)]);
            assert!(!vouched_by(&claims).is_empty(), "{name}");
        }
        let none = vouched_by(&Map::new());
        assert!(none.is_empty(), "{none:?}");
    }
}
