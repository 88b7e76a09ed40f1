//! Software cards behind the reader trait, in this process: for tests and demonstrations.
//!
//! Each folder is a reader of its own. The card is in while the folder holds a file named
//! `inserted`; what the card knows (tries left) lives until it is pulled.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use sekisho_software_card::{INSERTED, Options, Personalisation, SoftwareCard};

use super::reader::{CardError, Channel, Readers, Slot, Transmit, Work};

/// How often the folders are looked at.
const LOOK: Duration = Duration::from_millis(50);

type Shared = Arc<Mutex<SoftwareCard>>;

/// Readers made of folders.
pub struct SoftwareReaders {
    folders: Vec<PathBuf>,
    cards: Mutex<HashMap<String, Shared>>,
}

impl SoftwareReaders {
    /// One reader for each folder.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders, cards: Mutex::default() }
    }

    fn name(folder: &std::path::Path) -> String {
        format!("Software reader {}", folder.display())
    }
}

/// When the marker was written: another number after each insertion.
fn insertion(folder: &std::path::Path) -> Option<u64> {
    let modified = std::fs::metadata(folder.join(INSERTED)).ok()?.modified().ok()?;
    u64::try_from(modified.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}

impl Readers for SoftwareReaders {
    fn slots(&self) -> Result<Vec<Slot>, CardError> {
        Ok(self
            .folders
            .iter()
            .map(|folder| {
                let insertion = insertion(folder);
                let atr = if insertion.is_some() { SoftwareCard::ATR.to_vec() } else { Vec::new() };
                Slot { reader: Self::name(folder), insertion, atr }
            })
            .collect())
    }

    fn wait(&self, most: Duration) {
        std::thread::sleep(most.min(LOOK));
    }

    fn connect(&self, reader: &str) -> Result<Box<dyn Channel>, CardError> {
        let folder = self
            .folders
            .iter()
            .find(|folder| Self::name(folder) == reader)
            .filter(|folder| insertion(folder).is_some())
            .ok_or(CardError::Removed)?;
        let mut cards = self.cards.lock().unwrap_or_else(PoisonError::into_inner);
        let card = match cards.get(reader) {
            Some(card) => card.clone(),
            None => {
                let card = Personalisation::load(folder)
                    .and_then(|personal| SoftwareCard::new(personal, Options::default()))
                    .map_err(|error| CardError::Reader(error.to_string()))?;
                let card = Arc::new(Mutex::new(card));
                cards.insert(reader.to_owned(), card.clone());
                card
            }
        };
        Ok(Box::new(SoftwareChannel { card, folder: folder.clone() }))
    }
}

struct SoftwareChannel {
    card: Shared,
    folder: PathBuf,
}

impl Channel for SoftwareChannel {
    fn transaction(&mut self, work: Work<'_>) -> Result<(), CardError> {
        // One transaction at a time, as PC/SC has it.
        let mut card = self.card.lock().unwrap_or_else(PoisonError::into_inner);
        let mut transmit = SoftwareTransmit { card: &mut card, folder: &self.folder, reset: false };
        let done = work(&mut transmit);
        if transmit.reset {
            card.reset();
        }
        done
    }
}

struct SoftwareTransmit<'a> {
    card: &'a mut SoftwareCard,
    folder: &'a std::path::Path,
    reset: bool,
}

impl Transmit for SoftwareTransmit<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, CardError> {
        if insertion(self.folder).is_none() {
            return Err(CardError::Removed);
        }
        Transmit::transmit(self.card, command)
    }

    fn reset_at_end(&mut self) {
        self.reset = true;
    }
}

/// A card in hand, without a reader: nobody else is at it, and a reset waits for nobody.
impl Transmit for SoftwareCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, CardError> {
        Self::transmit(self, command).ok_or(CardError::Removed)
    }

    fn reset_at_end(&mut self) {
        self.reset();
    }
}
