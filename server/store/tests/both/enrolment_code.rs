//! Enrolment codes: whose key they answer, and when they end.

use sekisho_store::{
    Store, StoreError,
    certificate::{self, Intention, Signed},
    crl::{self, Crl},
    enrolment_code::{self, Attempt, Claim, ClaimPolicy, CodeRefusal, NewCode},
    organisation::{self, StatusChange},
    revocation,
    terminal::{self, Revocation, TerminalStatus},
};
use time::{Duration, OffsetDateTime};

use crate::{
    FACILITY, NOW, TERMINAL,
    databases::Databases,
    once::{ENROLMENT as CODE, prepared},
};

const KEY: [u8; 32] = [2; 32];
const POLICY: ClaimPolicy =
    ClaimPolicy { same_key_grace: Duration::minutes(15), issuance_limit: Duration::seconds(10) };

on_both! { prepared:
    the_first_key_claims_the_code_and_gets_its_certificate_again_for_a_while
    a_used_code_with_another_key_raises_one_alarm
    a_claim_whose_process_died_is_taken_up_by_the_same_key_only
    a_released_code_can_be_claimed_by_another_key_and_a_fulfilled_one_is_not_released
    wrong_attempts_use_the_code_up
    a_code_ends_with_its_time_with_a_newer_one_and_with_its_terminal_or_facility
    revoking_a_terminal_takes_back_every_certificate_once
    nothing_is_kept_without_an_intention_and_a_serial_number_is_reserved_once
    numbers_of_revocation_lists_never_go_back
}

fn new_code(code_hash: &[u8; 32]) -> NewCode<'_> {
    NewCode {
        code_hash,
        terminal_id: TERMINAL,
        tries: 2,
        person_id: "p",
        created_at: NOW,
        expires_at: NOW + Duration::DAY,
        needs_approval: false,
    }
}

async fn bring(store: &Store, code: [u8; 32], key: [u8; 32], at: OffsetDateTime) -> Claim {
    let attempt = Attempt { terminal_id: TERMINAL, code_hash: &code, spki_sha256: &key, at };
    change!(store, |tx| enrolment_code::claim(tx, attempt, POLICY).await?)
}

async fn certify(store: &Store, serial: &[u8], key: [u8; 32]) {
    store.reserve_serial("terminals", serial, NOW).await.unwrap();
    let intention = Intention {
        issuer_id: "terminals",
        serial,
        profile: "terminal",
        tbs_der: &[0x30],
        organisation_id: Some(FACILITY),
        terminal_id: Some(TERMINAL),
    };
    store.record_intention(intention, NOW).await.unwrap();
    let mut fingerprint = [0; 32];
    fingerprint[..serial.len()].copy_from_slice(serial);
    let signed = Signed {
        issuer_id: "terminals",
        serial,
        fingerprint: &fingerprint,
        spki_sha256: &key,
        not_before: NOW,
        not_after: NOW + Duration::days(365),
        der: serial,
    };
    store.record_certificate(signed, NOW).await.unwrap();
}

async fn the_first_key_claims_the_code_and_gets_its_certificate_again_for_a_while(
    databases: Databases,
) {
    let store = &databases.one;
    assert!(matches!(bring(store, CODE, KEY, NOW).await, Claim::Won(_)));
    let soon = NOW + Duration::seconds(1);
    assert!(matches!(bring(store, CODE, KEY, soon).await, Claim::UnderWay(_)));
    certify(store, &[7], KEY).await;
    assert!(change!(store, |tx| enrolment_code::fulfil(tx, &CODE, "terminals", &[7]).await?));
    assert!(!change!(store, |tx| enrolment_code::fulfil(tx, &CODE, "terminals", &[7]).await?));
    let Claim::Issued(_, certificate) = bring(store, CODE, KEY, soon).await else { panic!() };
    assert_eq!(certificate.serial, [7]);
    let last = NOW + Duration::minutes(15);
    assert!(matches!(bring(store, CODE, KEY, last).await, Claim::Issued(..)));
    let late = last + Duration::SECOND;
    assert!(matches!(bring(store, CODE, KEY, late).await, Claim::AnsweredBefore(_)));
}

async fn a_used_code_with_another_key_raises_one_alarm(databases: Databases) {
    let store = &databases.one;
    bring(store, CODE, KEY, NOW).await;
    for expected in [true, false] {
        let claim = bring(store, CODE, [3; 32], NOW).await;
        assert!(matches!(claim, Claim::OtherKey { first, .. } if first == expected), "{claim:?}");
    }
    // The rightful key is not disturbed.
    assert!(matches!(bring(store, CODE, KEY, NOW).await, Claim::UnderWay(_)));
    let state = enrolment_code::latest(&mut store.read(), TERMINAL).await.unwrap().unwrap();
    assert_eq!(state.misused_at, Some(NOW));
}

async fn a_claim_whose_process_died_is_taken_up_by_the_same_key_only(databases: Databases) {
    let store = &databases.one;
    bring(store, CODE, KEY, NOW).await;
    let later = NOW + Duration::seconds(10);
    assert!(matches!(bring(store, CODE, [3; 32], later).await, Claim::OtherKey { .. }));
    assert!(matches!(bring(store, CODE, KEY, later).await, Claim::Won(_)));
    assert!(matches!(bring(store, CODE, KEY, later).await, Claim::UnderWay(_)));
}

async fn a_released_code_can_be_claimed_by_another_key_and_a_fulfilled_one_is_not_released(
    databases: Databases,
) {
    let store = &databases.one;
    bring(store, CODE, KEY, NOW).await;
    change!(store, |tx| enrolment_code::release(tx, &CODE).await?);
    assert!(matches!(bring(store, CODE, [3; 32], NOW).await, Claim::Won(_)));
    certify(store, &[7], [3; 32]).await;
    change!(store, |tx| enrolment_code::fulfil(tx, &CODE, "terminals", &[7]).await?);
    change!(store, |tx| enrolment_code::release(tx, &CODE).await?);
    assert!(matches!(bring(store, CODE, KEY, NOW).await, Claim::OtherKey { .. }));
}

async fn wrong_attempts_use_the_code_up(databases: Databases) {
    let store = &databases.one;
    for _ in 0..5 {
        let claim = bring(store, [9; 32], KEY, NOW).await;
        assert_eq!(claim, Claim::Refused(CodeRefusal::WrongCode));
    }
    let claim = bring(store, CODE, KEY, NOW).await;
    assert_eq!(claim, Claim::Refused(CodeRefusal::Exhausted));
}

async fn a_code_ends_with_its_time_with_a_newer_one_and_with_its_terminal_or_facility(
    databases: Databases,
) {
    let store = &databases.one;
    let end = NOW + Duration::DAY;
    assert_eq!(bring(store, CODE, KEY, end).await, Claim::Refused(CodeRefusal::Expired));
    change!(store, |tx| enrolment_code::issue(tx, new_code(&[8; 32])).await?);
    assert_eq!(bring(store, CODE, KEY, NOW).await, Claim::Refused(CodeRefusal::Withdrawn));
    let change = async |change, at| {
        change!(store, |tx| {
            organisation::change_status(tx, FACILITY, change, "p", "inspection", at).await?
        })
    };
    assert!(change(StatusChange::Suspend, NOW).await.is_some());
    let claim = bring(store, [8; 32], KEY, NOW).await;
    assert_eq!(claim, Claim::Refused(CodeRefusal::FacilityNotActive));
    assert!(change(StatusChange::Resume, NOW + Duration::SECOND).await.is_some());
    let revocation =
        Revocation { crl_reason: 1, cause: "lost", note: "stolen", person_id: Some("p"), at: NOW };
    change!(store, |tx| terminal::revoke(tx, TERMINAL, FACILITY, revocation).await?);
    let claim = bring(store, [8; 32], KEY, NOW).await;
    assert_eq!(claim, Claim::Refused(CodeRefusal::TerminalRevoked));
    let unknown =
        Attempt { terminal_id: "T9999999999", code_hash: &CODE, spki_sha256: &KEY, at: NOW };
    let claim = change!(store, |tx| enrolment_code::claim(tx, unknown, POLICY).await?);
    assert_eq!(claim, Claim::Refused(CodeRefusal::UnknownTerminal));
}

async fn revoking_a_terminal_takes_back_every_certificate_once(databases: Databases) {
    let store = &databases.one;
    for serial in [[7], [8]] {
        certify(store, &serial, KEY).await;
    }
    change!(store, |tx| terminal::note_certificate(tx, TERMINAL, false, NOW).await?);
    let before = terminal::find(&mut store.read(), TERMINAL).await.unwrap().unwrap();
    assert_eq!(before.status, TerminalStatus::Enrolled);
    assert_eq!(before.certificate_until, Some(NOW + Duration::days(365)));
    assert_eq!(
        revocation::status(&mut store.read(), "terminals", &[7]).await.unwrap(),
        Some(revocation::Status::Good)
    );

    let revocation =
        Revocation { crl_reason: 1, cause: "lost", note: "stolen", person_id: Some("p"), at: NOW };
    let elsewhere =
        change!(store, |tx| { terminal::revoke(tx, TERMINAL, "210987654321", revocation).await? });
    assert_eq!(elsewhere, None);
    let taken = change!(store, |tx| terminal::revoke(tx, TERMINAL, FACILITY, revocation).await?);
    assert_eq!(taken.unwrap().certificates.len(), 2);
    let again = change!(store, |tx| terminal::revoke(tx, TERMINAL, FACILITY, revocation).await?);
    assert_eq!(again, None);

    let after = terminal::find(&mut store.read(), TERMINAL).await.unwrap().unwrap();
    assert_eq!((after.status, after.certificate_until), (TerminalStatus::Revoked, None));
    let gone = Some(revocation::Status::Revoked { reason: 1, at: NOW });
    for serial in [[7], [8]] {
        let status = revocation::status(&mut store.read(), "terminals", &serial).await.unwrap();
        assert_eq!(status, gone);
    }
    let listed = crl::events_of_chunk(&mut store.read(), "terminals", "", NOW).await.unwrap();
    assert_eq!(listed.len(), 2);
    let expired = NOW + Duration::days(366);
    let listed = crl::events_of_chunk(&mut store.read(), "terminals", "", expired).await.unwrap();
    assert!(listed.is_empty());
    // A second revocation changes neither time nor reason.
    assert!(!change!(store, |tx| {
        revocation::revoke(tx, "terminals", &[7], 4, NOW + Duration::DAY).await?
    }));
    let status = revocation::status(&mut store.read(), "terminals", &[7]).await.unwrap();
    assert_eq!(status, gone);
    assert_eq!(revocation::status(&mut store.read(), "terminals", &[9]).await.unwrap(), None);
}

async fn nothing_is_kept_without_an_intention_and_a_serial_number_is_reserved_once(
    databases: Databases,
) {
    let store = &databases.one;
    store.reserve_serial("terminals", &[7], NOW).await.unwrap();
    let again = store.reserve_serial("terminals", &[7], NOW).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })), "{again:?}");
    let signed = Signed {
        issuer_id: "terminals",
        serial: &[7],
        fingerprint: &[0; 32],
        spki_sha256: &KEY,
        not_before: NOW,
        not_after: NOW,
        der: &[0x30],
    };
    assert!(store.record_certificate(signed, NOW).await.is_err());
    let unreserved = Intention {
        issuer_id: "terminals",
        serial: &[8],
        profile: "terminal",
        tbs_der: &[0x30],
        organisation_id: None,
        terminal_id: None,
    };
    assert!(store.record_intention(unreserved, NOW).await.is_err());
    let reserved = Intention { serial: &[7], ..unreserved };
    store.record_intention(reserved, NOW).await.unwrap();
    let later = NOW + Duration::SECOND;
    let unfinished = certificate::unfinished(&mut store.read(), later).await.unwrap();
    assert_eq!(unfinished, [("terminals".to_owned(), vec![7])]);
}

async fn numbers_of_revocation_lists_never_go_back(databases: Databases) {
    let store = &databases.one;
    let list = |number| Crl { number, this_update: NOW, next_update: NOW, der: vec![0x30] };
    assert_eq!(crl::next_number(&mut store.read(), "terminals").await.unwrap(), 1);
    assert!(store.publish_crl("terminals", &list(1)).await.unwrap());
    assert!(!store.publish_crl("terminals", &list(1)).await.unwrap());
    assert!(store.publish_crl("terminals", &list(3)).await.unwrap());
    assert!(!store.publish_crl("terminals", &list(2)).await.unwrap());
    assert_eq!(crl::next_number(&mut store.read(), "terminals").await.unwrap(), 4);
    assert_eq!(crl::latest(&mut store.read(), "terminals").await.unwrap(), Some(list(3)));
}
