//! An ACME client: what it signs, and what it hears.

use std::net::SocketAddr;

use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use sekisho_key::{SigningKey as _, SoftwareKey};
use sekisho_protocol::octets::{decode, encode};
use sekisho_store::audit::{Actor, Entry};
use serde_json::{Value, json};
use tower::ServiceExt;
use x509_cert::{ext::pkix::name::GeneralName, name::Name};

use crate::{
    app::App,
    demo::acme_client,
    enrol::acme::binding::{ACT, NewBinding},
    jose::PublicKey,
    keys::bare_jwk,
    listener::Peer,
    names::NameRole,
    router,
};

pub(crate) struct Client<'a> {
    pub(crate) app: &'a App,
    pub(crate) key: SoftwareKey,
    /// Address of its account.
    pub(crate) kid: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) octets: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.octets).unwrap_or_default()
    }

    pub(crate) fn location(&self) -> String {
        self.headers[header::LOCATION].to_str().unwrap().to_owned()
    }

    /// Status and the end of the problem's type.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{self:?}");
        let json = self.json();
        let kind = json["type"].as_str().unwrap().to_owned();
        let kind = kind.strip_prefix("urn:ietf:params:acme:error:").unwrap().to_owned();
        assert_eq!(json["status"], self.status.as_u16());
        (self.status.as_u16(), kind)
    }

    pub(crate) fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap().to_owned()
    }
}

/// What a client may spoil of a request.
pub(crate) struct Signing<'a> {
    pub(crate) header: Value,
    pub(crate) payload: &'a [u8],
    pub(crate) media_type: &'a str,
}

pub(crate) fn thumbprint(key: &SoftwareKey) -> String {
    let jwk = bare_jwk(key.public_key_der()).unwrap();
    PublicKey::of_jwk(jwk.as_object().unwrap()).unwrap().thumbprint()
}

/// A JWS in flattened JSON.
pub(crate) fn signed(key: &SoftwareKey, header: &Value, payload: &[u8]) -> Value {
    acme_client::signed(key, header, payload).unwrap()
}

/// A request for a certificate for these names.
pub(crate) fn csr(key: &SoftwareKey, names: &[&str]) -> Vec<u8> {
    csr_of(key, &Name::default(), acme_client::dns_names(names).unwrap())
}

pub(crate) fn csr_of(key: &SoftwareKey, subject: &Name, names: Vec<GeneralName>) -> Vec<u8> {
    acme_client::request(key, subject, names).unwrap()
}

impl<'a> Client<'a> {
    pub(crate) fn new(app: &'a App) -> Self {
        Self { app, key: SoftwareKey::generate_p256().unwrap(), kid: None }
    }

    /// With an account of this service.
    pub(crate) async fn of(app: &'a App, service_id: &str) -> Self {
        let mut client = Self::new(app);
        let (kid, key) = binding(app, service_id).await;
        let opened = client.open(&kid, &key).await;
        assert_eq!(opened.status, StatusCode::CREATED, "{opened:?}");
        client.kid = Some(opened.location());
        client
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.app.names().enrol)
    }

    pub(crate) fn jwk(&self) -> Value {
        bare_jwk(self.key.public_key_der()).unwrap()
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Body, kind: &str) -> Answer {
        let host = self.app.names().authority(NameRole::Enrol);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, kind)
            .body(body)
            .unwrap();
        let addr = SocketAddr::from(([192, 0, 2, 1], 50_000));
        request.extensions_mut().insert(Peer { addr, role: NameRole::Enrol, chain: [].into() });
        let response = router::enrol(self.app).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            octets: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, Body::empty(), "text/plain").await
    }

    pub(crate) async fn nonce(&self) -> String {
        let answer = self.send(Method::HEAD, "/acme/new-nonce", Body::empty(), "text/plain").await;
        answer.headers["replay-nonce"].to_str().unwrap().to_owned()
    }

    /// A good header for this path.
    pub(crate) async fn header(&self, path: &str) -> Value {
        let mut header =
            json!({ "alg": "ES256", "nonce": self.nonce().await, "url": self.url(path) });
        match &self.kid {
            Some(kid) => header["kid"] = kid.as_str().into(),
            None => header["jwk"] = self.jwk(),
        }
        header
    }

    /// A request that is good but for what the caller spoilt.
    pub(crate) async fn post_signed(&self, path: &str, signing: Signing<'_>) -> Answer {
        let body = signed(&self.key, &signing.header, signing.payload).to_string();
        self.send(Method::POST, path, Body::from(body), signing.media_type).await
    }

    /// A good body for this path.
    pub(crate) async fn body(&self, path: &str, payload: &[u8]) -> String {
        signed(&self.key, &self.header(path).await, payload).to_string()
    }

    async fn post_octets(&self, address: &str, payload: &[u8]) -> Answer {
        let path = address.strip_prefix(&self.app.names().enrol).unwrap_or(address);
        let body = Body::from(self.body(path, payload).await);
        self.send(Method::POST, path, body, "application/jose+json").await
    }

    pub(crate) async fn post(&self, address: &str, payload: &Value) -> Answer {
        self.post_octets(address, payload.to_string().as_bytes()).await
    }

    /// POST-as-GET.
    pub(crate) async fn fetch(&self, address: &str) -> Answer {
        self.post_octets(address, b"").await
    }

    pub(crate) async fn open(&self, kid: &str, key: &[u8]) -> Answer {
        let path = "/acme/new-account";
        let bound = acme_client::bound(kid, key, &self.url(path), &self.jwk()).unwrap();
        let contact = ["mailto:admin@referral.example"];
        self.post(path, &json!({ "contact": contact, "externalAccountBinding": bound })).await
    }

    pub(crate) async fn order(&self, names: &[&str]) -> Answer {
        let names: Vec<_> =
            names.iter().map(|name| json!({ "type": "dns", "value": name })).collect();
        self.post("/acme/new-order", &json!({ "identifiers": names })).await
    }

    /// The challenge of this type of the first authorization of an order.
    pub(crate) async fn challenge(&self, order: &Value, kind: &str) -> Value {
        let first = self.fetch(order["authorizations"][0].as_str().unwrap()).await.json();
        let challenges = first["challenges"].as_array().unwrap();
        challenges.iter().find(|found| found["type"] == kind).unwrap().clone()
    }

    pub(crate) fn key_authorization(&self, challenge: &Value) -> String {
        format!("{}.{}", challenge["token"].as_str().unwrap(), thumbprint(&self.key))
    }

    pub(crate) async fn finalize(&self, order: &Value, csr: &[u8]) -> Answer {
        let address = order["finalize"].as_str().unwrap();
        self.post(address, &json!({ "csr": encode(csr) })).await
    }
}

/// A binding key of this service: `kid` and HMAC key.
pub(crate) async fn binding(app: &App, service_id: &str) -> (String, Vec<u8>) {
    let keys = (&app.keys().sealing, app.random());
    let mut reader = app.store().read();
    let drawn = NewBinding::draw(&mut reader, service_id, app.config(), keys, app.now());
    let drawn = drawn.await.unwrap();
    let done = Entry::done(ACT, Actor::System, app.now());
    drawn.keep(app.store(), done).await.unwrap();
    let key = decode(&drawn.key()).unwrap();
    (drawn.id().to_owned(), key)
}
