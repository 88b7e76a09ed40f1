//! `sekisho router add`, `bundle`, `code`, `list`, `models`, `psk` and `setup`.

mod add;
mod bundle;
mod code;
mod list;
mod models;
mod psk;
mod setup;

use sekisho_store::Store;
use serde_json::{Value as Json, json};
use time::format_description::well_known::Rfc3339;

use super::{Exit, Failure, InstanceFolder, runtime};
use crate::{config::Config, enrol::new_code::NewCode, instance, network::bundle::Key};

/// Enter facilities' routers, give them codes, set them up and list them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho router add /srv/sekisho --facility 123456789007 --name 'Main building' \\
      --family router_strongswan --address 192.0.2.1 --network 10.20.30.0/24
      enter a router; prints the code by which it gets its certificate (EST, RFC 7030)
  sekisho router code /srv/sekisho T3W8K0M5XYZ
      another code, where the first one was lost or has ended
  sekisho router list /srv/sekisho --facility 123456789007
  sekisho router bundle /srv/sekisho T3W8K0M5XYZ --to main-building
      what its technician needs: scripts, authorities, and the configuration of its family with
      the peers that its groups give it (`sekisho help group`)
  sekisho router psk add /srv/sekisho T3W8K0M5XYZ T0A1B2C3D4E
      a pre-shared key for this pair alone, where one of both knows no certificates
  sekisho router setup make /srv/sekisho T3W8K0M5XYZ
      a link for its technician: the steps, and a tick for each tunnel once it stands
  sekisho router models import /srv/sekisho --shipped
      models of routers, who reaches whom, and which are certified

A router is revoked as any terminal is: `sekisho help revoke`. The facility's administrator finds all of
this at the console, too.")]
pub(super) struct Router {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Add(add::Add),
    Bundle(bundle::Bundle),
    Code(code::Code),
    List(list::List),
    Models(models::Models),
    Psk(psk::Psk),
    Setup(setup::Setup),
}

impl Router {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        runtime()?.block_on(async {
            match self.command {
                Command::Add(add) => add.run().await,
                Command::Bundle(bundle) => bundle.run().await,
                Command::Code(code) => code.run().await,
                Command::List(list) => list.run().await,
                Command::Models(models) => models.run().await,
                Command::Psk(psk) => psk.run().await,
                Command::Setup(setup) => setup.run().await,
            }
        })
    }
}

/// In the register, where a person's key stands for what the console did.
const AT_THE_HOST: &str = "host";

/// The router that a command is about.
#[derive(Debug, clap::Args)]
struct OneRouter {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Identifier of the router
    #[arg(value_name = "ROUTER")]
    id: String,
}

/// What the texts of a router and of its peers have in common.
#[derive(Debug, clap::Args)]
struct KeyOfAll {
    /// The kind of key of this router and of those it speaks with
    #[arg(long, value_enum, default_value_t)]
    key: Key,
}

async fn open(instance: &InstanceFolder) -> Result<(Config, Store), Failure> {
    let config = Config::read(&instance.dir)?;
    let store = instance::open_database(&config).await?;
    Ok((config, store))
}

/// A code as it is printed, once: the parts of JSON, or the lines.
fn told(id: &str, dns_name: &str, code: &NewCode, json: bool) -> Result<String, Failure> {
    let until = code.expires_at();
    let revealed = code.code().reveal();
    if json {
        let answer: Json = json!({
            "id": id,
            "dns_name": dns_name,
            "code": *revealed,
            "code_expires_at": until.unix_timestamp(),
            "needs_approval": code.needs_approval(),
        });
        return Ok(format!("{answer}\n"));
    }
    let approval = match code.needs_approval() {
        true => {
            "\n\nNothing is certified before an administrator of the facility has approved the router's key \
             at its page of the console; until then its requests wait."
        }
        false => "",
    };
    let until = until.replace_nanosecond(0)?.format(&Rfc3339)?;
    Ok(format!(
        "router  {id}\nname    {dns_name}\ncode    {}\n\nThe code is good once, until {until}, for EST \
         at /.well-known/est/routers of the name for enrolment: user {id}, password the code. It is \
         shown here and nowhere else.{approval}\n",
        *revealed
    ))
}
