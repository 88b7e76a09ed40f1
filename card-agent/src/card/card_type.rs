//! What was learnt of a type of card, so that the next one need not be asked again.
//!
//! A type is an answer to reset: it never decides which family a card is of, only what is tried
//! first. Whatever was remembered and turns out wrong costs a command and is learnt anew. What a reader
//! has a part in is remembered for the type in that reader.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::known::Application;
use super::reader::Slot;
use super::{hpki, jpki};

/// A reader, and an answer to reset.
type Name = (String, Vec<u8>);

/// The types seen since the program started.
#[derive(Debug, Default)]
pub struct CardTypes(Mutex<HashMap<Name, Arc<CardType>>>);

/// One of them, in one reader.
#[derive(Debug, Default)]
pub struct CardType {
    /// The same for all readers.
    learnt: Arc<Mutex<Learnt>>,
    here: Mutex<Here>,
}

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learnt {
    /// What the last one had.
    pub application: Option<Application>,
    /// Of the HPKI application for authentication.
    pub hpki: hpki::Learnt,
    /// Of the JPKI application, its key for user authentication.
    pub jpki: jpki::Learnt,
    /// Of the HPKI application for signatures.
    pub hpki_documents: hpki::Learnt,
    /// Of the JPKI application, its key for signatures.
    pub jpki_documents: jpki::Learnt,
}

/// What is remembered of such cards in one reader: how long a command may be, either of the two decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Here {
    /// There are no extended lengths.
    pub short_only: bool,
    /// This is how an HPKI card signs.
    pub form: Option<hpki::Form>,
}

impl CardTypes {
    /// More kinds of chips than a hospital meets; beyond, nothing is remembered.
    const MOST: usize = 256;

    /// The type of the card in a slot; one of its own where the card told no answer to reset.
    pub fn of(&self, slot: &Slot) -> Arc<CardType> {
        let mut types = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (slot.reader.clone(), slot.atr.clone());
        if let Some(kind) = types.get(&name) {
            return kind.clone();
        }
        if slot.atr.is_empty() || types.len() >= Self::MOST {
            return Arc::default();
        }
        let elsewhere = types.iter().find(|((_, atr), _)| *atr == slot.atr);
        let learnt = elsewhere.map(|(_, kind)| kind.learnt.clone()).unwrap_or_default();
        let kind = Arc::new(CardType { learnt, here: Mutex::default() });
        types.insert(name, kind.clone());
        kind
    }
}

impl CardType {
    /// What is known now.
    pub fn learnt(&self) -> Learnt {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers.
    pub fn learn(&self, change: impl FnOnce(&mut Learnt)) {
        change(&mut self.learnt.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What is known of such cards in this reader.
    pub fn here(&self) -> Here {
        *self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers for this reader.
    pub fn learn_here(&self, change: impl FnOnce(&mut Here)) {
        change(&mut self.here.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(reader: &str, atr: &[u8]) -> Slot {
        Slot { reader: reader.into(), insertion: Some(1), atr: atr.to_vec() }
    }

    #[test]
    fn cards_of_one_answer_to_reset_share_what_was_learnt() {
        let types = CardTypes::default();
        let learnt = hpki::Learnt { forgets: Some(true), ..hpki::Learnt::default() };
        types.of(&slot("one", &[0x3b, 1])).learn(|known| known.hpki = learnt.clone());
        for reader in ["one", "two"] {
            assert_eq!(types.of(&slot(reader, &[0x3b, 1])).learnt().hpki, learnt);
        }
        assert_eq!(types.of(&slot("one", &[0x3b, 2])).learnt(), Learnt::default());
    }

    #[test]
    fn what_a_reader_has_a_part_in_is_not_believed_of_another() {
        let types = CardTypes::default();
        types.of(&slot("one", &[0x3b, 1])).learn_here(|here| here.short_only = true);
        assert!(types.of(&slot("one", &[0x3b, 1])).here().short_only);
        assert_eq!(types.of(&slot("two", &[0x3b, 1])).here(), Here::default());
        assert_eq!(types.of(&slot("one", &[0x3b, 2])).here(), Here::default());
    }

    #[test]
    fn cards_without_an_answer_to_reset_share_nothing() {
        let types = CardTypes::default();
        types.of(&slot("one", &[])).learn(|known| known.hpki.forgets = Some(true));
        assert_eq!(types.of(&slot("one", &[])).learnt(), Learnt::default());
    }
}
