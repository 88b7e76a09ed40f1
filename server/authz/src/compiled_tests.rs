//! Decisions, one condition at a time and at random.

use std::sync::Arc;

use proptest::prelude::*;
use time::{Duration, OffsetDateTime, macros::datetime};

use super::*;
use crate::{
    Cache,
    decision::{Argument, Values},
};

pub(super) fn vocabulary() -> Vocabulary {
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
    Vocabulary {
        roles: words(&["Medical Doctor", "Pharmacist", "General Nurse"]),
        kinds: words(&["hospital", "clinic", "pharmacy"]),
        acr_levels: vec!["weak".into(), "card".into()],
        claims: words(&["name", "hc_role"]),
    }
}

pub(super) fn rules(json: Json) -> Rules {
    Rules::from_json(&json.to_string()).unwrap()
}

pub(super) fn physician() -> Request {
    Request {
        person_id: "p1".into(),
        roles: vec!["Medical Doctor".into()],
        facility_id: "100000000001".into(),
        facility_kind: "hospital".into(),
        facility_prefecture: "13".into(),
        member: true,
        acr: "card".into(),
        at: datetime!(2026-11-23 10:00 +9),
        emergency: false,
        visiting: false,
        patient: false,
    }
}

pub(super) fn full() -> Rules {
    rules(json!({
        "groups": { "region": ["100000000001"] },
        "rules": [{
            "id": "physicians",
            "roles": ["Medical Doctor"],
            "kinds": ["hospital"],
            "facilities": ["100000000001", "100000000002"],
            "groups": ["region"],
            "prefectures": ["12", "13"],
            "hours": [{ "days": ["mon"], "from": "08:30", "to": "17:00" }],
            "minimum_acr": "card",
            "release": ["name"]
        }]
    }))
}

pub(super) fn decided(rules: &Rules, request: &Request) -> Decision {
    CompiledRules::compile(rules.clone(), &vocabulary()).unwrap().decide(request)
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
    let neighbours: [(&str, Request); 11] = [
        ("role", Request { roles: vec!["Pharmacist".into()], ..base.clone() }),
        ("role", Request { roles: vec![], ..base.clone() }),
        ("kind", Request { facility_kind: "clinic".into(), ..base.clone() }),
        ("facility", Request { facility_id: "100000000003".into(), ..base.clone() }),
        ("group", Request { facility_id: "100000000002".into(), ..base.clone() }),
        ("membership", Request { member: false, ..base.clone() }),
        ("prefecture", Request { facility_prefecture: "01".into(), ..base.clone() }),
        ("prefecture", Request { facility_prefecture: String::new(), ..base.clone() }),
        ("hours", Request { at: datetime!(2026-11-23 17:00 +9), ..base.clone() }),
        ("hours", Request { at: datetime!(2026-11-24 10:00 +9), ..base.clone() }),
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
        { "id": "pharmacies", "kinds": ["pharmacy"], "roles": ["Pharmacist"] },
        { "id": "nurses", "kinds": ["hospital"], "roles": ["General Nurse"] }
    ] }));
    let request = Request { roles: vec!["Pharmacist".into()], ..physician() };
    let decision = decided(&rules, &request);
    assert_eq!((decision.rule.as_str(), decision.code), ("pharmacies", "kind"));
}

#[test]
fn of_another_profession_and_another_place_the_one_that_was_written_first_is_explained() {
    let physicians =
        json!({ "id": "physicians", "kinds": ["hospital"], "roles": ["Medical Doctor"] });
    let pharmacies = json!({ "id": "pharmacies", "kinds": ["pharmacy"] });
    let request = Request { roles: vec!["Pharmacist".into()], ..physician() };
    for (written, first, code) in [
        ([&physicians, &pharmacies], "physicians", "role"),
        ([&pharmacies, &physicians], "pharmacies", "kind"),
    ] {
        let decision = decided(&rules(json!({ "rules": written })), &request);
        assert_eq!((decision.rule.as_str(), decision.code), (first, code));
    }
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
    let error = CompiledRules::compile(unknown.clone(), &vocabulary()).unwrap_err();
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
fn nobody_is_admitted_where_a_rules_conditions_hold_and_its_policy_does_not_permit() {
    let compiled = || CompiledRules::compile(full(), &vocabulary()).unwrap();
    assert!(compiled().decide(&physician()).allowed);
    let mut differing = compiled();
    let never = Clause::of(&json!({ "Value": false })).unwrap();
    differing.deciding[0].together.clause = never;
    assert_eq!(differing.decide(&physician()), Decision::unusable());
}

#[test]
fn a_group_of_one_service_is_none_of_another_that_names_its_own_alike() {
    let of = |member: &str| {
        rules(json!({
            "groups": { "region": [member] },
            "rules": [{ "id": "region", "groups": ["region"] }]
        }))
    };
    let (vocabulary, request) = (vocabulary(), physician());
    let question = Question::new(&request, &vocabulary);
    for (member, allowed) in [("100000000001", true), ("100000000002", false)] {
        let compiled = CompiledRules::compile(of(member), &vocabulary).unwrap();
        assert_eq!(compiled.answer(&question).allowed, allowed, "{member}");
    }
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
        r#"{"rules":[{"id":"r","hours":[{"from":"9:00","to":"10:00"}]}]}"#,
        r#"{"rules":[{"id":"r","hours":[{"from":"09:00"}]}]}"#,
        r#"{"rules":[{"id":"r","hours":[{"days":["holiday"],"from":"09:00","to":"10:00"}]}]}"#,
        r#"{"rules":[{"id":"r","emergency":"yes"}]}"#,
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
        json!({ "rules": [{ "id": "r", "prefectures": [] }] }),
        json!({ "rules": [{ "id": "r", "prefectures": ["48"] }] }),
        json!({ "rules": [{ "id": "r", "prefectures": ["1"] }] }),
        json!({ "rules": [{ "id": "r", "prefectures": ["+1"] }] }),
        json!({ "rules": [{ "id": "r", "prefectures": ["00"] }] }),
        json!({ "rules": [{ "id": "r", "hours": [] }] }),
        json!({ "rules": [{ "id": "r", "hours": [{ "from": "09:00", "to": "09:00" }] }] }),
        json!({ "rules": [{ "id": "r", "hours": [{ "from": "24:00", "to": "09:00" }] }] }),
        json!({ "rules": [{ "id": "r", "hours": [{ "days": [], "from": "09:00", "to": "10:00" }] }] }),
        json!({ "rules": [{ "id": "r", "hours": vec![json!({ "from": "09:00", "to": "10:00" }); 15] }] }),
    ] {
        let fault = CompiledRules::compile(rules(json.clone()), &vocabulary());
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
    fn any_hours()(
        days in proptest::option::of(proptest::collection::btree_set(
            proptest::sample::select(&Day::ALL[..]), 1..=7)),
        (from, to) in (0..24_u16, 0..=24_u16).prop_filter("not equal", |(from, to)| from != to),
    ) -> Hours {
        let hour = |hour: u16| format!("{hour:02}:00").parse().unwrap();
        Hours { days, from: hour(from), to: hour(to) }
    }
}

prop_compose! {
    fn any_rule()(
        roles in proptest::option::of(words(ROLES)),
        kinds in proptest::option::of(words(KINDS)),
        facilities in proptest::option::of(words(FACILITIES)),
        groups in proptest::option::of(words(&["east", "west"])),
        minimum_acr in proptest::option::of(proptest::sample::select(vec!["weak", "card"])),
        prefectures in proptest::option::of(words(&["01", "13"])),
        hours in proptest::option::of(proptest::collection::vec(any_hours(), 1..3)),
        (membership, emergency, patients) in any::<(bool, bool, bool)>(),
    ) -> Rule {
        let minimum_acr = minimum_acr.map(str::to_owned);
        let (id, release) = (String::new(), BTreeSet::new());
        if patients {
            let (none, emergency) = (None, false);
            return Rule {
                id, roles: none.clone(), kinds: none.clone(), facilities: none.clone(), groups: none.clone(),
                prefectures: none, hours, membership, emergency, patients, minimum_acr, release,
            };
        }
        Rule {
            id, roles, kinds, facilities, groups, prefectures, hours, membership, emergency, patients,
            minimum_acr, release,
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
        prefecture in proptest::sample::select(vec!["01", "13", "47", ""]),
        minutes in 0..14 * 24 * 60_i64,
        (emergency, visiting, patient) in any::<(bool, bool, bool)>(),
    ) -> Request {
        Request {
            person_id: "p".into(),
            roles: roles.into_iter().map(str::to_owned).collect(),
            facility_id: facility.into(),
            facility_kind: kind.into(),
            facility_prefecture: prefecture.into(),
            member,
            acr: acr.into(),
            at: datetime!(2026-11-20 00:00 UTC) + Duration::minutes(minutes),
            emergency,
            visiting,
            patient,
        }
    }
}

/// Whether a moment lies in these hours, by walking through them minute by minute from their beginning.
fn within_by_hand(hours: &[Hours], at: OffsetDateTime) -> bool {
    let at = at.to_offset(time::UtcOffset::from_hms(9, 0, 0).unwrap());
    hours.iter().any(|hours| {
        let hour = |text: String| text[..2].parse::<i64>().unwrap();
        let (from, to) = (hour(hours.from.to_string()), hour(hours.to.to_string()));
        let length = if to > from { to - from } else { to + 24 - from };
        [at.date(), at.date().previous_day().unwrap()].into_iter().any(|date| {
            let day = date.weekday().to_string()[..3].to_lowercase();
            let named =
                hours.days.as_ref().is_none_or(|days| days.iter().any(|named| named.code() == day));
            let begin = date.midnight().assume_offset(at.offset()) + Duration::hours(from);
            named && begin <= at && at < begin + Duration::hours(length)
        })
    })
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
        rule.patients == request.patient
            && level(&request.acr) >= rule.minimum_acr.as_deref().map_or(2, level)
            && (request.emergency && rule.emergency
                || !request.visiting
                    && (!rule.membership || rule.patients || request.member)
                    && one_of(&rule.prefectures, &request.facility_prefecture)
                    && rule.hours.as_ref().is_none_or(|hours| within_by_hand(hours, request.at)))
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
    fn a_question_put_to_many_services_is_answered_by_each_as_if_it_were_put_to_that_alone(
        services in proptest::collection::vec(any_rules(), 1..5), request in any_request()
    ) {
        let vocabulary = vocabulary();
        let question = Question::new(&request, &vocabulary);
        for rules in services {
            let compiled = CompiledRules::compile(rules, &vocabulary).unwrap();
            prop_assert_eq!(compiled.answer(&question), compiled.decide(&request));
        }
    }

    #[test]
    fn what_a_refusal_says_of_an_emergency_is_what_an_emergency_does(
        rules in any_rules(), request in any_request()
    ) {
        let before = decided(&rules, &Request { emergency: false, ..request.clone() });
        let during = decided(&rules, &Request { emergency: true, ..request });
        prop_assert!(!before.by_emergency && !during.emergency_would_help);
        prop_assert!(!before.allowed || during.allowed && !during.by_emergency);
        prop_assert_eq!(before.emergency_would_help, !before.allowed && during.allowed);
        prop_assert_eq!(during.by_emergency, before.emergency_would_help);
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
            let by_none = decision.code == "visiting" && request.visiting;
            prop_assert!(named.is_some() || by_none, "{:?}", decision);
            prop_assert_eq!(decision.help.is_none(), decision.allowed);
            prop_assert!(decision.reason.key.starts_with("authz-reason-"));
        }
    }

    #[test]
    fn no_text_makes_reading_rules_panic(text in "\\PC{0,200}") {
        let _ = Rules::from_json(&text);
    }
}
