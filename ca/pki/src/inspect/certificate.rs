//! Certificates (RFC 5280 §4.1).

use sha2::{Digest, Sha256};

use super::{
    Context, extension,
    field::Field,
    key,
    report::{Object, Value},
    strings,
    term::Term,
    time_value,
};
use crate::{
    encoding::{
        signed_object::SignedObject,
        tlv::{Malformed, Tag, Tlv},
    },
    signature::{self, SignatureError},
};

/// A certificate.
pub(super) fn certificate(context: &Context<'_>, outer: Tlv<'_>) -> Result<Object, Malformed> {
    let mut frame = outer.members(Tag::SEQUENCE, "Certificate")?;
    let mut tbs = frame.next_as(Tag::SEQUENCE, "TBSCertificate")?.children()?;
    let algorithm = frame.next_as(Tag::SEQUENCE, "signatureAlgorithm")?;
    frame.next_as(Tag::BIT_STRING, "signatureValue")?;
    frame.finish()?;

    let version = version(tbs.next_if(Tag::context(0))?)?;
    let serial = tbs.next_as(Tag::INTEGER, "serialNumber")?;
    let inner = tbs.next_as(Tag::SEQUENCE, "signature")?;
    let issuer = tbs.next_as(Tag::SEQUENCE, "issuer")?;
    let mut validity = tbs.next_as(Tag::SEQUENCE, "validity")?.children()?;
    let (from, until) = (validity.next()?, validity.next()?);
    validity.finish()?;
    let subject = tbs.next_as(Tag::SEQUENCE, "subject")?;
    let spki = tbs.next_as(Tag::SEQUENCE, "subjectPublicKeyInfo")?;
    let issuer_id = tbs.next_if(Tag::context(1))?;
    let subject_id = tbs.next_if(Tag::context(2))?;
    let extensions = tbs.next_if(Tag::context(3))?;
    tbs.finish()?;

    let mut object = Object::new()
        .with(Field::Kind, Term::Certificate)
        .with(Field::Version, version)
        .with(Field::Serial, serial_number(&serial))
        .with_some(Field::SerialRemark, serial_remark(&serial))
        .with(Field::Subject, strings::name(context, subject)?)
        .with(Field::Issuer, strings::name(context, issuer)?);
    let own = subject.whole == issuer.whole;
    object.set(Field::SelfIssued, own);
    if own {
        object.set(Field::SelfSignature, own_signature(&outer, &spki));
    }
    object.set(Field::Validity, time_value::validity(context, &from, &until));
    object.set(Field::PublicKey, key::public_key(spki, time_value::instant(&until).ok())?);
    object.set(Field::SignatureAlgorithm, key::algorithm(&algorithm)?);
    if inner.whole != algorithm.whole {
        object.set(Field::SignatureRemark, Term::AlgorithmsDiffer);
    }
    for (field, id) in [(Field::IssuerUniqueId, issuer_id), (Field::SubjectUniqueId, subject_id)] {
        object = object.with_some(field, id.map(|id| Value::octets(id.value)));
    }
    if let Some(extensions) = extensions {
        object.set(Field::Extensions, extension::list(context, &extensions.only()?)?);
    }
    Ok(object.with(Field::Sha256, Value::octets(&Sha256::digest(outer.whole))))
}

fn version(explicit: Option<Tlv<'_>>) -> Result<u64, Malformed> {
    let Some(explicit) = explicit else { return Ok(1) };
    let number = explicit.only()?.expect(Tag::INTEGER, "version")?;
    match number.value {
        [version @ 0..=0x7f] => Ok(u64::from(*version) + 1),
        _ => Err(number.expected("version")),
    }
}

/// A serial number as it is used in writing: hexadecimal, without a sign octet.
pub(super) fn serial_number(tlv: &Tlv<'_>) -> Value {
    match tlv.value {
        [0, rest @ ..] if !rest.is_empty() => Value::octets(rest),
        all => Value::octets(all),
    }
}

/// RFC 5280 §4.1.2.2: positive, at most 20 octets.
fn serial_remark(tlv: &Tlv<'_>) -> Option<Term> {
    match tlv.value {
        [] | [0] => Some(Term::SerialZero),
        [0x80..=0xff, ..] => Some(Term::SerialNegative),
        long if long.len() > 20 => Some(Term::SerialLong),
        _ => None,
    }
}

/// Whether an object is signed by the key that it carries.
pub(super) fn own_signature(outer: &Tlv<'_>, spki: &Tlv<'_>) -> Term {
    let Ok(parts) = SignedObject::parse(outer.whole, false) else {
        return Term::SignatureUnreadable;
    };
    match signature::verify(spki.whole, &parts.algorithm, parts.to_be_signed, &parts.signature) {
        Ok(()) => Term::SignatureHolds,
        Err(SignatureError::Invalid) => Term::SignatureFails,
        Err(
            SignatureError::Algorithm { .. }
            | SignatureError::Unsupported { .. }
            | SignatureError::KeySize { .. },
        ) => Term::SignatureNotChecked,
        Err(SignatureError::Parameters | SignatureError::Key) => Term::SignatureUnreadable,
    }
}
