//! SCEP PKCSReq (RFC 8894 §3.3.1) of a router by plain HTTP, by its code.

use anyhow::{Context, ensure};
use http::{Request, StatusCode, header};
use hyper::body::Bytes;
use sekisho_key::{RsaSize, SoftwareKey};
use sekisho_pki::{
    encoding::{
        cms,
        name::{Part, name},
    },
    scep::{Cipher, MessageType, PkiStatus, UnverifiedMessage},
};
use sekisho_store::terminal::Device;
use time::Duration;
use x509_cert::{Certificate, der::Decode};

use super::{
    load::{Client, Octets},
    seed::{Seed, made},
};
use crate::{
    clock::{Clock, SystemClock},
    demo::{
        connection::Connection,
        scep_client::{self, Content},
        stage::Stage,
    },
};

const PATH: &str = "/scep?operation=PKIOperation";

/// A signed message for one router.
pub(super) struct Ask(Vec<u8>);

/// A kept connection.
pub(super) struct ScepClient(Connection);

pub(super) async fn asks(seed: &Seed, stage: &Stage, number: usize) -> anyhow::Result<Vec<Ask>> {
    let ra = registration_authority(stage).await?;
    let newcomers = seed.newcomers(Device::Router, number).await?;
    let now = SystemClock.now();
    made(newcomers, move |newcomer| {
        let key = SoftwareKey::generate_rsa(RsaSize::Bits3072)?;
        let subject = name(&[Part::CommonName(&newcomer.id)])?;
        let request = scep_client::request(&key, &subject, Some(&newcomer.code))?;
        let content = Content { octets: &request, cipher: Cipher::Aes128 };
        let own = scep_client::self_signed(&key, &subject, [now, now + Duration::DAY])?;
        let place = (MessageType::PkcsReq, newcomer.id.as_str());
        Ok(Ask(scep_client::message(place, content.sealed(&ra)?, (&key, &own))?))
    })
    .await
}

/// The one certificate of GetCACert whose key is RSA.
async fn registration_authority(stage: &Stage) -> anyhow::Result<Vec<u8>> {
    let mut connection = Connection::plain(&stage.origins.plain).await?;
    let question = Request::get("/scep?operation=GetCACert");
    let answer = connection.ask(question, Bytes::new()).await?;
    ensure!(answer.status() == StatusCode::OK, "GetCACert: {}", answer.status());
    let is_rsa = |der: &Vec<u8>| {
        Certificate::from_der(der).is_ok_and(|found| {
            let key = found.tbs_certificate().subject_public_key_info();
            key.algorithm.oid == const_oid::db::rfc5912::RSA_ENCRYPTION
        })
    };
    let all = cms::parse_certs_only(answer.body())?;
    all.into_iter().find(is_rsa).context("there is no registration authority")
}

pub(super) async fn clients(stage: &Stage, number: usize) -> anyhow::Result<Vec<ScepClient>> {
    let mut clients = Vec::with_capacity(number);
    for _ in 0..number {
        clients.push(ScepClient(Connection::plain(&stage.origins.plain).await?));
    }
    Ok(clients)
}

impl Client for ScepClient {
    type Ask = Ask;

    async fn once(&mut self, Ask(message): Ask) -> anyhow::Result<Octets> {
        let asked = message.len();
        let post = Request::post(PATH).header(header::CONTENT_TYPE, "application/x-pki-message");
        let answer = self.0.ask(post, message).await?;
        let body = answer.body();
        ensure!(answer.status() == StatusCode::OK, "{}", String::from_utf8_lossy(body).trim());
        let told = UnverifiedMessage::parse(body)?;
        let told = told.attributes();
        let text = told.fail_info_text.as_deref().unwrap_or_default();
        ensure!(told.status == Some(PkiStatus::Success), "not granted: {text}");
        Ok(Octets { asked, answered: body.len() })
    }
}
