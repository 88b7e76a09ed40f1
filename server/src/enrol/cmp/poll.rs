//! pollReq (RFC 9810 §5.3.22): what became of a request that waited for a person. It goes its way now, as if
//! it had been sent again.

use sekisho_pki::cmp::{FailInfo, Message, body};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    cmp_transaction::{self, CmpTransaction},
    transaction, waiting_enrolment,
};

use super::{
    answer::{Asked, Told},
    prove::Asker,
    refusal::{Refusal, Trouble},
    request,
    transaction::{CONFIRMATION, about},
};
use crate::{
    enrol::by_code::{Protocol, open_request},
    error::est::EstError,
};

fn unknown() -> Refusal {
    Refusal::new(
        FailInfo::BadRequest,
        "cmp_poll",
        "CMP: no request of this transaction waits, or its answer was given. Send the request anew",
    )
}

/// The certificate, or when to ask again.
pub(super) async fn answer(asked: &Asked<'_>, asker: &Asker) -> Result<Told, Trouble> {
    let (app, terminal_id) = (asked.app, asker.terminal_id());
    body::poll_request(asked.message.content)?;
    let mut reader = app.store().read();
    let found = cmp_transaction::find(&mut reader, terminal_id, &asked.transaction_id).await?;
    // Whoever lost the answer hears of the same certificate again, until it is confirmed or taken back.
    let open = |found: &CmpTransaction| found.answer.is_none() || found.ended_at.is_none();
    let mine = |found: &CmpTransaction| found.began_by == asker.proof();
    let begun = found.filter(|found| open(found) && mine(found)).ok_or_else(unknown)?;
    let key = begun.spki_sha256.ok_or_else(unknown)?;
    let id = hex::encode(&asked.transaction_id);
    let polled = waiting_enrolment::of_transaction(&mut reader, Protocol::CMP, &id, &key).await?;
    let polled = polled.filter(|polled| polled.terminal_id == terminal_id).ok_or_else(unknown)?;
    let octets = open_request(&app.keys().sealing, &polled);
    let octets = octets.map_err(|error| Trouble::Failed(EstError::internal(&error)))?;
    let message = Message::parse(&octets)?;
    let began = Asked {
        app,
        peer: asked.peer,
        device: asked.device,
        message: &message,
        octets: &octets,
        sha256: begun.message_sha256,
        transaction_id: begun.transaction_id.clone(),
        sender_nonce: begun.sender_nonce.clone(),
        facts: asked.facts.clone(),
        at: asked.at,
    };
    if begun.confirm_by.is_some() && begun.answer.is_none() {
        await_confirmation(&began, &begun).await?;
    }
    request::again(&began, asker, begun).await
}

/// A person may take longer than a device has for its confirmation: that time begins with the certificate.
async fn await_confirmation(asked: &Asked<'_>, begun: &CmpTransaction) -> Result<(), Trouble> {
    let confirm_by = asked.at + CONFIRMATION;
    // Not at each poll: half of the time is enough for any device.
    let is_due = begun.confirm_by.is_some_and(|by| by < asked.at + CONFIRMATION / 2);
    if !is_due && begun.ended_at.is_none() {
        return Ok(());
    }
    let id = begun.terminal_id.as_str();
    let reopened = transaction!(asked.app.store(), StoreError, |tx| {
        let reopened = cmp_transaction::reopen(tx, id, &begun.transaction_id, confirm_by).await?;
        let (act, actor) = ("terminal.cmp_begin", Actor::Terminal(id.to_owned()));
        let entry = match reopened {
            true => Entry::done(act, actor, asked.at),
            false => Entry::refused(act, actor, asked.at, "cmp_poll"),
        };
        Ok(Audited::new(reopened, about(asked, tx, entry, id).await?))
    })?;
    if reopened { Ok(()) } else { Err(unknown().into()) }
}
