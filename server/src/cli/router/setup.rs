//! `sekisho router setup make` and `end`.

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use sekisho_key::SystemRandomness;
use sekisho_output::{say, show};
use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    router_psk::PskEnd,
    router_setup, terminal, transaction,
};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{AT_THE_HOST, KeyOfAll, OneRouter, bundle::find, open};
use crate::{
    cli::{Exit, Failure, NotInForce, exit::Cause, origin},
    enrol::new_code,
    instance::{self, Folder},
    names::NameRole,
    network::{
        bundle::{self, Authorities, BundleError, Common, Others},
        setup::{NewSetup, PATH},
    },
};

/// Give a router's technician a link to the steps and to whether its tunnels stand
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho router setup make /srv/sekisho T3W8K0M5XYZ
  sekisho router setup end /srv/sekisho T3W8K0M5XYZ

The page behind the link shows no key, no code for a certificate and no text of a configuration.")]
pub(super) struct Setup {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// A link for seven days, in place of the router's living one
    #[command(after_help = "\
Examples:
  sekisho router setup make /srv/sekisho T3W8K0M5XYZ
      prints a picture to scan and a code to type, for the tunnels with all its peers
  sekisho router setup make /srv/sekisho T0A1B2C3D4E --peer T3W8K0M5XYZ --json | jq -r .code")]
    Make(Make),
    /// End the router's living link
    #[command(after_help = "\
Examples:
  sekisho router setup end /srv/sekisho T3W8K0M5XYZ
      whoever has the picture or the code opens nothing by it any more")]
    End(End),
}

#[derive(Debug, clap::Args)]
struct Make {
    #[command(flatten)]
    router: OneRouter,
    /// A peer whose tunnel is followed; may be repeated. Without it all peers
    #[arg(long, value_name = "ROUTER")]
    peer: Vec<String>,
    #[command(flatten)]
    key: KeyOfAll,
    /// The answer as JSON, with the code
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct End {
    #[command(flatten)]
    router: OneRouter,
}

impl Setup {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        match self.command {
            Command::Make(make) => make.run().await,
            Command::End(end) => end.run().await,
        }
    }
}

impl Make {
    async fn run(self) -> Result<Exit, Failure> {
        let (config, store) = open(&self.router.instance).await?;
        let now = OffsetDateTime::now_utc();
        let id = self.router.id.as_str();
        let mut reader = store.read();
        let (own, name, _) = find(&mut reader, id).await?;
        // The texts are for all of them, so what stops these stops the link.
        let all = Others::find(&mut reader, id, self.key.key, now).await?.list;
        let mut rest: Vec<&str> =
            all.iter().map(|other| other.router.terminal_id.as_str()).collect();
        let mut peers = Vec::new();
        for peer in &self.peer {
            // Taken out: who is named twice is not there the second time.
            let stranger = || {
                Failure::usage(format!("{peer} is no peer of {id} by any group, or named twice"))
            };
            let found = rest.iter().position(|one| one == peer).ok_or_else(stranger)?;
            peers.push(rest.swap_remove(found).to_owned());
        }
        if self.peer.is_empty() {
            peers = rest.into_iter().map(str::to_owned).collect();
        }
        if peers.is_empty() {
            return Err(Failure::usage(format!(
                "{id} has no peers: they follow from the groups that it takes part in (sekisho group)"
            )));
        }
        let nobody = || Failure::usage(format!("there is no router {id} in the register"));
        let terminal = terminal::find(&mut reader, id).await?.ok_or_else(nobody)?;
        let (_, refusal) = new_code::standing(&mut reader, &terminal).await?;
        if let Some(refusal) = refusal {
            return Err(Failure::usage(format!("router {id} gets no link: {refusal}")));
        }
        let authorities = Authorities::find(&mut reader, now).await?;
        drop(reader);
        let folder = Folder::new(config.folder());
        let common = Common {
            enrol: &origin(&folder, &config, NameRole::Enrol),
            plain: &origin(&folder, &config, NameRole::Plain),
            reauthentication_seconds: config.routers().reauthentication_seconds(),
            prefix: None,
        };
        match bundle::write(&own, &name, &all, &authorities, common) {
            Ok(_) | Err(BundleError::NoTexts { .. }) => {}
            Err(error) => return Err(Failure::usage(error)),
        }
        let tunnels = peers.len();
        let setup = NewSetup::draw(&SystemRandomness, id, self.key.key, peers, now)?;
        show(&told(&setup, &origin(&folder, &config, NameRole::Public), self.json)?)?;
        let kept = transaction!(store, StoreError, |tx| {
            let about = |entry: Entry| {
                entry
                    .at_organisation(&terminal.organisation_id)
                    .on("router_setup", setup.id())
                    .on("terminal", id)
                    .fact("terminal_name", terminal.name.as_str())
            };
            let (act, operator) = ("router.setup.create", instance::operator());
            let refusal = setup.keep(tx, &terminal, AT_THE_HOST).await?;
            let entry = match refusal {
                Some(refusal) => Entry::refused(act, operator, now, refusal.as_str()),
                None => Entry::done(act, operator, now).fact("tunnels", tunnels),
            };
            Ok(Audited::new(refusal, about(entry)))
        });
        store.close().await;
        match kept.map_err(Cause::from).map(|refusal| refusal.map(Cause::from)) {
            Ok(None) => Ok(Exit::Done),
            Ok(Some(error)) | Err(error) => Err(NotInForce { what: "the link", error }.into()),
        }
    }
}

/// The link as it is printed, once: the parts of JSON, or a picture and lines.
fn told(setup: &NewSetup, public: &str, json: bool) -> Result<String, Failure> {
    let (until, code) = (setup.expires_at(), setup.code().reveal());
    if json {
        let answer = json!({
            "id": setup.id(),
            "page": format!("{public}{PATH}"),
            "code": *code,
            "expires_at": until.unix_timestamp(),
        });
        return Ok(format!("{answer}\n"));
    }
    let picture =
        QrCode::with_error_correction_level(setup.address(public).as_bytes(), EcLevel::M)?;
    let picture = picture.render::<Dense1x2>().build();
    let until = until.replace_nanosecond(0)?.format(&Rfc3339)?;
    Ok(format!(
        "{picture}\n\npage  {public}{PATH}\ncode  {}\n\nScan the picture, or type the code at the page; good until \
         {until}. It is shown here and nowhere else.\n",
        *code
    ))
}

impl End {
    async fn run(self) -> Result<Exit, Failure> {
        let (_, store) = open(&self.router.instance).await?;
        let (now, id) = (OffsetDateTime::now_utc(), self.router.id.as_str());
        let nobody = || Failure::usage(format!("there is no router {id} in the register"));
        let terminal = terminal::find(&mut store.read(), id).await?.ok_or_else(nobody)?;
        let ended = transaction!(store, StoreError, |tx| {
            let ended = router_setup::end(tx, id, PskEnd::Withdrawn, now).await?;
            let (act, operator) = ("router.setup.end", instance::operator());
            let entry = match ended {
                true => Entry::done(act, operator, now),
                false => Entry::refused(act, operator, now, "no_link"),
            };
            let entry = entry.at_organisation(&terminal.organisation_id).on("terminal", id);
            Ok(Audited::new(ended, entry.fact("terminal_name", terminal.name.as_str())))
        })?;
        store.close().await;
        if !ended {
            return Err(Failure::usage(format!("router {id} has no link to end")));
        }
        say(&format!("The link of {id} is ended.\n"))?;
        Ok(Exit::Done)
    }
}
