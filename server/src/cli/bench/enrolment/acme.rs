//! ACME from order to certificate (RFC 8555 §7.4): order, authorization, challenge by http-01, finalization, download.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, ensure};
use axum::{
    Router,
    extract::{Path as PathOf, State},
    routing::get,
};
use http::{Request, Response, StatusCode, header};
use hyper::body::Bytes;
use sekisho_key::{SoftwareKey, SystemRandomness};
use sekisho_protocol::octets::{decode, encode};
use sekisho_store::audit::{Actor, Entry};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use x509_cert::name::Name;

use super::{
    load::{Client, Octets},
    seed::{Seed, made},
};
use crate::{
    clock::{Clock, SystemClock},
    demo::{
        acme_client,
        connection::{Connection, Door},
        services,
        stage::Stage,
    },
    enrol::acme::binding::{ACT, NewBinding},
};

/// What is answered to whoever looks whether a host is a client's, by token.
type Answers = Arc<Mutex<HashMap<String, String>>>;

/// The key of a server, which is certified.
pub(super) struct Ask(SoftwareKey);

/// The server of a service, with its account.
pub(super) struct AcmeClient {
    connection: Connection,
    origin: String,
    host: String,
    key: SoftwareKey,
    kid: Option<String>,
    nonce: String,
    answers: Answers,
}

/// As many servers as are asked for first, each of a service of its own, and keys to be certified.
pub(super) async fn prepared(
    seed: &Seed,
    stage: &Stage,
    listener: TcpListener,
    (clients, asks): (usize, usize),
) -> anyhow::Result<(Vec<AcmeClient>, Vec<Ask>)> {
    let answers = Answers::default();
    let pages = Router::new()
        .route("/.well-known/acme-challenge/{token}", get(answer))
        .with_state(Arc::clone(&answers));
    tokio::spawn(async move { axum::serve(listener, pages).await });
    let mut opened = Vec::with_capacity(clients);
    for number in 0..clients {
        opened.push(AcmeClient::open(seed, stage, number, Arc::clone(&answers)).await?);
    }
    let asks = made(vec![(); asks], |()| Ok(Ask(SoftwareKey::generate_p256()?))).await?;
    Ok((opened, asks))
}

async fn answer(State(answers): State<Answers>, PathOf(token): PathOf<String>) -> String {
    let answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
    answers.get(&token).cloned().unwrap_or_default()
}

/// A service that is nothing but a host.
fn service(id: &str, host: &str, facility: &str) -> String {
    format!(
        r#"
id = "{id}"
operated_by = "{facility}"
name = {{ ja = "計測", en = "Measured" }}
description = {{ ja = "計測のためのサービス。", en = "A service that is measured." }}
home_url = "https://{host}/"
redirect_uris = ["https://{host}/callback"]
sector = "{host}"
authentication = "none"
scopes = ["openid"]
"#
    )
}

impl AcmeClient {
    async fn open(
        seed: &Seed,
        stage: &Stage,
        number: usize,
        answers: Answers,
    ) -> anyhow::Result<Self> {
        let (id, host) = (format!("measured-{number}"), format!("measured-{number}.localhost"));
        let file = Path::new(&stage.folder).join(format!("{id}.toml"));
        std::fs::write(&file, service(&id, &host, &seed.facility))?;
        services::register(stage, &file).await?;
        let (now, mut reader) = (SystemClock.now(), seed.store.read());
        let keys = (&seed.sealing, &SystemRandomness as _);
        let binding = NewBinding::draw(&mut reader, &id, &seed.config, keys, now).await?;
        drop(reader);
        binding.keep(&seed.store, Entry::done(ACT, Actor::System, now)).await?;
        let door = Door::new(&stage.origins.enrol, &stage.root_pem)?;
        let mut client = Self {
            connection: door.connect(None).await?,
            origin: stage.origins.enrol.clone(),
            host,
            key: SoftwareKey::generate_p256()?,
            kid: None,
            nonce: String::new(),
            answers,
        };
        let head = Request::head("/acme/new-nonce");
        let answer = client.connection.ask(head, Bytes::new()).await?;
        client.nonce = nonce_of(&answer)?;
        let address = format!("{}/acme/new-account", client.origin);
        let bound = acme_client::bound(
            binding.id(),
            &decode(&binding.key())?,
            &address,
            &acme_client::jwk(&client.key)?,
        )?;
        let opening = json!({ "termsOfServiceAgreed": true, "externalAccountBinding": bound });
        let mut octets = Octets::default();
        let opened = client.post(&address, &opening.to_string(), &mut octets).await?;
        client.kid = Some(location(&opened)?);
        Ok(client)
    }

    /// A signed request to an address here; each answer brings the nonce of the next.
    async fn post(
        &mut self,
        address: &str,
        payload: &str,
        octets: &mut Octets,
    ) -> anyhow::Result<Response<Bytes>> {
        let mut header = json!({ "alg": "ES256", "nonce": self.nonce, "url": address });
        match &self.kid {
            Some(kid) => header["kid"] = kid.as_str().into(),
            None => header["jwk"] = acme_client::jwk(&self.key)?,
        }
        let body = acme_client::signed(&self.key, &header, payload.as_bytes())?.to_string();
        let path = address.strip_prefix(&self.origin).context("an address elsewhere")?.to_owned();
        let post = Request::post(path).header(header::CONTENT_TYPE, "application/jose+json");
        let asked = body.len();
        let answer = self.connection.ask(post, body).await?;
        octets.add(asked, answer.body().len());
        let told = || String::from_utf8_lossy(answer.body()).trim().to_owned();
        ensure!(answer.status().is_success(), "{address}: {} {}", answer.status(), told());
        self.nonce = nonce_of(&answer)?;
        Ok(answer)
    }

    async fn json(
        &mut self,
        address: &str,
        payload: &str,
        octets: &mut Octets,
    ) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(self.post(address, payload, octets).await?.body())?)
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nonce_of(answer: &Response<Bytes>) -> anyhow::Result<String> {
    let nonce = answer.headers().get("replay-nonce").context("an answer without a nonce")?;
    Ok(nonce.to_str()?.to_owned())
}

fn location(answer: &Response<Bytes>) -> anyhow::Result<String> {
    let location =
        answer.headers().get(header::LOCATION).context("an answer without an address")?;
    Ok(location.to_str()?.to_owned())
}

fn text<'v>(value: &'v Value, what: &str) -> anyhow::Result<&'v str> {
    value.as_str().with_context(|| format!("no {what}"))
}

impl Client for AcmeClient {
    type Ask = Ask;

    async fn once(&mut self, Ask(key): Ask) -> anyhow::Result<Octets> {
        let mut octets = Octets::default();
        let address = format!("{}/acme/new-order", self.origin);
        let asked = json!({ "identifiers": [{ "type": "dns", "value": self.host }] });
        let order = self.json(&address, &asked.to_string(), &mut octets).await?;
        let authorization = text(&order["authorizations"][0], "authorization")?;
        let authorization = self.json(authorization, "", &mut octets).await?;
        let challenges = authorization["challenges"].as_array().context("no challenges")?;
        let challenge = challenges.iter().find(|found| found["type"] == "http-01");
        let challenge = challenge.context("no http-01")?;
        let token = text(&challenge["token"], "token")?.to_owned();
        let proof = acme_client::key_authorization(&self.key, &token)?;
        self.answers().insert(token.clone(), proof);
        let tried = self.json(text(&challenge["url"], "address")?, "{}", &mut octets).await?;
        self.answers().remove(&token);
        ensure!(tried["status"] == "valid", "the challenge: {tried}");
        let csr = acme_client::request(
            &key,
            &Name::default(),
            acme_client::dns_names(&[self.host.as_str()])?,
        )?;
        let csr = json!({ "csr": encode(csr) }).to_string();
        let done = self.json(text(&order["finalize"], "address")?, &csr, &mut octets).await?;
        ensure!(done["status"] == "valid", "the order: {done}");
        let certificate = text(&done["certificate"], "certificate")?.to_owned();
        let chain = self.post(&certificate, "", &mut octets).await?;
        ensure!(chain.status() == StatusCode::OK, "the certificate: {}", chain.status());
        let leaf = std::str::from_utf8(chain.body())?.starts_with("-----BEGIN CERTIFICATE-----");
        ensure!(leaf, "what came is no certificate");
        Ok(octets)
    }
}
