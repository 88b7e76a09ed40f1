//! One thread looks at the readers: has cards read ahead on insertion, forgets them on removal.
//!
//! Each card is read in a thread of its own: another program may hold it for as long as it likes, and
//! the other readers' cards come and go meanwhile. A card that could not be read, for a reason that may
//! pass, is read again, after a while and when somebody waits for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sekisho_protocol::PresenceId;
use tokio::sync::watch;

use super::card_type::CardTypes;
use super::known::KnownCard;
use super::reader::{CardError, Readers, Slot};
use super::session::with_card;

/// The longest that one wait for a change lasts; the thread ends within it.
const WAIT: Duration = Duration::from_millis(500);

/// How long after it failed a card is read again; twice as long after each further time, up to the second.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A card in a reader.
#[derive(Debug, Clone)]
pub struct SeenCard {
    /// Where, and which insertion.
    pub slot: Slot,
    /// Names this insertion for the portal.
    pub presence: PresenceId,
    /// What was read, or why not.
    pub card: Result<Arc<KnownCard>, CardError>,
}

/// A card that is being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Where, and which insertion.
    pub slot: Slot,
    /// It is our turn; before, other software may hold the card.
    pub begun: bool,
}

/// What the readers hold now.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Whether the readers were looked at.
    pub ready: bool,
    /// Number of readers.
    pub readers: usize,
    /// Why the readers can't be seen.
    pub failure: Option<CardError>,
    /// The cards, newest last.
    pub cards: Vec<SeenCard>,
    /// Those that will be among the cards.
    pub reading: Vec<Reading>,
}

impl Seen {
    /// Whether the card of this insertion is still there.
    pub fn has(&self, presence: PresenceId) -> bool {
        self.cards.iter().any(|card| card.presence == presence)
    }
}

/// Watches until dropped.
pub struct Watcher {
    seen: watch::Receiver<Seen>,
    desk: Arc<Desk>,
    stop: Arc<AtomicBool>,
}

impl Watcher {
    /// Starts the thread.
    pub fn start(readers: Arc<dyn Readers>) -> std::io::Result<Self> {
        let (sender, seen) = watch::channel(Seen::default());
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let desk = Arc::new(Desk {
            readers,
            seen: sender,
            types: CardTypes::default(),
            failed: Mutex::default(),
        });
        let looking = desk.clone();
        std::thread::Builder::new().name("readers".into()).spawn(move || {
            while !stopping.load(Ordering::Relaxed) {
                looking.look();
                looking.readers.wait(WAIT);
            }
        })?;
        Ok(Self { seen, desk, stop })
    }

    /// What was learnt of the types of cards that were here.
    pub fn types(&self) -> &CardTypes {
        &self.desk.types
    }

    /// Has the cards read once more that could not be read; they are among [`Seen::reading`] when this
    /// returns. Somebody waits for one.
    pub fn read_again(&self) {
        self.desk.read_again(|_| true);
    }

    /// What the readers hold, live.
    pub fn seen(&self) -> watch::Receiver<Seen> {
        self.seen.clone()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What the threads share.
struct Desk {
    readers: Arc<dyn Readers>,
    seen: watch::Sender<Seen>,
    types: CardTypes,
    /// The cards that could not be read, for a reason that may pass.
    failed: Mutex<Vec<Failed>>,
}

/// A card that could not be read.
struct Failed {
    slot: Slot,
    /// It is read again then.
    due: Instant,
    /// And after this, should it fail again.
    next: Duration,
}

impl Desk {
    /// Draws the next picture, where something changed, and has new cards read.
    fn look(self: &Arc<Self>) {
        let (slots, failure) = match self.readers.slots() {
            Ok(slots) => (slots, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let filled: Vec<&Slot> = slots.iter().filter(|slot| slot.insertion.is_some()).collect();
        let mut new = Vec::new();
        self.seen.send_if_modified(|seen| {
            let before = (seen.ready, seen.readers, seen.cards.len(), seen.reading.len());
            seen.cards.retain(|card| filled.contains(&&card.slot));
            seen.reading.retain(|reading| filled.contains(&&reading.slot));
            let left = (true, slots.len(), seen.cards.len(), seen.reading.len());
            let failed = seen.failure != failure;
            (seen.ready, seen.readers, seen.failure) = (true, slots.len(), failure);
            let known = |slot: &Slot, seen: &Seen| {
                seen.cards.iter().any(|card| card.slot == *slot)
                    || seen.reading.iter().any(|reading| reading.slot == *slot)
            };
            for slot in filled {
                if !known(slot, seen) {
                    seen.reading.push(Reading { slot: slot.clone(), begun: false });
                    new.push(slot.clone());
                }
            }
            before != left || failed || !new.is_empty()
        });
        let gone = |failed: &Failed| !slots.contains(&failed.slot);
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).retain(|one| !gone(one));
        self.begin(new);
        let now = Instant::now();
        self.read_again(|failed| failed.due <= now);
    }

    /// Reads those of the failed cards once more that `which` says.
    fn read_again(self: &Arc<Self>, which: impl Fn(&Failed) -> bool) {
        let wanted: Vec<Slot> = {
            let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.iter().filter(|one| which(one)).map(|one| one.slot.clone()).collect()
        };
        let mut again = Vec::new();
        self.seen.send_if_modified(|seen| {
            // One that is being read, or was read meanwhile, stays as it is.
            let cards = seen.cards.extract_if(.., |card| {
                wanted.contains(&card.slot) && card.card.as_ref().is_err_and(CardError::may_pass)
            });
            again = cards.map(|card| card.slot).collect();
            seen.reading
                .extend(again.iter().map(|slot| Reading { slot: slot.clone(), begun: false }));
            !again.is_empty()
        });
        self.begin(again);
    }

    /// Reads the cards in these slots, each in a thread of its own.
    fn begin(self: &Arc<Self>, slots: Vec<Slot>) {
        for slot in slots {
            let (desk, at) = (self.clone(), slot.clone());
            let reads = std::thread::Builder::new().name("card".into()).spawn(move || {
                let card = desk.read(&at);
                desk.put(at, card);
            });
            if let Err(error) = reads {
                self.put(slot, Err(CardError::Reader(error.to_string())));
            }
        }
    }

    fn read(&self, slot: &Slot) -> Result<KnownCard, CardError> {
        let kind = self.types.of(slot);
        with_card(self.readers.as_ref(), &slot.reader, |card| {
            self.seen.send_if_modified(|seen| {
                let ours = seen.reading.iter_mut().find(|reading| reading.slot == *slot);
                ours.is_some_and(|reading| !std::mem::replace(&mut reading.begun, true))
            });
            KnownCard::read(card, &kind)
        })
    }

    /// A card was read; unless it has left meanwhile.
    fn put(&self, slot: Slot, card: Result<KnownCard, CardError>) {
        self.note(&slot, card.as_ref().err());
        self.seen.send_if_modified(|seen| {
            let at = seen.reading.iter().position(|reading| reading.slot == slot);
            if let Some(at) = at {
                seen.reading.remove(at);
                let presence = PresenceId::new(crate::random());
                seen.cards.push(SeenCard { slot, presence, card: card.map(Arc::new) });
            }
            at.is_some()
        });
    }

    /// Remembers when a card is to be read again, if at all.
    fn note(&self, slot: &Slot, error: Option<&CardError>) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let before = failed.iter().position(|one| one.slot == *slot).map(|at| failed.remove(at));
        if error.is_some_and(CardError::may_pass) {
            let wait = before.map_or(AGAIN.0, |before| before.next);
            let next = (wait * 2).min(AGAIN.1);
            failed.push(Failed { slot: slot.clone(), due: Instant::now() + wait, next });
        }
    }
}
