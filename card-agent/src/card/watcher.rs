//! One thread looks at the readers: reads ahead on insertion, forgets on removal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sekisho_protocol::PresenceId;
use tokio::sync::watch;

use super::card_type::CardTypes;
use super::known::KnownCard;
use super::reader::{CardError, Readers, Slot};

/// The longest that one wait for a change lasts; the thread ends within it.
const WAIT: Duration = Duration::from_millis(500);

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
}

/// Watches until dropped.
pub struct Watcher {
    seen: watch::Receiver<Seen>,
    stop: Arc<AtomicBool>,
}

impl Watcher {
    /// Starts the thread.
    pub fn start(readers: Arc<dyn Readers>) -> std::io::Result<Self> {
        let (sender, seen) = watch::channel(Seen::default());
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        std::thread::Builder::new().name("readers".into()).spawn(move || {
            let types = CardTypes::default();
            while !stopping.load(Ordering::Relaxed) {
                let before = sender.borrow().clone();
                if let Some(now) = look(readers.as_ref(), &types, &before) {
                    sender.send_replace(now);
                }
                readers.wait(WAIT);
            }
        })?;
        Ok(Self { seen, stop })
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

/// The next picture; `None` where nothing changed.
fn look(readers: &dyn Readers, types: &CardTypes, before: &Seen) -> Option<Seen> {
    let (slots, failure) = match readers.slots() {
        Ok(slots) => (slots, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let filled: Vec<&Slot> = slots.iter().filter(|slot| slot.insertion.is_some()).collect();
    let same = before.ready
        && before.readers == slots.len()
        && before.failure == failure
        && before.cards.len() == filled.len()
        && before.cards.iter().all(|seen| filled.contains(&&seen.slot));
    if same {
        return None;
    }
    let mut cards: Vec<SeenCard> =
        before.cards.iter().filter(|seen| filled.contains(&&seen.slot)).cloned().collect();
    for slot in filled {
        if cards.iter().any(|seen| seen.slot == *slot) {
            continue;
        }
        cards.push(SeenCard {
            slot: slot.clone(),
            presence: PresenceId::new(crate::random()),
            card: KnownCard::read_from(readers, slot, types).map(Arc::new),
        });
    }
    Some(Seen { ready: true, readers: slots.len(), failure, cards })
}
