//! What this instance signs for services, in each algorithm and past a change of keys.

use std::sync::Arc;

use sekisho_store::own_key::{self, Purpose};
use serde_json::{Value, json};
use time::{Duration, format_description::well_known::Rfc3339};

use super::{
    client::Returned,
    scene::{PHYSICIANS, Scene, payload, query, service_file},
};
use crate::{
    app::App,
    clock::{Clock, ManualClock},
    instance::tests::{make, plan},
    jose::{Algorithm, ClientKeys, Signed},
    own_keys::{self, Manner, OwnKeyError, Rotation},
    testing,
};

/// These claims under our own key.
pub(super) async fn signed(app: &App, typ: &str, claims: &Value) -> String {
    app.token_keys().sign(app, Algorithm::Es256, typ, claims).await.unwrap()
}

/// The claims, as a service reads them: with the published keys alone.
pub(super) async fn verified(app: &App, typ: &str, text: &str) -> Value {
    let keys = ClientKeys::read(&app.token_keys().published(app).await.unwrap()).unwrap();
    let signed = Signed::parse(text).unwrap();
    assert_eq!(signed.typ().unwrap(), typ.to_lowercase());
    signed.verified(&keys).unwrap()
}

fn kid(text: &str) -> String {
    Signed::parse(text).unwrap().kid().unwrap().to_owned()
}

fn rotation(app: &App) -> Rotation<'_> {
    Rotation {
        purpose: Purpose::Token,
        store: app.store(),
        sealing: &app.keys().sealing,
        random: app.random(),
        now: app.now(),
        config: app.config(),
        actor: sekisho_store::audit::Actor::System,
    }
}

async fn published(app: &App) -> Vec<Value> {
    app.token_keys().published(app).await.unwrap()["keys"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_service_gets_what_it_is_signed_in_the_algorithm_that_it_registered() {
    let scene = Scene::new().await;
    let app = &scene.test.app;
    for (algorithm, id) in [("RS256", "plain-rsa"), ("PS256", "pss")] {
        let keys = format!(
            "\n[protocol]\nid_token_signed_response_alg = \"{algorithm}\"\n\
             userinfo_signed_response_alg = \"{algorithm}\"\n\
             authorization_signed_response_alg = \"{algorithm}\"\n[[rules]]"
        );
        let file = service_file(id, PHYSICIANS).replace("client_secret_basic", "none");
        scene.register(&file.replace("\n[[rules]]", &keys)).await;
        let callback = format!("https://{id}.example/callback");
        let mut request = Scene::request_of(id, &callback);
        request.push(("response_mode", "jwt"));
        let returned = Returned::of(&scene.authorize(&request).await, &callback);
        let response = returned.get("response").unwrap();
        assert_eq!(Signed::parse(response).unwrap().algorithm().as_str(), algorithm);
        let code = verified(app, "JWT", response).await["code"].as_str().unwrap().to_owned();
        let mut form = Scene::exchange_at(&callback, &code);
        form.push(("client_id", id.to_owned()));
        let tokens = scene.public("POST", "/token", &[], &query(&form)).await.json();
        let id_token = tokens["id_token"].as_str().unwrap();
        assert_eq!(Signed::parse(id_token).unwrap().algorithm().as_str(), algorithm);
        assert_eq!(verified(app, "JWT", id_token).await["aud"], id);
        let access = tokens["access_token"].as_str().unwrap();
        assert_eq!(Signed::parse(access).unwrap().algorithm(), Algorithm::Es256);
        let told = scene.userinfo(access).await.body;
        assert_eq!(Signed::parse(&told).unwrap().algorithm().as_str(), algorithm);
        assert_eq!(verified(app, "JWT", &told).await["sub"], payload(id_token)["sub"]);
        let mut again = Scene::request_of(id, &callback);
        again.extend([("id_token_hint", id_token), ("prompt", "none")]);
        let returned = Returned::of(&scene.authorize(&again).await, &callback);
        assert!(returned.get("code").is_some(), "{algorithm}");
    }
    let algorithms: Vec<_> = published(app).await.iter().map(|key| key["alg"].clone()).collect();
    assert_eq!(algorithms.len(), 3, "one key each: {algorithms:?}");
}

#[tokio::test]
async fn no_token_fails_while_one_key_follows_another() {
    let scene = Scene::new().await;
    let app = &scene.test.app;
    let tokens = scene.token(&Scene::exchange(&scene.code().await)).await.json();
    let before = tokens["access_token"].as_str().unwrap();
    let next = rotation(app).rotate(Algorithm::Es256, Manner::WithOverlap).await.unwrap();
    assert_eq!(published(app).await.len(), 1, "known to this process within a second");
    scene.test.clock.advance(Duration::seconds(2));
    let kids: Vec<_> = published(app).await.iter().map(|key| key["kid"].clone()).collect();
    assert_eq!(kids, [json!(kid(before)), json!(next.kid)]);
    let still = signed(app, "JWT", &json!({})).await;
    assert_eq!(kid(&still), kid(before), "nobody has seen the new one yet");
    let early = rotation(app).rotate(Algorithm::Es256, Manner::WithOverlap).await.unwrap_err();
    let OwnKeyError::NotYetSigning { signs_from } = early else { panic!("{early}") };
    assert!(early.to_string().contains(&signs_from.format(&Rfc3339).unwrap()), "{early}");

    scene.test.clock.advance(Duration::minutes(9));
    assert_eq!(scene.userinfo(before).await.status, 200);
    scene.test.clock.advance(Duration::minutes(1));
    let after = signed(app, "JWT", &json!({})).await;
    assert_eq!(kid(&after), next.kid);
    let hint: Option<Value> =
        app.token_keys().verified(app, tokens["id_token"].as_str().unwrap(), "JWT").await.unwrap();
    assert!(hint.is_some(), "a logout may still bring an old ID token");

    scene.test.clock.advance(Duration::days(2));
    assert_eq!(published(app).await.len(), 1);
    let gone: Option<Value> = app.token_keys().verified(app, before, "at+jwt").await.unwrap();
    assert!(gone.is_none());
}

#[tokio::test]
async fn a_key_that_was_lost_counts_no_longer_at_once() {
    let scene = Scene::new().await;
    let app = &scene.test.app;
    let tokens = scene.token(&Scene::exchange(&scene.code().await)).await.json();
    let stolen = tokens["access_token"].as_str().unwrap();
    let first = kid(stolen);
    rotation(app).rotate(Algorithm::Es256, Manner::WithOverlap).await.unwrap();
    scene.test.clock.advance(Duration::seconds(2));
    let next = rotation(app).rotate(Algorithm::Es256, Manner::AtOnce).await.unwrap();
    // As the scheduled job does.
    app.token_keys().refresh(app).await.unwrap();
    let kids: Vec<_> = published(app).await.iter().map(|key| key["kid"].clone()).collect();
    assert_eq!(kids, [json!(next.kid)]);
    assert_ne!(first, next.kid);
    assert_eq!(scene.userinfo(stolen).await.status, 401);
    let fresh = signed(app, "JWT", &json!({})).await;
    assert_eq!(kid(&fresh), next.kid);
    scene.test.clock.advance(Duration::minutes(10));
    own_keys::keep_up(app).await.unwrap();
    let until = app.now();
    let mut reader = app.store().read();
    let kept = own_key::signed_until(&mut reader, Purpose::Token, until).await.unwrap();
    assert!(kept.is_empty(), "the private half of what left is forgotten, too");
}

#[tokio::test]
async fn the_clock_follows_a_key_and_forgets_its_private_half() {
    let scene = Scene::new().await;
    let app = &scene.test.app;
    let first = kid(&signed(app, "JWT", &json!({})).await);
    let period = app.config().oidc().token_key_period();
    let stored = async || {
        let now = app.now();
        own_key::published(&mut app.store().read(), Purpose::Token, now).await.unwrap()
    };
    scene.test.clock.advance(period - Duration::minutes(11));
    own_keys::keep_up(app).await.unwrap();
    assert_eq!(stored().await.len(), 1);
    scene.test.clock.advance(Duration::minutes(1));
    own_keys::keep_up(app).await.unwrap();
    own_keys::keep_up(app).await.unwrap();
    let keys = stored().await;
    assert_eq!(keys.len(), 2, "once");
    assert!(keys.iter().all(|key| key.sealed_key.is_some()));
    app.token_keys().refresh(app).await.unwrap();
    assert_eq!(kid(&signed(app, "JWT", &json!({})).await), first);
    scene.test.clock.advance(Duration::minutes(10));
    assert_ne!(kid(&signed(app, "JWT", &json!({})).await), first, "on the minute");
    scene.test.clock.advance(Duration::minutes(10));
    own_keys::keep_up(app).await.unwrap();
    let keys = stored().await;
    assert_eq!(keys[0].kid, first);
    assert!(keys[0].sealed_key.is_none() && keys[1].sealed_key.is_some());
    app.token_keys().refresh(app).await.unwrap();
    assert_eq!(published(app).await.len(), 2, "what it signed still verifies");
}

#[tokio::test]
async fn two_processes_that_need_a_first_key_agree_on_one() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    make(&plan(&dir, |_| {})).await.unwrap();
    let clock = Arc::new(ManualClock::new(time::OffsetDateTime::now_utc()));
    let (one, _) = testing::app_over(&dir, Arc::clone(&clock)).await;
    let (two, _) = testing::app_over(&dir, Arc::clone(&clock)).await;
    let one = &one;
    let claims = json!({});
    let (left, right) = tokio::join!(
        one.token_keys().sign(one, Algorithm::Rs256, "JWT", &claims),
        two.token_keys().sign(&two, Algorithm::Rs256, "JWT", &claims),
    );
    let (left, right) = (left.unwrap(), right.unwrap());
    assert_eq!(kid(&left), kid(&right));
    // A process whose clock is behind finds a first key that was made in its future.
    let behind = Arc::new(ManualClock::new(clock.now() - Duration::seconds(5)));
    let (late, _) = testing::app_over(&dir, behind).await;
    let token = late.token_keys().sign(&late, Algorithm::Rs256, "JWT", &claims).await.unwrap();
    assert_eq!(kid(&token), kid(&left));
    assert!(one.token_keys().verified::<Value>(one, &right, "JWT").await.unwrap().is_some());
    // A key that another process made after this one looked.
    let late = rotation(one).rotate(Algorithm::Rs256, Manner::AtOnce).await.unwrap();
    clock.advance(Duration::seconds(2));
    let token = two.token_keys().sign(&two, Algorithm::Rs256, "JWT", &claims).await.unwrap();
    assert_eq!(kid(&token), kid(&left), "the job of this process has not looked yet");
    two.token_keys().refresh(&two).await.unwrap();
    let token = two.token_keys().sign(&two, Algorithm::Rs256, "JWT", &claims).await.unwrap();
    assert_eq!(kid(&token), late.kid);
    assert!(one.token_keys().verified::<Value>(one, &token, "JWT").await.unwrap().is_some());
}
