//! Where a command gets a PIN from.

use std::sync::Arc;

use clap::Args;
use secrecy::SecretString;

use super::cards;
use super::{Failure, local, refused};
use crate::card::reader::CardError;
use crate::pin::descriptor::PinDescriptor;
use crate::pin::{self, PinEntry, PinError, Prompt};

/// A window, or a file descriptor.
#[derive(Args)]
pub struct PinArguments {
    /// Read the PIN from this file descriptor instead of asking for it; its first line counts.
    #[arg(long, value_name = "N")]
    pin_fd: Option<u32>,
    /// Try even if no more than three tries are left.
    #[arg(long, requires = "pin_fd")]
    few_tries: bool,
    /// Program that asks for the PIN instead of this system's own window; on Linux `pinentry` without it.
    #[arg(long, value_name = "PROGRAM")]
    pinentry: Option<String>,
}

impl PinArguments {
    /// Whether a person is asked, in a window.
    pub(super) fn is_window(&self) -> bool {
        self.pin_fd.is_none()
    }

    /// Asks once.
    pub(super) async fn ask(&self, prompt: &Prompt) -> Result<SecretString, Failure> {
        if prompt.tries_left == Some(0) {
            return Err(cards::failure(CardError::PinBlocked));
        }
        let entry: Arc<dyn PinEntry> = match self.pin_fd {
            Some(number) => Arc::new(PinDescriptor { number, confirmed: self.few_tries }),
            None => pin::window(self.pinentry.as_deref()),
        };
        entry.ask(prompt).await.map_err(|error| match error {
            PinError::Unavailable(_) => local(error),
            PinError::Guarded => refused(anyhow::Error::new(error).context(format!(
                "{} tries are left; wrong ones block the card, so confirm in the window or give \
                 --few-tries",
                prompt.tries_left.unwrap_or_default()
            ))),
            PinError::Cancelled => refused(error),
        })
    }
}

/// A wrong PIN says how many tries remain, and what not to do.
pub(super) fn refusal(error: CardError) -> Failure {
    match error {
        CardError::PinWrong { tries_left: Some(tries) } => {
            refused(anyhow::Error::new(error).context(format!("{tries} tries are left")))
        }
        error => cards::failure(error),
    }
}
