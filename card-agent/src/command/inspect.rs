use std::fmt::Write;
use std::sync::Arc;

use clap::Args;
use der::pem::{self, LineEnding};
use sekisho_output::{remark, say};
use sekisho_pki::inspect::report::Object;
use sekisho_pki::inspect::{self, Inspection, Language, Options};
use serde::Serialize;
use time::OffsetDateTime;

use super::Failure;
use super::cards::{self, CardCommand, Waiting};
use crate::card::card_type::CardTypes;
use crate::card::holder::Holder;
use crate::card::known::KnownCard;
use crate::card::reader::{CardError, Readers, Slot};
use crate::card::signature_key::SignatureKey;
use crate::card::words;

/// Show what the cards in the readers say of themselves. Asks for no PIN.
///
/// The text is Japanese or English, as LC_ALL, LC_MESSAGES or LANG has it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sekisho-agent inspect
      each card: family, applications, tries left, certificates with profession and validity
  LC_ALL=en_GB.UTF-8 sekisho-agent inspect --reader 'ACS ACR39U 00 00'
  sekisho-agent inspect --json | jq -r '.readers[].card.applications[].certificate_pem' > card.pem
      docs/inspect.md documents what stands in certificate")]
pub struct Inspect {
    #[command(flatten)]
    with: CardCommand,
}

#[derive(Serialize)]
struct Report {
    readers: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    reader: String,
    card: Option<Card>,
    /// Why the card was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    /// The same, with what to do next, in the person's language.
    #[serde(skip)]
    told: Option<String>,
}

#[derive(Serialize)]
struct Card {
    family: String,
    applications: Vec<Application>,
}

#[derive(Serialize)]
struct Application {
    /// `authentication` or `signature`.
    name: &'static str,
    tries_left: Option<u8>,
    /// Why this program has no use for the key, where it has none: its certificate is shown all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    unusable: Option<String>,
    #[serde(skip)]
    unusable_told: Option<String>,
    certificate_pem: String,
    /// As `docs/inspect.md` has it.
    certificate: Vec<Object>,
}

impl Inspect {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let readers = self.with.readers(vec![Arc::new(Waiting::new(remark))])?;
        let slots = cards::slots(readers.as_ref(), self.with.reader.as_deref())?;
        let mut unread = None;
        let mut found = Vec::new();
        for slot in slots {
            let read = slot.insertion.is_some().then(|| read(readers.as_ref(), &slot));
            let (card, unreadable) = match read.transpose() {
                Ok(card) => (card, None),
                Err(error) => (None, Some(error)),
            };
            let fault = unreadable.as_ref().map(CardError::to_string);
            let words = |error| words::of(error, None, cards::window_language());
            let told = unreadable.as_ref().map(words);
            unread = unreadable.or(unread);
            found.push(Found { reader: slot.reader, card, fault, told });
        }
        let empty = found.iter().all(|found| found.card.is_none() && found.fault.is_none());
        let report = Report { readers: found };
        if self.with.json {
            cards::say_json(&report)?;
        } else {
            say(&text(&report, cards::language()))?;
        }
        match unread {
            Some(error) => Err(cards::failure(error)),
            None if empty => Err(cards::no_card()),
            None => Ok(()),
        }
    }
}

fn read(readers: &dyn Readers, slot: &Slot) -> Result<Card, CardError> {
    let (card, pin) = KnownCard::show(readers, slot, &CardTypes::default())?;
    let tries_left = pin.as_ref().ok().and_then(|pin| pin.tries_left);
    // Found where logins are, which says little of a card whose kind is not known here yet.
    let is_for_documents =
        Holder::of(&card.certificate_der).is_some_and(|holder| holder.is_for_documents());
    let name = if is_for_documents { "signature" } else { "authentication" };
    let mut first = application(name, tries_left, &card.certificate_der);
    if let Err(unusable) = &pin {
        first.unusable = Some(unusable.to_string());
        first.unusable_told = Some(words::of(unusable, None, cards::window_language()));
        // What its other half wants to be asked is as little known.
        return Ok(Card { family: card.family.to_string(), applications: vec![first] });
    }
    let mut applications = vec![first];
    match SignatureKey::read_with_pin_state(readers, slot, &CardTypes::default()) {
        Ok((key, pin)) => {
            // The other family's certificate for signatures wants its password first.
            let der = key.certificate_der();
            applications.extend(der.map(|der| application("signature", pin.tries_left, der)));
        }
        Err(CardError::NoSignatureKey | CardError::NotForDocuments(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(Card { family: card.family.to_string(), applications })
}

fn application(name: &'static str, tries_left: Option<u8>, der: &[u8]) -> Application {
    // Fails for lengths beyond what a card holds, and for no other reason.
    let certificate_pem =
        pem::encode_string("CERTIFICATE", LineEnding::LF, der).unwrap_or_default();
    let options = Options { now: OffsetDateTime::now_utc(), entries: 0, passphrase: None };
    let certificate = inspect::inspect(der, &options).objects;
    Application {
        name,
        tries_left,
        unusable: None,
        unusable_told: None,
        certificate_pem,
        certificate,
    }
}

fn text(report: &Report, language: Language) -> String {
    let of = |japanese, english| match language {
        Language::Japanese => japanese,
        Language::English => english,
    };
    let mut text = String::new();
    for Found { reader, card, told, .. } in &report.readers {
        let _ = writeln!(text, "{}: {reader}", of("カードリーダー", "Reader"));
        if let Some(told) = told {
            let _ = writeln!(text, "  {}: {told}", of("カードを読めません", "Card not read"));
        } else if card.is_none() {
            let _ = writeln!(text, "  {}", of("カードなし", "No card"));
        }
        let Some(card) = card else { continue };
        let _ = writeln!(text, "  {}: {}", of("カードの種類", "Card family"), card.family);
        for application in &card.applications {
            let name = match application.name {
                "signature" => of("署名用アプリケーション", "Signature application"),
                _ => of("認証用アプリケーション", "Authentication application"),
            };
            let tries = application.tries_left.map_or_else(
                || of("カードが答えません", "the card does not tell").to_owned(),
                |tries| tries.to_string(),
            );
            let _ = writeln!(text, "\n{name}");
            let label = of("暗証番号の残り回数", "PIN tries left");
            let _ = writeln!(text, "  {label}: {tries}");
            if let Some(told) = &application.unusable_told {
                let _ = writeln!(text, "  {}: {told}", of("使えません", "Of no use here"));
            }
            let inspection = Inspection { objects: application.certificate.clone() };
            text.push_str(&inspection.text(language));
            text.push_str(&application.certificate_pem);
        }
    }
    text
}
