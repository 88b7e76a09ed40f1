//! `sekisho router list DIR`.

use sekisho_output::list;
use sekisho_store::{
    router, router_psk,
    terminal::{self, TerminalStatus},
};
use serde_json::json;

use super::open;
use crate::{
    cli::{Exit, Failure, InstanceFolder},
    network::psk::ProvesBy,
};

/// A facility has a handful of routers.
const MOST: i64 = 10_000;

/// List a facility's routers that are not revoked
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho router list /srv/sekisho --facility 123456789007
      identifier, status, family, name for its peers, address or `-`, network,
      and by what it proves itself (none, psk, psk+certificate, certificate), with tabs between
  sekisho router list /srv/sekisho --facility 123456789007 --json | jq -r .dns_name")]
pub(super) struct List {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Identifier of the facility, twelve digits
    #[arg(long, value_name = "ORGANISATION")]
    facility: String,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let (_, store) = open(&self.instance).await?;
        let mut reader = store.read();
        for router in router::of_facility(&mut reader, &self.facility, MOST).await? {
            let Some(terminal) = terminal::find(&mut reader, &router.terminal_id).await? else {
                continue;
            };
            let keys = router_psk::latest_of(&mut reader, &router.terminal_id, MOST).await?;
            let proof = ProvesBy::of(terminal.status == TerminalStatus::Enrolled, &keys).as_str();
            let address = router.address.map(|address| address.to_string());
            let line = if self.json {
                json!({
                    "id": router.terminal_id,
                    "name": terminal.name,
                    "status": terminal.status.as_str(),
                    "family": router.family,
                    "dns_name": router.dns_name,
                    "address": address,
                    "address_certified": router.address_certified,
                    "network": router.network.to_string(),
                    "proof": proof,
                })
                .to_string()
            } else {
                [
                    router.terminal_id.as_str(),
                    terminal.status.as_str(),
                    &router.family,
                    &router.dns_name,
                    address.as_deref().unwrap_or("-"),
                    &router.network.to_string(),
                    proof,
                ]
                .join("\t")
            };
            if !list(&format!("{line}\n"))? {
                break;
            }
        }
        drop(reader);
        store.close().await;
        Ok(Exit::Done)
    }
}
