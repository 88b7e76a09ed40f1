//! Decisions, one condition at a time and at random.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    Cache,
    decision::{Argument, Values},
};

fn vocabulary() -> Vocabulary {
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
    Vocabulary {
        roles: words(&["Medical Doctor", "Pharmacist", "General Nurse"]),
        kinds: words(&["hospital", "clinic", "pharmacy"]),
        acr_levels: vec!["weak".into(), "card".into()],
        claims: words(&["name", "hc_role"]),
    }
}

fn rules(json: Json) -> Rules {
    Rules::from_json(&json.to_string()).unwrap()
}

fn physician() -> Request {
    Request {
        person_id: "p1".into(),
        roles: vec!["Medical Doctor".into()],
        facility_id: "100000000001".into(),
        facility_kind: "hospital".into(),
        member: true,
        acr: "card".into(),
    }
}

fn full() -> Rules {
    rules(json!({
        "groups": { "region": ["100000000001"] },
        "rules": [{
            "id": "physicians",
            "roles": ["Medical Doctor"],
            "kinds": ["hospital"],
            "facilities": ["100000000001", "100000000002"],
            "groups": ["region"],
            "minimum_acr": "card",
            "release": ["name"]
        }]
    }))
}

fn decided(rules: &Rules, request: &Request) -> Decision {
    CompiledRules::compile("s", rules.clone(), &vocabulary()).unwrap().decide(request)
}

#[test]
fn who_fulfils_every_condition_is_admitted_by_the_named_rule() {
    let decision = decided(&full(), &physician());
    assert!(decision.allowed, "{decision:?}");
    assert_eq!(decision.rule, "physicians");
    assert_eq!(decision.release, BTreeSet::from(["name".to_owned()]));
    assert_eq!(decision.help, None);
}

#[test]
fn each_condition_refuses_alone_and_is_the_reason_given() {
    let base = physician();
    let neighbours: [(&str, Request); 7] = [
        ("role", Request { roles: vec!["Pharmacist".into()], ..base.clone() }),
        ("role", Request { roles: vec![], ..base.clone() }),
        ("kind", Request { facility_kind: "clinic".into(), ..base.clone() }),
        ("facility", Request { facility_id: "100000000003".into(), ..base.clone() }),
        ("group", Request { facility_id: "100000000002".into(), ..base.clone() }),
        ("membership", Request { member: false, ..base.clone() }),
        ("level", Request { acr: "weak".into(), ..base.clone() }),
    ];
    for (code, request) in neighbours {
        let decision = decided(&full(), &request);
        assert!(!decision.allowed, "{request:?}");
        assert_eq!(decision.code, code, "{request:?}");
        assert_eq!(decision.rule, "physicians");
        assert_eq!(decision.reason.key, format!("authz-reason-{code}"));
        assert_eq!(decision.help.unwrap().key, format!("authz-help-{code}"));
        assert!(decision.release.is_empty(), "a refusal releases nothing");
    }
}

#[test]
fn the_reason_names_the_roles_that_would_do() {
    let request = Request { roles: vec!["Pharmacist".into()], ..physician() };
    let decision = decided(&full(), &request);
    let roles = Values::Roles(vec!["Medical Doctor".into()]);
    assert_eq!(decision.reason.args, [Argument { name: "roles", values: roles }]);
}

#[test]
fn what_another_login_would_cure_is_said_last() {
    let request = Request { roles: vec!["Pharmacist".into()], acr: "weak".into(), ..physician() };
    assert_eq!(decided(&full(), &request).code, "role");
}

#[test]
fn whatever_else_the_person_cannot_mend_where_they_are_is_told_at_once() {
    let rules = rules(json!({ "rules": [
        { "id": "pharmacists", "roles": ["Pharmacist"], "kinds": ["pharmacy"], "minimum_acr": "card" }
    ] }));
    // A physician in a hospital: the pharmacist's card alone would be refused again.
    let request = Request { member: false, acr: "weak".into(), ..physician() };
    let decision = decided(&rules, &request);
    assert_eq!(decision.code, "role");
    let besides: Vec<_> = decision.besides.iter().map(|besides| besides.code).collect();
    assert_eq!(besides, ["kind", "membership"], "a stronger login is possible here");
    let kinds = Values::Kinds(vec!["pharmacy".into()]);
    assert_eq!(decision.besides[0].reason.args, [Argument { name: "kinds", values: kinds }]);
    assert_eq!(decision.besides[0].help.key, "authz-help-kind");
    let at_pharmacy = Request { facility_kind: "pharmacy".into(), ..physician() };
    assert_eq!(decided(&rules, &at_pharmacy).besides, []);
}

#[test]
fn of_rules_that_fail_alike_the_one_that_asks_for_less_is_explained() {
    let rules = rules(json!({ "rules": [
        { "id": "pharmacies", "roles": ["Pharmacist"], "kinds": ["pharmacy"] },
        { "id": "nurses", "roles": ["General Nurse"] },
        { "id": "pharmacists", "roles": ["Pharmacist"] }
    ] }));
    let decision = decided(&rules, &physician());
    assert_eq!((decision.rule.as_str(), decision.besides.len()), ("nurses", 0));
}

#[test]
fn the_rule_that_came_nearest_is_the_one_explained() {
    let rules = rules(json!({ "rules": [
        { "id": "physicians", "kinds": ["hospital"], "roles": ["Medical Doctor"] },
        { "id": "pharmacies", "kinds": ["pharmacy"] },
        { "id": "nurses", "kinds": ["hospital"], "roles": ["General Nurse"] }
    ] }));
    let request = Request { roles: vec!["Pharmacist".into()], ..physician() };
    let decision = decided(&rules, &request);
    assert_eq!((decision.rule.as_str(), decision.code), ("pharmacies", "kind"));
}

#[test]
fn the_first_rule_that_admits_is_the_one_named() {
    let rules = rules(json!({ "rules": [
        { "id": "nobody", "roles": ["General Nurse"], "release": ["hc_role"] },
        { "id": "everybody", "release": ["name"] },
        { "id": "also", "release": ["hc_role"] }
    ] }));
    let decision = decided(&rules, &physician());
    assert_eq!(decision.rule, "everybody");
    assert_eq!(decision.release, BTreeSet::from(["name".to_owned()]));
}

#[test]
fn a_role_outside_the_vocabulary_authorises_nothing() {
    let known = rules(json!({ "rules": [{ "id": "r", "roles": ["Medical Doctor"] }] }));
    for role in ["medical doctor", "Medical Doctor ", "Ｍedical Doctor", "Wizard", ""] {
        let request = Request { roles: vec![role.into()], ..physician() };
        assert!(!decided(&known, &request).allowed, "{role:?}");
    }
    let unknown = rules(json!({ "rules": [{ "id": "r", "roles": ["Wizard"] }] }));
    let error = CompiledRules::compile("s", unknown.clone(), &vocabulary()).unwrap_err();
    assert!(matches!(error, RulesError::Unknown { what: "role", .. }), "{error}");
    let request = Request { roles: vec!["Wizard".into()], ..physician() };
    assert_eq!(decide(&unknown, &vocabulary(), &request), Decision::unusable());
}

#[test]
fn a_level_that_nobody_knows_refuses_even_where_none_is_asked_for() {
    let any = rules(json!({ "rules": [{ "id": "any" }] }));
    assert!(decided(&any, &physician()).allowed);
    let request = Request { acr: "urn:forged".into(), ..physician() };
    assert_eq!(decided(&any, &request).code, "level");
}

#[test]
fn membership_is_asked_for_unless_the_rule_says_otherwise() {
    let request = Request { member: false, ..physician() };
    let asks = rules(json!({ "rules": [{ "id": "r" }] }));
    assert_eq!(decided(&asks, &request).code, "membership");
    let waives = rules(json!({ "rules": [{ "id": "r", "membership": false }] }));
    assert!(decided(&waives, &request).allowed);
}

#[test]
fn without_rules_nobody_is_admitted_and_the_explanation_says_so() {
    let decision = decided(&Rules::default(), &physician());
    assert_eq!(decision, Decision::no_rules());
    assert!(!decision.allowed);
    assert_eq!(decision.rule, Decision::DEFAULT_DENY);
}

#[test]
fn malformed_rules_are_refused_whole() {
    for text in [
        "",
        r#"{"rules":[{}]}"#,
        r#"{"rules":[{"id":"r","role":["Medical Doctor"]}]}"#,
        r#"{"rules":[{"id":"r"}],"allow_everybody":true}"#,
        r#"{"rules":[{"id":"r","id":"s"}]}"#,
    ] {
        assert!(Rules::from_json(text).is_err(), "{text}");
    }
    for json in [
        json!({ "rules": [{ "id": "" }] }),
        json!({ "rules": [{ "id": "R" }] }),
        json!({ "rules": [{ "id": "r" }, { "id": "r" }] }),
        json!({ "rules": [{ "id": "r", "roles": [] }] }),
        json!({ "rules": [{ "id": "r", "kinds": ["castle"] }] }),
        json!({ "rules": [{ "id": "r", "groups": ["unnamed"] }] }),
        json!({ "rules": [{ "id": "r", "facilities": ["1\" || true"] }] }),
        json!({ "rules": [{ "id": "r", "minimum_acr": "stronger" }] }),
        json!({ "rules": [{ "id": "r", "release": ["password"] }] }),
    ] {
        let fault = CompiledRules::compile("s", rules(json.clone()), &vocabulary());
        assert!(fault.is_err(), "{json}");
    }
}

#[test]
fn a_group_named_like_policy_text_stays_a_name() {
    let name = r#"x"} || true //"#;
    let rules = rules(json!({
        "groups": { name: ["100000000002"] },
        "rules": [{ "id": "r", "groups": [name] }]
    }));
    assert_eq!(decided(&rules, &physician()).code, "group");
    let member = Request { facility_id: "100000000002".into(), ..physician() };
    assert!(decided(&rules, &member).allowed);
}

#[test]
fn a_new_text_replaces_the_compiled_one_and_a_broken_one_is_an_error() {
    let cache = Cache::new();
    let open = r#"{"rules":[{"id":"open"}]}"#;
    let closed = r#"{"rules":[]}"#;
    let of = |text| cache.get("s", text, &vocabulary());
    let first = of(open).unwrap();
    assert!(first.decide(&physician()).allowed);
    assert!(Arc::ptr_eq(&first, &of(open).unwrap()), "compiled once");
    assert!(!of(closed).unwrap().decide(&physician()).allowed);
    assert!(of("{").is_err());
    assert!(!of(closed).unwrap().decide(&physician()).allowed);
    assert!(of(open).unwrap().decide(&physician()).allowed);
}

#[test]
fn a_rule_without_a_level_asks_for_the_strongest() {
    let open = rules(json!({ "rules": [{ "id": "open" }] }));
    assert!(decided(&open, &physician()).allowed);
    let decision = decided(&open, &Request { acr: "weak".into(), ..physician() });
    assert_eq!((decision.allowed, decision.code), (false, "level"));
    let weak = rules(json!({ "rules": [{ "id": "weak", "minimum_acr": "weak" }] }));
    assert!(decided(&weak, &Request { acr: "weak".into(), ..physician() }).allowed);
}

fn words(list: &'static [&'static str]) -> impl Strategy<Value = BTreeSet<String>> {
    proptest::collection::btree_set(proptest::sample::select(list), 1..=list.len())
        .prop_map(|set| set.into_iter().map(str::to_owned).collect())
}

const FACILITIES: &[&str] = &["100000000001", "100000000002", "100000000003"];
const ROLES: &[&str] = &["Medical Doctor", "Pharmacist", "General Nurse"];
const KINDS: &[&str] = &["hospital", "clinic", "pharmacy"];

prop_compose! {
    fn any_rule()(
        roles in proptest::option::of(words(ROLES)),
        kinds in proptest::option::of(words(KINDS)),
        facilities in proptest::option::of(words(FACILITIES)),
        groups in proptest::option::of(words(&["east", "west"])),
        minimum_acr in proptest::option::of(proptest::sample::select(vec!["weak", "card"])),
        membership in any::<bool>(),
    ) -> Rule {
        Rule {
            id: String::new(), roles, kinds, facilities, groups, membership,
            minimum_acr: minimum_acr.map(str::to_owned), release: BTreeSet::new(),
        }
    }
}

prop_compose! {
    fn any_rules()(
        mut rules in proptest::collection::vec(any_rule(), 0..4),
        east in words(FACILITIES),
        west in words(FACILITIES),
    ) -> Rules {
        for (position, rule) in rules.iter_mut().enumerate() {
            rule.id = format!("rule-{position}");
        }
        let groups = [("east".to_owned(), east), ("west".to_owned(), west)].into();
        Rules { rules, groups }
    }
}

prop_compose! {
    fn any_request()(
        roles in proptest::collection::vec(proptest::sample::select(
            vec!["Medical Doctor", "Pharmacist", "Wizard", "medical doctor"]), 0..3),
        facility in proptest::sample::select(FACILITIES),
        kind in proptest::sample::select(vec!["hospital", "clinic", "castle"]),
        member in any::<bool>(),
        acr in proptest::sample::select(vec!["weak", "card", "", "urn:forged"]),
    ) -> Request {
        Request {
            person_id: "p".into(),
            roles: roles.into_iter().map(str::to_owned).collect(),
            facility_id: facility.into(),
            facility_kind: kind.into(),
            member,
            acr: acr.into(),
        }
    }
}

/// The rules read once more, by a second reader that shares no code with the first.
fn by_hand(rules: &Rules, request: &Request) -> bool {
    let level = |acr: &str| match acr {
        "weak" => 1,
        "card" => 2,
        _ => 0,
    };
    rules.rules.iter().any(|rule| {
        let one_of = |set: &Option<BTreeSet<String>>, word: &str| {
            set.as_ref().is_none_or(|set| set.contains(word))
        };
        level(&request.acr) >= rule.minimum_acr.as_deref().map_or(2, level)
            && (!rule.membership || request.member)
            && one_of(&rule.kinds, &request.facility_kind)
            && one_of(&rule.facilities, &request.facility_id)
            && rule
                .roles
                .as_ref()
                .is_none_or(|roles| request.roles.iter().any(|role| roles.contains(role)))
            && rule.groups.as_ref().is_none_or(|groups| {
                groups.iter().any(|group| rules.groups[group].contains(&request.facility_id))
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn cedar_and_a_second_reader_of_the_rules_agree(rules in any_rules(), request in any_request()) {
        prop_assert_eq!(decided(&rules, &request).allowed, by_hand(&rules, &request));
    }

    #[test]
    fn every_decision_names_a_rule_and_every_refusal_a_reason_and_a_help(
        rules in any_rules(), request in any_request()
    ) {
        let decision = decided(&rules, &request);
        let named = rules.rules.iter().find(|rule| rule.id == decision.rule);
        prop_assert_ne!(decision.code, "unusable");
        if rules.rules.is_empty() {
            prop_assert_eq!(decision, Decision::no_rules());
        } else {
            prop_assert!(named.is_some(), "{:?}", decision);
            prop_assert_eq!(decision.help.is_none(), decision.allowed);
            prop_assert!(decision.reason.key.starts_with("authz-reason-"));
        }
    }

    #[test]
    fn no_text_makes_reading_rules_panic(text in "\\PC{0,200}") {
        let _ = Rules::from_json(&text);
    }
}
