//! Whose an address is: by prefix, by router, by the network behind one, by acts; at a time.

use http::StatusCode;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    facility_prefix::{self, Plan},
    router::{self, Router},
    terminal::{self, Revocation},
    transaction,
};
use time::{Duration, OffsetDateTime};

use crate::{
    console::scene::{self, Answer, acts},
    people::role::Role,
    testing::{self, TestApp},
};

const FACILITY: &str = "123456789007";
const ELSEWHERE: &str = "234567890101";
const AUDITOR: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const KEEPER: &str = "KKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK";
const MANAGER: &str = "MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM";
const NOBODY: &str = "NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN";

/// Two facilities with prefixes; the first has a router at 192.0.2.1 before 10.20.30.0/24.
async fn instance() -> TestApp {
    let test = testing::app().await;
    let now = test.app.now();
    for facility in [FACILITY, ELSEWHERE] {
        scene::facility(&test.app, facility).await;
    }
    scene::signed_in(&test.app, "監査　役", &[Role::Auditor], AUDITOR).await;
    scene::signed_in(&test.app, "事業　次郎", &[Role::OperatingAdministrator], KEEPER).await;
    let manager = Role::FacilityAdministrator(FACILITY.to_owned());
    scene::signed_in(&test.app, "管理　花子", &[manager], MANAGER).await;
    enter(&test, "T1111111111", "192.0.2.1", "10.20.30.0/24").await;
    let plan = Plan { block: "fd12:3456::/32".parse().unwrap(), facility_length: 56 };
    transaction!(test.app.store(), StoreError, |tx| {
        for facility in [FACILITY, ELSEWHERE] {
            facility_prefix::assign(tx, facility, &plan, "p", now).await?;
        }
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
    test
}

async fn enter(test: &TestApp, id: &str, address: &str, network: &str) {
    let now = test.app.now();
    let router = Router {
        terminal_id: id.to_owned(),
        family: "router".to_owned(),
        dns_name: format!("{id}.router.example"),
        address: Some(address.parse().unwrap()),
        address_certified: false,
        network: network.parse().unwrap(),
    };
    transaction!(test.app.store(), StoreError, |tx| {
        terminal::create(tx, id, FACILITY, &format!("ルーター{id}"), "p", now).await?;
        router::create(tx, &router).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
}

async fn record(test: &TestApp, address: &str, terminal: Option<&str>, at: OffsetDateTime) {
    let entry = Entry::done("test", Actor::Stranger, at).from_address(address);
    let entry = match terminal {
        Some(terminal) => entry.from_terminal(terminal),
        None => entry,
    };
    let store = test.app.store();
    transaction!(store, StoreError, |tx| Ok(Audited::new((), entry.clone()))).unwrap();
}

async fn ask(test: &TestApp, cookie: &str, query: &str) -> Answer {
    scene::send(&test.app, "GET", &format!("/console/whois?{query}"), cookie, "").await
}

fn look_ups(acts: &[String]) -> usize {
    acts.iter().filter(|act| act.starts_with("address.look_up done")).count()
}

#[tokio::test]
async fn an_address_is_found_by_prefix_router_and_network_and_each_look_up_is_recorded() {
    let test = instance().await;
    let form = ask(&test, AUDITOR, "").await;
    assert_eq!(form.status, StatusCode::OK);
    assert!(!form.text.contains("answer-title"));
    assert_eq!(look_ups(&acts(&test.app).await), 0, "nothing was asked");
    for (address, shows, not) in [
        ("fd12:3456::1", FACILITY, ELSEWHERE),
        ("fd12:3456:0:1ff::1", ELSEWHERE, FACILITY),
        ("192.0.2.1", "T1111111111", ELSEWHERE),
        // The same address in the form of IPv6.
        ("::ffff:192.0.2.1", "T1111111111", ELSEWHERE),
        ("10.20.30.77", "10.20.30.0/24", ELSEWHERE),
        ("10.20.31.77", "ルーターもありませんでした", FACILITY),
        ("fd12:3456:0:200::1", "施設はありません", FACILITY),
    ] {
        let found = ask(&test, AUDITOR, &format!("address={address}")).await;
        assert_eq!(found.status, StatusCode::OK, "{address}");
        assert!(
            found.text.contains(shows) && !found.text.contains(not),
            "{address}: {}",
            found.text
        );
    }
    assert_eq!(ask(&test, KEEPER, "address=192.0.2.1").await.status, StatusCode::OK);
    let acts = acts(&test.app).await;
    assert_eq!(look_ups(&acts), 8, "{acts:?}");
    assert!(acts.contains(&"address.look_up done auditor".to_owned()));
    assert!(acts.contains(&"address.look_up done operating_administrator".to_owned()));
}

#[tokio::test]
async fn a_revoked_router_is_told_of_the_time_when_it_was_in_force() {
    let test = instance().await;
    test.clock.advance(Duration::minutes(10));
    let revocation = Revocation {
        crl_reason: 5,
        cause: "retired",
        note: "",
        person_id: Some("p"),
        at: test.app.now(),
    };
    transaction!(test.app.store(), StoreError, |tx| {
        terminal::revoke(tx, "T1111111111", FACILITY, revocation).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, test.app.now())))
    })
    .unwrap();
    enter(&test, "T2222222222", "192.0.2.1", "10.20.30.0/24").await;
    let now = ask(&test, AUDITOR, "address=192.0.2.1").await.text;
    assert!(now.contains("T2222222222") && !now.contains("T1111111111"), "{now}");
    // Entered at 18:00 of Japan.
    let then = ask(&test, AUDITOR, "address=10.20.30.5&at=2026-11-21T18:05").await.text;
    assert!(then.contains("T1111111111") && !then.contains("T2222222222"), "{then}");
    let before = ask(&test, AUDITOR, "address=192.0.2.1&at=2026-11-21T17:00").await.text;
    assert!(before.contains("ルーターもありませんでした"), "{before}");
}

#[tokio::test]
async fn terminals_are_those_that_acted_from_there_around_the_time() {
    let test = instance().await;
    let now = test.app.now();
    let minutes = |minutes| now + Duration::minutes(minutes);
    record(&test, "198.51.100.7", Some("T1111111111"), minutes(-50)).await;
    record(&test, "198.51.100.7", Some("T1111111111"), minutes(-10)).await;
    record(&test, "198.51.100.7", None, minutes(-10)).await;
    record(&test, "198.51.100.77", Some("T9999999999"), minutes(-10)).await;
    record(&test, "198.51.100.7", Some("T8888888888"), minutes(-90)).await;
    let found = ask(&test, AUDITOR, "address=198.51.100.7").await.text;
    assert!(found.contains("T1111111111"), "{found}");
    assert!(
        found.contains("2026-11-21 17:10:00") && found.contains("2026-11-21 17:50:00"),
        "{found}"
    );
    assert!(found.contains("端末の証明書のない記録: 1件"), "{found}");
    assert!(!found.contains("T9999999999") && !found.contains("T8888888888"), "{found}");
    let fewer = ask(&test, AUDITOR, "address=198.51.100.7&minutes=20").await.text;
    assert!(!fewer.contains("2026-11-21 17:10:00"), "{fewer}");
    let earlier = "address=198.51.100.7&minutes=20&at=2026-11-21T16:30";
    let earlier = ask(&test, AUDITOR, earlier).await.text;
    assert!(earlier.contains("T8888888888") && !earlier.contains("T1111111111"), "{earlier}");
}

#[tokio::test]
async fn whoever_may_not_ask_and_what_cannot_be_read_is_told_and_looks_nothing_up() {
    let test = instance().await;
    let refused = ask(&test, MANAGER, "address=192.0.2.1").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let sent_away = ask(&test, NOBODY, "address=192.0.2.1").await;
    assert_eq!(sent_away.status, StatusCode::SEE_OTHER);
    for (query, field) in [
        ("address=192.0.2", "address"),
        ("address=192.0.2.0/24", "address"),
        ("address=router.example", "address"),
        ("address=%3Cscript%3E", "address"),
        ("address=192.0.2.1&at=yesterday", "at"),
        ("address=192.0.2.1&minutes=0", "minutes"),
        ("address=192.0.2.1&minutes=10081", "minutes"),
        ("address=192.0.2.1&minutes=x", "minutes"),
    ] {
        let refused = ask(&test, AUDITOR, query).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert!(refused.text.contains(&format!("id=\"{field}-error\"")), "{query}");
        assert!(!refused.text.contains("<script>"), "{query}");
    }
    let acts = acts(&test.app).await;
    assert_eq!(look_ups(&acts), 0, "{acts:?}");
}
