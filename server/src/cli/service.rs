//! `sekisho service acme-key`, `add`, `approve`, `list`, `rules`, `token` and `use-cases`.

mod acme_key;
mod approve;
mod rules;
mod token;
mod use_cases;

use std::{io::Read, path::Path};

use secrecy::{ExposeSecret, SecretString};
use sekisho_key::SystemRandomness;
use sekisho_output::{list, remark, show};
use sekisho_store::{Store, audit::Entry, service};
use serde_json::json;
use time::OffsetDateTime;

use super::{Exit, Failure, InstanceFolder, Named, NotInForce, named, runtime};
use crate::{
    config::Config,
    entitlement::Entitlements,
    instance,
    oidc::client::{self, Registry},
};

/// Register relying services, let them register themselves, approve and list them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho service add /srv/sekisho referral.toml
      registered by the operating body, and so approved
  sekisho service token /srv/sekisho --operated-by 123456789007
      whoever has the token registers a service of that organisation, in the sandbox (RFC 7591)
  sekisho service approve /srv/sekisho 3f0c… rules.toml
      out of the sandbox, for whom the rules admit
  sekisho service use-cases 7 > rules.toml
      rules for an e-prescription service to begin from
  sekisho service acme-key /srv/sekisho referral
      a key by which its servers get certificates
  sekisho service list /srv/sekisho
  sekisho service rules /srv/sekisho referral --versions
      who proposed and who approved them")]
pub(super) struct Service {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    AcmeKey(acme_key::AcmeKey),
    Add(Add),
    Approve(approve::Approve),
    List(List),
    Rules(rules::ServiceRules),
    Token(token::Token),
    UseCases(use_cases::UseCases),
}

/// Register a service from its file; prints the client's secret once
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho service add /srv/sekisho referral.toml
  sekisho service add /srv/sekisho referral.toml --json | jq -r .client_secret > secret

docs/services.md documents the file.")]
struct Add {
    #[command(flatten)]
    instance: InstanceFolder,
    /// The service's file (TOML)
    #[arg(value_name = "FILE")]
    file: Named<named::File>,
    /// The answer as JSON
    #[arg(long)]
    json: bool,
}

/// List the registered services
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho service list /srv/sekisho
      client_id, Japanese name, scopes, and `live` or `sandbox`, with tabs between
  sekisho service list /srv/sekisho --json | jq -r .client_id")]
struct List {
    #[command(flatten)]
    instance: InstanceFolder,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// A service's file, or one of rules, is a page of text.
const MOST_OCTETS: u64 = 256 * 1024;

async fn open(config: &Config) -> Result<Store, Failure> {
    Ok(instance::open_database(config).await?)
}

/// What registration leans on, at the host.
fn registry<'a>(
    store: &'a Store,
    config: &'a Config,
    entitlements: &'a Entitlements,
) -> Registry<'a> {
    Registry {
        store,
        config,
        vocabulary: entitlements.vocabulary(),
        random: &SystemRandomness,
        now: OffsetDateTime::now_utc(),
    }
}

impl Service {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        runtime()?.block_on(async {
            match self.command {
                Command::AcmeKey(acme_key) => acme_key.run().await,
                Command::Add(add) => add.run().await,
                Command::Approve(approve) => approve.run().await,
                Command::List(list) => list.run().await,
                Command::Rules(rules) => rules.run().await,
                Command::Token(token) => token.run().await,
                Command::UseCases(use_cases) => use_cases.run(),
            }
        })
    }
}

impl Add {
    async fn run(self) -> Result<Exit, Failure> {
        let text = read(&self.file)?;
        let config = Config::read(&self.instance.dir)?;
        let store = open(&config).await?;
        let entitlements = Entitlements::new();
        let registry = registry(&store, &config, &entitlements);
        let prepared = client::prepare(&registry, &text).await?;
        for in_vain in prepared.released_in_vain() {
            remark(&format!("sekisho: {in_vain}"));
        }
        if prepared.hears_of_no_logout() {
            remark(
                "sekisho: without `backchannel_logout_uri` the service hears of no logout: people are told so, \
                 and facilities may close it at terminals that several people use",
            );
        }
        show(&told(prepared.client_id(), prepared.client_secret(), self.json))?;
        let entry = Entry::done("service.register", instance::operator(), registry.now);
        prepared
            .keep(&registry, entry)
            .await
            .map_err(|error| NotInForce { what: "the service", error: error.into() })?;
        Ok(Exit::Done)
    }
}

/// The text of such a file, whole.
fn read(path: &Path) -> Result<String, Failure> {
    let file = std::fs::File::open(path)
        .map_err(|error| format!("cannot open {}: {error}", path.display()))?;
    let mut octets = Vec::new();
    file.take(MOST_OCTETS + 1)
        .read_to_end(&mut octets)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if octets.len() as u64 > MOST_OCTETS {
        let most = MOST_OCTETS / 1024;
        return Err(format!("{} is too large: at most {most} KiB", path.display()).into());
    }
    let text = String::from_utf8(octets);
    Ok(text.map_err(|_| format!("{} is not UTF-8 text", path.display()))?)
}

fn told(client_id: &str, secret: Option<&SecretString>, json: bool) -> String {
    let secret = secret.map(|secret| secret.expose_secret());
    if json {
        return format!("{}\n", json!({ "client_id": client_id, "client_secret": secret }));
    }
    let mut text = format!("client_id      {client_id}\n");
    if let Some(secret) = secret {
        text.push_str(&format!(
            "client_secret  {secret}\nThe secret is shown this once; we keep only its hash.\n"
        ));
    }
    text
}

impl List {
    async fn run(self) -> Result<Exit, Failure> {
        let config = Config::read(&self.instance.dir)?;
        let store = open(&config).await?;
        for found in service::list(&mut store.read()).await? {
            let stage = if found.live_at.is_some() { "live" } else { "sandbox" };
            let line = if self.json {
                let line = json!({
                    "client_id": found.id,
                    "name": { "ja": found.name_ja, "en": found.name_en },
                    "authentication": found.auth_method.as_str(),
                    "scopes": found.scopes,
                    "redirect_uris": found.redirect_uris,
                    "stage": stage,
                });
                format!("{line}\n")
            } else {
                let scopes = found.scopes.join(" ");
                format!("{}\t{}\t{scopes}\t{stage}\n", found.id, found.name_ja)
            };
            if !list(&line)? {
                break;
            }
        }
        Ok(Exit::Done)
    }
}
