//! The course of a question for a PIN, whichever window it is asked in.

use async_trait::async_trait;
use secrecy::SecretString;
use sekisho_protocol::request::Language;

use super::words::{Confirmation, Words, which_card};
use super::{PinEntry, PinError, Prompt};

/// A window that a person answers. Dropping a future closes it.
#[async_trait]
pub trait Window: Send + Sync {
    /// Asks for yes or no.
    ///
    /// # Errors
    /// [`PinError::Cancelled`] is no; [`PinError::Unavailable`].
    async fn question(&self, question: &Confirmation<'_>) -> Result<(), PinError>;

    /// Asks for the PIN.
    ///
    /// # Errors
    /// [`PinError::Cancelled`], [`PinError::Unavailable`].
    async fn field(&self, words: &Words) -> Result<SecretString, PinError>;

    /// Says what the words describe; returns when the person gives up.
    ///
    /// # Errors
    /// [`PinError`].
    async fn notice(&self, words: &Words) -> Result<(), PinError>;
}

#[async_trait]
impl<W: Window> PinEntry for W {
    async fn ask(&self, prompt: &Prompt) -> Result<SecretString, PinError> {
        self.confirm(prompt).await?;
        self.field(&Words::of(prompt)).await
    }

    async fn confirm(&self, prompt: &Prompt) -> Result<(), PinError> {
        let words = Words::of(prompt);
        if let Some(warning) = &words.warning {
            match self.question(&Confirmation::on_the_way(&words, warning)).await {
                Err(PinError::Cancelled) => return Err(PinError::Guarded),
                confirmed => confirmed?,
            }
        }
        for page in &words.pages {
            self.question(&Confirmation::on_the_way(&words, page)).await?;
        }
        Ok(())
    }

    async fn announce(&self, prompt: &Prompt) -> Result<(), PinError> {
        self.notice(&Words::of(prompt)).await
    }

    fn is_interactive(&self) -> bool {
        true
    }

    /// One question a card, newest first: pinentry knows no lists.
    async fn choose(&self, language: Language, names: &[String]) -> Result<usize, PinError> {
        for (index, name) in names.iter().enumerate().rev() {
            let question = which_card(language, name);
            match self.question(&Confirmation::of_card(language, &question)).await {
                Ok(()) => return Ok(index),
                Err(PinError::Cancelled) => {}
                Err(error) => return Err(error),
            }
        }
        Err(PinError::Cancelled)
    }
}
