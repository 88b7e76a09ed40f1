//! A TBSCertificate: on record, fresh, the authority's own, and within every rule.

use der::{Decode, Encode};
use sekisho_pki::encoding::{instant, serial::Serial};
use time::OffsetDateTime;
use x509_cert::ext::pkix::SubjectAltName;

use super::{LEEWAY, Ledger, Overseen, OversightError, Refusal, is_near};
use crate::{
    issuance::{ApprovedRequest, tbs::Tbs},
    lint::{self, LintedTbs},
    profile::Profile,
    record::Subscriber,
};

/// Judges it; what passes may be signed.
pub(super) async fn check(
    overseen: &Overseen,
    tbs_der: &[u8],
    ledger: &dyn Ledger,
    now: OffsetDateTime,
) -> Result<LintedTbs, OversightError> {
    let tbs = Tbs::from_der(tbs_der).map_err(|_| Refusal::Unknown)?;
    let authority = &overseen.authority;
    if tbs.issuer != *authority.subject() {
        return Err(overseen.other_issuer().into());
    }
    let serial = Serial::from_x509(&tbs.serial_number).map_err(|_| Refusal::Unknown)?;
    let Some(on_record) = ledger.intention(authority.id(), &serial).await? else {
        return Err(Refusal::NoIntention { serial }.into());
    };
    if on_record.tbs_der != tbs_der {
        return Err(Refusal::OtherOctets { serial }.into());
    }
    if on_record.is_issued {
        return Err(Refusal::AlreadyIssued { serial }.into());
    }
    if on_record.issuer_is_revoked {
        return Err(Refusal::IssuerRevoked { issuer_id: authority.id().to_owned() }.into());
    }
    // What was left behind by a crash is never signed afterwards: it is known as unfinished, and
    // whoever wanted it asked again under another number.
    if !is_near(on_record.at, now) {
        return Err(Refusal::Stale { serial, at: on_record.at }.into());
    }
    let named = |profile: &&Profile| profile.name() == on_record.profile;
    let Some(profile) = overseen.profiles.iter().find(named) else {
        let issuer_id = authority.id().to_owned();
        return Err(Refusal::OtherProfile { issuer_id, profile: on_record.profile }.into());
    };
    // How long it lasts is the lint's; that it begins now, nobody else asks.
    let not_before = instant::from_time(&tbs.validity.not_before);
    if not_before > now + LEEWAY || not_before < now - profile.backdate() - LEEWAY {
        return Err(Refusal::Times.into());
    }
    let approved = approved(&tbs, profile).map_err(|_| Refusal::Unknown)?;
    let context =
        lint::Context { issuer: &authority.issuer(), approved: &approved, serial: &serial };
    Ok(lint::lint(tbs_der.to_vec(), &context).map_err(Refusal::Lint)?)
}

/// What registration must have approved, if it was this. Whether it did is on record; the rules on
/// each part of it hold whoever approved.
fn approved(tbs: &Tbs, profile: &Profile) -> der::Result<ApprovedRequest> {
    let named = |extension: &&x509_cert::ext::Extension| {
        extension.extn_id == <SubjectAltName as const_oid::AssociatedOid>::OID
    };
    let alternative_names = match tbs.extensions.iter().find(named) {
        Some(extension) => SubjectAltName::from_der(extension.extn_value.as_bytes())?.0,
        None => Vec::new(),
    };
    Ok(ApprovedRequest {
        profile: profile.clone(),
        subject: tbs.subject.clone(),
        alternative_names,
        public_key_der: tbs.subject_public_key_info.to_der()?,
        subscriber: Subscriber::default(),
    })
}
