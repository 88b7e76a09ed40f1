//! certConf (RFC 9810 §5.3.18): a certificate that its device does not take, or does not confirm in time,
//! counts for nothing. Its code was used: another one is needed, since nobody knows what became of the key.

use der::Decode;
use sekisho_pki::{
    cmp::{FailInfo, Hash, body},
    encoding::key_identifier::fingerprint,
};
use sekisho_store::{
    StoreError, Tx,
    audit::{Actor, Audited, Entry},
    certificate::{self, Certificate},
    cmp_transaction::{self, CmpTransaction},
    revocation::{self, SUPERSEDED, Status},
    transaction,
};
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use super::{
    answer::{Asked, Told},
    prove::Asker,
    refusal::{self, Trouble},
    transaction::{CONFIRMATION, about},
};
use crate::{
    app::App, enrol::by_code, error::est::EstError, people::tries,
    revocation::MOST_CERTIFICATES_OF_A_KEY,
};

/// Transactions a run.
const BATCH: i64 = 100;

/// pkiconf, once the device's word is kept.
pub(super) async fn answer(asked: &Asked<'_>, asker: &Asker) -> Result<Told, Trouble> {
    let (app, terminal_id) = (asked.app, asker.terminal_id());
    let said = body::confirmation(asked.message.content)?;
    let mut reader = app.store().read();
    let found = cmp_transaction::find(&mut reader, terminal_id, &asked.transaction_id).await?;
    let unknown =
        || refusal::not_awaited(FailInfo::BadRequest, "no certificate is to be confirmed");
    // Protected as the request was (RFC 9483 section 4.1.1): no other code and no other certificate of the device.
    let begun = found.filter(|found| found.began_by == asker.proof()).ok_or_else(unknown)?;
    let (issuer_id, serial) = begun.certificate.clone().ok_or_else(unknown)?;
    let nonce = asked.message.header.recip_nonce.as_ref().map(|nonce| nonce.as_bytes());
    if nonce.is_none() || nonce != begun.answer_nonce.as_deref() {
        let what = "recipNonce is not the nonce of the answer that is confirmed";
        return Err(refusal::not_awaited(FailInfo::BadRecipientNonce, what).into());
    }
    let issued = certificate::find(&mut reader, &issuer_id, &serial).await?.ok_or_else(unknown)?;
    let is_taken = match &said {
        None => false,
        Some(said) => {
            let alg = said.hash_alg.as_ref().map(|alg| alg.oid);
            if !is_hash_of(said.cert_hash.as_bytes(), alg, &issued.der) {
                let what = "certHash is not that of the certificate that was issued";
                return Err(refusal::not_awaited(FailInfo::BadCertId, what).into());
            }
            said.status_info.as_ref().is_none_or(sekisho_pki::cmp::StatusInfo::is_granted)
        }
    };
    let certificate = (issuer_id.as_str(), serial.as_slice());
    // The same word again changes nothing and is recorded once, however often it is sent.
    if begun.ended_at.is_some() && (issued.status == Status::Good) == is_taken {
        tries::charge(app, by_code::refusals(app, asked.peer)).await?.map_err(EstError::from)?;
        return Ok(Told::Confirmed);
    }
    let is_kept = transaction!(app.store(), StoreError, |tx| {
        let ended = cmp_transaction::end(tx, terminal_id, &begun.transaction_id, asked.at).await?;
        let status = revocation::status(tx, certificate.0, certificate.1).await?;
        let (act, actor) = match is_taken {
            true => ("terminal.cmp_confirm", Actor::Terminal(terminal_id.to_owned())),
            false => ("terminal.cmp_reject", Actor::Terminal(terminal_id.to_owned())),
        };
        // Said before: the same word is heard again, another one comes too late.
        let stands = (status == Some(Status::Good)) == is_taken;
        let entry = if ended || stands {
            Entry::done(act, actor, asked.at)
        } else {
            Entry::refused(act, actor, asked.at, "cmp_confirmation")
        };
        if ended && !is_taken {
            take_back(tx, certificate, asked.at).await?;
        }
        let entry = about(asked, tx, entry.on("certificate", name(certificate)), terminal_id);
        Ok(Audited::new(ended || stands, entry.await?))
    })?;
    if is_kept {
        return Ok(Told::Confirmed);
    }
    let mut refused = refusal::not_awaited(
        FailInfo::BadRequest,
        "this certificate is not to be confirmed any more",
    );
    refused.reason = None;
    Err(refused.into())
}

fn name((issuer_id, serial): (&str, &[u8])) -> String {
    format!("{issuer_id}:{}", hex::encode(serial))
}

/// Whether this is the certificate's hash, by the named algorithm or else by that of its signature
/// (RFC 9810 §5.3.18).
fn is_hash_of(given: &[u8], named: Option<der::asn1::ObjectIdentifier>, der: &[u8]) -> bool {
    let hash = match named {
        Some(oid) => Hash::of(oid),
        None => x509_cert::Certificate::from_der(der)
            .ok()
            .and_then(|read| Hash::of_signature(read.signature_algorithm().oid)),
    };
    hash.is_some_and(|hash| hash.digest(der).ct_eq(given).into())
}

/// As a renewal or an enrolment whose right was gone: older certificates of the device stay what they are.
async fn take_back(
    tx: &mut Tx,
    (issuer_id, serial): (&str, &[u8]),
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    revocation::revoke(tx, issuer_id, serial, SUPERSEDED, at).await?;
    Ok(())
}

/// Scheduled on one node: takes the certificates back that nobody confirmed in time, also those of a process
/// that died before it noted which one it was.
///
/// # Errors
/// [`StoreError`]: the rest waits for the next run.
pub async fn take_back_unconfirmed(app: &App) -> Result<(), StoreError> {
    let now = app.now();
    let due = cmp_transaction::unconfirmed(&mut app.store().read(), now, BATCH).await?;
    for begun in due {
        transaction!(app.store(), StoreError, |tx| {
            let terminal_id = begun.terminal_id.as_str();
            let act = "terminal.cmp_unconfirmed";
            let mut entry = Entry::done(act, Actor::System, now);
            if !cmp_transaction::end(tx, terminal_id, &begun.transaction_id, now).await? {
                entry = Entry::refused(act, Actor::System, now, "cmp_confirmation");
            } else if was_used(tx, &begun).await? {
                entry = entry.fact("used", 1);
            } else {
                let mut ended = Vec::new();
                for issued in of(tx, &begun).await? {
                    take_back(tx, (&issued.issuer_id, &issued.serial), now).await?;
                    ended.push((issued.issuer_id, issued.serial));
                }
                entry = entry.ending(&ended);
            }
            let holder = by_code::holder(tx, terminal_id).await?;
            Ok(Audited::new((), by_code::of_holder(entry, holder.as_ref())))
        })?;
    }
    Ok(())
}

/// Whether a device that renewed uses what it got: with that the certificate that it renewed by was taken
/// back, and to revoke the new one would leave it with none.
async fn was_used(tx: &mut Tx, begun: &CmpTransaction) -> Result<bool, StoreError> {
    let renewed = certificate::find_by_fingerprint(tx, &begun.began_by).await?;
    Ok(renewed.is_some_and(|renewed| renewed.status.is_final()))
}

/// The certificate of a transaction, and where that was not noted those of its key that were issued since.
async fn of(tx: &mut Tx, begun: &CmpTransaction) -> Result<Vec<Certificate>, StoreError> {
    if let Some((issuer_id, serial)) = &begun.certificate {
        return Ok(certificate::find(tx, issuer_id, serial).await?.into_iter().collect());
    }
    let Some(key) = &begun.spki_sha256 else { return Ok(Vec::new()) };
    let all = certificate::of_key(tx, key, MOST_CERTIFICATES_OF_A_KEY).await?;
    // A process that died left it when it had begun, or when it was polled for: what was issued for the key
    // later came by another door. That time was moved on at a poll, at most by half of itself.
    let began = begun.confirm_by.map_or(begun.begun_at, |by| by - CONFIRMATION);
    let mine = |one: &Certificate| {
        one.terminal_id.as_deref() == Some(begun.terminal_id.as_str())
            && (began..=began + CONFIRMATION / 2).contains(&one.issued_at)
            && one.status == Status::Good
    };
    Ok(all.into_iter().filter(mine).collect())
}

/// Which certificate an answer brings, as the register knows it.
pub(super) async fn issued(
    asked: &Asked<'_>,
    der: &[u8],
) -> Result<Option<(String, Vec<u8>)>, StoreError> {
    let found =
        certificate::find_by_fingerprint(&mut asked.app.store().read(), &fingerprint(der)).await?;
    Ok(found.map(|found| (found.issuer_id, found.serial)))
}
