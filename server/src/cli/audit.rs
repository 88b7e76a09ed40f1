//! `sekisho audit list DIR`, `sekisho audit head DIR` and `sekisho audit verify DIR`.

use anyhow::Context;
use sekisho_output::{list, remark, say};
use sekisho_pki::national::facility_identifier::FacilityIdentifier;
use sekisho_protocol::jwk::JwkSet;
use sekisho_store::{Store, audit, organisation};
use serde_json::{Value as Json, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Exit, Failure, InstanceFolder, Named, named, runtime};
use crate::{
    audit::{form, verify, witness},
    config::Config,
    instance::{self, Folder, audit_public_keys},
};

/// Read and verify the audit trail
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho audit list /srv/sekisho | less
  sekisho audit head /srv/sekisho >> /media/auditor/heads.txt
  sekisho audit verify /srv/sekisho --head /media/auditor/heads.txt")]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
    Head(Head),
    Verify(Verify),
}

/// List records, oldest first: when, who, in which role, what, on what, from where
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho audit list /srv/sekisho | less
  sekisho audit list /srv/sekisho --organisation 123456789007 --personal
      what concerns a facility, with names; that you looked is a record of its own
  sekisho audit list /srv/sekisho --json --after 019a… | jq -c 'select(.act == \"revocation.revoke\")'
      what came after the last record that a script has seen")]
struct List {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Only records of this organisation
    #[arg(long, value_name = "ID")]
    organisation: Option<FacilityIdentifier>,
    /// Only records after the one with this identifier
    #[arg(long, value_name = "ID")]
    after: Option<uuid::Uuid>,
    /// Show personal fields too; this is itself recorded
    #[arg(long)]
    personal: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Print the last signed head of each node, to be kept where nobody of the operation can write
///
/// A line for people, beginning with `#`, and the head itself (a compact JWS). Each head speaks for all
/// records up to it: mail it to the auditors, or print it, as often as history shall be safe from
/// whoever can write both the database and DIR.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho audit head /srv/sekisho | mail -s 'audit head' auditors@example.jp
  sekisho audit head /srv/sekisho >> /media/auditor/heads.txt
  sekisho audit verify /srv/sekisho --head /media/auditor/heads.txt

Exits with 1 while no head was signed yet, and with 3 if a head in DIR/audit is not of this instance.")]
struct Head {
    #[command(flatten)]
    instance: InstanceFolder,
}

/// Verify every hash, link, commitment and signed checkpoint; exits with 3 if one does not hold
///
/// The trail is also held against the signed heads in DIR/audit, which lie outside the database: a
/// trail whose end was cut off, or that was written anew, does not stand on them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho audit verify /srv/sekisho
  sekisho audit head /srv/sekisho >> /media/auditor/heads.txt
      keep today's signed heads where nobody of the operation can write
  sekisho audit verify /srv/sekisho --head /media/auditor/heads.txt
      does the trail still stand on all of them?
  ssh auditor cat heads.txt | sekisho audit verify /srv/sekisho --head -")]
struct Verify {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Signed heads that were kept elsewhere, one a line (`-`: standard input); may be given several
    /// times
    #[arg(long = "head", value_name = "FILE")]
    heads: Vec<Named<named::FileOrInput>>,
    /// The verdict as JSON
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        runtime()?.block_on(async {
            match self.command {
                Command::List(list) => list.run().await,
                Command::Head(head) => head.run(),
                Command::Verify(verify) => verify.run().await,
            }
        })
    }
}

async fn open(instance: &InstanceFolder) -> Result<Store, Failure> {
    let config = Config::read(&instance.dir)?;
    Ok(instance::open_database(&config).await?)
}

const PAGE: i64 = 500;

impl List {
    async fn run(self) -> Result<Exit, Failure> {
        let store = open(&self.instance).await?;
        let organisation = self.organisation.map(|organisation| organisation.to_string());
        if let Some(id) = &organisation {
            let found = organisation::find(&mut store.read(), id).await?;
            found.ok_or_else(|| Failure::usage(format!("there is no organisation {id} here")))?;
        }
        if self.personal {
            record_reading(&store, organisation.as_deref()).await?;
        }
        let mut reader = store.read();
        let mut after = self.after.map(|id| id.to_string()).unwrap_or_default();
        loop {
            let records = audit::list(&mut reader, &after, organisation.as_deref(), PAGE).await?;
            let Some(last) = records.last() else { break };
            after.clone_from(&last.id);
            for record in records {
                let mut form = form::of(&record);
                if self.personal {
                    for field in audit::personal(&mut reader, &record.id).await? {
                        form["personal"][&field.field] = json!(field.value);
                    }
                }
                let line = if self.json { form.to_string() } else { line(&form) };
                if !list(&format!("{line}\n"))? {
                    return Ok(Exit::Done);
                }
            }
        }
        store.close().await;
        Ok(Exit::Done)
    }
}

/// Reading personal fields is an act of its own.
async fn record_reading(store: &Store, organisation: Option<&str>) -> Result<(), Failure> {
    use sekisho_store::{StoreError, transaction};
    let actor = crate::instance::operator();
    let mut entry = audit::Entry::done("audit.read_personal", actor, OffsetDateTime::now_utc());
    if let Some(id) = organisation {
        entry = entry.at_organisation(id);
    }
    let written: Result<(), StoreError> =
        transaction!(store, StoreError, |tx| Ok(audit::Audited::new((), entry.clone())));
    Ok(written?)
}

/// One record as a line for people.
fn line(form: &Json) -> String {
    let text = |value: &Json| value.as_str().unwrap_or("-").to_owned();
    let at = form["at"]
        .as_i64()
        .and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok())
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_default();
    let mut line = format!("{at}  {:<28} {:<8}", text(&form["act"]), text(&form["outcome"]));
    let mut add = |name: &str, value: String| {
        line.push_str(&format!(" {name}={value}"));
    };
    add("by", format!("{}:{}", text(&form["actor"]["kind"]), text(&form["actor"]["id"])));
    for name in ["role", "reason", "organisation", "terminal", "address", "host", "node"] {
        if let Some(value) = form[name].as_str() {
            add(name, value.to_owned());
        }
    }
    for (group, mark) in [("on", "on."), ("facts", "")] {
        for (name, value) in form[group].as_object().into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            add(&format!("{mark}{name}"), value);
        }
    }
    line
}

impl Head {
    fn run(self) -> Result<Exit, Failure> {
        // The folder must be an instance's: another one has no heads either.
        Config::read(&self.instance.dir)?;
        let keys: JwkSet = serde_json::from_value(audit_public_keys(&self.instance.dir)?)?;
        let folder = Folder::new(&*self.instance.dir).audit_heads();
        let heads = witness::heads_in(&folder)?;
        if heads.is_empty() {
            return Err(format!(
                "{} holds no signed head yet: `sekisho serve` signs one within a second of a record",
                folder.display()
            )
            .into());
        }
        let mut text = String::new();
        for head in &heads {
            let Ok(claims) = witness::read(head, &keys) else {
                remark(&format!(
                    "sekisho: a head in {} is not signed by this instance",
                    folder.display()
                ));
                return Ok(Exit::DoesNotHold);
            };
            let signed_at = OffsetDateTime::from_unix_timestamp(claims.iat)?.format(&Rfc3339)?;
            text.push_str(&format!(
                "# {}: {} records, signed {signed_at}, link {}\n{}\n",
                claims.node,
                claims.seq,
                claims.link,
                head.trim()
            ));
        }
        say(&text)?;
        Ok(Exit::Done)
    }
}

impl Verify {
    async fn run(self) -> Result<Exit, Failure> {
        let store = open(&self.instance).await?;
        let keys: JwkSet = serde_json::from_value(audit_public_keys(&self.instance.dir)?)?;
        let mut heads = witness::heads_in(&Folder::new(&*self.instance.dir).audit_heads())?;
        for path in &self.heads {
            let text = if path.as_os_str() == "-" {
                std::io::read_to_string(std::io::stdin())
            } else {
                std::fs::read_to_string(path)
            };
            let text = text.with_context(|| format!("cannot read {}", path.display()))?;
            let before = heads.len();
            heads.extend(witness::heads_of(&text));
            // An empty file must not pass for a witness.
            if heads.len() == before {
                return Err(format!("{} holds no signed head", path.display()).into());
            }
        }
        let verdict = verify::verify(&store, &keys, &heads).await?;
        store.close().await;
        if self.json {
            say(&format!("{}\n", serde_json::to_string(&verdict)?))?;
        } else {
            let mut text = format!(
                "{} records chained, {} not yet; {} checkpoints; {} heads kept outside; {} personal fields, {} erased\n",
                verdict.records,
                verdict.unchained,
                verdict.checkpoints,
                verdict.witnesses,
                verdict.personal,
                verdict.erased
            );
            for node in &verdict.unwitnessed {
                text.push_str(&format!(
                    "no head of node {node} is kept outside the database: whether records at its \
                     end were removed, only a head kept elsewhere can tell (--head FILE)\n"
                ));
            }
            for fault in &verdict.faults {
                text.push_str(&format!("FAULT {fault}\n"));
            }
            let holds = if verdict.holds() { "holds" } else { "does not hold" };
            text.push_str(&format!("The trail {holds}.\n"));
            say(&text)?;
        }
        Ok(if verdict.holds() { Exit::Done } else { Exit::DoesNotHold })
    }
}
