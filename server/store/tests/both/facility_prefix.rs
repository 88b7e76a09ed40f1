//! Prefixes of facilities: one each, in order, never another's, also of many at once.
use std::collections::BTreeSet;

use ipnet::Ipv6Net;
use sekisho_store::{
    StoreError,
    facility_prefix::{self, Assigned, Plan},
    sql,
};

use crate::{FACILITY, NOW, RACERS, databases::Databases, once::prepared, race};

on_both! { prepared:
    a_facility_gets_one_prefix_and_keeps_it
    facilities_at_once_get_prefixes_of_their_own
    one_facility_at_once_gets_one_prefix
    a_plan_that_is_full_gives_nothing
    another_plan_passes_by_what_was_given
    an_address_is_found_in_its_prefix_alone
    only_those_that_were_activated_wait_for_one
}

fn plan(block: &str, facility_length: u8) -> Plan {
    Plan { block: block.parse().unwrap(), facility_length }
}

fn net(text: &str) -> Ipv6Net {
    text.parse().unwrap()
}

fn facility(number: usize) -> String {
    format!("90000000{number:04}")
}

/// Further facilities in operation.
async fn enter(databases: &Databases, numbers: usize) {
    change!(databases.one, |tx| {
        for number in 0..numbers {
            let id = facility(number);
            tx.execute(
                sql("INSERT INTO organisation
                         (id, application_id, kind, prefecture, postal_code, address, created_at)
                     SELECT $1, a.id, 'hospital', 13, '1', 'a', 0 FROM application a WHERE a.id = $2")
                .bind(&id)
                .bind(&id),
            )
            .await?;
        }
    });
}

/// An application for each: an organisation comes of one of its own.
async fn apply(databases: &Databases, numbers: usize) {
    change!(databases.one, |tx| {
        for number in 0..numbers {
            let id = facility(number);
            tx.execute(
                sql("INSERT INTO application (id, receipt, kind, name, name_kana, prefecture, postal_code,
                         address, contact_name, contact_phone, contact_email, created_at)
                     VALUES ($1, $1, 'hospital', 'n', 'k', 13, '1', 'a', 'c', 'p', 'e', 0)")
                .bind(&id),
            )
            .await?;
        }
    });
    enter(databases, numbers).await;
}

async fn assign(databases: &Databases, facility: &str, plan: Plan) -> Assigned {
    change!(databases.one, |tx| facility_prefix::assign(tx, facility, &plan, "p", NOW).await?)
}

async fn a_facility_gets_one_prefix_and_keeps_it(databases: Databases) {
    let (first, second) = (plan("fd12:3456::/32", 56), plan("fd99::/32", 48));
    let given = net("fd12:3456::/56");
    assert_eq!(assign(&databases, FACILITY, first).await, Assigned::New(given));
    for again in [first, second] {
        assert_eq!(assign(&databases, FACILITY, again).await, Assigned::Had(given));
    }
    let mut reader = databases.two.read();
    let found = facility_prefix::of_facility(&mut reader, FACILITY).await.unwrap().unwrap();
    assert_eq!((found.organisation_id.as_str(), found.prefix), (FACILITY, given));
    assert_eq!(found.assigned_at, NOW);
    assert_eq!(facility_prefix::list(&mut reader, "", 9).await.unwrap(), [found]);
    assert!(facility_prefix::list(&mut reader, FACILITY, 9).await.unwrap().is_empty());
    let nobody = attempt!(databases.one, |tx| {
        facility_prefix::assign(tx, "nobody", &first, "p", NOW).await?
    });
    assert!(nobody.is_err(), "of no facility");
}

async fn facilities_at_once_get_prefixes_of_their_own(databases: Databases) {
    apply(&databases, usize::from(RACERS)).await;
    let plan = plan("fd12:3456::/32", 56);
    let outcomes = race(&databases, |number, store| async move {
        let id = facility(usize::from(number));
        attempt!(store, |tx| facility_prefix::assign(tx, &id, &plan, "p", NOW).await?)
    })
    .await;
    let given: BTreeSet<Ipv6Net> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Ok(Assigned::New(prefix)) => prefix,
            other => panic!("{other:?}"),
        })
        .collect();
    let whole: BTreeSet<Ipv6Net> =
        (0..u128::from(RACERS)).map(|number| plan.prefix(number).unwrap()).collect();
    assert_eq!(given, whole, "each its own, and none left out");
}

async fn one_facility_at_once_gets_one_prefix(databases: Databases) {
    let plan = plan("fd12:3456::/32", 56);
    let outcomes: Vec<Result<Assigned, StoreError>> = race(&databases, |_, store| async move {
        attempt!(store, |tx| facility_prefix::assign(tx, FACILITY, &plan, "p", NOW).await?)
    })
    .await;
    let new = crate::count(&outcomes, |one| matches!(one, Ok(Assigned::New(_))));
    assert_eq!(new, 1, "{outcomes:?}");
    let all = facility_prefix::list(&mut databases.two.read(), "", 99).await.unwrap();
    assert_eq!(all.len(), 1);
}

async fn a_plan_that_is_full_gives_nothing(databases: Databases) {
    apply(&databases, 3).await;
    let small = plan("fd12::/63", 64);
    for (number, given) in ["fd12::/64", "fd12:0:0:1::/64"].into_iter().enumerate() {
        let assigned = assign(&databases, &facility(number), small).await;
        assert_eq!(assigned, Assigned::New(net(given)));
    }
    assert_eq!(assign(&databases, &facility(2), small).await, Assigned::Full);
    assert_eq!(assign(&databases, &facility(0), small).await, Assigned::Had(net("fd12::/64")));
    let found = facility_prefix::of_facility(&mut databases.two.read(), &facility(2)).await;
    assert_eq!(found.unwrap(), None);
}

async fn another_plan_passes_by_what_was_given(databases: Databases) {
    apply(&databases, 6).await;
    let narrow = plan("fd12:0:0:100::/56", 64);
    assign(&databases, &facility(0), narrow).await;
    // Longer prefixes of a block around it: the one that holds it is passed by.
    let wide = plan("fd12::/32", 56);
    for (number, given) in [(1, "fd12::/56"), (2, "fd12:0:0:200::/56")] {
        assert_eq!(assign(&databases, &facility(number), wide).await, Assigned::New(net(given)));
    }
    // And shorter ones of a block within: all that one holds are passed by at once.
    let within = plan("fd12::/40", 64);
    let assigned = assign(&databases, &facility(3), within).await;
    assert_eq!(assigned, Assigned::New(net("fd12:0:0:101::/64")));
    let assigned = assign(&databases, &facility(4), within).await;
    assert_eq!(assigned, Assigned::New(net("fd12:0:0:102::/64")));
    let all = facility_prefix::list(&mut databases.two.read(), "", 99).await.unwrap();
    for one in &all {
        let overlaps = all.iter().filter(|other| {
            other.prefix.contains(&one.prefix) || one.prefix.contains(&other.prefix)
        });
        assert_eq!(overlaps.count(), 1, "{one:?}");
    }
}

async fn an_address_is_found_in_its_prefix_alone(databases: Databases) {
    apply(&databases, 2).await;
    let plan = plan("fd12:3456::/32", 56);
    for number in 0..2 {
        assign(&databases, &facility(number), plan).await;
    }
    let mut reader = databases.two.read();
    for (address, whose) in [
        ("fd12:3455:ffff:ffff:ffff:ffff:ffff:ffff", None),
        ("fd12:3456::", Some(0)),
        ("fd12:3456:0:ff:ffff:ffff:ffff:ffff", Some(0)),
        ("fd12:3456:0:100::", Some(1)),
        ("fd12:3456:0:1ff:ffff:ffff:ffff:ffff", Some(1)),
        ("fd12:3456:0:200::", None),
        ("::", None),
        ("ffff::", None),
    ] {
        let found = facility_prefix::of_address(&mut reader, address.parse().unwrap()).await;
        let found = found.unwrap().map(|one| one.organisation_id);
        assert_eq!(found, whose.map(facility), "{address}");
    }
}

async fn only_those_that_were_activated_wait_for_one(databases: Databases) {
    apply(&databases, 1).await;
    let without = async |after: &str| {
        facility_prefix::without(&mut databases.two.read(), after, 9).await.unwrap()
    };
    assert_eq!(without("").await, [FACILITY]);
    assert!(without(FACILITY).await.is_empty());
    assign(&databases, FACILITY, plan("fd12:3456::/32", 56)).await;
    assert!(without("").await.is_empty());
}
