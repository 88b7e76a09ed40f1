//! What a service of the sandbox is seen to do, and the trials that its owner asks for.

use std::sync::{Arc, Mutex};

use axum::{Form, Router, extract::State, routing::post};
use http::{StatusCode, header};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    service,
    service_check::{self, Line, Seen, State as Standing},
    transaction,
};
use serde_json::{Value, json};
use time::Duration;

use super::{
    client::TestClient,
    dynamic::{CALLBACK, approve, authorize, login, metadata, registered, sandbox_with, word},
    own_keys::verified,
    scene::{Scene, basic, payload, query},
};
use crate::{
    config::Settings,
    http_date,
    jose::Signed,
    oidc::self_check::{TAKEN, TRIAL, notice, with_wrong_signature},
    outbox::{Deliverers, deliver_due},
};

async fn sandbox() -> Scene {
    sandbox_with(Settings::default()).await
}

/// How a line stands, and what was seen.
async fn stands(scene: &Scene, told: &Value, line: Line) -> Option<(Standing, String)> {
    let id = word(told, "client_id");
    let found = service_check::find(&mut scene.test.app.store().read(), id, line).await.unwrap();
    found.map(|seen| (seen.state, seen.detail))
}

/// As the owner's button does.
async fn ask(scene: &Scene, told: &Value, line: Line) {
    let (app, now) = (&scene.test.app, scene.test.app.now());
    let id = word(told, "client_id");
    let asked = Seen { state: Standing::Asked, detail: String::new(), grant_id: None, at: now };
    transaction!(app.store(), StoreError, |tx| {
        service_check::put(tx, id, line, &asked).await?;
        if line == Line::Notice {
            notice::put(tx, id, now).await?;
        }
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
}

/// Whether the published keys verify it.
async fn verifies(scene: &Scene, jws: &str) -> bool {
    let published = scene.test.app.token_keys().published(&scene.test.app).await.unwrap();
    let keys = crate::jose::ClientKeys::read(&published).unwrap();
    Signed::parse(jws).unwrap().verified::<Value>(&keys).is_ok()
}

#[tokio::test]
async fn a_code_that_comes_back_rightly_or_wrongly_is_seen_in_the_sandbox_only() {
    let scene = sandbox().await;
    let told = registered(&scene, &metadata()).await;
    assert_eq!(stands(&scene, &told, Line::Redirect).await, None);
    let (id, secret) = (word(&told, "client_id"), word(&told, "client_secret"));
    for (field, value, detail) in [
        ("code_verifier", "a".repeat(43), "wrong_verifier"),
        ("redirect_uri", "https://itself.example/other".to_owned(), "other_redirect_uri"),
    ] {
        let answer = authorize(&scene, &told).await;
        let returned = super::client::Returned::of(&answer, CALLBACK);
        let mut form = Scene::exchange_at(CALLBACK, returned.get("code").unwrap());
        form.iter_mut().find(|(name, _)| *name == field).unwrap().1 = value;
        assert_eq!(scene.token_as(id, secret, &form).await.status, 400);
        let bad = Some((Standing::Bad, detail.to_owned()));
        assert_eq!(stands(&scene, &told, Line::Redirect).await, bad);
    }
    login(&scene, &told).await;
    let good = Some((Standing::Good, String::new()));
    assert_eq!(stands(&scene, &told, Line::Redirect).await, good);
    assert_eq!(scene.count("SELECT COUNT(*) FROM service_check").await, 1);

    let scene = Scene::new().await;
    scene.token(&Scene::exchange(&scene.code().await)).await;
    assert_eq!(scene.count("SELECT COUNT(*) FROM service_check").await, 0, "it is live");
}

#[tokio::test]
async fn one_login_has_a_wrong_signature_and_whoever_asks_again_has_refused_it() {
    let scene = sandbox().await;
    let told = registered(&scene, &metadata()).await;
    ask(&scene, &told, Line::Signature).await;
    let tokens = login(&scene, &told).await;
    let id_token = word(&tokens, "id_token");
    assert!(!verifies(&scene, id_token).await);
    assert!(verifies(&scene, &with_wrong_signature(id_token)).await, "the rest is right");
    assert!(verifies(&scene, word(&tokens, "access_token")).await);
    let open = Some((Standing::Open, String::new()));
    assert_eq!(stands(&scene, &told, Line::Signature).await, open);

    let again = login(&scene, &told).await;
    let claims: Value = verified(&scene.test.app, "JWT", word(&again, "id_token")).await;
    assert_eq!(claims["sub"], payload(id_token)["sub"]);
    let good = Some((Standing::Good, String::new()));
    assert_eq!(stands(&scene, &told, Line::Signature).await, good);
    // What the later login brought may be used.
    scene.userinfo(word(&again, "access_token")).await;
    assert_eq!(stands(&scene, &told, Line::Signature).await, good);
}

#[tokio::test]
async fn whoever_uses_what_came_with_the_wrong_signature_has_not_verified_it() {
    let scene = sandbox().await;
    let told = registered(&scene, &metadata()).await;
    ask(&scene, &told, Line::Signature).await;
    let tokens = login(&scene, &told).await;
    assert_eq!(scene.userinfo(word(&tokens, "access_token")).await.status, 200);
    let bad = Some((Standing::Bad, TAKEN.to_owned()));
    assert_eq!(stands(&scene, &told, Line::Signature).await, bad);
    login(&scene, &told).await;
    assert_eq!(stands(&scene, &told, Line::Signature).await, bad, "it stays so until a new trial");
    let acts = scene.acts().await;
    assert!(acts.iter().any(|act| act == "service.check done"), "{acts:#?}");
}

#[tokio::test]
async fn a_trial_that_nobody_began_in_time_or_that_a_live_service_had_is_none() {
    let scene = sandbox().await;
    let told = registered(&scene, &metadata()).await;
    ask(&scene, &told, Line::Signature).await;
    scene.test.clock.advance(TRIAL);
    let tokens = login(&scene, &told).await;
    assert!(verifies(&scene, word(&tokens, "id_token")).await);

    let scene = Scene::new().await;
    let told = registered(&scene, &metadata()).await;
    ask(&scene, &told, Line::Signature).await;
    approve(&scene, &told).await;
    let tokens = login(&scene, &told).await;
    assert!(verifies(&scene, word(&tokens, "id_token")).await, "people depend on it");
}

/// What the endpoint of a test does, and what it was sent.
#[derive(Clone)]
struct Endpoint {
    /// Answers to the right token and to the wrong one.
    statuses: [u16; 2],
    date: String,
    heard: Arc<Mutex<Vec<String>>>,
}

async fn receive(
    State(endpoint): State<Endpoint>,
    Form(form): Form<Vec<(String, String)>>,
) -> (StatusCode, [(header::HeaderName, String); 1]) {
    let mut heard = endpoint.heard.lock().unwrap();
    let status = endpoint.statuses[heard.len() % 2];
    heard.extend(form.into_iter().map(|(_, value)| value));
    (StatusCode::from_u16(status).unwrap(), [(header::DATE, endpoint.date.clone())])
}

#[tokio::test]
async fn an_endpoint_gets_a_right_token_and_a_wrong_one_and_its_clock_is_read() {
    let mut settings = Settings::default();
    settings.oidc.allow_loopback_clients = true;
    let scene = sandbox_with(settings).await;
    let app = &scene.test.app;
    for (statuses, ahead, notice_stands, clock) in [
        ([200, 400], 3, (Standing::Good, String::new()), (Standing::Good, String::new())),
        ([200, 200], 90, (Standing::Bad, "believes".into()), (Standing::Bad, "90".into())),
        ([404, 404], -200, (Standing::Bad, "404".into()), (Standing::Bad, "-200".into())),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let date = http_date::write(app.now() + Duration::seconds(ahead));
        let endpoint = Endpoint { statuses, date, heard: Arc::default() };
        let router = Router::new().route("/told", post(receive)).with_state(endpoint.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut document = metadata();
        document["backchannel_logout_uri"] = json!(format!("http://127.0.0.1:{port}/told"));
        let told = registered(&scene, &document).await;
        ask(&scene, &told, Line::Notice).await;
        deliver_due(app, &Deliverers::new().with(notice::KIND, notice::deliver)).await.unwrap();

        let heard = endpoint.heard.lock().unwrap().clone();
        let [right, wrong] = &heard[..] else { panic!("{heard:?}") };
        assert!(verifies(&scene, right).await && !verifies(&scene, wrong).await);
        let claims: Value = verified(app, "logout+jwt", right).await;
        assert_eq!(claims["aud"], told["client_id"]);
        assert_eq!(stands(&scene, &told, Line::Notice).await, Some(notice_stands), "{statuses:?}");
        assert_eq!(stands(&scene, &told, Line::Clock).await, Some(clock), "{ahead}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_seen_and_not_tried_again() {
    let mut settings = Settings::default();
    settings.oidc.allow_loopback_clients = true;
    let scene = sandbox_with(settings).await;
    let mut document = metadata();
    // Bound and gone: nobody listens there.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = port.local_addr().unwrap().port();
    document["backchannel_logout_uri"] = json!(format!("http://127.0.0.1:{port}/told"));
    let told = registered(&scene, &document).await;
    ask(&scene, &told, Line::Notice).await;
    let app = &scene.test.app;
    deliver_due(app, &Deliverers::new().with(notice::KIND, notice::deliver)).await.unwrap();
    let bad = Some((Standing::Bad, notice::UNREACHABLE.to_owned()));
    assert_eq!(stands(&scene, &told, Line::Notice).await, bad);
    assert_eq!(scene.count("SELECT COUNT(*) FROM outbox WHERE done_at IS NULL").await, 0);
    let found = service::find(&mut app.store().read(), word(&told, "client_id")).await.unwrap();
    crate::oidc::self_check::clock_seen(app, &found.unwrap(), -60).await.unwrap();
    let good = Some((Standing::Good, String::new()));
    assert_eq!(stands(&scene, &told, Line::Clock).await, good);
}

#[tokio::test]
async fn what_a_service_signs_tells_of_its_clock_also_where_it_is_refused_for_that() {
    let scene = sandbox().await;
    let client = TestClient::new("itself");
    let now = scene.test.app.now().unix_timestamp();
    let issuer = scene.test.app.names().public.clone();
    let told = registered(&scene, &metadata()).await;
    let (id, secret) = (word(&told, "client_id"), word(&told, "client_secret"));
    let basic = basic(id, secret);
    let form = query(&Scene::exchange_at(CALLBACK, "x"));
    let url = format!("{issuer}/token");
    for (ahead, expected) in [
        (90, (Standing::Bad, "90".to_owned())),
        (-5, (Standing::Good, String::new())),
        (-61, (Standing::Bad, "-61".to_owned())),
    ] {
        let changes = json!({ "iat": now + ahead });
        let proof = client.proof(&scene, ("POST", &url), None, changes).await;
        let headers = [("authorization", basic.as_str()), ("dpop", &proof)];
        assert_eq!(scene.public("POST", "/token", &headers, &form).await.status, 400);
        assert_eq!(stands(&scene, &told, Line::Clock).await, Some(expected), "{ahead}");
    }

    // Whoever knows the name of a client without authentication could say this in its place.
    let mut document = metadata();
    document["token_endpoint_auth_method"] = "none".into();
    let told = registered(&scene, &document).await;
    let mut named = Scene::exchange_at(CALLBACK, "x");
    named.push(("client_id", word(&told, "client_id").to_owned()));
    let proof = client.proof(&scene, ("POST", &url), None, json!({ "iat": now + 90 })).await;
    let answer = scene.public("POST", "/token", &[("dpop", &proof)], &query(&named)).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(stands(&scene, &told, Line::Clock).await, None);

    let mut document = metadata();
    document["token_endpoint_auth_method"] = "private_key_jwt".into();
    document["jwks"] = json!({ "keys": [client.jwk()] });
    let told = registered(&scene, &document).await;
    let id = word(&told, "client_id");
    let claims = json!({
        "iss": id, "sub": id, "aud": issuer, "jti": "1", "iat": now + 90, "exp": now + 120,
    });
    let assertion = client.sign(json!({ "alg": "ES256" }), &claims).await;
    let mut form = Scene::exchange_at(CALLBACK, "x");
    form.push((
        "client_assertion_type",
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
    ));
    form.push(("client_assertion", assertion));
    let refused = scene.public("POST", "/token", &[], &query(&form)).await;
    assert_eq!(refused.json()["error"], "invalid_client", "{refused:?}");
    let bad = Some((Standing::Bad, "90".to_owned()));
    assert_eq!(stands(&scene, &told, Line::Clock).await, bad);
}
