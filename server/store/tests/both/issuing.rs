//! Codes, serial numbers, certificates, revocations and lists under several processes.

use sekisho_ca::oversight::{Editions, OnRecord};
use sekisho_store::{
    Store, StoreError, certificate,
    certificate::{Intention, Signed},
    crl::{self, Crl},
    enrolment_code::{self, Attempt, Claim, ClaimPolicy, CodeRefusal},
    facility_connection, ledger,
    revocation::{self, Status},
    terminal::{self, TerminalStatus},
};
use time::{Duration, OffsetDateTime};

use crate::{
    FACILITY, NOW, RACERS, TERMINAL, count,
    databases::Databases,
    once::{ENROLMENT, prepared},
    race,
};

const POLICY: ClaimPolicy =
    ClaimPolicy { same_key_grace: Duration::minutes(15), issuance_limit: Duration::seconds(10) };
const ISSUER: &str = "terminals";

on_both! { prepared:
    a_claimed_code_is_issued_for_once
    wrong_codes_at_once_use_up_the_tries
    a_serial_number_is_reserved_once
    a_list_number_is_published_once_and_never_goes_back
    a_terminal_is_revoked_once_with_all_it_had
    what_was_issued_is_found_by_each_of_its_names
    the_signing_process_reads_what_is_to_be_signed_as_a_guest
}

async fn the_signing_process_reads_what_is_to_be_signed_as_a_guest(databases: Databases) {
    let guest = Store::join(&databases.url, "guest").await.unwrap();
    let serial = [0x4b, 9];
    assert_eq!(ledger::intention(&mut guest.read(), ISSUER, &serial).await.unwrap(), None);
    databases.one.reserve_serial(ISSUER, &serial, NOW).await.unwrap();
    let intention = Intention {
        issuer_id: ISSUER,
        serial: &serial,
        profile: "terminal",
        tbs_der: &[0x30, 0x00],
        organisation_id: None,
        terminal_id: None,
    };
    databases.one.record_intention(intention, NOW).await.unwrap();
    let mut expected = OnRecord {
        profile: "terminal".to_owned(),
        tbs_der: vec![0x30, 0x00],
        at: NOW,
        is_issued: false,
        issuer_is_revoked: false,
    };
    let found = ledger::intention(&mut guest.read(), ISSUER, &serial).await.unwrap();
    assert_eq!(found.as_ref(), Some(&expected));
    assert_eq!(ledger::intention(&mut guest.read(), "servers", &serial).await.unwrap(), None);
    let signed = Signed {
        issuer_id: ISSUER,
        serial: &serial,
        fingerprint: &fingerprint(&serial),
        spki_sha256: &[7; 32],
        not_before: NOW,
        not_after: NOW + Duration::days(365),
        der: &serial,
    };
    databases.two.record_certificate(signed, NOW).await.unwrap();
    change!(&databases.two, |tx| revocation::revoke_issuer(tx, ISSUER, 1, NOW).await?);
    (expected.is_issued, expected.issuer_is_revoked) = (true, true);
    let found = ledger::intention(&mut guest.read(), ISSUER, &serial).await.unwrap();
    assert_eq!(found, Some(expected));

    let editions = |number| {
        let mut reader = guest.read();
        async move { ledger::editions(&mut reader, ISSUER, number).await.unwrap() }
    };
    let before = editions(7).await;
    assert!(!before.is_open);
    assert!(databases.one.open_crl_edition(ISSUER, 7, "attempt", &[], NOW).await.unwrap());
    let opened = Editions { is_open: true, newest_published: before.newest_published };
    assert_eq!(editions(7).await, opened);
    let crl =
        Crl { number: 8, this_update: NOW, next_update: NOW + Duration::DAY, der: vec![0x30] };
    assert!(databases.one.publish_crl(ISSUER, &crl).await.unwrap());
    let published = Editions { is_open: true, newest_published: Some(8) };
    assert_eq!(editions(7).await, published);
    assert!(!editions(u64::MAX).await.is_open);
}

async fn bring(store: &Store, code: [u8; 32], key: [u8; 32], at: OffsetDateTime) -> Claim {
    let attempt = Attempt { terminal_id: TERMINAL, code_hash: &code, spki_sha256: &key, at };
    change!(store, |tx| enrolment_code::claim(tx, attempt, POLICY).await?)
}

async fn certify(store: &Store, serial: &[u8]) {
    store.reserve_serial(ISSUER, serial, NOW).await.unwrap();
    let intention = Intention {
        issuer_id: ISSUER,
        serial,
        profile: "terminal",
        tbs_der: &[0x30],
        organisation_id: Some(FACILITY),
        terminal_id: Some(TERMINAL),
    };
    store.record_intention(intention, NOW).await.unwrap();
    let signed = Signed {
        issuer_id: ISSUER,
        serial,
        fingerprint: &fingerprint(serial),
        spki_sha256: &[7; 32],
        not_before: NOW,
        not_after: NOW + Duration::days(365),
        der: serial,
    };
    store.record_certificate(signed, NOW).await.unwrap();
}

fn fingerprint(serial: &[u8]) -> [u8; 32] {
    let mut octets = [0; 32];
    octets[..serial.len()].copy_from_slice(serial);
    octets
}

async fn a_claimed_code_is_issued_for_once(databases: Databases) {
    let outcomes =
        race(&databases, |_, store| async move { bring(&store, ENROLMENT, [7; 32], NOW).await })
            .await;
    assert_eq!(count(&outcomes, |o| matches!(o, Claim::Won(_))), 1);
    assert_eq!(count(&outcomes, |o| matches!(o, Claim::UnderWay(_))), usize::from(RACERS) - 1);
    // The winner died: exactly one of those who come back takes its place.
    let later = NOW + POLICY.issuance_limit;
    let outcomes =
        race(&databases, |_, store| async move { bring(&store, ENROLMENT, [7; 32], later).await })
            .await;
    assert_eq!(count(&outcomes, |o| matches!(o, Claim::Won(_))), 1);
    certify(&databases.one, &[1]).await;
    certify(&databases.two, &[2]).await;
    let outcomes = race(&databases, |number, store| async move {
        let serial = [1 + number % 2];
        change!(store, |tx| enrolment_code::fulfil(tx, &ENROLMENT, ISSUER, &serial).await?)
    })
    .await;
    assert_eq!(count(&outcomes, |fulfilled| *fulfilled), 1);
    let answer = bring(&databases.one, ENROLMENT, [7; 32], later).await;
    assert!(matches!(answer, Claim::Issued(..)), "{answer:?}");
    assert_eq!(answer, bring(&databases.two, ENROLMENT, [7; 32], later).await);
}

async fn wrong_codes_at_once_use_up_the_tries(databases: Databases) {
    let outcomes = race(&databases, |number, store| async move {
        bring(&store, [200 + number; 32], [7; 32], NOW).await
    })
    .await;
    let wrong = Claim::Refused(CodeRefusal::WrongCode);
    assert_eq!(count(&outcomes, |outcome| *outcome == wrong), usize::from(RACERS));
    let state = enrolment_code::latest(&mut databases.two.read(), TERMINAL).await.unwrap().unwrap();
    assert_eq!(state.tries_left, 0);
    let right = bring(&databases.one, ENROLMENT, [7; 32], NOW).await;
    assert_eq!(right, Claim::Refused(CodeRefusal::Exhausted));
}

async fn a_serial_number_is_reserved_once(databases: Databases) {
    let outcomes =
        race(
            &databases,
            |_, store| async move { store.reserve_serial(ISSUER, &[1, 2, 3], NOW).await },
        )
        .await;
    assert_eq!(count(&outcomes, Result::is_ok), 1);
    let taken = count(&outcomes, |o| matches!(o, Err(StoreError::AlreadyExists { .. })));
    assert_eq!(taken, usize::from(RACERS) - 1);
}

fn list(number: i64, der: u8) -> Crl {
    Crl { number, this_update: NOW, next_update: NOW + Duration::DAY, der: vec![der] }
}

async fn a_list_number_is_published_once_and_never_goes_back(databases: Databases) {
    let outcomes = race(&databases, |task, store| async move {
        store.publish_crl(ISSUER, &list(1, task)).await.unwrap()
    })
    .await;
    assert_eq!(count(&outcomes, |published| *published), 1);
    assert!(databases.two.publish_crl(ISSUER, &list(5, 0)).await.unwrap());
    for number in [4, 5] {
        assert!(!databases.one.publish_crl(ISSUER, &list(number, 1)).await.unwrap());
    }
    let mut reader = databases.one.read();
    assert_eq!(crl::latest(&mut reader, ISSUER).await.unwrap(), Some(list(5, 0)));
    assert_eq!(crl::next_number(&mut reader, ISSUER).await.unwrap(), 6);
    // Numbers taken in the publishing transaction itself: no gap, no double.
    race(&databases, |task, store| async move {
        change!(store, |tx| {
            let number = crl::next_number(tx, ISSUER).await?;
            assert!(crl::publish(tx, ISSUER, &list(number, task)).await?);
        });
    })
    .await;
    assert_eq!(crl::next_number(&mut reader, ISSUER).await.unwrap(), 6 + i64::from(RACERS));
}

async fn a_terminal_is_revoked_once_with_all_it_had(databases: Databases) {
    certify(&databases.one, &[1]).await;
    certify(&databases.one, &[2]).await;
    let outcomes = race(&databases, |number, store| async move {
        let at = NOW + Duration::seconds(i64::from(number));
        let revocation = terminal::Revocation {
            crl_reason: 1,
            cause: "lost",
            note: "紛失",
            person_id: Some("p"),
            at,
        };
        change!(store, |tx| terminal::revoke(tx, TERMINAL, FACILITY, revocation).await?)
    })
    .await;
    let taken: Vec<_> = outcomes.into_iter().flatten().collect();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].certificates.len(), 2);
    let mut reader = databases.two.read();
    let entries = crl::events_of_chunk(&mut reader, ISSUER, "", NOW - Duration::DAY).await.unwrap();
    assert_eq!(entries.iter().map(|e| e.serial[0]).collect::<Vec<_>>(), [1, 2]);
    assert!(entries.iter().all(|e| e.reason == 1));
    assert!(crl::has_pending(&mut reader, ISSUER).await.unwrap());
    let found = terminal::find(&mut reader, TERMINAL).await.unwrap().unwrap();
    assert_eq!((found.status, found.certificate_until), (TerminalStatus::Revoked, None));
    assert!(!terminal::name_in_use(&mut reader, FACILITY, "外来1号機").await.unwrap());
    let row = facility_connection::find(&mut reader, &fingerprint(&[1])).await.unwrap().unwrap();
    assert!(row.certificate_revoked && row.terminal_revoked && row.organisation_active());
    assert!(!row.certificate_on_hold);
}

async fn what_was_issued_is_found_by_each_of_its_names(databases: Databases) {
    let mut reader = databases.two.read();
    assert!(!crl::has_pending(&mut reader, ISSUER).await.unwrap());
    assert_eq!(crl::latest(&mut reader, ISSUER).await.unwrap(), None);
    assert_eq!(crl::next_number(&mut reader, ISSUER).await.unwrap(), 1);
    certify(&databases.one, &[9, 9]).await;
    change!(databases.one, |tx| terminal::note_certificate(tx, TERMINAL, false, NOW).await?);
    let found = certificate::find(&mut reader, ISSUER, &[9, 9]).await.unwrap().unwrap();
    assert_eq!(found.status, Status::Good);
    let same = fingerprint(&[9, 9]);
    let by_fingerprint = certificate::find_by_fingerprint(&mut reader, &same).await.unwrap();
    assert_eq!(by_fingerprint, Some(found.clone()));
    let of_terminal = certificate::of_terminal(&mut reader, TERMINAL).await.unwrap();
    assert_eq!(of_terminal, std::slice::from_ref(&found));
    assert_eq!(certificate::of_key(&mut reader, &[7; 32], 9).await.unwrap(), [found]);
    let status = revocation::status(&mut reader, ISSUER, &[9, 9]).await.unwrap();
    assert_eq!(status, Some(Status::Good));
    assert_eq!(revocation::status(&mut reader, ISSUER, &[8]).await.unwrap(), None);
    let connection = facility_connection::find(&mut reader, &same).await.unwrap().unwrap();
    assert!(!connection.certificate_revoked && !connection.terminal_revoked);
    // Reserved and intended, but never signed as far as anybody knows.
    databases.one.reserve_serial(ISSUER, &[8], NOW).await.unwrap();
    let intention = Intention {
        issuer_id: ISSUER,
        serial: &[8],
        profile: "terminal",
        tbs_der: &[0x30],
        organisation_id: None,
        terminal_id: None,
    };
    databases.one.record_intention(intention, NOW).await.unwrap();
    let unfinished =
        certificate::unfinished(&mut reader, NOW + Duration::seconds(1)).await.unwrap();
    assert_eq!(unfinished, [(ISSUER.to_owned(), vec![8])]);
    let listed = terminal::list(&mut reader, FACILITY, 0, 9).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].status, TerminalStatus::Enrolled);
    assert_eq!(listed[0].certificate_until, Some(NOW + Duration::days(365)));
    let kinds: Vec<_> = terminal::events(&mut reader, TERMINAL, 9)
        .await
        .unwrap()
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds, ["enrolled", "created"]);
}
