//! `sekisho service token DIR`.

use secrecy::ExposeSecret;
use sekisho_output::show;
use sekisho_store::audit::Entry;
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::{open, registry};
use crate::{
    cli::{Exit, Failure, InstanceFolder, NotInForce},
    config::Config,
    entitlement::Entitlements,
    instance,
    oidc::registration::initial::{self, MOST_DAYS, MOST_USES, Order},
};

/// Make a token by which services register themselves (RFC 7591); it is shown once
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho service token /srv/sekisho --operated-by 123456789007
      for one service of that organisation, within a week
  sekisho service token /srv/sekisho --uses 20 --days 1 --json | jq -r .initial_access_token > token

What is registered by it is in the sandbox until `sekisho service approve`.")]
pub(super) struct Token {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Identifier of the organisation that runs the services, twelve digits
    #[arg(long, value_name = "ORGANISATION")]
    operated_by: Option<String>,
    /// How many services it registers, 1 to 100
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_USES)))]
    uses: u32,
    /// For how many days it can be used, 1 to 30
    #[arg(long, value_name = "N", default_value_t = 7,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DAYS)))]
    days: u32,
    /// The answer as JSON
    #[arg(long)]
    json: bool,
}

impl Token {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let config = Config::read(&self.instance.dir)?;
        let store = open(&config).await?;
        let entitlements = Entitlements::new();
        let registry = registry(&store, &config, &entitlements);
        let order = Order { organisation_id: self.operated_by, uses: self.uses, days: self.days };
        let prepared = initial::prepare(&registry, order).await?;
        let token = prepared.token().expose_secret();
        let until = prepared.expires_at();
        let told = if self.json {
            let expires_at = until.unix_timestamp();
            let answer = json!({ "initial_access_token": token, "expires_at": expires_at });
            format!("{answer}\n")
        } else {
            let until = until.replace_nanosecond(0)?.format(&Rfc3339)?;
            format!(
                "initial access token  {token}\nIt registers until {until}. It is shown this once; \
                 we keep only its hash.\n"
            )
        };
        show(&told)?;
        let entry = Entry::done("initial_access_token.create", instance::operator(), registry.now);
        prepared
            .keep(&registry, entry, None)
            .await
            .map_err(|error| NotInForce { what: "the token", error: error.into() })?;
        Ok(Exit::Done)
    }
}
