//! One type for cards of all families: what is asked of the card, and what it is left as.

use std::sync::Arc;

use sekisho_agent::card::card_type::CardType;
use sekisho_agent::card::known::{Family, KnownCard};
use sekisho_agent::card::reader::{CardError, Transmit};
use sekisho_agent::card::session::Session;
use sekisho_protocol::signed_input::SignedInput;
use sekisho_protocol::{ChallengeNonce, Sha256Digest};
use sekisho_software_card::{Layout, Options, Personalisation, SoftwareCard};

use crate::world::{PIN, write_card_of};

struct Direct {
    card: SoftwareCard,
    reset: bool,
}

impl Direct {
    fn new(options: Options) -> Self {
        Self::of(Layout::Observed, 0, options)
    }

    fn of(layout: Layout, issuer: u32, options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_card_of(folder.path(), layout, issuer);
        let personal = Personalisation::load(folder.path()).unwrap();
        Self { card: SoftwareCard::new(personal, options).unwrap(), reset: false }
    }

    /// The commands that a piece of work takes, and whether it asked for a reset at its end.
    fn count<T>(&mut self, work: impl FnOnce(&mut Session<'_>) -> T) -> (T, u32, bool) {
        self.reset = false;
        let before = self.card.commands();
        let done = work(&mut Session::new(self));
        (done, self.card.commands() - before, self.reset)
    }
}

impl Transmit for Direct {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, CardError> {
        self.card.transmit(command).ok_or(CardError::Removed)
    }

    fn reset_at_end(&mut self) {
        self.reset = true;
    }
}

fn input() -> SignedInput {
    let of = |octet: u8| Sha256Digest::new([octet; 32]);
    SignedInput {
        origin: of(1),
        nonce: ChallengeNonce::new([2; 32]),
        facility_x5t: of(3),
        page_key: of(4),
        request: of(5),
        card_certificate: of(6),
    }
}

#[test]
fn that_a_card_forgets_the_pin_is_proved_once_for_its_type() {
    let mut card = Direct::new(Options::default());
    let kind = Arc::<CardType>::default();
    let (known, ..) = card.count(|card| KnownCard::read(card, &kind).unwrap());
    assert_eq!((known.family, known.tries_left), (Family::Hpki, Some(15)));
    let mut sign = || card.count(|card| known.sign(card, PIN.as_bytes(), &input()).unwrap().len());
    // SELECT, VERIFY, MSE, PSO, selecting away; this card has one application and refuses that, so its
    // own is selected again; then MSE and the PSO that must be refused.
    assert_eq!(sign(), (256, 8, false));
    assert_eq!(sign(), (256, 6, false));
}

#[test]
fn a_card_that_keeps_the_pin_is_reset_after_every_signature() {
    let mut card = Direct::new(Options { keeps_pin: true, ..Options::default() });
    let kind = Arc::<CardType>::default();
    let (known, ..) = card.count(|card| KnownCard::read(card, &kind).unwrap());
    for _ in 0..2 {
        let (_, _, reset) = card.count(|card| known.sign(card, PIN.as_bytes(), &input()).unwrap());
        assert!(reset);
    }
}

#[test]
fn what_cannot_be_a_pin_is_not_tried() {
    let mut card = Direct::new(Options::default());
    let (known, ..) = card.count(|card| KnownCard::read(card, &Arc::default()).unwrap());
    for pin in [&b""[..], b"123", b"12345678901234567", "１２３４".as_bytes()] {
        let (refused, commands, _) = card.count(|card| known.sign(card, pin, &input()));
        assert_eq!((refused, commands), (Err(CardError::PinMalformed), 0), "{pin:?}");
    }
}

#[test]
fn the_next_card_of_a_type_costs_few_commands() {
    let kind = Arc::<CardType>::default();
    for (read_takes, sign_takes) in [(7, 9), (3, 6)] {
        let mut card = Direct::of(Layout::Ic31, 0, Options::default());
        let (known, commands, _) = card.count(|card| KnownCard::read(card, &kind).unwrap());
        // Later: SELECT, one READ, the tries left.
        assert_eq!(commands, read_takes);
        let (_, commands, _) =
            card.count(|card| known.sign(card, PIN.as_bytes(), &input()).unwrap());
        // Later: SELECT, VERIFY, MSE, PSO, and two to leave.
        assert_eq!(commands, sign_takes);
    }
}

#[test]
fn what_was_learnt_of_one_issuers_cards_is_not_believed_of_anothers() {
    let kind = Arc::<CardType>::default();
    for (layout, issuer) in [(Layout::Ic31, 0), (Layout::Observed, 1), (Layout::Ic31, 0)] {
        let mut card = Direct::of(layout, issuer, Options::default());
        let (known, ..) = card.count(|card| KnownCard::read(card, &kind).unwrap());
        assert_eq!(known.tries_left, Some(15));
        let (signed, ..) = card.count(|card| known.sign(card, PIN.as_bytes(), &input()));
        assert_eq!(signed.unwrap().len(), 256);
    }
}
