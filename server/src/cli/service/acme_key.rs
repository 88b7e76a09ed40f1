//! `sekisho service acme-key DIR CLIENT-ID`.

use sekisho_key::{Randomness, SystemRandomness};
use sekisho_output::show;
use sekisho_store::audit::Entry;
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::open;
use crate::{
    cli::{Cause, Exit, Failure, InstanceFolder, NotInForce, origin},
    config::Config,
    enrol::acme::{
        self,
        binding::{self, BindingError, NewBinding},
    },
    instance::{self, Folder},
    names::NameRole,
};

/// Make a key by which the servers of a service get certificates (ACME, RFC 8555); it is shown once
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho service acme-key /srv/sekisho referral
      key identifier, HMAC key, directory and the names that can be certified
  sekisho service acme-key /srv/sekisho referral --json | jq -r .hmac_key > key

It opens one account (External Account Binding). A key of this service that nobody used ends. docs/services.md
has the lines for certbot, lego and dehydrated.")]
pub(super) struct AcmeKey {
    #[command(flatten)]
    instance: InstanceFolder,
    /// The service
    #[arg(value_name = "CLIENT-ID")]
    client_id: String,
    /// The answer as JSON
    #[arg(long)]
    json: bool,
}

impl AcmeKey {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let config = Config::read(&self.instance.dir)?;
        let store = open(&config).await?;
        let folder = Folder::new(config.folder());
        let sealing = instance::sealing_key(&folder)?;
        let now = OffsetDateTime::now_utc();
        let keys = (&sealing, &SystemRandomness as &dyn Randomness);
        let drawn = NewBinding::draw(&mut store.read(), &self.client_id, &config, keys, now)
            .await
            .map_err(refused)?;
        let enrol = origin(&folder, &config, NameRole::Enrol);
        let directory = format!("{enrol}{}", acme::DIRECTORY);
        let names = drawn.names();
        let until = drawn.expires_at().replace_nanosecond(0)?.format(&Rfc3339)?;
        let told = if self.json {
            let answer = json!({
                "key_id": drawn.id(),
                "hmac_key": *drawn.key(),
                "directory": directory,
                "names": names,
                "expires_at": until,
            });
            format!("{answer}\n")
        } else {
            format!(
                "key identifier  {}\nHMAC key        {}\ndirectory       {directory}\nnames           {}\n\
                 It opens one account until {until}. It is shown this once.\n",
                drawn.id(),
                *drawn.key(),
                names.join(" ")
            )
        };
        show(&told)?;
        let kept = drawn.keep(&store, Entry::done(binding::ACT, instance::operator(), now)).await;
        store.close().await;
        kept.map_err(|error| NotInForce { what: "the key", error: Cause::from(error) })?;
        Ok(Exit::Done)
    }
}

fn refused(error: BindingError) -> Failure {
    if error.is_of_the_order() {
        Failure::usage(format!("no key was made: {error}"))
    } else {
        error.into()
    }
}
