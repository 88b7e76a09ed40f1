//! Certificate revocation lists (RFC 5280 §5.1).

use sha2::{Digest, Sha256};

use super::{
    Context,
    certificate::serial_number,
    extension, extension_parts,
    field::Field,
    key, oid,
    report::{Object, Value},
    strings,
    term::Term,
    time_value,
};
use crate::encoding::tlv::{Malformed, Tag, Tlv};

/// A CRL: its head, how many it revokes by reason, and the first of them.
pub(super) fn crl(context: &Context<'_>, outer: Tlv<'_>) -> Result<Object, Malformed> {
    let mut frame = outer.members(Tag::SEQUENCE, "CertificateList")?;
    let mut tbs = frame.next_as(Tag::SEQUENCE, "TBSCertList")?.children()?;
    let algorithm = frame.next_as(Tag::SEQUENCE, "signatureAlgorithm")?;
    frame.next_as(Tag::BIT_STRING, "signatureValue")?;
    frame.finish()?;

    let version = match tbs.next_if(Tag::INTEGER)? {
        None => 1_u64,
        Some(tlv) if tlv.value == [1] => 2,
        Some(tlv) => return Err(tlv.expected("version")),
    };
    let inner = tbs.next_as(Tag::SEQUENCE, "signature")?;
    let issuer = tbs.next_as(Tag::SEQUENCE, "issuer")?;
    let this = tbs.next()?;
    let next = match tbs.next_if(Tag::UTC_TIME)? {
        None => tbs.next_if(Tag::GENERALIZED_TIME)?,
        found => found,
    };
    let revoked = tbs.next_if(Tag::SEQUENCE)?;
    let extensions = tbs.next_if(Tag::context(0))?;
    tbs.finish()?;

    let mut object = Object::new()
        .with(Field::Kind, Term::Crl)
        .with(Field::Version, version)
        .with(Field::Issuer, strings::name(context, issuer)?);
    time_value::freshness(context, &mut object, &this, next.as_ref());
    object.set(Field::SignatureAlgorithm, key::algorithm(&algorithm)?);
    if inner.whole != algorithm.whole {
        object.set(Field::SignatureRemark, Term::AlgorithmsDiffer);
    }
    if let Some(extensions) = extensions {
        object.set(Field::Extensions, extension::list(context, &extensions.only()?)?);
    }
    object.set(Field::Sha256, Value::octets(&Sha256::digest(outer.whole)));
    entries(context, &mut object, revoked)?;
    Ok(object)
}

fn entries(
    context: &Context<'_>,
    object: &mut Object,
    revoked: Option<Tlv<'_>>,
) -> Result<(), Malformed> {
    let Some(revoked) = revoked else {
        object.set(Field::RevokedCount, 0_u64);
        return Ok(());
    };
    let mut tally = [0_u64; extension_parts::REASONS.len()];
    let mut reader = revoked.children()?;
    let (mut items, mut count) = (Vec::new(), 0_usize);
    while !reader.is_finished() {
        let entry = reader.next_as(Tag::SEQUENCE, "revokedCertificates")?;
        count += 1;
        let mut parts = entry.children()?;
        let serial = parts.next_as(Tag::INTEGER, "userCertificate")?;
        let at = parts.next()?;
        let extensions = parts.next_if(Tag::SEQUENCE)?;
        parts.finish()?;
        let reason = reason(extensions)?;
        if let Some(place) = tally.get_mut(usize::from(reason)) {
            *place += 1;
        }
        if items.len() < context.options.entries && context.take() {
            let mut item = Object::new()
                .with(Field::Serial, serial_number(&serial))
                .with(Field::RevokedAt, time_value::value(&at))
                .with(Field::Reason, extension_parts::reason_term(reason));
            if let Some(extensions) = extensions {
                let list = extension::list(context, &extensions)?;
                item.set(Field::Extensions, list);
            }
            items.push(item.into());
        }
    }
    object.set(Field::RevokedCount, count);
    let by_reason = tally
        .into_iter()
        .zip(extension_parts::REASONS)
        .filter(|(count, _)| *count > 0)
        .map(|(count, reason)| {
            Object::new().with(Field::Reason, *reason).with(Field::Count, count).into()
        })
        .collect::<Vec<Value>>();
    object.set(Field::ByReason, by_reason);
    let omitted = count - items.len();
    object.set(Field::Revoked, Value::List { items, omitted });
    Ok(())
}

/// The reasonCode of an entry; without one it is unspecified (RFC 5280 §5.3.1).
fn reason(extensions: Option<Tlv<'_>>) -> Result<u8, Malformed> {
    let Some(extensions) = extensions else { return Ok(0) };
    let mut reader = extensions.children()?;
    while !reader.is_finished() {
        let mut parts = reader.next_as(Tag::SEQUENCE, "Extension")?.children()?;
        let kind = parts.next_as(Tag::OID, "extnID")?;
        if oid::is_reason_code(&kind) {
            parts.next_if(Tag::BOOLEAN)?;
            let value = parts.next_as(Tag::OCTET_STRING, "extnValue")?;
            if let Ok(code) = value.inside()
                && code.tag == Tag::ENUMERATED
                && let [code] = code.value
            {
                return Ok(*code);
            }
        }
    }
    Ok(0)
}
