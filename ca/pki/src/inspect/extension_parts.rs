//! The insides of single extensions.

use super::{
    Context,
    field::Field,
    general_name, oid,
    report::{Object, Value},
    strings,
    term::Term,
};
use crate::encoding::tlv::{Malformed, Tag, Tlv};

/// KeyUsage's bits in order (RFC 5280 §4.2.1.3).
pub(super) const KEY_USAGES: &[Term] = &[
    Term::DigitalSignature,
    Term::NonRepudiation,
    Term::KeyEncipherment,
    Term::DataEncipherment,
    Term::KeyAgreement,
    Term::KeyCertSign,
    Term::CrlSign,
    Term::EncipherOnly,
    Term::DecipherOnly,
];

/// CRLReason by number (RFC 5280 §5.3.1); 7 is not used.
pub(super) const REASONS: &[Term] = &[
    Term::Unspecified,
    Term::KeyCompromise,
    Term::CaCompromise,
    Term::AffiliationChanged,
    Term::Superseded,
    Term::CessationOfOperation,
    Term::CertificateHold,
    Term::ReasonUnknown,
    Term::RemoveFromCrl,
    Term::PrivilegeWithdrawn,
    Term::AaCompromise,
];

/// ReasonFlags' bits in order (RFC 5280 §4.2.1.13).
const REASON_FLAGS: &[Term] = &[
    Term::ReasonUnknown,
    Term::KeyCompromise,
    Term::CaCompromise,
    Term::AffiliationChanged,
    Term::Superseded,
    Term::CessationOfOperation,
    Term::CertificateHold,
    Term::PrivilegeWithdrawn,
    Term::AaCompromise,
];

/// A reason by its number.
pub(super) fn reason_term(code: u8) -> Term {
    REASONS.get(usize::from(code)).copied().unwrap_or(Term::ReasonUnknown)
}

/// The names of the bits that are set.
pub(super) fn bits(tlv: &Tlv<'_>, names: &[Term]) -> Value {
    let octets = tlv.value.get(1..).unwrap_or_default();
    let set = |index: usize| {
        octets.get(index / 8).is_some_and(|octet| octet & (0x80 >> (index % 8)) != 0)
    };
    let names = names.iter().enumerate().filter(|(index, _)| set(*index));
    Value::list(names.map(|(_, name)| Value::Term(*name)).collect())
}

/// A number, or its octets where it is large or negative.
pub(super) fn integer(tlv: &Tlv<'_>) -> Value {
    match tlv.value {
        [first, ..] if *first < 0x80 && tlv.value.len() <= 8 => {
            Value::Number(tlv.value.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)))
        }
        octets => Value::octets(octets),
    }
}

pub(super) fn purposes(context: &Context<'_>, der: Tlv<'_>) -> Result<Value, Malformed> {
    context.list(der.members(Tag::SEQUENCE, "ExtKeyUsageSyntax")?, |purpose| {
        let purpose = purpose.expect(Tag::OID, "KeyPurposeId")?;
        let meaning = oid::meaning(&oid::text(&purpose)).unwrap_or(Term::Unknown);
        let object = Object::new().with(Field::Purpose, oid::value(&purpose));
        Ok(object.with(Field::Meaning, meaning).into())
    })
}

pub(super) fn basic_constraints(der: Tlv<'_>) -> Result<Value, Malformed> {
    let mut members = der.members(Tag::SEQUENCE, "BasicConstraints")?;
    let authority = members.next_if(Tag::BOOLEAN)?.is_some_and(|flag| flag.value != [0]);
    let length = members.next_if(Tag::INTEGER)?;
    members.finish()?;
    let object = Object::new().with(Field::Ca, authority);
    Ok(object.with_some(Field::PathLength, length.map(|length| integer(&length))).into())
}

pub(super) fn policies(context: &Context<'_>, der: Tlv<'_>) -> Result<Value, Malformed> {
    context.list(der.members(Tag::SEQUENCE, "CertificatePolicies")?, |policy| {
        let mut members = policy.members(Tag::SEQUENCE, "PolicyInformation")?;
        let kind = members.next_as(Tag::OID, "policyIdentifier")?;
        let qualifiers = members.next_if(Tag::SEQUENCE)?;
        members.finish()?;
        let mut object = Object::new()
            .with(Field::Policy, oid::value(&kind))
            .with(Field::Meaning, oid::meaning(&oid::text(&kind)).unwrap_or(Term::Unknown));
        if let Some(qualifiers) = qualifiers {
            let list = context.list(qualifiers.children()?, |one| qualifier(context, one))?;
            object.set(Field::Qualifiers, list);
        }
        Ok(object.into())
    })
}

fn qualifier(context: &Context<'_>, one: Tlv<'_>) -> Result<Value, Malformed> {
    let mut members = one.members(Tag::SEQUENCE, "PolicyQualifierInfo")?;
    let kind = members.next_as(Tag::OID, "policyQualifierId")?;
    let value = members.next()?;
    members.finish()?;
    let object = Object::new().with(Field::Type, oid::value(&kind));
    if value.tag != Tag::SEQUENCE {
        return Ok(object.with(Field::Value, strings::value(&value)).into());
    }
    // UserNotice: a reference, a text, both, or neither.
    let mut texts = Vec::new();
    let mut notice = value.children()?;
    while !notice.is_finished() {
        let part = notice.next()?;
        if part.tag == Tag::SEQUENCE {
            let mut reference = part.children()?;
            while !reference.is_finished() {
                let part = reference.next()?;
                if strings::decode(&part).is_some() && context.take() {
                    texts.push(strings::value(&part));
                }
            }
        } else if context.take() {
            texts.push(strings::value(&part));
        }
    }
    Ok(object.with(Field::Notice, texts).into())
}

pub(super) fn policy_mappings(context: &Context<'_>, der: Tlv<'_>) -> Result<Value, Malformed> {
    context.list(der.members(Tag::SEQUENCE, "PolicyMappings")?, |pair| {
        let mut pair = pair.members(Tag::SEQUENCE, "PolicyMapping")?;
        let issuer = pair.next_as(Tag::OID, "issuerDomainPolicy")?;
        let subject = pair.next_as(Tag::OID, "subjectDomainPolicy")?;
        pair.finish()?;
        let object = Object::new().with(Field::IssuerPolicy, oid::value(&issuer));
        Ok(object.with(Field::SubjectPolicy, oid::value(&subject)).into())
    })
}

pub(super) fn policy_constraints(der: Tlv<'_>) -> Result<Value, Malformed> {
    let mut members = der.members(Tag::SEQUENCE, "PolicyConstraints")?;
    let mut object = Object::new();
    for (number, field) in [(0, Field::RequireExplicitPolicy), (1, Field::InhibitPolicyMapping)] {
        if let Some(skip) = members.next_if(Tag::context(number))? {
            object.set(field, integer(&skip));
        }
    }
    members.finish()?;
    Ok(object.into())
}

/// DistributionPointName's content: full names, or a name relative to the issuer's.
fn point_name(
    context: &Context<'_>,
    object: &mut Object,
    explicit: &Tlv<'_>,
) -> Result<(), Malformed> {
    let choice = explicit.only()?;
    match choice.tag {
        tag if tag == Tag::context(0) => {
            object.set(Field::Names, general_name::names(context, choice.children()?)?);
        }
        tag if tag == Tag::context(1) => {
            object.set(Field::RelativeName, Value::octets(choice.value));
        }
        _ => return Err(choice.expected("DistributionPointName")),
    }
    Ok(())
}

pub(super) fn distribution_point(
    context: &Context<'_>,
    point: Tlv<'_>,
) -> Result<Object, Malformed> {
    let mut members = point.members(Tag::SEQUENCE, "DistributionPoint")?;
    let mut object = Object::new();
    if let Some(name) = members.next_if(Tag::context(0))? {
        point_name(context, &mut object, &name)?;
    }
    if let Some(reasons) = members.next_if(Tag::context(1))? {
        object.set(Field::Reasons, bits(&reasons, REASON_FLAGS));
    }
    if let Some(issuer) = members.next_if(Tag::context(2))? {
        object.set(Field::CrlIssuer, general_name::names(context, issuer.children()?)?);
    }
    members.finish()?;
    Ok(object)
}

pub(super) fn issuing_distribution_point(
    context: &Context<'_>,
    der: Tlv<'_>,
) -> Result<Object, Malformed> {
    let mut members = der.members(Tag::SEQUENCE, "IssuingDistributionPoint")?;
    let mut object = Object::new();
    if let Some(name) = members.next_if(Tag::context(0))? {
        point_name(context, &mut object, &name)?;
    }
    for (number, field) in [
        (1, Field::OnlyUserCertificates),
        (2, Field::OnlyCaCertificates),
        (3, Field::OnlySomeReasons),
        (4, Field::Indirect),
        (5, Field::OnlyAttributeCertificates),
    ] {
        let Some(member) = members.next_if(Tag::context(number))? else { continue };
        if number == 3 {
            object.set(field, bits(&member, REASON_FLAGS));
        } else {
            object.set(field, member.value != [0]);
        }
    }
    members.finish()?;
    Ok(object)
}

pub(super) fn access(context: &Context<'_>, der: Tlv<'_>) -> Result<Value, Malformed> {
    context.list(der.members(Tag::SEQUENCE, "AuthorityInfoAccessSyntax")?, |one| {
        let mut members = one.members(Tag::SEQUENCE, "AccessDescription")?;
        let method = members.next_as(Tag::OID, "accessMethod")?;
        let location = members.next()?;
        members.finish()?;
        let object = Object::new()
            .with(Field::Method, oid::value(&method))
            .with_some(Field::Meaning, oid::meaning(&oid::text(&method)));
        Ok(object.with(Field::Location, general_name::name(context, location)?).into())
    })
}
