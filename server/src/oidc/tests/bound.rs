//! Tokens that are bound to a key (RFC 9449) or to a certificate (RFC 8705).

use std::sync::Arc;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa,
    signature::{KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding},
};
use rustls_pki_types::CertificateDer;
use sekisho_protocol::octets::encode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::Duration;

use super::{
    client::TestClient,
    scene::{Answer, Scene, payload, query},
};
use crate::names::NameRole;

struct Bound {
    scene: Scene,
    client: TestClient,
}

impl Bound {
    async fn new() -> Self {
        let (scene, client) = (Scene::new().await, TestClient::new("bound"));
        let protocol = "dpop_bound_access_tokens = true\n\
                        grant_types = [\"authorization_code\", \"refresh_token\"]";
        scene.register(&client.file(protocol)).await;
        Self { scene, client }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.scene.test.app.names().public)
    }

    async fn proof(&self, path: &str, token: Option<&str>, changes: Value) -> String {
        let method = if path == "/userinfo" { "GET" } else { "POST" };
        self.client.proof(&self.scene, (method, &self.url(path)), token, changes).await
    }

    async fn code(&self, more: &[(&'static str, String)]) -> String {
        let mut request = self.client.request();
        request.extend_from_slice(more);
        let reference = self.client.push(&self.scene, &request).await;
        let returned = self.client.answered(&self.scene, &reference).await;
        returned.get("code").unwrap_or_else(|| panic!("{returned:?}")).to_owned()
    }

    async fn exchange(&self, code: &str, proof: Option<&str>) -> Answer {
        self.client.post(&self.scene, "/token", &self.client.exchange(code), proof).await
    }

    async fn tokens(&self) -> Value {
        let code = self.code(&[]).await;
        let proof = self.proof("/token", None, json!({})).await;
        let answer = self.exchange(&code, Some(&proof)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    async fn userinfo(&self, scheme: &str, token: &str, proof: Option<&str>) -> Answer {
        let authorization = format!("{scheme} {token}");
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(proof.map(|proof| ("dpop", proof)));
        self.scene.public("GET", "/userinfo", &headers, "").await
    }
}

#[tokio::test]
async fn a_token_is_bound_to_the_key_of_its_proof_and_used_with_it_alone() {
    let bound = Bound::new().await;
    let tokens = bound.tokens().await;
    assert_eq!(tokens["token_type"], "DPoP");
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(payload(access)["cnf"]["jkt"].as_str().unwrap().len(), 43);
    let good = bound.proof("/userinfo", Some(access), json!({})).await;
    assert_eq!(bound.userinfo("DPoP", access, Some(&good)).await.status, 200);

    let replayed = bound.userinfo("DPoP", access, Some(&good)).await;
    assert_eq!(replayed.status, 401);
    assert_eq!(replayed.json()["error"], "invalid_dpop_proof");
    assert!(replayed.headers["www-authenticate"].to_str().unwrap().starts_with("DPoP "));
    assert_eq!(bound.userinfo("DPoP", access, None).await.status, 401);
    assert_eq!(bound.userinfo("Bearer", access, None).await.status, 401);
    let fresh = bound.proof("/userinfo", Some(access), json!({})).await;
    assert_eq!(bound.userinfo("Bearer", access, Some(&fresh)).await.status, 401, "downgraded");
    let stranger = TestClient::new("stranger");
    let url = bound.url("/userinfo");
    let other = stranger.proof(&bound.scene, ("GET", &url), Some(access), json!({})).await;
    assert_eq!(bound.userinfo("DPoP", access, Some(&other)).await.status, 401);
    let without_ath = bound.proof("/userinfo", None, json!({})).await;
    assert_eq!(bound.userinfo("DPoP", access, Some(&without_ath)).await.status, 401);
}

#[tokio::test]
async fn a_proof_for_something_else_is_refused_and_spoils_no_code() {
    let bound = Bound::new().await;
    let code = bound.code(&[]).await;
    let now = bound.scene.test.app.now().unix_timestamp();
    for changes in [
        json!({"htm": "GET"}),
        json!({"htm": "post"}),
        json!({"htu": bound.url("/userinfo")}),
        json!({"htu": "https://other.example/token"}),
        json!({"htu": "not an address"}),
        json!({"iat": now - 61}),
        json!({"iat": now + 31}),
        json!({"jti": ""}),
        json!({"jti": "x".repeat(257)}),
        json!({"ath": "AAAA"}),
    ] {
        let proof = bound.proof("/token", None, changes.clone()).await;
        let answer = bound.exchange(&code, Some(&proof)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]),
            (400, &"invalid_dpop_proof".into()),
            "{changes}"
        );
    }
    let claims = payload(&bound.proof("/token", None, json!({})).await);
    let mut private = bound.client.jwk();
    private["d"] = "AAAA".into();
    for header in [
        json!({"alg": "ES256", "typ": "JWT", "jwk": bound.client.jwk()}),
        json!({"alg": "ES256", "typ": "dpop+jwt"}),
        json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": private}),
        json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": TestClient::new("x").jwk()}),
        json!({"alg": "none", "typ": "dpop+jwt", "jwk": bound.client.jwk()}),
    ] {
        let proof = bound.client.sign(header.clone(), &claims).await;
        let answer = bound.exchange(&code, Some(&proof)).await;
        assert_eq!(answer.json()["error"], "invalid_dpop_proof", "{header}");
    }
    let none = bound.exchange(&code, None).await;
    assert_eq!(none.json()["error"], "invalid_dpop_proof", "it promised to bind its tokens");
    // An address may carry a query and a fragment; they are not looked at (RFC 9449 §4.3).
    let url = format!("{}?a=b#c", bound.url("/token"));
    let proof = bound.proof("/token", None, json!({ "htu": url })).await;
    assert_eq!(bound.exchange(&code, Some(&proof)).await.status, 200);
}

#[tokio::test]
async fn an_rsa_key_proves_itself_by_ps256_and_not_by_rs256() {
    let bound = Bound::new().await;
    let key = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
    let public = key.public_key();
    let jwk = json!({
        "kty": "RSA",
        "n": encode(public.modulus().big_endian_without_leading_zero()),
        "e": encode(public.exponent().big_endian_without_leading_zero()),
    });
    let claims = payload(&bound.proof("/token", None, json!({})).await);
    let proof = |alg: &str, encoding: &'static dyn RsaEncoding| {
        let header = json!({"alg": alg, "typ": "dpop+jwt", "jwk": jwk}).to_string();
        let input = format!("{}.{}", encode(header), encode(claims.to_string()));
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(encoding, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
        format!("{input}.{}", encode(signature))
    };
    let code = bound.code(&[]).await;
    let refused = bound.exchange(&code, Some(&proof("RS256", &RSA_PKCS1_SHA256))).await;
    assert_eq!(refused.json()["error"], "invalid_dpop_proof");
    assert_eq!(bound.exchange(&code, Some(&proof("PS256", &RSA_PSS_SHA256))).await.status, 200);
}

#[tokio::test]
async fn a_proof_counts_once_also_when_it_is_sent_many_times_at_once() {
    let bound = Bound::new().await;
    let codes = futures_util::future::join_all((0..4).map(|_| bound.code(&[]))).await;
    let proof = bound.proof("/token", None, json!({})).await;
    let uses = codes.iter().map(|code| bound.exchange(code, Some(&proof)));
    let answers = futures_util::future::join_all(uses).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(refused.json()["error"], "invalid_dpop_proof");
    }
    assert_eq!(bound.scene.grants().await, 1);
}

#[tokio::test]
async fn a_code_is_bound_to_the_key_that_the_request_named() {
    let bound = Bound::new().await;
    let proof = bound.proof("/token", None, json!({})).await;
    let thumbprint = {
        let jwk = bound.client.jwk();
        crate::jose::PublicKey::of_jwk(jwk.as_object().unwrap()).unwrap().thumbprint()
    };
    let code = bound.code(&[("dpop_jkt", thumbprint.clone())]).await;
    let thief = TestClient::new("bound");
    let url = bound.url("/token");
    let other = thief.proof(&bound.scene, ("POST", &url), None, json!({})).await;
    let stolen = bound.exchange(&code, Some(&other)).await;
    assert_eq!(stolen.json()["error"], "invalid_grant");
    assert!(bound.scene.acts().await.contains(&"token.issue refused other_key".to_owned()));
    assert_eq!(bound.exchange(&code, Some(&proof)).await.status, 200);

    // Sent ahead with a proof, the code is bound to its key (RFC 9449 §10.1).
    let pushed = bound.proof("/par", None, json!({})).await;
    let answer =
        bound.client.post(&bound.scene, "/par", &bound.client.request(), Some(&pushed)).await;
    let reference = answer.json()["request_uri"].as_str().unwrap().to_owned();
    let returned = bound.client.answered(&bound.scene, &reference).await;
    let other = thief.proof(&bound.scene, ("POST", &url), None, json!({})).await;
    let stolen = bound.exchange(returned.get("code").unwrap(), Some(&other)).await;
    assert_eq!(stolen.json()["error"], "invalid_grant");
    let mut contradiction = bound.client.request();
    contradiction.push(("dpop_jkt", "A".repeat(43)));
    let pushed = bound.proof("/par", None, json!({})).await;
    let answer = bound.client.post(&bound.scene, "/par", &contradiction, Some(&pushed)).await;
    assert_eq!(answer.json()["error"], "invalid_dpop_proof");
}

#[tokio::test]
async fn a_refreshed_token_is_bound_to_the_key_of_the_refresh() {
    let bound = Bound::new().await;
    let tokens = bound.tokens().await;
    bound.scene.test.clock.advance(Duration::minutes(1));
    let form = [
        ("grant_type", "refresh_token".to_owned()),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap().to_owned()),
    ];
    let bare = bound.client.post(&bound.scene, "/token", &form, None).await;
    assert_eq!(bare.json()["error"], "invalid_dpop_proof");
    let next = TestClient::new("bound");
    let url = bound.url("/token");
    let proof = next.proof(&bound.scene, ("POST", &url), None, json!({})).await;
    // The client authenticates, so it may change its key (RFC 9449 §5).
    let answer = bound.client.post(&bound.scene, "/token", &form, Some(&proof)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let first = payload(tokens["access_token"].as_str().unwrap());
    let second = payload(answer.json()["access_token"].as_str().unwrap());
    assert_ne!(first["cnf"], second["cnf"]);
}

#[tokio::test]
async fn a_public_client_s_refresh_token_is_bound_to_its_key() {
    let (scene, client) = (Scene::new().await, TestClient::new("public"));
    let file = super::scene::service_file("public", super::scene::PHYSICIANS)
        .replace("client_secret_basic", "none")
        .replace(
            "\n[[rules]]",
            "\n[protocol]\ngrant_types = [\"authorization_code\", \"refresh_token\"]\n[[rules]]",
        );
    scene.register(&file).await;
    let request = client.request();
    let request: Vec<_> = request.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = scene.authorize(&request).await;
    let returned = super::client::Returned::of(&answer, &client.redirect_uri());
    let url = format!("{}/token", scene.test.app.names().public);
    let post = async |mut form: Vec<(&'static str, String)>, key: &TestClient| {
        let proof = key.proof(&scene, ("POST", &url), None, json!({})).await;
        form.push(("client_id", "public".to_owned()));
        scene.public("POST", "/token", &[("dpop", &proof)], &query(&form)).await
    };
    let tokens = post(client.exchange(returned.get("code").unwrap()), &client).await.json();
    let form = vec![
        ("grant_type", "refresh_token".to_owned()),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap().to_owned()),
    ];
    let stolen = post(form.clone(), &TestClient::new("public")).await;
    assert_eq!(stolen.json()["error"], "invalid_grant");
    assert!(scene.acts().await.contains(&"token.refresh refused other_key".to_owned()));
    assert_eq!(post(form, &client).await.status, 200);
}

pub(super) fn with_certificate(
    id: &str,
    chain: &[CertificateDer<'static>],
    protocol: &str,
) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let jwk = TestClient::new("x").jwk();
    super::scene::service_file(id, super::scene::PHYSICIANS)
        .replace("client_secret_basic", "self_signed_tls_client_auth")
        .replace(
            "\n[[rules]]",
            &format!(
                "\n[protocol]\n{protocol}\n[[jwks.keys]]\nkty = \"EC\"\ncrv = \"P-256\"\nx = {}\ny = {}\nx5c = [\"{}\"]\n[[rules]]",
                jwk["x"], jwk["y"], STANDARD.encode(&chain[0])
            ),
        )
}

#[tokio::test]
async fn a_registered_certificate_authenticates_and_binds_at_the_name_for_it() {
    let scene = Scene::new().await;
    // Whoever issued it does not matter: the registration is what counts.
    let (own, other) = (Arc::clone(&scene.terminal), Arc::clone(&scene.other_terminal));
    let protocol = "tls_client_certificate_bound_access_tokens = true";
    scene.register(&with_certificate("shown", &own, protocol)).await;
    let client = TestClient::new("shown");
    let request = client.request();
    let request: Vec<_> = request.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = scene.authorize(&request).await;
    let returned = super::client::Returned::of(&answer, &client.redirect_uri());
    let mut form = client.exchange(returned.get("code").unwrap());
    form.push(("client_id", "shown".to_owned()));
    let body = query(&form);
    let post = async |role, chain: &Arc<[CertificateDer<'static>]>| {
        scene.program(role, chain, ("POST", "/token"), &[], &body).await
    };
    let none = super::scene::no_certificate();
    for (role, chain) in
        [(NameRole::Mtls, &none), (NameRole::Mtls, &other), (NameRole::Public, &none)]
    {
        let refused = post(role, chain).await;
        assert_eq!(refused.json()["error"], "invalid_client", "{refused:?}");
    }
    let tokens = post(NameRole::Mtls, &own).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    let tokens = tokens.json();
    assert_eq!(tokens["token_type"], "Bearer");
    let access = tokens["access_token"].as_str().unwrap();
    let digest = sekisho_protocol::octets::encode(Sha256::digest(&own[0]));
    assert_eq!(payload(access)["cnf"]["x5t#S256"], digest);
    let authorization = format!("Bearer {access}");
    let userinfo = async |role, chain: &Arc<[CertificateDer<'static>]>| {
        let headers = [("authorization", authorization.as_str())];
        scene.program(role, chain, ("GET", "/userinfo"), &headers, "").await.status.as_u16()
    };
    assert_eq!(userinfo(NameRole::Mtls, &own).await, 200);
    assert_eq!(userinfo(NameRole::Mtls, &other).await, 401);
    assert_eq!(userinfo(NameRole::Public, &none).await, 401);
}

#[tokio::test]
async fn a_certificate_of_ours_with_the_registered_name_authenticates_until_it_is_revoked() {
    let scene = Scene::new().await;
    // The terminal's certificate in the scene names t.example.
    for (id, name) in [("named", "t.example"), ("misnamed", "u.example")] {
        let file = super::scene::service_file(id, super::scene::PHYSICIANS)
            .replace("client_secret_basic", "tls_client_auth")
            .replace(
                "\n[[rules]]",
                &format!("\n[protocol]\ntls_client_auth_san_dns = \"{name}\"\n[[rules]]"),
            );
        scene.register(&file).await;
    }
    let ask = async |id: &str, chain: &Arc<[CertificateDer<'static>]>| {
        let mut form = Scene::exchange("no-such-code");
        form.push(("client_id", id.to_owned()));
        let at = ("POST", "/token");
        scene.program(NameRole::Mtls, chain, at, &[], &query(&form)).await.json()["error"].clone()
    };
    assert_eq!(ask("named", &scene.terminal).await, "invalid_grant", "authenticated");
    assert_eq!(ask("misnamed", &scene.terminal).await, "invalid_client");
    let strange: Arc<[CertificateDer<'static>]> = Arc::new([CertificateDer::from(vec![0x30, 0])]);
    assert_eq!(ask("named", &strange).await, "invalid_client");
    scene.revoke_certificate(&scene.terminal[0]).await;
    assert_eq!(ask("named", &scene.terminal).await, "invalid_client");
}
