//! The managed policy of Chromium, Chrome and Edge: no certificate chooser, no prompt for loopback.

pub mod explanation;
pub mod registry_file;
pub mod template;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc4519::{
    COMMON_NAME, LOCALITY_NAME, ORGANIZATION_NAME, ORGANIZATIONAL_UNIT_NAME,
};
use sekisho_pki::encoding::name::only_text;
use sekisho_protocol::trust::TerminalTrust;
use serde_json::{Value, json};
use x509_cert::Certificate;
use x509_cert::name::Name;

/// The policy by which a page reaches a program on this PC without a prompt.
pub(crate) const LOOPBACK: &str = "LoopbackNetworkAllowedForUrls";
/// The policy by which a certificate is shown without a chooser.
pub(crate) const SELECT: &str = "AutoSelectCertificateForUrls";

/// Where Edge and Chrome on Windows look for policies, below either root of the registry (Microsoft Edge
/// and Chrome Enterprise, each policy's "Windows registry location").
pub const BROWSER_KEYS: [(&str, &str); 2] = [
    ("Microsoft Edge", r"SOFTWARE\Policies\Microsoft\Edge"),
    ("Google Chrome", r"SOFTWARE\Policies\Google\Chrome"),
];

/// The attributes that a filter may name (Chrome Enterprise, AutoSelectCertificateForUrls).
const ATTRIBUTES: [(&str, ObjectIdentifier); 4] = [
    ("CN", COMMON_NAME),
    ("L", LOCALITY_NAME),
    ("O", ORGANIZATION_NAME),
    ("OU", ORGANIZATIONAL_UNIT_NAME),
];

/// What the policies on this PC do for a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// None lets the portals' pages reach the agent.
    Absent,
    /// What lies here names a portal, but its filter passes over the terminal's certificate: the browser
    /// shows none.
    PassesOver(String),
    /// One lets the pages in, and none passes over the certificate.
    InPlace,
}

/// Where policies, each with the place that it was found in, stand to a terminal with this certificate.
pub fn standing(
    policies: Vec<(String, Value)>,
    trust: &TerminalTrust,
    certificate: &Certificate,
) -> Standing {
    let mut lets_in = false;
    for (found_in, policy) in policies {
        if trust.portal_origins.iter().any(|origin| passes_over(&policy, origin, certificate)) {
            return Standing::PassesOver(found_in);
        }
        let allowed = policy[LOOPBACK].as_array();
        lets_in |= trust.portal_origins.iter().all(|origin| {
            allowed.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(origin)))
        });
    }
    if lets_in { Standing::InPlace } else { Standing::Absent }
}

/// Whether a policy has filters for this origin and none of them lets the certificate through.
fn passes_over(policy: &Value, origin: &str, certificate: &Certificate) -> bool {
    let items = policy[SELECT].as_array().into_iter().flatten();
    // The policy's items are JSON in a string (Chrome Enterprise, AutoSelectCertificateForUrls).
    let items = items.filter_map(|item| serde_json::from_str::<Value>(item.as_str()?).ok());
    let mut ours = items.filter(|item| item["pattern"] == origin).peekable();
    ours.peek().is_some() && !ours.any(|item| lets_through(&item["filter"], certificate))
}

fn lets_through(filter: &Value, certificate: &Certificate) -> bool {
    let tbs = certificate.tbs_certificate();
    let names: [(&str, &Name); 2] = [("ISSUER", tbs.issuer()), ("SUBJECT", tbs.subject())];
    names.iter().all(|(member, name)| {
        ATTRIBUTES.iter().all(|(attribute, oid)| match filter[member][attribute].as_str() {
            Some(wanted) => only_text(name, *oid).as_deref() == Some(wanted),
            None => true,
        })
    })
}

/// Policy JSON for these portals, with a filter that keeps other certificates of the user out of
/// the choice and outlives a roll-over of the terminals' authority.
///
/// The issuer's organisation is what its generations share; its common name is what tells them
/// apart. The portal names its authorities in the handshake (RFC 8446 §4.2.4) and the browser offers
/// nothing else, so the filter is the second fence. Where the issuer has no organisation the
/// subject's common name, the terminal's identifier, does it: only this terminal's certificates.
pub fn chromium(trust: &TerminalTrust, certificate: &Certificate) -> Value {
    let tbs = certificate.tbs_certificate();
    let filter = match only_text(tbs.issuer(), ORGANIZATION_NAME) {
        Some(organisation) => json!({ "ISSUER": { "O": organisation } }),
        None => json!({ "SUBJECT": { "CN": only_text(tbs.subject(), COMMON_NAME) } }),
    };
    let select: Vec<String> = trust
        .portal_origins
        .iter()
        .map(|origin| json!({ "pattern": origin, "filter": filter }).to_string())
        .collect();
    json!({
        (SELECT): select,
        (LOOPBACK): trust.portal_origins,
    })
}

#[cfg(test)]
mod tests {
    use der::Decode;
    use sekisho_ca::lookalike::Forge;
    use sekisho_key::SoftwareKey;
    use sekisho_pki::encoding::name::{Part, name};
    use time::{Duration, OffsetDateTime};

    use super::*;

    const ORIGIN: &str = "https://terminal.example";

    fn trust() -> TerminalTrust {
        let key = json!({ "kty": "EC", "crv": "P-256", "kid": "k",
            "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
            "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU" });
        serde_json::from_value(json!({
            "issuer": "https://login.example", "portal_origins": [ORIGIN],
            "login_request_keys": { "keys": [key] },
            "terminal": { "id": "T0123456789", "name": "t" },
            "facility": { "id": "123456789015", "name": "f" },
            "card_issuers": [], "accepted_policies": [],
            "presence_url": "https://enrol.example/presence", "minimum_agent_version": "0.1.0",
        }))
        .unwrap()
    }

    fn certificate(issuer: &[Part<'_>], terminal: &str) -> Certificate {
        let key = SoftwareKey::generate_p256().unwrap();
        let now = OffsetDateTime::now_utc();
        let subject = name(&[Part::CommonName(terminal)]).unwrap();
        let forge = Forge::new(&name(issuer).unwrap(), &subject, &key, now, now + Duration::DAY);
        Certificate::from_der(&forge.sign(&key).unwrap()).unwrap()
    }

    fn generation<'a>(organisation: &'a str, common_name: &'a str) -> [Part<'a>; 3] {
        [Part::Country("JP"), Part::Organization(organisation), Part::CommonName(common_name)]
    }

    fn standing_of(policy: &Value, certificate: &Certificate) -> Standing {
        standing(vec![("here".to_owned(), policy.clone())], &trust(), certificate)
    }

    #[test]
    fn a_policy_outlives_a_roll_over_and_keeps_foreign_certificates_out() {
        let passes_over = Standing::PassesOver("here".to_owned());
        let first = certificate(&generation("Body", "Terminal CA"), "T0123456789");
        let second = certificate(&generation("Body", "G2 Terminal CA"), "T0123456789");
        let foreign = certificate(&generation("Somebody", "Terminal CA"), "T0123456789");
        let policy = chromium(&trust(), &first);
        assert_eq!(standing_of(&policy, &first), Standing::InPlace);
        assert_eq!(standing_of(&policy, &second), Standing::InPlace);
        assert_eq!(standing_of(&policy, &foreign), passes_over);
        // As agents wrote it before: it names one generation.
        let item = json!({ "pattern": ORIGIN, "filter": { "ISSUER": { "CN": "Terminal CA" } } });
        let before = json!({ (LOOPBACK): [ORIGIN], (SELECT): [item.to_string()] });
        assert_eq!(standing_of(&before, &first), Standing::InPlace);
        assert_eq!(standing_of(&before, &second), passes_over);
    }

    #[test]
    fn an_issuer_without_an_organisation_leaves_the_terminal_itself() {
        let passes_over = Standing::PassesOver("here".to_owned());
        let own = certificate(&[Part::CommonName("Imported CA")], "T0123456789");
        let renewed = certificate(&[Part::CommonName("Imported CA 2")], "T0123456789");
        let other = certificate(&[Part::CommonName("Imported CA")], "T9876543210");
        let policy = chromium(&trust(), &own);
        assert_eq!(standing_of(&policy, &renewed), Standing::InPlace);
        assert_eq!(standing_of(&policy, &other), passes_over);
    }

    #[test]
    fn a_policy_of_something_else_is_no_policy_of_ours() {
        let own = certificate(&generation("Body", "Terminal CA"), "T0123456789");
        let other = json!({ (LOOPBACK): ["https://else.example"], (SELECT): ["no JSON"] });
        assert_eq!(standing_of(&other, &own), Standing::Absent);
        assert_eq!(standing_of(&json!({ "HomepageLocation": ORIGIN }), &own), Standing::Absent);
    }
}
