//! `sekisho router psk add`, `replace`, `end` and `list`.

use sekisho_key::SystemRandomness;
use sekisho_output::{list, say, show};
use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    router,
    router_psk::{self, RouterPsk},
    transaction,
};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{AT_THE_HOST, OneRouter, open};
use crate::{
    cli::{Exit, Failure, InstanceFolder, NotInForce, exit::Cause},
    instance::{self, Folder},
    network::psk::{Making, NewEnd, NewPsk, Refusal, at_router, recorded, withdraw},
};

/// Routers whose keys are listed at once.
const MOST: i64 = 10_000;

/// Give two routers a pre-shared key of their own, where one of them knows no certificates
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho router psk add /srv/sekisho T3W8K0M5XYZ T0A1B2C3D4E
  sekisho router psk list /srv/sekisho T3W8K0M5XYZ

The key itself is never printed. It is kept wrapped until both ends have it, and nowhere afterwards.")]
pub(super) struct Psk {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// A key for two routers that have none
    #[command(after_help = "\
Examples:
  sekisho router psk add /srv/sekisho T3W8K0M5XYZ T0A1B2C3D4E
      prints a code for each end; at the router, `sh psk.sh` of its bundle fetches the key by it, once
  sekisho router psk add /srv/sekisho T3W8K0M5XYZ T0A1B2C3D4E --json | jq -r '.ends[].code'")]
    Add(New),
    /// Another key for two routers that have one
    #[command(after_help = "\
Examples:
  sekisho router psk replace /srv/sekisho T3W8K0M5XYZ T0A1B2C3D4E
      both ends fetch the new key by new codes; the old one counts until they load it")]
    Replace(New),
    /// End the key of two routers
    #[command(after_help = "\
Examples:
  sekisho router psk end /srv/sekisho T3W8K0M5XYZ T0A1B2C3D4E
      the pair goes over to certificates (take both bundles anew), or is given up")]
    End(Pair),
    /// The newest key of a router with each of its peers
    #[command(after_help = "\
Examples:
  sekisho router psk list /srv/sekisho T3W8K0M5XYZ
      the peer, where the key stands (waiting, fetched, or why it ended), when it was made, with tabs between
  sekisho router psk list /srv/sekisho T3W8K0M5XYZ --json | jq -r .state")]
    List(List),
}

#[derive(Debug, clap::Args)]
struct Pair {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Identifier of a router
    #[arg(value_name = "ROUTER")]
    one: String,
    /// Identifier of the router at the other end
    #[arg(value_name = "ROUTER")]
    other: String,
}

#[derive(Debug, clap::Args)]
struct New {
    #[command(flatten)]
    pair: Pair,
    /// The answer as JSON, with the codes
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    router: OneRouter,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Psk {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        match self.command {
            Command::Add(new) => new.run(Making::First).await,
            Command::Replace(new) => new.run(Making::Replacement).await,
            Command::End(pair) => pair.end().await,
            Command::List(list) => list.run().await,
        }
    }
}

impl New {
    async fn run(self, making: Making) -> Result<Exit, Failure> {
        let (config, store) = open(&self.pair.instance).await?;
        let sealing = instance::sealing_key(&Folder::new(config.folder()))?;
        let now = OffsetDateTime::now_utc();
        let routers = [self.pair.one.as_str(), &self.pair.other];
        let psk = NewPsk::draw(&SystemRandomness, &sealing, &config, routers, now)?;
        if let Some(refusal) = psk.refusal(&mut store.read(), making).await? {
            return Err(Failure::usage(format!("no key was made: {refusal}")));
        }
        show(&told(&psk, self.json)?)?;
        let kept = transaction!(store, StoreError, |tx| {
            let refusal = psk.keep(tx, making, AT_THE_HOST).await?;
            let Some(refusal) = refusal else {
                let done = Entry::done(making.act(), instance::operator(), now);
                return recorded(tx, None, done.on("router_psk", psk.id()), routers).await;
            };
            let operator = instance::operator();
            let refused = Entry::refused(making.act(), operator, now, refusal.as_str());
            let [own, peer] = routers;
            Ok(Audited::new(Some(refusal), at_router(tx, refused, own, peer).await?))
        });
        store.close().await;
        match kept.map_err(Cause::from).map(|refusal| refusal.map(Cause::from)) {
            Ok(None) => Ok(Exit::Done),
            Ok(Some(error)) | Err(error) => {
                Err(NotInForce { what: "the key and its codes", error }.into())
            }
        }
    }
}

/// Key and codes as they are printed, once.
fn told(psk: &NewPsk, json: bool) -> Result<String, Failure> {
    let until = psk.expires_at();
    let [one, other] = psk.ends();
    if json {
        let end = |end: &NewEnd| json!({"router": end.router_id, "code": *end.code.reveal()});
        let answer = json!({
            "id": psk.id(),
            "ends": [end(one), end(other)],
            "codes_expire_at": until.unix_timestamp(),
        });
        return Ok(format!("{answer}\n"));
    }
    let until = until.replace_nanosecond(0)?.format(&Rfc3339)?;
    Ok(format!(
        "{}  {}\n{}  {}\n\nEach code is good once, until {until}, at its own router: sh psk.sh of its bundle \
         asks for it. They are shown here and nowhere else.\n",
        one.router_id,
        *one.code.reveal(),
        other.router_id,
        *other.code.reveal()
    ))
}

impl Pair {
    async fn end(self) -> Result<Exit, Failure> {
        let (_, store) = open(&self.instance).await?;
        let now = OffsetDateTime::now_utc();
        let routers = [self.one.as_str(), &self.other];
        let [one, other] = routers;
        let ended = transaction!(store, StoreError, |tx| {
            let operator = instance::operator();
            let Some(psk) = withdraw(tx, routers, now).await? else {
                let reason = Refusal::HaveNone.as_str();
                let refused = Entry::refused("router.psk.end", operator, now, reason);
                return Ok(Audited::new(false, at_router(tx, refused, one, other).await?));
            };
            let done = Entry::done("router.psk.end", operator, now).on("router_psk", &psk);
            recorded(tx, true, done, routers).await
        })?;
        store.close().await;
        if !ended {
            return Err(Failure::usage(format!("routers {one} and {other} have no key in force")));
        }
        say(&format!(
            "The key of {one} and {other} is ended. Routers whose cron runs revocation.sh learn it within a minute; at \
             any other device take it out by hand.\n"
        ))?;
        Ok(Exit::Done)
    }
}

impl List {
    async fn run(self) -> Result<Exit, Failure> {
        let (_, store) = open(&self.router.instance).await?;
        let mut reader = store.read();
        let nobody =
            || Failure::usage(format!("there is no router {} in the register", self.router.id));
        router::find(&mut reader, &self.router.id).await?.ok_or_else(nobody)?;
        let found = router_psk::latest_of(&mut reader, &self.router.id, MOST).await?;
        drop(reader);
        store.close().await;
        for psk in found {
            if !list(&format!("{}\n", line(&psk, &self.router.id, self.json)?))? {
                break;
            }
        }
        Ok(Exit::Done)
    }
}

fn line(psk: &RouterPsk, id: &str, json: bool) -> Result<String, Failure> {
    let other = psk.other(id);
    let own = psk.other(&other.router_id);
    let state = match &psk.ended {
        Some((_, reason)) => reason.as_str(),
        None if psk.is_fetched() => "fetched",
        None => "waiting",
    };
    let fetched = |at: Option<OffsetDateTime>| at.map(OffsetDateTime::unix_timestamp);
    if json {
        return Ok(json!({
            "id": psk.id,
            "peer": other.router_id,
            "state": state,
            "created_at": psk.created_at.unix_timestamp(),
            "fetched_at": fetched(own.fetched_at),
            "peer_fetched_at": fetched(other.fetched_at),
            "ended_at": psk.ended.map(|(at, _)| at.unix_timestamp()),
        })
        .to_string());
    }
    let made = psk.created_at.format(&Rfc3339)?;
    Ok([other.router_id.as_str(), state, &made].join("\t"))
}
