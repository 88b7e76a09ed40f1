//! `sekisho login-request-keys list DIR` and `sekisho login-request-keys rotate DIR`.

use sekisho_store::own_key::Purpose;

use super::{
    Exit, Failure,
    own_keys::{Common, manner},
};
use crate::jose::Algorithm;

/// Look at the keys that agents know this portal by, and replace them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho login-request-keys list /srv/sekisho
  sekisho login-request-keys rotate /srv/sekisho
      agents learn the next key within the hour, and it signs from tomorrow; nobody notices
  sekisho login-request-keys rotate /srv/sekisho --at-once
      a key was lost: agents obey it for an hour more at most

Works while the instance is served and while it is not. Keys are replaced by themselves every
card_login.request_key_days. An agent asks for them at its start, each hour, and when a login names one
that it does not know.")]
pub(super) struct LoginRequestKeys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
    Rotate(Rotate),
}

/// List the keys that agents are told of, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho login-request-keys list /srv/sekisho
      kid, algorithm, from when it signs, until when, until when agents obey it; with tabs between
  sekisho login-request-keys list /srv/sekisho --json | jq -r .kid")]
struct List {
    #[command(flatten)]
    common: Common,
}

/// Follow the key with a new one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho login-request-keys rotate /srv/sekisho
  sekisho login-request-keys rotate /srv/sekisho --at-once

With --at-once the first login at a PC begins some seconds later than usual, while its agent learns
the new key; by navigation (card_login.navigation) the person begins again. Where an agent does not
reach this server, it obeys the old key until it does.")]
struct Rotate {
    #[command(flatten)]
    common: Common,
    /// The old key is lost: nothing is signed with it, and no agent is told of it, any more
    #[arg(long)]
    at_once: bool,
}

impl LoginRequestKeys {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let purpose = Purpose::LoginRequest;
        match self.command {
            Command::List(list) => list.common.list(purpose),
            Command::Rotate(rotate) => {
                rotate.common.rotate((purpose, Algorithm::Es256), manner(rotate.at_once))
            }
        }
    }
}
