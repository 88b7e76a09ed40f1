//! Refusals that are told of once a minute, so that nobody fills the trail by asking without end.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    transaction,
};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use super::{FacilityConnection, Peer};
use crate::app::App;

/// When a refusal of a kind was last audited: one a minute is enough to tell of a terminal or a
/// person that keeps trying, and a flood does not fill the trail.
#[derive(Debug, Default)]
pub struct RefusalLog {
    last: Mutex<HashMap<([u8; 32], &'static str), OffsetDateTime>>,
}

impl RefusalLog {
    const PAUSE: Duration = Duration::MINUTE;
    const MOST: usize = 10_000;

    /// Whether a refusal of this key is to be audited now; if so, the next is due in a minute.
    pub fn is_due(&self, key: ([u8; 32], &'static str), now: OffsetDateTime) -> bool {
        // Plain data: a panic elsewhere cannot leave it half written.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.get(&key).is_some_and(|at| now < *at + Self::PAUSE) {
            return false;
        }
        if last.len() >= Self::MOST {
            last.retain(|_, at| now < *at + Self::PAUSE);
            if last.len() >= Self::MOST {
                return false;
            }
        }
        last.insert(key, now);
        true
    }
}

/// Writes the record of an act that a known terminal was refused.
///
/// Once a minute for each terminal, act and reason on this node: a terminal is known, and still a
/// program on it that asks without end must not fill the trail. The record has a transaction of its
/// own, for a refused act changed nothing. `about` adds what the act was tried on.
///
/// # Errors
/// [`StoreError`]: the record is due and was not written.
pub async fn note_refusal(
    app: &App,
    peer: &Peer,
    facility: &FacilityConnection,
    (act, reason): (&'static str, &'static str),
    about: impl FnOnce(Entry) -> Entry,
) -> Result<(), StoreError> {
    let now = app.now();
    let key = Sha256::digest(format!("{} {act}", facility.terminal_id)).into();
    if !app.refusals().is_due((key, reason), now) {
        return Ok(());
    }
    let entry = about(Entry::refused(act, facility.actor(), now, reason));
    let entry = facility.place(entry, peer);
    transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone())))
}
