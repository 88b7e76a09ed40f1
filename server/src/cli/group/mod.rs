//! `sekisho group make`, `admit`, `end`, `close`, `list` and `show`.

mod act;
mod look;

use sekisho_store::{
    Queries, Store,
    vpn_group::{self, VpnGroup},
};

use super::{Exit, Failure, InstanceFolder, runtime};
use crate::{config::Config, instance};

/// Groups of facilities whose routers reach each other: who may be whose peer
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho group make /srv/sekisho --owner 123456789007 --name 東地域連携 --purpose regional_cooperation \\
      --topology hub
  sekisho group admit /srv/sekisho 019a… --facility 123456789023 --router T3W8K0M5XYZ --reason 'agreement of 20 November'
  sekisho group list /srv/sekisho
  sekisho group show /srv/sekisho 019a…

At the console the owner's administrator and the facility's agree, two persons. Here the operating body acts for
both, by what they agreed upon on paper; both are told. Texts of routers follow: `sekisho help router bundle`.")]
pub(super) struct Group {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Make(act::Make),
    Admit(act::Admit),
    End(act::End),
    Close(act::Close),
    List(look::List),
    Show(look::Show),
}

impl Group {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        runtime()?.block_on(async {
            match self.command {
                Command::Make(make) => make.run().await,
                Command::Admit(admit) => admit.run().await,
                Command::End(end) => end.run().await,
                Command::Close(close) => close.run().await,
                Command::List(list) => list.run().await,
                Command::Show(show) => show.run().await,
            }
        })
    }
}

async fn open(instance: &InstanceFolder) -> Result<Store, Failure> {
    let config = Config::read(&instance.dir)?;
    Ok(instance::open_database(&config).await?)
}

/// The group that was named, which has to be open.
async fn named(queries: &mut impl Queries, id: &str) -> Result<VpnGroup, Failure> {
    let found = vpn_group::find(queries, id).await?;
    found.filter(|group| group.closed_at.is_none()).ok_or_else(|| {
        Failure::usage(format!(
            "there is no group {id}, or it was closed; `sekisho group list` has them"
        ))
    })
}
