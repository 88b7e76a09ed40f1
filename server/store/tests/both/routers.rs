//! Routers: entered with their terminal, found, listed apart, and their certificates judged apart.
use sekisho_ca::record::{self, IssuedCertificate, Subscriber};
use sekisho_pki::encoding::serial::Serial;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    audit_page, facility_connection, issuer, issuing,
    router::{self, Router},
    terminal::{self, Device, Revocation},
    transaction,
};
use time::Duration;

use crate::{FACILITY, NOW, TERMINAL, databases::Databases, once::prepared};

const ROUTER: &str = "T1111111111";

on_both! { prepared:
    a_router_is_found_and_listed_apart_from_pcs
    an_address_is_free_again_when_its_router_is_revoked
    a_name_that_peers_check_is_one_routers
    a_routers_certificate_is_found_as_a_routers_alone
    who_had_an_address_or_a_network_stays_known
    acts_are_found_by_the_address_that_they_came_from
}

fn router(id: &str, address: Option<&str>) -> Router {
    Router {
        terminal_id: id.to_owned(),
        family: "router_libreswan".to_owned(),
        dns_name: format!("{}.router.example", id.to_lowercase()),
        address: address.map(|text| text.parse().unwrap()),
        address_certified: address.is_some(),
        network: "2001:db8:1::/48".parse().unwrap(),
    }
}

async fn enter(databases: &Databases, router: &Router) {
    change!(databases.one, |tx| {
        terminal::create(tx, &router.terminal_id, FACILITY, &router.terminal_id, "p", NOW).await?;
        router::create(tx, router).await?;
    });
}

async fn revoke(databases: &Databases, id: &str) {
    let revocation =
        Revocation { crl_reason: 5, cause: "retired", note: "", person_id: Some("p"), at: NOW };
    change!(databases.one, |tx| terminal::revoke(tx, id, FACILITY, revocation).await?);
}

async fn a_router_is_found_and_listed_apart_from_pcs(databases: Databases) {
    let (fixed, moving) = (router(ROUTER, Some("2001:db8::1")), router("T2222222222", None));
    enter(&databases, &fixed).await;
    enter(&databases, &moving).await;
    let mut reader = databases.two.read();
    assert_eq!(router::find(&mut reader, ROUTER).await.unwrap().as_ref(), Some(&fixed));
    assert_eq!(router::find(&mut reader, TERMINAL).await.unwrap(), None);
    let of_facility = router::of_facility(&mut reader, FACILITY, 9).await.unwrap();
    assert_eq!(of_facility, [fixed, moving]);
    for (device, ids) in [(Device::Pc, &[TERMINAL][..]), (Device::Router, &[ROUTER, "T2222222222"])]
    {
        let listed = terminal::list_of(&mut reader, FACILITY, device, 0, 9).await.unwrap();
        assert!(listed.iter().all(|terminal| terminal.device == device));
        let found: Vec<_> = listed.iter().map(|terminal| terminal.id.as_str()).collect();
        assert_eq!(found, ids);
    }
    assert_eq!(terminal::list(&mut reader, FACILITY, 0, 9).await.unwrap().len(), 3);
    revoke(&databases, ROUTER).await;
    assert_eq!(router::of_facility(&mut reader, FACILITY, 9).await.unwrap().len(), 1);
}

async fn an_address_is_free_again_when_its_router_is_revoked(databases: Databases) {
    enter(&databases, &router(ROUTER, Some("192.0.2.1"))).await;
    let mut reader = databases.two.read();
    let (taken, free) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
    assert!(router::address_in_use(&mut reader, taken).await.unwrap());
    assert!(!router::address_in_use(&mut reader, free).await.unwrap());
    revoke(&databases, ROUTER).await;
    assert!(!router::address_in_use(&mut reader, taken).await.unwrap());
}

async fn a_name_that_peers_check_is_one_routers(databases: Databases) {
    let first = router(ROUTER, None);
    enter(&databases, &first).await;
    let second = Router { terminal_id: TERMINAL.to_owned(), ..first };
    let refused = attempt!(databases.two, |tx| router::create(tx, &second).await?);
    assert!(matches!(refused, Err(StoreError::AlreadyExists { .. })), "{refused:?}");
}

async fn a_routers_certificate_is_found_as_a_routers_alone(databases: Databases) {
    enter(&databases, &router(ROUTER, None)).await;
    change!(databases.one, |tx| {
        issuer::add(tx, "routers", &[0x30], NOW, Actor::System, NOW).await?;
    });
    let subscriber = Subscriber {
        organisation_id: Some(FACILITY.to_owned()),
        terminal_id: Some(ROUTER.to_owned()),
    };
    for (n, profile) in [(1, "router_libreswan"), (2, "router_openiked"), (3, "terminal")] {
        let serial = Serial::from_octets(&[n]).unwrap();
        let intention = record::Intention {
            issuer_id: "routers".to_owned(),
            serial: serial.clone(),
            profile: profile.to_owned(),
            tbs_der: vec![n],
            subscriber: subscriber.clone(),
            at: NOW,
        };
        let certificate = IssuedCertificate {
            issuer_id: "routers".to_owned(),
            serial,
            profile: profile.to_owned(),
            subscriber: subscriber.clone(),
            der: vec![n],
            fingerprint: [n; 32],
            public_key_sha256: [n; 32],
            not_before: NOW,
            not_after: NOW + Duration::DAY,
            issued_at: NOW,
        };
        let entered: Result<(), StoreError> = transaction!(databases.one, StoreError, |tx| {
            let mut entries = issuing::enter(tx, &intention, &certificate).await?;
            let first = entries.remove(0);
            Ok(entries.into_iter().fold(Audited::new((), first), Audited::and))
        });
        entered.unwrap();
    }
    let mut reader = databases.two.read();
    let found = facility_connection::find_router(&mut reader, &[1; 32]).await.unwrap().unwrap();
    assert_eq!((found.terminal_id.as_str(), found.organisation_active()), (ROUTER, true));
    assert!(facility_connection::find(&mut reader, &[1; 32]).await.unwrap().is_none());
    // Of another family than the register's, or a PC's.
    for n in [2, 3] {
        let found = facility_connection::find_router(&mut reader, &[n; 32]).await.unwrap();
        assert_eq!(found, None, "{n}");
    }
}

async fn who_had_an_address_or_a_network_stays_known(databases: Databases) {
    enter(&databases, &router(ROUTER, Some("192.0.2.1"))).await;
    enter(&databases, &router("T2222222222", Some("192.0.2.2"))).await;
    revoke(&databases, ROUTER).await;
    let mut reader = databases.two.read();
    let found = router::at_address(&mut reader, "192.0.2.1".parse().unwrap(), 9).await.unwrap();
    let [placed] = &found[..] else { panic!("{found:?}") };
    assert_eq!((placed.terminal_id.as_str(), placed.organisation_id.as_str()), (ROUTER, FACILITY));
    assert_eq!((placed.entered_at, placed.revoked_at), (NOW, Some(NOW)));
    assert!(!placed.was_in_force(NOW) && !placed.was_in_force(NOW - Duration::SECOND));
    let network = "2001:db8:1::/48".parse().unwrap();
    let behind = router::before_network(&mut reader, network, 9).await.unwrap();
    assert_eq!(behind.len(), 2);
    assert_eq!(behind.iter().filter(|placed| placed.was_in_force(NOW)).count(), 1);
    assert_eq!(router::before_network(&mut reader, network, 1).await.unwrap().len(), 1);
    let within = "2001:db8:1:1::/64".parse().unwrap();
    assert!(router::before_network(&mut reader, within, 9).await.unwrap().is_empty());
    assert!(
        router::at_address(&mut reader, "192.0.2.3".parse().unwrap(), 9).await.unwrap().is_empty()
    );
}

async fn acts_are_found_by_the_address_that_they_came_from(databases: Databases) {
    for (address, at) in
        [("192.0.2.9", NOW), ("192.0.2.9", NOW + Duration::HOUR), ("192.0.2.99", NOW)]
    {
        let entry = || Entry::done("test", Actor::Stranger, at).from_address(address);
        transaction!(databases.one, StoreError, |tx| Ok(Audited::new((), entry()))).unwrap();
    }
    let mut reader = databases.two.read();
    let mut found = async |address: &str, from, until, limit| {
        let found = audit_page::from_address(&mut reader, address, from, until, limit).await;
        found.unwrap().iter().map(|record| record.columns.at).collect::<Vec<_>>()
    };
    let (first, second) = (NOW.unix_timestamp(), (NOW + Duration::HOUR).unix_timestamp());
    let end = NOW + Duration::HOUR + Duration::SECOND;
    assert_eq!(found("192.0.2.9", NOW, end, 9).await, [second, first]);
    assert_eq!(found("192.0.2.9", NOW, end, 1).await, [second]);
    assert_eq!(found("192.0.2.9", NOW, NOW + Duration::HOUR, 9).await, [first]);
    assert!(found("192.0.2.", NOW, end, 9).await.is_empty());
}
