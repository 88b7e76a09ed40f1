//! Whole dialogues with cards, from `tests/cards`: `>` a command, `<` the answer, `#` why.
//!
//! `*` at the end of a command stands for any octets, `[252 x 07]` for repeated ones.

use std::sync::Arc;

use sekisho_agent::card::card_type::CardType;
use sekisho_agent::card::driver::{Driver, Entered};
use sekisho_agent::card::hpki::{Authentication, Form, Layout};
use sekisho_agent::card::jpki;
use sekisho_agent::card::known::KnownCard;
use sekisho_agent::card::reader::{CardError, Transmit};
use sekisho_agent::card::session::Session;

use crate::cards::input;

struct Script {
    name: &'static str,
    steps: std::vec::IntoIter<(Vec<u8>, bool, Vec<u8>)>,
}

impl Script {
    fn load(name: &'static str) -> Self {
        let path = format!("{}/../tests/cards/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<&str> =
            text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let steps: Vec<_> = lines
            .chunks(2)
            .map(|pair| {
                let command = pair[0].strip_prefix("> ").unwrap();
                let answer = pair[1].strip_prefix("< ").unwrap();
                let open = command.ends_with('*');
                (octets(command.trim_end_matches('*')), open, octets(answer))
            })
            .collect();
        Self { name, steps: steps.into_iter() }
    }

    fn is_over(&self) -> bool {
        self.steps.len() == 0
    }
}

fn octets(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for (index, part) in text.split(['[', ']']).enumerate() {
        if index % 2 == 1 {
            let (times, octet) = part.split_once(" x ").unwrap();
            let octet = u8::from_str_radix(octet, 16).unwrap();
            octets.extend(vec![octet; times.parse().unwrap()]);
        } else {
            octets.extend(part.split_whitespace().map(|o| u8::from_str_radix(o, 16).unwrap()));
        }
    }
    octets
}

impl Transmit for Script {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, CardError> {
        let (expected, open, answer) = self.steps.next().expect("more commands than the script");
        let told = if open { &command[..expected.len()] } else { command };
        assert_eq!(hex::encode_upper(told), hex::encode_upper(&expected), "{}", self.name);
        Ok(answer)
    }

    fn reset_at_end(&mut self) {
        panic!("{}: nothing here asks for a reset", self.name);
    }
}

#[test]
fn another_card_is_told_by_two_commands() {
    let mut script = Script::load("another-card");
    let read = KnownCard::read(&mut Session::new(&mut script), &Arc::default());
    assert_eq!(read.unwrap_err(), CardError::UnknownCard);
    assert!(script.is_over());
}

#[test]
fn a_card_that_answers_in_pieces_is_read() {
    let mut script = Script::load("observed-wrong-length");
    let kind = Arc::<CardType>::default();
    let mut card = Session::new(&mut script);
    let (certificate, driver) = Authentication::read(&mut card, &kind).unwrap().unwrap();
    assert_eq!(driver.tries_left(&mut card), Ok(Some(15)));
    assert_eq!(certificate.len(), 260);
    assert!(kind.here().short_only);
    assert!(script.is_over());
}

#[test]
fn a_card_without_the_newer_command_signs_with_the_older_one() {
    let mut script = Script::load("falls-back-to-80-2a");
    let kind = Arc::<CardType>::default();
    let driver = Authentication::new(Layout::OBSERVED, kind.clone());
    let mut card = Session::new(&mut script);
    driver.verify(&mut card, Entered::Typed(b"1234")).unwrap();
    assert_eq!(driver.sign(&mut card, &input(&[])), Ok(vec![0xca, 0xfe]));
    driver.leave(&mut card).unwrap();
    let learnt = (kind.learnt().hpki.tag, kind.here().form);
    assert_eq!(learnt, (Some(0x81), Some(Form::Old)));
    assert!(script.is_over());
}

#[test]
fn a_my_number_card_signs_and_then_refuses() {
    let mut script = Script::load("my-number-card");
    let kind = Arc::<CardType>::default();
    let mut card = Session::new(&mut script);
    let (certificate, driver) = jpki::Authentication::read(&mut card, &kind).unwrap().unwrap();
    assert_eq!(certificate.len(), 260);
    assert_eq!(driver.tries_left(&mut card), Ok(Some(3)));
    driver.verify(&mut card, Entered::Typed(b"1234")).unwrap();
    assert_eq!(driver.sign(&mut card, &input(&[])), Ok(vec![0xca, 0xfe]));
    driver.leave(&mut card).unwrap();
    let refused = driver.sign(&mut card, &input(&[])).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the card refused the signature: 6982 (the PIN was not verified)"
    );
    assert_eq!(kind.learnt().jpki.key_name, Some(jpki::KeyName::Selected));
    assert!(script.is_over());
}

#[test]
fn a_resident_card_is_called_by_its_name() {
    let mut script = Script::load("resident-card");
    let mut card = Session::new(&mut script);
    let read = jpki::Authentication::read(&mut card, &Arc::default());
    assert_eq!(read.unwrap_err(), CardError::NotForLogin(jpki::Token::ResidentCard));
    assert!(script.is_over());
}
