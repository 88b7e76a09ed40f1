//! Editions of revocation lists: what they take in, what they show, and what is dropped.

use sekisho_ca::revocation::RevocationKind;
use sekisho_store::{
    Store, StoreError, bulk,
    certificate::{Intention, Signed},
    crl::{self, COMPLETE, DELTA, NewChunk, NewList, Published},
    revocation::{self, Act, Scope, Status},
    revocation_watch::{self, Changed, Followed},
};
use time::{Duration, OffsetDateTime};

use crate::{FACILITY, NOW, TERMINAL, count, databases::Databases, once::prepared, race};

const ISSUER: &str = "terminals";

on_both! { prepared:
    a_change_is_taken_in_by_exactly_one_edition
    a_list_shows_its_chunks_as_its_edition_found_them
    what_newer_lists_replaced_is_dropped_and_numbers_go_on
    a_delta_adds_to_a_list_that_few_changes_lie_behind
    numbers_go_on_after_one_that_a_published_list_has
    another_process_learns_of_each_change_once
    many_certificates_are_entered_at_once_for_measurements
}

async fn revoke(store: &Store, serial: [u8; 2]) {
    store.reserve_serial(ISSUER, &serial, NOW).await.unwrap();
    let intention = Intention {
        issuer_id: ISSUER,
        serial: &serial,
        profile: "terminal",
        tbs_der: &[0x30],
        organisation_id: Some(FACILITY),
        terminal_id: Some(TERMINAL),
    };
    store.record_intention(intention, NOW).await.unwrap();
    let mut fingerprint = [0; 32];
    fingerprint[..2].copy_from_slice(&serial);
    let signed = Signed {
        issuer_id: ISSUER,
        serial: &serial,
        fingerprint: &fingerprint,
        spki_sha256: &[7; 32],
        not_before: NOW,
        not_after: NOW + Duration::days(365),
        der: &serial,
    };
    store.record_certificate(signed, NOW).await.unwrap();
    act(store, serial, Act::revoke(1, NOW)).await;
}

async fn act(store: &Store, serial: [u8; 2], act: Act) {
    let scope = Scope::Certificate { issuer_id: ISSUER, serial: &serial };
    change!(store, |tx| revocation::carry_out(tx, scope, act).await?);
}

fn chunk(name: &str, entries: &[u8]) -> NewChunk {
    NewChunk {
        chunk: name.to_owned(),
        entries: entries.to_vec(),
        first_expiry: Some(NOW + Duration::days(365)),
    }
}

fn list(scope: &str, chunks: Option<(&str, &str)>, at: OffsetDateTime) -> NewList {
    NewList {
        scope: scope.to_owned(),
        base_number: None,
        this_update: at,
        next_update: at + Duration::DAY,
        head: vec![1],
        chunks: chunks.map(|(first, last)| (first.to_owned(), last.to_owned())),
        tail: vec![2],
        length: 4,
    }
}

/// Opens the next edition with these chunks.
async fn edition(store: &Store, chunks: &[NewChunk], at: OffsetDateTime) -> i64 {
    let number = crl::next_number(&mut store.read(), ISSUER).await.unwrap();
    store.claim_crl_changes(ISSUER, "a").await.unwrap();
    assert!(store.open_crl_edition(ISSUER, number, "a", chunks, at).await.unwrap());
    number
}

async fn a_change_is_taken_in_by_exactly_one_edition(databases: Databases) {
    revoke(&databases.one, [0x4b, 7]).await;
    assert!(crl::has_pending(&mut databases.two.read(), ISSUER).await.unwrap());
    // All claim, all saw the same number; one opens the edition.
    let outcomes = race(&databases, |number, store| async move {
        let attempt = number.to_string();
        let next = crl::next_number(&mut store.read(), ISSUER).await.unwrap();
        store.claim_crl_changes(ISSUER, &attempt).await.unwrap();
        let chunks = crl::claimed_chunks(&mut store.read(), ISSUER, &attempt).await.unwrap();
        let chunks: Vec<_> = chunks.iter().map(|name| chunk(name, b"x")).collect();
        (next, store.open_crl_edition(ISSUER, next, &attempt, &chunks, NOW).await.unwrap())
    })
    .await;
    let mut reader = databases.two.read();
    let opened: Vec<_> = outcomes.iter().filter(|(_, opened)| *opened).collect();
    let numbers: std::collections::BTreeSet<_> = opened.iter().map(|(number, _)| number).collect();
    assert_eq!(numbers.len(), opened.len(), "{outcomes:?}");
    assert!(count(&outcomes, |(number, opened)| *number == 1 && *opened) <= 1);
    // One whose claim another overtook leaves the change to the next.
    let last = edition(&databases.two, &[chunk("07", b"y")], NOW).await;
    assert!(!crl::has_pending(&mut reader, ISSUER).await.unwrap());
    assert_eq!(crl::last_edition(&mut reader, ISSUER).await.unwrap(), Some((last, NOW)));
    let since = crl::events_since(&mut reader, ISSUER, 0, last).await.unwrap();
    assert_eq!(since.len(), 1);
    assert_eq!((since[0].serial.as_slice(), since[0].reason), (&[0x4b, 7][..], 1));
    assert!(!databases.one.open_crl_edition(ISSUER, last, "a", &[], NOW).await.unwrap());
}

async fn a_list_shows_its_chunks_as_its_edition_found_them(databases: Databases) {
    let (store, mut reader) = (&databases.one, databases.two.read());
    revoke(store, [0x4b, 7]).await;
    let first = edition(store, &[chunk("07", b"a"), chunk("F0", b"b")], NOW).await;
    let all = Some(("", "FF"));
    store.publish_lists(ISSUER, first, &[list(COMPLETE, all, NOW)]).await.unwrap();
    let found = crl::newest(&mut reader, ISSUER, COMPLETE).await.unwrap().unwrap();
    assert_eq!(crl::whole(&mut reader, ISSUER, &found).await.unwrap().unwrap(), b"\x01ab\x02");
    let later = NOW + Duration::HOUR;
    act(store, [0x4b, 7], Act::revoke(1, later)).await;
    let second = edition(store, &[chunk("07", b"c")], later).await;
    // Until a newer one is published, the first is served, as it was.
    let latest = crl::latest(&mut reader, ISSUER).await.unwrap().unwrap();
    assert_eq!((latest.number, latest.der.as_slice()), (first, &b"\x01ab\x02"[..]));
    let lists = [list(COMPLETE, all, later), list("0of2", Some(("", "7F")), later)];
    store.publish_lists(ISSUER, second, &lists).await.unwrap();
    // Whoever was slower replaces nothing.
    store.publish_lists(ISSUER, first, &[list(COMPLETE, all, NOW)]).await.unwrap();
    let each = crl::newest_of_each(&mut reader, ISSUER).await.unwrap();
    assert_eq!(each.len(), 2);
    for found in each {
        let whole = crl::whole(&mut reader, ISSUER, &found).await.unwrap().unwrap();
        let expected: &[u8] = if found.scope == COMPLETE { b"\x01cb\x02" } else { b"\x01c\x02" };
        assert_eq!((found.number, whole.as_slice()), (second, expected));
        let frame = crl::frame(&mut reader, ISSUER, &found).await.unwrap();
        assert_eq!(frame, Some((vec![1], vec![2])));
    }
    let chunks = crl::chunks(&mut reader, ISSUER, ("", "FF"), second).await.unwrap();
    assert_eq!(chunks, [("07".to_owned(), second, 1), ("F0".to_owned(), first, 1)]);
    let entries = crl::chunk_entries(&mut reader, ISSUER, "07", first).await.unwrap();
    assert_eq!(entries, b"a");
    let expired = NOW + Duration::days(366);
    let stale = crl::chunks_with_expired(&mut reader, ISSUER, expired).await.unwrap();
    assert_eq!(stale.len(), 2);
    assert!(crl::chunks_with_expired(&mut reader, ISSUER, NOW).await.unwrap().is_empty());
    let listed = crl::events_of_chunk(&mut reader, ISSUER, "07", NOW).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].kind, listed[0].at), (RevocationKind::Revoked, NOW));
    assert!(crl::events_of_chunk(&mut reader, ISSUER, "07", expired).await.unwrap().is_empty());
}

async fn what_newer_lists_replaced_is_dropped_and_numbers_go_on(databases: Databases) {
    let (store, mut reader) = (&databases.one, databases.two.read());
    revoke(store, [0x4b, 7]).await;
    let at = |hours| NOW + Duration::hours(hours);
    let mut numbers = Vec::new();
    for hour in 0..3 {
        let number = edition(store, &[chunk("07", b"x")], at(hour)).await;
        let lists = [list(COMPLETE, Some(("", "FF")), at(hour)), list(DELTA, None, at(hour))];
        store.publish_lists(ISSUER, number, &lists).await.unwrap();
        numbers.push(number);
    }
    let (first, last) = (numbers[0], numbers[2]);
    let base_of = async |since, most| {
        crl::base_for_delta(&mut databases.two.read(), ISSUER, last, since, most).await.unwrap()
    };
    let base = async |since| base_of(since, 10).await;
    assert_eq!(base(at(2)).await, Some(first), "the oldest in force");
    assert_eq!(base(at(24)).await, Some(numbers[1]));
    assert_eq!(base(at(26)).await, None);
    store.prune_crl(ISSUER, at(2), at(2)).await.unwrap();
    // Complete lists in force stay known; what nobody can be reading is gone.
    assert_eq!(base(at(2)).await, Some(first));
    let gone = Published {
        scope: DELTA.to_owned(),
        number: first,
        this_update: at(0),
        next_update: at(24),
        length: 4,
        chunks: None,
    };
    assert_eq!(crl::whole(&mut reader, ISSUER, &gone).await.unwrap(), None);
    assert!(crl::chunk_entries(&mut reader, ISSUER, "07", first).await.is_err());
    assert!(crl::chunk_entries(&mut reader, ISSUER, "07", numbers[1]).await.is_ok());
    store.prune_crl(ISSUER, at(100), at(100)).await.unwrap();
    let each = crl::newest_of_each(&mut reader, ISSUER).await.unwrap();
    assert_eq!(each.len(), 2);
    for found in each {
        assert_eq!(found.number, last);
        assert!(crl::whole(&mut reader, ISSUER, &found).await.unwrap().is_some());
    }
    assert_eq!(crl::next_number(&mut reader, ISSUER).await.unwrap(), last + 1);
}

async fn a_delta_adds_to_a_list_that_few_changes_lie_behind(databases: Databases) {
    let store = &databases.one;
    let mut numbers = Vec::new();
    // How many certificates each edition takes in.
    let mut serial = 0;
    for changes in [0, 2, 1, 1] {
        for _ in 0..changes {
            serial += 1;
            revoke(store, [0x4b, serial]).await;
        }
        let number = edition(store, &[], NOW).await;
        let complete = [list(COMPLETE, Some(("", "FF")), NOW)];
        store.publish_lists(ISSUER, number, &complete).await.unwrap();
        numbers.push(number);
    }
    let mut reader = databases.two.read();
    // How many changes lie behind each: 4, 2, 1. None at most: the newest, as short as it gets.
    for (most, expected) in [(4, 0), (3, 1), (2, 1), (1, 2), (0, 2)] {
        let base = crl::base_for_delta(&mut reader, ISSUER, numbers[3], NOW, most).await.unwrap();
        assert_eq!(base, Some(numbers[expected]), "{most}");
    }
}

async fn numbers_go_on_after_one_that_a_published_list_has(databases: Databases) {
    let number = crl::next_number(&mut databases.one.read(), ISSUER).await.unwrap() + 40;
    let passed = race(&databases, |_, store| async move {
        store.pass_crl_number(ISSUER, number, NOW).await.unwrap()
    })
    .await;
    assert_eq!(count(&passed, |passed| *passed), 1, "{passed:?}");
    // Back it does not go.
    assert!(!databases.one.pass_crl_number(ISSUER, number - 5, NOW).await.unwrap());
    let next = crl::next_number(&mut databases.two.read(), ISSUER).await.unwrap();
    assert_eq!(next, number + 1);
}

async fn another_process_learns_of_each_change_once(databases: Databases) {
    let (store, issuers) = (&databases.one, [ISSUER]);
    let mut followed = Followed::default();
    let mut reader = databases.two.read();
    let named = |serials: &[[u8; 2]]| Changed {
        certificates: serials.iter().map(|s| (ISSUER.to_owned(), s.to_vec())).collect(),
        everything: false,
    };
    let first = revocation_watch::follow(&mut reader, &mut followed, &issuers).await.unwrap();
    assert!(first.everything, "nothing is known at first");
    // Pending, then taken in: told once. Taken in between two looks: told all the same.
    revoke(store, [0x4b, 1]).await;
    for expected in [named(&[[0x4b, 1]]), named(&[])] {
        let changed = revocation_watch::follow(&mut reader, &mut followed, &issuers).await.unwrap();
        assert_eq!(changed, expected);
    }
    edition(store, &[], NOW).await;
    revoke(store, [0x4b, 2]).await;
    edition(store, &[], NOW).await;
    revoke(store, [0x4b, 3]).await;
    let mut changed = revocation_watch::follow(&mut reader, &mut followed, &issuers).await.unwrap();
    changed.certificates.sort();
    assert_eq!(changed, named(&[[0x4b, 2], [0x4b, 3]]));
    edition(store, &[], NOW).await;
    for _ in 0..2 {
        let changed = revocation_watch::follow(&mut reader, &mut followed, &issuers).await.unwrap();
        assert!(changed.is_empty(), "{changed:?}");
    }
    change!(store, |tx| revocation::revoke_issuer(tx, ISSUER, 2, NOW).await?);
    let changed = revocation_watch::follow(&mut reader, &mut followed, &issuers).await.unwrap();
    assert!(changed.everything);
    let changed = revocation_watch::follow(&mut reader, &mut followed, &issuers).await.unwrap();
    assert!(changed.is_empty());
}

async fn many_certificates_are_entered_at_once_for_measurements(databases: Databases) {
    databases.one.enter_many(ISSUER, 0..600, true, NOW).await.unwrap();
    databases.one.enter_many(ISSUER, 600..700, false, NOW).await.unwrap();
    let mut reader = databases.two.read();
    let mut status = async |number| {
        let serial = bulk::serial_of(number);
        revocation::status(&mut reader, ISSUER, &serial).await.unwrap()
    };
    assert_eq!(status(5).await, Some(Status::Revoked { reason: 4, at: NOW }));
    assert_eq!((status(650).await, status(700).await), (Some(Status::Good), None));
    // 5, 261 and 517.
    let mut reader = databases.two.read();
    let listed = crl::events_of_chunk(&mut reader, ISSUER, "05", NOW).await.unwrap();
    assert_eq!(listed.len(), 3);
    assert!(crl::has_pending(&mut reader, ISSUER).await.unwrap());
    let again = databases.one.enter_many(ISSUER, 699..701, true, NOW).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })));
}
