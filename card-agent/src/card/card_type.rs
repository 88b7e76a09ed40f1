//! What was learnt of a type of card, so that the next one need not be asked again.
//!
//! A type is an answer to reset: it never decides which family a card is of, only what is tried
//! first. Whatever was remembered and turns out wrong costs a command and is learnt anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::known::Application;
use super::{hpki, jpki};

/// The types seen since the program started.
#[derive(Debug, Default)]
pub struct CardTypes(Mutex<HashMap<Vec<u8>, Arc<CardType>>>);

/// One of them.
#[derive(Debug, Default)]
pub struct CardType(Mutex<Learnt>);

/// What is remembered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

impl CardTypes {
    /// More kinds of chips than a hospital meets; beyond, nothing is remembered.
    const MOST: usize = 256;

    /// The type with this answer to reset; one of its own where the card told none.
    pub fn of(&self, atr: &[u8]) -> Arc<CardType> {
        let mut types = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if atr.is_empty() || (types.len() >= Self::MOST && !types.contains_key(atr)) {
            return Arc::default();
        }
        types.entry(atr.to_vec()).or_default().clone()
    }
}

impl CardType {
    /// What is known now.
    pub fn learnt(&self) -> Learnt {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers.
    pub fn learn(&self, change: impl FnOnce(&mut Learnt)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_of_one_answer_to_reset_share_what_was_learnt() {
        let types = CardTypes::default();
        let learnt = hpki::Learnt { forgets: Some(true), ..hpki::Learnt::default() };
        types.of(&[0x3b, 1]).learn(|known| known.hpki = learnt);
        assert_eq!(types.of(&[0x3b, 1]).learnt().hpki, learnt);
        assert_eq!(types.of(&[0x3b, 2]).learnt(), Learnt::default());
    }

    #[test]
    fn cards_without_an_answer_to_reset_share_nothing() {
        let types = CardTypes::default();
        types.of(&[]).learn(|known| known.hpki.forgets = Some(true));
        assert_eq!(types.of(&[]).learnt(), Learnt::default());
    }
}
