//! Finding the card for a request among all readers, without asking where one alone will do.

use std::sync::Arc;

use sekisho_protocol::PresenceId;
use sekisho_protocol::door::{ErrorCode, ExchangeState};
use sekisho_protocol::request::{LoginRequest, Purpose};
use time::OffsetDateTime;
use tokio::sync::watch;

use super::Agent;
use super::exchange::{Exchange, Progress};
use super::failure::{Failure, card_failure, pin_failure};
use crate::card::holder::Holder;
use crate::card::known::KnownCard;
use crate::card::observe::PATIENCE;
use crate::card::reader::{CardError, Slot};
use crate::card::watcher::{Seen, SeenCard};

/// A card that would do, and what is to be used of it.
pub(super) struct Candidate<C> {
    pub(super) slot: Slot,
    pub(super) presence: PresenceId,
    pub(super) card: C,
    /// What the person knows it by.
    pub(super) title: String,
}

/// Cards that would do, newest last; and why another one wouldn't.
pub(super) type Sorted<C> = (Vec<Candidate<C>>, Option<Failure>);

/// Waits until the readers hold a card that would do, as `sort` has it.
pub(super) async fn wait_for_card<C, F: Future<Output = Sorted<C>>>(
    agent: &Agent,
    exchange: &Exchange,
    mut sort: impl FnMut(Seen) -> F,
) -> Result<Candidate<C>, Failure> {
    let gone = |_| Failure::from(ErrorCode::AgentFailed);
    let claims = exchange.request.claims();
    agent.watcher.read_again();
    let mut seen = agent.watcher.seen();
    loop {
        let (now, held) = settled(&mut seen, exchange).await.map_err(gone)?;
        let (mut suitable, refused) = sort(now.clone()).await;
        if suitable.len() > 1 {
            exchange.progress.send_replace(Progress::State(ExchangeState::ChoosingCard));
            let names: Vec<String> =
                suitable.iter().map(|c| format!("{} ({})", c.title, c.slot.reader)).collect();
            let chosen = agent.pin.choose(claims.language, &names).await;
            let chosen = chosen.map_err(|error| pin_failure(&error, None))?;
            if chosen < suitable.len() {
                return Ok(suitable.swap_remove(chosen));
            }
        }
        if let Some(candidate) = suitable.pop() {
            return Ok(candidate);
        }
        let state = if held {
            ExchangeState::WaitingForReader
        } else {
            if let Some(failure) = refused.filter(|failure| !makes_room(claims, failure)) {
                return Err(failure);
            }
            if now.readers == 0 {
                if let Some(error) = &now.failure {
                    tracing::warn!(%error, "readers");
                }
                return Err(ErrorCode::NoReader.into());
            }
            ExchangeState::WaitingForCard
        };
        exchange.progress.send_replace(Progress::State(state));
        seen.changed().await.map_err(gone)?;
    }
}

/// Whether the card that is in is to be exchanged for the one that is asked for: whoever links a card has
/// just used another one, often in the only reader.
fn makes_room(claims: &LoginRequest, failure: &Failure) -> bool {
    let another = [ErrorCode::CardNotAccepted, ErrorCode::CardUnknown, ErrorCode::CardNotSupported];
    claims.purpose == Purpose::Link && another.contains(&failure.code)
}

/// What the readers hold once every card was read, or only such are left as other programs do not let
/// go: then true.
async fn settled(
    seen: &mut watch::Receiver<Seen>,
    exchange: &Exchange,
) -> Result<(Seen, bool), watch::error::RecvError> {
    loop {
        let now = seen.borrow_and_update().clone();
        if now.ready && now.reading.is_empty() {
            return Ok((now, false));
        }
        // Whoever just put a card in is not asked for one.
        exchange.progress.send_if_modified(|progress| {
            let asked = *progress == Progress::State(ExchangeState::WaitingForCard);
            if asked {
                *progress = Progress::State(ExchangeState::Reading);
            }
            asked
        });
        match tokio::time::timeout(PATIENCE, seen.changed()).await {
            Ok(changed) => changed?,
            Err(_) if now.ready && now.reading.iter().all(|reading| !reading.begun) => {
                return Ok((now, true));
            }
            Err(_) => {}
        }
    }
}

/// Cards to log in with.
pub(super) fn sort(
    seen: &Seen,
    claims: &LoginRequest,
    now: OffsetDateTime,
) -> Sorted<Arc<KnownCard>> {
    let mut suitable = Vec::new();
    let mut refused: Option<Failure> = None;
    for SeenCard { slot, presence, card } in &seen.cards {
        let (card, holder) = match card {
            Ok(card) => (card.clone(), Holder::of(&card.certificate_der)),
            // Pulled while it was read: the next one may do.
            Err(CardError::Removed) => continue,
            Err(error) => {
                tracing::info!(reader = slot.reader, "card not read");
                refused = Some(card_failure(error.clone()));
                continue;
            }
        };
        let Some(holder) = holder else {
            refused = Some(ErrorCode::CardFailed.into());
            continue;
        };
        let suits = holder.suits(claims).map_err(CardError::from);
        match suits.and_then(|()| holder.is_in_force(now)) {
            Ok(()) => {
                let title = card.family.title(&holder.name, claims.language).to_owned();
                let (slot, presence) = (slot.clone(), *presence);
                suitable.push(Candidate { slot, presence, card, title });
            }
            Err(error) => refused = Some(card_failure(error)),
        }
    }
    (suitable, refused)
}
