//! `sekisho service add DIR FILE` and `sekisho service list DIR`.

use std::{io::Read, path::PathBuf};

use secrecy::ExposeSecret;
use sekisho_key::SystemRandomness;
use sekisho_store::{Store, service};
use serde_json::json;
use time::OffsetDateTime;

use super::{Exit, Failure, InstanceFolder, runtime};
use crate::{
    config::Config,
    entitlement::Entitlements,
    instance,
    oidc::client::{self, Registry},
};

/// Register relying services and list them
#[derive(Debug, clap::Args)]
pub(super) struct Service {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Add(Add),
    List(List),
}

/// Register a service from its file; prints the client's secret once
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho service add /srv/sekisho referral.toml
  sekisho service add /srv/sekisho referral.toml --json | jq -r .client_secret > secret")]
struct Add {
    #[command(flatten)]
    instance: InstanceFolder,
    /// The service's file (TOML)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The answer as JSON
    #[arg(long)]
    json: bool,
}

/// List the registered services
#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    instance: InstanceFolder,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// A service's file is a page of text.
const MOST_OCTETS: u64 = 256 * 1024;

async fn open(config: &Config) -> Result<Store, Failure> {
    Ok(Store::open(config.instance().database(), config.instance().node()).await?)
}

impl Service {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        runtime()?.block_on(async {
            match self.command {
                Command::Add(add) => add.run().await,
                Command::List(list) => list.run().await,
            }
        })
    }
}

impl Add {
    async fn run(self) -> Result<Exit, Failure> {
        let file = std::fs::File::open(&self.file)
            .map_err(|error| format!("cannot open {}: {error}", self.file.display()))?;
        let mut text = String::new();
        file.take(MOST_OCTETS).read_to_string(&mut text)?;
        let config = Config::read(&self.instance.dir)?;
        let store = open(&config).await?;
        let entitlements = Entitlements::new();
        let registry = Registry {
            store: &store,
            config: &config,
            vocabulary: entitlements.vocabulary(),
            random: &SystemRandomness,
            now: OffsetDateTime::now_utc(),
        };
        let registered = client::register(&registry, &text, instance::operator()).await?;
        let secret = registered.client_secret.as_ref().map(|secret| secret.expose_secret());
        if self.json {
            let answer = json!({
                "client_id": registered.client_id,
                "client_secret": secret,
            });
            println!("{answer}");
        } else {
            println!("client_id      {}", registered.client_id);
            if let Some(secret) = secret {
                println!("client_secret  {secret}");
                println!("The secret is shown this once; we keep only its hash.");
            }
        }
        Ok(Exit::Done)
    }
}

impl List {
    async fn run(self) -> Result<Exit, Failure> {
        let config = Config::read(&self.instance.dir)?;
        let store = open(&config).await?;
        for found in service::list(&mut store.read()).await? {
            if self.json {
                let line = json!({
                    "client_id": found.id,
                    "name": { "ja": found.name_ja, "en": found.name_en },
                    "authentication": found.auth_method.as_str(),
                    "scopes": found.scopes,
                    "redirect_uris": found.redirect_uris,
                });
                println!("{line}");
            } else {
                println!("{}\t{}\t{}", found.id, found.name_ja, found.scopes.join(" "));
            }
        }
        Ok(Exit::Done)
    }
}
