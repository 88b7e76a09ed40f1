//! The JPKI application of マイナンバーカード: user authentication (利用者証明用), and signatures of
//! documents (署名用).
//!
//! The certificate for signatures holds name and address, and is told only who knows its password. No
//! other application of the card, which hold the personal number, is ever opened.

use std::marker::PhantomData;
use std::sync::Arc;

use super::apdu;
use super::card_type::CardType;
use super::driver::Driver;
use super::key_use::{Documents, KeyUse, Login, ToBeSigned};
use super::reader::CardError;
use super::session::{ApplicationName, Session};
use super::structure::FilePath;

const APPLICATION: ApplicationName =
    ApplicationName { aid: &[0xd3, 0x92, 0xf0, 0x00, 0x26, 1, 0, 0, 0, 1], answers: false };

const TOKEN_INFORMATION: u16 = 0x0006;

/// Where one of the two keys lies, and what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Files {
    /// Its certificate.
    pub certificate: u16,
    /// The key.
    pub key: u16,
    /// Its PIN or password.
    pub pin: u16,
}

/// 利用者証明用.
pub const AUTHENTICATION: Files = Files { certificate: 0x000a, key: 0x0017, pin: 0x0018 };
/// 署名用.
pub const SIGNATURE: Files = Files { certificate: 0x0001, key: 0x001a, pin: 0x001b };

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
            Self::MyNumberCard => "a My Number card without this certificate",
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
    /// This is how it knows its key.
    pub key_name: Option<KeyName>,
    /// Whether it forgets the PIN when the application is selected again.
    pub forgets: Option<bool>,
}

/// The key for logging in of one card.
pub type Authentication = Key<Login>;
/// The key for documents of one card.
pub type Signature = Key<Documents>;

/// One half of one card.
#[derive(Debug)]
pub struct Key<U> {
    kind: Arc<CardType>,
    use_: PhantomData<U>,
}

impl Key<Login> {
    /// Reads the certificate; `None` where the card has no such application.
    ///
    /// # Errors
    /// [`CardError::NotForLogin`] where it carries the application and no certificate that can be
    /// read before the PIN.
    pub fn read(
        card: &mut Session<'_>,
        kind: &Arc<CardType>,
    ) -> Result<Option<(Vec<u8>, Self)>, CardError> {
        let Some(key) = Self::of(card, kind)? else { return Ok(None) };
        match key.read_certificate(card) {
            Ok(der) => Ok(Some((der, key))),
            Err(CardError::Refused { .. }) => Err(CardError::NotForLogin(token(card)?)),
            Err(error) => Err(error),
        }
    }
}

impl Key<Documents> {
    /// Finds the key; `None` where the card has no such application. Its certificate is read after
    /// the password: [`Self::certificate`].
    ///
    /// # Errors
    /// [`CardError::NotForDocuments`] where it carries the application and not this key, or is no
    /// My Number card: what a telephone wants to be told is not known here.
    pub fn find(card: &mut Session<'_>, kind: &Arc<CardType>) -> Result<Option<Self>, CardError> {
        let Some(key) = Self::of(card, kind)? else { return Ok(None) };
        match (token(card)?, card.select_file(SIGNATURE.key)) {
            (Token::MyNumberCard, Ok(())) => Ok(Some(key)),
            (token, Ok(()) | Err(CardError::Refused { .. })) => {
                Err(CardError::NotForDocuments(token))
            }
            (_, Err(error)) => Err(error),
        }
    }

    /// The certificate, once the password was verified in this transaction.
    ///
    /// # Errors
    /// [`CardError::Refused`].
    pub fn certificate(&self, card: &mut Session<'_>) -> Result<Vec<u8>, CardError> {
        card.select(APPLICATION)?;
        self.read_certificate(card)
    }
}

impl<U: KeyUse> Key<U> {
    fn of(card: &mut Session<'_>, kind: &Arc<CardType>) -> Result<Option<Self>, CardError> {
        match card.select(APPLICATION) {
            Ok(()) => Ok(Some(Self { kind: kind.clone(), use_: PhantomData })),
            Err(CardError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read_certificate(&self, card: &mut Session<'_>) -> Result<Vec<u8>, CardError> {
        let mut extended = !self.kind.here().short_only;
        let read = card.read_certificate(FilePath::Id(U::JPKI.certificate), &mut extended);
        self.kind.learn_here(|here| here.short_only = !extended);
        read
    }

    fn learnt(&self) -> Learnt {
        *U::jpki(&mut self.kind.learnt())
    }

    fn learn(&self, change: impl FnOnce(&mut Learnt)) {
        self.kind.learn(|known| change(U::jpki(known)));
    }

    fn sign_as(
        &self,
        card: &mut Session<'_>,
        name: KeyName,
        input: &U::Input,
    ) -> Result<Vec<u8>, CardError> {
        let reference = match name {
            // 80h + short identifier.
            KeyName::Short => 0x80 | U::JPKI.key as u8,
            KeyName::Selected => {
                card.select_file(U::JPKI.key)?;
                CURRENT
            }
        };
        card.demand(&apdu::sign_digest_info(reference, &input.digest_info()), "the signature")
    }
}

impl<U: KeyUse> Driver<U> for Key<U> {
    fn select_pin(&self, card: &mut Session<'_>) -> Result<u8, CardError> {
        card.select(APPLICATION)?;
        card.select_file(U::JPKI.pin)?;
        Ok(CURRENT)
    }

    fn sign(&self, card: &mut Session<'_>, input: &U::Input) -> Result<Vec<u8>, CardError> {
        card.select(APPLICATION)?;
        let known = self.learnt().key_name;
        let names = match known {
            Some(KeyName::Selected) => [KeyName::Selected, KeyName::Short],
            _ => [KeyName::Short, KeyName::Selected],
        };
        let mut refused = CardError::Structure("way of signing");
        for name in names {
            match self.sign_as(card, name, input) {
                Ok(signature) => {
                    self.learn(|known| known.key_name = Some(name));
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
        self.learnt().forgets
    }

    fn learn_forgets(&self, forgets: bool) {
        self.learn(|known| known.forgets = Some(forgets));
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
