//! What may happen once only between a service and us: each test on SQLite and on PostgreSQL 15,
//! two processes over one database.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../login/database.rs"]
mod database;

use database::Databases;
use sekisho_store::{
    Store, StoreError, access_token,
    access_token::AccessToken,
    audit::{Actor, Audited, Entry},
    authorization_code::{self, Code},
    parked_request::{self, Parked},
    service::{self, AuthMethod, Service},
    sql, transaction,
};
use time::{Duration, OffsetDateTime, macros::datetime};

const NOW: OffsetDateTime = datetime!(2026-11-21 09:00 UTC);
const CODE: [u8; 32] = [1; 32];
const SESSION: [u8; 32] = [2; 32];
const PARKED: [u8; 32] = [3; 32];
const TERMINAL: [u8; 32] = [4; 32];

fn entry() -> Entry {
    Entry::done("test", Actor::System, NOW)
}

macro_rules! change {
    ($store:expr, |$tx:ident| $body:expr) => {{
        let outcome: Result<_, StoreError> = transaction!($store, StoreError, |$tx| {
            let value = $body;
            Ok(Audited::new(value, entry()))
        });
        outcome
    }};
}

macro_rules! on_both {
    ($($name:ident)*) => {
        mod on_sqlite { $(#[tokio::test(flavor = "multi_thread")] async fn $name() {
            super::$name(super::prepared(super::database::sqlite().await).await).await;
        })* }
        mod on_postgres { $(#[tokio::test(flavor = "multi_thread")] async fn $name() {
            super::$name(super::prepared(super::database::postgres().await).await).await;
        })* }
    };
}

on_both! {
    a_code_is_consumed_by_exactly_one_of_many
    an_expired_code_is_consumed_by_nobody
    what_a_code_produced_is_withdrawn_with_it
    a_parked_request_is_resumed_once_and_at_its_own_terminal
    an_assertion_counts_once
    the_highest_version_of_the_rules_is_in_force
}

async fn prepared(databases: Databases) -> Databases {
    let store = &databases.one;
    change!(store, |tx| {
        tx.execute(sql("INSERT INTO person (id, created_at) VALUES ('p', 0)")).await?;
        tx.execute(
            sql("INSERT INTO session (id_hash, realm, person_id, acr, amr, auth_time, created_at,
                     last_seen_at, expires_at) VALUES ($1, 'portal', 'p', 'a', '[]', 0, 0, 0, 0)")
            .bind(SESSION),
        )
        .await?;
        service::add(tx, &referral()).await?;
        authorization_code::add(tx, &code()).await?;
        let parked = Parked { parameters: "a=b".into(), created_at: NOW };
        parked_request::park(tx, &PARKED, &TERMINAL, &parked, NOW + Duration::minutes(10)).await?;
    })
    .unwrap();
    databases
}

fn referral() -> Service {
    Service {
        id: "referral".into(),
        organisation_id: None,
        name_ja: "紹介".into(),
        name_en: "Referral".into(),
        description_ja: "d".into(),
        description_en: "d".into(),
        home_url: "https://referral.example/".into(),
        sector: "referral.example".into(),
        auth_method: AuthMethod::PrivateKeyJwt,
        secret_hash: None,
        jwks: Some("{\"keys\":[]}".into()),
        backchannel_logout_uri: None,
        scopes: vec!["openid".into(), "profile".into()],
        redirect_uris: vec!["https://referral.example/callback".into()],
        logout_uris: vec![],
        created_at: NOW,
        withdrawn_at: None,
    }
}

fn code() -> Code {
    Code {
        code_hash: CODE,
        service_id: "referral".into(),
        session_hash: SESSION,
        redirect_uri: "https://referral.example/callback".into(),
        code_challenge: "c".into(),
        nonce: Some("n".into()),
        scope: "openid".into(),
        claims: "{}".into(),
        created_at: NOW,
        expires_at: NOW + Duration::seconds(60),
        consumed_at: None,
    }
}

fn token(id: &str) -> AccessToken {
    AccessToken {
        id: id.into(),
        code_hash: CODE,
        service_id: "referral".into(),
        session_hash: SESSION,
        scope: "openid".into(),
        issued_at: NOW,
        expires_at: NOW + Duration::minutes(10),
    }
}

/// Eight tasks, alternately of the one and the other process.
async fn race<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    databases: &Databases,
    one: impl Fn(Store) -> F,
) -> Vec<T> {
    let tasks: Vec<_> = (0..8)
        .map(|n| if n % 2 == 0 { databases.one.clone() } else { databases.two.clone() })
        .map(|store| tokio::spawn(one(store)))
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

async fn a_code_is_consumed_by_exactly_one_of_many(databases: Databases) {
    let outcomes = race(&databases, |store| async move {
        change!(store, |tx| authorization_code::consume(tx, &CODE, NOW).await?).unwrap()
    })
    .await;
    assert_eq!(outcomes.iter().filter(|consumed| **consumed).count(), 1);
    let found = authorization_code::find(&mut databases.two.read(), &CODE).await.unwrap().unwrap();
    assert_eq!(found, Code { consumed_at: Some(NOW), ..code() });
}

async fn an_expired_code_is_consumed_by_nobody(databases: Databases) {
    let late = NOW + Duration::seconds(60);
    let store = &databases.one;
    assert!(!change!(store, |tx| authorization_code::consume(tx, &CODE, late).await?).unwrap());
    let found = authorization_code::find(&mut store.read(), &CODE).await.unwrap().unwrap();
    assert_eq!(found.consumed_at, None);
}

async fn what_a_code_produced_is_withdrawn_with_it(databases: Databases) {
    let store = &databases.one;
    change!(store, |tx| access_token::add(tx, &token("t1")).await?).unwrap();
    let live = async || access_token::live(&mut databases.two.read(), "t1", NOW).await.unwrap();
    assert_eq!(live().await.unwrap().session_hash, SESSION);
    let withdrawn =
        change!(store, |tx| access_token::withdraw_of_code(tx, &CODE, NOW).await?).unwrap();
    assert_eq!((withdrawn, live().await), (1, None));
}

async fn a_parked_request_is_resumed_once_and_at_its_own_terminal(databases: Databases) {
    let store = &databases.one;
    let resume = async |fingerprint: [u8; 32], at| {
        change!(store, |tx| parked_request::resume(tx, &PARKED, &fingerprint, at).await?).unwrap()
    };
    assert_eq!(resume([5; 32], NOW).await, None);
    assert_eq!(resume(TERMINAL, NOW + Duration::minutes(10)).await, None);
    let outcomes = race(&databases, |store| async move {
        change!(store, |tx| parked_request::resume(tx, &PARKED, &TERMINAL, NOW).await?).unwrap()
    })
    .await;
    let resumed: Vec<_> = outcomes.into_iter().flatten().collect();
    assert_eq!(resumed, [Parked { parameters: "a=b".into(), created_at: NOW }]);
}

async fn an_assertion_counts_once(databases: Databases) {
    let outcomes = race(&databases, |store| async move {
        let expires_at = NOW + Duration::minutes(1);
        change!(store, |tx| {
            service::consume_assertion(tx, "referral", &[9; 32], expires_at).await?;
        })
    })
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let refused = outcomes.iter().filter(|o| matches!(o, Err(StoreError::AlreadyExists { .. })));
    assert_eq!(refused.count(), 7);
}

async fn the_highest_version_of_the_rules_is_in_force(databases: Databases) {
    let store = &databases.one;
    assert_eq!(service::rules(&mut store.read(), "referral").await.unwrap(), None);
    for (version, text) in [(1, "{}"), (2, "{\"rules\":[]}")] {
        let added =
            change!(store, |tx| service::add_rules(tx, "referral", text, None, NOW).await?);
        assert_eq!(added.unwrap(), version);
        let found = service::rules(&mut databases.two.read(), "referral").await.unwrap();
        assert_eq!(found, Some((version, text.to_owned())));
    }
    let read = service::find(&mut store.read(), "referral").await.unwrap();
    assert_eq!(read, Some(referral()));
}
