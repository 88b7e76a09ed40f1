//! One type for cards of all families: what is asked of the card, and what it is left as.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sekisho_agent::card::card_type::{CardType, CardTypes};
use sekisho_agent::card::known::{Family, KnownCard};
use sekisho_agent::card::reader::{CardError, Channel, Readers, Slot, Transmit, Work};
use sekisho_agent::card::session::{Session, with_card};
use sekisho_ca::lookalike::CardUse;
use sekisho_software_card::{Layout, Options, Personalisation, SoftwareCard};

use crate::cards::{input, write_card_of, write_card_of_the_next_generation, write_my_number_card};
use crate::world::PIN;

struct Direct {
    card: SoftwareCard,
    commands: Arc<AtomicU32>,
    reset: bool,
}

impl Direct {
    fn new(options: Options) -> Self {
        Self::hpki(Layout::Observed, 0, options)
    }

    fn hpki(layout: Layout, issuer: u32, options: Options) -> Self {
        Self::of(options, |folder| drop(write_card_of(folder, layout, issuer)))
    }

    fn jpki(options: Options) -> Self {
        Self::of(options, |folder| drop(write_my_number_card(folder)))
    }

    fn of(options: Options, write: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let personal = Personalisation::load(folder.path()).unwrap();
        let card = SoftwareCard::new(personal, options).unwrap();
        Self { card, commands: Arc::default(), reset: false }
    }

    /// The commands that a piece of work takes, and whether it asked for a reset at its end.
    fn count<T>(&mut self, work: impl FnOnce(&mut Session<'_>) -> T) -> (T, u32, bool) {
        self.reset = false;
        self.commands.store(0, Relaxed);
        let done = work(&mut Session::new(self));
        (done, self.commands.load(Relaxed), self.reset)
    }

    /// A whole login in one transaction: the commands until the certificate was read, until the
    /// signature was there, and until the PIN was forgotten.
    fn login(&mut self, kind: &Arc<CardType>) -> (u32, u32, u32) {
        let commands = self.commands.clone();
        let (phases, all, reset) = self.count(|card| {
            let known = KnownCard::read(card, kind).unwrap();
            let (read, mut signed) = (commands.load(Relaxed), 0);
            let mut tell = |_| signed = commands.load(Relaxed);
            known.sign_and_tell(card, &PIN.into(), &input(&[]), &mut tell).unwrap();
            (read, signed)
        });
        assert!(!reset);
        (phases.0, phases.1, all)
    }
}

impl Transmit for Direct {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, CardError> {
        self.commands.fetch_add(1, Relaxed);
        self.card.transmit(command).ok_or(CardError::Removed)
    }

    fn reset_at_end(&mut self) {
        self.reset = true;
    }
}

#[test]
fn that_a_card_forgets_the_pin_is_proved_once_for_its_type() {
    let mut card = Direct::new(Options::default());
    let kind = Arc::<CardType>::default();
    let (known, ..) = card.count(|card| KnownCard::read(card, &kind).unwrap());
    assert_eq!(known.family, Family::Hpki);
    let mut sign = || card.count(|card| known.sign(card, &PIN.into(), &input(&[])).unwrap().len());
    // SELECT, VERIFY, MSE, PSO, selecting away; this card has one application and refuses that, so its
    // own is selected again; then MSE and the PSO that must be refused. The next one is spared what was
    // refused.
    assert_eq!(sign(), (256, 8, false));
    assert_eq!(sign(), (256, 5, false));
}

#[test]
fn a_card_that_keeps_the_pin_is_reset_after_every_signature() {
    let mut card = Direct::new(Options { keeps_pin: true, ..Options::default() });
    let kind = Arc::<CardType>::default();
    let (known, ..) = card.count(|card| KnownCard::read(card, &kind).unwrap());
    for _ in 0..2 {
        let (_, _, reset) = card.count(|card| known.sign(card, &PIN.into(), &input(&[])).unwrap());
        assert!(reset);
    }
}

#[test]
fn what_cannot_be_a_pin_is_not_tried() {
    let mut card = Direct::new(Options::default());
    let (known, ..) = card.count(|card| KnownCard::read(card, &Arc::default()).unwrap());
    for pin in ["", "123", "12345678901234567", "１２３４", "1234\t", "1234 ", "1234\0"] {
        let (refused, commands, _) = card.count(|card| known.sign(card, &pin.into(), &input(&[])));
        assert_eq!((refused, commands), (Err(CardError::PinMalformed), 0), "{pin:?}");
    }
}

fn short() -> Options {
    Options { short_only: true, ..Options::default() }
}

fn no_short_ids(options: Options) -> Options {
    Options { no_short_ids: true, ..options }
}

/// The commands that reading a card takes, of the type that it is in this reader.
fn read_in(reader: &str, card: &mut Direct, types: &CardTypes) -> u32 {
    let slot = Slot { reader: reader.into(), insertion: Some(1), atr: SoftwareCard::ATR.to_vec() };
    card.count(|session| KnownCard::read(session, &types.of(&slot)).unwrap()).1
}

#[test]
fn cards_of_two_issuers_in_turn_are_both_remembered() {
    let types = CardTypes::default();
    let read = |layout, issuer| read_in("one", &mut Direct::hpki(layout, issuer, short()), &types);
    // SELECT, the certificate in six; the first was refused an extended one. Beside that EF.OD, EF.AOD and
    // EF.PrKD of the first card of each issuer.
    let took = [0, 1, 0, 1].map(|issuer| read(Layout::Observed, issuer));
    assert_eq!(took, [11, 10, 7, 7]);
    // The third issuer's cards have the other layout: nothing lies where the last certificate was, by either
    // name. Where it was on those cards, the others have an authority's, which is read in vain.
    let took = [(Layout::Ic31, 2), (Layout::Observed, 0), (Layout::Ic31, 2), (Layout::Ic31, 2)];
    assert_eq!(took.map(|(layout, issuer)| read(layout, issuer)), [12, 13, 9, 7]);
}

#[test]
fn what_a_reader_cannot_carry_is_not_held_against_the_type() {
    let types = CardTypes::default();
    let jpki = |reader, options| read_in(reader, &mut Direct::jpki(options), &types);
    // Asked for an HPKI application first; then SELECT, SELECT of the certificate, READ.
    assert_eq!(jpki("one", Options::default()), 4);
    // One refused, and six.
    assert_eq!([(); 2].map(|()| jpki("another", short())), [9, 8]);
    assert_eq!([(); 2].map(|()| jpki("one", Options::default())), [3, 3]);

    // An HPKI card, known from another reader, keeps in mind what this one can't as well.
    let types = CardTypes::default();
    let hpki =
        |reader, options| read_in(reader, &mut Direct::hpki(Layout::Observed, 0, options), &types);
    assert_eq!(hpki("one", Options::default()), 5);
    assert_eq!([(); 2].map(|()| hpki("another", short())), [8, 7]);
    assert_eq!(hpki("one", Options::default()), 2);
}

/// A card whose short identifiers are not implied by its files': 16h is another certificate, 01 the list
/// of keys.
struct Misnumbered(SoftwareCard);

impl Transmit for Misnumbered {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, CardError> {
        let mut command = command.to_vec();
        if let [0, 0xb0, sfi @ (0x81 | 0x96), ..] = command.as_mut_slice() {
            *sfi += 1;
        }
        self.0.transmit(&command).ok_or(CardError::Removed)
    }

    fn reset_at_end(&mut self) {}
}

#[test]
fn short_identifiers_that_mean_other_files_mislead_nobody() {
    for options in [Options::default(), short()] {
        let folder = tempfile::tempdir().unwrap();
        let certificate_der = write_card_of(folder.path(), Layout::Observed, 0);
        let personal = Personalisation::load(folder.path()).unwrap();
        let mut card = Misnumbered(SoftwareCard::new(personal, options).unwrap());
        let kind = Arc::<CardType>::default();
        for _ in 0..2 {
            let mut session = Session::new(&mut card);
            let known = KnownCard::read(&mut session, &kind).unwrap();
            assert_eq!(known.certificate_der, certificate_der);
            assert_eq!(known.pin_state(&mut session).map(|pin| pin.tries_left), Ok(Some(15)));
            assert_eq!(known.sign(&mut session, &PIN.into(), &input(&[])).unwrap().len(), 256);
            assert_eq!(kind.learnt().hpki.short_ids, Some(false));
        }
    }
}

#[test]
fn a_login_stays_within_the_commands_that_it_needs() {
    // The certificates have 1,281 to 1,536 octets: one READ, or six short ones. The first card of a type
    // is asked for its structure, ways are tried, and that it forgets the PIN is proved.
    type Kind = (&'static str, fn() -> Direct, [(u32, u32, u32); 2]);
    let kinds: [Kind; 8] = [
        // SELECT, READ; VERIFY, MSE, PSO; selecting away, which these cards of one application refuse
        // to the first, and their own again.
        (
            "HPKI, guideline",
            || Direct::hpki(Layout::Ic31, 0, Options::default()),
            [(5, 8, 12), (2, 5, 6)],
        ),
        // The block in two pieces.
        (
            "HPKI, guideline, short",
            || Direct::hpki(Layout::Ic31, 0, short()),
            [(11, 15, 20), (7, 11, 12)],
        ),
        // The same: files are named by two octets, and read by the short identifiers that these imply.
        (
            "HPKI, observed",
            || Direct::hpki(Layout::Observed, 0, Options::default()),
            [(5, 8, 12), (2, 5, 6)],
        ),
        (
            "HPKI, observed, short",
            || Direct::hpki(Layout::Observed, 0, short()),
            [(11, 15, 20), (7, 11, 12)],
        ),
        // A card without those: the first is asked for one, and every certificate's file is selected.
        (
            "HPKI, observed, no short identifiers",
            || Direct::hpki(Layout::Observed, 0, no_short_ids(Options::default())),
            [(9, 12, 16), (3, 6, 7)],
        ),
        (
            "HPKI, observed, no short identifiers, short",
            || Direct::hpki(Layout::Observed, 0, no_short_ids(short())),
            [(16, 20, 25), (8, 12, 13)],
        ),
        // SELECT, SELECT of the certificate, READ; SELECT of the PIN, VERIFY, the signature; selecting
        // again. The first is asked for an HPKI application before.
        ("JPKI", || Direct::jpki(Options::default()), [(4, 7, 9), (3, 6, 7)]),
        ("JPKI, short", || Direct::jpki(short()), [(10, 13, 15), (8, 11, 12)]),
    ];
    let mut off = Vec::new();
    for (name, make, expected) in kinds {
        let kind = Arc::default();
        let took = [make().login(&kind), make().login(&kind)];
        if took != expected {
            off.push((name, took));
        }
    }
    assert!(off.is_empty(), "{off:#?}");
}

#[test]
fn what_was_learnt_of_one_issuers_cards_is_not_believed_of_anothers() {
    let kind = Arc::<CardType>::default();
    for (layout, issuer) in [(Layout::Ic31, 0), (Layout::Observed, 1), (Layout::Ic31, 0)] {
        let mut card = Direct::hpki(layout, issuer, Options::default());
        let (known, ..) = card.count(|card| KnownCard::read(card, &kind).unwrap());
        let (tries, ..) = card.count(|card| known.pin_state(card).map(|pin| pin.tries_left));
        assert_eq!(tries, Ok(Some(15)));
        let (signed, ..) = card.count(|card| known.sign(card, &PIN.into(), &input(&[])));
        assert_eq!(signed.unwrap().len(), 256);
    }
}

#[test]
fn the_certificate_decides_the_family_and_not_the_application() {
    // A My Number card's certificate in an HPKI application.
    let mut card = Direct::of(Options::default(), |folder| {
        write_card_of(folder, Layout::Observed, 0);
        let other = tempfile::tempdir().unwrap();
        write_my_number_card(other.path());
        let (from, to) =
            (other.path().join("authentication.crt"), folder.join("authentication.crt"));
        std::fs::copy(from, to).unwrap();
    });
    let (known, ..) = card.count(|card| KnownCard::read(card, &Arc::default()).unwrap());
    assert_eq!(known.family, Family::Jpki);

    // An authority's own certificate: no policy of either family's cards.
    let mut card = Direct::of(Options::default(), |folder| {
        write_my_number_card(folder);
        let (from, to) = ("authentication-1.crt", "authentication.crt");
        std::fs::copy(folder.join(from), folder.join(to)).unwrap();
    });
    let (read, ..) = card.count(|card| KnownCard::read(card, &Arc::default()));
    let Err(CardError::UnknownCertificate { issuer }) = read else { panic!("{read:?}") };
    assert!(issuer.contains("Look-alike JPKI for user authentication"), "{issuer}");
}

#[test]
fn an_authoritys_certificate_in_the_persons_place_does_not_spare_the_list() {
    let mut card = Direct::of(Options::default(), |folder| {
        write_card_of(folder, Layout::Observed, 0);
        std::fs::copy(folder.join("authentication-2.crt"), folder.join("authentication.crt"))
            .unwrap();
    });
    let (_, commands, _) = card.count(|card| KnownCard::read(card, &Arc::default()));
    // Beside the 5 of a person's: the certificate by selection, EF.AOD and EF.PrKD by selection as well, and
    // EF.CD. Where that list points is read already.
    assert_eq!(commands, 5 + 2 + 2 + 2);
}

#[test]
fn a_key_of_the_next_generation_is_refused_in_words() {
    let mut card = Direct::of(Options::default(), |folder| {
        write_card_of_the_next_generation(folder, CardUse::Authentication);
    });
    let (read, commands, _) = card.count(|card| KnownCard::read(card, &Arc::default()));
    let error = read.unwrap_err();
    assert_eq!(error, CardError::UnsupportedKey { algorithm: "ECDSA P-384".into() });
    // Neither its PIN nor its key was asked for: what it wants to hear is not published.
    let (_, of_a_known_one, _) = Direct::jpki(Options::default())
        .count(|card| KnownCard::read(card, &Arc::default()).unwrap().family);
    assert!(commands <= of_a_known_one, "{commands}");
}

/// One reader, whose card other software resets before the command of this number, so many times.
struct Disturbed {
    card: Arc<Mutex<SoftwareCard>>,
    before: u32,
    times: Arc<AtomicU32>,
}

struct DisturbedCard {
    card: Arc<Mutex<SoftwareCard>>,
    left: u32,
    times: Arc<AtomicU32>,
}

impl Readers for Disturbed {
    fn slots(&self) -> Result<Vec<Slot>, CardError> {
        Ok(vec![])
    }

    fn wait(&self, _: Duration) {}

    fn connect(&self, _: &str) -> Result<Box<dyn Channel>, CardError> {
        let (card, times) = (self.card.clone(), self.times.clone());
        Ok(Box::new(DisturbedCard { card, left: self.before, times }))
    }
}

impl Channel for DisturbedCard {
    fn transaction(&mut self, work: Work<'_>) -> Result<(), CardError> {
        work(self)
    }
}

impl Transmit for DisturbedCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, CardError> {
        let mut card = self.card.lock().unwrap();
        if self.left == 0 && self.times.load(Relaxed) > 0 {
            self.times.fetch_sub(1, Relaxed);
            card.reset();
            return Err(CardError::Reset);
        }
        self.left = self.left.saturating_sub(1);
        card.transmit(command).ok_or(CardError::Removed)
    }

    fn reset_at_end(&mut self) {
        self.card.lock().unwrap().reset();
    }
}

#[test]
fn a_reset_by_other_software_is_borne_once_at_any_command() {
    let kind = Arc::<CardType>::default();
    let mut made = Direct::jpki(Options::default());
    let (known, ..) = made.count(|card| KnownCard::read(card, &kind).unwrap());
    let card = Arc::new(Mutex::new(made.card));
    let login = |readers: &Disturbed| {
        with_card(readers, "", |card| known.sign(card, &PIN.into(), &input(&[])))
    };
    // SELECT, SELECT of the PIN, VERIFY, the signature.
    for before in 0..4 {
        let disturbed = |times| Disturbed { card: card.clone(), before, times: Arc::new(times) };
        assert_eq!(login(&disturbed(AtomicU32::new(1))).unwrap().len(), 256, "{before}");
        assert_eq!(login(&disturbed(AtomicU32::new(2))), Err(CardError::Reset), "{before}");
    }
    let calm = Disturbed { card: card.clone(), before: 0, times: Arc::default() };
    assert_eq!(
        with_card(&calm, "", |card| known.pin_state(card)).map(|pin| pin.tries_left),
        Ok(Some(3))
    );
}
