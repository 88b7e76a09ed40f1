//! Looking on while readers work: each command with its answer, and how long others keep us waiting.
//!
//! [`ObservedReaders`] wraps any readers and changes nothing that they do. What it sees goes to
//! [`Observer`]s: the log of `--apdu-log`, the figures of `self-test`, the word that another
//! program holds the card.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::apdu::StatusWord;
use super::pin_pad::{PinPad, Question};
use super::reader::{CardError, Channel, Readers, Slot, Transmit, Work};

/// That other software keeps us from a card for longer than this is told.
///
/// Our own last less than a second (`docs/card-login.md`), and so should those of others.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// One command to a card.
#[derive(Debug, Clone, Copy)]
pub struct Exchanged<'a> {
    /// Which reader.
    pub reader: &'a str,
    /// The command as it went out: a VERIFY holds the PIN.
    pub command: &'a [u8],
    /// What came back, status word at the end; or why nothing did.
    pub answer: Result<&'a [u8], &'a CardError>,
    /// From the command to its answer.
    pub took: Duration,
}

/// Somebody who looks on.
pub trait Observer: Send + Sync {
    /// A command was answered, or not.
    fn exchanged(&self, _exchanged: &Exchanged<'_>) {}

    /// Another program has held the card in this reader for [`PATIENCE`], and we wait. Said once for
    /// each opening of a card and each transaction.
    fn waits(&self, _reader: &str) {}
}

/// Readers that others look upon.
pub struct ObservedReaders {
    readers: Arc<dyn Readers>,
    observers: Arc<[Arc<dyn Observer>]>,
}

impl ObservedReaders {
    /// The same readers, with these looking on.
    pub fn new(readers: Arc<dyn Readers>, observers: Vec<Arc<dyn Observer>>) -> Self {
        Self { readers, observers: observers.into() }
    }
}

impl Readers for ObservedReaders {
    fn slots(&self) -> Result<Vec<Slot>, CardError> {
        self.readers.slots()
    }

    fn wait(&self, most: Duration) {
        self.readers.wait(most);
    }

    fn connect(&self, reader: &str) -> Result<Box<dyn Channel>, CardError> {
        // A service that serves a transaction lets nobody else even connect (pcscd does so).
        let channel = patiently(&self.observers, reader, |_| self.readers.connect(reader))?;
        let observers = self.observers.clone();
        Ok(Box::new(ObservedChannel { channel, reader: reader.to_owned(), observers }))
    }
}

/// Does what other software may hold up, and has it told if that takes long.
fn patiently<T>(
    observers: &[Arc<dyn Observer>],
    reader: &str,
    work: impl FnOnce(&Entered) -> T,
) -> T {
    let entered = Entered::default();
    std::thread::scope(|scope| {
        // The call blocks for as long as others like, so a second pair of eyes is needed to say so.
        // Without it the work goes on, only unannounced.
        let _ = std::thread::Builder::new().name("patience".into()).spawn_scoped(scope, || {
            if !entered.within(PATIENCE) {
                observers.iter().for_each(|observer| observer.waits(reader));
            }
        });
        // However the work ends, by a panic too: the scope waits for the thread above.
        let _over = Over(&entered);
        work(&entered)
    })
}

struct ObservedChannel {
    channel: Box<dyn Channel>,
    reader: String,
    observers: Arc<[Arc<dyn Observer>]>,
}

impl Channel for ObservedChannel {
    fn transaction(&mut self, work: Work<'_>) -> Result<(), CardError> {
        let Self { channel, reader, observers } = self;
        patiently(observers, reader, |entered| {
            channel.transaction(&mut |card| {
                entered.tell();
                work(&mut ObservedTransmit { card, reader, observers })
            })
        })
    }
}

/// Whether the transaction has begun.
#[derive(Default)]
struct Entered(Mutex<bool>, Condvar);

impl Entered {
    fn tell(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.1.notify_all();
    }

    fn within(&self, most: Duration) -> bool {
        let entered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.1.wait_timeout_while(entered, most, |entered| !*entered);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Ends the waiting when it goes.
struct Over<'a>(&'a Entered);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.tell();
    }
}

struct ObservedTransmit<'a> {
    card: &'a mut dyn Transmit,
    reader: &'a str,
    observers: &'a [Arc<dyn Observer>],
}

impl ObservedTransmit<'_> {
    fn tell(&self, command: &[u8], answer: Result<&[u8], &CardError>, begun: Instant) {
        let exchanged = Exchanged { reader: self.reader, command, answer, took: begun.elapsed() };
        self.observers.iter().for_each(|observer| observer.exchanged(&exchanged));
    }
}

impl Transmit for ObservedTransmit<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, CardError> {
        let begun = Instant::now();
        let answer = self.card.transmit(command);
        self.tell(command, answer.as_deref(), begun);
        answer
    }

    fn reset_at_end(&mut self) {
        self.card.reset_at_end();
    }

    fn pin_pad(&mut self) -> Option<&mut dyn PinPad> {
        self.card.pin_pad()?;
        Some(self)
    }
}

/// What is seen of a PIN that is typed at the reader: a VERIFY without it, and the card's answer.
impl PinPad for ObservedTransmit<'_> {
    fn verify(&mut self, question: &Question) -> Result<StatusWord, CardError> {
        let begun = Instant::now();
        let gone = CardError::PinPad("the reader has no keys");
        let answer = self.card.pin_pad().map_or(Err(gone), |pad| pad.verify(question));
        let octets = answer.as_ref().map(|status| status.0.to_be_bytes());
        self.tell(
            &question.command(),
            octets.as_ref().map(<[u8; 2]>::as_slice).map_err(|e| *e),
            begun,
        );
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader whose transaction begins when the test allows it.
    struct Held(Arc<Entered>);

    struct HeldChannel(Arc<Entered>);

    impl Readers for Held {
        fn slots(&self) -> Result<Vec<Slot>, CardError> {
            Ok(vec![])
        }

        fn wait(&self, _: Duration) {}

        fn connect(&self, _: &str) -> Result<Box<dyn Channel>, CardError> {
            Ok(Box::new(HeldChannel(self.0.clone())))
        }
    }

    impl Channel for HeldChannel {
        fn transaction(&mut self, work: Work<'_>) -> Result<(), CardError> {
            assert!(self.0.within(Duration::from_secs(60)));
            work(&mut Silent)
        }
    }

    struct Silent;

    impl Transmit for Silent {
        fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, CardError> {
            if command.is_empty() { Err(CardError::Removed) } else { Ok(vec![0x90, 0]) }
        }

        fn reset_at_end(&mut self) {}
    }

    #[derive(Default)]
    struct Notes {
        free: Arc<Entered>,
        told: Mutex<Vec<String>>,
    }

    impl Observer for Notes {
        fn exchanged(&self, exchanged: &Exchanged<'_>) {
            let answer = exchanged.answer.map(hex::encode).map_err(ToString::to_string);
            let command = hex::encode(exchanged.command);
            self.told.lock().unwrap().push(format!("{command}: {answer:?}"));
        }

        fn waits(&self, reader: &str) {
            self.told.lock().unwrap().push(format!("waits for {reader}"));
            self.free.tell();
        }
    }

    fn told(notes: &Arc<Notes>) -> Vec<String> {
        let readers = Arc::new(Held(notes.free.clone()));
        let readers = ObservedReaders::new(readers, vec![notes.clone()]);
        let mut channel = readers.connect("Reader").unwrap();
        let done = channel.transaction(&mut |card| {
            card.transmit(&[0, 0xa4])?;
            card.transmit(&[])?;
            Ok(())
        });
        assert_eq!(done, Err(CardError::Removed));
        notes.told.lock().unwrap().clone()
    }

    #[test]
    fn commands_and_answers_are_seen_in_order_and_failures_too() {
        let notes = Arc::new(Notes::default());
        notes.free.tell();
        let removed = "Err(\"the card was removed\")";
        assert_eq!(told(&notes), ["00a4: Ok(\"9000\")".to_owned(), format!(": {removed}")]);
    }

    #[test]
    fn that_somebody_else_holds_the_card_is_told_while_it_lasts() {
        // Nobody but the observer itself frees the card.
        assert_eq!(told(&Arc::new(Notes::default()))[0], "waits for Reader");
    }
}
