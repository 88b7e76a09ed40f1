//! A card that was read: what it is, and how to have it sign. One type for all families.

use std::sync::Arc;

use const_oid::db::rfc5912::RSA_ENCRYPTION;
use sekisho_protocol::signed_input::SignedInput;

use super::card_type::{CardType, CardTypes};
use super::holder::Holder;
use super::reader::{CardError, Readers, Slot};
use super::session::{Session, with_card};
use super::{hpki, jpki};

/// Whose card it is. The certificate decides: names of applications and answers to reset are
/// shared with cards of other kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// A healthcare professional's card (保健医療福祉分野公開鍵基盤).
    Hpki,
    /// マイナンバーカード, its certificate for user authentication (公的個人認証).
    Jpki,
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hpki => "HPKI",
            Self::Jpki => "JPKI",
        })
    }
}

impl Family {
    /// Few tries are left from here on: nobody is asked for a PIN without a warning, nothing tries by
    /// itself. HPKI issuers let 15 pass; the JPKI lets 3, so that one has failed already.
    pub fn guarded_tries(self) -> u8 {
        match self {
            Self::Hpki => 3,
            Self::Jpki => 2,
        }
    }

    /// Whether a PIN of this family may look like this. HPKI: 4 to 16 ASCII characters (JAHIS
    /// guideline Ver. 3.1 annex B). User authentication by JPKI: 4 digits. An empty one would be
    /// the question for the tries left.
    pub fn may_be_pin(self, pin: &[u8]) -> bool {
        match self {
            Self::Hpki => (4..=16).contains(&pin.len()) && pin.is_ascii(),
            Self::Jpki => pin.len() == 4 && pin.iter().all(u8::is_ascii_digit),
        }
    }
}

/// How the authentication key of one card is used. Each call is inside one transaction.
pub trait Driver: std::fmt::Debug + Send + Sync {
    /// How many wrong PINs the card still takes; `None` where it doesn't tell. Costs no try.
    ///
    /// # Errors
    /// [`CardError`].
    fn tries_left(&self, card: &mut Session<'_>) -> Result<Option<u8>, CardError>;

    /// Hands the PIN to the card.
    ///
    /// # Errors
    /// [`CardError::PinWrong`], [`CardError::PinBlocked`], or why not.
    fn verify(&self, card: &mut Session<'_>, pin: &[u8]) -> Result<(), CardError>;

    /// Signs: right after [`Self::verify`], or to be refused.
    ///
    /// # Errors
    /// [`CardError::Refused`] where the PIN was not verified.
    fn sign(&self, card: &mut Session<'_>, input: &SignedInput) -> Result<Vec<u8>, CardError>;

    /// Selects away from the verified state.
    ///
    /// # Errors
    /// [`CardError`].
    fn leave(&self, card: &mut Session<'_>) -> Result<(), CardError>;

    /// Whether cards of this type were seen to forget the PIN by [`Self::leave`].
    fn forgets(&self) -> Option<bool>;

    /// Remembers that for the type.
    fn learn_forgets(&self, forgets: bool);
}

/// The applications that there is a driver for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Application {
    /// 認証用 of the HPKI.
    Hpki,
    /// 公的個人認証AP.
    Jpki,
}

/// An application's certificate, and how its key is used.
struct Found {
    der: Vec<u8>,
    driver: Box<dyn Driver>,
}

impl Application {
    fn read(
        self,
        card: &mut Session<'_>,
        kind: &Arc<CardType>,
    ) -> Result<Option<Found>, CardError> {
        Ok(match self {
            Self::Hpki => hpki::Authentication::read(card, kind)?
                .map(|(der, driver)| Found { der, driver: Box::new(driver) }),
            Self::Jpki => jpki::Authentication::read(card, kind)?
                .map(|(der, driver)| Found { der, driver: Box::new(driver) }),
        })
    }
}

/// What was read while nobody waited.
#[derive(Debug)]
pub struct KnownCard {
    /// By what its certificate says.
    pub family: Family,
    /// Authentication certificate, DER.
    pub certificate_der: Vec<u8>,
    driver: Box<dyn Driver>,
}

impl KnownCard {
    /// Reads the card in a slot, in a transaction of its own.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn read_from(
        readers: &dyn Readers,
        slot: &Slot,
        types: &CardTypes,
    ) -> Result<Self, CardError> {
        let kind = types.of(&slot.atr);
        with_card(readers, &slot.reader, |card| Self::read(card, &kind))
    }

    /// The same, and asks how many wrong PINs the card still takes.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn read_with_tries(
        readers: &dyn Readers,
        slot: &Slot,
        types: &CardTypes,
    ) -> Result<(Self, Option<u8>), CardError> {
        let kind = types.of(&slot.atr);
        with_card(readers, &slot.reader, |card| {
            let known = Self::read(card, &kind)?;
            let tries_left = known.ask_tries(card)?;
            Ok((known, tries_left))
        })
    }

    /// Looks for an application of ours, first for the one that such a card had before, and reads
    /// the authentication certificate. Needs no PIN.
    ///
    /// # Errors
    /// [`CardError::UnknownCard`] for a card of another kind, [`CardError::UnknownCertificate`]
    /// where the certificate is of neither family, [`CardError::UnsupportedKey`],
    /// [`CardError::NotForLogin`].
    pub fn read(card: &mut Session<'_>, kind: &Arc<CardType>) -> Result<Self, CardError> {
        let Found { der: certificate_der, driver } =
            Self::find(card, kind)?.ok_or(CardError::UnknownCard)?;
        let holder = Holder::of(&certificate_der).ok_or(CardError::Structure("certificate"))?;
        let family = holder
            .family()
            .ok_or_else(|| CardError::UnknownCertificate { issuer: holder.issuer().to_owned() })?;
        if holder.key_algorithm() != RSA_ENCRYPTION {
            let algorithm = holder.key_algorithm().to_string();
            return Err(CardError::UnsupportedKey { algorithm });
        }
        Ok(Self { family, certificate_der, driver })
    }

    fn find(card: &mut Session<'_>, kind: &Arc<CardType>) -> Result<Option<Found>, CardError> {
        let order = match kind.learnt().application {
            Some(Application::Jpki) => [Application::Jpki, Application::Hpki],
            _ => [Application::Hpki, Application::Jpki],
        };
        for application in order {
            if let Some(found) = application.read(card, kind)? {
                kind.learn(|known| known.application = Some(application));
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// How many wrong PINs the card still takes, now.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn ask_tries(&self, card: &mut Session<'_>) -> Result<Option<u8>, CardError> {
        self.driver.tries_left(card)
    }

    /// Verifies the PIN, signs, and leaves no verified state behind. One transaction.
    ///
    /// # Errors
    /// [`CardError::PinMalformed`], [`CardError::PinWrong`], [`CardError::PinBlocked`], or what the
    /// card refused.
    pub fn sign(
        &self,
        card: &mut Session<'_>,
        pin: &[u8],
        input: &SignedInput,
    ) -> Result<Vec<u8>, CardError> {
        let mut told = Vec::new();
        self.sign_and_tell(card, pin, input, &mut |signature| told = signature)?;
        Ok(told)
    }

    /// The same, and tells the signature as soon as it is there: nobody waits for the clearing.
    ///
    /// # Errors
    /// As [`Self::sign`]; nothing was told then.
    pub fn sign_and_tell(
        &self,
        card: &mut Session<'_>,
        pin: &[u8],
        input: &SignedInput,
        tell: &mut dyn FnMut(Vec<u8>),
    ) -> Result<(), CardError> {
        if !self.family.may_be_pin(pin) {
            return Err(CardError::PinMalformed);
        }
        self.driver.verify(card, pin)?;
        let signed = self.driver.sign(card, input).map(tell);
        // A card that was reset or taken away has forgotten; one reset more would disturb who reset it.
        if !matches!(signed, Err(CardError::Reset | CardError::Removed)) {
            self.forget_pin(card, input);
        }
        signed
    }

    /// Ends the verified state: by selecting away where this type of card is known to forget by it,
    /// which is proved once by a signature that it must refuse; else by a reset, which disturbs
    /// other software. A card that fails here is reset as well: the signature was told.
    fn forget_pin(&self, card: &mut Session<'_>, input: &SignedInput) {
        let left = self.driver.leave(card);
        let forgets = match (left, self.driver.forgets()) {
            (Ok(()), Some(forgets)) => forgets,
            (Ok(()), None) => match self.driver.sign(card, input) {
                Ok(_) => {
                    self.driver.learn_forgets(false);
                    false
                }
                Err(CardError::Refused { status, .. }) if status.is_for_want_of_pin() => {
                    self.driver.learn_forgets(true);
                    true
                }
                Err(_) => false,
            },
            (Err(_), _) => false,
        };
        if !forgets {
            card.reset_at_end();
        }
    }
}
