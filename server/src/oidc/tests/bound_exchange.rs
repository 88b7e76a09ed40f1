//! What an exchange (RFC 8693) gives for a token that is bound to a key or a certificate.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use sekisho_protocol::octets::encode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    client::TestClient,
    scene::{Answer, PHYSICIANS, Scene, no_certificate, payload, query, service_file},
};
use crate::names::NameRole;

const RECORDS: &str = "https://records.example/api";
const IMAGES: &str = "https://images.example/api";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// A service that calls a second one, which calls a third.
struct Chain {
    scene: Scene,
    calling: TestClient,
    records: TestClient,
}

type Certificates = Arc<[CertificateDer<'static>]>;

impl Chain {
    async fn new(protocol: &str) -> Self {
        let scene = Scene::new().await;
        let (calling, records) = (TestClient::new("calling"), TestClient::new("records"));
        let third = format!("\n[protocol]\nresources = [\"{IMAGES}\"]\n[[rules]]");
        scene.register(&service_file("images", PHYSICIANS).replace("\n[[rules]]", &third)).await;
        let grants = format!("grant_types = [\"authorization_code\", \"{EXCHANGE}\"]");
        let second = format!("resources = [\"{RECORDS}\"]\ncalls = [\"images\"]\n{grants}");
        scene.register(&records.file(&second)).await;
        let first = format!("{protocol}\ncalls = [\"records\"]\n{grants}");
        scene.register(&calling.file(&first)).await;
        Self { scene, calling, records }
    }

    /// A token of the first service for the second, from a connection that showed `certificates`.
    async fn token(&self, certificates: &Certificates, with_proof: bool) -> Value {
        let mut request = self.calling.request();
        request.push(("resource", RECORDS.to_owned()));
        let reference = self.calling.push(&self.scene, &request).await;
        let returned = self.calling.answered(&self.scene, &reference).await;
        let form = self.calling.exchange(returned.get("code").unwrap());
        let key = with_proof.then_some(&self.calling);
        let answer = self.post(&self.calling, certificates, form, key).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].clone()
    }

    async fn post(
        &self,
        client: &TestClient,
        certificates: &Certificates,
        mut form: Vec<(&'static str, String)>,
        key: Option<&TestClient>,
    ) -> Answer {
        let role = if certificates.is_empty() { NameRole::Public } else { NameRole::Mtls };
        let url = format!("{}/token", self.scene.test.app.names().origin(role));
        let proof = match key {
            Some(key) => Some(key.proof(&self.scene, ("POST", &url), None, json!({})).await),
            None => None,
        };
        form.extend(client.assertion(&self.scene).await);
        let fields: Vec<_> = proof.iter().map(|proof| ("dpop", proof.as_str())).collect();
        let at = ("POST", "/token");
        self.scene.program(role, certificates, at, &fields, &query(&form)).await
    }

    async fn exchange(
        &self,
        (client, resource): (&TestClient, &str),
        token: &Value,
        certificates: &Certificates,
        key: Option<&TestClient>,
    ) -> Answer {
        let access_token = "urn:ietf:params:oauth:token-type:access_token";
        let form = vec![
            ("grant_type", EXCHANGE.to_owned()),
            ("subject_token", token.as_str().unwrap().to_owned()),
            ("subject_token_type", access_token.to_owned()),
            ("resource", resource.to_owned()),
        ];
        self.post(client, certificates, form, key).await
    }
}

#[tokio::test]
async fn an_exchanged_token_says_what_its_origin_said_whatever_proved_the_person_since() {
    let (chain, nobody) = (Chain::new("").await, no_certificate());
    let token = chain.token(&nobody, true).await;
    chain.scene.prove_anew().await;
    let own = (&chain.calling, RECORDS);
    let exchanged = chain.exchange(own, &token, &nobody, Some(&chain.calling)).await;
    assert_eq!(exchanged.status, 200, "{exchanged:?}");
    let exchanged = exchanged.json()["access_token"].clone();
    let [old, new] = [&token, &exchanged].map(|token| payload(token.as_str().unwrap()));
    for name in ["auth_time", "acr", "amr"] {
        assert!(!old[name].is_null(), "{name}");
        assert_eq!(old[name], new[name], "{name}");
    }
}

fn bound_to(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    payload(answer.json()["access_token"].as_str().unwrap())["cnf"].clone()
}

#[tokio::test]
async fn a_client_s_own_bound_token_is_exchanged_with_its_key_alone_and_stays_bound() {
    let (chain, nobody) = (Chain::new("").await, no_certificate());
    let token = chain.token(&nobody, true).await;
    let bound = payload(token.as_str().unwrap())["cnf"].clone();
    assert!(bound["jkt"].is_string());
    let stranger = TestClient::new("calling");
    let own = (&chain.calling, RECORDS);
    for key in [None, Some(&stranger)] {
        let refused = chain.exchange(own, &token, &nobody, key).await;
        assert_eq!(refused.json()["error"], "invalid_dpop_proof", "{refused:?}");
    }
    let certified = chain.exchange(own, &token, &chain.scene.terminal, None).await;
    assert_eq!(certified.json()["error"], "invalid_dpop_proof", "a certificate is no such key");
    assert_eq!(chain.scene.grants().await, 1, "nothing was given");
    let given = chain.exchange(own, &token, &nobody, Some(&chain.calling)).await;
    assert_eq!(bound_to(&given), bound);
    assert_eq!(given.json()["token_type"], "DPoP");
}

#[tokio::test]
async fn a_bound_token_that_was_sent_to_a_resource_is_exchanged_for_one_that_is_bound_to_it() {
    let (chain, nobody) = (Chain::new("").await, no_certificate());
    let token = chain.token(&nobody, true).await;
    let own = (&chain.records, IMAGES);
    let refused = chain.exchange(own, &token, &nobody, None).await;
    assert_eq!(refused.json()["error"], "invalid_request", "{refused:?}");
    assert_eq!(chain.scene.grants().await, 1, "nothing was given");
    let by_key = chain.exchange(own, &token, &nobody, Some(&chain.records)).await;
    let proof = chain.records.proof(&chain.scene, ("POST", "x"), None, json!({})).await;
    let header: Value = {
        let text = proof.split('.').next().unwrap();
        serde_json::from_slice(&sekisho_protocol::octets::decode(text).unwrap()).unwrap()
    };
    let key = &header["jwk"];
    let members = json!({"crv": key["crv"], "kty": key["kty"], "x": key["x"], "y": key["y"]});
    assert_eq!(bound_to(&by_key)["jkt"], encode(Sha256::digest(members.to_string())));
    let shown = &chain.scene.other_terminal;
    let by_certificate = chain.exchange(own, &token, shown, None).await;
    assert_eq!(bound_to(&by_certificate)["x5t#S256"], encode(Sha256::digest(&shown[0])));
    // One that is bound to nothing is exchanged as before.
    let plain = chain.token(&nobody, false).await;
    assert_eq!(bound_to(&chain.exchange(own, &plain, &nobody, None).await), Value::Null);
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_is_exchanged_with_that_one_alone() {
    let chain = Chain::new("tls_client_certificate_bound_access_tokens = true").await;
    let (own, other) = (&chain.scene.terminal, &chain.scene.other_terminal);
    let token = chain.token(own, false).await;
    let bound = json!({ "x5t#S256": encode(Sha256::digest(&own[0])) });
    assert_eq!(payload(token.as_str().unwrap())["cnf"], bound);
    let caller = (&chain.calling, RECORDS);
    for (certificates, key) in
        [(other, None), (&no_certificate(), None), (&no_certificate(), Some(&chain.calling))]
    {
        let refused = chain.exchange(caller, &token, certificates, key).await;
        assert_eq!(refused.json()["error"], "invalid_request", "{refused:?}");
    }
    assert_eq!(chain.scene.grants().await, 1, "nothing was given");
    assert_eq!(bound_to(&chain.exchange(caller, &token, own, None).await), bound);
}
