//! Certification requests (PKCS #10, RFC 2986).

use sha2::{Digest, Sha256};

use super::{
    Context,
    certificate::own_signature,
    extension,
    field::Field,
    key, oid,
    report::{Object, Value},
    strings,
    term::Term,
};
use crate::encoding::tlv::{Malformed, Tag, Tlv};

/// A certification request.
pub(super) fn request(context: &Context<'_>, outer: Tlv<'_>) -> Result<Object, Malformed> {
    let mut frame = outer.members(Tag::SEQUENCE, "CertificationRequest")?;
    let mut info = frame.next_as(Tag::SEQUENCE, "CertificationRequestInfo")?.children()?;
    let algorithm = frame.next_as(Tag::SEQUENCE, "signatureAlgorithm")?;
    frame.next_as(Tag::BIT_STRING, "signature")?;
    frame.finish()?;
    info.next_as(Tag::INTEGER, "version")?;
    let subject = info.next_as(Tag::SEQUENCE, "subject")?;
    let spki = info.next_as(Tag::SEQUENCE, "subjectPKInfo")?;
    let attributes = info.next_if(Tag::context(0))?;
    info.finish()?;
    let mut object = Object::new()
        .with(Field::Kind, Term::CertificationRequest)
        .with(Field::Subject, strings::name(context, subject)?)
        .with(Field::PublicKey, key::public_key(spki, None)?)
        .with(Field::SignatureAlgorithm, key::algorithm(&algorithm)?)
        .with(Field::ProofOfPossession, own_signature(&outer, &spki));
    if let Some(attributes) = attributes {
        let list =
            context.list(attributes.children()?, |attribute| one_attribute(context, attribute))?;
        object.set(Field::Attributes, list);
    }
    Ok(object.with(Field::Sha256, Value::octets(&Sha256::digest(outer.whole))))
}

fn one_attribute(context: &Context<'_>, attribute: Tlv<'_>) -> Result<Value, Malformed> {
    let mut parts = attribute.members(Tag::SEQUENCE, "Attribute")?;
    let kind = parts.next_as(Tag::OID, "Attribute.type")?;
    let values = parts.next_as(Tag::SET, "Attribute.values")?;
    parts.finish()?;
    let mut object = Object::new().with(Field::Type, oid::value(&kind));
    match oid::name(&oid::text(&kind)) {
        Some("extensionRequest") => {
            object.set(Field::Extensions, extension::list(context, &values.only()?)?);
        }
        // What a SCEP or EST client proves itself by: a secret.
        Some("challengePassword") => object.set(Field::Remark, Term::SecretNotShown),
        Some(_) => {
            let list = context.list(values.children()?, |value| Ok(strings::value(&value)))?;
            object.set(Field::Values, list);
        }
        None => {
            object.set(Field::Remark, Term::Unknown);
            object.set(Field::Octets, Value::octets(values.value));
        }
    }
    Ok(object.into())
}
