//! Extensions (RFC 5280 §4.2, §5.2, §5.3; RFC 6960 §4.4): what each says, or its octets.

use std::collections::BTreeSet;

use super::{
    Context,
    certificate::serial_number,
    extension_parts as parts,
    field::Field,
    general_name, malformed, national, oid,
    report::{Object, Value},
    strings,
    term::Term,
    time_value,
};
use crate::encoding::tlv::{Malformed, Tag, Tlv};

/// `Extensions`. One that cannot be read is shown as octets beside the reason; the rest goes on.
pub(super) fn list(context: &Context<'_>, extensions: &Tlv<'_>) -> Result<Value, Malformed> {
    let reader = (*extensions).members(Tag::SEQUENCE, "Extensions")?;
    let mut seen = BTreeSet::new();
    context.list(reader, |extension| {
        let mut members = extension.members(Tag::SEQUENCE, "Extension")?;
        let kind = members.next_as(Tag::OID, "extnID")?;
        let critical = members.next_if(Tag::BOOLEAN)?;
        let value = members.next_as(Tag::OCTET_STRING, "extnValue")?;
        members.finish()?;
        let critical = critical.is_some_and(|flag| flag.value != [0]);
        let name = oid::text(&kind);
        let mut object =
            Object::new().with(Field::Extension, oid::value(&kind)).with(Field::Critical, critical);
        object = object.with_some(Field::Meaning, oid::meaning(&name));
        if !seen.insert(kind.value) {
            object.set(Field::Remark, Term::Repeated);
        }
        match explain(context, oid::name(&name), &value) {
            Ok(Some(explained)) => object.set(Field::Value, explained),
            Ok(None) => {
                object.set(Field::Status, unknown(critical));
                object.set(Field::Octets, Value::octets(value.value));
            }
            Err(error) => {
                object.set(Field::Malformed, malformed(&error));
                object.set(Field::Octets, Value::octets(value.value));
            }
        }
        Ok(object.into())
    })
}

const fn unknown(critical: bool) -> Term {
    if critical { Term::UnknownCritical } else { Term::Unknown }
}

/// What the value says; `None` if we don't know the extension.
fn explain(
    context: &Context<'_>,
    name: Option<&str>,
    value: &Tlv<'_>,
) -> Result<Option<Value>, Malformed> {
    let Some(name) = name else { return Ok(None) };
    let der = || value.inside();
    let explained = match name {
        "subjectKeyIdentifier" => {
            Value::octets(der()?.expect(Tag::OCTET_STRING, "KeyIdentifier")?.value)
        }
        "authorityKeyIdentifier" => authority_key_identifier(context, der()?)?,
        "keyUsage" => parts::bits(&der()?.expect(Tag::BIT_STRING, "KeyUsage")?, parts::KEY_USAGES),
        "extKeyUsage" => parts::purposes(context, der()?)?,
        "basicConstraints" => parts::basic_constraints(der()?)?,
        "subjectAltName" | "issuerAltName" | "certificateIssuer" => {
            general_name::names(context, der()?.members(Tag::SEQUENCE, "GeneralNames")?)?
        }
        "nameConstraints" => name_constraints(context, der()?)?,
        "certificatePolicies" => parts::policies(context, der()?)?,
        "policyMappings" => parts::policy_mappings(context, der()?)?,
        "policyConstraints" => parts::policy_constraints(der()?)?,
        "cRLNumber" | "deltaCRLIndicator" | "inhibitAnyPolicy" => {
            parts::integer(&der()?.expect(Tag::INTEGER, "INTEGER")?)
        }
        "reasonCode" => {
            let code = der()?.expect(Tag::ENUMERATED, "CRLReason")?;
            let [code] = code.value else { return Err(code.expected("CRLReason")) };
            parts::reason_term(*code).into()
        }
        "invalidityDate" | "ocspArchiveCutoff" | "expiredCertsOnCRL" => {
            time_value::instant(&der()?)?.into()
        }
        "cRLDistributionPoints" | "freshestCRL" => {
            let points = der()?.members(Tag::SEQUENCE, "CRLDistributionPoints")?;
            context.list(points, |point| Ok(parts::distribution_point(context, point)?.into()))?
        }
        "issuingDistributionPoint" => parts::issuing_distribution_point(context, der()?)?.into(),
        "authorityInfoAccess" | "subjectInfoAccess" => parts::access(context, der()?)?,
        "subjectDirectoryAttributes" => national::directory_attributes(context, value, der()?)?,
        "privateKeyUsagePeriod" => private_key_usage_period(der()?)?,
        "ocspNoCheck" => {
            der()?.expect(Tag::NULL, "NULL")?;
            Value::Flag(true)
        }
        "ocspNonce" => match der() {
            Ok(nonce) if nonce.tag == Tag::OCTET_STRING => Value::octets(nonce.value),
            // RFC 2560's clients put the bare octets there.
            _ => Value::octets(value.value),
        },
        "tlsFeature" => {
            let features = der()?.members(Tag::SEQUENCE, "Features")?;
            context.list(features, |feature| {
                Ok(parts::integer(&feature.expect(Tag::INTEGER, "Feature")?))
            })?
        }
        "netscapeComment" | "msCertificateTemplateName" => strings::value(&der()?),
        // A known name whose inside is not of interest: its octets.
        _ => return Ok(None),
    };
    Ok(Some(explained))
}

fn authority_key_identifier(context: &Context<'_>, der: Tlv<'_>) -> Result<Value, Malformed> {
    let mut members = der.members(Tag::SEQUENCE, "AuthorityKeyIdentifier")?;
    let mut object = Object::new();
    if let Some(key) = members.next_if(Tag::context(0))? {
        object.set(Field::KeyIdentifier, Value::octets(key.value));
    }
    if let Some(issuer) = members.next_if(Tag::context(1))? {
        object.set(Field::Issuer, general_name::names(context, issuer.children()?)?);
    }
    if let Some(serial) = members.next_if(Tag::context(2))? {
        object.set(Field::Serial, serial_number(&serial));
    }
    members.finish()?;
    Ok(object.into())
}

fn name_constraints(context: &Context<'_>, der: Tlv<'_>) -> Result<Value, Malformed> {
    let mut members = der.members(Tag::SEQUENCE, "NameConstraints")?;
    let mut object = Object::new();
    for (number, field) in [(0, Field::Permitted), (1, Field::Excluded)] {
        if let Some(trees) = members.next_if(Tag::context(number))? {
            let list = context.list(trees.children()?, |tree| {
                let mut tree = tree.members(Tag::SEQUENCE, "GeneralSubtree")?;
                let base = tree.next()?;
                let mut object = general_name::subtree(context, base)?;
                if let Some(least) = tree.next_if(Tag::context(0))? {
                    object.set(Field::Minimum, parts::integer(&least));
                }
                if let Some(most) = tree.next_if(Tag::context(1))? {
                    object.set(Field::Maximum, parts::integer(&most));
                }
                tree.finish()?;
                Ok(object.into())
            })?;
            object.set(field, list);
        }
    }
    members.finish()?;
    Ok(object.into())
}

fn private_key_usage_period(der: Tlv<'_>) -> Result<Value, Malformed> {
    let mut members = der.members(Tag::SEQUENCE, "PrivateKeyUsagePeriod")?;
    let mut object = Object::new();
    for (number, field) in [(0, Field::NotBefore), (1, Field::NotAfter)] {
        if let Some(at) = members.next_if(Tag::context(number))? {
            object.set(field, time_value::instant(&at.as_tag(Tag::GENERALIZED_TIME))?);
        }
    }
    members.finish()?;
    Ok(object.into())
}
