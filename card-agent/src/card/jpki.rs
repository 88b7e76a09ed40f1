//! User authentication (利用者証明用) by the JPKI application of マイナンバーカード: read ahead, then
//! verify and sign.
//!
//! The application for signatures is never opened here: its certificate holds name and address, and
//! its key is for documents. Nor is any other application of the card, which hold the personal number.

use std::sync::Arc;

use sekisho_protocol::signed_input::SignedInput;

use super::apdu;
use super::card_type::CardType;
use super::known::Driver;
use super::reader::CardError;
use super::session::{ApplicationName, Session};
use super::structure::FilePath;

const APPLICATION: ApplicationName =
    ApplicationName { aid: &[0xd3, 0x92, 0xf0, 0x00, 0x26, 1, 0, 0, 0, 1], answers: false };

const TOKEN_INFORMATION: u16 = 0x0006;
const CERTIFICATE: u16 = 0x000a;
const KEY: u16 = 0x0017;
const PIN: u16 = 0x0018;

/// P2 of VERIFY: the current file.
const CURRENT: u8 = 0x80;

/// What carries the application, by its own label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// マイナンバーカード.
    MyNumberCard,
    /// 住基カード, the card before.
    ResidentCard,
    /// An Android telephone.
    Android,
    /// An iPhone.
    Iphone,
    /// Something newer than this program.
    Unknown,
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::MyNumberCard => "a My Number card without a certificate for user authentication",
            Self::ResidentCard => "a resident card (住基カード) of before the My Number card",
            Self::Android => "the JPKI of an Android telephone",
            Self::Iphone => "the JPKI of an iPhone",
            Self::Unknown => "a JPKI token that this program does not know",
        })
    }
}

/// How the card is told which key signs, in the order in which a new type of card is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyName {
    /// By its short identifier in P2; nothing needs to be selected after the PIN.
    Short,
    /// By selecting its file.
    Selected,
}

/// What is remembered of a type of card.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Learnt {
    /// Card or reader have no extended lengths.
    pub short_only: bool,
    /// This is how it knows its key.
    pub key_name: Option<KeyName>,
    /// Whether it forgets the PIN when the application is selected again.
    pub forgets: Option<bool>,
}

/// The user authentication half of one card.
#[derive(Debug)]
pub struct Authentication {
    kind: Arc<CardType>,
}

impl Authentication {
    /// Reads the certificate; `None` where the card has no such application.
    ///
    /// # Errors
    /// [`CardError::NotForLogin`] where it carries the application and no certificate that can be
    /// read before the PIN.
    pub fn read(
        card: &mut Session<'_>,
        kind: &Arc<CardType>,
    ) -> Result<Option<(Vec<u8>, Self)>, CardError> {
        match card.select(APPLICATION) {
            Ok(()) => {}
            Err(CardError::Refused { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        let mut extended = !kind.learnt().jpki.short_only;
        let certificate_der = match card.read_certificate(FilePath::Id(CERTIFICATE), &mut extended)
        {
            Ok(der) => der,
            Err(CardError::Refused { .. }) => return Err(CardError::NotForLogin(token(card)?)),
            Err(error) => return Err(error),
        };
        kind.learn(|known| known.jpki.short_only = !extended);
        Ok(Some((certificate_der, Self { kind: kind.clone() })))
    }

    fn sign_as(
        &self,
        card: &mut Session<'_>,
        name: KeyName,
        input: &SignedInput,
    ) -> Result<Vec<u8>, CardError> {
        let reference = match name {
            // 80h + short identifier.
            KeyName::Short => 0x80 | KEY as u8,
            KeyName::Selected => {
                card.select_file(KEY)?;
                CURRENT
            }
        };
        card.demand(&apdu::sign_digest_info(reference, &input.digest_info()), "the signature")
    }
}

impl Driver for Authentication {
    fn tries_left(&self, card: &mut Session<'_>) -> Result<Option<u8>, CardError> {
        card.select(APPLICATION)?;
        card.select_file(PIN)?;
        let (_, status) = card.exchange(&apdu::ask_tries(CURRENT))?;
        Ok(status.tries_left())
    }

    fn verify(&self, card: &mut Session<'_>, pin: &[u8]) -> Result<(), CardError> {
        card.select(APPLICATION)?;
        card.select_file(PIN)?;
        let (_, status) = card.exchange(&apdu::verify(CURRENT, pin))?;
        CardError::of_verify(status)
    }

    fn sign(&self, card: &mut Session<'_>, input: &SignedInput) -> Result<Vec<u8>, CardError> {
        card.select(APPLICATION)?;
        let known = self.kind.learnt().jpki.key_name;
        let names = match known {
            Some(KeyName::Selected) => [KeyName::Selected, KeyName::Short],
            _ => [KeyName::Short, KeyName::Selected],
        };
        let mut refused = CardError::Structure("way of signing");
        for name in names {
            match self.sign_as(card, name, input) {
                Ok(signature) => {
                    self.kind.learn(|known| known.jpki.key_name = Some(name));
                    return Ok(signature);
                }
                // Whatever a new type of card has against the one way, the other is tried.
                Err(CardError::Refused { step, status })
                    if known.is_none() || !status.is_for_want_of_pin() =>
                {
                    refused = CardError::Refused { step, status };
                }
                Err(error) => return Err(error),
            }
        }
        Err(refused)
    }

    fn leave(&self, card: &mut Session<'_>) -> Result<(), CardError> {
        card.select_again(APPLICATION)
    }

    fn forgets(&self) -> Option<bool> {
        self.kind.learnt().jpki.forgets
    }

    fn learn_forgets(&self, forgets: bool) {
        self.kind.learn(|known| known.jpki.forgets = Some(forgets));
    }
}

/// What the selected application lives on.
///
/// # Errors
/// [`CardError`].
pub fn token(card: &mut Session<'_>) -> Result<Token, CardError> {
    let octets = match card.read_file(FilePath::Id(TOKEN_INFORMATION)) {
        Ok(octets) => octets,
        Err(CardError::Refused { .. }) => return Ok(Token::Unknown),
        Err(error) => return Err(error),
    };
    // CK_TOKEN_INFO begins with a label of 32 octets, padded with spaces.
    let label = octets.get(..32).unwrap_or_default().trim_ascii_end();
    Ok(match label {
        b"JPKIAPICCTOKEN2" => Token::MyNumberCard,
        b"JPKIAPICCTOKEN" => Token::ResidentCard,
        b"JPKIAPGPSETOKEN" => Token::Android,
        b"JPKIAPIOSTOKEN" => Token::Iphone,
        _ => Token::Unknown,
    })
}

#[cfg(test)]
#[path = "jpki_tests.rs"]
mod tests;
