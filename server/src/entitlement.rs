//! May this person, at this facility, use this service? One place for the portal and for the
//! authorization endpoint, so that the two never disagree.

pub mod difference;
mod judge;
mod offered;
mod words;

use sekisho_authz::{Cache, Decision, Question, Request, Vocabulary};
use sekisho_pki::national::hc_role;
use sekisho_store::{
    Queries, StoreError, membership, offer,
    service::{self, FacilityFacts},
    session::Session,
    world::World,
};
use sekisho_wire::{acr, claim};
use serde_json::json;
use time::OffsetDateTime;

use crate::{
    app::App,
    config::Sandbox,
    emergency::{self, InForce},
    login::{session::PortalSession, vouching},
};

pub use judge::Judge;
pub use offered::Offered;
pub use words::{
    Explanation, hours_name, kind_name, level_name, prefecture_name, proof_name, role_name, words,
};

/// Kinds of organisation that a rule may name, as stored.
pub const KINDS: [&str; 11] = [
    "hospital",
    "clinic",
    "dental_clinic",
    "pharmacy",
    "visiting_nursing",
    "care_facility",
    "service_provider",
    "regional_network",
    "government",
    "vendor",
    "data_collector",
];

/// The words that rules may use, the compiled rules, and where services are tried out.
///
/// The sandbox and what is real never meet: a service that the operating body has not approved is open
/// at test facilities only, and one that it has approved is closed there.
#[derive(Debug)]
pub struct Entitlements {
    vocabulary: Vocabulary,
    cache: Cache,
    kept: offered::Kept,
    sandbox: Sandbox,
    sandbox_rules: String,
}

/// Version of the rules that hold for a service of the sandbox without rules of its own; those that
/// are stored begin with 1.
const SANDBOX_VERSION: i64 = 0;

impl Default for Entitlements {
    fn default() -> Self {
        Self::new()
    }
}

impl Entitlements {
    /// With the vocabulary of this instance and nothing compiled yet.
    #[must_use]
    pub fn new() -> Self {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let vocabulary = Vocabulary {
            roles: hc_role::known_roles().map(|role| role.name.to_owned()).collect(),
            kinds: owned(&KINDS),
            acr_levels: acr::LEVELS.map(str::to_owned).to_vec(),
            claims: owned(&[
                "name",
                claim::HC_ROLE,
                claim::FACILITY_ID,
                claim::FACILITY_CODE,
                claim::FACILITY_NAME,
                claim::FACILITY_KIND,
                claim::TERMINAL,
            ]),
        };
        // Test people have nothing to hide, so a service sees what it would be told of real ones.
        let sandbox_rules = json!({
            "rules": [{ "id": "sandbox", "release": vocabulary.claims }],
        });
        Self {
            vocabulary,
            cache: Cache::new(),
            kept: offered::Kept::default(),
            sandbox: Sandbox::default(),
            sandbox_rules: sandbox_rules.to_string(),
        }
    }

    /// The same with these test facilities.
    #[must_use]
    pub fn with_sandbox(self, sandbox: Sandbox) -> Self {
        Self { sandbox, ..self }
    }

    /// Whether a service is of the same world as a facility: both real, or both for tests.
    #[must_use]
    pub fn is_offered_at(&self, offer: &offer::Offer, facility_id: &str) -> bool {
        self.is_of_the_world(offer.live_at.is_some(), facility_id)
    }

    fn is_of_the_world(&self, live: bool, facility_id: &str) -> bool {
        let world = if live { World::Real } else { World::Sandbox };
        world == self.sandbox.world_of(facility_id)
    }

    /// The test facilities.
    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The words that rules may use.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Decides about one service. Rules that are absent or cannot be used refuse.
    #[must_use]
    pub fn decide(&self, offer: &offer::Offer, request: &Request) -> Decision {
        self.answer(offer, &self.question(request))
    }

    /// What somebody asks of several services.
    #[must_use]
    pub fn question<'a>(&'a self, request: &'a Request) -> Question<'a> {
        Question::new(request, &self.vocabulary)
    }

    /// Decides about one of them, as [`Entitlements::decide`] does.
    #[must_use]
    pub fn answer(&self, offer: &offer::Offer, question: &Question<'_>) -> Decision {
        self.ask(&self.judge(offer), question)
    }

    /// The weakest level by which anybody is admitted to a service; `None` where nobody is.
    #[must_use]
    pub fn weakest_level(&self, offer: &offer::Offer) -> Option<String> {
        let judge = self.judge(offer);
        let compiled = judge.rules()?;
        // Whoever is asked to log in is at a facility; how patients prove themselves says nothing to them.
        let rules = compiled.rules().rules.iter().filter(|rule| !rule.patients);
        let levels = rules.filter_map(|rule| rule.minimum_acr.as_ref());
        levels.min_by_key(|level| self.vocabulary.strength(level)).cloned()
    }
}

/// The roles that a rule may look at: those of the table of known names.
#[must_use]
pub fn authorising_roles(roles: &[String]) -> Vec<String> {
    roles.iter().filter(|role| hc_role::known(role).is_some()).cloned().collect()
}

/// What the rules are asked about somebody, with the emergency access that is in force for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What the rules look at.
    pub request: Request,
    emergency: Option<InForce>,
}

impl Asked {
    /// The emergency access without which the decision would be a refusal.
    #[must_use]
    pub fn admitted_by(&self, decision: &Decision) -> Option<&InForce> {
        self.emergency.as_ref().filter(|_| decision.by_emergency)
    }
}

/// What is known about the person of a session, as of now.
///
/// # Errors
/// [`StoreError`].
pub async fn request(app: &App, session: &PortalSession) -> Result<Asked, StoreError> {
    let who = Who {
        emergency: session.emergency.clone(),
        visiting: session.ground.is_visit(),
        now: app.now(),
        person_id: &session.person_id,
        organisation_id: &session.organisation_id,
        roles: session.authorising_roles(),
        acr: &session.acr,
    };
    who.request(&mut app.store().read()).await
}

/// The same of a session that is looked at without its browser; `None` for one at no terminal.
///
/// # Errors
/// [`StoreError`].
pub async fn request_of_session(
    queries: &mut impl Queries,
    session: &Session,
    now: OffsetDateTime,
) -> Result<Option<Asked>, StoreError> {
    let Some(at) = &session.at_terminal else { return Ok(None) };
    let emergency = emergency::of_session(queries, session, now).await?;
    let who = Who {
        emergency,
        visiting: at.ground.is_visit(),
        now,
        person_id: &session.person_id,
        organisation_id: &at.organisation_id,
        roles: authorising_roles(&session.hc_roles),
        acr: &session.acr,
    };
    who.request(queries).await.map(Some)
}

/// Somebody as they might ask: of whom it is not known that they do.
#[derive(Debug, Clone, Copy)]
pub struct Supposed<'a> {
    /// Who; absent for somebody of whom only what follows is known.
    pub person_id: Option<&'a str>,
    /// At which facility.
    pub organisation_id: &'a str,
    /// What their card says.
    pub roles: &'a [String],
    /// How they proved themself.
    pub acr: &'a str,
    /// When.
    pub at: OffsetDateTime,
    /// For somebody who is not known: whether they are a member there.
    pub member: bool,
}

/// What the rules would be asked about somebody, without an emergency.
///
/// # Errors
/// [`StoreError`].
pub async fn request_if(
    queries: &mut impl Queries,
    supposed: Supposed<'_>,
) -> Result<Request, StoreError> {
    let who = Who {
        emergency: None,
        visiting: false,
        now: supposed.at,
        person_id: supposed.person_id.unwrap_or("nobody"),
        organisation_id: supposed.organisation_id,
        roles: roles_at(supposed.acr, &authorising_roles(supposed.roles)),
        acr: supposed.acr,
    };
    let mut request = who.request(queries).await?.request;
    if supposed.person_id.is_none() {
        request.member = supposed.member;
    }
    Ok(request)
}

/// The roles that somebody with these has in a login of this level.
fn roles_at(acr: &str, roles: &[String]) -> Vec<String> {
    if vouching::names_profession(acr) { roles.to_vec() } else { Vec::new() }
}

struct Who<'a> {
    emergency: Option<InForce>,
    visiting: bool,
    now: OffsetDateTime,
    person_id: &'a str,
    organisation_id: &'a str,
    roles: Vec<String>,
    acr: &'a str,
}

impl Who<'_> {
    async fn request(self, queries: &mut impl Queries) -> Result<Asked, StoreError> {
        let facts = service::facility_facts(queries, self.organisation_id).await?;
        let member = membership::in_force(queries, self.person_id, self.organisation_id).await?;
        let request = Request {
            person_id: self.person_id.to_owned(),
            roles: self.roles,
            facility_id: self.organisation_id.to_owned(),
            facility_prefecture: facts
                .as_ref()
                .map(FacilityFacts::prefecture_code)
                .unwrap_or_default(),
            // An organisation without a kind does not exist; an empty token is in no rule.
            facility_kind: facts.map(|facts| facts.kind).unwrap_or_default(),
            member: member.is_some(),
            acr: self.acr.to_owned(),
            at: self.now,
            emergency: self.emergency.is_some(),
            visiting: self.visiting,
            // A login is at a terminal or of its people: none makes a patient
            // (`docs/decisions/0029-use-cases-are-rules-to-begin-from.md`).
            patient: false,
        };
        Ok(Asked { request, emergency: self.emergency })
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use super::*;
    use crate::{
        catalogue::{Catalogue, Lang, Text},
        config::Settings,
    };

    fn physician() -> Request {
        Request {
            person_id: "p".into(),
            roles: vec!["Medical Doctor".into()],
            facility_id: "123456789015".into(),
            facility_kind: "hospital".into(),
            facility_prefecture: "13".into(),
            member: true,
            acr: acr::HPKI_CARD.into(),
            at: OffsetDateTime::UNIX_EPOCH,
            emergency: false,
            visiting: false,
            patient: false,
        }
    }

    fn offer(rules: Option<&str>) -> offer::Offer {
        offer::Offer {
            service_id: "s".into(),
            name_ja: "紹介".into(),
            name_en: "Referral".into(),
            description_ja: String::new(),
            description_en: String::new(),
            home_url: "https://s.example/".into(),
            backchannel_logout_uri: None,
            live_at: Some(0),
            personal_data: None,
            version: rules.map(|_| 1),
            rules: rules.map(str::to_owned),
        }
    }

    #[test]
    fn absent_and_broken_rules_refuse() {
        let entitlements = Entitlements::new();
        assert!(!entitlements.decide(&offer(None), &physician()).allowed);
        assert!(!entitlements.decide(&offer(Some("{")), &physician()).allowed);
        let unknown = r#"{"rules":[{"id":"a","roles":["Wizard"]}]}"#;
        assert!(!entitlements.decide(&offer(Some(unknown)), &physician()).allowed);
    }

    #[test]
    fn the_sandbox_and_what_is_real_never_meet() {
        let test_facility = "123456789007";
        let mut settings = Settings::default();
        settings.sandbox.facilities = vec![test_facility.to_owned()];
        let config = settings.validate(Path::new("/srv/sekisho")).unwrap();
        let entitlements = Entitlements::new().with_sandbox(config.sandbox().clone());
        let at = |facility: &str| Request { facility_id: facility.into(), ..physician() };
        let anybody = Some(r#"{"rules":[{"id":"anybody","release":["name"]}]}"#);
        let nobody = Some(r#"{"rules":[]}"#);
        for (live_at, rules, facility, code) in [
            (Some(1), anybody, "123456789015", "admitted"),
            (Some(1), anybody, test_facility, "test-facility"),
            (Some(1), None, "123456789015", "no-rules"),
            (None, anybody, "123456789015", "not-live"),
            (None, None, "123456789015", "not-live"),
            (None, None, test_facility, "admitted"),
            (None, anybody, test_facility, "admitted"),
            (None, nobody, test_facility, "no-rules"),
        ] {
            let offer = offer::Offer {
                live_at,
                service_id: format!("{live_at:?}{rules:?}"),
                ..offer(rules)
            };
            let decision = entitlements.decide(&offer, &at(facility));
            assert_eq!(decision.code, code, "{live_at:?} {rules:?} {facility}");
            assert_eq!(decision.allowed, code == "admitted");
            assert_eq!(decision.release.is_empty(), !decision.allowed, "{code}");
        }
        // Of a stranger to the test facility nothing is told there either.
        let stranger = Request { member: false, ..at(test_facility) };
        let offer = offer::Offer { live_at: None, ..offer(None) };
        assert_eq!(entitlements.decide(&offer, &stranger).code, "membership");
        assert!(!entitlements.is_offered_at(&offer, "123456789015"));
        assert!(entitlements.is_offered_at(&offer, test_facility));
    }

    #[test]
    fn a_refusal_names_the_roles_that_would_do_in_both_languages() {
        let entitlements = Entitlements::new();
        let rules = r#"{"rules":[{"id":"pharmacists","roles":["Pharmacist"]}]}"#;
        let decision = entitlements.decide(&offer(Some(rules)), &physician());
        assert!(!decision.allowed);
        let catalogue = Arc::new(Catalogue::load().unwrap());
        let said = |lang| words(&decision.reason, &Text::new(Arc::clone(&catalogue), lang));
        assert!(said(Lang::Ja).contains("薬剤師"), "{}", said(Lang::Ja));
        assert!(said(Lang::En).contains("Pharmacist"), "{}", said(Lang::En));
    }

    #[test]
    fn every_message_of_a_decision_has_words() {
        let catalogue = Catalogue::load().unwrap();
        for lang in Lang::ALL {
            for code in [
                "person",
                "kind",
                "facility",
                "group",
                "prefecture",
                "membership",
                "hours",
                "role",
                "level",
                "no-rules",
                "unusable",
                "not-live",
                "test-facility",
                "visiting",
            ] {
                for key in [format!("authz-reason-{code}"), format!("authz-help-{code}")] {
                    assert!(catalogue.has(lang, &key), "{key}");
                }
            }
            for kind in KINDS {
                let key = format!("authz-kind-{}", kind.replace('_', "-"));
                assert!(catalogue.has(lang, &key), "{key}");
            }
        }
    }
}
