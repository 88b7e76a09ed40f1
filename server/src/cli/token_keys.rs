//! `sekisho token-keys list DIR` and `sekisho token-keys rotate DIR`.

use clap::builder::PossibleValuesParser;
use sekisho_store::own_key::Purpose;

use super::{
    Exit, Failure,
    own_keys::{Common, manner},
};
use crate::jose::Algorithm;

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
    common: Common,
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
    common: Common,
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
}

impl TokenKeys {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.command {
            Command::List(list) => list.common.list(Purpose::Token),
            Command::Rotate(rotate) => {
                let algorithm = Algorithm::parse(&rotate.algorithm).unwrap_or(Algorithm::Es256);
                rotate.common.rotate((Purpose::Token, algorithm), manner(rotate.at_once))
            }
        }
    }
}
