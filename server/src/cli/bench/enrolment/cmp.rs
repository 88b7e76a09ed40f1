//! CMP p10cr and ir (RFC 9810 §5.3) of a PC, protected by its code, with implicit confirmation.

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Request, StatusCode, header};
use sekisho_key::{Randomness, SoftwareKey, SystemRandomness};
use sekisho_pki::cmp::{BodyKind, Message, body};
use sekisho_store::terminal::Device;

use super::{
    load::{Client, Octets},
    seed::{Seed, made},
};
use crate::demo::{
    cmp_client::{self, Place},
    connection::{Connection, Door},
    crowd,
    stage::Stage,
};

pub(super) const KINDS: [BodyKind; 2] = [BodyKind::P10cr, BodyKind::Ir];

pub(super) fn name(kind: BodyKind) -> &'static str {
    if kind == BodyKind::P10cr { "CMP p10cr" } else { "CMP ir" }
}

/// A protected message of one PC.
pub(super) struct Ask(Vec<u8>);

/// A kept connection.
pub(super) struct CmpClient(Connection);

pub(super) async fn asks(seed: &Seed, kind: BodyKind, number: usize) -> anyhow::Result<Vec<Ask>> {
    let newcomers = seed.newcomers(Device::Pc, number).await?;
    made(newcomers, move |newcomer| {
        let content = match kind {
            BodyKind::P10cr => STANDARD.decode(crowd::request(&newcomer.id)?.0)?,
            _ => {
                let key = SoftwareKey::generate_p256()?;
                cmp_client::certificate_request(&key, &key, &newcomer.id)?
            }
        };
        let mut place =
            Place { transaction: [0; 16], nonce: [0; 16], answers: None, implicit: true };
        SystemRandomness.fill(&mut place.transaction)?;
        SystemRandomness.fill(&mut place.nonce)?;
        Ok(Ask(cmp_client::by_code((&newcomer.id, &newcomer.code), place, kind, content)?))
    })
    .await
}

pub(super) async fn clients(stage: &Stage, number: usize) -> anyhow::Result<Vec<CmpClient>> {
    let door = Door::new(&stage.origins.enrol, &stage.root_pem)?;
    let mut clients = Vec::with_capacity(number);
    for _ in 0..number {
        clients.push(CmpClient(door.connect(None).await?));
    }
    Ok(clients)
}

impl Client for CmpClient {
    type Ask = Ask;

    async fn once(&mut self, Ask(message): Ask) -> anyhow::Result<Octets> {
        let asked = message.len();
        let post =
            Request::post("/.well-known/cmp").header(header::CONTENT_TYPE, "application/pkixcmp");
        let answer = self.0.ask(post, message).await?;
        let octets = answer.body();
        ensure!(answer.status() == StatusCode::OK, "{}", String::from_utf8_lossy(octets).trim());
        let told = Message::parse(octets)?;
        let (status, certificate) = body::outcome(told.kind, told.content)?;
        let text = status.text.clone().unwrap_or_default().concat();
        certificate.filter(|_| status.is_granted()).with_context(|| format!("refused: {text}"))?;
        Ok(Octets { asked, answered: octets.len() })
    }
}
