//! A reader and a PIN window that count how often they were touched. The reader may have keys of its own,
//! and the window a person before it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use sekisho_agent::card::apdu::StatusWord;
use sekisho_agent::card::pin_pad::{PinPad, Question};
use sekisho_agent::card::reader::{CardError, Channel, Readers, Slot, Transmit, Work};
use sekisho_agent::pin::words::Words;
use sekisho_agent::pin::{PinEntry, PinError, Prompt};
use tokio::sync::Notify;

/// How often something was touched.
#[derive(Clone, Default)]
pub struct Count(Arc<AtomicUsize>);

impl Count {
    fn up(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Counts the cards that were opened. Looking whether one is in is no touch: the agent always looks.
pub struct CountingReaders {
    pub inner: Arc<dyn Readers>,
    pub opened: Count,
    pub keys: Keys,
    /// A wrong PIN is answered as one of a wrong length.
    pub of_length: Arc<AtomicBool>,
}

impl Readers for CountingReaders {
    fn slots(&self) -> Result<Vec<Slot>, CardError> {
        self.inner.slots()
    }

    fn wait(&self, most: Duration) {
        self.inner.wait(most);
    }

    fn connect(&self, reader: &str) -> Result<Box<dyn Channel>, CardError> {
        self.opened.up();
        let inner = self.inner.connect(reader)?;
        let (keys, of_length) = (self.keys.clone(), self.of_length.clone());
        Ok(Box::new(KeyedChannel { inner, keys, of_length }))
    }
}

/// What is typed at the reader's own keys, one PIN after another; `None` is a reader without keys.
pub type Keys = Arc<Mutex<Option<Pad>>>;

/// Keys of a reader, and who types at them.
pub struct Pad {
    /// Gives the next PIN when the reader asks for one; or the status word that the reader makes.
    pub types: Box<dyn FnMut() -> Result<String, u16> + Send>,
    /// What the reader was asked, as it lay on the wire.
    pub asked: Vec<Vec<u8>>,
    /// Signatures that the card was asked for.
    pub signatures: usize,
}

struct KeyedChannel {
    inner: Box<dyn Channel>,
    keys: Keys,
    of_length: Arc<AtomicBool>,
}

impl Channel for KeyedChannel {
    fn transaction(&mut self, work: Work<'_>) -> Result<(), CardError> {
        let (keys, of_length) = (&self.keys, self.of_length.load(Ordering::SeqCst));
        self.inner.transaction(&mut |card| work(&mut KeyedCard { card, keys, of_length }))
    }
}

struct KeyedCard<'a> {
    card: &'a mut dyn Transmit,
    keys: &'a Keys,
    of_length: bool,
}

impl Transmit for KeyedCard<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, CardError> {
        if let Some(pad) = self.keys.lock().unwrap().as_mut() {
            pad.signatures += usize::from(command.get(1) == Some(&0x2a));
        }
        let answer = self.card.transmit(command)?;
        let is_pin = command.get(1) == Some(&0x20) && command.len() > 5;
        let wrong = self.of_length && is_pin && answer[0] == 0x63;
        Ok(if wrong { vec![0x67, 0] } else { answer })
    }

    fn reset_at_end(&mut self) {
        self.card.reset_at_end();
    }

    fn pin_pad(&mut self) -> Option<&mut dyn PinPad> {
        self.keys.lock().unwrap().as_ref()?;
        Some(self)
    }
}

/// As a reader does it: from the octets of a PIN_VERIFY_STRUCTURE to a VERIFY with the PIN that was typed.
impl PinPad for KeyedCard<'_> {
    fn verify(&mut self, question: &Question) -> Result<StatusWord, CardError> {
        let structure = question.structure(true);
        let (head, command) = structure.split_at(19);
        assert_eq!((head[2], head[3], command.len()), (0x82, 0, 5));
        assert_eq!(u32::from_le_bytes(head[15..].try_into().unwrap()), 5);
        let mut types = {
            let mut keys = self.keys.lock().unwrap();
            let pad = keys.as_mut().unwrap();
            pad.asked.push(structure.clone());
            std::mem::replace(&mut pad.types, Box::new(|| Err(0x6401)))
        };
        let typed = types();
        self.keys.lock().unwrap().as_mut().unwrap().types = types;
        let pin = match typed {
            Ok(pin) => pin,
            Err(status) => return Ok(StatusWord(status)),
        };
        let (most, least) = (usize::from(head[5]), usize::from(head[6]));
        if !(least..=most).contains(&pin.len()) {
            return Ok(StatusWord(0x6403));
        }
        let verify = [&command[..4], &[pin.len() as u8], pin.as_bytes()].concat();
        let answer = self.card.transmit(&verify)?;
        Ok(StatusWord(u16::from_be_bytes(answer.try_into().unwrap())))
    }
}

/// Counts the windows that were shown, and remembers what they said.
pub struct CountingWindow {
    pub inner: Arc<dyn PinEntry>,
    pub shown: Count,
    pub said: Said,
    pub person: Person,
}

/// Somebody before the window.
#[derive(Clone, Default)]
pub struct Person {
    /// There is one.
    pub here: Arc<AtomicBool>,
    /// Closes the window that says where to type the PIN.
    pub gives_up: Arc<Notify>,
}

/// What windows said, in order.
pub type Said = Arc<Mutex<Vec<Words>>>;

#[async_trait]
impl PinEntry for CountingWindow {
    async fn ask(&self, prompt: &Prompt) -> Result<SecretString, PinError> {
        self.shown.up();
        self.said.lock().unwrap().push(Words::of(prompt));
        self.inner.ask(prompt).await
    }

    async fn confirm(&self, prompt: &Prompt) -> Result<(), PinError> {
        self.inner.confirm(prompt).await
    }

    async fn announce(&self, prompt: &Prompt) -> Result<(), PinError> {
        self.shown.up();
        self.said.lock().unwrap().push(Words::of(prompt));
        self.person.gives_up.notified().await;
        Ok(())
    }

    fn is_interactive(&self) -> bool {
        self.inner.is_interactive() || self.person.here.load(Ordering::SeqCst)
    }
}
