//! What may happen once only between a service and us.
use sekisho_store::{
    Store, StoreError, application,
    authorization_code::{self, Code},
    dpop_proof, offer, organisation,
    organisation_kind::CodeScheme,
    parked_request::{self, Parked},
    pushed_request::{self, Pushed},
    refresh_token::{self, RefreshToken},
    service::{self, AuthMethod, Service},
    session, sql,
    token_grant::{self, Grant},
};
use time::Duration;

use crate::{FACILITY, NOW, databases::Databases, race};

const CODE: [u8; 32] = [1; 32];
const SESSION: [u8; 32] = [2; 32];
const PARKED: [u8; 32] = [3; 32];
const TERMINAL: [u8; 32] = [4; 32];

on_both! { prepared:
    a_code_is_consumed_by_exactly_one_of_many
    an_expired_code_is_consumed_by_nobody
    what_a_code_produced_is_withdrawn_with_it
    what_a_service_was_given_in_one_session_ends_at_once
    a_code_leads_to_one_grant
    a_refresh_token_is_used_by_exactly_one_of_many
    a_request_sent_ahead_is_its_client_s_and_used_once
    a_proof_of_possession_counts_once
    a_token_that_was_revoked_alone_is_known
    a_parked_request_is_resumed_once_and_at_its_own_terminal
    an_assertion_counts_once
    the_highest_version_of_the_rules_is_in_force
    what_is_on_offer_has_its_rules_in_force
    a_service_is_listed_with_what_it_was_registered_for
    an_ended_session_withdraws_its_tokens_and_tells_its_services
}

pub async fn prepared(databases: Databases) -> Databases {
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
        let parked = Parked { parameters: "a=b".into(), created_at: NOW, login_since: NOW };
        parked_request::park(tx, &PARKED, &TERMINAL, &parked, NOW + Duration::minutes(10)).await?;
    });
    databases
}

pub fn referral() -> Service {
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
        metadata: "{\"a\":1}".into(),
        personal_data: None,
        scopes: vec!["openid".into(), "profile".into()],
        redirect_uris: vec!["https://referral.example/callback".into()],
        logout_uris: vec![],
        created_at: NOW,
        live_at: Some(NOW),
        withdrawn_at: None,
    }
}

fn code() -> Code {
    Code {
        code_hash: CODE,
        service_id: "referral".into(),
        session_hash: SESSION,
        redirect_uri: "https://referral.example/callback".into(),
        code_challenge: Some("c".into()),
        scope: "openid".into(),
        claims: "{}".into(),
        details: "{\"nonce\":\"n\"}".into(),
        created_at: NOW,
        expires_at: NOW + Duration::seconds(60),
        consumed_at: None,
    }
}

pub fn grant(id: &str) -> Grant {
    Grant {
        id: id.into(),
        service_id: "referral".into(),
        session_hash: SESSION,
        code_hash: Some(CODE),
        scope: "openid".into(),
        claims: "{}".into(),
        details: "{}".into(),
        emergency_id: None,
        created_at: NOW,
    }
}

const REFRESH: [u8; 32] = [5; 32];

fn refresh() -> RefreshToken {
    RefreshToken {
        token_hash: REFRESH,
        grant_id: "g1".into(),
        issued_at: NOW,
        expires_at: NOW + Duration::HOUR,
        used_at: None,
    }
}

const PUSHED: [u8; 32] = [6; 32];

fn pushed() -> Pushed {
    Pushed {
        id_hash: PUSHED,
        service_id: "referral".into(),
        parameters: "a=b".into(),
        details: "{}".into(),
        created_at: NOW,
        expires_at: NOW + Duration::MINUTE,
    }
}

async fn a_code_is_consumed_by_exactly_one_of_many(databases: Databases) {
    let outcomes = race(&databases, |_, store| async move {
        change!(store, |tx| authorization_code::consume(tx, &CODE, NOW).await?)
    })
    .await;
    assert_eq!(outcomes.iter().filter(|consumed| **consumed).count(), 1);
    let found = authorization_code::find(&mut databases.two.read(), &CODE).await.unwrap().unwrap();
    assert_eq!(found, Code { consumed_at: Some(NOW), ..code() });
}

async fn an_expired_code_is_consumed_by_nobody(databases: Databases) {
    let late = NOW + Duration::seconds(60);
    let store = &databases.one;
    assert!(!change!(store, |tx| authorization_code::consume(tx, &CODE, late).await?));
    let found = authorization_code::find(&mut store.read(), &CODE).await.unwrap().unwrap();
    assert_eq!(found.consumed_at, None);
}

async fn what_a_code_produced_is_withdrawn_with_it(databases: Databases) {
    let store = &databases.one;
    change!(store, |tx| token_grant::add(tx, &grant("g1")).await?);
    let live = async || token_grant::live(&mut databases.two.read(), "g1").await.unwrap();
    assert_eq!(live().await, Some(grant("g1")));
    let given =
        async |session| token_grant::services(&mut databases.two.read(), session).await.unwrap();
    assert_eq!(given(&SESSION).await, ["referral"]);
    assert!(given(&[9; 32]).await.is_empty());
    assert!(change!(store, |tx| token_grant::withdraw_of_code(tx, &CODE, NOW).await?));
    assert_eq!(live().await, None);
    assert!(!change!(store, |tx| token_grant::withdraw_of_code(tx, &CODE, NOW).await?));
    assert!(!change!(store, |tx| token_grant::withdraw(tx, "g1", NOW).await?));
    assert_eq!(given(&SESSION).await, ["referral"], "who was given something is told of the end");
}

async fn what_a_service_was_given_in_one_session_ends_at_once(databases: Databases) {
    let store = &databases.one;
    let more = |id: &str| Grant { code_hash: None, ..grant(id) };
    change!(store, |tx| {
        service::add(tx, &Service { id: "own".into(), ..referral() }).await?;
        token_grant::add(tx, &grant("g1")).await?;
        token_grant::add(tx, &more("g2")).await?;
        token_grant::add(tx, &Grant { service_id: "own".into(), ..more("g3") }).await?;
    });
    let end = async |session: [u8; 32]| {
        change!(store, |tx| token_grant::withdraw_of_service(tx, "referral", &session, NOW).await?)
    };
    assert_eq!(end([9; 32]).await, 0, "of another session");
    assert_eq!(end(SESSION).await, 2);
    assert_eq!(end(SESSION).await, 0);
    let mut reader = databases.two.read();
    for (id, lives) in [("g1", false), ("g2", false), ("g3", true)] {
        assert_eq!(token_grant::live(&mut reader, id).await.unwrap().is_some(), lives, "{id}");
    }
}

async fn a_code_leads_to_one_grant(databases: Databases) {
    change!(databases.one, |tx| token_grant::add(tx, &grant("g1")).await?);
    let second = attempt!(databases.two, |tx| token_grant::add(tx, &grant("g2")).await?);
    assert!(matches!(second, Err(StoreError::AlreadyExists { .. })), "{second:?}");
}

async fn a_refresh_token_is_used_by_exactly_one_of_many(databases: Databases) {
    change!(databases.one, |tx| {
        token_grant::add(tx, &grant("g1")).await?;
        refresh_token::add(tx, &refresh()).await?;
    });
    let outcomes = race(&databases, |_, store| async move {
        change!(store, |tx| refresh_token::consume(tx, &REFRESH, NOW).await?)
    })
    .await;
    assert_eq!(outcomes.iter().filter(|used| **used).count(), 1);
    let found = refresh_token::find(&mut databases.two.read(), &REFRESH).await.unwrap();
    assert_eq!(found, Some(RefreshToken { used_at: Some(NOW), ..refresh() }));
}

async fn a_request_sent_ahead_is_its_client_s_and_used_once(databases: Databases) {
    change!(databases.one, |tx| pushed_request::add(tx, &pushed()).await?);
    let of = async |service: &str| {
        pushed_request::unused(&mut databases.two.read(), &PUSHED, service).await.unwrap()
    };
    assert_eq!(of("referral").await, Some(pushed()));
    assert_eq!(of("own").await, None);
    let outcomes = race(&databases, |_, store| async move {
        change!(store, |tx| pushed_request::consume(tx, &PUSHED, NOW).await?)
    })
    .await;
    assert_eq!(outcomes.iter().filter(|used| **used).count(), 1);
    assert_eq!(of("referral").await, None);
}

async fn a_proof_of_possession_counts_once(databases: Databases) {
    let later = NOW + Duration::MINUTE;
    let outcomes = race(&databases, |_, store| async move {
        store.accept_dpop_proof(&[7; 32], later).await.unwrap()
    })
    .await;
    assert_eq!(outcomes.iter().filter(|first| **first).count(), 1);
    change!(databases.one, |tx| dpop_proof::consume(tx, &[8; 32], later).await?);
    assert!(!databases.two.accept_dpop_proof(&[8; 32], later).await.unwrap());
}

async fn a_token_that_was_revoked_alone_is_known(databases: Databases) {
    let revoked =
        async || token_grant::is_token_revoked(&mut databases.two.read(), "g1.t1").await.unwrap();
    assert!(!revoked().await);
    for _ in 0..2 {
        change!(databases.one, |tx| token_grant::revoke_token(tx, "g1.t1", NOW).await?);
    }
    assert!(revoked().await);
}

async fn a_parked_request_is_resumed_once_and_at_its_own_terminal(databases: Databases) {
    let store = &databases.one;
    let resume = async |fingerprint: [u8; 32], at| {
        change!(store, |tx| parked_request::resume(tx, &PARKED, &fingerprint, at).await?)
    };
    assert_eq!(resume([5; 32], NOW).await, None);
    assert_eq!(resume(TERMINAL, NOW + Duration::minutes(10)).await, None);
    let outcomes = race(&databases, |_, store| async move {
        change!(store, |tx| parked_request::resume(tx, &PARKED, &TERMINAL, NOW).await?)
    })
    .await;
    let resumed: Vec<_> = outcomes.into_iter().flatten().collect();
    assert_eq!(resumed, [Parked { parameters: "a=b".into(), created_at: NOW, login_since: NOW }]);
    // Counted whatever became of it, at its terminal, for as long as is asked.
    let parked = async |fingerprint: [u8; 32], since| {
        parked_request::parked(&mut store.read(), &fingerprint, since).await.unwrap()
    };
    assert_eq!(parked(TERMINAL, NOW).await, 1);
    assert_eq!(parked(TERMINAL, NOW + Duration::SECOND).await, 0);
    assert_eq!(parked([5; 32], NOW).await, 0);
}

async fn an_assertion_counts_once(databases: Databases) {
    let outcomes = race(&databases, |_, store| async move {
        let expires_at = NOW + Duration::minutes(1);
        attempt!(store, |tx| {
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
        assert_eq!(added, version);
        let found = service::rules(&mut databases.two.read(), "referral").await.unwrap();
        assert_eq!(found, Some((version, text.to_owned())));
    }
    let read = service::find(&mut store.read(), "referral").await.unwrap();
    assert_eq!(read, Some(referral()));
}

async fn what_is_on_offer_has_its_rules_in_force(databases: Databases) {
    let store = &databases.one;
    let mut reader = databases.two.read();
    let bare = offer::find(&mut reader, "referral").await.unwrap().unwrap();
    assert_eq!((bare.name_ja.as_str(), bare.version, bare.rules), ("紹介", None, None));
    let mut revision = offer::revision(&mut reader).await.unwrap();
    let mut grown = async |what: &str| {
        let now = offer::revision(&mut databases.two.read()).await.unwrap();
        assert!(now > revision, "{what}: {now}");
        revision = now;
    };
    for text in ["{}", "{\"rules\":[]}"] {
        change!(store, |tx| service::add_rules(tx, "referral", text, None, NOW).await?);
        grown("rules").await;
    }
    let found = offer::find(&mut reader, "referral").await.unwrap().unwrap();
    assert_eq!((found.version, found.rules.as_deref()), (Some(2), Some("{\"rules\":[]}")));
    assert_eq!(offer::list(&mut reader, 10).await.unwrap(), [found]);
    // What comes to nothing changes nothing.
    let kept = offer::revision(&mut reader).await.unwrap();
    let undone = attempt!(store, |tx| {
        service::add_rules(tx, "referral", "{}", None, NOW).await?;
        service::add_rules(tx, "nobody's", "{}", None, NOW).await?
    });
    assert!(undone.is_err(), "{undone:?}");
    assert_eq!(offer::revision(&mut reader).await.unwrap(), kept);
    change!(store, |tx| {
        tx.execute(sql("DELETE FROM service_rules WHERE version = 2")).await?;
    });
    grown("rules deleted").await;
    withdraw(store).await;
    grown("withdrawn").await;
    assert_eq!(offer::find(&mut reader, "referral").await.unwrap(), None);
    assert!(offer::list(&mut reader, 10).await.unwrap().is_empty());
}

async fn withdraw(store: &Store) {
    change!(store, |tx| {
        tx.execute(sql("UPDATE service SET withdrawn_at = $1").bind(NOW)).await?;
    });
}

async fn a_service_is_listed_with_what_it_was_registered_for(databases: Databases) {
    let store = &databases.one;
    let mut reader = databases.two.read();
    let facts = service::facility_facts(&mut reader, FACILITY).await.unwrap();
    assert_eq!(facts, None);
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
        organisation::rename(tx, FACILITY, "青葉", "アオバ", NOW).await?;
        let code = application::Code {
            scheme: CodeScheme::MedicalInstitution,
            value: "1311000010".into(),
        };
        organisation::add_code(tx, FACILITY, &code, NOW).await?;
        let own = Service {
            id: "own".into(),
            organisation_id: Some(FACILITY.into()),
            redirect_uris: vec![],
            ..referral()
        };
        service::add(tx, &own).await?;
    });
    let facts = service::facility_facts(&mut reader, FACILITY).await.unwrap().unwrap();
    assert_eq!((facts.kind.as_str(), facts.name.as_str()), ("hospital", "青葉"));
    assert_eq!((facts.prefecture, facts.prefecture_code().as_str()), (13, "13"));
    assert_eq!(facts.codes, [("medical_institution".to_owned(), "1311000010".to_owned())]);

    let ids = |services: Vec<Service>| services.into_iter().map(|s| s.id).collect::<Vec<_>>();
    assert_eq!(ids(service::list(&mut reader).await.unwrap()), ["own", "referral"]);
    let all = service::registered(&mut reader, None, 0, 10).await.unwrap();
    assert_eq!(all[1], referral());
    let second = service::registered(&mut reader, None, 1, 10).await.unwrap();
    assert_eq!(ids(second), ["referral"]);
    let ours = service::registered(&mut reader, Some(FACILITY), 0, 10).await.unwrap();
    assert_eq!(ids(ours), ["own"]);
    withdraw(store).await;
    assert!(service::list(&mut reader).await.unwrap().is_empty());
    let all = service::registered(&mut reader, None, 0, 10).await.unwrap();
    assert_eq!(all[1].withdrawn_at, Some(NOW));
}

async fn an_ended_session_withdraws_its_tokens_and_tells_its_services(databases: Databases) {
    let store = &databases.one;
    change!(store, |tx| {
        token_grant::add(tx, &grant("g1")).await?;
        session::end(tx, &SESSION, "logout", NOW).await?
    });
    assert_eq!(token_grant::live(&mut databases.two.read(), "g1").await.unwrap(), None);
    let due = async |store: &Store| {
        store.claim_outbox("backchannel_logout", NOW, Duration::MINUTE, 9).await.unwrap()
    };
    assert!(due(store).await.is_empty(), "the service does not want to hear");
    change!(store, |tx| {
        tx.execute(sql("UPDATE service SET backchannel_logout_uri = 'https://referral.example/'"))
            .await?;
        tx.execute(sql("UPDATE session SET ended_at = NULL, end_reason = NULL")).await?;
        session::end(tx, &SESSION, "logout", NOW).await?
    });
    let told = due(&databases.two).await;
    assert_eq!(told.len(), 1);
    assert!(told[0].payload.contains("referral"), "{}", told[0].payload);
}
