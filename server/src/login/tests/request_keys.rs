//! The keys by which agents know the portal: each is told before it signs, and leaves when it must.

use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt;
use sekisho_key::SoftwareKey;
use sekisho_protocol::trust::TerminalTrust;
use sekisho_store::{
    Queries,
    audit::Actor,
    own_key::{self, Purpose},
    sql,
};
use time::Duration;
use tower::ServiceExt;

use super::desk::{Desk, desk, instance, jwk, physician, publish};
use crate::{
    app::App,
    jose::{Algorithm, Signed},
    listener::Peer,
    names::NameRole,
    own_keys::{self, Manner, Rotation},
    router,
    testing::TestApp,
};

async fn with_desk() -> (TestApp, Desk) {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    (test, desk)
}

async fn rotate(app: &App, manner: Manner) -> String {
    let rotation = Rotation {
        purpose: Purpose::LoginRequest,
        store: app.store(),
        sealing: &app.keys().sealing,
        random: app.random(),
        now: app.now(),
        config: app.config(),
        actor: Actor::System,
    };
    rotation.rotate(Algorithm::Es256, manner).await.unwrap().kid
}

/// What the agent of this desk is told to obey.
async fn told(test: &TestApp, desk: &Desk) -> Vec<String> {
    let peer = Peer { role: NameRole::Enrol, ..desk.terminal.peer.clone() };
    let request = Request::builder()
        .uri("/terminal/trust")
        .header(header::HOST, test.app.names().authority(NameRole::Enrol))
        .extension(peer)
        .body(Body::empty())
        .unwrap();
    let response = router::enrol(&test.app).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let trust: TerminalTrust = serde_json::from_slice(&body).unwrap();
    assert_eq!(trust.check(), Ok(()));
    let keys = trust.login_request_keys.keys().iter();
    keys.map(|key| key.kid().unwrap().to_owned()).collect()
}

/// By which key a login begins now.
async fn signing(test: &TestApp, desk: &mut Desk) -> String {
    let challenge = desk.begin(test, false).await;
    let jws = challenge["request"].as_str().unwrap();
    Signed::parse(jws).unwrap().kid().unwrap().to_owned()
}

/// A second later, as the scheduled job of a process looks.
async fn looked(test: &TestApp) {
    test.clock.advance(Duration::seconds(2));
    test.app.login_request_keys().refresh(&test.app).await.unwrap();
}

#[tokio::test]
async fn agents_are_told_of_the_next_key_a_day_before_it_signs_and_of_the_old_one_no_longer() {
    let (test, mut desk) = with_desk().await;
    let app = &test.app;
    let first = signing(&test, &mut desk).await;
    assert_eq!(told(&test, &desk).await, [first.as_str()]);
    let next = rotate(app, Manner::WithOverlap).await;
    looked(&test).await;
    assert_eq!(told(&test, &desk).await, [first.clone(), next.clone()]);
    assert_eq!(signing(&test, &mut desk).await, first);

    test.clock.advance(Duration::hours(23));
    assert_eq!(signing(&test, &mut desk).await, first);
    test.clock.advance(Duration::HOUR);
    publish(&test, &[], app.now()).await;
    assert_eq!(signing(&test, &mut desk).await, next);
    assert_eq!(told(&test, &desk).await, [first.clone(), next.clone()], "clocks differ");
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);

    test.clock.advance(Duration::HOUR);
    assert_eq!(told(&test, &desk).await, [next.as_str()]);
    own_keys::keep_up(app).await.unwrap();
    let mut reader = app.store().read();
    let statement = sql("SELECT sealed_key, public_key_der FROM own_key WHERE kid = $1");
    let (private, public): (Option<Vec<u8>>, Vec<u8>) =
        reader.fetch_one(statement.bind(&first)).await.unwrap();
    assert!(private.is_none() && !public.is_empty(), "what it signed is evidence for years");
}

#[tokio::test]
async fn a_key_that_was_lost_signs_nothing_more_and_no_agent_is_told_of_it() {
    let (test, mut desk) = with_desk().await;
    let first = signing(&test, &mut desk).await;
    // A login that began before is not disturbed.
    let begun = desk.begin(&test, false).await;
    let next = rotate(&test.app, Manner::AtOnce).await;
    looked(&test).await;
    assert_eq!(told(&test, &desk).await, [next.as_str()]);
    let answer = desk.answer(&begun, &physician(), |_| {}).await;
    assert_eq!(desk.submit(&test, &answer).await.status, 200);
    let after = signing(&test, &mut desk).await;
    assert!(after == next && after != first);
}

#[tokio::test]
async fn the_clock_follows_the_key_each_year() {
    let (test, mut desk) = with_desk().await;
    let app = &test.app;
    let first = signing(&test, &mut desk).await;
    let made = async || {
        let now = app.now();
        let keys = own_key::published(&mut app.store().read(), Purpose::LoginRequest, now).await;
        keys.unwrap()
    };
    test.clock.advance(Duration::days(364) - Duration::MINUTE);
    own_keys::keep_up(app).await.unwrap();
    assert_eq!(made().await.len(), 1);
    test.clock.advance(Duration::MINUTE);
    own_keys::keep_up(app).await.unwrap();
    own_keys::keep_up(app).await.unwrap();
    let keys = made().await;
    assert_eq!(keys.len(), 2, "once");
    assert_eq!(keys[0].kid, first);
    let year = app.config().card_login().request_key_period();
    assert_eq!(keys[1].signs_from - keys[0].signs_from, year);
}

#[tokio::test]
async fn the_key_that_a_folder_held_stays_the_one_that_agents_know() {
    let test = instance().await;
    let key = SoftwareKey::generate_p256().unwrap();
    assert!(own_keys::take_over(&test.app, &key).await.unwrap());
    let mut desk = desk(&test, 1).await;
    let held = jwk(&key).named_by_thumbprint();
    assert_eq!(signing(&test, &mut desk).await, held.kid().unwrap());
    // Another process, with its own copy of the folder or with a wrong one.
    let other = SoftwareKey::generate_p256().unwrap();
    assert!(!own_keys::take_over(&test.app, &other).await.unwrap(), "its file stays");
    assert!(own_keys::take_over(&test.app, &key).await.unwrap(), "a copy of the first may go");
    looked(&test).await;
    assert_eq!(told(&test, &desk).await, [held.kid().unwrap()]);
}
