//! CertPoll (RFC 8894 §3.3.3): what became of a request, told to its own transaction and signer. Its content
//! names subject and issuer, which says nothing that these two do not: it is not even opened.
//!
//! A request that waited for a person goes its way now, as if it had been sent again.

use sekisho_ca::request::UnverifiedRequest;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    certificate,
    revocation::Status,
    router, scep_transaction,
    terminal::Device,
    transaction, waiting_enrolment,
};

use super::{
    answer::{Asked, Told, Trouble},
    enrol, refusal,
};
use crate::{
    enrol::{
        by_code::{self, Enrolment, Protocol, open_request},
        with_facts,
    },
    error::est::EstError,
};

/// The certificate that the transaction led to, for as long as a request would be answered again.
pub(super) async fn certificate(asked: Asked<'_>) -> Result<Told, Trouble> {
    let (app, id) = (asked.app, &asked.message.attributes.transaction_id);
    let mut reader = app.store().read();
    let found = scep_transaction::find(&mut reader, id, &asked.signer_sha256()).await?;
    let grace = app.config().enrolment().same_key_grace();
    let in_time = found.filter(|found| asked.at <= found.begun_at + grace);
    let found = match in_time {
        Some(found) => {
            certificate::find_by_fingerprint(&mut reader, &found.certificate_sha256).await?
        }
        None => None,
    };
    let good = found.filter(|certificate| certificate.status == Status::Good);
    let Some(certificate) = good else { return waiting(&asked).await };
    let terminal_id = certificate.terminal_id.clone().ok_or_else(refusal::not_found)?;
    let family = router::find(&mut reader, &terminal_id).await?.map(|router| router.family);
    asked.excuse(family.as_deref())?;
    transaction!(app.store(), StoreError, |tx| {
        let actor = Actor::Terminal(terminal_id.clone());
        let entry =
            Entry::done("terminal.scep_answer", actor, asked.at).from_address(asked.peer.addr.ip());
        let entry = by_code::of_holder(entry, by_code::holder(tx, &terminal_id).await?.as_ref());
        Ok(Audited::new((), with_facts(entry, &asked.facts)))
    })?;
    Ok(Told::Certificate(certificate.der))
}

/// What becomes now of the request that this transaction let wait.
async fn waiting(asked: &Asked<'_>) -> Result<Told, Trouble> {
    let (app, id) = (asked.app, asked.message.attributes.transaction_id.as_str());
    let mut reader = app.store().read();
    // Who polls signs with the key that waits: a request by code is signed with no other.
    let signer = asked.signer_sha256();
    let polled =
        waiting_enrolment::of_transaction(&mut reader, Protocol::SCEP, id, &signer).await?;
    let polled = polled.ok_or_else(refusal::not_found)?;
    let family = router::find(&mut reader, &polled.terminal_id).await?.map(|router| router.family);
    asked.excuse(family.as_deref())?;
    let request_der = open_request(&app.keys().sealing, &polled)
        .map_err(|error| Trouble::Failed(EstError::internal(&error)))?;
    let request = UnverifiedRequest::parse(&request_der).and_then(UnverifiedRequest::verify);
    let request = request.map_err(|error| Trouble::Failed(EstError::internal(&error)))?;
    let enrolment = Enrolment {
        app,
        peer: asked.peer,
        device: Device::Router,
        terminal_id: polled.terminal_id,
        code_hash: polled.code_hash,
        spki_sha256: request.public_key_sha256(),
        at: asked.at,
        facts: &asked.facts,
        protocol: Protocol::Scep { transaction_id: id, request_der: &request_der },
    };
    enrol::told(asked, enrolment.run(&request).await?).await
}
