//! Who enrols: devices of a facility with codes, as the console and the host give them.

use std::thread;

use anyhow::Context;
use sekisho_ca::registration::terminal_identifier::TerminalIdentifier;
use sekisho_key::{Randomness, SystemRandomness};
use sekisho_store::{
    Store, StoreError,
    audit::{Actor, Audited, Entry},
    router::{self, Router},
    terminal::{self, Device},
    transaction,
};
use tokio::task::JoinSet;

use crate::{
    clock::{Clock, SystemClock},
    config::Config,
    demo::{crowd, stage::Stage},
    enrol::new_code::NewCode,
    instance::{self, Folder},
    sealing::SealingKey,
};

/// Devices entered by one transaction.
const AT_ONCE: usize = 200;

/// The instance, and a facility of it.
pub(super) struct Seed {
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) sealing: SealingKey,
    pub(super) facility: String,
}

/// A device that may enrol once.
pub(super) struct Newcomer {
    pub(super) id: String,
    pub(super) code: String,
}

impl Seed {
    pub(super) async fn of(stage: &Stage) -> anyhow::Result<Self> {
        let config = Config::read(&stage.instance)?;
        let store = Store::open(config.instance().database(), "bench-seed").await?;
        let sealing = instance::sealing_key(&Folder::new(&stage.instance))?;
        let facility = crowd::facility(&store, SystemClock.now()).await?;
        Ok(Self { config, store, sealing, facility })
    }

    /// PCs or routers, each with a code, which CMP takes, too.
    pub(super) async fn newcomers(
        &self,
        device: Device,
        number: usize,
    ) -> anyhow::Result<Vec<Newcomer>> {
        let now = SystemClock.now();
        let mut drawn = Vec::with_capacity(number);
        for _ in 0..number {
            let mut octets = [0; 8];
            SystemRandomness.fill(&mut octets)?;
            let id = TerminalIdentifier::from_random(u64::from_be_bytes(octets)).to_string();
            drawn.push((id, NewCode::draw(&SystemRandomness, &self.sealing, &self.config, now)?));
        }
        for drawn in drawn.chunks(AT_ONCE) {
            transaction!(self.store, StoreError, |tx| {
                for (id, code) in drawn {
                    terminal::create(tx, id, &self.facility, id, "measure", now).await?;
                    if device == Device::Router {
                        router::create(tx, &self.router(id)).await?;
                    }
                    code.keep(tx, id, "measure").await?;
                }
                let entry = Entry::done("measure.devices", Actor::System, now);
                Ok(Audited::new((), entry.at_organisation(&self.facility)))
            })?;
        }
        let newcomer = |(id, code): (String, NewCode)| {
            let code = code.code().reveal().to_string();
            Newcomer { id, code }
        };
        Ok(drawn.into_iter().map(newcomer).collect())
    }

    fn router(&self, id: &str) -> Router {
        Router {
            terminal_id: id.to_owned(),
            family: "router".to_owned(),
            dns_name: self.config.host_names().of_router(id),
            address: None,
            address_certified: false,
            network: ipnet::Ipv4Net::default().into(),
        }
    }
}

/// What is made for each, in any order, as many at once as there are cores: RSA keys take their time.
///
/// # Errors
/// The first one.
pub(super) async fn made<T, U>(
    all: Vec<T>,
    make: impl Fn(T) -> anyhow::Result<U> + Clone + Send + 'static,
) -> anyhow::Result<Vec<U>>
where
    T: Send + 'static,
    U: Send + 'static,
{
    let workers = thread::available_parallelism()?.get();
    let (mut making, mut made) = (JoinSet::new(), Vec::with_capacity(all.len()));
    for one in all {
        if making.len() >= workers {
            made.extend(next(&mut making).await?);
        }
        let make = make.clone();
        making.spawn_blocking(move || make(one));
    }
    while let Some(one) = next(&mut making).await? {
        made.push(one);
    }
    Ok(made)
}

/// The one that is ready first.
async fn next<U: Send + 'static>(
    making: &mut JoinSet<anyhow::Result<U>>,
) -> anyhow::Result<Option<U>> {
    making.join_next().await.transpose().context("a key was not made")?.transpose()
}
