//! Requests that are none: form, address, nonce, key, signature.

use axum::body::Body;
use http::{Method, StatusCode, header};
use sekisho_key::SoftwareKey;
use sekisho_protocol::octets::encode;
use serde_json::{Value, json};
use time::Duration;

use super::{
    client::{Client, Signing, signed},
    scene::{HOST, Scene},
};

const PATH: &str = "/acme/new-order";
const JOSE: &str = "application/jose+json";

fn payload() -> Vec<u8> {
    json!({ "identifiers": [{ "type": "dns", "value": HOST }] }).to_string().into_bytes()
}

async fn send(client: &Client<'_>, body: &str) -> super::client::Answer {
    client.send(Method::POST, PATH, Body::from(body.to_owned()), JOSE).await
}

#[tokio::test]
async fn every_answer_has_a_nonce_and_the_way_to_the_directory() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    for answer in [client.order(&[HOST]).await, client.order(&[]).await, send(&client, "").await] {
        assert_eq!(answer.headers["replay-nonce"].to_str().unwrap().len(), 54);
        let index = answer.headers[header::LINK].to_str().unwrap();
        assert_eq!(index, format!("<{}>;rel=\"index\"", client.url("/acme/directory")));
    }
    let directory = client.get("/acme/directory").await.json();
    assert_eq!(directory["meta"]["externalAccountRequired"], true);
    assert_eq!(directory["newOrder"], client.url(PATH));
    assert_eq!(client.get("/acme/new-nonce").await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_nonce_counts_once_and_only_if_it_is_ours_and_young() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let header = client.header(PATH).await;
    let body = signed(&client.key, &header, &payload()).to_string();
    assert_eq!(send(&client, &body).await.status, StatusCode::CREATED);
    let replayed = send(&client, &body).await;
    assert_eq!(replayed.problem(), (400, "badNonce".to_owned()));
    let old = client.header(PATH).await;
    scene.test.clock.advance(Duration::HOUR);
    let mut foreign = client.header(PATH).await;
    foreign["nonce"] = encode([7; 40]).into();
    let mut short = client.header(PATH).await;
    short["nonce"] = "AA".into();
    let mut absent = client.header(PATH).await;
    absent.as_object_mut().unwrap().remove("nonce");
    for header in [old, foreign, short, absent] {
        let signing = Signing { header, payload: &payload(), media_type: JOSE };
        let refused = client.post_signed(PATH, signing).await;
        assert_eq!(refused.problem(), (400, "badNonce".to_owned()));
        // With the nonce of the refusal it goes on.
        let mut next = client.header(PATH).await;
        next["nonce"] = refused.headers["replay-nonce"].to_str().unwrap().into();
        let signing = Signing { header: next, payload: &payload(), media_type: JOSE };
        assert_eq!(client.post_signed(PATH, signing).await.status, StatusCode::CREATED);
    }
}

#[tokio::test]
async fn a_header_that_says_something_else_is_refused() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let stranger = SoftwareKey::generate_p256().unwrap();
    let before = scene.trail("acme.order").await.len();
    let bend = async |change: &dyn Fn(&mut Value)| {
        let mut header = client.header(PATH).await;
        change(&mut header);
        let signing = Signing { header, payload: &payload(), media_type: JOSE };
        client.post_signed(PATH, signing).await.problem()
    };
    let jwk = client.jwk();
    let kid = client.kid.clone().unwrap();
    let is = |status: u16, kind: &str| (status, kind.to_owned());
    assert_eq!(
        bend(&|h| h["url"] = client.url("/acme/key-change").into()).await,
        is(401, "unauthorized")
    );
    assert_eq!(bend(&|h| h["url"] = PATH.into()).await, is(401, "unauthorized"));
    assert_eq!(bend(&|h| h["url"] = Value::Null).await, is(401, "unauthorized"));
    assert_eq!(bend(&|h| h["jwk"] = jwk.clone()).await, is(400, "malformed"));
    assert_eq!(bend(&|h| h["kid"] = Value::Null).await, is(400, "malformed"));
    assert_eq!(bend(&|h| h["kid"] = "x".into()).await, is(400, "accountDoesNotExist"));
    assert_eq!(
        bend(&|h| h["kid"] = format!("{kid}0").into()).await,
        is(400, "accountDoesNotExist")
    );
    assert_eq!(bend(&|h| h["alg"] = "none".into()).await, is(400, "badSignatureAlgorithm"));
    assert_eq!(bend(&|h| h["alg"] = "HS256".into()).await, is(400, "badSignatureAlgorithm"));
    assert_eq!(bend(&|h| h["alg"] = "RS256".into()).await, is(400, "malformed"));
    assert_eq!(bend(&|h| h["crit"] = json!(["b64"])).await, is(400, "malformed"));
    assert_eq!(bend(&|h| h["b64"] = false.into()).await, is(400, "malformed"));
    // By a key in the header where an account is asked for.
    let bare = Client { app: scene.app(), key: SoftwareKey::generate_p256().unwrap(), kid: None };
    assert_eq!(bare.order(&[HOST]).await.problem(), is(400, "malformed"));
    // Another's signature, which is recorded.
    let header = client.header(PATH).await;
    let forged = signed(&stranger, &header, &payload()).to_string();
    assert_eq!(send(&client, &forged).await.problem(), is(400, "malformed"));
    assert_eq!(scene.trail("acme.request").await.last().unwrap(), "acme.request refused");
    assert_eq!(scene.trail("acme.order").await.len(), before);
    // Which algorithms would do is told.
    let mut header = client.header(PATH).await;
    header["alg"] = "ES512".into();
    let signing = Signing { header, payload: &payload(), media_type: JOSE };
    let told = client.post_signed(PATH, signing).await.json();
    assert_eq!(told["algorithms"], json!(["ES256", "PS256", "RS256"]));
}

#[tokio::test]
async fn forged_requests_do_not_fill_the_trail() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let stranger = SoftwareKey::generate_p256().unwrap();
    let mut last = 400;
    for _ in 0..200 {
        let header = client.header(PATH).await;
        let forged = signed(&stranger, &header, &payload()).to_string();
        last = send(&client, &forged).await.status.as_u16();
    }
    assert_eq!(last, 429);
    assert!(scene.trail("acme.request").await.len() < 200);
    // Who signs well is served all the same.
    assert_eq!(client.order(&[HOST]).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_body_that_is_no_request_is_refused() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let header = client.header(PATH).await;
    let whole = signed(&client.key, &header, &payload()).to_string();
    for length in 0..whole.len() {
        let refused = send(&client, &whole[..length]).await;
        assert_eq!(refused.problem(), (400, "malformed".to_owned()), "{length} octets");
    }
    let mut with_header: Value = serde_json::from_str(&whole).unwrap();
    with_header["header"] = json!({ "nonce": "x" });
    let general = json!({ "payload": "", "signatures": [] });
    for body in ["[]", "null", "\u{0}", &with_header.to_string(), &general.to_string()] {
        assert_eq!(send(&client, body).await.problem(), (400, "malformed".to_owned()), "{body}");
    }
    let large = send(&client, &"x".repeat(17 * 1024)).await;
    assert_eq!(large.problem(), (413, "malformed".to_owned()));
    for kind in ["application/json", "", "text/plain"] {
        let body = Body::from(whole.clone());
        let refused = client.send(Method::POST, PATH, body, kind).await;
        assert_eq!(refused.problem(), (415, "malformed".to_owned()), "{kind}");
    }
    for payload in [&b""[..], b"x", b"[]", b"{\"identifiers\": 7}"] {
        let header = client.header(PATH).await;
        let signing = Signing { header, payload, media_type: JOSE };
        let refused = client.post_signed(PATH, signing).await;
        assert_eq!(refused.problem(), (400, "malformed".to_owned()));
    }
    // Of all that nothing was used up.
    assert_eq!(send(&client, &whole).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_client_that_goes_round_in_circles_hears_of_it() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let mut last = client.order(&[HOST]).await;
    for _ in 0..300 {
        last = client.order(&[HOST]).await;
    }
    assert_eq!(last.problem(), (429, "rateLimited".to_owned()));
    assert_eq!(last.headers[header::RETRY_AFTER], "3600");
}

#[tokio::test]
async fn a_door_that_is_closed_says_so() {
    let scene = Scene::with(|settings| settings.acme.enabled = false).await;
    let client = Client::new(scene.app());
    for answer in [
        client.get("/acme/directory").await,
        client.get("/acme/new-nonce").await,
        client.get("/acme/renewal-info/x.y").await,
        send(&client, "{}").await,
    ] {
        assert_eq!(answer.problem(), (404, "malformed".to_owned()));
        assert!(answer.detail().contains("acme.enabled"));
    }
}
