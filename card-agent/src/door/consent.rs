//! A consent at the desk: the window shows the text of the portal's request, and the card's key for
//! documents signs it. `sekisho_protocol::consent` says what, and to what it is bound.

use std::sync::Arc;

use sekisho_protocol::consent::{ConsentAnswer, ConsentText};
use sekisho_protocol::door::ErrorCode;
use sekisho_protocol::occasion::Occasion as Bound;

use super::Agent;
use super::candidate::{Candidate, Sorted, wait_for_card};
use super::exchange::{Exchange, at_reader, page, with_card, with_pin};
use super::failure::{Failure, card_failure};
use crate::card::driver::PinState;
use crate::card::pin_kind::Pin;
use crate::card::reader::{CardError, Slot};
use crate::card::signature_key::{SignatureKey, SignedDocument};
use crate::card::watcher::{Seen, SeenCard};
use crate::pin::{Document, Occasion, Prompt, Source};

/// A key that would do, and what its PIN stands at.
type Found = (Arc<SignatureKey>, PinState);

/// What one signature takes.
struct Signing {
    agent: Arc<Agent>,
    exchange: Arc<Exchange>,
    slot: Slot,
    key: Arc<SignatureKey>,
    /// What the consent answers for beside its text.
    bound: Bound,
    text: String,
}

/// Finds the card, shows the text, has it signed; returns the answer's text.
pub(super) async fn run(agent: &Arc<Agent>, exchange: &Arc<Exchange>) -> Result<String, Failure> {
    let claims = exchange.request.claims();
    // The request's shape was checked with its signature.
    let ConsentText { text, sha256 } = claims.consent.clone().ok_or(ErrorCode::BadRequest)?;
    let look = |seen| sort(agent.clone(), exchange.clone(), seen);
    let candidate = wait_for_card(agent, exchange, look).await?;
    let (key, PinState { tries_left, pad }) = candidate.card;
    let source = Source::Page(page(claims));
    let prompt = Prompt {
        occasion: Occasion::Document(Document { sha256, text: Some(text.clone()), source }),
        kind: key.pin_kind(),
        holder: candidate.title,
        tries_left,
        again: false,
        at_reader: at_reader(agent, key.pin_kind(), pad),
        language: claims.language,
    };
    let signing = Arc::new(Signing {
        agent: agent.clone(),
        exchange: exchange.clone(),
        slot: candidate.slot,
        key,
        bound: exchange.occasion(),
        text,
    });
    let signed =
        with_pin(agent, exchange, candidate.presence, prompt, |pin| sign(signing.clone(), pin));
    Ok(ConsentAnswer { cades: signed.await?.signature_der.into() }.to_text())
}

async fn sign(signing: Arc<Signing>, pin: Pin) -> Result<SignedDocument, CardError> {
    let now = signing.agent.now();
    let work = signing.clone();
    with_card(&signing.agent, &signing.exchange.progress, &signing.slot, move |card| {
        work.key.sign(card, &pin, now, &mut |certificate_der, holder| {
            // Of a My Number card the certificate is seen only now.
            holder.suits(work.exchange.request.claims())?;
            Ok(work.bound.consent_attributes(&work.text, certificate_der, now)?)
        })
    })
    .await
}

/// Cards with a key for documents. They are asked for it now: nothing of it is read ahead.
async fn sort(agent: Arc<Agent>, exchange: Arc<Exchange>, seen: Seen) -> Sorted<Found> {
    let claims = exchange.request.claims();
    let mut suitable = Vec::new();
    let mut refused = None;
    for SeenCard { slot, presence, .. } in seen.cards {
        let kind = agent.watcher.types().of(&slot);
        let read = with_card(&agent, &exchange.progress, &slot, move |card| {
            SignatureKey::read_in(card, &kind)
        });
        let found = read.await.and_then(|(key, pin)| {
            let mut name = String::new();
            if let Some(holder) = key.holder() {
                let holder = holder?;
                holder.suits(claims)?;
                holder.may_sign_documents(agent.now())?;
                name = holder.name;
            }
            let title = key.family().title(&name, claims.language).to_owned();
            Ok((title, (Arc::new(key), pin)))
        });
        match found {
            Ok((title, card)) => suitable.push(Candidate { slot, presence, card, title }),
            // Pulled while it was read: the next one may do.
            Err(CardError::Removed) => {}
            Err(error) => refused = Some(card_failure(error)),
        }
    }
    (suitable, refused)
}
