//! `sekisho service rules DIR CLIENT-ID`.

use sekisho_authz::Rules;
use sekisho_output::{list, show};
use sekisho_store::{rules_version, service};
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::open;
use crate::{
    cli::{Exit, Failure, InstanceFolder},
    config::Config,
    oidc::client::ApprovalError,
};

/// Versions that are read at once.
const AT_ONCE: i64 = 100;

/// Show whom a service is open to, now or by an earlier version
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho service rules /srv/sekisho referral > rules.toml
      the rules in force, in the words of a service's file
  sekisho service rules /srv/sekisho referral --version 3
  sekisho service rules /srv/sekisho referral --versions
      version, since when, who proposed and who approved it (persons' identifiers), and the version it returned to, with tabs between

They change in the console: proposed there, and published by another person (docs/services.md).")]
pub(super) struct ServiceRules {
    #[command(flatten)]
    instance: InstanceFolder,
    /// The service
    #[arg(value_name = "CLIENT-ID")]
    client_id: String,
    /// An earlier version
    #[arg(long, value_name = "NUMBER", conflicts_with = "versions")]
    version: Option<u32>,
    /// List the versions, the latest first
    #[arg(long)]
    versions: bool,
    /// As JSON; a list as one object a line
    #[arg(long)]
    json: bool,
}

impl ServiceRules {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let config = Config::read(&self.instance.dir)?;
        let store = open(&config).await?;
        let mut reader = store.read();
        if service::find(&mut reader, &self.client_id).await?.is_none() {
            return Err(ApprovalError::Unknown(self.client_id).into());
        }
        if self.versions {
            return self.list(&mut reader).await;
        }
        let in_force = service::rules(&mut reader, &self.client_id).await?;
        let wanted = self.version.map(i64::from).or(in_force.map(|(version, _)| version));
        let found = match wanted {
            Some(version) => rules_version::find(&mut reader, &self.client_id, version).await?,
            None => None,
        };
        let id = &self.client_id;
        let Some(found) = found else {
            return Err(match self.version {
                Some(version) => format!(
                    "the rules of {id} have no version {version}; `sekisho service rules … --versions` lists those there are"
                ),
                None => format!(
                    "the service {id} has no rules; in the sandbox it has none, and the approval brings the first"
                ),
            }
            .into());
        };
        if self.json {
            show(&format!("{}\n", found.rules))?;
        } else {
            let rules = Rules::from_json(&found.rules)
                .map_err(|error| format!("version {} does not read: {error}", found.version))?;
            let text = toml::to_string(&rules).map_err(|error| error.to_string())?;
            show(&format!("# {id}, version {}\n{text}", found.version))?;
        }
        Ok(Exit::Done)
    }

    async fn list(self, reader: &mut sekisho_store::Reader) -> Result<Exit, Failure> {
        let mut offset = 0;
        loop {
            let versions = rules_version::list(reader, &self.client_id, offset, AT_ONCE).await?;
            if versions.is_empty() {
                return Ok(Exit::Done);
            }
            offset += AT_ONCE;
            for found in versions {
                let since = found.since.format(&Rfc3339).unwrap_or_default();
                let line = if self.json {
                    let line = json!({
                        "version": found.version,
                        "since": since,
                        "proposed_by": found.proposed_by,
                        "approved_by": found.by,
                        "reason": found.reason,
                        "returns_to": found.returns_to,
                    });
                    format!("{line}\n")
                } else {
                    let word = |word: Option<String>| word.unwrap_or_else(|| "-".to_owned());
                    format!(
                        "{}\t{since}\t{}\t{}\t{}\n",
                        found.version,
                        word(found.proposed_by),
                        word(found.by),
                        word(found.returns_to.map(|version| version.to_string())),
                    )
                };
                if !list(&line)? {
                    return Ok(Exit::Done);
                }
            }
        }
    }
}
