//! The cards that a command speaks to, and who looks on.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow, ensure};
use clap::Args;
use sekisho_output::say;
use sekisho_pki::inspect::{Language, escape};
use sekisho_protocol::request::Language as WindowLanguage;
use sekisho_software_card::{INSERTED, Personalisation};
use serde::Serialize;
use time::OffsetDateTime;

use super::{Failure, local, refused};
use crate::card::apdu_log::{ApduLog, ApduLogError};
use crate::card::observe::{ObservedReaders, Observer};
use crate::card::pcsc::{CardStatus, PcscReaders, ReaderStatus, Use};
use crate::card::pin_kind::PinKind;
use crate::card::reader::{CardError, Readers, Slot};
use crate::card::software::SoftwareReaders;
use crate::card::words;
use crate::platform::{self, Program};

/// Where cards are looked for.
#[derive(Args, Default)]
pub struct CardArguments {
    /// Demonstration only: a software card instead of the readers; may be given again.
    #[arg(long, value_name = "FOLDER")]
    pub software_card: Vec<PathBuf>,
}

impl CardArguments {
    /// What would otherwise be found out at the first card.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for folder in &self.software_card {
            ensure!(folder.is_dir(), "there is no software card {}", folder.display());
        }
        Ok(())
    }

    /// That those that are in can be played: no reader is to blame for a folder.
    fn check_inserted(&self) -> anyhow::Result<()> {
        for folder in self.software_card.iter().filter(|folder| folder.join(INSERTED).exists()) {
            Personalisation::load(folder)
                .with_context(|| format!("{} holds no software card", folder.display()))?;
        }
        Ok(())
    }

    /// The readers, with these looking on.
    pub(super) fn readers(&self, observers: Vec<Arc<dyn Observer>>) -> Arc<dyn Readers> {
        let readers: Arc<dyn Readers> = if self.software_card.is_empty() {
            Arc::new(PcscReaders)
        } else {
            Arc::new(SoftwareReaders::new(self.software_card.clone()))
        };
        Arc::new(ObservedReaders::new(readers, observers))
    }

    /// Each reader, without a word to its card.
    pub(super) fn statuses(&self) -> Result<Vec<ReaderStatus>, CardError> {
        if self.software_card.is_empty() {
            return PcscReaders.statuses();
        }
        let status = |Slot { reader, insertion, atr }| {
            let card = CardStatus { atr, used: Use::Free };
            ReaderStatus { reader, card: insertion.map(|_| card) }
        };
        let slots = SoftwareReaders::new(self.software_card.clone()).slots()?;
        Ok(slots.into_iter().map(status).collect())
    }
}

/// Where to write down what is said to cards.
#[derive(Args, Default)]
pub struct LogArguments {
    /// Write each command to a card and its answer into this file, a JSON object a line, without
    /// PINs. A new file is its user's alone; a log of this kind goes on; another file stays as it is.
    #[arg(long, value_name = "FILE")]
    apdu_log: Option<PathBuf>,
}

impl LogArguments {
    /// The open log, if one is wanted.
    pub(super) fn open(&self) -> Result<Option<Arc<dyn Observer>>, Failure> {
        let Some(path) = &self.apdu_log else { return Ok(None) };
        match ApduLog::open(path, OffsetDateTime::now_utc) {
            Ok(log) => Ok(Some(Arc::new(log))),
            Err(error @ ApduLogError::File { .. }) => Err(local(error)),
            Err(error) => Err(Failure::Usage(error.into())),
        }
    }
}

/// A command's cards, and how it tells of its work with them.
#[derive(Args)]
pub struct CardCommand {
    /// Only this reader, as `sekisho-agent readers` names it.
    #[arg(long, value_name = "NAME")]
    pub(super) reader: Option<String>,
    #[command(flatten)]
    cards: CardArguments,
    #[command(flatten)]
    log: LogArguments,
    /// For programs.
    #[arg(long)]
    pub(super) json: bool,
}

impl CardCommand {
    /// All readers, with these and the log looking on.
    pub(super) fn readers(
        &self,
        mut observers: Vec<Arc<dyn Observer>>,
    ) -> Result<Arc<dyn Readers>, Failure> {
        self.cards.check().map_err(Failure::Usage)?;
        self.cards.check_inserted().map_err(Failure::Usage)?;
        observers.extend(self.log.open()?);
        Ok(self.cards.readers(observers))
    }
}

/// A report for programs. Names in it come from cards, and it may be read on a terminal.
pub(super) fn say_json(report: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(report).map_err(local)?;
    Ok(say(&(escape::shown_json(&json) + "\n"))?)
}

/// Says that another program holds a card, and remembers which.
pub(super) struct Waiting {
    say: fn(&str),
    programs: Mutex<Vec<Program>>,
}

impl Waiting {
    /// Says it by `say`.
    pub(super) fn new(say: fn(&str)) -> Self {
        Self { say, programs: Mutex::default() }
    }

    /// Who was waited for, as far as that can be known.
    pub(super) fn programs(&self) -> Vec<Program> {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Observer for Waiting {
    fn waits(&self, reader: &str) {
        let found = platform::smart_card_programs();
        (self.say)(&format!("waiting for the card in {reader}: {} holds it", in_words(&found)));
        *self.programs.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
}

/// Who holds a card: the service tells that somebody does, the system who could.
pub(super) fn in_words(programs: &[Program]) -> String {
    match programs {
        [] => "a program that this user cannot see".to_owned(),
        [one] => one.to_string(),
        several => {
            let names: Vec<String> = several.iter().map(Program::to_string).collect();
            format!("one of {}", names.join(", "))
        }
    }
}

/// All readers, or the one of this name, with what is in them.
pub(super) fn slots(readers: &dyn Readers, name: Option<&str>) -> Result<Vec<Slot>, Failure> {
    let mut slots = readers.slots().map_err(failure)?;
    if let Some(name) = name {
        slots.retain(|slot| slot.reader == name);
        if slots.is_empty() {
            let none = said("このカードリーダーはありません", "there is no such reader");
            let next =
                said("`sekisho-agent readers` が一覧です", "`sekisho-agent readers` names them");
            return Err(Failure::Usage(anyhow!("{none}: {name}; {next}")));
        }
    }
    Ok(slots)
}

/// Those of them that hold a card.
pub(super) fn filled_slots(
    readers: &dyn Readers,
    name: Option<&str>,
) -> Result<Vec<Slot>, Failure> {
    let mut slots = slots(readers, name)?;
    slots.retain(|slot| slot.insertion.is_some());
    if slots.is_empty() { Err(no_card()) } else { Ok(slots) }
}

/// Why there is nothing to do.
pub(super) fn no_card() -> Failure {
    refused(anyhow!(said(
        "どのカードリーダーにもカードがありません。カードを入れてください。",
        "there is no card in any reader; insert one",
    )))
}

/// The one that holds a card, or the one that was named.
pub(super) fn only_filled_slot(readers: &dyn Readers, name: Option<&str>) -> Result<Slot, Failure> {
    let mut slots = filled_slots(readers, name)?;
    if let [_, _, ..] = slots[..] {
        let names: Vec<&str> = slots.iter().map(|slot| slot.reader.as_str()).collect();
        let several = said(
            "複数のカードリーダーにカードがあります。--reader でどれかを指定してください",
            "several readers hold a card; name one with --reader",
        );
        return Err(Failure::Usage(anyhow!("{several}: {}", names.join(", "))));
    }
    Ok(slots.remove(0))
}

/// Whose fault it is decides the exit code.
pub(super) fn failure(error: CardError) -> Failure {
    failure_at_pin(error, None)
}

/// The same, where this PIN was asked for: who gives a blocked one back is known then.
pub(super) fn failure_at_pin(error: CardError, kind: Option<PinKind>) -> Failure {
    let told = anyhow!(words::of(&error, kind, window_language()));
    match error {
        CardError::NoService(_) | CardError::Reader(_) => local(told),
        CardError::Held => {
            let who = in_words(&platform::smart_card_programs());
            refused(told.context(said("占有しているのは", "it is kept by").to_owned() + " " + &who))
        }
        _ => refused(told),
    }
}

/// The one that the person's locale asks for.
pub(super) fn said<'a>(japanese: &'a str, english: &'a str) -> &'a str {
    said_in(window_language(), japanese, english)
}

/// The one of this language.
pub(super) fn said_in<'a>(
    language: WindowLanguage,
    japanese: &'a str,
    english: &'a str,
) -> &'a str {
    match language {
        WindowLanguage::Ja => japanese,
        WindowLanguage::En => english,
    }
}

/// The language of a person's locale, for what is said in both.
pub(super) fn language() -> Language {
    Language::of_locale(platform::locale)
}

/// The same, for the window that asks for the PIN.
pub(super) fn window_language() -> WindowLanguage {
    match language() {
        Language::Japanese => WindowLanguage::Ja,
        Language::English => WindowLanguage::En,
    }
}
