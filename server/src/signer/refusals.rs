//! Refusals in the audit trail, so many and no more.

use std::sync::{Mutex, PoisonError};

use sekisho_store::{
    Store, StoreError,
    audit::{Actor, Audited, Entry},
    transaction,
};
use time::{Duration, OffsetDateTime};

use crate::error::page::Chain;

/// Records within [`WINDOW`]: enough to see what is tried, too few to fill a disk. The log has all.
const MOST: u32 = 60;
const WINDOW: Duration = Duration::minutes(1);

/// How many were recorded lately.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    began: Option<OffsetDateTime>,
    recorded: u32,
    unrecorded: u32,
}

impl Refusals {
    /// Records a refusal, or counts it for the next record. Whether it could be recorded changes
    /// nothing: it stays refused.
    pub(super) async fn record(
        &self,
        store: &Store,
        key: &str,
        user: u32,
        code: &'static str,
        at: OffsetDateTime,
    ) {
        let Some(unrecorded) = self.place(at) else { return };
        // A name that we do not hold is whatever the other end says.
        let key = if code == "unknown_key" { "" } else { key };
        let mut entry = Entry::refused("signer.sign", Actor::System, at, code)
            .fact("key", key)
            .fact("user", i64::from(user));
        if unrecorded > 0 {
            entry = entry.fact("unrecorded_before", i64::from(unrecorded));
        }
        let recorded: Result<(), StoreError> =
            transaction!(store, StoreError, |tx| Ok(Audited::new((), entry.clone())));
        if let Err(error) = recorded {
            tracing::error!(error = %Chain(&error), "a refusal is not in the audit trail");
        }
    }

    /// Whether there is room for one more; then how many there was none for since the last.
    fn place(&self, at: OffsetDateTime) -> Option<u32> {
        // Nothing panics while the lock is held.
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.began.is_none_or(|began| at - began >= WINDOW || at < began) {
            window.began = Some(at);
            window.recorded = 0;
        }
        if window.recorded >= MOST {
            window.unrecorded += 1;
            return None;
        }
        window.recorded += 1;
        Some(std::mem::take(&mut window.unrecorded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_room_for_sixty_and_the_next_tells_of_the_rest() {
        let refusals = Refusals::default();
        let begin = OffsetDateTime::UNIX_EPOCH;
        for _ in 0..MOST {
            assert_eq!(refusals.place(begin), Some(0));
        }
        assert_eq!(refusals.place(begin + Duration::seconds(59)), None);
        assert_eq!(refusals.place(begin), None);
        assert_eq!(refusals.place(begin + WINDOW), Some(2));
        assert_eq!(refusals.place(begin + WINDOW), Some(0));
    }
}
