//! What several processes over one database may do only once: each test on SQLite and on
//! PostgreSQL 15, with the tasks of two processes racing.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../login/database.rs"]
mod database;
mod issuing;
mod register;
mod schema;
mod trail;

use database::Databases;
use sekisho_store::{
    Queries, Store, StoreError, account,
    attempt::{DelayPolicy, Subject},
    audit::{Actor, Entry},
    enrolment_code::{self, NewCode},
    issuer, outbox, person, role_grant, sql, terminal,
};
use time::{Duration, OffsetDateTime, macros::datetime};

const NOW: OffsetDateTime = datetime!(2026-11-21 09:00 UTC);
const FACILITY: &str = "123456789007";
const TERMINAL: &str = "T0123456789";
const ENROLMENT: [u8; 32] = [1; 32];
const LINK: [u8; 32] = [2; 32];
const LOGIN_NAME: &str = "officer";
/// Tasks in a race; even ones belong to the first process, odd ones to the second.
const RACERS: u8 = 8;

fn entry() -> Entry {
    Entry::done("test", Actor::System, NOW)
}

/// One change in a transaction of its own.
macro_rules! change {
    ($store:expr, |$tx:ident| $body:expr) => {{
        let outcome: Result<_, sekisho_store::StoreError> =
            sekisho_store::transaction!($store, sekisho_store::StoreError, |$tx| {
                let value = $body;
                Ok(sekisho_store::audit::Audited::new(value, crate::entry()))
            });
        outcome
    }};
}
pub(crate) use change;

/// Each body once over each database.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod on_sqlite { $(#[tokio::test(flavor = "multi_thread")] async fn $name() {
            super::$name(crate::prepared(crate::database::sqlite().await).await).await;
        })* }
        mod on_postgres { $(#[tokio::test(flavor = "multi_thread")] async fn $name() {
            super::$name(crate::prepared(crate::database::postgres().await).await).await;
        })* }
    };
}
pub(crate) use on_both;

on_both! {
    a_one_time_link_is_used_by_exactly_one_of_many
    a_step_of_the_second_factor_counts_once_and_never_goes_back
    an_instance_gets_one_first_administrator
    a_role_is_withdrawn_once
    attempts_at_once_cost_as_much_as_in_a_row
    a_lease_is_held_by_one_process
    a_message_is_delivered_by_one_process
    activity_in_one_session_at_once_is_no_failure
}

/// A facility in operation with a terminal and its code, an issuer, and a person with a link.
async fn prepared(databases: Databases) -> Databases {
    let store = &databases.one;
    change!(store, |tx| {
        tx.execute(sql(
            "INSERT INTO application (id, receipt, kind, name, name_kana, prefecture, postal_code,
                 address, contact_name, contact_phone, contact_email, created_at)
             VALUES ('a', 'r', 'hospital', 'n', 'k', 13, '1', 'a', 'c', 'p', 'e', 0)",
        ))
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
            code_hash: &ENROLMENT,
            terminal_id: TERMINAL,
            tries: 5,
            person_id: "p",
            created_at: NOW,
            expires_at: NOW + Duration::DAY,
        };
        enrolment_code::issue(tx, code).await?;
        issuer::add(tx, "terminals", &[0x30], Actor::System, NOW).await?;
        let person_id = person::enter(tx, "山田　花子", "ヤマダ　ハナコ", NOW).await?;
        account::open(tx, &person_id, LOGIN_NAME, "").await?;
        account::issue_link(tx, &LINK, &person_id, NOW, NOW + Duration::minutes(30)).await?;
    })
    .unwrap();
    databases
}

async fn person_id(store: &Store) -> String {
    account::find(&mut store.read(), LOGIN_NAME).await.unwrap().unwrap().person_id
}

/// What each of the racing tasks came to. A task gets its number and the store of its process.
async fn race<T, F>(databases: &Databases, run: impl Fn(u8, Store) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let racers: Vec<_> = (0..RACERS)
        .map(|number| {
            let store = if number % 2 == 0 { &databases.one } else { &databases.two };
            tokio::spawn(run(number, store.clone()))
        })
        .collect();
    let mut outcomes = Vec::new();
    for racer in racers {
        outcomes.push(racer.await.unwrap());
    }
    outcomes
}

fn count<T>(outcomes: &[T], which: impl Fn(&T) -> bool) -> usize {
    outcomes.iter().filter(|outcome| which(outcome)).count()
}

async fn a_one_time_link_is_used_by_exactly_one_of_many(databases: Databases) {
    let late = NOW + Duration::minutes(30);
    let expired = change!(databases.one, |tx| account::consume_link(tx, &LINK, late).await?);
    assert_eq!(expired.unwrap(), None);
    let found = account::find_link(&mut databases.two.read(), &LINK, NOW).await.unwrap();
    let person_id = found.unwrap().person_id;
    let outcomes = race(&databases, |_, store| async move {
        change!(store, |tx| account::consume_link(tx, &LINK, NOW).await?).unwrap()
    })
    .await;
    let winners: Vec<_> = outcomes.into_iter().flatten().collect();
    assert_eq!(winners, [person_id]);
    assert_eq!(account::find_link(&mut databases.two.read(), &LINK, NOW).await.unwrap(), None);
}

async fn a_step_of_the_second_factor_counts_once_and_never_goes_back(databases: Databases) {
    let person_id = person_id(&databases.one).await;
    let factors =
        account::Factors { password_phc: "$argon2id$", totp_sealed: &[1, 2], totp_step: 100 };
    change!(databases.one, |tx| account::set_factors(tx, &person_id, factors, NOW).await?).unwrap();
    let account = account::of_person(&mut databases.two.read(), &person_id).await.unwrap();
    assert!(account.unwrap().is_complete());
    for (step, winners) in [(100, 0), (102, 1), (101, 0), (103, 1)] {
        let outcomes = race(&databases, |_, store| {
            let person_id = person_id.clone();
            async move {
                change!(store, |tx| account::consume_totp_step(tx, &person_id, step).await?)
                    .unwrap()
            }
        })
        .await;
        assert_eq!(count(&outcomes, |accepted| *accepted), winners, "step {step}");
    }
}

async fn an_instance_gets_one_first_administrator(databases: Databases) {
    let outcomes = race(&databases, |number, store| async move {
        let until = NOW + Duration::minutes(30);
        let token = [100 + number; 32];
        store.add_first_administrator("first", &token, "root", NOW, until).await
    })
    .await;
    assert_eq!(count(&outcomes, Result::is_ok), 1);
    let refused = count(&outcomes, |o| matches!(o, Err(StoreError::AlreadyExists { .. })));
    assert_eq!(refused, usize::from(RACERS) - 1);
    // Nothing of the refused ones stayed.
    let mut reader = databases.two.read();
    let (people,): (i64,) = Queries::fetch_one(
        &mut reader,
        sql("SELECT COUNT(*) FROM person p JOIN person_name n ON n.person_id = p.id"),
    )
    .await
    .unwrap();
    assert_eq!(people, 2);
    let roles = role_grant::list(&mut reader, 10).await.unwrap();
    assert_eq!(roles.len(), 1);
    assert_eq!((roles[0].login_name.as_str(), roles[0].totp_confirmed_at), ("first", None));
}

async fn a_role_is_withdrawn_once(databases: Databases) {
    let person_id = person_id(&databases.one).await;
    let role = "accreditation_officer";
    let id = change!(databases.one, |tx| {
        role_grant::grant(tx, &person_id, role, None, None, NOW).await?
    })
    .unwrap();
    let mut reader = databases.two.read();
    assert_eq!(role_grant::of_person(&mut reader, &person_id).await.unwrap()[0].id, id);
    assert_eq!(role_grant::count_able(&mut reader, role).await.unwrap(), 0);
    let outcomes = race(&databases, |_, store| {
        let id = id.clone();
        async move { change!(store, |tx| role_grant::withdraw(tx, &id, "p", NOW).await?).unwrap() }
    })
    .await;
    assert_eq!(count(&outcomes, Option::is_some), 1);
    assert!(role_grant::of_person(&mut reader, &person_id).await.unwrap().is_empty());
}

async fn attempts_at_once_cost_as_much_as_in_a_row(databases: Databases) {
    let policy = DelayPolicy {
        free: 3,
        lock_after: 10,
        longest: Duration::minutes(15),
        forget_after: Duration::days(1),
    };
    let charge = |store: Store, at| {
        let subjects = [Subject { key: "account:officer".into(), policy }];
        async move { store.charge_attempt(&subjects, at).await.unwrap() }
    };
    let outcomes = race(&databases, |_, store| charge(store, NOW)).await;
    // Three are free, the fourth makes the account rest for a second.
    assert_eq!(count(&outcomes, Result::is_ok), 4);
    let rest = NOW + Duration::seconds(1);
    assert_eq!(count(&outcomes, |outcome| *outcome == Err(rest)), 4);
    assert!(charge(databases.two.clone(), rest).await.is_ok());
    databases.one.settle_attempt(&["account:officer"], &["address:x"]).await.unwrap();
    assert!(charge(databases.two.clone(), NOW).await.is_ok());
}

async fn a_lease_is_held_by_one_process(databases: Databases) {
    let length = Duration::seconds(30);
    for at in [NOW, NOW + length, NOW + length * 2] {
        let outcomes = race(&databases, |number, store| async move {
            (number % 2, store.take_lease("job", at, length).await.unwrap())
        })
        .await;
        let one = count(&outcomes, |outcome| *outcome == (0, true));
        let two = count(&outcomes, |outcome| *outcome == (1, true));
        let all = usize::from(RACERS) / 2;
        assert!((one, two) == (all, 0) || (one, two) == (0, all), "{outcomes:?}");
    }
}

async fn a_message_is_delivered_by_one_process(databases: Databases) {
    change!(databases.one, |tx| {
        for number in 0..20 {
            outbox::put(tx, "notice", &number.into(), NOW).await?;
        }
    })
    .unwrap();
    let hold = Duration::seconds(30);
    let claimed = race(&databases, |_, store| async move {
        store.claim_outbox("notice", NOW, hold, 5).await.unwrap()
    })
    .await;
    let mut payloads: Vec<i64> =
        claimed.iter().flatten().map(|message| message.payload.parse().unwrap()).collect();
    payloads.sort_unstable();
    assert_eq!(payloads, (0..20).collect::<Vec<_>>());
    let first = &claimed.iter().flatten().next().unwrap().id;
    databases.two.outbox_delivered(first, NOW).await.unwrap();
    let other = &claimed.iter().flatten().nth(1).unwrap().id;
    databases.two.outbox_failed(other, NOW, None, "gone").await.unwrap();
    let again = databases.one.claim_outbox("notice", NOW + hold, hold, 100).await.unwrap();
    assert_eq!(again.len(), 18);
    assert!(again.iter().all(|message| message.attempts == 1));
}

async fn activity_in_one_session_at_once_is_no_failure(databases: Databases) {
    let person_id = person_id(&databases.one).await;
    change!(databases.one, |tx| {
        tx.execute(
            sql("INSERT INTO session (id_hash, realm, person_id, terminal_id, presence_id, acr, amr,
                     auth_time, created_at, last_seen_at, expires_at)
                 VALUES ($1, 'portal', $2, $3, 'card', 'a', '[]', $4, $4, $4, $4)")
            .bind([5; 32])
            .bind(&person_id)
            .bind(TERMINAL)
            .bind(NOW),
        )
        .await?;
    })
    .unwrap();
    // Several requests of one browser, and the agent's report, whichever processes they reach.
    let at = NOW + Duration::minutes(5);
    let outcomes = race(&databases, |_, store| async move {
        store.note_activity(&[5; 32], at).await?;
        store.note_presence(TERMINAL, "card", 1, at).await
    })
    .await;
    assert_eq!(count(&outcomes, |outcome| matches!(outcome, Ok(true))), 1, "{outcomes:?}");
    assert_eq!(count(&outcomes, Result::is_err), 0, "{outcomes:?}");
    let (seen, reported): (i64, i64) = Queries::fetch_one(
        &mut databases.two.read(),
        sql("SELECT last_seen_at, presence_at FROM session"),
    )
    .await
    .unwrap();
    assert_eq!((seen, reported), (at.unix_timestamp(), at.unix_timestamp()));
}
