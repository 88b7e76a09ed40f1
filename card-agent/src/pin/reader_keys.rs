//! A PIN that is typed at the reader's own keys, and what the window says meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{PinEntry, PinError, Prompt};
use crate::card::pin_kind::{Pin, PinKind};
use crate::card::reader::CardError;

/// Whether a PIN of this kind is typed there: where the reader has keys (`pad`), the PIN is of digits, and
/// `entry` has a person to tell.
pub fn are_used(entry: &dyn PinEntry, kind: PinKind, pad: bool) -> bool {
    pad && kind.digits().is_some() && entry.is_interactive()
}

/// Shows what is to be confirmed, then says where the PIN is typed while `work` has the reader ask for it.
///
/// The reader asks as long as it likes; whoever closes the window waits no longer, and what the PIN then
/// opens is not used.
///
/// # Errors
/// [`PinError`]: the person closed the window, or there is none. The inner one is of the card.
pub async fn enter<T, F: Future<Output = Result<T, CardError>>>(
    entry: &dyn PinEntry,
    prompt: &Prompt,
    work: impl FnOnce(Pin) -> F,
) -> Result<Result<T, CardError>, PinError> {
    entry.confirm(prompt).await?;
    let given_up = GivesUp::default();
    let pin = Pin::AtReader(given_up.0.clone());
    tokio::select! {
        done = work(pin) => Ok(done),
        closed = entry.announce(prompt) => closed.and(Err(PinError::Cancelled)),
    }
}

/// Tells the work at the card when it goes that nobody waits for it: also when whoever waited was
/// cancelled, or ran out of time.
#[derive(Default)]
struct GivesUp(Arc<AtomicBool>);

impl Drop for GivesUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
