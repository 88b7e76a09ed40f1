//! A card that was read: what it is, and how to have it log somebody in. One type for all families.

use std::sync::Arc;

use sekisho_protocol::request::Language;
use sekisho_protocol::signed_input::SignedInput;

use super::card_type::{CardType, CardTypes};
use super::driver::{self, Driver, PinState};
use super::holder::Holder;
use super::key_use::Login;
use super::pin_kind::{Pin, PinKind};
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

/// The applications that there is a driver for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Application {
    /// 認証用 of the HPKI.
    Hpki,
    /// 公的個人認証AP.
    Jpki,
}

impl Family {
    /// What a person knows such a card by. A My Number card tells no name before its password: the
    /// certificate for user authentication holds an identifier only.
    pub fn title(self, name: &str, language: Language) -> &str {
        match (self, language) {
            (Self::Hpki, _) => name,
            (Self::Jpki, Language::Ja) => "マイナンバーカード",
            (Self::Jpki, Language::En) => "My Number card",
        }
    }
}

/// An application's certificate, and how its key is used.
struct Found {
    der: Vec<u8>,
    driver: Box<dyn Driver<Login>>,
}

impl Application {
    /// All, first the one that the last card of this type had.
    pub(super) fn in_order(kind: &CardType) -> [Self; 2] {
        match kind.learnt().application {
            Some(Self::Jpki) => [Self::Jpki, Self::Hpki],
            _ => [Self::Hpki, Self::Jpki],
        }
    }

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
    driver: Box<dyn Driver<Login>>,
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
        let kind = types.of(slot);
        with_card(readers, &slot.reader, |card| Self::read(card, &kind))
    }

    /// The same, and what its PIN stands at.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn read_with_pin_state(
        readers: &dyn Readers,
        slot: &Slot,
        types: &CardTypes,
    ) -> Result<(Self, PinState), CardError> {
        let kind = types.of(slot);
        with_card(readers, &slot.reader, |card| {
            let known = Self::read(card, &kind)?;
            let pin = known.pin_state(card)?;
            Ok((known, pin))
        })
    }

    /// Looks for an application of ours, first for the one that such a card had before, and reads
    /// the authentication certificate. Needs no PIN.
    ///
    /// # Errors
    /// [`CardError::UnknownCard`] for a card of another kind, [`CardError::UnknownCertificate`]
    /// where the certificate is of neither family, [`CardError::UnsupportedKey`],
    /// [`CardError::NotForLogin`], [`CardError::AnotherUse`].
    pub fn read(card: &mut Session<'_>, kind: &Arc<CardType>) -> Result<Self, CardError> {
        let (known, holder) = Self::look_at(card, kind)?;
        holder.has_known_key()?;
        if holder.is_for_documents() {
            return Err(CardError::AnotherUse("logging in"));
        }
        Ok(known)
    }

    /// What stands on a card in a slot, for showing it: also where its key cannot be used here, which is
    /// told then. Such a card is asked for its certificate and nothing else.
    ///
    /// # Errors
    /// As [`Self::read`], but for [`CardError::UnsupportedKey`].
    pub fn show(
        readers: &dyn Readers,
        slot: &Slot,
        types: &CardTypes,
    ) -> Result<(Self, Result<PinState, CardError>), CardError> {
        let kind = types.of(slot);
        with_card(readers, &slot.reader, |card| {
            let (known, holder) = Self::look_at(card, &kind)?;
            if let Err(unsupported) = holder.has_known_key() {
                return Ok((known, Err(unsupported)));
            }
            if holder.is_for_documents() {
                return Err(CardError::AnotherUse("logging in"));
            }
            let pin = known.pin_state(card)?;
            Ok((known, Ok(pin)))
        })
    }

    fn look_at(card: &mut Session<'_>, kind: &Arc<CardType>) -> Result<(Self, Holder), CardError> {
        let Found { der: certificate_der, driver } =
            Self::find(card, kind)?.ok_or(CardError::UnknownCard)?;
        let holder = Holder::of(&certificate_der).ok_or(CardError::Structure("certificate"))?;
        let family = holder
            .family()
            .ok_or_else(|| CardError::UnknownCertificate { issuer: holder.issuer().to_owned() })?;
        Ok((Self { family, certificate_der, driver }, holder))
    }

    fn find(card: &mut Session<'_>, kind: &Arc<CardType>) -> Result<Option<Found>, CardError> {
        for application in Application::in_order(kind) {
            if let Some(found) = application.read(card, kind)? {
                kind.learn(|known| known.application = Some(application));
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// What its PIN stands at, now.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn pin_state(&self, card: &mut Session<'_>) -> Result<PinState, CardError> {
        self.driver.pin_state(card)
    }

    /// Verifies the PIN, signs, and leaves no verified state behind. One transaction.
    ///
    /// # Errors
    /// [`CardError::PinMalformed`], [`CardError::PinWrong`], [`CardError::PinBlocked`], or what the
    /// card refused.
    pub fn sign(
        &self,
        card: &mut Session<'_>,
        pin: &Pin,
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
        pin: &Pin,
        input: &SignedInput,
        tell: &mut dyn FnMut(Vec<u8>),
    ) -> Result<(), CardError> {
        let mut tell = |_: &SignedInput, signature| tell(signature);
        pin.enter(self.pin_kind(), |pin| {
            driver::sign(self.driver.as_ref(), card, pin, |_| Ok(input.clone()), &mut tell)
        })
    }

    /// What its PIN looks like.
    pub fn pin_kind(&self) -> PinKind {
        match self.family {
            Family::Hpki => PinKind::HpkiAuthentication,
            Family::Jpki => PinKind::JpkiAuthentication,
        }
    }
}
