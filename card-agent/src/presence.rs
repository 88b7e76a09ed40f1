//! Tells the portal that a card is still there, or gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sekisho_protocol::PresenceId;
use sekisho_protocol::presence::{HEARTBEAT, PresenceEvent, PresenceReply, PresenceReport};
use sekisho_protocol::request::LIFETIME;
use tokio::sync::watch;
use url::Url;

use crate::card::watcher::Seen;

/// Cards that a login was answered with.
#[derive(Clone, Default)]
pub struct Watched(Arc<Mutex<HashMap<PresenceId, Card>>>);

/// What is remembered of a card.
struct Card {
    /// Number of the last report.
    sequence: u64,
    /// When it last answered a login.
    answered: Instant,
}

/// A report, and whether the portal's answer to it may be the last word.
struct Due {
    report: PresenceReport,
    /// A session can no longer begin with what the card answered. Before, a portal that knows of no
    /// session may only not have opened it yet: the answer is still on its way through the page.
    settled: bool,
}

impl Watched {
    /// Starts reporting this card.
    pub fn add(&self, presence: PresenceId) {
        let answered = Instant::now();
        let mut watched = self.lock();
        watched.entry(presence).or_insert(Card { sequence: 0, answered }).answered = answered;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PresenceId, Card>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reports that are due: all cards, each with its next number.
    fn reports(&self, seen: &Seen, stopping: bool, now: Instant) -> Vec<Due> {
        let mut watched = self.lock();
        watched
            .iter_mut()
            .map(|(presence, card)| {
                card.sequence += 1;
                let sequence = card.sequence;
                let settled = now.saturating_duration_since(card.answered) >= LIFETIME;
                let here = seen.cards.iter().any(|card| card.presence == *presence);
                let event = match (here, stopping) {
                    (false, _) => PresenceEvent::Removed,
                    (true, true) => PresenceEvent::AgentStopped,
                    (true, false) => PresenceEvent::Present,
                };
                Due { report: PresenceReport { presence: *presence, event, sequence }, settled }
            })
            .collect()
    }
}

/// Where reports go, and as whom.
#[derive(Clone)]
pub struct Portal {
    /// Shows our certificate.
    pub http: reqwest::Client,
    /// Its address for reports.
    pub url: Url,
}

/// Reports until told to stop, then says so once.
pub async fn report(
    portal: watch::Receiver<Portal>,
    watched: Watched,
    mut seen: watch::Receiver<Seen>,
    mut stop: watch::Receiver<bool>,
) {
    let beat = Duration::from_secs(HEARTBEAT.whole_seconds().unsigned_abs());
    loop {
        let stopping = tokio::select! {
            changed = seen.changed() => changed.is_err(),
            () = tokio::time::sleep(beat) => false,
            _ = stop.wait_for(|stop| *stop) => true,
        };
        let now = seen.borrow_and_update().clone();
        let Portal { http, url } = portal.borrow().clone();
        for Due { report, settled } in watched.reports(&now, stopping, Instant::now()) {
            let answer = send(&http, &url, &report).await;
            let over = match (&answer, report.event) {
                (Ok(reply), PresenceEvent::Present) => settled && !reply.watched,
                (Ok(_), _) => settled,
                // Unsent: the next beat tries again. Silence counts as removal at the portal.
                (Err(error), _) => {
                    tracing::warn!(%error, "presence not reported");
                    false
                }
            };
            if over {
                watched.lock().remove(&report.presence);
            }
        }
        if stopping {
            return;
        }
    }
}

async fn send(
    http: &reqwest::Client,
    url: &Url,
    report: &PresenceReport,
) -> Result<PresenceReply, reqwest::Error> {
    http.post(url.clone()).json(report).send().await?.error_for_status()?.json().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::reader::{CardError, Slot};
    use crate::card::watcher::SeenCard;

    fn seen(presence: PresenceId) -> Seen {
        let slot = Slot { reader: "reader".into(), insertion: Some(1), atr: vec![] };
        let card = SeenCard { slot, presence, card: Err(CardError::UnknownCard) };
        Seen { ready: true, readers: 1, cards: vec![card], ..Seen::default() }
    }

    #[test]
    fn a_card_is_present_until_it_leaves_and_every_report_counts_up() {
        let (watched, presence) = (Watched::default(), PresenceId::new([1; 16]));
        watched.add(presence);
        let now = Instant::now();
        let report = |seen: &Seen, stopping| watched.reports(seen, stopping, now)[0].report.clone();
        let first = report(&seen(presence), false);
        assert_eq!((first.event, first.sequence), (PresenceEvent::Present, 1));
        let last = report(&seen(PresenceId::new([2; 16])), false);
        assert_eq!((last.event, last.sequence), (PresenceEvent::Removed, 2));
        assert_eq!(report(&seen(presence), true).event, PresenceEvent::AgentStopped);
    }

    #[test]
    fn a_card_that_no_login_was_answered_with_is_not_reported() {
        let seen = seen(PresenceId::new([1; 16]));
        assert!(Watched::default().reports(&seen, false, Instant::now()).is_empty());
    }

    #[test]
    fn a_portal_without_a_session_has_the_last_word_only_when_none_can_begin_any_more() {
        let (watched, presence) = (Watched::default(), PresenceId::new([1; 16]));
        watched.add(presence);
        let later = |after: Duration| {
            watched.reports(&seen(presence), false, Instant::now() + after)[0].settled
        };
        assert!(!later(Duration::ZERO));
        assert!(!later(Duration::from_secs(50)));
        assert!(later(Duration::from_secs(60)));
    }
}
