//! `sekisho router bundle DIR ID --to FOLDER`.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use sekisho_output::say;
use sekisho_store::{
    Queries, StoreError,
    audit::{Audited, Entry},
    facility_prefix,
    router::{self, Router},
    router_text::{self, TakenText},
    terminal::{self, TerminalStatus},
    transaction,
};
use time::OffsetDateTime;

use super::{AT_THE_HOST, KeyOfAll, OneRouter, open};
use crate::{
    cli::{Exit, Failure, origin},
    instance::{self, Folder},
    names::NameRole,
    network::bundle::{
        self, Authorities, Common, Device, Other, Others, Proof, Suite, Text, Texts,
    },
    temporary::TemporaryFolder,
};

/// Write what a router's technician needs into a new folder: its peers are those of its groups; no secret is among it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho router bundle /srv/sekisho T3W8K0M5XYZ --to main-building
      a tunnel with each peer that its groups give it (sekisho group), and with nobody else
  sekisho router bundle /srv/sekisho T0A1B2C3D4E --await T3W8K0M5XYZ --key rsa3072 --to annex
      as before, but this peer opens the tunnel; its own bundle says --open T0A1B2C3D4E

At the router, as root, in this order: sh enrol.sh (asks for the one-time code), sh install.sh, and the line
that is printed; with a peer that shares a key (sekisho router psk), sh psk.sh, which asks for that code.
revocation.sh belongs into cron. The texts for strongSwan, libreswan and OpenIKED were tried with these;
those for Windows, Yamaha RTX, NEC IX, Cisco IOS-XE, FortiGate and AlliedWare Plus were tried by nobody and say so:
a person enters them at the device. docs/routers.md tells what each has, and from where.")]
pub(super) struct Bundle {
    #[command(flatten)]
    router: OneRouter,
    /// A peer to which it opens the tunnel, whatever the rule says; may be repeated
    #[arg(long, value_name = "ROUTER")]
    open: Vec<String>,
    /// A peer that opens the tunnel to it, whatever the rule says; may be repeated
    #[arg(long, value_name = "ROUTER")]
    r#await: Vec<String>,
    #[command(flatten)]
    key: KeyOfAll,
    /// Folder to make
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

impl Bundle {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let (config, store) = open(&self.router.instance).await?;
        let mut reader = store.read();
        let (own, name, facility) = find(&mut reader, &self.router.id).await?;
        let now = OffsetDateTime::now_utc();
        let directions = self.directions()?;
        let found =
            Others::find_chosen(&mut reader, &self.router.id, self.key.key, now, &directions)
                .await?;
        let fingerprint = found.fingerprint();
        let Others { list: others, chosen, .. } = found;
        for id in directions.keys() {
            if others.iter().all(|other| other.router.terminal_id != *id) {
                return Err(Failure::usage(format!(
                    "{id} is no peer of {} by any group",
                    self.router.id
                )));
            }
        }
        let prefix = facility_prefix::of_facility(&mut reader, &facility).await?;
        let authorities = Authorities::find(&mut reader, now).await?;
        drop(reader);
        let folder = Folder::new(&*self.router.instance.dir);
        let common = Common {
            enrol: &origin(&folder, &config, NameRole::Enrol),
            plain: &origin(&folder, &config, NameRole::Plain),
            reauthentication_seconds: config.routers().reauthentication_seconds(),
            prefix: prefix.map(|one| one.prefix),
        };
        let texts =
            bundle::write(&own, &name, &others, &authorities, common).map_err(Failure::usage)?;
        place(&self.to, &texts)?;
        transaction!(store, StoreError, |tx| {
            let taken = TakenText {
                router_id: &self.router.id,
                fingerprint: &fingerprint,
                chosen: &chosen,
                by: AT_THE_HOST,
                at: now,
            };
            router_text::take(tx, taken).await?;
            let entry = Entry::done("router.take_texts", instance::operator(), now)
                .at_organisation(&facility)
                .on("terminal", &self.router.id)
                .fact("terminal_name", name.as_str())
                .fact("peers", others.len())
                .fact("directions_chosen", chosen.len());
            Ok(Audited::new((), entry))
        })?;
        store.close().await;
        say(&match Texts::of_family(&own.family) {
            Some(Texts::Untried(device)) => self.by_hand(device, &others),
            Some(Texts::Tried(daemon)) => self.by_scripts(daemon.load(), &others),
            None => String::new(),
        })?;
        for other in &others {
            if other.carries_first_alone(&own) {
                say(&format!(
                    "With {} only the first pair of networks comes up: an OpenIKED that opens asks for all at once, of \
                     which others take the first. Have the other end open, which needs a fixed address of the \
                     OpenIKED.\n",
                    other.router.terminal_id,
                ))?;
            }
            let knows_none = Device::of_family(&other.router.family)
                .is_some_and(|device| !device.knows_certificates());
            if knows_none && other.proof != Proof::Psk {
                say(&format!(
                    "With {} certificates do not work: by its manual it knows none in IKEv2. Make a pre-shared key of \
                     the pair (sekisho router psk add), and write this bundle again.\n",
                    other.router.terminal_id,
                ))?;
            }
            let suite = Suite::of(&own.family, &other.router.family);
            if suite.amends() {
                say(&format!(
                    "With {} it does not work as it is: add IKE {} and ESP {} to the text that was tried.\n",
                    other.router.terminal_id,
                    suite.ike(),
                    suite.esp(),
                ))?;
            }
        }
        Ok(Exit::Done)
    }
}

impl Bundle {
    /// The peers that were named: whether this router opens the tunnel.
    fn directions(&self) -> Result<BTreeMap<String, bool>, Failure> {
        let opening = self.open.iter().map(|id| (id, true));
        let mut directions = BTreeMap::new();
        for (id, opens) in opening.chain(self.r#await.iter().map(|id| (id, false))) {
            if directions.insert(id.clone(), opens).is_some_and(|before| before != opens) {
                return Err(Failure::usage(format!(
                    "{id} stands with --open and with --await: one end opens a tunnel, the other awaits it"
                )));
            }
        }
        Ok(directions)
    }

    /// What to run at a router with scripts.
    fn by_scripts(&self, load: &str, others: &[Other]) -> String {
        let certificate = format!("sh enrol.sh {}, ", self.key.key.as_str());
        format!(
            "{} is written. At the router, as root: {}{}sh install.sh, {load}\n",
            self.to.display(),
            if bundle::wants_certificate(others) { &certificate } else { "" },
            if bundle::wants_psk(others) { "sh psk.sh once for each code, " } else { "" },
        )
    }

    /// What a person does at a device whose texts nobody tried.
    fn by_hand(&self, device: Device, others: &[Other]) -> String {
        let certificates = !device.knows_certificates() && bundle::wants_certificate(others);
        format!(
            "{} is written.\n\
             実機では未確認 / NOT TRIED: nobody has tried this text on a device. Compare {} with the manual, and try it \
             on one first.\nIt is entered at the device by a person; {} is the way back.\n{}",
            self.to.display(),
            device.file(),
            device.removal(),
            if certificates {
                "By its manual it knows no certificates in IKEv2: make pre-shared keys (sekisho router psk add).\n"
            } else {
                ""
            },
        )
    }
}

/// A router in force, what people call it, and whose it is.
pub(super) async fn find(
    queries: &mut impl Queries,
    id: &str,
) -> Result<(Router, String, String), Failure> {
    let terminal = terminal::find(queries, id).await?;
    match (router::find(queries, id).await?, terminal) {
        (Some(router), Some(terminal)) if terminal.status != TerminalStatus::Revoked => {
            Ok((router, terminal.name, terminal.organisation_id))
        }
        _ => Err(Failure::usage(format!("there is no router {id} in force in the register"))),
    }
}

/// The folder with all files, or none of it.
fn place(to: &Path, texts: &[Text]) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| format!("cannot make the folder {}: {error}", to.display());
    if to.exists() {
        return Err(Failure::usage(format!(
            "{} is there already; name a new folder",
            to.display()
        )));
    }
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let making = TemporaryFolder::new(".sekisho-router-", Some(parent.unwrap_or(Path::new("."))))
        .map_err(failed)?;
    for text in texts {
        let mut file = File::create_new(making.path().join(&text.file)).map_err(failed)?;
        file.write_all(text.text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    }
    std::fs::rename(making.path(), to).map_err(failed)?;
    Ok(())
}
