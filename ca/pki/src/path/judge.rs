//! Judging a path whose signatures hold (RFC 5280 §6.1.2 to §6.1.5); revocation comes after.

use const_oid::{ObjectIdentifier, db::rfc5280};
use time::OffsetDateTime;

use super::{
    PathError, PolicyInputs, PolicyRule, Purpose, Requirements, budget::Meter, certificate::Parsed,
    conformance, name_constraints, policy::Policies, reading::oid_text,
};
use crate::signature::{self, PublicKeyKind};

/// anyExtendedKeyUsage (RFC 5280 §4.2.1.12).
const ANY_EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// What a path must satisfy, beside its end entity's own rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathRules<'a> {
    pub(super) purpose: Purpose,
    pub(super) policies: PolicyInputs<'a>,
    pub(super) most_depth: Option<u32>,
    pub(super) enforce_anchor_constraints: bool,
    pub(super) conforming: bool,
}

/// `path` begins with the end entity; the last was signed by `anchor`. The answer is the set of
/// policies that the path is valid for.
pub(super) fn judge(
    path: &[&Parsed<'_>],
    anchor: &Parsed<'_>,
    rules: &PathRules<'_>,
    now: OffsetDateTime,
    meter: &mut Meter,
) -> Result<Vec<ObjectIdentifier>, PathError> {
    let Some((end_entity, authorities)) = path.split_first() else {
        return Err(PathError::BudgetSpent { what: "an empty path" });
    };
    let mut policies = Policies::start(&rules.policies, count(path.len()));
    let mut constraints = Vec::new();
    let mut limit: Option<(u32, &Parsed<'_>)> = None;
    // RFC 5280 leaves the anchor's validity to us: a root past its end is not believed, or
    // replacing it would never become urgent.
    anchor.in_time(now)?;
    if rules.enforce_anchor_constraints {
        // RFC 5937 §3: what its certificate forbids, it forbids.
        anchor.supported()?;
        if anchor.version == 3 {
            anchor.may_issue()?;
            if rules.conforming {
                conformance::check_anchor(anchor)?;
            }
        }
        purpose_of_authority(anchor, rules.purpose)?;
        policies.anchor(anchor, meter)?;
        constraints.extend(anchor.name_constraints.as_ref());
        limit = path_length(anchor).map(|length| (length, anchor));
    }
    if let Some(most) = rules.most_depth {
        let depth = authorities.iter().filter(|authority| !authority.is_self_issued()).count();
        if count(depth) > most {
            return Err(PathError::TooDeep { which: end_entity.which(), most });
        }
    }
    let mut issuer = anchor;
    for authority in authorities.iter().rev() {
        authority.may_issue()?;
        authority.supported()?;
        authority.in_time(now)?;
        if rules.conforming {
            conformance::check(authority, issuer.public_key_der)?;
        }
        issuer = authority;
        purpose_of_authority(authority, rules.purpose)?;
        if !authority.is_self_issued() {
            name_constraints::check(authority, &constraints, meter)?;
            if let Some((left, limiting)) = &mut limit {
                *left = left
                    .checked_sub(1)
                    .ok_or_else(|| PathError::PathTooLong { which: limiting.which() })?;
            }
        }
        policies.certificate(authority, false, meter)?;
        policies.prepare_next(authority, meter)?;
        constraints.extend(authority.name_constraints.as_ref());
        if let Some(length) = path_length(authority)
            && limit.is_none_or(|(left, _)| length < left)
        {
            limit = Some((length, authority));
        }
    }
    end_entity.supported()?;
    end_entity.in_time(now)?;
    if rules.conforming {
        conformance::check(end_entity, issuer.public_key_der)?;
    }
    name_constraints::check(end_entity, &constraints, meter)?;
    policies.certificate(end_entity, true, meter)?;
    policies.wrap_up(end_entity, &rules.policies)
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn path_length(authority: &Parsed<'_>) -> Option<u32> {
    authority.basic_constraints.and_then(|constraints| constraints.path_length)
}

impl Purpose {
    const fn words(self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::CardAuthentication => "authentication by card",
            Self::DocumentSignature => "signing documents by card",
            Self::ClientAuthentication => "authentication of a terminal",
            Self::ServerAuthentication => "authentication of a server",
            Self::PkixClient => "clientAuth",
            Self::PkixServer => "serverAuth",
        }
    }

    const fn oid(self) -> Option<ObjectIdentifier> {
        match self {
            Self::Any | Self::DocumentSignature => None,
            Self::CardAuthentication | Self::ClientAuthentication | Self::PkixClient => {
                Some(rfc5280::ID_KP_CLIENT_AUTH)
            }
            Self::ServerAuthentication | Self::PkixServer => Some(rfc5280::ID_KP_SERVER_AUTH),
        }
    }
}

fn has(usages: &[&[u8]], oid: ObjectIdentifier) -> bool {
    usages.iter().any(|usage| *usage == oid.as_bytes())
}

/// An authority that limits itself to other purposes: not RFC 5280's rule, but what such an
/// extension means in practice.
fn purpose_of_authority(authority: &Parsed<'_>, purpose: Purpose) -> Result<(), PathError> {
    let (Some(oid), Some(usages)) = (purpose.oid(), &authority.extended_key_usage) else {
        return Ok(());
    };
    if has(usages, oid) || has(usages, ANY_EXTENDED_KEY_USAGE) {
        Ok(())
    } else {
        Err(PathError::NotAnAuthority {
            which: authority.which(),
            what: "extendedKeyUsage is for another purpose",
        })
    }
}

/// What the end entity itself must be, whatever stands above it.
pub(super) fn end_entity(
    end_entity: &Parsed<'_>,
    requirements: &Requirements<'_>,
    now: OffsetDateTime,
) -> Result<(), PathError> {
    end_entity.supported()?;
    end_entity.in_time(now)?;
    // RFC 5280 §4.2.1.9: without cA, keyCertSign must not be asserted.
    if !end_entity.is_authority() && end_entity.key_usage.is_some_and(|usage| usage.key_cert_sign())
    {
        return Err(PathError::Malformed {
            which: end_entity.which(),
            what: "keyUsage says keyCertSign where basicConstraints does not say CA".to_owned(),
        });
    }
    match requirements.purpose {
        Purpose::Any => {}
        Purpose::PkixClient | Purpose::PkixServer => {
            pkix_purpose(end_entity, requirements.purpose)?
        }
        Purpose::CardAuthentication
        | Purpose::DocumentSignature
        | Purpose::ClientAuthentication
        | Purpose::ServerAuthentication => our_purpose(end_entity, requirements.purpose)?,
    }
    if let PolicyRule::EndEntity(accepted) = requirements.policy {
        let found = end_entity.policies.as_deref().unwrap_or_default();
        if !accepted.iter().any(|policy| has(found, *policy)) {
            return Err(PathError::PolicyNotAccepted {
                which: end_entity.which(),
                found: found.iter().map(|policy| oid_text(policy)).collect(),
            });
        }
    }
    match requirements.name {
        Some(name) => name.check(end_entity),
        None => Ok(()),
    }
}

/// RFC 5280 §4.2.1.3 and §4.2.1.12: what is absent does not restrict.
fn pkix_purpose(end_entity: &Parsed<'_>, purpose: Purpose) -> Result<(), PathError> {
    if !signature::is_fit_key(end_entity.public_key_der) {
        return Err(PathError::UnfitKey { which: end_entity.which() });
    }
    let wrong = |what| {
        Err(PathError::WrongPurpose { which: end_entity.which(), purpose: purpose.words(), what })
    };
    if let (Some(oid), Some(usages)) = (purpose.oid(), &end_entity.extended_key_usage)
        && !has(usages, oid)
        && !has(usages, ANY_EXTENDED_KEY_USAGE)
    {
        return wrong("extendedKeyUsage is for something else");
    }
    let usage_fits = end_entity.key_usage.is_none_or(|usage| {
        usage.digital_signature()
            || usage.key_agreement()
            || (purpose == Purpose::PkixServer && usage.key_encipherment())
    });
    if usage_fits { Ok(()) } else { wrong("keyUsage is for something else") }
}

/// The stricter rules of our own doors.
fn our_purpose(end_entity: &Parsed<'_>, purpose: Purpose) -> Result<(), PathError> {
    if end_entity.is_authority() {
        return Err(PathError::EndEntityIsAuthority { which: end_entity.which() });
    }
    match PublicKeyKind::of_der(end_entity.public_key_der) {
        Some(PublicKeyKind::P256 | PublicKeyKind::P384) => {}
        Some(PublicKeyKind::Rsa { modulus_bits, .. }) if (2048..=8192).contains(&modulus_bits) => {}
        _ => return Err(PathError::UnfitKey { which: end_entity.which() }),
    }
    let wrong = |what| {
        Err(PathError::WrongPurpose { which: end_entity.which(), purpose: purpose.words(), what })
    };
    match (purpose, end_entity.key_usage) {
        (_, None) => return wrong("keyUsage is missing"),
        (Purpose::DocumentSignature, Some(usage)) if usage.non_repudiation() => {}
        (Purpose::DocumentSignature, Some(_)) => {
            return wrong("keyUsage does not say nonRepudiation");
        }
        (_, Some(usage)) if usage.digital_signature() => {}
        (_, Some(_)) => return wrong("keyUsage does not say digitalSignature"),
    }
    let Some(oid) = purpose.oid() else {
        return Ok(());
    };
    match &end_entity.extended_key_usage {
        None if purpose == Purpose::CardAuthentication => Ok(()),
        None => wrong("extendedKeyUsage is missing"),
        Some(usages) if has(usages, oid) => Ok(()),
        Some(usages)
            if purpose == Purpose::CardAuthentication && has(usages, ANY_EXTENDED_KEY_USAGE) =>
        {
            Ok(())
        }
        Some(_) => wrong("extendedKeyUsage is for something else"),
    }
}
