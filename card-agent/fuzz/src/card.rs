//! A card that answers whatever it likes, and a reader that asks whatever it likes.
#![allow(missing_docs)]

use std::sync::Arc;

use sekisho_agent::card::{
    card_type::CardType,
    driver::Driver,
    hpki,
    known::KnownCard,
    reader::{CardError, Transmit},
    session::Session,
    signature_key::SignatureKey,
    structure,
};
use sekisho_software_card::apdu::CommandApdu;

/// Answers with the next piece of the input, in order: a length, then so many octets.
struct HostileCard<'a> {
    script: &'a [u8],
    commands: usize,
}

/// More commands than any dialogue with a well-behaved card takes.
const MOST_COMMANDS: usize = 2_000;

impl Transmit for HostileCard<'_> {
    fn transmit(&mut self, _command: &[u8]) -> Result<Vec<u8>, CardError> {
        self.commands += 1;
        assert!(self.commands < MOST_COMMANDS, "the agent asks without end");
        let [high, low, rest @ ..] = self.script else { return Err(CardError::Removed) };
        // At most 1,023 octets an answer, and the status word of its last two.
        let length = usize::from(u16::from_be_bytes([*high & 3, *low])).min(rest.len());
        let (answer, rest) = rest.split_at(length);
        self.script = rest;
        Ok(answer.to_vec())
    }

    fn reset_at_end(&mut self) {}
}

/// Reads a card of which nothing is certain.
pub fn dialogue(octets: &[u8]) {
    let mut card = HostileCard { script: octets, commands: 0 };
    let mut card = Session::new(&mut card);
    let kind = Arc::<CardType>::default();
    if let Ok(Some((certificate_der, driver))) = hpki::Authentication::read(&mut card, &kind) {
        assert!(certificate_der.len() <= 8 * 1024);
        let _ = driver.tries_left(&mut card);
    }
    let _ = KnownCard::read(&mut card, &kind);
    let _ = SignatureKey::read(&mut card, &kind);
}

/// The directory files of ISO/IEC 7816-15, and the data objects in them.
pub fn directories(octets: &[u8]) {
    assert!(structure::objects(octets).len() <= 64);
    let _ = structure::directory(octets);
    let _ = structure::pin_reference(octets);
    let _ = structure::private_key(octets);
    let _ = structure::end_entity_certificate(octets);
}

/// A command as the software card reads it.
pub fn command(octets: &[u8]) {
    if let Some(command) = CommandApdu::parse(octets) {
        assert!(command.data.len() <= octets.len());
        assert!(command.le.is_none_or(|octets| octets <= 65_536));
    }
}
