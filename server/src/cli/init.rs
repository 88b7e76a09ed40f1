//! `sekisho init DIR`.

use std::{
    fmt::Display,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::builder::NonEmptyStringValueParser;
use secrecy::ExposeSecret;
use sekisho_key::SystemRandomness;
use sekisho_output::{say, show};

use super::{Exit, Failure, Named, named, secret_file, until_told_to_end};
use crate::{
    ceremony::VerifiedResult,
    clock::SystemClock,
    config::Settings,
    instance::{
        Asked, Asking, Completion, Created, Plan, ask, complete, create_and_show,
        fingerprint_groups,
    },
};

/// Make an instance from nothing: authorities, keys, database, first administrator
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho init demo
      names under sekisho.localhost, ports 8443 and 8080, SQLite
  sekisho init /srv/sekisho --domain sekisho.example.jp --tls-port 443 --plain-port 80 \\
      --organisation 'Example Operating Body' --root-passphrase-file /media/safe/passphrase
      for a network of its own; the root's key is wrapped under your passphrase

The root's private key is written to DIR/root/root-key.p8, wrapped. Carry it away.

With a root that is never here:
  sekisho init /srv/sekisho --domain sekisho.example.jp --requests /srv/requests
      keys of the issuing authorities, and in /srv/requests/carry what goes to the root's computer
  sekisho init /srv/sekisho --requests /srv/requests --result result --hash HASH
      the instance, with what the ceremony made there (docs/ceremony.md)")]
pub(super) struct Init {
    /// Folder to make; it must not exist or be empty
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Names are made under this domain: terminal., login., mtls., enrol. and plain.
    #[arg(long, default_value = "sekisho.localhost", value_name = "DOMAIN")]
    domain: String,
    /// Operating body in ASCII, as it stands in certificates
    #[arg(long, default_value = "Healthcare Network Operating Body", value_name = "NAME",
        value_parser = NonEmptyStringValueParser::new())]
    organisation: String,
    /// What distinguishes this network in the authorities' names, in ASCII
    #[arg(long, default_value = "Healthcare Network G1", value_name = "NAME",
        value_parser = NonEmptyStringValueParser::new())]
    network: String,
    /// TLS port on all addresses; 0 takes a free one at each start
    #[arg(long, default_value_t = 8443, value_name = "PORT")]
    tls_port: u16,
    /// Plain HTTP port on all addresses; it is written into certificates
    #[arg(long, default_value_t = 8080, value_name = "PORT", value_parser = certified_port)]
    plain_port: u16,
    /// `sqlite:PATH` below DIR, or `postgres://user:password@host/database`
    #[arg(long, default_value = "sqlite:sekisho.db", value_name = "URL")]
    database: String,
    /// Login name of the first administrator
    #[arg(long, default_value = "admin", value_name = "NAME")]
    administrator: String,
    /// File whose first line wraps the root's key; without it a passphrase is drawn and printed once
    #[arg(long, value_name = "FILE", conflicts_with = "requests")]
    root_passphrase_file: Option<Named<named::File>>,
    /// The root is elsewhere: folder to make, with keys and with requests to be carried to it
    #[arg(long, value_name = "FOLDER")]
    requests: Option<PathBuf>,
    /// What the ceremony made of --requests: make the instance
    #[arg(long, value_name = "RESULT", requires = "requests", requires = "hash",
        conflicts_with_all = ["domain", "organisation", "network", "tls_port", "plain_port", "database"])]
    result: Option<Named<named::Folder>>,
    /// The hash that people compared
    #[arg(long, value_name = "HASH", value_parser = super::ceremony::hash, requires = "result")]
    hash: Option<[u8; 32]>,
    /// Print what was made as JSON, secrets included
    #[arg(long)]
    json: bool,
}

impl Init {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let json = self.json;
        let show = |created: &Created| {
            show(&if json { format!("{}\n", as_json(created)) } else { told(created) })
        };
        let (clock, random) = (&SystemClock, &SystemRandomness);
        let made = match (self.requests.clone(), self.result.clone()) {
            (Some(requests), Some(result)) => {
                let result = VerifiedResult::read(&result, self.hash.as_ref())?;
                let completion = Completion {
                    folder: &self.dir,
                    requests: &requests,
                    result: &result,
                    administrator: &self.administrator,
                };
                until_told_to_end(complete(&completion, clock, random, show)).map(drop)
            }
            (Some(requests), None) => {
                let plan = self.plan()?;
                let asking = Asking {
                    requests: &requests,
                    settings: &plan.settings,
                    organisation: &plan.organisation,
                    network: &plan.network,
                };
                until_told_to_end(ask(&asking, clock, random)).map(|asked| {
                    // That nobody reads it takes nothing back: the folder says the same.
                    let _ = say(&told_asked(&asked, &plan.folder, &requests));
                })
            }
            (None, _) => {
                let plan = self.plan()?;
                until_told_to_end(create_and_show(&plan, clock, random, show)).map(drop)
            }
        };
        made?;
        Ok(Exit::Done)
    }

    fn plan(self) -> Result<Plan, Failure> {
        let mut settings = Settings::default();
        let name = |label: &str| format!("{label}.{}", self.domain);
        settings.names.terminal = name("terminal");
        settings.names.public = name("login");
        settings.names.mtls = name("mtls");
        settings.names.enrol = name("enrol");
        settings.names.plain = name("plain");
        let set_port = |addresses: &mut Vec<SocketAddr>, port| {
            addresses.iter_mut().for_each(|address| address.set_port(port));
        };
        set_port(&mut settings.listen.tls, self.tls_port);
        set_port(&mut settings.listen.plain, self.plain_port);
        settings.instance.database = self.database;
        let root_passphrase = self.root_passphrase_file.as_deref().map(secret_file).transpose()?;
        Ok(Plan {
            folder: self.dir,
            settings,
            organisation: self.organisation,
            network: self.network,
            root_passphrase,
            administrator: self.administrator,
        })
    }
}

/// Where lists and OCSP are found stands in every certificate, so it has to be known now.
fn certified_port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(0) => Err("certificates name this port for as long as they are valid, so a free one \
                      cannot be taken at each start; give the port under which it will be reached"
            .to_owned()),
        Ok(port) => Ok(port),
        Err(_) => Err("a port is a number of 1 to 65535".to_owned()),
    }
}

fn as_json(created: &Created) -> serde_json::Value {
    serde_json::json!({
        "folder": created.folder.path(),
        "root_fingerprint": hex::encode(created.root_fingerprint),
        "root_key": created.has_root_key.then(|| created.folder.root_key()),
        "root_passphrase": created.root_passphrase.as_ref().map(|secret| secret.expose_secret().to_owned()),
        "first_use_link": created.first_use_link,
        "link_expires_at": created.link_expires_at.unix_timestamp(),
    })
}

/// What was made and what comes next.
fn told(created: &Created) -> String {
    let dir = created.folder.path().display();
    let fingerprint = fingerprint_groups(&hex::encode(created.root_fingerprint));
    let root_key = created.folder.root_key();
    let root_key = root_key.display();
    if !created.has_root_key {
        return format!(
            "{}1. Its root is elsewhere. Once a backup of {dir} is made, destroy the folder of requests: it holds
   the same keys.
{}",
            told_made(&dir, &fingerprint),
            told_rest(created, &dir)
        );
    }
    let wrapped = match &created.root_passphrase {
        Some(passphrase) => format!(
            "   It is wrapped under this passphrase, which is shown here and nowhere else.
   Write it down and keep it apart from the key:

       {}
",
            passphrase.expose_secret()
        ),
        None => {
            "   It is wrapped under the passphrase that you gave. Keep the two apart.".to_owned()
        }
    };
    format!(
        "{}1. Carry the root's key away: {root_key}
{wrapped}
{}",
        told_made(&dir, &fingerprint),
        told_rest(created, &dir)
    )
}

fn told_made(dir: &impl Display, fingerprint: &str) -> String {
    format!(
        "An instance was made in {dir}.

Root certificate, SHA-256: {fingerprint}
    Publish this fingerprint; every terminal compares it at its enrolment.

What to do next:
"
    )
}

fn told_rest(created: &Created, dir: &impl Display) -> String {
    let link = &created.first_use_link;
    let until = created.link_expires_at;
    let until = format!("{:02}:{:02} UTC", until.hour(), until.minute());
    format!(
        "2. Put trusted HPKI certificates into {dir}/anchors/hpki and their CRLs into {dir}/crls/hpki.
3. Look through {dir}/sekisho.toml.
4. Start it: sekisho serve {dir}
5. Before {until}, as the first administrator, open this link once and set a password and a
   one-time-password generator:

       {link}

   It works once. Missed it? A new one: sekisho administrator link {dir}
"
    )
}

/// What was asked for and what comes next.
fn told_asked(asked: &Asked, dir: &Path, requests: &Path) -> String {
    let (carry, dir, requests) = (asked.carry.display(), dir.display(), requests.display());
    let mut keys = String::new();
    for (id, sha256) in &asked.keys {
        keys += &format!("    {id}: {}\n", hex::encode(sha256));
    }
    format!(
        "The keys of the issuing authorities were made in {requests}, and stay there. SHA-256 of each:
{keys}
What to do next:
1. Carry {carry} to the root's computer. Tell the three numbers by another way, and compare them with
   the plan there.
2. There: sekisho ceremony keys, dry-run, run, as docs/ceremony.md tells.
3. Bring the result back: sekisho init {dir} --requests {requests} --result RESULT --hash HASH
"
    )
}
