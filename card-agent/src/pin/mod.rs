//! Asking for the PIN. It lives in wiped memory, and nowhere else.

pub mod descriptor;
pub mod file;
pub mod pinentry;

use async_trait::async_trait;
use secrecy::SecretString;
use sekisho_protocol::request::{ConfirmationCode, Language};

use crate::card::known::Family;

/// What the window says.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// The portal's origin.
    pub origin: String,
    /// The facility.
    pub facility: String,
    /// On the page as well.
    pub code: ConfirmationCode,
    /// Whose kind of card: its PINs and what they lock differ.
    pub family: Family,
    /// Name on the card.
    pub holder: String,
    /// Tries left, where the card tells.
    pub tries_left: Option<u8>,
    /// The PIN entered before was wrong.
    pub again: bool,
    /// Language of the window.
    pub language: Language,
}

impl Prompt {
    /// Few tries are left.
    pub fn is_guarded(&self) -> bool {
        self.tries_left.is_some_and(|tries| tries <= self.family.guarded_tries())
    }
}

/// Why there is no PIN.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The person closed the window.
    #[error("the person closed the window")]
    Cancelled,
    /// Few tries are left and nobody confirmed.
    #[error("few tries are left and nobody confirmed to go on")]
    Guarded,
    /// No window can be shown, or the file can't be read.
    #[error("the PIN cannot be asked for: {0}")]
    Unavailable(String),
}

/// Somewhere a person enters a PIN.
#[async_trait]
pub trait PinEntry: Send + Sync {
    /// Asks. Dropping the future closes the window.
    ///
    /// # Errors
    /// [`PinError`].
    async fn ask(&self, prompt: &Prompt) -> Result<SecretString, PinError>;

    /// Whether a person may correct a wrong PIN here.
    fn is_interactive(&self) -> bool;

    /// Asks which of several cards; `None` leaves the newest.
    async fn choose(&self, _language: Language, names: &[String]) -> Result<usize, PinError> {
        Ok(names.len().saturating_sub(1))
    }
}
