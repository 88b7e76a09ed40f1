//! `sekisho token-keys list DIR` and `sekisho token-keys rotate DIR`.

use clap::builder::PossibleValuesParser;
use sekisho_key::SystemRandomness;
use sekisho_output::{list, show};
use sekisho_store::token_key::{self, TokenKey};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Exit, Failure, InstanceFolder, runtime};
use crate::{
    config::Config,
    instance::{self, Folder},
    jose::Algorithm,
    token_keys::{Manner, Rotation},
};

/// Look at the keys that sign tokens for services, and replace them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho token-keys list /srv/sekisho
  sekisho token-keys rotate /srv/sekisho
      the next key is published now and signs in ten minutes; nobody notices
  sekisho token-keys rotate /srv/sekisho --at-once
      a key was lost: no token that it signed counts any more

Works while the instance is served and while it is not. Keys are replaced by themselves every
oidc.token_key_days.")]
pub(super) struct TokenKeys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
    Rotate(Rotate),
}

/// List the published keys, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho token-keys list /srv/sekisho
      kid, algorithm, from when it signs, until when, until when it is published; with tabs between
  sekisho token-keys list /srv/sekisho --json | jq -r .kid")]
struct List {
    #[command(flatten)]
    instance: InstanceFolder,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Follow the key of an algorithm with a new one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho token-keys rotate /srv/sekisho
  sekisho token-keys rotate /srv/sekisho --algorithm PS256
  sekisho token-keys rotate /srv/sekisho --at-once

With --at-once everybody who is logged in to a service logs in there again, and a service that kept
our keys refuses new tokens for as long as it does (at most five minutes, if it minds max-age).")]
struct Rotate {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Of which key
    #[arg(
        long,
        value_name = "ALG",
        default_value = Algorithm::Es256.as_str(),
        value_parser = PossibleValuesParser::new(Algorithm::ALL.map(Algorithm::as_str))
    )]
    algorithm: String,
    /// The old key is lost: it counts no more from now on
    #[arg(long)]
    at_once: bool,
    /// The answer as JSON
    #[arg(long)]
    json: bool,
}

impl TokenKeys {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        runtime()?.block_on(async {
            match self.command {
                Command::List(list) => list.run().await,
                Command::Rotate(rotate) => rotate.run().await,
            }
        })
    }
}

impl List {
    async fn run(self) -> Result<Exit, Failure> {
        let config = Config::read(&self.instance.dir)?;
        let store = instance::open_database(&config).await?;
        for key in token_key::published(&mut store.read(), OffsetDateTime::now_utc()).await? {
            if !list(&told(&key, self.json))? {
                break;
            }
        }
        Ok(Exit::Done)
    }
}

impl Rotate {
    async fn run(self) -> Result<Exit, Failure> {
        let config = Config::read(&self.instance.dir)?;
        let sealing = instance::sealing_key(&Folder::new(config.folder()))?;
        let store = instance::open_database(&config).await?;
        let rotation = Rotation {
            store: &store,
            sealing: &sealing,
            random: &SystemRandomness,
            now: OffsetDateTime::now_utc(),
            config: &config,
            actor: instance::operator(),
        };
        let manner = if self.at_once { Manner::AtOnce } else { Manner::WithOverlap };
        let algorithm = Algorithm::parse(&self.algorithm).unwrap_or(Algorithm::Es256);
        let key = rotation.rotate(algorithm, manner).await?;
        show(&told(&key, self.json))?;
        Ok(Exit::Done)
    }
}

fn told(key: &TokenKey, json: bool) -> String {
    let end = key.succeeded;
    if json {
        let line = json!({
            "kid": key.kid,
            "alg": key.algorithm,
            "signs_from": key.signs_from.unix_timestamp(),
            "signs_until": end.map(|end| end.signs_until.unix_timestamp()),
            "leaves_at": end.map(|end| end.leaves_at.unix_timestamp()),
        });
        return format!("{line}\n");
    }
    let at = |at: OffsetDateTime| {
        let at = at.replace_nanosecond(0).ok().and_then(|at| at.format(&Rfc3339).ok());
        at.unwrap_or_default()
    };
    let (until, leaves) = match end {
        Some(end) => (at(end.signs_until), at(end.leaves_at)),
        None => ("-".to_owned(), "-".to_owned()),
    };
    format!("{}\t{}\t{}\t{until}\t{leaves}\n", key.kid, key.algorithm, at(key.signs_from))
}
