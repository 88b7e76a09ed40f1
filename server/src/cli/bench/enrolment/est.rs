//! EST simpleenroll (RFC 7030 §4.2.1) of a PC, by its code.

use base64::{Engine, engine::general_purpose::STANDARD};
use sekisho_store::terminal::Device;

use super::{
    load::{Client, Octets},
    seed::{Seed, made},
};
use crate::demo::{
    connection::Door,
    crowd,
    est_client::{self, EstClient},
    stage::Stage,
};

/// `Authorization`, and a request in base64.
pub(super) struct Ask {
    authorization: String,
    request: String,
}

pub(super) async fn asks(seed: &Seed, number: usize) -> anyhow::Result<Vec<Ask>> {
    let newcomers = seed.newcomers(Device::Pc, number).await?;
    made(newcomers, |newcomer| {
        let (request, _) = crowd::request(&newcomer.id)?;
        let credentials = STANDARD.encode(format!("{}:{}", newcomer.id, newcomer.code));
        Ok(Ask { authorization: format!("Basic {credentials}"), request })
    })
    .await
}

pub(super) async fn clients(stage: &Stage, number: usize) -> anyhow::Result<Vec<EstClient>> {
    let door = Door::new(&stage.origins.enrol, &stage.root_pem)?;
    let mut clients = Vec::with_capacity(number);
    for _ in 0..number {
        clients.push(EstClient::over(door.connect(None).await?));
    }
    Ok(clients)
}

impl Client for EstClient {
    type Ask = Ask;

    async fn once(&mut self, ask: Ask) -> anyhow::Result<Octets> {
        let (status, body) = self.ask(Some(&ask.authorization), &ask.request).await?;
        est_client::certificate(status, &body)?;
        Ok(Octets { asked: ask.request.len(), answered: body.len() })
    }
}
