//! Terminals, codes, certificates and revocation on both databases, two processes at once.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../login/database.rs"]
mod database;

use database::{Databases, postgres, sqlite};
use sekisho_store::{
    Store, StoreError,
    audit::{Actor, Audited, Entry},
    certificate::{self, Intention, Signed},
    crl::{self, Crl},
    enrolment_code::{self, Attempt, Claim, ClaimPolicy, NewCode},
    issuer, revocation, sql,
    terminal::{self, Revocation, TerminalStatus},
    transaction,
};
use time::{Duration, OffsetDateTime, macros::datetime};

const NOW: OffsetDateTime = datetime!(2026-11-21 09:00 UTC);
const FACILITY: &str = "123456789007";
const TERMINAL: &str = "T0123456789";
const CODE: [u8; 32] = [1; 32];
const POLICY: ClaimPolicy =
    ClaimPolicy { same_key_grace: Duration::minutes(15), issuance_limit: Duration::seconds(10) };

/// Runs one change in a transaction of its own.
macro_rules! change {
    ($store:expr, |$tx:ident| $body:expr) => {
        transaction!($store, StoreError, |$tx| {
            let value = $body;
            Ok(Audited::new(value, Entry::done("test", Actor::System, NOW)))
        })
        .unwrap()
    };
}

/// Each test on each database.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::filled(super::sqlite().await).await).await; })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::filled(super::postgres().await).await).await; })*
        }
    };
}

on_both!(
    of_many_keys_at_once_one_wins_the_code,
    of_the_same_key_many_times_at_once_one_issues,
    a_certificate_is_kept_found_and_taken_back,
    a_terminal_is_revoked_once_however_many_try,
    list_numbers_are_given_once,
);

async fn filled(databases: Databases) -> Databases {
    change!(databases.one, |tx| {
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
        tx.execute(
            sql("INSERT INTO organisation_event (id, organisation_id, at, kind, reason)
                 VALUES ('e', $1, 0, 'activated', '')")
            .bind(FACILITY),
        )
        .await?;
        terminal::create(tx, TERMINAL, FACILITY, "外来1号機", "p", NOW).await?;
        let code = NewCode {
            code_hash: &CODE,
            terminal_id: TERMINAL,
            tries: 5,
            person_id: "p",
            created_at: NOW,
            expires_at: NOW + Duration::DAY,
        };
        enrolment_code::issue(tx, code).await?;
        issuer::add(tx, "terminals", &[0x30], Actor::System, NOW).await?
    });
    databases
}

async fn bring(store: Store, key: [u8; 32]) -> Claim {
    let attempt = Attempt { terminal_id: TERMINAL, code_hash: &CODE, spki_sha256: &key, at: NOW };
    change!(store, |tx| enrolment_code::claim(tx, attempt, POLICY).await?)
}

/// Runs `task` for 0..8 at once, half of them in each process.
async fn at_once<T, F>(databases: &Databases, task: impl Fn(Store, u8) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..8_u8)
        .map(|number| {
            let store = if number % 2 == 0 { &databases.one } else { &databases.two };
            tokio::spawn(task(store.clone(), number))
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

async fn of_many_keys_at_once_one_wins_the_code(databases: Databases) {
    let claims = at_once(&databases, |store, number| bring(store, [number; 32])).await;
    let count = |wanted: fn(&Claim) -> bool| claims.iter().filter(|claim| wanted(claim)).count();
    assert_eq!(count(|claim| matches!(claim, Claim::Won(_))), 1, "{claims:?}");
    assert_eq!(count(|claim| matches!(claim, Claim::OtherKey { .. })), 7, "{claims:?}");
    assert_eq!(count(|claim| matches!(claim, Claim::OtherKey { first: true, .. })), 1);
}

async fn of_the_same_key_many_times_at_once_one_issues(databases: Databases) {
    let claims = at_once(&databases, |store, _| bring(store, [9; 32])).await;
    let won = claims.iter().filter(|claim| matches!(claim, Claim::Won(_))).count();
    let waiting = claims.iter().filter(|claim| matches!(claim, Claim::UnderWay(_))).count();
    assert_eq!((won, waiting), (1, 7), "{claims:?}");
}

async fn certify(store: &Store, serial: &[u8]) {
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
    let signed = Signed {
        issuer_id: "terminals",
        serial,
        fingerprint: &[7; 32],
        spki_sha256: &[9; 32],
        not_before: NOW,
        not_after: NOW + Duration::days(365),
        der: serial,
    };
    store.record_certificate(signed, NOW).await.unwrap();
}

async fn a_certificate_is_kept_found_and_taken_back(databases: Databases) {
    let store = &databases.one;
    assert!(matches!(bring(store.clone(), [9; 32]).await, Claim::Won(_)));
    certify(store, &[0x4b]).await;
    assert!(change!(store, |tx| {
        enrolment_code::fulfil(tx, &CODE, "terminals", &[0x4b]).await?
    }));
    change!(store, |tx| terminal::note_certificate(tx, TERMINAL, false, NOW).await?);
    assert!(matches!(bring(store.clone(), [9; 32]).await, Claim::Issued(..)));

    let mut reader = databases.two.read();
    let found = certificate::find_by_fingerprint(&mut reader, &[7; 32]).await.unwrap().unwrap();
    assert_eq!(found.status, revocation::Status::Good);
    let of_key = certificate::of_key(&mut reader, &[9; 32], 9).await.unwrap();
    assert_eq!(of_key, std::slice::from_ref(&found));
    assert_eq!(certificate::of_terminal(&mut reader, TERMINAL).await.unwrap(), [found]);
    assert!(certificate::unfinished(&mut reader, NOW + Duration::DAY).await.unwrap().is_empty());
    let listed = terminal::list(&mut reader, FACILITY, 0, 10).await.unwrap();
    assert_eq!(listed[0].status, TerminalStatus::Enrolled);
    assert_eq!(listed[0].certificate_until, Some(NOW + Duration::days(365)));
    assert!(terminal::name_in_use(&mut reader, FACILITY, "外来1号機").await.unwrap());
    assert!(
        enrolment_code::latest(&mut reader, TERMINAL).await.unwrap().unwrap().used_at.is_some()
    );
    assert_eq!(issuer::list(&mut reader).await.unwrap().len(), 1);

    change!(store, |tx| revocation::revoke(tx, "terminals", &[0x4b], 4, NOW).await?);
    let gone = revocation::Status::Revoked { reason: 4, at: NOW };
    let status = revocation::status(&mut reader, "terminals", &[0x4b]).await.unwrap();
    assert_eq!(status, Some(gone));
    let found = certificate::find(&mut reader, "terminals", &[0x4b]).await.unwrap().unwrap();
    assert_eq!(found.status, gone);
    let entries = revocation::crl_entries(&mut reader, "terminals", NOW).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert!(matches!(
        store.reserve_serial("terminals", &[0x4b], NOW).await,
        Err(StoreError::AlreadyExists { .. })
    ));
}

async fn a_terminal_is_revoked_once_however_many_try(databases: Databases) {
    certify(&databases.one, &[0x4b]).await;
    let taken = at_once(&databases, |store, _| async move {
        let revocation = Revocation { crl_reason: 1, note: "", person_id: "p", at: NOW };
        change!(store, |tx| terminal::revoke(tx, TERMINAL, FACILITY, revocation).await?)
    })
    .await;
    let done: Vec<_> = taken.into_iter().flatten().collect();
    assert_eq!(done.len(), 1);
    assert_eq!(done[0].certificates, [("terminals".to_owned(), vec![0x4b])]);
    let events = terminal::events(&mut databases.two.read(), TERMINAL, 50).await.unwrap();
    assert_eq!(events.iter().filter(|event| event.kind == "revoked").count(), 1);
}

async fn list_numbers_are_given_once(databases: Databases) {
    let published = at_once(&databases, |store, _| async move {
        let number = crl::next_number(&mut store.read(), "terminals").await.unwrap();
        let list = Crl { number, this_update: NOW, next_update: NOW, der: vec![0x30] };
        store.publish_crl("terminals", &list).await.unwrap().then_some(number)
    })
    .await;
    let mut numbers: Vec<i64> = published.into_iter().flatten().collect();
    numbers.sort_unstable();
    let newest = crl::latest(&mut databases.one.read(), "terminals").await.unwrap().unwrap();
    assert_eq!(numbers, (1..=newest.number).collect::<Vec<_>>());
}
