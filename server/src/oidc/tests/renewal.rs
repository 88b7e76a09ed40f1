//! A session whose person proved themself again: what services hold stays good, and ends with it.

use sekisho_protocol::octets::encode;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    session::{self, Realm, Session},
    transaction,
};
use sha2::{Digest, Sha256};
use time::Duration;

use super::scene::{Scene, payload, query};

/// As the card login does it, a minute later, under a new cookie.
async fn renew(scene: &mut Scene) {
    scene.test.clock.advance(Duration::minutes(1));
    let now = scene.test.app.now();
    let identifier = [8; 32];
    let mut reader = scene.test.app.store().read();
    let found = session::find(&mut reader, Realm::Portal, &scene.session_hash).await.unwrap();
    let by = Session {
        id_hash: Sha256::digest(identifier).into(),
        auth_time: now,
        expires_at: now + Duration::hours(8),
        ..found.unwrap()
    };
    let hash = scene.session_hash;
    let renewed: Result<bool, StoreError> =
        transaction!(scene.test.app.store(), StoreError, |tx| {
            let renewed = session::renew(tx, &hash, &by).await?;
            Ok(Audited::new(renewed, Entry::done("test.renew", Actor::System, now)))
        });
    assert!(renewed.unwrap());
    scene.cookie = format!("__Host-session={}", encode(identifier));
}

#[tokio::test]
async fn tokens_outlive_a_renewal_and_die_with_the_session() {
    let mut scene = Scene::new().await;
    let before = scene.token(&Scene::exchange(&scene.code().await)).await.json();
    let access = before["access_token"].as_str().unwrap().to_owned();
    renew(&mut scene).await;
    assert_eq!(scene.userinfo(&access).await.status, 200);

    let after = scene.token(&Scene::exchange(&scene.code().await)).await.json();
    let (old, new) = (
        payload(before["id_token"].as_str().unwrap()),
        payload(after["id_token"].as_str().unwrap()),
    );
    assert_eq!((&old["sub"], &old["sid"]), (&new["sub"], &new["sid"]));
    assert_eq!(new["auth_time"].as_i64().unwrap() - old["auth_time"].as_i64().unwrap(), 60);

    // The hint of before the renewal names the session still.
    let hint = [("id_token_hint", before["id_token"].as_str().unwrap())];
    scene.get(&format!("/end-session?{}", query(&hint)), true, &scene.terminal).await;
    assert_eq!(scene.count("SELECT COUNT(*) FROM session WHERE ended_at IS NULL").await, 0);
    assert_eq!(scene.userinfo(&access).await.status, 401);
}

#[tokio::test]
async fn the_cookie_of_before_a_renewal_gets_no_code() {
    let mut scene = Scene::new().await;
    let old = scene.cookie.clone();
    renew(&mut scene).await;
    scene.cookie = old;
    let answer = scene.authorize(&Scene::request()).await;
    assert_eq!(answer.location().unwrap().path(), "/login");
    assert_eq!(scene.codes().await, 0);
}

#[tokio::test]
async fn a_renewal_after_the_request_satisfies_prompt_login_and_max_age() {
    for (name, value) in [("prompt", "login"), ("max_age", "30")] {
        let mut scene = Scene::new().await;
        scene.test.clock.advance(Duration::minutes(1));
        let answer = scene.authorize(&Scene::request_with(name, value)).await;
        let location = answer.location().unwrap();
        let (_, back) = location.query_pairs().next().unwrap();
        renew(&mut scene).await;
        let answer = scene.get(&back, true, &scene.terminal).await;
        assert!(answer.returned("code").is_some(), "{name}: {answer:?}");
    }
}
