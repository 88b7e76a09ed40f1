//! The counted difference against one decision a membership, made one by one as if each person knocked.

use std::collections::{BTreeMap, BTreeSet};

use sekisho_store::{
    StoreError, Tx,
    audit::{Actor, Audited, Entry},
    membership, person, sql, transaction,
};
use time::{Duration, OffsetDateTime, macros::datetime};

use super::*;
use crate::{
    app::App,
    config::Settings,
    entitlement::{Supposed, request_if},
    testing::{self, TestApp},
};

/// Identifier, kind, prefecture, and the professions of its members.
const FACILITIES: [(&str, &str, i64, &[&[&str]]); 5] = [
    (
        "123456789015",
        "hospital",
        13,
        &[
            &["Medical Doctor"],
            &["Medical Doctor"],
            &["General Nurse"],
            &["Medical Doctor", "Pharmacist"],
            &[],
        ],
    ),
    ("123456789023", "hospital", 27, &[&["Medical Doctor"], &["General Nurse"], &["Wizard"]]),
    ("123456789031", "pharmacy", 13, &[&["Pharmacist"], &["Pharmacist"], &[]]),
    ("123456789040", "clinic", 1, &[&["Medical Doctor"], &["Director of Hospital"]]),
    // A test facility: live services are closed there.
    (TEST, "hospital", 13, &[&["Medical Doctor"], &["General Nurse"]]),
];
const TEST: &str = "123456789007";

struct Member {
    person_id: String,
    facility: &'static str,
    roles: Vec<String>,
}

async fn facility(tx: &mut Tx, id: &str, kind: &str, prefecture: i64) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO application (id, receipt, kind, name, name_kana, prefecture, postal_code,
                 address, contact_name, contact_phone, contact_email, created_at)
             VALUES ($1, $1, $2, 'n', 'k', $3, '1', 'a', 'c', 'p', 'e', 0)")
        .bind(id)
        .bind(kind)
        .bind(prefecture),
    )
    .await?;
    tx.execute(
        sql("INSERT INTO organisation (id, application_id, kind, prefecture, postal_code, address,
                 created_at) VALUES ($1, $1, $2, $3, '1', 'a', 0)")
        .bind(id)
        .bind(kind)
        .bind(prefecture),
    )
    .await?;
    tx.execute(
        sql("INSERT INTO organisation_name (organisation_id, name, name_kana, search_key, valid_from)
             VALUES ($1, $1, '', '', 0)")
        .bind(id),
    )
    .await?;
    testing::organisation_event(tx, id, "activated", OffsetDateTime::UNIX_EPOCH).await
}

/// An instance with these people, of whom each logged in by HPKI card once.
async fn populated() -> (TestApp, Vec<Member>) {
    let mut settings = Settings::default();
    settings.sandbox.facilities = vec![TEST.to_owned()];
    let test = testing::app_with(settings).await;
    let now = test.app.now();
    let members = transaction!(test.app.store(), StoreError, |tx| {
        let mut members = Vec::new();
        for (id, kind, prefecture, people) in FACILITIES {
            facility(tx, id, kind, prefecture).await?;
            for roles in people {
                let person_id = person::enter(tx, "誰か", "", now).await?;
                let started = membership::start(tx, &person_id, id, None, "test", now).await?;
                let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
                tx.execute(
                    sql("INSERT INTO session (id_hash, realm, person_id, membership_id, hc_roles,
                             acr, amr, auth_time, created_at, last_seen_at, expires_at)
                         VALUES ($1, 'portal', $2, $3, $4, $5, '[]', $6, $6, $6, $6)")
                    .bind(started.as_bytes())
                    .bind(&person_id)
                    .bind(&started)
                    .bind(serde_json::Value::from(roles.clone()).to_string())
                    .bind(acr::HPKI_CARD)
                    .bind(now),
                )
                .await?;
                members.push(Member { person_id, facility: id, roles });
            }
        }
        Ok(Audited::new(members, Entry::done("test", Actor::System, now)))
    });
    (test, members.unwrap())
}

fn offer(rules: &Rules) -> Offer {
    Offer {
        service_id: "s".into(),
        name_ja: String::new(),
        name_en: String::new(),
        description_ja: String::new(),
        description_en: String::new(),
        home_url: String::new(),
        backchannel_logout_uri: None,
        live_at: Some(0),
        personal_data: None,
        version: Some(1),
        rules: Some(serde_json::to_string(rules).unwrap()),
    }
}

fn rules(toml: &str) -> Rules {
    toml::from_str(toml).unwrap()
}

/// What each membership comes to, one by one: at every half hour of a week, by each level.
async fn one_by_one(
    app: &App,
    members: &[Member],
    before: &Rules,
    after: &Rules,
) -> BTreeMap<&'static str, [i64; 4]> {
    let entitlements = app.entitlements();
    let (old, new) =
        (entitlements.judge(&offer(before)), entitlements.judge_if(after.clone()).unwrap());
    let hours = before.rules.iter().chain(&after.rules).any(|rule| rule.hours.is_some());
    let moments = if hours { 7 * 48 } else { 1 };
    let mut counted = BTreeMap::new();
    for acr in acr::LEVELS {
        let mut numbers = [0; 4];
        for member in members {
            let mut happened = [false; 4];
            let supposed = Supposed {
                person_id: Some(&member.person_id),
                organisation_id: member.facility,
                roles: &member.roles,
                acr,
                at: datetime!(2026-11-23 00:10 +9),
                member: false,
            };
            let asked = request_if(&mut app.store().read(), supposed).await.unwrap();
            for moment in 0..moments {
                let at = asked.at + Duration::minutes(30 * moment);
                let request = Request { at, ..asked.clone() };
                let question = entitlements.question(&request);
                let was = entitlements.ask(&old, &question).allowed;
                let is = entitlements.ask(&new, &question).allowed;
                let now = [was, is, !was && is, was && !is];
                happened = std::array::from_fn(|number| happened[number] || now[number]);
            }
            numbers = std::array::from_fn(|n| numbers[n] + i64::from(happened[n]));
        }
        counted.insert(acr, numbers);
    }
    counted
}

#[tokio::test]
async fn what_is_counted_is_what_each_person_would_meet() {
    let (test, members) = populated().await;
    let physicians = "[[rules]]\nid = \"p\"\nroles = [\"Medical Doctor\"]\nrelease = [\"name\"]\n";
    for (before, after) in [
        ("", physicians),
        (physicians, ""),
        (physicians, "[[rules]]\nid = \"p\"\nroles = [\"Medical Doctor\", \"General Nurse\"]\n"),
        // Weaker levels, of which passwords carry no profession.
        (
            physicians,
            "[[rules]]\nid = \"p\"\nroles = [\"Medical Doctor\"]\nminimum_acr = \"urn:oid:1.3.6.1.4.1.32473.3.1\"\n",
        ),
        (physicians, "[[rules]]\nid = \"all\"\nminimum_acr = \"urn:oid:1.3.6.1.4.1.32473.3.5\"\n"),
        // By kind and prefecture.
        (
            "[[rules]]\nid = \"a\"\nkinds = [\"hospital\"]\n",
            "[[rules]]\nid = \"a\"\nkinds = [\"hospital\", \"pharmacy\"]\nprefectures = [\"13\"]\n",
        ),
        // By name: facilities and groups, also a test facility.
        (
            "[[rules]]\nid = \"a\"\nfacilities = [\"123456789015\", \"123456789007\"]\n",
            "[[rules]]\nid = \"a\"\ngroups = [\"g\"]\nroles = [\"Medical Doctor\"]\n\
             [[rules]]\nid = \"b\"\nkinds = [\"hospital\"]\nprefectures = [\"27\"]\n\
             [groups]\ng = [\"123456789015\", \"123456789031\", \"123456789040\"]\n",
        ),
        // By hours, also past midnight.
        (
            "[[rules]]\nid = \"a\"\nroles = [\"General Nurse\"]\nhours = [{ days = [\"mon\"], from = \"09:00\", to = \"17:00\" }]\n",
            "[[rules]]\nid = \"a\"\nroles = [\"General Nurse\"]\nhours = [{ days = [\"sun\"], from = \"22:00\", to = \"02:00\" }]\n\
             [[rules]]\nid = \"b\"\nkinds = [\"clinic\"]\nhours = [{ from = \"12:00\", to = \"13:00\" }]\n",
        ),
    ] {
        let (before, after) = (rules(before), rules(after));
        let difference =
            of(test.app.store(), test.app.entitlements(), &offer(&before), &after).await.unwrap();
        let expected = one_by_one(&test.app, &members, &before, &after).await;
        for level in &difference.levels {
            let numbers = [level.before, level.after, level.changed[0], level.changed[1]];
            assert_eq!(numbers, expected[level.acr], "{} {before:?} {after:?}", level.acr);
        }
        assert_eq!(difference.memberships, i64::try_from(members.len()).unwrap());
        // The list tells of the same people.
        for (place, what) in [(0, What::Gains), (1, What::Loses)] {
            for level in &difference.levels {
                let change = |change: &Change| change.acr == level.acr && change.what == what;
                let rows = difference.rows.iter().filter(|row| row.changes.iter().any(change));
                assert_eq!(rows.map(|row| row.memberships).sum::<i64>(), level.changed[place]);
            }
        }
    }
}

#[tokio::test]
async fn groups_are_of_equal_people_and_say_when_something_changes() {
    let (test, _) = populated().await;
    let before = rules("[[rules]]\nid = \"a\"\nroles = [\"General Nurse\"]\n");
    let after = rules(
        "[[rules]]\nid = \"a\"\nroles = [\"General Nurse\"]\nhours = [{ from = \"09:00\", to = \"17:00\" }]\n",
    );
    let difference =
        of(test.app.store(), test.app.entitlements(), &offer(&before), &after).await.unwrap();
    assert_eq!(difference.rows.len(), 1, "{:#?}", difference.rows);
    let row = &difference.rows[0];
    assert_eq!((row.memberships, &row.roles), (2, &BTreeSet::from(["General Nurse".to_owned()])));
    assert!(row.kind.is_empty() && row.prefecture.is_empty() && row.facilities.is_empty());
    let loses = &row.changes[0];
    assert_eq!((loses.what, loses.acr), (What::Loses, acr::HPKI_CARD));
    let hours: Vec<_> =
        loses.moments.iter().flat_map(|moment| &difference.moments[*moment].hours).collect();
    let spans: Vec<_> = hours.iter().map(|h| format!("{}-{}", h.from, h.to)).collect();
    assert_eq!(spans, ["00:00-09:00", "17:00-24:00"]);
}

#[tokio::test]
async fn what_is_told_and_what_an_emergency_opens_are_differences_too() {
    let (test, _) = populated().await;
    let plain =
        rules("[[rules]]\nid = \"a\"\nroles = [\"Medical Doctor\"]\nrelease = [\"name\"]\n");
    let told =
        rules("[[rules]]\nid = \"a\"\nroles = [\"Medical Doctor\"]\nrelease = [\"hc_role\"]\n");
    let difference =
        of(test.app.store(), test.app.entitlements(), &offer(&plain), &told).await.unwrap();
    let hpki = difference.levels.last().unwrap();
    assert_eq!(hpki.changed, [0, 0, 5, 5, 0, 0], "{difference:#?}");
    let tokyo = "[[rules]]\nid = \"a\"\nroles = [\"Medical Doctor\"]\nprefectures = [\"13\"]\n";
    let glass = format!("{tokyo}emergency = true\n");
    let difference =
        of(test.app.store(), test.app.entitlements(), &offer(&rules(tokyo)), &rules(&glass))
            .await
            .unwrap();
    let hpki = difference.levels.last().unwrap();
    // Two physicians elsewhere; those in Tokyo are admitted anyway, at the test facility nobody is.
    assert_eq!(hpki.changed, [0, 0, 0, 0, 2, 0], "{difference:#?}");
    let back = of(test.app.store(), test.app.entitlements(), &offer(&rules(&glass)), &rules(tokyo))
        .await
        .unwrap();
    assert_eq!(back.levels.last().unwrap().changed, [0, 0, 0, 0, 0, 2]);
    let nothing =
        of(test.app.store(), test.app.entitlements(), &offer(&plain), &plain).await.unwrap();
    assert!(nothing.rows.is_empty());
}

#[tokio::test]
async fn what_would_take_too_long_is_not_begun() {
    let (test, _) = populated().await;
    let hour = |n: u32| format!("{{ from = \"{:02}:{:02}\", to = \"24:00\" }}", n / 60, n % 60);
    let every: String = (0..60)
        .map(|rule| {
            let hours: Vec<_> = (0..14).map(|n| hour(rule * 14 + n + 1)).collect();
            let minimum = acr::LEVELS[(rule % 5) as usize];
            format!(
                "[[rules]]\nid = \"r{rule}\"\nkinds = [\"hospital\"]\nprefectures = [\"13\"]\n\
                 emergency = true\nminimum_acr = \"{minimum}\"\nroles = [\"General Nurse\", \"Medical Doctor\", \"Pharmacist\"]\n\
                 hours = [{}]\n",
                hours.join(", ")
            )
        })
        .collect();
    let facilities: Vec<_> = FACILITIES.iter().map(|(id, ..)| format!("{id:?}")).collect();
    let named = format!("{every}[[rules]]\nid = \"n\"\nfacilities = [{}]\n", facilities.join(", "));
    let refused =
        of(test.app.store(), test.app.entitlements(), &offer(&Rules::default()), &rules(&named))
            .await;
    assert!(matches!(refused, Err(DifferenceError::TooMany(_))), "{refused:?}");
}
