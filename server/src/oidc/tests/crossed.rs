//! Answers that are brought where they do not belong: of another provider (mix-up, RFC 9207), or of another
//! login (code injection, RFC 9700 §4.5).

use serde_json::{Value, json};

use super::{
    client::{Returned, TestClient},
    scene::{Answer, PHYSICIANS, REDIRECT, Scene, payload, service_file},
};
use crate::config::Settings;

/// Two providers with the same service, and with no name or key in common.
async fn two_providers() -> (Scene, Scene) {
    let mut settings = Settings::default();
    let names = &mut settings.names;
    for name in [&mut names.public, &mut names.terminal, &mut names.mtls] {
        *name = name.replace("sekisho", "other");
    }
    let (one, other) = (Scene::new().await, Scene::with(settings).await);
    assert_ne!(one.test.app.names().public, other.test.app.names().public);
    (one, other)
}

fn error(answer: &Answer) -> Value {
    assert!(answer.status.is_client_error(), "{answer:?}");
    answer.json()["error"].clone()
}

#[tokio::test]
async fn every_answer_names_the_provider_that_gave_it_whatever_it_says_and_however_it_comes() {
    let (one, other) = two_providers().await;
    for scene in [&one, &other] {
        let own = scene.test.app.names().public.as_str();
        let metadata = scene.public("GET", "/.well-known/openid-configuration", &[], "").await;
        let metadata = metadata.json();
        assert_eq!(metadata["issuer"], own);
        assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
        let good = scene.authorize(&Scene::request()).await;
        assert_eq!(good.returned("iss").as_deref(), Some(own));
        let refused = scene.authorize(&Scene::request_with("scope", "everything")).await;
        assert_eq!(refused.returned("error").as_deref(), Some("invalid_scope"));
        assert_eq!(refused.returned("iss").as_deref(), Some(own), "of an error as well");
        let fragment = scene.authorize(&Scene::request_with("response_mode", "fragment")).await;
        assert_eq!(Returned::of(&fragment, REDIRECT).get("iss"), Some(own));
        let form = scene.authorize(&Scene::request_with("response_mode", "form_post")).await;
        assert!(form.body.contains(&format!("value=\"{own}\"")), "{}", form.body);
        let signed = scene.authorize(&Scene::request_with("response_mode", "jwt")).await;
        assert_eq!(payload(&signed.returned("response").unwrap())["iss"], own);
    }
}

/// The client was led to one provider, thinks that it is at the other, and compares nothing.
#[tokio::test]
async fn what_one_provider_gave_is_worth_nothing_at_the_other_and_is_not_spoilt_there() {
    let (one, other) = two_providers().await;
    let code = one.code().await;
    let exchange = Scene::exchange(&code);
    assert_eq!(error(&other.token(&exchange).await), "invalid_grant");
    assert_eq!(other.grants().await, 0);
    let tokens = one.token(&exchange).await;
    assert_eq!(tokens.status, 200, "its own provider takes it: {tokens:?}");
    let tokens = tokens.json();
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    assert_eq!(other.userinfo(&text("access_token")).await.status, 401);
    let hint = text("id_token");
    let mut hinted = Scene::request();
    hinted.push(("id_token_hint", &hint));
    let answer = other.authorize(&hinted).await;
    assert_eq!(answer.returned("error").as_deref(), Some("invalid_request"));
    assert_eq!(other.codes().await, 0);
}

/// A provider that turns against its client hands on what the client signs for it.
#[tokio::test]
async fn what_a_client_signs_for_one_provider_is_refused_by_the_other() {
    let (one, other) = two_providers().await;
    let client = TestClient::new("signing");
    let file = client.file("");
    one.register(&file).await;
    other.register(&file).await;
    let mut form = client.request();
    form.extend(client.assertion(&one).await);
    let body = super::scene::query(&form);
    let crossed = other.public("POST", "/par", &[], &body).await;
    assert_eq!(error(&crossed), "invalid_client");
    let taken = one.public("POST", "/par", &[], &body).await;
    assert_eq!(taken.status, 201, "it was not used up: {taken:?}");
    let request = client.request();
    let borrowed: Vec<_> = request.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let object = client.object(&one, &borrowed, json!({})).await;
    let uri = client.redirect_uri();
    let sent = [("client_id", client.id), ("redirect_uri", uri.as_str()), ("request", &object)];
    let crossed = Returned::of(&other.authorize(&sent).await, &uri);
    assert_eq!(crossed.get("error"), Some("invalid_request_object"));
    assert!(Returned::of(&one.authorize(&sent).await, &uri).get("code").is_some());
}

/// Somebody puts a stolen code into a login of their own: the client brings the verifier of that login.
#[tokio::test]
async fn an_injected_code_does_not_fit_the_verifier_of_the_login_that_it_is_put_into() {
    let scene = Scene::new().await;
    let stolen = scene.code().await;
    let mut own = Scene::request();
    let verifier = "an-attacker-s-own-verifier-of-at-least-43-characters";
    use sha2::Digest;
    let challenge = sekisho_protocol::octets::encode(sha2::Sha256::digest(verifier));
    own.retain(|(name, _)| *name != "code_challenge");
    own.push(("code_challenge", &challenge));
    let began = scene.authorize(&own).await.returned("code").unwrap();
    let with = |code: &str, verifier: Option<&str>| {
        let mut form = Scene::exchange(code);
        form.retain(|(name, _)| *name != "code_verifier");
        form.extend(verifier.map(|verifier| ("code_verifier", verifier.to_owned())));
        form
    };
    for verifier in [Some(verifier), None] {
        let injected = scene.token(&with(&stolen, verifier)).await;
        assert_eq!(error(&injected), "invalid_grant", "{verifier:?}");
    }
    assert_eq!(scene.grants().await, 0);
    for (code, verifier) in [(&began, verifier), (&stolen, super::scene::VERIFIER)] {
        let own = scene.token(&with(code, Some(verifier))).await;
        assert_eq!(own.status, 200, "each fits its own login: {own:?}");
    }
}

/// Where a service goes without PKCE, the nonce is what it compares (OIDC Core §3.1.3.7).
#[tokio::test]
async fn without_a_challenge_the_token_names_the_login_that_the_code_is_of() {
    let scene = Scene::new().await;
    let file = service_file("classic", PHYSICIANS)
        .replace("\n[[rules]]", "\n[protocol]\nrequire_pkce = false\n[[rules]]");
    let secret = scene.register(&file).await;
    let callback = "https://classic.example/callback";
    let mut request = Scene::request_of("classic", callback);
    request.retain(|(name, _)| !name.starts_with("code_challenge") && *name != "nonce");
    for nonce in ["of the one login", "of the other login"] {
        let mut request = request.clone();
        request.push(("nonce", nonce));
        let answer = scene.authorize(&request).await;
        let returned = Returned::of(&answer, callback);
        let mut form = Scene::exchange_at(callback, returned.get("code").unwrap());
        form.retain(|(name, _)| *name != "code_verifier");
        let tokens = scene.token_as("classic", &secret, &form).await.json();
        assert_eq!(payload(tokens["id_token"].as_str().unwrap())["nonce"], nonce);
    }
}
