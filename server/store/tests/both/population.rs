//! Memberships in force, grouped by what rules look at; people found by name.

use sekisho_store::{
    Store, StoreError,
    bulk::{MeasuredFacility, MeasuredPerson},
    membership, organisation, person,
    population::{self, By, Group},
    sql,
};
use sekisho_wire::acr;
use time::Duration;

use crate::{FACILITY, NOW, databases::Databases, login};

on_both! { prepared:
    memberships_are_counted_by_what_is_asked_for_and_each_once
    people_are_found_by_name_at_one_facility_or_at_all
    a_network_for_measurements_counts_as_any_other
}

const PHARMACY: &str = "323456789003";
const DOCTOR: &str = r#"["Medical Doctor"]"#;

async fn member(store: &Store, name: &str, facility: &str) -> (String, String) {
    change!(store, |tx| {
        let person_id = person::enter(tx, name, "", NOW).await?;
        let membership = membership::start(tx, &person_id, facility, None, "test", NOW).await?;
        (person_id, membership)
    })
}

/// A login there, after so many seconds.
async fn logged_in(store: &Store, who: &(String, String), acr: &str, roles: &str, after: i64) {
    let (person_id, membership) = who;
    let mut id = [0; 32];
    id[..8].copy_from_slice(&after.to_be_bytes());
    id[8..24].copy_from_slice(&membership.as_bytes()[20..36]);
    change!(store, |tx| {
        tx.execute(
            sql(
                "INSERT INTO session (id_hash, realm, person_id, membership_id, hc_roles, acr, amr,
                     auth_time, created_at, last_seen_at, expires_at)
                 VALUES ($1, 'portal', $2, $3, $4, $5, '[]', $6, $6, $6, $6)",
            )
            .bind(id)
            .bind(person_id)
            .bind(membership)
            .bind(roles)
            .bind(acr)
            .bind(NOW + Duration::seconds(after)),
        )
        .await?
    });
}

async fn prepared(databases: Databases) -> Databases {
    let databases = login::prepared(databases).await;
    change!(databases.one, |tx| {
        tx.execute(sql(
            "INSERT INTO application (id, receipt, kind, name, name_kana, prefecture, postal_code,
                     address, contact_name, contact_phone, contact_email, created_at)
                 VALUES ('a3', 'a3', 'pharmacy', 'n', 'k', 27, '1', 'a', 'c', 'p', 'e', 0)",
        ))
        .await?;
        tx.execute(sql("INSERT INTO organisation (id, application_id, kind, prefecture, postal_code, address,
                     created_at) VALUES ($1, 'a3', 'pharmacy', 27, '1', 'a', 0)").bind(PHARMACY))
        .await?;
        for (id, name) in [(FACILITY, "青葉病院"), (PHARMACY, "若葉薬局")] {
            tx.execute(
                sql("INSERT INTO organisation_name (organisation_id, name, name_kana, search_key, valid_from)
                     VALUES ($1, $2, '', '', 0)").bind(id).bind(name),
            )
            .await?;
        }
    });
    for id in [FACILITY, PHARMACY] {
        event(&databases.one, id, "activated", 0).await;
    }
    databases
}

async fn event(store: &Store, organisation_id: &str, kind: &str, after: i64) {
    change!(store, |tx| {
        tx.execute(
            sql("INSERT INTO organisation_event (id, organisation_id, at, kind, reason)
                 VALUES ($1, $2, $3, $4, '')")
            .bind(uuid::Uuid::now_v7().to_string())
            .bind(organisation_id)
            .bind(NOW + Duration::seconds(after))
            .bind(kind),
        )
        .await?
    });
}

async fn memberships_are_counted_by_what_is_asked_for_and_each_once(databases: Databases) {
    let store = &databases.one;
    let doctor = member(store, "山田", FACILITY).await;
    logged_in(store, &doctor, acr::HPKI_CARD, "[]", 1).await;
    logged_in(store, &doctor, acr::HPKI_CARD, DOCTOR, 2).await;
    // A later login that names no profession takes none away.
    logged_in(store, &doctor, acr::PASSKEY, "[]", 3).await;
    let clerk = member(store, "佐藤", FACILITY).await;
    logged_in(store, &clerk, acr::PASSWORD_TOTP, "[]", 1).await;
    let pharmacist = member(store, "鈴木", PHARMACY).await;
    logged_in(store, &pharmacist, acr::HPKI_CARD, r#"["Pharmacist"]"#, 1).await;
    // Who left is counted no more; who came back is.
    let gone = member(store, "去", FACILITY).await;
    let back = member(store, "帰", PHARMACY).await;
    change!(store, |tx| {
        let later = NOW + Duration::HOUR;
        membership::end(tx, &gone.1, FACILITY, "p", "left", later).await?;
        membership::end(tx, &back.1, PHARMACY, "p", "left", later).await?;
        membership::start(tx, &back.0, PHARMACY, None, "back", later + Duration::HOUR).await?;
    });
    let group = |kind: &str, prefecture, roles: &[&str], memberships| Group {
        kind: kind.to_owned(),
        prefecture,
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        memberships,
    };
    let mut reader = databases.two.read();
    let all = By { kind: true, prefecture: true, roles: true };
    let mut found = population::groups(&mut reader, all).await.unwrap();
    found.sort_by_key(|group| format!("{group:?}"));
    let mut expected = vec![
        group("hospital", 13, &["Medical Doctor"], 1),
        group("hospital", 13, &[], 1),
        group("pharmacy", 27, &["Pharmacist"], 1),
        group("pharmacy", 27, &[], 1),
    ];
    expected.sort_by_key(|group| format!("{group:?}"));
    assert_eq!(found, expected);
    let none = By { kind: false, prefecture: false, roles: false };
    assert_eq!(population::groups(&mut reader, none).await.unwrap(), [group("", 0, &[], 4)]);
    let kinds = By { kind: true, ..none };
    let found = population::groups(&mut reader, kinds).await.unwrap();
    assert_eq!(found, [group("hospital", 0, &[], 2), group("pharmacy", 0, &[], 2)]);
    let prefectures = By { prefecture: true, ..none };
    let found = population::groups_at(&mut reader, PHARMACY, prefectures).await.unwrap();
    assert_eq!(found, [group("", 27, &[], 2)]);
    assert!(population::groups_at(&mut reader, "nowhere", all).await.unwrap().is_empty());
    // Nobody logs in at an organisation that rests.
    for (kind, after, left) in [("suspended", 1, 2), ("resumed", 2, 4), ("closed", 3, 2)] {
        event(store, PHARMACY, kind, after).await;
        let found = population::groups(&mut databases.two.read(), none).await.unwrap();
        assert_eq!(found, [group("", 0, &[], left)], "{kind}");
    }
    let shown = membership::roles_shown(&mut reader, &doctor.0).await.unwrap();
    assert_eq!(shown, Some(vec!["Medical Doctor".to_owned()]));
    assert_eq!(membership::roles_shown(&mut reader, &clerk.0).await.unwrap(), None);
}

async fn people_are_found_by_name_at_one_facility_or_at_all(databases: Databases) {
    let store = &databases.one;
    let (one, _) = member(store, "山田 太郎", FACILITY).await;
    change!(store, |tx| membership::start(tx, &one, PHARMACY, None, "too", NOW).await?);
    let (other, gone) = member(store, "山田 花子", FACILITY).await;
    member(store, "佐藤", FACILITY).await;
    let mut reader = databases.two.read();
    let all = membership::search(&mut reader, "山田", None, 9).await.unwrap();
    assert_eq!(all.len(), 3);
    let here = membership::search(&mut reader, "やまだ", Some(FACILITY), 9).await.unwrap();
    assert!(here.is_empty(), "nobody told the kana");
    let here = membership::search(&mut reader, "山田", Some(FACILITY), 9).await.unwrap();
    let mut ids: Vec<_> = here.iter().map(|found| found.person_id.clone()).collect();
    ids.sort();
    assert_eq!(ids, {
        let mut both = [one, other.clone()];
        both.sort();
        both
    });
    assert_eq!(here[0].organisation_name, "青葉病院");
    assert_eq!(membership::search(&mut reader, "山田", None, 2).await.unwrap().len(), 2);
    assert!(membership::search(&mut reader, "%", None, 9).await.unwrap().is_empty());
    change!(store, |tx| membership::end(tx, &gone, FACILITY, "p", "left", NOW + Duration::HOUR)
        .await?);
    let here = membership::search(&mut reader, "山田", Some(FACILITY), 9).await.unwrap();
    assert!(here.iter().all(|found| found.person_id != other));
}

async fn a_network_for_measurements_counts_as_any_other(databases: Databases) {
    let store = &databases.one;
    let before = organisation::count(&mut store.read()).await.unwrap();
    // More than one statement holds.
    let facilities: Vec<_> = (0..1_001)
        .map(|number| MeasuredFacility {
            id: format!("9{number:011}"),
            kind: if number % 2 == 0 { "clinic" } else { "dental_clinic" },
            prefecture: 47,
        })
        .collect();
    store.enter_facilities(&facilities, NOW).await.unwrap();
    let mut reader = databases.two.read();
    assert_eq!(organisation::count(&mut reader).await.unwrap(), before + 1_001);
    let people: Vec<_> = (0..1_200)
        .map(|number| MeasuredPerson {
            facility_id: facilities[number % 10].id.clone(),
            hc_roles: (number % 3 == 0).then_some(DOCTOR),
        })
        .collect();
    store.enter_people(&people, NOW).await.unwrap();
    let by = By { kind: true, prefecture: true, roles: true };
    let groups = population::groups(&mut reader, by).await.unwrap();
    let measured = groups.into_iter().filter(|group| group.prefecture == 47);
    let measured: Vec<_> =
        measured.map(|group| (group.kind, group.roles.len(), group.memberships)).collect();
    let expected = [
        ("clinic", 1, 200),
        ("clinic", 0, 400),
        ("dental_clinic", 1, 200),
        ("dental_clinic", 0, 400),
    ];
    let mut expected =
        expected.map(|(kind, roles, number)| (kind.to_owned(), roles, number)).to_vec();
    expected.sort();
    let mut measured = measured;
    measured.sort();
    assert_eq!(measured, expected);
    let again = store.enter_facilities(&facilities[..1], NOW).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })), "{again:?}");
    let stray = MeasuredPerson { facility_id: "900000099999".to_owned(), hc_roles: None };
    assert!(store.enter_people(&[stray], NOW).await.is_err());
}
