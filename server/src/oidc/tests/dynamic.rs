//! Services that register themselves (RFC 7591) and keep their registration (RFC 7592).

use sekisho_authz::Rules;
use sekisho_store::{
    audit::Actor,
    service::{self, Service},
};
use serde_json::{Value, json};
use time::Duration;

use super::scene::{Answer, FACILITY, PHYSICIANS, Scene, basic, initial_token, payload, query};
use crate::{
    config::Settings,
    oidc::client::{self, Registry},
};

pub(super) const CALLBACK: &str = "https://itself.example/callback";

async fn sandbox() -> Scene {
    sandbox_with(Settings::default()).await
}

/// The facility of the scene is one for tests.
pub(super) async fn sandbox_with(mut settings: Settings) -> Scene {
    settings.sandbox.facilities = vec![FACILITY.to_owned()];
    Scene::with(settings).await
}

pub(super) fn metadata() -> Value {
    json!({
        "redirect_uris": [CALLBACK],
        "client_name": "Itself",
        "client_name#ja": "自ら",
        "client_uri": "https://itself.example/",
        "post_logout_redirect_uris": ["https://itself.example/bye"],
        "scope": "openid profile hc_role",
        "userinfo_signed_response_alg": "PS256",
        "logo_uri": "https://itself.example/logo",
        "something_unheard_of": { "a": [1] },
    })
}

async fn send(scene: &Scene, method: &str, path: &str, token: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    scene.public(method, path, &headers, &body.to_string()).await
}

/// Registers; what the service is told.
pub(super) async fn registered(scene: &Scene, metadata: &Value) -> Value {
    let token = initial_token(&scene.test, 1).await;
    let answer = send(scene, "POST", "/register", &token, metadata).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    answer.json()
}

pub(super) fn word<'a>(told: &'a Value, member: &str) -> &'a str {
    told[member].as_str().unwrap_or_else(|| panic!("no {member} in {told}"))
}

/// Path and token of a service's registration.
fn place(told: &Value) -> (String, &str) {
    (format!("/register/{}", word(told, "client_id")), word(told, "registration_access_token"))
}

async fn stored(scene: &Scene, told: &Value) -> Option<Service> {
    service::find(&mut scene.test.app.store().read(), word(told, "client_id")).await.unwrap()
}

pub(super) async fn approve(scene: &Scene, told: &Value) {
    let rules: Rules = toml::from_str(PHYSICIANS).unwrap();
    let registry = Registry::of(&scene.test.app);
    client::approve(&registry, word(told, "client_id"), &rules, Actor::System).await.unwrap();
}

pub(super) async fn authorize(scene: &Scene, told: &Value) -> Answer {
    let mut request = Scene::request();
    request.retain(|(name, _)| !matches!(*name, "client_id" | "redirect_uri"));
    request.extend([("client_id", word(told, "client_id")), ("redirect_uri", CALLBACK)]);
    scene.authorize(&request).await
}

/// The tokens of a login at a service with a secret.
pub(super) async fn login(scene: &Scene, told: &Value) -> Value {
    let answer = authorize(scene, told).await;
    let returned = super::client::Returned::of(&answer, CALLBACK);
    let mut form = Scene::exchange(returned.get("code").unwrap());
    form[2].1 = CALLBACK.to_owned();
    let (id, secret) = (word(told, "client_id"), word(told, "client_secret"));
    let tokens = scene.token_as(id, secret, &form).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    tokens.json()
}

/// Error code of a refusal, whose description names `part`.
fn refusal(answer: &Answer, part: &str) -> String {
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let told = answer.json();
    assert!(word(&told, "error_description").contains(part), "{part}: {told}");
    word(&told, "error").to_owned()
}

#[tokio::test]
async fn a_service_registers_itself_and_test_people_log_in_until_it_is_live() {
    let scene = sandbox().await;
    let told = registered(&scene, &metadata()).await;
    let tokens = login(&scene, &told).await;
    let claims = payload(word(&tokens, "id_token"));
    assert_eq!(claims["name"], "山田　太郎", "test people have nothing to hide: {claims}");
    assert_eq!(scene.userinfo(word(&tokens, "access_token")).await.status, 200);
    // Once it is approved, the test facility is closed to it.
    approve(&scene, &told).await;
    let refused = authorize(&scene, &told).await;
    assert_eq!(refused.location(), None, "{refused:?}");
    assert!(refused.body.contains("ここは試験用の施設なので"), "{}", refused.body);
    let acts = scene.acts().await;
    for act in
        ["client.register done", "service.approve done", "service.authorize refused test-facility"]
    {
        assert!(acts.iter().any(|other| other == act), "{act}: {acts:#?}");
    }
}

#[tokio::test]
async fn a_service_of_the_sandbox_learns_nothing_of_real_people_until_it_is_approved() {
    let scene = Scene::new().await;
    let told = registered(&scene, &metadata()).await;
    let refused = authorize(&scene, &told).await;
    assert_eq!(refused.location(), None, "{refused:?}");
    assert!(refused.body.contains("このサービスは試験中で"), "{}", refused.body);
    assert_eq!(scene.codes().await, 0);
    let portal = scene.get("/", true, &scene.terminal).await;
    assert_eq!(portal.status, 200);
    assert!(!portal.body.contains("自ら"), "the portal lists it to real people");
    approve(&scene, &told).await;
    let portal = scene.get("/", true, &scene.terminal).await;
    assert!(portal.body.contains("自ら"), "{}", portal.body);
    let tokens = login(&scene, &told).await;
    let claims = payload(word(&tokens, "id_token"));
    assert_eq!(claims["name"], "山田　太郎");
    let (registry, nobody) = (Registry::of(&scene.test.app), Rules::default());
    let again = client::approve(&registry, word(&told, "client_id"), &nobody, Actor::System).await;
    assert!(matches!(again, Err(client::ApprovalError::Live(_))));
}

#[tokio::test]
async fn a_service_is_told_all_that_is_registered_for_it_and_reads_it_again() {
    let scene = Scene::new().await;
    let told = registered(&scene, &metadata()).await;
    let (path, token) = place(&told);
    let origin = &scene.test.app.names().public;
    assert_eq!(word(&told, "registration_client_uri"), format!("{origin}{path}"));
    for (member, value) in [
        ("client_name", json!("自ら")),
        ("client_name#ja", json!("自ら")),
        ("client_name#en", json!("Itself")),
        ("redirect_uris", json!([CALLBACK])),
        ("scope", json!("hc_role openid profile")),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("grant_types", json!(["authorization_code"])),
        ("response_types", json!(["code"])),
        ("subject_type", json!("pairwise")),
        ("id_token_signed_response_alg", json!("ES256")),
        ("userinfo_signed_response_alg", json!("PS256")),
        ("client_secret_expires_at", json!(0)),
        ("client_id_issued_at", json!(scene.test.app.now().unix_timestamp())),
    ] {
        assert_eq!(told[member], value, "{member}");
    }
    // What nobody here reads or keeps is not said to be registered.
    for member in ["logo_uri", "something_unheard_of", "jwks", "backchannel_logout_uri"] {
        assert!(told.get(member).is_none(), "{member}: {told}");
    }
    let read = send(&scene, "GET", &path, token, &Value::Null).await;
    assert_eq!(
        (read.status.as_u16(), &read.headers["cache-control"]),
        (200, &"no-store".parse().unwrap())
    );
    let mut expected = told.clone();
    expected.as_object_mut().unwrap().remove("client_secret");
    assert_eq!(read.json(), expected, "all but the secret, of which we keep the hash");
    // Neither token is kept as it is.
    let kept = scene
        .count("SELECT COUNT(*) FROM registration_access_token WHERE length(token_hash) = 32")
        .await;
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn an_initial_access_token_registers_as_often_as_it_says_and_not_after_its_end() {
    let scene = Scene::new().await;
    let two = initial_token(&scene.test, 2).await;
    let late = initial_token(&scene.test, 1).await;
    let register = async |token: &str| {
        send(&scene, "POST", "/register", token, &metadata()).await.status.as_u16()
    };
    // What is refused uses nothing up.
    let refused = send(&scene, "POST", "/register", &two, &json!({})).await;
    assert_eq!(refused.status, 400);
    assert_eq!([register(&two).await, register(&two).await, register(&two).await], [201, 201, 401]);
    assert_eq!(register("nonsense").await, 401);
    assert_eq!(register(&scene.secret).await, 401);
    scene.test.clock.advance(Duration::days(7));
    assert_eq!(register(&late).await, 401, "its time is over");
    assert_eq!(scene.count("SELECT COUNT(*) FROM service WHERE live_at IS NULL").await, 2);
    let unheard = scene.public("POST", "/register", &[], "{}").await;
    assert_eq!(unheard.status, 401);
    assert_eq!(unheard.headers["www-authenticate"], "Bearer", "RFC 6750 §3.1: no error code");
}

#[tokio::test]
async fn metadata_with_a_fault_is_refused_by_its_code_and_member_and_registers_nothing() {
    let scene = Scene::new().await;
    let token = initial_token(&scene.test, 1).await;
    let (redirect, member) = ("invalid_redirect_uri", "invalid_client_metadata");
    let es512 = json!("ES512");
    for (changed, value, code) in [
        ("redirect_uris", json!(["http://itself.example/callback"]), redirect),
        ("redirect_uris", json!(["https://itself.example/callback#x"]), redirect),
        ("redirect_uris", json!(["https://127.0.0.1/callback"]), redirect),
        ("redirect_uris", json!(["myapp:/callback"]), redirect),
        ("redirect_uris", json!([]), redirect),
        ("redirect_uris", json!([CALLBACK, "https://elsewhere.example/"]), redirect),
        ("redirect_uris", json!(CALLBACK), member),
        ("token_endpoint_auth_method", json!("client_secret_jwt"), member),
        ("token_endpoint_auth_method", json!("private_key_jwt"), member),
        ("token_endpoint_auth_method", json!("tls_client_auth"), member),
        ("grant_types", json!(["implicit"]), member),
        ("grant_types", json!(["client_credentials"]), redirect),
        ("response_types", json!(["code", "id_token"]), member),
        ("response_types", json!([]), member),
        ("client_name", json!("\u{202e}"), member),
        ("client_name#ja", json!(""), member),
        ("client_uri", json!("javascript:alert(1)"), member),
        ("scope", json!("openid everything"), member),
        ("scope", json!("profile"), member),
        ("jwks", json!({ "keys": [] }), member),
        ("jwks_uri", json!("https://itself.example/jwks"), member),
        ("sector_identifier_uri", json!("https://itself.example/sector"), member),
        ("subject_type", json!("transient"), member),
        ("post_logout_redirect_uris", json!(["http://itself.example/"]), member),
        ("backchannel_logout_uri", json!("https://[::1]/"), member),
        ("id_token_signed_response_alg", json!("none"), member),
        ("userinfo_signed_response_alg", es512.clone(), member),
        ("request_object_signing_alg", json!("none"), member),
        ("token_endpoint_auth_signing_alg", es512, member),
        ("id_token_encrypted_response_alg", json!("RSA-OAEP"), member),
        ("software_statement", json!("a.b.c"), "unapproved_software_statement"),
        ("client_id_issued_at", json!(1), member),
        ("registration_access_token", json!("mine"), member),
    ] {
        let mut metadata = metadata();
        metadata[changed] = value.clone();
        let answer = send(&scene, "POST", "/register", &token, &metadata).await;
        if changed == "redirect_uris" {
            // Nor is its fault another's where the address of the service is taken from it.
            metadata["client_uri"] = Value::Null;
            let shorter = send(&scene, "POST", "/register", &token, &metadata).await;
            let named = if value.is_string() { "line 1" } else { "redirect_uris" };
            if value != json!([]) {
                assert_eq!(refusal(&shorter, named), code, "{value} without client_uri");
            }
        }
        // Of a type, the description names the place.
        let named =
            if value.is_string() && changed == "redirect_uris" { "line 1" } else { changed };
        let named =
            if changed == "grant_types" && code == redirect { "redirect_uris" } else { named };
        let named = if changed == "token_endpoint_auth_method" { "" } else { named };
        let named = if changed == "client_name#ja" { "client_name" } else { named };
        assert_eq!(refusal(&answer, named), code, "{changed} {value}");
    }
    let told = send(&scene, "POST", "/register", &token, &metadata()).await;
    assert_eq!(told.status, 201, "the token was not used up: {told:?}");
    assert_eq!(scene.count("SELECT COUNT(*) FROM service WHERE live_at IS NULL").await, 1);
}

#[tokio::test]
async fn what_a_service_leaves_out_takes_its_default() {
    let scene = Scene::new().await;
    let told = registered(&scene, &json!({ "redirect_uris": [CALLBACK], "jwks": null })).await;
    assert_eq!(told["client_name"], told["client_id"]);
    assert_eq!(told["client_uri"], "https://itself.example/");
    assert_eq!(told["scope"], "facility hc_role openid profile terminal");
    let alone = json!({
        "grant_types": ["client_credentials"],
        "client_uri": "https://itself.example/",
        "token_endpoint_auth_method": "client_secret_post",
    });
    let told = registered(&scene, &alone).await;
    assert_eq!((&told["redirect_uris"], &told["response_types"]), (&json!([]), &json!([])));
    let public = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
    let told = registered(&scene, &public).await;
    assert!(told.get("client_secret").is_none() && told.get("client_secret_expires_at").is_none());
}

#[tokio::test]
async fn a_service_replaces_its_registration_as_a_whole_and_keeps_its_secret() {
    let scene = sandbox().await;
    let told = registered(&scene, &metadata()).await;
    let (path, token) = place(&told);
    let mut other = json!({
        "client_id": told["client_id"],
        "client_secret": told["client_secret"],
        "redirect_uris": [CALLBACK, "https://itself.example/second"],
        "client_name": "Second",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    let answer = send(&scene, "PUT", &path, token, &other).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let changed = answer.json();
    assert_eq!(changed["client_name#ja"], "Second");
    assert_eq!(changed["redirect_uris"].as_array().unwrap().len(), 2);
    assert_eq!(changed["post_logout_redirect_uris"], json!([]), "it was left out");
    assert_eq!(changed["registration_access_token"], told["registration_access_token"]);
    assert!(changed.get("client_secret").is_none(), "it is the one that was told");
    login(&scene, &told).await;
    // Another way of authentication takes the secret away; coming back draws a new one.
    other["token_endpoint_auth_method"] = "none".into();
    let public = send(&scene, "PUT", &path, token, &other).await;
    assert_eq!(public.status, 200, "{public:?}");
    assert_eq!(stored(&scene, &told).await.unwrap().secret_hash, None);
    other["token_endpoint_auth_method"] = "client_secret_post".into();
    let stale = send(&scene, "PUT", &path, token, &other).await;
    assert_eq!(refusal(&stale, "client_secret"), "invalid_client_metadata");
    other.as_object_mut().unwrap().remove("client_secret");
    let again = send(&scene, "PUT", &path, token, &other).await.json();
    assert_ne!(word(&again, "client_secret"), word(&told, "client_secret"));
}

#[tokio::test]
async fn a_change_that_chooses_what_is_ours_is_refused_and_changes_nothing() {
    let scene = Scene::new().await;
    let told = registered(&scene, &metadata()).await;
    let (path, token) = place(&told);
    let before = stored(&scene, &told).await;
    let mut good = metadata();
    good["client_id"] = told["client_id"].clone();
    good["client_secret"] = told["client_secret"].clone();
    for (member, value) in [
        ("client_id", Value::Null),
        ("client_id", json!("referral")),
        ("client_secret", json!("a-secret-of-my-own-choice")),
        ("registration_access_token", json!(token)),
        ("registration_client_uri", told["registration_client_uri"].clone()),
        ("client_secret_expires_at", json!(0)),
        ("client_id_issued_at", told["client_id_issued_at"].clone()),
        ("software_statement", json!("a.b.c")),
        ("redirect_uris", json!(["http://itself.example/"])),
    ] {
        let mut changed = good.clone();
        changed["client_name"] = "Changed".into();
        changed[member] = value;
        let answer = send(&scene, "PUT", &path, token, &changed).await;
        refusal(&answer, member);
        assert_eq!(stored(&scene, &told).await, before, "{member}");
    }
    assert_eq!(send(&scene, "PUT", &path, token, &good).await.status, 200);
}

#[tokio::test]
async fn another_token_learns_and_changes_nothing() {
    let scene = Scene::new().await;
    let told = registered(&scene, &metadata()).await;
    let other = registered(&scene, &metadata()).await;
    let (path, _) = place(&told);
    let initial = initial_token(&scene.test, 1).await;
    let mut refusals = Vec::new();
    for token in [word(&other, "registration_access_token"), word(&told, "client_secret"), &initial]
    {
        for path in [path.as_str(), "/register/referral", "/register/nobody"] {
            for method in ["GET", "PUT", "DELETE"] {
                let answer = send(&scene, method, path, token, &metadata()).await;
                assert_eq!(answer.status, 401, "{method} {path}");
                refusals.push(answer.body);
            }
        }
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "whichever part was wrong is not told: {refusals:?}");
    assert!(stored(&scene, &told).await.is_some());
}

#[tokio::test]
async fn a_service_that_takes_its_registration_back_ends_all_that_it_was_given() {
    let scene = sandbox().await;
    let told = registered(&scene, &metadata()).await;
    let tokens = login(&scene, &told).await;
    let (path, token) = place(&told);
    let gone = send(&scene, "DELETE", &path, token, &Value::Null).await;
    assert_eq!((gone.status.as_u16(), gone.body.as_str()), (204, ""));
    assert_eq!(scene.userinfo(word(&tokens, "access_token")).await.status, 401);
    assert_eq!(scene.count("SELECT COUNT(*) FROM token_grant WHERE withdrawn_at IS NULL").await, 0);
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(send(&scene, method, &path, token, &metadata()).await.status, 401, "{method}");
    }
    let (id, secret) = (word(&told, "client_id"), word(&told, "client_secret"));
    let refused = scene
        .public(
            "POST",
            "/token",
            &[("authorization", &basic(id, secret))],
            &query(&Scene::exchange("A")),
        )
        .await;
    assert_eq!(refused.json()["error"], "invalid_client");
    assert_eq!(authorize(&scene, &told).await.location(), None);
}

#[tokio::test]
async fn the_token_of_a_live_service_takes_back_and_exchanges_keys_and_adds_nothing() {
    let scene = Scene::new().await;
    let key = json!({"kty": "EC", "crv": "P-256", "kid": "a",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    let mut asked = metadata();
    asked["token_endpoint_auth_method"] = "private_key_jwt".into();
    asked["jwks"] = json!({ "keys": [key] });
    asked["redirect_uris"] = json!([CALLBACK, "https://itself.example/second"]);
    asked["backchannel_logout_uri"] = "https://itself.example/out".into();
    let told = registered(&scene, &asked).await;
    let (path, token) = place(&told);
    approve(&scene, &told).await;
    asked["client_id"] = told["client_id"].clone();
    let before = stored(&scene, &told).await;
    for (member, value) in [
        ("redirect_uris", json!([CALLBACK, "https://itself.example/third"])),
        ("post_logout_redirect_uris", json!(["https://itself.example/else"])),
        ("scope", json!("openid profile hc_role terminal")),
        ("client_name", json!("Bank")),
        ("client_uri", json!("https://itself.example/elsewhere")),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("subject_type", json!("public")),
        ("backchannel_logout_uri", json!("https://itself.example/else")),
        ("grant_types", json!(["authorization_code", "refresh_token"])),
    ] {
        let mut changed = asked.clone();
        changed[member] = value;
        let answer = send(&scene, "PUT", &path, token, &changed).await;
        assert_eq!(refusal(&answer, "operating body"), "invalid_client_metadata", "{member}");
        assert_eq!(stored(&scene, &told).await, before, "{member}");
    }
    asked["redirect_uris"] = json!([CALLBACK]);
    asked["scope"] = "openid".into();
    asked["jwks"]["keys"][0]["kid"] = "b".into();
    let answer = send(&scene, "PUT", &path, token, &asked).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let after = stored(&scene, &told).await.unwrap();
    assert_eq!(
        (after.redirect_uris, after.scopes),
        (vec![CALLBACK.to_owned()], vec!["openid".to_owned()])
    );
    assert!(after.jwks.unwrap().contains("\"b\"") && after.live_at.is_some());
}

#[tokio::test]
async fn discovery_names_where_services_register() {
    let scene = Scene::new().await;
    let told = scene.public("GET", "/.well-known/openid-configuration", &[], "").await.json();
    let origin = &scene.test.app.names().public;
    assert_eq!(word(&told, "registration_endpoint"), format!("{origin}/register"));
}
