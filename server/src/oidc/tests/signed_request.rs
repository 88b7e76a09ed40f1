//! Requests that a client signed (RFC 9101), and answers that we sign (JARM).

use serde_json::json;

use super::{
    client::{Returned, TestClient},
    own_keys::verified,
    scene::{Scene, payload},
};

async fn scene() -> (Scene, TestClient) {
    let (scene, client) = (Scene::new().await, TestClient::new("signing"));
    scene.register(&client.file("require_signed_request_object = true")).await;
    (scene, client)
}

fn borrowed<'a>(request: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    request.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[tokio::test]
async fn only_what_stands_in_the_object_counts() {
    let (scene, client) = scene().await;
    let request = client.request();
    let object = client.object(&scene, &borrowed(&request), json!({})).await;
    let answer = scene
        .authorize(&[
            ("client_id", client.id),
            ("request", &object),
            ("state", "another"),
            ("scope", "openid"),
        ])
        .await;
    let returned = Returned::of(&answer, &client.redirect_uri());
    assert_eq!(returned.get("state"), Some("st&te"), "{answer:?}");
    let code = returned.get("code").unwrap();
    let tokens = client.post(&scene, "/token", &client.exchange(code), None).await.json();
    assert_eq!(tokens["scope"], "openid profile hc_role facility");
}

#[tokio::test]
async fn an_object_may_hold_numbers_lists_and_objects() {
    let (scene, client) = scene().await;
    let request = client.request();
    let changes = json!({"max_age": 3600, "claims": {"id_token": {"name": null}}});
    let object = client.object(&scene, &borrowed(&request), changes).await;
    let answer = scene.authorize(&[("client_id", client.id), ("request", &object)]).await;
    assert!(Returned::of(&answer, &client.redirect_uri()).get("code").is_some(), "{answer:?}");
}

#[tokio::test]
async fn an_object_that_is_not_wholly_the_client_s_own_for_us_and_in_time_is_refused() {
    let (scene, client) = scene().await;
    let request = client.request();
    let now = scene.test.app.now().unix_timestamp();
    let mut hostile: Vec<(&str, String)> = Vec::new();
    for (name, value) in [
        ("iss", json!("referral")),
        ("client_id", json!("referral")),
        ("aud", json!("https://other.example")),
        ("aud", json!([])),
        ("exp", json!(now)),
        ("nbf", json!(now + 60)),
        ("request", json!("eyJ")),
        ("request_uri", json!("urn:ietf:params:oauth:request_uri:x")),
    ] {
        let changed = client.object(&scene, &borrowed(&request), json!({ name: value })).await;
        hostile.push((name, changed));
    }
    let stranger = TestClient::new("signing");
    hostile.push(("another's key", stranger.object(&scene, &borrowed(&request), json!({})).await));
    let good = client.object(&scene, &borrowed(&request), json!({})).await;
    let (input, signature) = good.rsplit_once('.').unwrap();
    let (_, claims) = input.split_once('.').unwrap();
    for header in [r#"{"alg":"none"}"#, r#"{"alg":"HS256"}"#, r#"{"alg":"ES256","crit":["x"]}"#] {
        let header = sekisho_protocol::octets::encode(header);
        hostile.push(("header", format!("{header}.{claims}.{signature}")));
        hostile.push(("header", format!("{header}.{claims}.")));
    }
    let proof = client.sign(json!({"alg": "ES256", "typ": "dpop+jwt"}), &payload(&good)).await;
    hostile.push(("typ", proof));
    for (what, object) in hostile {
        let answer = scene.authorize(&[("client_id", client.id), ("request", &object)]).await;
        // Its address stands in what cannot be believed: nobody is sent there.
        assert_eq!((answer.status.as_u16(), answer.location()), (400, None), "{what}");
        let mut beside = borrowed(&request);
        beside.push(("request", &object));
        let told = Returned::of(&scene.authorize(&beside).await, &client.redirect_uri());
        assert_eq!(told.get("error"), Some("invalid_request_object"), "{what}");
    }
    assert_eq!(scene.codes().await, 0);
}

#[tokio::test]
async fn an_object_that_ends_while_the_person_logs_in_came_in_time() {
    let (scene, client) = scene().await;
    let object = client.object(&scene, &borrowed(&client.request()), json!({})).await;
    let path = format!("/authorize?client_id={}&request={object}", client.id);
    let parked = scene.get(&path, false, &scene.terminal).await;
    let login = parked.location().unwrap();
    let (_, back) = login.query_pairs().find(|(name, _)| name == "return_to").unwrap();
    scene.test.clock.advance(time::Duration::minutes(6));
    let answer = scene.get(&back, true, &scene.terminal).await;
    assert!(Returned::of(&answer, &client.redirect_uri()).get("code").is_some(), "{answer:?}");
    let late = scene.get(&path, true, &scene.terminal).await;
    assert_eq!((late.status.as_u16(), late.location()), (400, None));
}

#[tokio::test]
async fn a_client_that_promised_to_sign_is_held_to_it() {
    let (scene, client) = scene().await;
    let answer = scene.authorize(&borrowed(&client.request())).await;
    let told = Returned::of(&answer, &client.redirect_uri());
    assert_eq!(told.get("error"), Some("invalid_request"));
    let pushed = client.post(&scene, "/par", &client.request(), None).await;
    assert_eq!(pushed.json()["error"], "invalid_request");
}

#[tokio::test]
async fn a_signed_request_can_be_sent_ahead() {
    let (scene, client) = scene().await;
    let request = client.request();
    let object = client.object(&scene, &borrowed(&request), json!({})).await;
    let reference = client.push(&scene, &[("request", object)]).await;
    assert!(client.answered(&scene, &reference).await.get("code").is_some());
}

#[tokio::test]
async fn an_answer_is_signed_on_request_also_when_it_is_an_error() {
    let (scene, client) = scene().await;
    for (mode, prompt, member) in [
        ("jwt", "", "code"),
        ("query.jwt", "", "code"),
        ("fragment.jwt", "", "code"),
        ("jwt", "create", "error"),
    ] {
        let mut request = client.request();
        request.push(("response_mode", mode.to_owned()));
        if !prompt.is_empty() {
            request.push(("prompt", prompt.to_owned()));
        }
        let object = client.object(&scene, &borrowed(&request), json!({})).await;
        let answer = scene.authorize(&[("client_id", client.id), ("request", &object)]).await;
        let returned = Returned::of(&answer, &client.redirect_uri());
        assert_eq!((returned.get("code"), returned.get("state")), (None, None));
        let response = returned.get("response").unwrap();
        let app = &scene.test.app;
        let claims = verified(app, "JWT", response).await;
        let now = app.now().unix_timestamp();
        assert_eq!(claims["iss"], app.names().public.as_str());
        assert_eq!((&claims["aud"], &claims["state"]), (&json!("signing"), &json!("st&te")));
        assert!(claims["exp"].as_i64().unwrap() <= now + 600);
        assert!(claims[member].is_string(), "{claims}");
    }
}
