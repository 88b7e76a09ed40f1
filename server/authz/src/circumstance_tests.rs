//! Hours to the second, what an emergency lifts, patients, and which rule a refusal is explained by.

use time::{OffsetDateTime, macros::datetime};

use super::{
    tests::{decided, full, physician, rules, vocabulary},
    *,
};
use crate::decision::Values;

fn at_hours(hours: &Json, at: OffsetDateTime) -> bool {
    let rules = rules(json!({ "rules": [{ "id": "r", "hours": hours }] }));
    let decision = decided(&rules, &Request { at, ..physician() });
    assert!(decision.allowed || decision.code == "hours", "{decision:?}");
    decision.allowed
}

#[test]
fn hours_begin_with_their_first_second_and_end_before_their_last() {
    let day = json!([{ "days": ["mon"], "from": "08:30", "to": "17:00" }]);
    for (at, open) in [
        (datetime!(2026-11-23 08:29:59 +9), false),
        (datetime!(2026-11-23 08:30 +9), true),
        (datetime!(2026-11-23 16:59:59 +9), true),
        (datetime!(2026-11-23 17:00 +9), false),
        // The same moments, told elsewhere.
        (datetime!(2026-11-22 23:29:59 UTC), false),
        (datetime!(2026-11-22 23:30 UTC), true),
        (datetime!(2026-11-22 10:00 +9), false),
        (datetime!(2026-11-24 10:00 +9), false),
    ] {
        assert_eq!(at_hours(&day, at), open, "{at}");
    }
}

#[test]
fn hours_past_midnight_belong_to_the_day_on_which_they_began() {
    let night = json!([{ "days": ["sun"], "from": "22:00", "to": "06:00" }]);
    for (at, open) in [
        (datetime!(2026-11-22 05:59 +9), false),
        (datetime!(2026-11-22 21:59 +9), false),
        (datetime!(2026-11-22 22:00 +9), true),
        (datetime!(2026-11-22 23:59 +9), true),
        // From Sunday to Monday: the end of the week is no gap.
        (datetime!(2026-11-23 00:00 +9), true),
        (datetime!(2026-11-23 05:59:59 +9), true),
        (datetime!(2026-11-23 06:00 +9), false),
        (datetime!(2026-11-23 22:00 +9), false),
    ] {
        assert_eq!(at_hours(&night, at), open, "{at}");
    }
    let whole_days = json!([{ "days": ["sat", "sun"], "from": "00:00", "to": "24:00" }]);
    assert!(at_hours(&whole_days, datetime!(2026-11-22 23:59:59 +9)));
    assert!(!at_hours(&whole_days, datetime!(2026-11-23 00:00 +9)));
}

fn opting() -> Rules {
    let Rules { mut rules, groups } = full();
    rules[0].emergency = true;
    Rules { rules, groups }
}

#[test]
fn an_emergency_lifts_membership_prefecture_and_hours_and_nothing_else() {
    let base = Request { emergency: true, ..physician() };
    let night = datetime!(2026-11-25 03:00 +9);
    let lifted: [Request; 4] = [
        Request { member: false, ..base.clone() },
        Request { facility_prefecture: "01".into(), ..base.clone() },
        Request { at: night, ..base.clone() },
        Request { member: false, facility_prefecture: String::new(), at: night, ..base.clone() },
    ];
    for request in lifted {
        let decision = decided(&opting(), &request);
        assert!(decision.allowed && decision.by_emergency, "{decision:?}");
        assert_eq!((decision.code, decision.rule.as_str()), ("emergency", "physicians"));
        assert_eq!(decision.release, BTreeSet::from(["name".to_owned()]));
        let before = decided(&opting(), &Request { emergency: false, ..request.clone() });
        assert!(!before.allowed && before.emergency_would_help, "{before:?}");
        let not_opted_in = decided(&full(), &request);
        assert!(!not_opted_in.allowed && !not_opted_in.emergency_would_help, "{not_opted_in:?}");
    }
    let held: [(&str, Request); 6] = [
        ("role", Request { roles: vec!["Pharmacist".into()], ..base.clone() }),
        ("role", Request { roles: vec![], member: false, ..base.clone() }),
        ("kind", Request { facility_kind: "clinic".into(), at: night, ..base.clone() }),
        ("facility", Request { facility_id: "100000000003".into(), ..base.clone() }),
        ("group", Request { facility_id: "100000000002".into(), ..base.clone() }),
        ("level", Request { acr: "weak".into(), ..base.clone() }),
    ];
    for (code, request) in held {
        let decision = decided(&opting(), &request);
        assert_eq!((decision.allowed, decision.code), (false, code), "{request:?}");
        let before = decided(&opting(), &Request { emergency: false, ..request });
        assert!(!before.emergency_would_help, "it would be refused all the same: {before:?}");
    }
}

#[test]
fn to_a_visitor_nothing_is_open_but_by_an_emergency_in_a_rule_that_says_so() {
    // A rule that asks nobody for a membership is open to members of any facility, and to no visitor.
    let anybody = rules(json!({ "rules": [{ "id": "anybody" }] }));
    let opting = rules(json!({ "rules": [
        { "id": "anybody" },
        { "id": "reading", "roles": ["Medical Doctor"], "emergency": true },
    ] }));
    let visitor = |emergency| Request { member: false, visiting: true, emergency, ..physician() };
    for emergency in [false, true] {
        let decision = decided(&anybody, &visitor(emergency));
        assert_eq!((decision.allowed, decision.code), (false, "visiting"), "{decision:?}");
        assert!(!decision.emergency_would_help && decision.level_lacking().is_none());
    }
    let before = decided(&opting, &visitor(false));
    assert_eq!((before.allowed, before.code), (false, "visiting"), "{before:?}");
    assert!(before.emergency_would_help);
    let during = decided(&opting, &visitor(true));
    assert!(during.allowed && during.by_emergency, "{during:?}");
    assert_eq!(during.rule, "reading", "never by the rule that is open to anybody");
    // Whoever became a member in the meantime is one from their next login on.
    let joined = Request { member: true, ..visitor(false) };
    assert!(!decided(&opting, &joined).allowed);
    // All else is held, and said.
    for (code, request) in [
        ("role", Request { roles: vec!["Pharmacist".into()], ..visitor(true) }),
        ("level", Request { acr: "weak".into(), ..visitor(true) }),
    ] {
        let decision = decided(&opting, &request);
        assert_eq!((decision.allowed, decision.code), (false, code), "{decision:?}");
    }
}

#[test]
fn what_an_emergency_has_lifted_is_no_reason_while_it_is_in_force() {
    let night = datetime!(2026-11-25 03:00 +9);
    let weak = Request { acr: "weak".into(), at: night, emergency: true, ..physician() };
    let decision = decided(&opting(), &weak);
    // A stronger login is all that is lacking, and is offered as such.
    assert_eq!((decision.code, decision.level_lacking()), ("level", Some("card")));
    let before = decided(&opting(), &Request { emergency: false, ..weak });
    assert_eq!(before.level_lacking(), None, "hours lack as well: {before:?}");
}

#[test]
fn what_is_open_without_the_emergency_is_not_marked_as_one() {
    let request = Request { emergency: true, ..physician() };
    let decision = decided(&opting(), &request);
    assert!(decision.allowed && !decision.by_emergency, "{decision:?}");
    // Nor where another rule, written later, admits.
    let both = rules(json!({ "rules": [
        { "id": "by-night", "hours": [{ "from": "22:00", "to": "06:00" }], "emergency": true },
        { "id": "always" }
    ] }));
    let decision = decided(&both, &request);
    assert_eq!((decision.rule.as_str(), decision.by_emergency), ("always", false));
}

fn of_patients() -> Rules {
    rules(json!({ "rules": [{ "id": "patients", "patients": true, "minimum_acr": "card" }] }))
}

fn patient() -> Request {
    let (facility_id, facility_kind, facility_prefecture) = <(String, String, String)>::default();
    let of_nobody = Request { facility_id, facility_kind, facility_prefecture, ..physician() };
    Request { roles: Vec::new(), member: false, patient: true, ..of_nobody }
}

#[test]
fn a_rule_for_patients_admits_patients_and_nobody_else() {
    let decision = decided(&of_patients(), &patient());
    assert!(decision.allowed, "{decision:?}");
    let weak = Request { acr: "weak".into(), ..patient() };
    assert_eq!(decided(&of_patients(), &weak).code, "level");
    for request in [physician(), Request { emergency: true, ..physician() }] {
        let decision = decided(&of_patients(), &request);
        assert_eq!((decision.allowed, decision.code), (false, "person"), "{decision:?}");
        assert_eq!(decision.reason.args[0].values, Values::Patients(true));
    }
}

#[test]
fn no_other_rule_admits_a_patient_whatever_else_is_said_of_them() {
    let anybody = rules(json!({ "rules": [
        { "id": "anybody", "membership": false, "minimum_acr": "weak", "emergency": true }
    ] }));
    // Even one of whom a mistake says that they stand at a terminal, licensed and a member.
    let mistaken = Request { patient: true, emergency: true, ..physician() };
    for (rules, request) in
        [(&anybody, patient()), (&anybody, mistaken.clone()), (&full(), mistaken)]
    {
        let decision = decided(rules, &request);
        assert_eq!((decision.allowed, decision.code), (false, "person"), "{decision:?}");
        assert_eq!(decision.reason.args[0].values, Values::Patients(false));
    }
}

#[test]
fn who_is_at_a_facility_is_told_of_rules_that_are_for_them() {
    let Rules { rules: mut both, groups } = full();
    both.insert(0, of_patients().rules.remove(0));
    let request = Request { roles: Vec::new(), ..physician() };
    let decision = decided(&Rules { rules: both, groups }, &request);
    assert_eq!((decision.rule.as_str(), decision.code), ("physicians", "role"));
}

#[test]
fn a_rule_for_patients_that_asks_for_what_no_patient_has_is_refused() {
    for (what, value) in [
        ("roles", json!(["Pharmacist"])),
        ("kinds", json!(["hospital"])),
        ("facilities", json!(["100000000001"])),
        ("groups", json!(["region"])),
        ("prefectures", json!(["13"])),
        ("emergency", json!(true)),
    ] {
        let rule = json!({ "id": "r", "patients": true, what: value });
        let rules = rules(json!({ "rules": [rule], "groups": { "region": [] } }));
        let refused = rules.check(&vocabulary()).unwrap_err();
        assert!(
            matches!(&refused, RulesError::OfNoPatient { what: told, .. } if *told == what),
            "{refused}"
        );
    }
}

#[test]
fn who_lacks_the_profession_is_told_of_it_and_not_of_rules_for_anybody_elsewhere() {
    let both = rules(json!({ "rules": [
        { "id": "patients", "patients": true },
        { "id": "pharmacists", "roles": ["Pharmacist"], "kinds": ["hospital"] },
        { "id": "anybody-elsewhere", "kinds": ["clinic"] }
    ] }));
    let decision = decided(&both, &physician());
    assert_eq!((decision.rule.as_str(), decision.code), ("pharmacists", "role"));
    // Whoever has the profession is told where it counts.
    let pharmacist = Request {
        roles: vec!["Pharmacist".into()],
        facility_kind: "pharmacy".into(),
        ..physician()
    };
    let decision = decided(&both, &pharmacist);
    assert_eq!((decision.rule.as_str(), decision.code), ("pharmacists", "kind"));
    let elsewhere = rules(json!({ "rules": [
        { "id": "patients", "patients": true },
        { "id": "anybody-elsewhere", "kinds": ["clinic"] }
    ] }));
    assert_eq!(decided(&elsewhere, &physician()).rule, "anybody-elsewhere");
}
