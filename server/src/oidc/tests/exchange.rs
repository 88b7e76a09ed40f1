//! Code for tokens, tokens for claims, and everything that must not work.

use sekisho_protocol::{JwkSet, jws, octets::encode};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    sql, transaction,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::Duration;

use super::{
    own_keys::signed,
    scene::{FACILITY, PHYSICIANS, Scene, payload, service_file},
};
use crate::keys;

#[tokio::test]
async fn a_code_becomes_tokens_that_say_who_where_in_which_role_and_how_proven() {
    let scene = Scene::new().await;
    let answer = scene.token(&Scene::exchange(&scene.code().await)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    let tokens = answer.json();
    let published = scene.public("GET", "/jwks", &[], "").await.json();
    let keys: JwkSet = serde_json::from_value(published).unwrap();
    let id: Value = jws::verify(tokens["id_token"].as_str().unwrap(), "JWT", &keys).unwrap();
    assert_eq!(id["iss"], scene.test.app.names().public.as_str());
    assert_eq!(id["aud"], "referral");
    assert_eq!(id["nonce"], "n0nce");
    assert_eq!(id["name"], "山田　太郎");
    assert_eq!(id["hc_role"], json!(["Medical Doctor"]));
    assert_eq!(id["facility_id"], FACILITY);
    assert_eq!(id["facility_name"], "関所病院");
    assert_eq!(id["facility_kind"], "hospital");
    assert_eq!(id["acr"], sekisho_wire::acr::HPKI_CARD);
    assert_eq!(id["vouched_by"]["name"], "card");
    assert_eq!(id["vouched_by"]["sub"], "card");
    for claim in ["acr", "amr", "auth_time"] {
        assert_eq!(id["vouched_by"][claim], "login");
    }
    // Nothing is vouched for that is not said, and what is said of a person has a voucher.
    let protocol = ["iss", "aud", "iat", "exp", "at_hash", "sid", "nonce", "vouched_by"];
    let said: std::collections::BTreeSet<_> = id
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .filter(|n| !protocol.contains(n))
        .collect();
    let vouched = id["vouched_by"].as_object().unwrap().keys();
    let vouched: std::collections::BTreeSet<_> =
        vouched.map(|part| part.split('.').next().unwrap()).collect();
    assert_eq!(said, vouched);
    assert_eq!(id["vouched_by"]["facility_id"], "facility_certificate");
    assert_eq!(id["vouched_by"]["facility_name"], "register");
    assert!(id.get("terminal").is_none(), "the scope was asked for but never approved");
    assert_ne!(id["sub"], "p1");
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(id["at_hash"], encode(&Sha256::digest(access)[..16]));

    let told = scene.userinfo(access).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(told.json()["sub"], id["sub"]);
    assert_eq!(told.json()["name"], id["name"]);
    assert_eq!(told.headers["cache-control"], "no-store");
    assert!(scene.acts().await.contains(&"token.issue done".to_owned()));
}

#[tokio::test]
async fn discovery_names_endpoints_that_exist_and_nothing_weak() {
    let scene = Scene::new().await;
    let document = scene.public("GET", "/.well-known/openid-configuration", &[], "").await.json();
    let names = scene.test.app.names();
    assert_eq!(document["issuer"], names.public.as_str());
    assert_eq!(document["authorization_endpoint"], format!("{}/authorize", names.terminal));
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(document["response_types_supported"], json!(["code"]));
    assert!(!document.to_string().contains("HS256"));
}

#[tokio::test]
async fn two_services_know_one_person_by_different_names() {
    let scene = Scene::new().await;
    let secret = scene.register(&service_file("imaging", PHYSICIANS)).await;
    let first = scene.token(&Scene::exchange(&scene.code().await)).await.json();
    let mut request = Scene::request();
    request.retain(|(name, _)| !matches!(*name, "client_id" | "redirect_uri"));
    request
        .extend([("client_id", "imaging"), ("redirect_uri", "https://imaging.example/callback")]);
    let answer = scene.authorize(&request).await;
    let location = answer.location().unwrap();
    let (_, code) = location.query_pairs().find(|(name, _)| name == "code").unwrap();
    let mut form = Scene::exchange(&code);
    form[2].1 = "https://imaging.example/callback".to_owned();
    let second = scene.token_as("imaging", &secret, &form).await.json();
    let of =
        |tokens: &Value, claim: &str| payload(tokens["id_token"].as_str().unwrap())[claim].clone();
    assert_ne!(of(&first, "sub"), of(&second, "sub"));
    assert_ne!(of(&first, "sid"), of(&second, "sid"));
}

#[tokio::test]
async fn a_second_use_of_a_code_is_refused_and_withdraws_what_the_first_produced() {
    let scene = Scene::new().await;
    let code = scene.code().await;
    let tokens = scene.token(&Scene::exchange(&code)).await.json();
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(scene.userinfo(access).await.status, 200);
    let again = scene.token(&Scene::exchange(&code)).await;
    assert_eq!(
        (again.status.as_u16(), again.json()["error"].clone()),
        (400, json!("invalid_grant"))
    );
    let told = scene.userinfo(access).await;
    assert_eq!(told.status, 401);
    assert!(!told.body.contains("山田"));
    assert!(told.headers.contains_key("www-authenticate"));
    assert_eq!(scene.grants().await, 1);
    assert!(scene.acts().await.contains(&"token.issue refused used_before".to_owned()));
}

#[tokio::test]
async fn two_uses_at_once_produce_one_token() {
    let scene = Scene::new().await;
    let form = Scene::exchange(&scene.code().await);
    let uses = (0..6).map(|_| scene.token(&form));
    let answers = futures_util::future::join_all(uses).await;
    let successes = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((successes, scene.grants().await), (1, 1));
}

#[tokio::test]
async fn a_code_works_for_its_client_address_and_verifier_only_and_is_not_spoilt_by_others() {
    let scene = Scene::new().await;
    let other = scene.register(&service_file("imaging", PHYSICIANS)).await;
    let code = scene.code().await;
    let good = Scene::exchange(&code);
    let changed = |position: usize, value: &str| {
        let mut form = good.clone();
        form[position].1 = value.to_owned();
        form
    };
    let refusals = [
        scene.token(&changed(1, "unknown")).await,
        scene.token(&changed(2, "https://referral.example/other")).await,
        scene.token(&changed(3, &"x".repeat(43))).await,
        scene.token(&changed(3, super::scene::CHALLENGE)).await,
        scene.token_as("imaging", &other, &good).await,
    ];
    for answer in &refusals {
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["error"], "invalid_grant");
        assert_eq!(answer.json(), refusals[0].json(), "which rule it was is not told");
    }
    assert_eq!(scene.grants().await, 0);
    let acts = scene.acts().await;
    for reason in ["unknown_code", "other_redirect_uri", "wrong_verifier", "other_client"] {
        assert!(acts.contains(&format!("token.issue refused {reason}")), "{reason}");
    }
    assert_eq!(scene.token(&good).await.status, 200, "the owner can still use it");
}

#[tokio::test]
async fn a_code_lives_for_a_minute() {
    let scene = Scene::new().await;
    let code = scene.code().await;
    scene.test.clock.advance(Duration::seconds(60));
    let answer = scene.token(&Scene::exchange(&code)).await;
    assert_eq!(answer.json()["error"], "invalid_grant");
    assert_eq!(scene.grants().await, 0);
}

#[tokio::test]
async fn the_code_of_an_ended_session_and_the_token_of_one_count_no_longer() {
    let scene = Scene::new().await;
    let tokens = scene.token(&Scene::exchange(&scene.code().await)).await.json();
    let late = scene.code().await;
    scene.end_session().await;
    assert_eq!(scene.token(&Scene::exchange(&late)).await.json()["error"], "invalid_grant");
    assert_eq!(scene.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 401);
    assert_eq!(scene.grants().await, 1);
}

#[tokio::test]
async fn a_revoked_terminal_takes_its_codes_and_tokens_along() {
    let scene = Scene::new().await;
    let tokens = scene.token(&Scene::exchange(&scene.code().await)).await.json();
    let late = scene.code().await;
    let now = scene.test.app.now();
    transaction!(scene.test.app.store(), StoreError, |tx| {
        tx.execute(
            sql("INSERT INTO terminal_event (id, terminal_id, at, kind, reason)
                 VALUES ('x', 'T0000000001', $1, 'revoked', 'lost')")
            .bind(now),
        )
        .await?;
        Ok(Audited::new((), Entry::done("test.revoke", Actor::System, now)))
    })
    .unwrap();
    assert_eq!(scene.token(&Scene::exchange(&late)).await.json()["error"], "invalid_grant");
    assert_eq!(scene.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 401);
}

#[tokio::test]
async fn clients_that_do_not_prove_themselves_are_refused_alike() {
    let scene = Scene::new().await;
    let form = Scene::exchange(&scene.code().await);
    let wrong = scene.token_as("referral", "guess", &form).await;
    let unknown = scene.token_as("stranger", "guess", &form).await;
    let mut body = form.clone();
    body.push(("client_id", "referral".into()));
    let none = scene.public("POST", "/token", &[], &super::scene::query(&body)).await;
    body.push(("client_secret", scene.secret.clone()));
    let post = scene.public("POST", "/token", &[], &super::scene::query(&body)).await;
    for answer in [&wrong, &unknown, &none, &post] {
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(answer.json()["error"], "invalid_client");
        assert!(answer.headers.contains_key("www-authenticate"));
    }
    assert_eq!(wrong.body, unknown.body);
    let both = scene.token_as("referral", &scene.secret, &body).await;
    assert_eq!(both.json()["error"], "invalid_request", "two ways at once");
    assert_eq!(scene.grants().await, 0);
    assert_eq!(scene.token(&form).await.status, 200);
}

#[tokio::test]
async fn a_repeated_missing_or_oversized_part_of_a_token_request_is_refused() {
    let scene = Scene::new().await;
    let good = Scene::exchange(&scene.code().await);
    for (name, value) in good.clone() {
        let mut twice = good.clone();
        twice.push((name, value));
        assert_eq!(scene.token(&twice).await.json()["error"], "invalid_request", "{name} twice");
        let mut without = good.clone();
        without.retain(|(existing, _)| *existing != name);
        // Whether a verifier is needed is the code's affair: without one it is not fulfilled.
        let error = if name == "code_verifier" { "invalid_grant" } else { "invalid_request" };
        assert_eq!(scene.token(&without).await.json()["error"], error, "no {name}");
    }
    let mut grant = good.clone();
    grant[0].1 = "password".into();
    assert_eq!(scene.token(&grant).await.json()["error"], "unsupported_grant_type");
    let mut large = good.clone();
    large.push(("padding", "x".repeat(20_000)));
    assert_eq!(scene.token(&large).await.json()["error"], "invalid_request");
    let json = scene.public("POST", "/token", &[("content-type", "application/json")], "{}").await;
    assert_eq!(json.status, 400);
    for path in ["/token?client_id=referral", "/token?grant_type=authorization_code"] {
        let beside = scene.public("POST", path, &[], "grant_type=authorization_code").await;
        assert_eq!(beside.status, 400, "{path}");
        assert_eq!(beside.json()["error"], "invalid_request", "{path}");
        assert!(beside.body.contains("which this path does not take"), "{}", beside.body);
    }
    let form = ("content-type", "application/x-www-form-urlencoded");
    for other in [form, ("content-type", "application/json")] {
        let two = scene.public("POST", "/token", &[form, other], "grant_type=x").await;
        assert_eq!(two.status, 400);
        assert_eq!(two.json()["error"], "invalid_request");
    }
    assert_eq!(scene.grants().await, 0);
    assert_eq!(scene.token(&good).await.status, 200, "nothing of this spoilt the code");
}

#[tokio::test]
async fn userinfo_believes_no_token_that_is_not_wholly_ours() {
    let scene = Scene::new().await;
    let tokens = scene.token(&Scene::exchange(&scene.code().await)).await.json();
    let good = tokens["access_token"].as_str().unwrap();
    let claims = payload(good);
    let app = &scene.test.app;
    let published = app.token_keys().published(app).await.unwrap();
    let kid = published["keys"][0]["kid"].as_str().unwrap();
    let with = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        changed
    };
    let stranger = crate::testing::app().await;
    let unsigned = |alg: &str| {
        let header = encode(format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{kid}"}}"#));
        format!("{header}.{}.", encode(claims.to_string()))
    };
    let (input, signature) = good.rsplit_once('.').unwrap();
    let tampered = format!(
        "{}.{}.{signature}",
        input.split_once('.').unwrap().0,
        encode(with("jti", json!("x")).to_string())
    );
    let sign = |typ: &'static str, claims: Value| async move { signed(app, typ, &claims).await };
    let hostile = [
        unsigned("none"),
        unsigned("HS256"),
        tampered,
        tokens["id_token"].as_str().unwrap().to_owned(),
        sign("at+jwt", with("aud", json!("https://other.example"))).await,
        sign("at+jwt", with("iss", json!("https://other.example"))).await,
        sign("at+jwt", with("jti", json!("00000000-0000-7000-8000-000000000000"))).await,
        sign("at+jwt", with("exp", json!(0))).await,
        sign("logout+jwt", claims.clone()).await,
        signed(&stranger.app, "at+jwt", &claims).await,
        String::new(),
        "a.b.c".to_owned(),
    ];
    for token in &hostile {
        let answer = scene.userinfo(token).await;
        assert_eq!(answer.status, 401, "{token}");
        assert!(!answer.body.contains("山田"));
    }
    let in_query = scene.public("GET", &format!("/userinfo?access_token={good}"), &[], "").await;
    assert_eq!(in_query.status, 400);
    assert_eq!(scene.public("GET", "/userinfo", &[], "").await.status, 401);
    assert_eq!(scene.userinfo(good).await.status, 200);
    scene.test.clock.advance(Duration::minutes(10));
    assert_eq!(scene.userinfo(good).await.status, 401, "expired");
}

#[tokio::test]
async fn a_signed_assertion_is_accepted_once_and_only_for_us() {
    let scene = Scene::new().await;
    let key = &scene.test.app.keys().audit;
    let jwk = keys::public_jwk(key).unwrap();
    let file = service_file("signing", PHYSICIANS)
        .replace("client_secret_basic", "private_key_jwt")
        .replace(
            "[[rules]]",
            &format!(
                "[[jwks.keys]]\nkty = \"EC\"\ncrv = \"P-256\"\nx = {}\ny = {}\nkid = {}\nalg = \"ES256\"\nuse = \"sig\"\n[[rules]]",
                jwk["x"], jwk["y"], jwk["kid"]
            ),
        );
    scene.register(&file).await;
    let issuer = scene.test.app.names().public.clone();
    let now = scene.test.app.now().unix_timestamp();
    let claims = json!({
        "iss": "signing", "sub": "signing", "aud": issuer, "exp": now + 60, "jti": "one",
    });
    let ask = async |claims: Value| {
        let assertion = keys::sign_jws(key, "JWT", &claims).await.unwrap();
        let mut form = Scene::exchange("no-such-code");
        form.push(("client_assertion", assertion));
        form.push((
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".into(),
        ));
        scene.public("POST", "/token", &[], &super::scene::query(&form)).await.json()["error"]
            .clone()
    };
    assert_eq!(
        ask(claims.clone()).await,
        "invalid_grant",
        "authenticated, but there is no such code"
    );
    assert_eq!(ask(claims.clone()).await, "invalid_client", "replayed");
    for (name, value) in [
        ("aud", json!("https://other.example")),
        ("aud", json!([issuer, "https://other.example"])),
        ("sub", json!("referral")),
        ("exp", json!(now)),
        ("exp", json!(now + 86_400)),
        ("jti", json!("")),
    ] {
        let mut changed = claims.clone();
        changed["jti"] = json!(format!("{name}{value}"));
        changed[name] = value.clone();
        assert_eq!(ask(changed).await, "invalid_client", "{name}={value}");
    }
}
