//! What must hold after each round.

use std::fmt;

use sekisho_pki::encoding::{
    key_identifier::fingerprint, serial::Serial, signed_object::SignedObject,
};
use sekisho_store::{Store, certificate, crl, revocation::Status};
use x509_cert::{Certificate, der::Decode};

use super::{
    acts::Standing,
    rig::Rig,
    work::{Answered, Ledger},
};

/// Something that must not have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(pub String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const ISSUER: &str = "terminals";

/// Looks up what was answered in this round, and the register as a whole.
///
/// # Errors
/// When the database does not answer.
pub async fn after_round(rig: &Rig, ledger: &Ledger) -> anyhow::Result<Vec<Violation>> {
    look_up(rig, ledger, false).await
}

/// Looks up everything that was ever answered.
///
/// # Errors
/// When the database does not answer.
pub async fn at_the_end(rig: &Rig, ledger: &Ledger) -> anyhow::Result<Vec<Violation>> {
    look_up(rig, ledger, true).await
}

/// Verifies the audit trail, after a server that was crashed has come up once more.
///
/// # Errors
/// When a program does not start.
pub async fn trail(rig: &mut Rig) -> anyhow::Result<Vec<Violation>> {
    rig.come_up_once().await?;
    let (holds, said) = rig.verify_trail().await?;
    Ok(if holds { Vec::new() } else { vec![Violation(format!("the audit trail: {said}"))] })
}

async fn look_up(rig: &Rig, ledger: &Ledger, all: bool) -> anyhow::Result<Vec<Violation>> {
    let mut violations = ledger.violations();
    let store = rig.store().await?;
    let (answered, revoked) = ledger.to_check(all);
    for answer in &answered {
        violations.extend(kept(&store, ledger, answer).await?);
    }
    for der in &revoked {
        let kept = certificate::find_by_fingerprint(&mut store.read(), &fingerprint(der)).await?;
        if !kept.is_some_and(|kept| matches!(kept.status, Status::Revoked { .. })) {
            let name = hex::encode(fingerprint(der));
            violations
                .push(Violation(format!("the revocation of {name} was answered and is lost")));
        }
    }
    for known in ledger.known() {
        let name = fingerprint(&known.der);
        let kept = certificate::find_by_fingerprint(&mut store.read(), &name).await?;
        let standing = kept.map(|kept| Standing::of(kept.status));
        if !standing.is_some_and(|standing| known.standings.contains(&standing)) {
            let (name, told) = (hex::encode(name), known.standings);
            violations.push(Violation(format!("{name} is {standing:?} and was told as {told:?}")));
        }
    }
    for (issuer, serial) in certificate::without_intention(&mut store.read()).await? {
        let name = hex::encode(serial);
        violations.push(Violation(format!("{issuer}:{name} is kept and was never intended")));
    }
    let newest = crl::latest(&mut store.read(), ISSUER).await?.map_or(0, |crl| crl.number);
    let answered = ledger.crl_number();
    if newest < answered {
        violations.push(Violation(format!("list {answered} was answered, {newest} is the newest")));
    }
    store.close().await;
    Ok(violations)
}

/// Whether an answered certificate is kept under its number, as it was intended.
async fn kept(
    store: &Store,
    ledger: &Ledger,
    answer: &Answered,
) -> anyhow::Result<Option<Violation>> {
    let certificate = Certificate::from_der(&answer.der)?;
    let serial = Serial::from_x509(certificate.tbs_certificate().serial_number())?;
    if let Err(violation) = ledger.note_serial(serial.as_octets(), &answer.der) {
        return Ok(Some(violation));
    }
    let name = hex::encode(serial.as_octets());
    let lost = |what: &str| Some(Violation(format!("{name} was answered and {what}")));
    let mut reader = store.read();
    let intended = certificate::intention(&mut reader, ISSUER, serial.as_octets()).await?;
    let signed = SignedObject::parse(&answer.der, false)?;
    if intended.as_deref() != Some(signed.to_be_signed) {
        return Ok(lost("was never intended"));
    }
    let kept = certificate::find(&mut reader, ISSUER, serial.as_octets()).await?;
    Ok(if kept.is_some_and(|kept| kept.der == answer.der) { None } else { lost("is not kept") })
}
