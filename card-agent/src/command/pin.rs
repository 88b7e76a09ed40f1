//! Where a command gets a PIN from.

use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use sekisho_protocol::request::Language;

use super::cards;
use super::{Failure, local, refused};
use crate::card::pin_kind::Pin;
use crate::card::reader::CardError;
use crate::pin::descriptor::PinDescriptor;
use crate::pin::{self, PinEntry, PinError, Prompt, reader_keys};

/// A window, the reader's own keys, or a file descriptor.
#[derive(Args)]
pub struct PinArguments {
    /// Read the PIN from this file descriptor instead of asking for it; its first line counts.
    #[arg(long, value_name = "N", value_parser = read_from)]
    pin_fd: Option<u32>,
    /// Try even if few tries are left: three, or two of the three of a My Number card's PIN for logins.
    #[arg(long, requires = "pin_fd")]
    few_tries: bool,
    /// Program that asks for the PIN instead of this system's own window; on Linux `pinentry` without it.
    #[arg(long, value_name = "PROGRAM")]
    pinentry: Option<String>,
    /// Ask for the PIN in the window even where the reader has keys of its own: for PINs with letters.
    #[arg(long)]
    no_pin_pad: bool,
}

impl PinArguments {
    /// Whether a person is asked, in a window.
    pub(super) fn is_window(&self) -> bool {
        self.pin_fd.is_none()
    }

    /// Has the PIN entered once, at the reader's keys where it has them (`pad`), and `work` done with it.
    pub(super) async fn enter<T: Send + 'static>(
        &self,
        mut prompt: Prompt,
        pad: bool,
        work: impl FnOnce(Pin) -> Result<T, CardError> + Send + 'static,
    ) -> Result<T, Failure> {
        if prompt.tries_left == Some(0) {
            return Err(cards::failure_at_pin(CardError::PinBlocked, Some(prompt.kind)));
        }
        let entry: Arc<dyn PinEntry> = match self.pin_fd {
            Some(number) => Arc::new(PinDescriptor { number, confirmed: self.few_tries }),
            None => pin::window(self.pinentry.as_deref()),
        };
        prompt.at_reader =
            !self.no_pin_pad && reader_keys::are_used(entry.as_ref(), prompt.kind, pad);
        // Away from the window's thread: the card keeps whoever works with it waiting.
        let work = async |pin| {
            let done = tokio::task::spawn_blocking(move || work(pin)).await;
            done.unwrap_or_else(|error| Err(CardError::Reader(error.to_string())))
        };
        let done = if prompt.at_reader {
            reader_keys::enter(entry.as_ref(), &prompt, work).await
        } else {
            match entry.ask(&prompt).await {
                Ok(pin) => Ok(work(Pin::Typed(pin)).await),
                Err(error) => Err(error),
            }
        };
        done.map_err(|error| not_entered(error, &prompt, self.is_window()))?
            .map_err(|error| cards::failure_at_pin(error, Some(prompt.kind)))
    }
}

/// The number of a descriptor that may be read from.
fn read_from(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(1 | 2) => Err("1 and 2 are what this command writes to".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("no number of a descriptor".to_owned()),
    }
}

fn not_entered(error: PinError, prompt: &Prompt, window: bool) -> Failure {
    let said = |japanese, english| cards::said_in(prompt.language, japanese, english);
    match error {
        PinError::Unavailable(_) if !window => {
            Failure::Usage(anyhow::Error::new(error).context(said(
                "--pin-fd から暗証番号を読み取れません。開いているパイプかファイルの番号を指定してください",
                "no PIN can be read from --pin-fd; name the number of an open pipe or file",
            )))
        }
        PinError::Unavailable(_) => local(anyhow::Error::new(error).context(said(
            "暗証番号を入力できません。`sekisho-agent doctor` の PIN window の行を見てください",
            "no PIN can be entered; see the line `PIN window` of `sekisho-agent doctor`",
        ))),
        PinError::Guarded => {
            let tries = prompt.tries_left.unwrap_or_default();
            refused(match prompt.language {
                Language::Ja => anyhow!(
                    "残り{tries}回です。間違えるとロックされるため、試しませんでした。窓で確認するか、--few-tries を付けてください。"
                ),
                Language::En => anyhow!(
                    "{tries} tries are left; wrong ones block the card, so nothing was tried: confirm \
                     in the window or give --few-tries"
                ),
            })
        }
        PinError::Cancelled => refused(anyhow!(said(
            "窓が閉じられたので中止しました。署名はしていません。",
            "the person closed the window",
        ))),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use sekisho_protocol::request::Language;

    use super::*;
    use crate::card::pin_kind::PinKind;
    use crate::pin::pinentry::tests::program;
    use crate::pin::{Occasion, Page};

    /// Whether the PIN was typed in the window, at a reader that has keys; and what the window was told.
    async fn typed(kind: PinKind, no_pin_pad: bool) -> (Result<bool, Failure>, String) {
        let folder = tempfile::tempdir().unwrap();
        let pinentry = Some(program(folder.path(), "D ABC123\\nOK").program);
        let pin = PinArguments { pin_fd: None, few_tries: false, pinentry, no_pin_pad };
        let page = Page {
            origin: "sekisho-agent self-test".into(),
            facility: "reader".into(),
            code: "42".parse().unwrap(),
        };
        let prompt = Prompt {
            occasion: Occasion::Login(page),
            kind,
            holder: "架空 花子".into(),
            tries_left: Some(15),
            again: false,
            at_reader: false,
            language: Language::En,
        };
        // A reader that asks until the window is closed, as this one is at once.
        let work = |pin| match pin {
            Pin::Typed(_) => Ok(true),
            Pin::AtReader(given_up) => {
                while !given_up.load(std::sync::atomic::Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                Err(CardError::GivenUp)
            }
        };
        let done = pin.enter(prompt, true, work).await;
        (done, std::fs::read_to_string(folder.path().join("log")).unwrap())
    }

    #[tokio::test]
    async fn at_a_reader_with_keys_the_pin_is_typed_there_and_who_closes_the_window_is_done() {
        let (done, told) = typed(PinKind::HpkiAuthentication, false).await;
        let Err(Failure::Refused(error)) = done else { panic!("{done:?}") };
        assert_eq!(error.to_string(), "the person closed the window");
        assert!(told.contains("card reader's own keys") && !told.contains("GETPIN"), "{told}");
    }

    #[tokio::test]
    async fn a_pin_with_letters_or_on_request_is_typed_in_the_window() {
        for (kind, no_pin_pad) in
            [(PinKind::JpkiSignature, false), (PinKind::HpkiAuthentication, true)]
        {
            let (done, told) = typed(kind, no_pin_pad).await;
            assert!(done.is_ok_and(|typed| typed), "{kind:?}");
            assert!(!told.contains("card reader's own keys") && told.contains("GETPIN"), "{told}");
        }
    }
}
