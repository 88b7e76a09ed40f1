use std::sync::mpsc;
use std::time::Duration;

use clap::Args;
use sekisho_output::say;
use serde::Serialize;

use super::Failure;
use super::cards::{self, CardArguments};
use crate::card::card_type::CardTypes;
use crate::card::known::KnownCard;
use crate::card::pcsc::{ReaderStatus, Use};
use crate::card::reader::CardError;
use crate::platform::{self, Program};

/// The longest that a card may take to say what it is: others may hold it.
const MOST: Duration = Duration::from_secs(5);

/// Show the readers, what is in them, and who else uses it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sekisho-agent readers
  sekisho-agent readers --json | jq -r '.readers[] | select(.card) | .reader'
      the readers that hold a card")]
pub struct ReadersCommand {
    #[command(flatten)]
    cards: CardArguments,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    readers: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    reader: String,
    card: Option<Card>,
}

#[derive(Serialize)]
struct Card {
    /// `HPKI` or `JPKI`; none where the card is of neither, or was not read.
    family: Option<String>,
    /// Why the family is not known.
    fault: Option<String>,
    atr: String,
    /// `free`, `shared` or `exclusive`.
    used: Use,
    /// Who may be using it.
    programs: Vec<Program>,
}

impl ReadersCommand {
    pub(super) fn execute(self) -> Result<(), Failure> {
        self.cards.check().map_err(Failure::Usage)?;
        let statuses = self.cards.statuses().map_err(cards::failure)?;
        let found = statuses.into_iter().map(|status| self.find(status)).collect();
        let report = Report { readers: found };
        if self.json {
            let text = serde_json::to_string_pretty(&report).map_err(super::local)?;
            return Ok(say(&format!("{text}\n"))?);
        }
        if report.readers.is_empty() {
            return Ok(say("No reader is connected.\n")?);
        }
        Ok(say(&report.readers.iter().map(Found::text).collect::<String>())?)
    }

    fn find(&self, ReaderStatus { reader, card }: ReaderStatus) -> Found {
        let card = card.map(|status| {
            let (family, fault) = match self.family(&reader) {
                Ok(family) => (Some(family), None),
                Err(why) => (None, Some(why)),
            };
            let programs = match status.used {
                Use::Free => Vec::new(),
                Use::Shared | Use::Exclusive => platform::smart_card_programs(),
            };
            Card { family, fault, atr: hex::encode(status.atr), used: status.used, programs }
        });
        Found { reader, card }
    }

    /// Reads a card, in a thread that is left behind where another program does not let go.
    fn family(&self, reader: &str) -> Result<String, String> {
        let readers = self.cards.readers(vec![]);
        let (told, answer) = mpsc::channel();
        let reader = reader.to_owned();
        let read = move || {
            let slot = readers.slots()?.into_iter().find(|slot| slot.reader == reader);
            let slot = slot.ok_or(CardError::Removed)?;
            KnownCard::read_from(readers.as_ref(), &slot, &CardTypes::default())
        };
        let started = std::thread::Builder::new().name("card".into()).spawn(move || {
            let _ = told.send(read());
        });
        started.map_err(|error| error.to_string())?;
        match answer.recv_timeout(MOST) {
            Ok(Ok(card)) => Ok(card.family.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("not read: another program holds it".to_owned()),
        }
    }
}

impl Found {
    fn text(&self) -> String {
        let Some(card) = &self.card else { return format!("{}\n  no card\n", self.reader) };
        let what = card.family.as_ref().or(card.fault.as_ref()).map_or("", |text| text.as_str());
        let used = match card.used {
            Use::Free => String::new(),
            Use::Shared => format!("  open in    {}\n", cards::in_words(&card.programs)),
            Use::Exclusive => format!("  kept by    {}\n", cards::in_words(&card.programs)),
        };
        format!("{}\n  card       {what}\n{used}", self.reader)
    }
}
