//! FAPI 2.0, Security Profile and Message Signing: what a client of that profile can and cannot do.

use serde_json::{Value, json};

use super::{
    client::{Returned, TestClient},
    scene::{Answer, Scene, payload, query},
};

async fn scene(profile: &str) -> (Scene, TestClient) {
    let (scene, client) = (Scene::new().await, TestClient::new("fapi"));
    let protocol = format!(
        "profile = \"{profile}\"\ndpop_bound_access_tokens = true\n\
         grant_types = [\"authorization_code\", \"refresh_token\"]"
    );
    scene.register(&client.file(&protocol)).await;
    (scene, client)
}

async fn proof(scene: &Scene, client: &TestClient) -> String {
    let url = format!("{}/token", scene.test.app.names().public);
    client.proof(scene, ("POST", &url), None, json!({})).await
}

async fn tokens(scene: &Scene, client: &TestClient, code: &str) -> Answer {
    let proof = proof(scene, client).await;
    client.post(scene, "/token", &client.exchange(code), Some(&proof)).await
}

#[tokio::test]
async fn the_good_way_leads_to_bound_tokens_and_a_lasting_refresh_token() {
    let (scene, client) = scene("fapi2_security").await;
    let reference = client.push(&scene, &client.request()).await;
    let returned = client.answered(&scene, &reference).await;
    assert_eq!(returned.get("iss"), Some(scene.test.app.names().public.as_str()));
    let answer = tokens(&scene, &client, returned.get("code").unwrap()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let first = answer.json();
    assert_eq!(first["token_type"], "DPoP");
    for _ in 0..2 {
        let form = [
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", first["refresh_token"].as_str().unwrap().to_owned()),
        ];
        let proof = proof(&scene, &client).await;
        let again = client.post(&scene, "/token", &form, Some(&proof)).await;
        assert_eq!(again.status, 200, "{again:?}");
        assert!(again.json().get("refresh_token").is_none(), "no rotation (§5.3.2.1)");
    }
}

#[tokio::test]
async fn a_request_in_the_address_and_an_unbound_token_are_refused() {
    let (scene, client) = scene("fapi2_security").await;
    let request = client.request();
    let plain: Vec<_> = request.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let told = Returned::of(&scene.authorize(&plain).await, &client.redirect_uri());
    assert_eq!(told.get("error"), Some("invalid_request"));
    let reference = client.push(&scene, &request).await;
    let returned = client.answered(&scene, &reference).await;
    let code = returned.get("code").unwrap();
    let unbound = client.post(&scene, "/token", &client.exchange(code), None).await;
    assert_eq!(unbound.json()["error"], "invalid_dpop_proof");
}

#[tokio::test]
async fn an_assertion_names_the_issuer_as_a_string_and_nothing_else() {
    let (scene, client) = scene("fapi2_security").await;
    let issuer = &scene.test.app.names().public;
    let now = scene.test.app.now().unix_timestamp();
    let ask = async |aud: Value, alg: &str| {
        let claims = json!({
            "iss": "fapi", "sub": "fapi", "aud": aud, "exp": now + 60,
            "jti": uuid::Uuid::new_v4().to_string(),
        });
        let assertion = client.sign(json!({"alg": alg, "kid": client.key.0}), &claims).await;
        let mut form = client.request();
        form.push(("client_assertion", assertion));
        form.push((
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
        ));
        scene.public("POST", "/par", &[], &query(&form)).await.status.as_u16()
    };
    assert_eq!(ask(json!(issuer), "ES256").await, 201);
    for aud in [
        json!([issuer]),
        json!(format!("{issuer}/token")),
        json!(format!("{issuer}/par")),
        json!(format!("{issuer}/")),
        json!([issuer, "https://other.example"]),
    ] {
        assert_eq!(ask(aud.clone(), "ES256").await, 401, "{aud}");
    }
    for alg in ["none", "HS256", "RS256"] {
        assert_eq!(ask(json!(issuer), alg).await, 401, "{alg}");
    }
}

#[tokio::test]
async fn message_signing_wants_signed_requests_of_the_last_hour_and_signed_answers() {
    let (scene, client) = scene("fapi2_message_signing").await;
    let mut request = client.request();
    request.push(("response_mode", "jwt".to_owned()));
    let plain: Vec<_> = request.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let now = scene.test.app.now().unix_timestamp();
    let push =
        async |object: String| client.post(&scene, "/par", &[("request", object)], None).await;
    let unsigned = client.post(&scene, "/par", &request, None).await;
    assert_eq!(unsigned.json()["error"], "invalid_request");
    for changes in [
        json!({"nbf": null}),
        json!({"exp": null}),
        json!({"nbf": now - 3_601}),
        json!({"nbf": now, "exp": now + 3_601}),
        json!({"nbf": now + 60}),
        json!({"exp": now}),
    ] {
        let answer = push(client.object(&scene, &plain, changes.clone()).await).await;
        assert_eq!(answer.json()["error"], "invalid_request_object", "{changes}");
    }
    let loud = client.object(&scene, &plain, json!({"response_mode": "query"})).await;
    assert_eq!(push(loud).await.json()["error"], "invalid_request", "answers are signed");
    let good = push(client.object(&scene, &plain, json!({})).await).await.json();
    let returned = client.answered(&scene, good["request_uri"].as_str().unwrap()).await;
    let response = payload(returned.get("response").unwrap());
    let answer = tokens(&scene, &client, response["code"].as_str().unwrap()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
