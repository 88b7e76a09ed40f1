//! How a key of a card is used, whichever family the card is of: PIN, signature, and nothing left behind.

use std::sync::atomic::{AtomicBool, Ordering};

use super::key_use::KeyUse;
use super::pin_pad::Question;
use super::reader::CardError;
use super::session::Session;

/// How a PIN reaches the card. Not to be printed.
#[derive(Clone, Copy)]
pub enum Entered<'a> {
    /// It was typed here, and looks as the card wants it.
    Typed(&'a [u8]),
    /// It is typed at the reader's own keys, from least to most digits. What it opens is used only while
    /// somebody waits for it: the second member says whether the person gave up meanwhile.
    AtReader((u8, u8), &'a AtomicBool),
}

/// What a key's PIN stands at before anybody is asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinState {
    /// How many wrong ones the card still takes; `None` where it doesn't tell.
    pub tries_left: Option<u8>,
    /// The reader has keys of its own to type it at.
    pub pad: bool,
}

/// How one key of one card is used. Each call is inside one transaction.
pub trait Driver<U: KeyUse>: std::fmt::Debug + Send + Sync {
    /// Makes the key's PIN the one that VERIFY speaks of; returns P2 of that command.
    ///
    /// # Errors
    /// [`CardError`].
    fn select_pin(&self, card: &mut Session<'_>) -> Result<u8, CardError>;

    /// How many wrong PINs the card still takes; `None` where it doesn't tell. Costs no try.
    ///
    /// # Errors
    /// [`CardError`].
    fn tries_left(&self, card: &mut Session<'_>) -> Result<Option<u8>, CardError> {
        let reference = self.select_pin(card)?;
        card.ask_tries(reference)
    }

    /// The same, and what else is to be known before the PIN is asked for.
    ///
    /// # Errors
    /// [`CardError`].
    fn pin_state(&self, card: &mut Session<'_>) -> Result<PinState, CardError> {
        Ok(PinState { tries_left: self.tries_left(card)?, pad: card.has_pin_pad() })
    }

    /// Hands the PIN to the card, or has the reader do it.
    ///
    /// # Errors
    /// [`CardError::PinWrong`], [`CardError::PinBlocked`], [`CardError::PinPad`], or why not.
    fn verify(&self, card: &mut Session<'_>, pin: Entered<'_>) -> Result<(), CardError> {
        let reference = self.select_pin(card)?;
        match pin {
            Entered::Typed(pin) => card.verify(reference, pin),
            Entered::AtReader(digits, _) => card.verify_at_reader(&Question { reference, digits }),
        }
    }

    /// Signs: after [`Self::verify`], or to be refused.
    ///
    /// # Errors
    /// [`CardError::Refused`] where the PIN was not verified.
    fn sign(&self, card: &mut Session<'_>, input: &U::Input) -> Result<Vec<u8>, CardError>;

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

/// Verifies the PIN, asks `prepare` what is to be signed, signs, and tells the signature as soon as it is
/// there: nobody waits until no verified state is left. One transaction.
///
/// # Errors
/// [`CardError::PinWrong`], [`CardError::PinBlocked`], what the card refused, or what `prepare` returned.
/// Nothing was told then.
pub fn sign<U: KeyUse>(
    driver: &dyn Driver<U>,
    card: &mut Session<'_>,
    pin: Entered<'_>,
    prepare: impl FnOnce(&mut Session<'_>) -> Result<U::Input, CardError>,
    tell: &mut dyn FnMut(&U::Input, Vec<u8>),
) -> Result<(), CardError> {
    driver.verify(card, pin)?;
    let given_up = matches!(pin, Entered::AtReader(_, given_up) if given_up.load(Ordering::SeqCst));
    let prepared = if given_up { Err(CardError::GivenUp) } else { prepare(card) };
    let signed = match &prepared {
        Ok(input) => driver.sign(card, input).map(|signature| tell(input, signature)),
        Err(error) => Err(error.clone()),
    };
    // A card that was reset or taken away has forgotten; one reset more would disturb who reset it.
    if !matches!(signed, Err(CardError::Reset | CardError::Removed)) {
        forget_pin(driver, card, prepared.as_ref().ok());
    }
    signed
}

/// Ends the verified state: by selecting away where this type of card is known to forget by it, which
/// is proved once by a signature that it must refuse; else by a reset, which disturbs other software.
/// A card that fails here is reset as well: the signature was told.
fn forget_pin<U: KeyUse>(driver: &dyn Driver<U>, card: &mut Session<'_>, proof: Option<&U::Input>) {
    let left = driver.leave(card);
    let forgets = match (left, driver.forgets(), proof) {
        (Ok(()), Some(forgets), _) => forgets,
        (Ok(()), None, Some(input)) => match driver.sign(card, input) {
            Ok(_) => {
                driver.learn_forgets(false);
                false
            }
            Err(CardError::Refused { status, .. }) if status.is_for_want_of_pin() => {
                driver.learn_forgets(true);
                true
            }
            Err(_) => false,
        },
        (Ok(()), None, None) | (Err(_), ..) => false,
    };
    if !forgets {
        card.reset_at_end();
    }
}
