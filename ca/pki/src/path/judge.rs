//! Judging a path whose signatures hold (RFC 5280 §6.1.3 to §6.1.5).

use const_oid::{ObjectIdentifier, db::rfc5280};
use time::OffsetDateTime;
use x509_cert::{
    Certificate,
    ext::pkix::{BasicConstraints, KeyUsage},
    name::Name,
};

use super::{
    CrlEvidence, PathError, PolicyRule, Purpose, Requirements, Revocation, TrustAnchor,
    VerifiedPath, certificate::Parsed, crl,
};
use crate::{
    encoding::{instant, name},
    signature::PublicKeyKind,
};

/// anyExtendedKeyUsage (RFC 5280 §4.2.1.12).
const ANY_EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// `path` begins with the end entity; the last was signed by `anchor`.
pub(super) fn judge(
    path: &[&Parsed<'_>],
    anchor: &TrustAnchor,
    requirements: &Requirements<'_>,
    now: OffsetDateTime,
    signatures_left: &mut u32,
) -> Result<VerifiedPath, PathError> {
    // RFC 5280 leaves the anchor's validity to us: a root past its end is not believed, or
    // replacing it would never become urgent.
    in_time(&anchor.certificate, &anchor.subject, now)?;
    anchor_may_issue(anchor, path)?;
    let Some((end_entity, authorities)) = path.split_first() else {
        return Err(super::certificate::malformed("an empty path"));
    };
    for (above, authority) in authorities.iter().enumerate().rev() {
        supported(authority)?;
        may_issue(authority)?;
        length(authority.basic_constraints.as_ref(), authority.subject(), &authorities[..above])?;
        in_time(&authority.certificate, authority.subject(), now)?;
        purpose_of_authority(authority, requirements.purpose)?;
    }
    supported(end_entity)?;
    in_time(&end_entity.certificate, end_entity.subject(), now)?;
    end_entity_fits(end_entity, requirements)?;
    let evidence = revocation(path, anchor, requirements, now, signatures_left)?;
    Ok(VerifiedPath {
        end_entity: end_entity.certificate.clone(),
        certificates_der: path.iter().map(|one| one.der.to_vec()).collect(),
        anchor_subject: anchor.subject.clone(),
        anchor_public_key_der: anchor.public_key_der.clone(),
        issuer_public_key_der: authorities
            .first()
            .map_or(&anchor.public_key_der, |issuer| &issuer.public_key_der)
            .clone(),
        evidence,
    })
}

fn in_time(
    certificate: &Certificate,
    subject: &Name,
    now: OffsetDateTime,
) -> Result<(), PathError> {
    let validity = certificate.tbs_certificate().validity();
    let not_before = instant::from_time(&validity.not_before);
    let not_after = instant::from_time(&validity.not_after);
    if now < not_before {
        return Err(PathError::NotYetValid { subject: subject.to_string(), not_before });
    }
    // Through notAfter, inclusive (RFC 5280 §4.1.2.5): the whole of its last second.
    if now >= not_after + time::Duration::SECOND {
        return Err(PathError::Expired { subject: subject.to_string(), not_after });
    }
    Ok(())
}

fn supported(certificate: &Parsed<'_>) -> Result<(), PathError> {
    match certificate.unsupported {
        Some(oid) => {
            Err(PathError::UnsupportedExtension { subject: certificate.subject().to_string(), oid })
        }
        None => Ok(()),
    }
}

fn may_issue(authority: &Parsed<'_>) -> Result<(), PathError> {
    let refuse =
        |what| Err(PathError::NotAnAuthority { subject: authority.subject().to_string(), what });
    if !authority.is_authority() {
        return refuse("basicConstraints does not say CA");
    }
    if !authority.may(KeyUsage::key_cert_sign) {
        return refuse("keyUsage does not say keyCertSign");
    }
    Ok(())
}

/// An anchor is believed for its name and key; but what its certificate forbids, it forbids.
fn anchor_may_issue(anchor: &TrustAnchor, path: &[&Parsed<'_>]) -> Result<(), PathError> {
    let tbs = anchor.certificate.tbs_certificate();
    let unreadable = || super::certificate::malformed("the trust anchor's extensions");
    let constraints = tbs
        .get_extension::<BasicConstraints>()
        .map_err(|_| unreadable())?
        .map(|(_, constraints)| constraints);
    if constraints.as_ref().is_some_and(|constraints| !constraints.ca) {
        return Err(PathError::NotAnAuthority {
            subject: anchor.subject.to_string(),
            what: "basicConstraints does not say CA",
        });
    }
    let usage = tbs.get_extension::<KeyUsage>().map_err(|_| unreadable())?;
    if usage.is_some_and(|(_, usage)| !usage.key_cert_sign()) {
        return Err(PathError::NotAnAuthority {
            subject: anchor.subject.to_string(),
            what: "keyUsage does not say keyCertSign",
        });
    }
    let below = path.get(1..).unwrap_or_default();
    length(constraints.as_ref(), &anchor.subject, below)
}

/// pathLenConstraint counts the authorities below that are not self-issued (RFC 5280 §4.2.1.9).
fn length(
    constraints: Option<&BasicConstraints>,
    subject: &Name,
    below: &[&Parsed<'_>],
) -> Result<(), PathError> {
    let Some(most) = constraints.and_then(|constraints| constraints.path_len_constraint) else {
        return Ok(());
    };
    let count = below
        .iter()
        .filter(|authority| !name::same(authority.subject(), authority.issuer()))
        .count();
    if count > usize::from(most) {
        return Err(PathError::PathTooLong { subject: subject.to_string() });
    }
    Ok(())
}

impl Purpose {
    const fn words(self) -> &'static str {
        match self {
            Self::CardAuthentication => "authentication by card",
            Self::ClientAuthentication => "authentication of a terminal",
            Self::ServerAuthentication => "authentication of a server",
        }
    }

    const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::CardAuthentication | Self::ClientAuthentication => rfc5280::ID_KP_CLIENT_AUTH,
            Self::ServerAuthentication => rfc5280::ID_KP_SERVER_AUTH,
        }
    }
}

/// An authority that limits itself to other purposes: not RFC 5280's rule, but what such an
/// extension means in practice.
fn purpose_of_authority(authority: &Parsed<'_>, purpose: Purpose) -> Result<(), PathError> {
    let fits = authority.extended_key_usage.as_ref().is_none_or(|usage| {
        usage.0.contains(&purpose.oid()) || usage.0.contains(&ANY_EXTENDED_KEY_USAGE)
    });
    if fits {
        Ok(())
    } else {
        Err(PathError::NotAnAuthority {
            subject: authority.subject().to_string(),
            what: "extendedKeyUsage is for another purpose",
        })
    }
}

fn end_entity_fits(
    end_entity: &Parsed<'_>,
    requirements: &Requirements<'_>,
) -> Result<(), PathError> {
    if end_entity.is_authority() {
        return Err(PathError::EndEntityIsAuthority);
    }
    match PublicKeyKind::of_der(&end_entity.public_key_der) {
        Some(PublicKeyKind::P256 | PublicKeyKind::P384) => {}
        Some(PublicKeyKind::Rsa { modulus_bits, .. }) if (2048..=8192).contains(&modulus_bits) => {}
        _ => return Err(PathError::UnfitKey),
    }
    let purpose = requirements.purpose;
    let wrong = |what| Err(PathError::WrongPurpose { purpose: purpose.words(), what });
    match &end_entity.key_usage {
        Some(usage) if usage.digital_signature() => {}
        Some(_) => return wrong("keyUsage does not say digitalSignature"),
        None => return wrong("keyUsage is missing"),
    }
    match &end_entity.extended_key_usage {
        None if purpose == Purpose::CardAuthentication => {}
        None => return wrong("extendedKeyUsage is missing"),
        Some(usage) if usage.0.contains(&purpose.oid()) => {}
        Some(usage)
            if purpose == Purpose::CardAuthentication
                && usage.0.contains(&ANY_EXTENDED_KEY_USAGE) => {}
        Some(_) => return wrong("extendedKeyUsage is for something else"),
    }
    match requirements.policy {
        PolicyRule::Any => Ok(()),
        PolicyRule::OneOf(accepted) => {
            if end_entity.policies.iter().any(|oid| accepted.contains(oid)) {
                Ok(())
            } else {
                Err(PathError::PolicyNotAccepted { found: end_entity.policies.clone() })
            }
        }
    }
}

fn revocation(
    path: &[&Parsed<'_>],
    anchor: &TrustAnchor,
    requirements: &Requirements<'_>,
    now: OffsetDateTime,
    signatures_left: &mut u32,
) -> Result<Vec<CrlEvidence>, PathError> {
    let Revocation::Crls { crls, most_age } = requirements.revocation else {
        return Ok(Vec::new());
    };
    let mut evidence = Vec::with_capacity(path.len());
    // From the anchor down: a revoked authority makes everything below it moot.
    for (place, certificate) in path.iter().enumerate().rev() {
        let issuer = match path.get(place + 1) {
            Some(issuer) => crl::Issuer {
                subject: issuer.subject(),
                public_key_der: &issuer.public_key_der,
                may_sign_crls: issuer.may(KeyUsage::crl_sign),
            },
            None => crl::Issuer {
                subject: &anchor.subject,
                public_key_der: &anchor.public_key_der,
                may_sign_crls: anchor
                    .certificate
                    .tbs_certificate()
                    .get_extension::<KeyUsage>()
                    .is_ok_and(|usage| usage.is_none_or(|(_, usage)| usage.crl_sign())),
            },
        };
        evidence.push(crl::check(certificate, &issuer, crls, most_age, now, signatures_left)?);
    }
    evidence.reverse();
    Ok(evidence)
}
