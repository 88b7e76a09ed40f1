//! Tells the portal that a card is still there, or gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sekisho_protocol::PresenceId;
use sekisho_protocol::presence::{HEARTBEAT, PresenceEvent, PresenceReply, PresenceReport};
use sekisho_protocol::request::LIFETIME;
use tokio::sync::{Notify, watch};
use url::Url;

use crate::card::watcher::Seen;

/// For how long an answer waits for the report that another card made room.
const PATIENCE: Duration = Duration::from_secs(10);

/// When a report is tried again that a card is gone, within [`PATIENCE`]; later with the next beat.
const AGAIN: Duration = Duration::from_secs(1);

/// Cards that a login was answered with.
#[derive(Clone, Default)]
pub struct Watched(Arc<Known>);

#[derive(Default)]
struct Known {
    cards: Mutex<HashMap<PresenceId, Card>>,
    /// The portal heard that a card is gone.
    told: Notify,
}

/// What is remembered of a card.
struct Card {
    /// Number of the last report.
    sequence: u64,
    /// When it last answered a login.
    answered: Instant,
    /// When it was first seen to be gone since.
    gone_since: Option<Instant>,
    /// The portal knows that it left since.
    told_gone: bool,
}

/// A report, and whether the portal's answer to it may be the last word.
struct Due {
    report: PresenceReport,
    /// A session can no longer begin with what the card answered. Before, a portal that knows of no
    /// session may only not have opened it yet: the answer is still on its way through the page.
    settled: bool,
    /// When the card had last answered by then.
    answered: Instant,
}

impl Watched {
    /// Starts reporting this card.
    pub fn add(&self, presence: PresenceId) {
        let answered = Instant::now();
        let mut watched = self.lock();
        let sequence = watched.get(&presence).map_or(0, |card| card.sequence);
        watched.insert(presence, Card { sequence, answered, gone_since: None, told_gone: false });
    }

    /// Waits until the portal knows of each card that is gone, for a bounded time. An answer by the card
    /// that took the place of another must not come first: the portal would take the other's removal for
    /// that of the session's card.
    pub async fn removals_told(&self, seen: &Seen) {
        let told = async {
            loop {
                let told = self.0.told.notified();
                tokio::pin!(told);
                told.as_mut().enable();
                if !self.has_untold(seen) {
                    return;
                }
                told.await;
            }
        };
        // Not told in time: the portal judges what it hears.
        let _ = tokio::time::timeout(PATIENCE, told).await;
    }

    /// Forgets a card about which all is said, unless it answered again meanwhile.
    fn forget(&self, presence: PresenceId, answered: Instant) {
        let mut watched = self.lock();
        if watched.get(&presence).is_some_and(|card| card.answered == answered) {
            watched.remove(&presence);
        }
    }

    /// Whether the portal does not know yet that a card is gone.
    fn has_untold(&self, seen: &Seen) -> bool {
        self.lock().iter().any(|(presence, card)| !card.told_gone && !seen.has(*presence))
    }

    /// The same of a card for which an answer may still wait; later there is time until the next beat.
    fn presses(&self, now: Instant) -> bool {
        self.lock().values().any(|card| {
            let since = card.gone_since.map(|since| now.saturating_duration_since(since));
            !card.told_gone && since.is_some_and(|since| since < PATIENCE)
        })
    }

    fn note_gone(&self, presence: PresenceId) {
        if let Some(card) = self.lock().get_mut(&presence) {
            card.told_gone = true;
        }
        self.0.told.notify_waiters();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PresenceId, Card>> {
        self.0.cards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reports that are due: all cards, each with its next number; first those of cards that are
    /// gone, for which an answer may wait.
    fn reports(&self, seen: &Seen, stopping: bool, now: Instant) -> Vec<Due> {
        let mut watched = self.lock();
        let mut due: Vec<Due> = watched
            .iter_mut()
            .map(|(presence, card)| {
                card.sequence += 1;
                let sequence = card.sequence;
                let answered = card.answered;
                let settled = now.saturating_duration_since(answered) >= LIFETIME;
                let event = match (seen.has(*presence), stopping) {
                    (false, _) => {
                        card.gone_since.get_or_insert(now);
                        PresenceEvent::Removed
                    }
                    (true, true) => PresenceEvent::AgentStopped,
                    (true, false) => PresenceEvent::Present,
                };
                let report = PresenceReport { presence: *presence, event, sequence };
                Due { report, settled, answered }
            })
            .collect();
        due.sort_by_key(|due| due.report.event != PresenceEvent::Removed);
        due
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
        let pause = if watched.presses(Instant::now()) { AGAIN } else { beat };
        let stopping = tokio::select! {
            changed = seen.changed() => changed.is_err(),
            () = tokio::time::sleep(pause) => false,
            _ = stop.wait_for(|stop| *stop) => true,
        };
        let now = seen.borrow_and_update().clone();
        let Portal { http, url } = portal.borrow().clone();
        for Due { report, settled, answered } in watched.reports(&now, stopping, Instant::now()) {
            let answer = send(&http, &url, &report).await;
            if answer.is_ok() && report.event == PresenceEvent::Removed {
                watched.note_gone(report.presence);
            }
            let over = match (&answer, report.event) {
                (Ok(reply), PresenceEvent::Present) => settled && !reply.watched,
                (Ok(_), _) => settled,
                // Unsent: tried again soon, or with the next beat. Silence counts as removal at the portal.
                (Err(error), _) => {
                    tracing::warn!(%error, "presence not reported");
                    false
                }
            };
            if over {
                watched.forget(report.presence, answered);
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
    use std::pin::pin;
    use std::task::{Context, Waker};

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

    #[tokio::test]
    async fn an_answer_waits_until_the_portal_knows_of_the_card_that_made_room() {
        let (watched, presence) = (Watched::default(), PresenceId::new([1; 16]));
        let mut polled = Context::from_waker(Waker::noop());
        watched.add(presence);
        watched.removals_told(&seen(presence)).await;
        let other = seen(PresenceId::new([2; 16]));
        for _ in 0..2 {
            let mut waiting = pin!(watched.removals_told(&other));
            assert!(waiting.as_mut().poll(&mut polled).is_pending());
            watched.note_gone(presence);
            waiting.await;
            // Told is told, until it answers again.
            watched.removals_told(&other).await;
            watched.add(presence);
        }
    }

    #[test]
    fn what_the_portal_does_not_know_presses_as_long_as_an_answer_may_wait() {
        let (watched, presence) = (Watched::default(), PresenceId::new([1; 16]));
        let (now, gone) = (Instant::now(), seen(PresenceId::new([2; 16])));
        watched.add(presence);
        assert!(!watched.presses(now), "it is there");
        watched.reports(&gone, false, now);
        assert!(watched.presses(now + Duration::from_secs(9)));
        assert!(!watched.presses(now + PATIENCE), "an outage is not hammered at");
        watched.reports(&gone, false, now + PATIENCE);
        assert!(!watched.presses(now + PATIENCE), "it left once");
        watched.add(presence);
        watched.reports(&gone, false, now + PATIENCE);
        assert!(watched.presses(now + PATIENCE), "it answered again");
        watched.note_gone(presence);
        assert!(!watched.presses(now + PATIENCE), "told");
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
