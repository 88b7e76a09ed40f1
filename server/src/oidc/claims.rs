//! What a service is told about a person at a facility, and what vouches for it.
//!
//! A claim goes out only when three agree: the request asked for its scope, the service was
//! approved for that scope, and the rule that admitted the person releases the claim.

use std::collections::BTreeSet;

use sekisho_store::service::{FacilityFacts, Service};
use sekisho_wire::claim;
use serde_json::{Map, Value, json};

use super::subject;
use crate::{app::App, listener::FacilityConnection, login::session::PortalSession};

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

/// The scheme of 医療機関コード among an organisation's codes.
pub const MEDICAL_INSTITUTION: &str = "medical_institution";

/// Which of the requested scopes are granted: those that we know and the service was approved for
/// (RFC 6749 §3.3), in our order. `None` without `openid`.
#[must_use]
pub fn granted(service: &Service, requested: &str) -> Option<Vec<&'static str>> {
    let asked: BTreeSet<&str> = requested.split(' ').collect();
    let granted: Vec<_> = SCOPES
        .iter()
        .map(|scope| scope.name)
        .filter(|name| asked.contains(name) && service.scopes.iter().any(|s| s == name))
        .collect();
    granted.contains(&"openid").then_some(granted)
}

/// The claims for one code: a snapshot that its tokens will say.
#[must_use]
pub fn snapshot(
    app: &App,
    service: &Service,
    scopes: &[&str],
    release: &BTreeSet<String>,
    session: &PortalSession,
    facility: &FacilityConnection,
    facts: &FacilityFacts,
) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut vouched_by = Map::new();
    let wanted = SCOPES.iter().filter(|scope| scopes.contains(&scope.name));
    for name in wanted.flat_map(|scope| scope.claims).filter(|name| release.contains(**name)) {
        let (value, source) = match *name {
            "name" => (json!(session.names.name), "card"),
            claim::HC_ROLE => (json!(session.roles), "card"),
            // From the certificate of this connection, never from the database alone.
            claim::FACILITY_ID => (json!(facility.organisation_id), "facility_certificate"),
            claim::FACILITY_CODE => (json!(medical_institution_codes(facts)), "register"),
            claim::FACILITY_NAME => (json!(facts.name), "register"),
            claim::FACILITY_KIND => (json!(facts.kind), "register"),
            claim::TERMINAL => (
                json!({ "id": facility.terminal_id, "name": facility.terminal_name }),
                "facility_certificate",
            ),
            _ => continue,
        };
        claims.insert((*name).to_owned(), value);
        vouched_by.insert((*name).to_owned(), source.into());
    }
    for name in ["acr", "amr", "auth_time"] {
        vouched_by.insert(name.to_owned(), "card".into());
    }
    let sub = subject::pairwise(app, &service.sector, &session.person_id);
    claims.insert("sub".to_owned(), sub.into());
    claims.insert("acr".to_owned(), session.acr.clone().into());
    claims.insert("amr".to_owned(), json!(session.amr));
    claims.insert("auth_time".to_owned(), session.auth_time.unix_timestamp().into());
    claims.insert(claim::VOUCHED_BY.to_owned(), vouched_by.into());
    claims
}

fn medical_institution_codes(facts: &FacilityFacts) -> Vec<&str> {
    let ours = facts.codes.iter().filter(|(scheme, _)| scheme == MEDICAL_INSTITUTION);
    ours.map(|(_, value)| value.as_str()).collect()
}
