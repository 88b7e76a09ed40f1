//! CertPoll (RFC 8894 §3.3.3): what became of a request, told to its own transaction and signer. Its content
//! names subject and issuer, which says nothing that these two do not: it is not even opened.

use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    certificate,
    revocation::Status,
    router, scep_transaction, transaction,
};

use super::{
    answer::{Asked, Told, Trouble},
    refusal,
};
use crate::enrol::{by_code, with_facts};

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
    let certificate = good.ok_or_else(refusal::not_found)?;
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
