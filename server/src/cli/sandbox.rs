//! `sekisho sandbox make DIR` and `sekisho sandbox cards DIR FOLDER`.

use std::path::PathBuf;

use sekisho_key::SystemRandomness;
use sekisho_output::show;
use sekisho_store::sandbox as kept;
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Exit, Failure, InstanceFolder, runtime};
use crate::{
    config::Config,
    instance,
    sandbox::{self, Order, Standing, cast, hand_out, states::State},
};

/// Make invented people with software cards, for owners of services to try them with
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho sandbox make /srv/sekisho
      a test facility, six people with a card each, and the trust anchors by which these count there
      and nowhere else; given again, it makes what is missing
  sekisho sandbox cards /srv/sekisho cards
      the cards as folders, for `sekisho-agent run --software-card cards/physician`

Owners of services get the cards from the service's page in the console.")]
pub(super) struct Sandbox {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Make(Make),
    Cards(Cards),
}

/// Make the sandbox, or what is missing of it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho sandbox make /srv/sekisho
  sekisho sandbox make /srv/sekisho --people 8
      other than now: all cards are made anew, and those that were handed out stop counting
  sekisho sandbox make /srv/sekisho --anew
      the same with as many people as there are

Cards last a year; within the last thirty days of it they are made anew when this is asked for. Writes the
test facility into sandbox.facilities of DIR/sekisho.toml, which `sekisho serve` reads at its start. Where
several hosts share the database, ask for it on each.")]
struct Make {
    #[command(flatten)]
    instance: InstanceFolder,
    /// How many people, 1 to 8; six the first time
    #[arg(long, value_name = "N",
          value_parser = clap::value_parser!(u8).range(1..=cast::PEOPLE.len() as i64))]
    people: Option<u8>,
    /// Make everything anew though it lasts
    #[arg(long)]
    anew: bool,
    /// The answer as JSON
    #[arg(long)]
    json: bool,
}

/// Write the cards as folders that the agent and `software-card` take
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  sekisho sandbox cards /srv/sekisho cards
      cards/physician, cards/pharmacist …, each with its keys and its PIN, 1234, and a line for each: folder,
      person, role, state. The first person's are there in every state that software for cards has to know:
        usual      it works: layout as seen on cards, keys for logging in and for signing
        guideline  the same in the layout of the JAHIS guideline's example
        few-tries  two wrong PINs, and it is blocked
        blocked    its PIN is blocked
        expired    its certificate has ended
        revoked    its certificate is on the sandbox's list
        my-number  a My Number card of nobody, password ABC123; no portal of a test facility takes it

A sandbox that was made before there were states has the usual cards only; `sekisho sandbox make DIR --anew`
makes all of them.")]
struct Cards {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Folder for the cards; it is made where it does not exist
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

impl Sandbox {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        runtime()?.block_on(async {
            match self.command {
                Command::Make(make) => make.run().await,
                Command::Cards(cards) => cards.run().await,
            }
        })
    }
}

impl Make {
    async fn run(self) -> Result<Exit, Failure> {
        let config = Config::read(&self.instance.dir)?;
        let store = instance::open_database(&config).await?;
        let now = OffsetDateTime::now_utc();
        let order = Order { people: self.people.map(usize::from), anew: self.anew };
        let made = sandbox::make(&store, &config, &SystemRandomness, now, order).await;
        store.close().await;
        let standing = made?;
        let named = sandbox::configure(&self.instance.dir, &standing.facility_id)?;
        show(&told(&standing, named, self.json))?;
        Ok(Exit::Done)
    }
}

fn told(standing: &Standing, named: bool, json: bool) -> String {
    let Standing { facility_id, people, expires_at, made } = standing;
    if json {
        let answer = json!({
            "facility": facility_id,
            "people": people,
            "expires_at": expires_at.unix_timestamp(),
            "made": made,
            "configured": named,
        });
        return format!("{answer}\n");
    }
    let until = expires_at.replace_nanosecond(0).ok().and_then(|at| at.format(&Rfc3339).ok());
    let until = until.unwrap_or_default();
    let act = if *made { "made" } else { "as it was" };
    let mut text = format!(
        "The sandbox, {act}: test facility {facility_id}, {people} people with cards until {until},\n\
         PIN {} each.\n",
        cast::PIN
    );
    if named {
        text.push_str(
            "sandbox.facilities of sekisho.toml names the facility now: where `sekisho serve` runs, start \
             it again.\n",
        );
    }
    text
}

impl Cards {
    async fn run(self) -> Result<Exit, Failure> {
        let config = Config::read(&self.instance.dir)?;
        let store = instance::open_database(&config).await?;
        let mut reader = store.read();
        let cards = kept::cards(&mut reader).await?;
        if cards.is_empty() {
            return Err("there are no people in the sandbox: sekisho sandbox make DIR".into());
        }
        std::fs::create_dir_all(&self.folder)
            .map_err(|error| format!("cannot make {}: {error}", self.folder.display()))?;
        let mut text = String::new();
        for card in cards {
            let Some(archive) = kept::archive(&mut reader, &card.name).await? else { continue };
            let folder = self.folder.join(&card.name);
            tar::Archive::new(archive.as_slice())
                .unpack(&self.folder)
                .map_err(|error| format!("cannot write {}: {error}", folder.display()))?;
            let folders = hand_out::folders(&archive)
                .map_err(|error| format!("cannot read the card {}: {error}", card.name))?;
            for name in folders {
                // An archive of before holds one folder.
                let state = State::of_folder(&name, &card.name).unwrap_or(State::Usual);
                let line = [
                    &self.folder.join(&name).display().to_string(),
                    &card.person_name,
                    &card.role,
                    state.word(),
                ];
                text.push_str(&(line.join("\t") + "\n"));
            }
        }
        show(&text)?;
        Ok(Exit::Done)
    }
}
