//! `sekisho service approve DIR CLIENT-ID FILE`.

use sekisho_output::remark;

use super::{open, read, registry};
use crate::{
    cli::{Exit, Failure, InstanceFolder, Named, named},
    config::Config,
    entitlement::Entitlements,
    instance,
    oidc::client,
};

/// Let a service out of the sandbox, for whom the rules admit
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  sekisho service approve /srv/sekisho 3f0c8a52b1d94e6f8a7b6c5d4e3f2a1b rules.toml

The file holds `[[rules]]` and `groups` as that of a service does (docs/services.md). From then on the
service is closed at test facilities, and its own token can take back of its registration but add nothing.")]
pub(super) struct Approve {
    #[command(flatten)]
    instance: InstanceFolder,
    /// The service
    #[arg(value_name = "CLIENT-ID")]
    client_id: String,
    /// Whom it is open to (TOML)
    #[arg(value_name = "FILE")]
    rules: Named<named::File>,
}

impl Approve {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let text = read(&self.rules)?;
        let config = Config::read(&self.instance.dir)?;
        let store = open(&config).await?;
        let entitlements = Entitlements::new();
        let registry = registry(&store, &config, &entitlements);
        let rules = client::read_rules(&registry, &self.client_id, &text).await?;
        let scopes =
            client::approve(&registry, &self.client_id, &rules, instance::operator()).await?;
        for in_vain in client::released_in_vain(&scopes, &rules) {
            remark(&format!("sekisho: {in_vain}"));
        }
        Ok(Exit::Done)
    }
}
