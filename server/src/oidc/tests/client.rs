//! A client with a key of its own: what it signs.

use std::sync::Arc;

use sekisho_key::SoftwareKey;
use sekisho_protocol::octets::encode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::scene::{Answer, PHYSICIANS, Scene, query, service_file};
use crate::keys::{self, NamedKey};

pub(super) struct TestClient {
    pub(super) id: &'static str,
    pub(super) key: NamedKey,
}

impl TestClient {
    pub(super) fn new(id: &'static str) -> Self {
        let key = keys::named(Arc::new(SoftwareKey::generate_p256().unwrap())).unwrap();
        Self { id, key }
    }

    pub(super) fn jwk(&self) -> Value {
        keys::public_jwk(&self.key).unwrap()
    }

    /// Its file: by `private_key_jwt`, with these lines under `[protocol]`.
    pub(super) fn file(&self, protocol: &str) -> String {
        let jwk = self.jwk();
        let keys = format!(
            "[protocol]\n{protocol}\n[[jwks.keys]]\nkty = \"EC\"\ncrv = \"P-256\"\nx = {}\ny = {}\nkid = {}\n",
            jwk["x"], jwk["y"], jwk["kid"]
        );
        service_file(self.id, PHYSICIANS)
            .replace("client_secret_basic", "private_key_jwt")
            .replace("\n[[rules]]", &format!("\n{keys}[[rules]]"))
    }

    pub(super) async fn sign(&self, header: Value, claims: &Value) -> String {
        let input = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.key.1.sign_fixed(input.as_bytes()).await.unwrap();
        format!("{input}.{}", encode(signature))
    }

    /// A fresh assertion for us, as the parameters that carry it.
    pub(super) async fn assertion(&self, scene: &Scene) -> Vec<(&'static str, String)> {
        let now = scene.test.app.now().unix_timestamp();
        let claims = json!({
            "iss": self.id, "sub": self.id, "aud": scene.test.app.names().public,
            "exp": now + 60, "iat": now, "jti": uuid::Uuid::new_v4().to_string(),
        });
        let assertion = self.sign(json!({"alg": "ES256", "kid": self.key.0}), &claims).await;
        vec![
            ("client_assertion", assertion),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
            ),
        ]
    }

    /// A request object of these parameters, with changes to its frame.
    pub(super) async fn object(
        &self,
        scene: &Scene,
        parameters: &[(&str, &str)],
        changes: Value,
    ) -> String {
        let now = scene.test.app.now().unix_timestamp();
        let mut claims = json!({
            "iss": self.id, "aud": scene.test.app.names().public, "nbf": now, "exp": now + 300,
        });
        for (name, value) in parameters {
            claims[name] = (*value).into();
        }
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let header = json!({"alg": "ES256", "kid": self.key.0, "typ": "oauth-authz-req+jwt"});
        self.sign(header, &claims).await
    }

    /// A proof of possession for a request, with changes to its claims.
    pub(super) async fn proof(
        &self,
        scene: &Scene,
        (method, url): (&str, &str),
        token: Option<&str>,
        changes: Value,
    ) -> String {
        let mut claims = json!({
            "jti": uuid::Uuid::new_v4().to_string(), "htm": method, "htu": url,
            "iat": scene.test.app.now().unix_timestamp(),
        });
        if let Some(token) = token {
            claims["ath"] = encode(Sha256::digest(token)).into();
        }
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let mut jwk = self.jwk();
        jwk.as_object_mut()
            .unwrap()
            .retain(|name, _| ["kty", "crv", "x", "y"].contains(&name.as_str()));
        self.sign(json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk}), &claims).await
    }

    /// The parameters of a good request of this client.
    pub(super) fn request(&self) -> Vec<(&'static str, String)> {
        let mut request: Vec<(&'static str, String)> =
            Scene::request().into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        for (name, value) in &mut request {
            match *name {
                "client_id" => self.id.clone_into(value),
                "redirect_uri" => *value = self.redirect_uri(),
                _ => {}
            }
        }
        request
    }

    pub(super) fn redirect_uri(&self) -> String {
        format!("https://{}.example/callback", self.id)
    }

    /// Sends a form, with an assertion, to a path of the public name.
    pub(super) async fn post(
        &self,
        scene: &Scene,
        path: &str,
        form: &[(&'static str, String)],
        proof: Option<&str>,
    ) -> Answer {
        let mut form = form.to_vec();
        form.extend(self.assertion(scene).await);
        let headers: Vec<_> = proof.map(|proof| ("dpop", proof)).into_iter().collect();
        scene.public("POST", path, &headers, &query(&form)).await
    }

    /// Sends a request ahead; the reference that it got.
    pub(super) async fn push(&self, scene: &Scene, request: &[(&'static str, String)]) -> String {
        let answer = self.post(scene, "/par", request, None).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["request_uri"].as_str().unwrap().to_owned()
    }

    /// What came back at the client's address for a request that was sent ahead.
    pub(super) async fn answered(&self, scene: &Scene, reference: &str) -> Returned {
        let answer = scene.authorize(&[("client_id", self.id), ("request_uri", reference)]).await;
        Returned::of(&answer, &self.redirect_uri())
    }

    /// The form that exchanges a code of this client.
    pub(super) fn exchange(&self, code: &str) -> Vec<(&'static str, String)> {
        let mut form = Scene::exchange(code);
        form[2].1 = self.redirect_uri();
        form
    }
}

/// Parameters that came back at a client's address.
#[derive(Debug)]
pub(super) struct Returned(Vec<(String, String)>);

impl Returned {
    pub(super) fn of(answer: &Answer, redirect_uri: &str) -> Self {
        let location = answer.location().unwrap_or_else(|| panic!("{answer:?}"));
        assert_eq!(&location[..url::Position::AfterPath], redirect_uri, "only ever there");
        let fragment = location.fragment().unwrap_or_default();
        let query = location.query().unwrap_or_default();
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        let pairs = pairs.chain(url::form_urlencoded::parse(fragment.as_bytes()));
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}
