//! The demonstration's table of stakeholders, cell by cell: what the rules decide about somebody of each
//! stakeholder in each use case. The tables here are written down by hand, from the demonstration's and from
//! what each case is about, and not from the rules.

use sekisho_authz::{Decision, Request, Rules};
use sekisho_pki::national::hc_role;
use sekisho_store::offer::Offer;
use sekisho_wire::acr::{HPKI_CARD, JPKI_CARD, PASSKEY, PASSWORD_AT_FACILITY, PASSWORD_TOTP};
use serde_json::json;
use time::OffsetDateTime;

use crate::{
    entitlement::Entitlements,
    use_case::{Chosen, UseCase},
};

/// Who takes part, in the demonstration's words.
const TABLE: [(u8, &str); 17] = [
    (1, "医療機関等 サービス事業者 地連運営主体 患者"),
    (2, "医療機関等 サービス事業者 地連運営主体"),
    (3, "医療機関等 行政"),
    (4, "医療機関等 行政"),
    (5, "医療機関等 行政"),
    (6, "医療機関等 サービス事業者 患者"),
    (7, "医療機関等 サービス事業者 患者"),
    (8, "医療機関等 サービス事業者"),
    (9, "医療機関等 サービス事業者 地連運営主体 患者"),
    (10, "医療機関等 サービス事業者"),
    (11, "医療機関等 サービス事業者 医療システム事業者"),
    (12, "医療機関等 サービス事業者"),
    (13, "医療機関等 情報収集機関"),
    (14, "医療機関等 情報収集機関"),
    (15, "医療機関等 サービス事業者 患者"),
    (16, "医療機関等 サービス事業者 医療システム事業者"),
    (17, "医療機関等 サービス事業者"),
];

/// The columns, with the kind of organisation of somebody who stands for each: a physician of a hospital, and
/// elsewhere staff without a licence. A patient is at none.
const COLUMNS: [(&str, &str); 7] = [
    ("医療機関等", "hospital"),
    ("サービス事業者", "service_provider"),
    ("地連運営主体", "regional_network"),
    ("患者", ""),
    ("行政", "government"),
    ("医療システム事業者", "vendor"),
    ("情報収集機関", "data_collector"),
];

/// The weakest login that opens each cell, in the order of the columns: W (password and one-time password),
/// Passkey, J (My Number card), HPKI card.
const LEVELS: [(u8, &str); 17] = [
    (1, "JWWJ---"),
    (2, "HHH----"),
    (3, "J---J--"),
    (4, "W---J--"),
    (5, "W---J--"),
    (6, "JW-J---"),
    (7, "HW-J---"),
    (8, "WW-----"),
    (9, "JWWJ---"),
    (10, "JW-----"),
    (11, "PW---W-"),
    (12, "WW-----"),
    (13, "W-----J"),
    (14, "J-----J"),
    (15, "JW-J---"),
    (16, "WJ---J-"),
    (17, "WW-----"),
];

/// A level, and the next weaker one.
fn level(letter: char) -> (&'static str, &'static str) {
    match letter {
        'W' => (PASSWORD_TOTP, PASSWORD_AT_FACILITY),
        'P' => (PASSKEY, PASSWORD_TOTP),
        'J' => (JPKI_CARD, PASSKEY),
        'H' => (HPKI_CARD, JPKI_CARD),
        other => panic!("{other} is no level"),
    }
}

fn case(number: u8) -> &'static UseCase {
    Chosen::try_from(number).unwrap().0
}

/// Somebody of a column, at this level.
fn somebody(kind: &str, acr: &str) -> Request {
    let patient = kind.is_empty();
    let roles = if kind == "hospital" { vec!["Medical Doctor".to_owned()] } else { Vec::new() };
    Request {
        person_id: "p".into(),
        roles,
        facility_id: if patient { String::new() } else { "123456789015".into() },
        facility_kind: kind.into(),
        facility_prefecture: if patient { String::new() } else { "13".into() },
        member: !patient,
        acr: acr.into(),
        at: OffsetDateTime::UNIX_EPOCH,
        emergency: false,
        visiting: false,
        patient,
    }
}

/// A service for which these rules are in force.
fn offer(number: u8, rules: &Rules) -> Offer {
    Offer {
        service_id: format!("case-{number}"),
        name_ja: String::new(),
        name_en: String::new(),
        description_ja: String::new(),
        description_en: String::new(),
        home_url: "https://case.example/".into(),
        backchannel_logout_uri: None,
        live_at: Some(0),
        personal_data: None,
        version: Some(1),
        rules: Some(serde_json::to_string(rules).unwrap()),
    }
}

/// What is decided where these rules are in force, by the way that every service's are: as stored, by Cedar.
fn decided(case: &UseCase, request: &Request) -> Decision {
    Entitlements::new().decide(&offer(case.number, &case.rules()), request)
}

/// Each cell: its case, kind of organisation, whether the demonstration has them take part, and the level.
fn cells() -> Vec<(&'static UseCase, &'static str, bool, char)> {
    let mut cells = Vec::new();
    for ((number, who), (again, levels)) in TABLE.into_iter().zip(LEVELS) {
        assert_eq!(number, again);
        let who: Vec<&str> = who.split(' ').collect();
        assert!(who.iter().all(|name| COLUMNS.iter().any(|(column, _)| column == name)));
        for ((column, kind), letter) in COLUMNS.into_iter().zip(levels.chars()) {
            let takes_part = who.contains(&column);
            assert_eq!(takes_part, letter != '-', "{number} {column}: the two tables here differ");
            cells.push((case(number), kind, takes_part, letter));
        }
    }
    assert_eq!((cells.len(), cells.iter().filter(|cell| cell.2).count()), (7 * 17, 44));
    cells
}

#[test]
fn who_takes_part_is_admitted_at_the_level_of_the_cell() {
    for (case, kind, _, letter) in cells().into_iter().filter(|cell| cell.2) {
        let decision = decided(case, &somebody(kind, level(letter).0));
        assert!(
            decision.allowed && !decision.by_emergency,
            "{} {kind}: {decision:?}",
            case.symbol()
        );
    }
}

/// Which of the kinds of 医療機関等 each case is for: hospital, clinic, dental clinic, pharmacy, visiting nursing,
/// care facility. That it is not all of them is our assumption (`docs/use-cases.md`).
const KINDS: [(u8, &str); 17] = [
    (1, "hcdpv-"),
    (2, "hcdpvf"),
    (3, "hcdpvf"),
    (4, "hcdpv-"),
    (5, "hcdpv-"),
    (6, "hcd---"),
    (7, "hcdp--"),
    (8, "hcdpvf"),
    (9, "hcdpvf"),
    (10, "hcd---"),
    (11, "hcdpvf"),
    (12, "hcdpvf"),
    (13, "hcdpv-"),
    (14, "hcdpv-"),
    (15, "hcdpvf"),
    (16, "hcdpvf"),
    (17, "hcdpvf"),
];

#[test]
fn each_kind_of_medical_institution_takes_part_where_it_is_written() {
    let kinds =
        ["hospital", "clinic", "dental_clinic", "pharmacy", "visiting_nursing", "care_facility"];
    let roles: Vec<_> = hc_role::known_roles().map(|role| role.name.to_owned()).collect();
    for (number, letters) in KINDS {
        for (kind, letter) in kinds.into_iter().zip(letters.chars()) {
            let request = Request { roles: roles.clone(), ..somebody(kind, HPKI_CARD) };
            let decision = decided(case(number), &request);
            assert_eq!(decision.allowed, letter != '-', "{number} {kind}: {decision:?}");
            assert!(decision.allowed || decision.code == "kind", "{number} {kind}: {decision:?}");
        }
    }
}

#[test]
fn how_patients_prove_themselves_is_no_level_to_ask_staff_for() {
    let staff = json!({ "id": "staff", "minimum_acr": HPKI_CARD });
    let patients = json!({ "id": "patients", "patients": true, "minimum_acr": JPKI_CARD });
    for (rules, weakest) in [
        (json!([staff, patients]), Some(HPKI_CARD)),
        (json!([patients, staff]), Some(HPKI_CARD)),
        (json!([patients]), None),
    ] {
        let rules: Rules = serde_json::from_value(json!({ "rules": rules })).unwrap();
        let found = Entitlements::new().weakest_level(&offer(1, &rules));
        assert_eq!(found.as_deref(), weakest);
    }
}

#[test]
fn who_takes_no_part_is_refused_for_what_they_are_whatever_else_they_have() {
    for (case, kind, _, _) in cells().into_iter().filter(|cell| !cell.2) {
        // Every licence there is, the strongest login, in an emergency as well.
        let roles = hc_role::known_roles().map(|role| role.name.to_owned()).collect();
        let request = Request { roles, emergency: true, ..somebody(kind, HPKI_CARD) };
        let decision = decided(case, &request);
        let why = if kind.is_empty() { "person" } else { "kind" };
        assert_eq!((decision.allowed, decision.code), (false, why), "{} {kind}", case.symbol());
    }
}

#[test]
fn who_takes_part_is_refused_below_the_level_of_the_cell() {
    for (case, kind, _, letter) in cells().into_iter().filter(|cell| cell.2) {
        for weak in [level(letter).1, PASSWORD_AT_FACILITY, ""] {
            let decision = decided(case, &somebody(kind, weak));
            let at = format!("{} {kind} {weak}", case.symbol());
            assert_eq!((decision.allowed, decision.code), (false, "level"), "{at}");
        }
    }
}

#[test]
fn who_takes_part_is_refused_at_an_organisation_that_is_not_theirs() {
    let of_organisations = |cell: &(_, &'static str, bool, _)| cell.2 && !cell.1.is_empty();
    for (case, kind, _, _) in cells().into_iter().filter(of_organisations) {
        let stranger = Request { member: false, ..somebody(kind, HPKI_CARD) };
        let decision = decided(case, &stranger);
        let at = format!("{} {kind}", case.symbol());
        assert_eq!((decision.allowed, decision.code), (false, "membership"), "{at}");
        // Being a patient elsewhere is no way around it, but where patients take part.
        let posing = Request { patient: true, ..somebody(kind, HPKI_CARD) };
        let (_, who) = TABLE[usize::from(case.number) - 1];
        let admits_patients = who.contains("患者");
        let decision = decided(case, &posing);
        assert_eq!(decision.allowed, admits_patients, "{at}");
        assert!(!decision.allowed || decision.rule == "patients", "{at}");
    }
}

#[test]
fn at_a_medical_institution_it_is_those_whose_work_the_case_is() {
    let clerk = "";
    for (number, kind, role, acr, code) in [
        (1, "visiting_nursing", "General Nurse", JPKI_CARD, "admitted"),
        (1, "hospital", clerk, HPKI_CARD, "role"),
        (1, "care_facility", "General Nurse", HPKI_CARD, "kind"),
        (2, "pharmacy", "Pharmacist", HPKI_CARD, "admitted"),
        (3, "clinic", clerk, JPKI_CARD, "admitted"),
        (4, "clinic", clerk, PASSWORD_TOTP, "admitted"),
        (4, "care_facility", clerk, HPKI_CARD, "kind"),
        (5, "dental_clinic", clerk, PASSWORD_TOTP, "admitted"),
        (5, "pharmacy", clerk, PASSWORD_TOTP, "admitted"),
        (6, "dental_clinic", "Dentist", JPKI_CARD, "admitted"),
        (6, "hospital", "General Nurse", HPKI_CARD, "role"),
        (7, "dental_clinic", "Dentist", HPKI_CARD, "admitted"),
        (7, "pharmacy", "Pharmacist", HPKI_CARD, "admitted"),
        (7, "pharmacy", "Pharmacist", JPKI_CARD, "level"),
        (7, "pharmacy", "Medical Doctor", HPKI_CARD, "kind"),
        (7, "hospital", "General Nurse", HPKI_CARD, "role"),
        (8, "care_facility", clerk, PASSWORD_TOTP, "admitted"),
        (9, "care_facility", "Certified Care Worker", JPKI_CARD, "admitted"),
        (9, "care_facility", clerk, PASSWORD_TOTP, "admitted"),
        (9, "visiting_nursing", clerk, HPKI_CARD, "role"),
        (10, "hospital", "Radiological Technologist", JPKI_CARD, "admitted"),
        (10, "hospital", "Pharmacist", HPKI_CARD, "role"),
        (11, "hospital", "Emergency Medical Technician", PASSKEY, "admitted"),
        (11, "hospital", clerk, HPKI_CARD, "role"),
        (12, "hospital", clerk, PASSWORD_TOTP, "admitted"),
        (13, "clinic", clerk, PASSWORD_TOTP, "admitted"),
        (14, "hospital", clerk, JPKI_CARD, "admitted"),
        (14, "hospital", clerk, PASSKEY, "level"),
        (15, "hospital", "National Registered Dietitian", JPKI_CARD, "admitted"),
        (15, "hospital", "Clinical Engineer", HPKI_CARD, "role"),
        (16, "pharmacy", clerk, PASSWORD_TOTP, "admitted"),
        (17, "care_facility", clerk, PASSWORD_TOTP, "admitted"),
    ] {
        let roles = if role == clerk { Vec::new() } else { vec![role.to_owned()] };
        let request = Request { roles, ..somebody(kind, acr) };
        let decision = decided(case(number), &request);
        assert_eq!(decision.code, code, "{number} {kind} {role}: {decision:?}");
    }
}

#[test]
fn an_emergency_opens_the_case_of_emergencies_to_rescuers_and_no_other_case_to_anybody() {
    for (case, kind, takes_part, letter) in cells() {
        if kind.is_empty() || !takes_part {
            continue;
        }
        let away = Request { member: false, emergency: true, ..somebody(kind, level(letter).0) };
        let opens = case.number == 11 && kind == "hospital";
        let decision = decided(case, &away);
        let at = format!("{} {kind}", case.symbol());
        assert_eq!((decision.allowed, decision.by_emergency), (opens, opens), "{at}");
    }
}
