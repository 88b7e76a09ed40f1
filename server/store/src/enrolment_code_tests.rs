use time::macros::datetime;

use super::*;
use crate::{
    Store,
    audit::{Actor, Audited, Entry},
    certificate::{Intention, Signed},
    crl::{self, Crl},
    issuer, revocation,
    terminal::{Revocation, TerminalStatus},
    transaction,
};

const NOW: OffsetDateTime = datetime!(2026-11-21 09:00 UTC);
const FACILITY: &str = "123456789007";
const TERMINAL: &str = "T0123456789";
const CODE: [u8; 32] = [1; 32];
const KEY: [u8; 32] = [2; 32];
const POLICY: ClaimPolicy =
    ClaimPolicy { same_key_grace: Duration::minutes(15), issuance_limit: Duration::seconds(10) };

fn entry() -> Entry {
    Entry::done("test", Actor::System, NOW)
}

/// Runs one change in a transaction of its own.
macro_rules! change {
    ($store:expr, |$tx:ident| $body:expr) => {
        transaction!($store, StoreError, |$tx| {
            let value = $body;
            Ok(Audited::new(value, entry()))
        })
        .unwrap()
    };
}

async fn store(folder: &tempfile::TempDir) -> Store {
    let url = format!("sqlite://{}", folder.path().join("t.db").display());
    let store = Store::open(&url.into(), "node-1").await.unwrap();
    change!(store, |tx| {
        tx.execute(sql("INSERT INTO application (id, receipt, kind, name, name_kana, prefecture,
                 postal_code, address, contact_name, contact_phone, contact_email, created_at)
             VALUES ('a', 'r', 'hospital', 'n', 'k', 13, '1', 'a', 'c', 'p', 'e', 0)"))
            .await?;
        tx.execute(
            sql("INSERT INTO organisation
                 (id, application_id, kind, prefecture, postal_code, address, created_at)
             VALUES ($1, 'a', 'hospital', 13, '1', 'a', 0)")
            .bind(FACILITY),
        )
        .await?;
        organisation_event(tx, "activated", NOW - Duration::DAY).await?;
        terminal::create(tx, TERMINAL, FACILITY, "外来1号機", "p", NOW).await?;
        issue(tx, new_code(&CODE)).await?;
        issuer::add(tx, "terminals", &[0x30], Actor::System, NOW).await?
    });
    store
}

async fn organisation_event(
    tx: &mut Tx,
    kind: &'static str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO organisation_event (id, organisation_id, at, kind, reason)
             VALUES ($1, $2, $3, $4, '')")
        .bind(uuid::Uuid::now_v7().to_string())
        .bind(FACILITY)
        .bind(at)
        .bind(kind),
    )
    .await?;
    Ok(())
}

fn new_code(code_hash: &[u8; 32]) -> NewCode<'_> {
    NewCode {
        code_hash,
        terminal_id: TERMINAL,
        tries: 2,
        person_id: "p",
        created_at: NOW,
        expires_at: NOW + Duration::DAY,
    }
}

async fn bring(store: &Store, code: [u8; 32], key: [u8; 32], at: OffsetDateTime) -> Claim {
    let attempt = Attempt { terminal_id: TERMINAL, code_hash: &code, spki_sha256: &key, at };
    change!(store, |tx| claim(tx, attempt, POLICY).await?)
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

#[tokio::test]
async fn the_first_key_claims_the_code_and_gets_its_certificate_again_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    assert!(matches!(bring(&store, CODE, KEY, NOW).await, Claim::Won(_)));
    let soon = NOW + Duration::seconds(1);
    assert!(matches!(bring(&store, CODE, KEY, soon).await, Claim::UnderWay(_)));
    certify(&store, &[7], KEY).await;
    assert!(change!(store, |tx| fulfil(tx, &CODE, "terminals", &[7]).await?));
    assert!(!change!(store, |tx| fulfil(tx, &CODE, "terminals", &[7]).await?));
    let Claim::Issued(_, certificate) = bring(&store, CODE, KEY, soon).await else { panic!() };
    assert_eq!(certificate.serial, [7]);
    let last = NOW + Duration::minutes(15);
    assert!(matches!(bring(&store, CODE, KEY, last).await, Claim::Issued(..)));
    let late = last + Duration::SECOND;
    assert!(matches!(bring(&store, CODE, KEY, late).await, Claim::AnsweredBefore(_)));
}

#[tokio::test]
async fn a_used_code_with_another_key_raises_one_alarm() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    bring(&store, CODE, KEY, NOW).await;
    for expected in [true, false] {
        let claim = bring(&store, CODE, [3; 32], NOW).await;
        assert!(matches!(claim, Claim::OtherKey { first, .. } if first == expected), "{claim:?}");
    }
    // The rightful key is not disturbed.
    assert!(matches!(bring(&store, CODE, KEY, NOW).await, Claim::UnderWay(_)));
    let state = latest(&mut store.read(), TERMINAL).await.unwrap().unwrap();
    assert_eq!(state.misused_at, Some(NOW));
}

#[tokio::test]
async fn a_claim_whose_process_died_is_taken_up_by_the_same_key_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    bring(&store, CODE, KEY, NOW).await;
    let later = NOW + Duration::seconds(10);
    assert!(matches!(bring(&store, CODE, [3; 32], later).await, Claim::OtherKey { .. }));
    assert!(matches!(bring(&store, CODE, KEY, later).await, Claim::Won(_)));
    assert!(matches!(bring(&store, CODE, KEY, later).await, Claim::UnderWay(_)));
}

#[tokio::test]
async fn a_released_code_can_be_claimed_by_another_key_and_a_fulfilled_one_is_not_released() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    bring(&store, CODE, KEY, NOW).await;
    change!(store, |tx| release(tx, &CODE).await?);
    assert!(matches!(bring(&store, CODE, [3; 32], NOW).await, Claim::Won(_)));
    certify(&store, &[7], [3; 32]).await;
    change!(store, |tx| fulfil(tx, &CODE, "terminals", &[7]).await?);
    change!(store, |tx| release(tx, &CODE).await?);
    assert!(matches!(bring(&store, CODE, KEY, NOW).await, Claim::OtherKey { .. }));
}

#[tokio::test]
async fn wrong_attempts_use_the_code_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    for _ in 0..2 {
        let claim = bring(&store, [9; 32], KEY, NOW).await;
        assert_eq!(claim, Claim::Refused(CodeRefusal::WrongCode));
    }
    let claim = bring(&store, CODE, KEY, NOW).await;
    assert_eq!(claim, Claim::Refused(CodeRefusal::Exhausted));
}

#[tokio::test]
async fn a_code_ends_with_its_time_with_a_newer_one_and_with_its_terminal_or_facility() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let end = NOW + Duration::DAY;
    assert_eq!(bring(&store, CODE, KEY, end).await, Claim::Refused(CodeRefusal::Expired));
    change!(store, |tx| issue(tx, new_code(&[8; 32])).await?);
    assert_eq!(bring(&store, CODE, KEY, NOW).await, Claim::Refused(CodeRefusal::Withdrawn));
    change!(store, |tx| organisation_event(tx, "suspended", NOW).await?);
    let claim = bring(&store, [8; 32], KEY, NOW).await;
    assert_eq!(claim, Claim::Refused(CodeRefusal::FacilityNotActive));
    change!(store, |tx| organisation_event(tx, "resumed", NOW + Duration::SECOND).await?);
    let revocation = Revocation { crl_reason: 1, note: "stolen", person_id: "p", at: NOW };
    change!(store, |tx| terminal::revoke(tx, TERMINAL, FACILITY, revocation).await?);
    let claim = bring(&store, [8; 32], KEY, NOW).await;
    assert_eq!(claim, Claim::Refused(CodeRefusal::TerminalRevoked));
    let unknown =
        Attempt { terminal_id: "T9999999999", code_hash: &CODE, spki_sha256: &KEY, at: NOW };
    let claim = change!(store, |tx| super::claim(tx, unknown, POLICY).await?);
    assert_eq!(claim, Claim::Refused(CodeRefusal::UnknownTerminal));
}

#[tokio::test]
async fn of_two_keys_at_once_exactly_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let claims = tokio::join!(
        bring(&store, CODE, [3; 32], NOW),
        bring(&store, CODE, [4; 32], NOW),
        bring(&store, CODE, [5; 32], NOW),
    );
    let claims = [claims.0, claims.1, claims.2];
    let won = claims.iter().filter(|claim| matches!(claim, Claim::Won(_))).count();
    let other = claims.iter().filter(|claim| matches!(claim, Claim::OtherKey { .. })).count();
    assert_eq!((won, other), (1, 2), "{claims:?}");
}

#[tokio::test]
async fn revoking_a_terminal_takes_back_every_certificate_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    for serial in [[7], [8]] {
        certify(&store, &serial, KEY).await;
    }
    change!(store, |tx| terminal::note_certificate(tx, TERMINAL, false, NOW).await?);
    let before = terminal::find(&mut store.read(), TERMINAL).await.unwrap().unwrap();
    assert_eq!(before.status, TerminalStatus::Enrolled);
    assert_eq!(before.certificate_until, Some(NOW + Duration::days(365)));
    assert_eq!(
        revocation::status(&mut store.read(), "terminals", &[7]).await.unwrap(),
        Some(revocation::Status::Good)
    );

    let revocation = Revocation { crl_reason: 1, note: "stolen", person_id: "p", at: NOW };
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
    let listed = revocation::crl_entries(&mut store.read(), "terminals", NOW).await.unwrap();
    assert_eq!(listed.len(), 2);
    let expired = NOW + Duration::days(366);
    let listed = revocation::crl_entries(&mut store.read(), "terminals", expired).await.unwrap();
    assert!(listed.is_empty());
    // A second revocation changes neither time nor reason.
    assert!(!change!(store, |tx| {
        revocation::revoke(tx, "terminals", &[7], 4, NOW + Duration::DAY).await?
    }));
    let status = revocation::status(&mut store.read(), "terminals", &[7]).await.unwrap();
    assert_eq!(status, gone);
    assert_eq!(revocation::status(&mut store.read(), "terminals", &[9]).await.unwrap(), None);
}

#[tokio::test]
async fn nothing_is_kept_without_an_intention_and_a_serial_number_is_reserved_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
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

#[tokio::test]
async fn numbers_of_revocation_lists_never_go_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let list = |number| Crl { number, this_update: NOW, next_update: NOW, der: vec![0x30] };
    assert_eq!(crl::next_number(&mut store.read(), "terminals").await.unwrap(), 1);
    assert!(store.publish_crl("terminals", &list(1)).await.unwrap());
    assert!(!store.publish_crl("terminals", &list(1)).await.unwrap());
    assert!(store.publish_crl("terminals", &list(3)).await.unwrap());
    assert!(!store.publish_crl("terminals", &list(2)).await.unwrap());
    assert_eq!(crl::next_number(&mut store.read(), "terminals").await.unwrap(), 4);
    assert_eq!(crl::latest(&mut store.read(), "terminals").await.unwrap(), Some(list(3)));
}
