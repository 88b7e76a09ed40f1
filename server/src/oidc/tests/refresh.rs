//! Refresh tokens (RFC 6749 §6): rotation, reuse, and what ends them.

use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    service, transaction,
};
use serde_json::Value;
use time::Duration;

use super::scene::{Answer, PHARMACISTS, PHYSICIANS, Scene, payload, query, service_file};

const RENEWS: &str = "grant_types = [\"authorization_code\", \"refresh_token\"]";

struct Renewing {
    scene: Scene,
    id: &'static str,
    secret: String,
}

impl Renewing {
    async fn with(id: &'static str, authentication: &str, protocol: &str) -> Self {
        let scene = Scene::new().await;
        let file = service_file(id, PHYSICIANS)
            .replace("client_secret_basic", authentication)
            .replace("\n[[rules]]", &format!("\n[protocol]\n{RENEWS}\n{protocol}\n[[rules]]"));
        let secret = scene.register(&file).await;
        Self { scene, id, secret }
    }

    async fn login(&self) -> Value {
        let redirect_uri = format!("https://{}.example/callback", self.id);
        let mut request = Scene::request();
        request.retain(|(name, _)| !matches!(*name, "client_id" | "redirect_uri"));
        request.extend([("client_id", self.id), ("redirect_uri", redirect_uri.as_str())]);
        let answer = self.scene.authorize(&request).await;
        let returned = super::client::Returned::of(&answer, &redirect_uri);
        let mut form = Scene::exchange(returned.get("code").unwrap());
        form[2].1 = redirect_uri;
        let tokens = self.post(form).await;
        assert_eq!(tokens.status, 200, "{tokens:?}");
        tokens.json()
    }

    async fn post(&self, mut form: Vec<(&'static str, String)>) -> Answer {
        if self.secret.is_empty() {
            form.push(("client_id", self.id.to_owned()));
            return self.scene.public("POST", "/token", &[], &query(&form)).await;
        }
        self.scene.token_as(self.id, &self.secret, &form).await
    }

    async fn refresh(&self, token: &Value, more: &[(&'static str, &str)]) -> Answer {
        let mut form = vec![
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", token.as_str().unwrap().to_owned()),
        ];
        form.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        self.post(form).await
    }
}

#[tokio::test]
async fn new_tokens_speak_of_the_same_login() {
    let client = Renewing::with("renewing", "client_secret_basic", "").await;
    let first = client.login().await;
    client.scene.test.clock.advance(Duration::minutes(9));
    let answer = client.refresh(&first["refresh_token"], &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let second = answer.json();
    let (old, new) = (
        payload(first["id_token"].as_str().unwrap()),
        payload(second["id_token"].as_str().unwrap()),
    );
    // OIDC Core §12.2.
    for same in ["iss", "sub", "aud", "auth_time", "sid", "acr", "amr"] {
        assert_eq!(old[same], new[same], "{same}");
    }
    assert!(new["iat"].as_i64() > old["iat"].as_i64());
    assert!(new.get("nonce").is_none());
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let access = second["access_token"].as_str().unwrap();
    assert_eq!(client.scene.userinfo(access).await.status, 200);
    assert!(client.scene.acts().await.contains(&"token.refresh done".to_owned()));
}

#[tokio::test]
async fn what_proved_the_person_since_is_not_what_the_request_was_answered_with() {
    let client = Renewing::with("renewing", "client_secret_basic", "").await;
    let first = client.login().await;
    client.scene.test.clock.advance(Duration::minutes(1));
    client.scene.prove_anew().await;
    // As if by a passkey, and by card since.
    client
        .scene
        .change("UPDATE token_grant SET claims = REPLACE(claims, '473.3.4', '473.3.2')")
        .await;
    let second = client.refresh(&first["refresh_token"], &[]).await.json();
    // RFC 9068 §2.2.1, OIDC Core §12.2.
    for token in ["access_token", "id_token"] {
        let [old, new] = [&first, &second].map(|tokens| payload(tokens[token].as_str().unwrap()));
        for name in ["auth_time", "amr"] {
            assert!(!old[name].is_null(), "{token} {name}");
            assert_eq!(old[name], new[name], "{token} {name}");
        }
        assert_eq!(new["acr"], sekisho_wire::acr::PASSKEY, "{token}");
    }
}

#[tokio::test]
async fn a_token_that_is_used_twice_ends_the_whole_grant() {
    for authentication in ["client_secret_basic", "none"] {
        let client = Renewing::with("renewing", authentication, "").await;
        let first = client.login().await;
        let second = client.refresh(&first["refresh_token"], &[]).await.json();
        let again = client.refresh(&first["refresh_token"], &[]).await;
        assert_eq!((again.status.as_u16(), &again.json()["error"]), (400, &"invalid_grant".into()));
        let successor = client.refresh(&second["refresh_token"], &[]).await;
        assert_eq!(successor.json()["error"], "invalid_grant");
        let access = second["access_token"].as_str().unwrap();
        assert_eq!(client.scene.userinfo(access).await.status, 401);
        assert!(
            client.scene.acts().await.contains(&"token.refresh refused used_before".to_owned())
        );
    }
}

#[tokio::test]
async fn many_uses_at_once_leave_one_successor_or_none() {
    let client = Renewing::with("renewing", "client_secret_basic", "").await;
    let first = client.login().await;
    let uses = (0..6).map(|_| client.refresh(&first["refresh_token"], &[]));
    let answers = futures_util::future::join_all(uses).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
}

#[tokio::test]
async fn a_client_that_may_keep_its_token_keeps_it() {
    let client =
        Renewing::with("renewing", "client_secret_basic", "rotate_refresh_tokens = false").await;
    let first = client.login().await;
    for _ in 0..3 {
        let answer = client.refresh(&first["refresh_token"], &[]).await;
        assert_eq!(answer.status, 200);
        assert!(answer.json().get("refresh_token").is_none());
    }
}

#[tokio::test]
async fn a_narrower_scope_is_given_and_a_wider_one_refused_without_spoiling_the_token() {
    let client = Renewing::with("renewing", "client_secret_basic", "").await;
    let first = client.login().await;
    let wider = client.refresh(&first["refresh_token"], &[("scope", "openid terminal")]).await;
    assert_eq!(wider.json()["error"], "invalid_scope");
    let elsewhere = ("resource", "https://records.example/");
    let elsewhere = client.refresh(&first["refresh_token"], &[elsewhere]).await;
    assert_eq!(elsewhere.json()["error"], "invalid_target");
    let narrow = client.refresh(&first["refresh_token"], &[("scope", "openid hc_role")]).await;
    let narrow = narrow.json();
    assert_eq!(narrow["scope"], "openid hc_role");
    let told = payload(narrow["id_token"].as_str().unwrap());
    assert!(told.get("name").is_none() && told.get("hc_role").is_some(), "{told}");
    let told = client.scene.userinfo(narrow["access_token"].as_str().unwrap()).await.json();
    assert!(told.get("name").is_none(), "{told}");
    let whole = client.refresh(&narrow["refresh_token"], &[]).await.json();
    assert_eq!(whole["scope"], first["scope"], "the grant is as wide as before");
}

#[tokio::test]
async fn a_token_is_its_client_s_own() {
    let client = Renewing::with("renewing", "client_secret_basic", "").await;
    let file = service_file("other", PHYSICIANS)
        .replace("\n[[rules]]", &format!("\n[protocol]\n{RENEWS}\n[[rules]]"));
    let other = client.scene.register(&file).await;
    let first = client.login().await;
    let form = [
        ("grant_type", "refresh_token".to_owned()),
        ("refresh_token", first["refresh_token"].as_str().unwrap().to_owned()),
    ];
    let stolen = client.scene.token_as("other", &other, &form).await;
    assert_eq!(stolen.json()["error"], "invalid_grant");
    assert_eq!(client.refresh(&first["refresh_token"], &[]).await.status, 200, "not spoilt");
    let unregistered = client.scene.token(&form).await;
    assert_eq!(unregistered.json()["error"], "unauthorized_client");
}

#[tokio::test]
async fn the_end_of_the_login_and_time_end_it() {
    let client = Renewing::with("renewing", "client_secret_basic", "").await;
    let first = client.login().await;
    client.scene.end_session().await;
    let after = client.refresh(&first["refresh_token"], &[]).await;
    assert_eq!(after.json()["error"], "invalid_grant");

    let client = Renewing::with("renewing", "client_secret_basic", "").await;
    let first = client.login().await;
    client.scene.test.clock.advance(Duration::hours(12));
    let late = client.refresh(&first["refresh_token"], &[]).await;
    assert_eq!(late.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn rules_that_changed_since_count() {
    let client = Renewing::with("renewing", "client_secret_basic", "").await;
    let first = client.login().await;
    rules(&client.scene, "renewing", &PHYSICIANS.replace("\"name\", ", "")).await;
    let second = client.refresh(&first["refresh_token"], &[]).await.json();
    let told = payload(second["id_token"].as_str().unwrap());
    assert!(told.get("name").is_none(), "no longer released: {told}");
    assert!(told["vouched_by"].get("name").is_none());
    rules(&client.scene, "renewing", PHARMACISTS).await;
    let third = client.refresh(&second["refresh_token"], &[]).await;
    assert_eq!(third.json()["error"], "invalid_grant");
    assert!(client.scene.acts().await.contains(&"token.refresh refused not_permitted".to_owned()));
    let access = second["access_token"].as_str().unwrap();
    assert_eq!(client.scene.userinfo(access).await.status, 401);
}

/// Puts other rules of a service into force.
pub(super) async fn rules(scene: &Scene, service_id: &str, toml: &str) {
    let rules: sekisho_authz::Rules = toml::from_str(toml).unwrap();
    let json = serde_json::to_string(&rules).unwrap();
    let now = scene.test.app.now();
    transaction!(scene.test.app.store(), StoreError, |tx| {
        service::add_rules(tx, service_id, &json, None, now).await?;
        Ok(Audited::new((), Entry::done("test.rules", Actor::System, now)))
    })
    .unwrap();
}
