//! `sekisho administrator link DIR` and `sekisho administrator add DIR LOGIN-NAME`.

use sekisho_key::SystemRandomness;
use sekisho_output::show;
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Exit, Failure, InstanceFolder, origin, runtime};
use crate::{
    config::Config,
    instance::{self, Folder},
    names::NameRole,
    people::{
        administrator::{self, Host},
        link::OneTimeLink,
    },
};

/// Open a way in for an administrator of the operating body: a new one-time link
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho administrator link /srv/sekisho
      the first administrator missed their link: a new one, and the old one ends
  sekisho administrator link /srv/sekisho sato
      sato lost their phone, and no other administrator can make a link on the console
  sekisho administrator add /srv/sekisho emergency --name 'Emergency access'
      nobody can sign in any more: a further administrator

Works while the instance is served and while it is not. The link is good once and for 30 minutes
(people.one_time_link_minutes); until it is used nothing changes, then both factors are new and the
person's sessions end. The act and your account are in the audit trail, and the administrators find a
notice of it.")]
pub(super) struct Administrator {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Link(Link),
    Add(Add),
}

/// A new one-time link for an existing administrator; earlier ones end
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho administrator link /srv/sekisho
  sekisho administrator link /srv/sekisho sato --json | jq -r .first_use_link")]
struct Link {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Login name; may be left out while there is one administrator
    #[arg(value_name = "LOGIN-NAME")]
    login_name: Option<String>,
    /// The answer as JSON, with the link
    #[arg(long)]
    json: bool,
}

/// Enter a further administrator, with a one-time link
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  sekisho administrator add /srv/sekisho emergency --name 'Emergency access'")]
struct Add {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Login name: 3 to 64 of a-z, 0-9, '.', '-', '_'
    #[arg(value_name = "LOGIN-NAME")]
    login_name: String,
    /// The person's name; the login name where it is left out
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The answer as JSON, with the link
    #[arg(long)]
    json: bool,
}

impl Administrator {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        runtime()?.block_on(async {
            let (Command::Link(Link { instance, json, .. })
            | Command::Add(Add { instance, json, .. })) = &self.command;
            let config = Config::read(&instance.dir)?;
            let store = instance::open_database(&config).await?;
            let (user, machine) = instance::user_and_host();
            let host = Host {
                store: &store,
                config: &config,
                random: &SystemRandomness,
                now: OffsetDateTime::now_utc(),
                user: &user,
                machine: &machine,
            };
            let origin = origin(&Folder::new(&*instance.dir), &config, NameRole::Public);
            let show: administrator::Show<'_> =
                &|link, login_name| show(&told(link, login_name, &origin, *json));
            let done = match &self.command {
                Command::Link(asked) => {
                    administrator::issue_link(&host, asked.login_name.as_deref(), show).await
                }
                Command::Add(asked) => {
                    let name = asked.name.as_deref().unwrap_or(&asked.login_name);
                    administrator::add(&host, &asked.login_name, name, show).await
                }
            };
            store.close().await;
            done?;
            Ok(Exit::Done)
        })
    }
}

fn told(link: &OneTimeLink, login_name: &str, origin: &str, json: bool) -> String {
    let address = link.address(origin);
    let until = link.expires_at();
    if json {
        let answer = json!({
            "login_name": login_name,
            "first_use_link": *address,
            "link_expires_at": until.unix_timestamp(),
        });
        return format!("{answer}\n");
    }
    let until = until.replace_nanosecond(0).ok().and_then(|until| until.format(&Rfc3339).ok());
    let until = until.unwrap_or_default();
    format!(
        "Before {until}, as {login_name}, open this link once and set a password and a
one-time-password generator:

    {}

It is shown here and nowhere else. Earlier unused links of {login_name} do not work any more.
",
        *address
    )
}
