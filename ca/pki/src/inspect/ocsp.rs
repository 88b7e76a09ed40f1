//! OCSP requests and responses (RFC 6960 §4).

use sha2::{Digest, Sha256};

use super::{
    Context, MOST_OBJECTS, certificate,
    certificate::serial_number,
    extension, extension_parts,
    field::Field,
    general_name, key, oid,
    report::{Object, Value},
    strings,
    term::Term,
    time_value,
};
use crate::encoding::tlv::{Malformed, Tag, Tlv};

/// `OCSPRequest`.
pub(super) fn request(context: &Context<'_>, outer: Tlv<'_>) -> Result<Object, Malformed> {
    let mut frame = outer.members(Tag::SEQUENCE, "OCSPRequest")?;
    let mut tbs = frame.next_as(Tag::SEQUENCE, "TBSRequest")?.children()?;
    let signature = frame.next_if(Tag::context(0))?;
    frame.finish()?;
    tbs.next_if(Tag::context(0))?;
    let requestor = tbs.next_if(Tag::context(1))?;
    let list = tbs.next_as(Tag::SEQUENCE, "requestList")?;
    let extensions = tbs.next_if(Tag::context(2))?;
    tbs.finish()?;
    let mut object = Object::new().with(Field::Kind, Term::OcspRequest);
    if let Some(requestor) = requestor {
        object.set(Field::Requestor, general_name::name(context, requestor.only()?)?);
    }
    let requests = context.list(list.children()?, |one| {
        let mut parts = one.members(Tag::SEQUENCE, "Request")?;
        let mut object = certificate_id(parts.next()?)?;
        if let Some(extensions) = parts.next_if(Tag::context(0))? {
            object.set(Field::Extensions, extension::list(context, &extensions.only()?)?);
        }
        parts.finish()?;
        Ok(object.into())
    })?;
    object.set(Field::Requests, requests);
    if let Some(extensions) = extensions {
        object.set(Field::Extensions, extension::list(context, &extensions.only()?)?);
    }
    object.set(Field::Signed, signature.is_some());
    Ok(object)
}

/// `CertID`. SHA-1 looks up here and protects nothing.
fn certificate_id(tlv: Tlv<'_>) -> Result<Object, Malformed> {
    let mut parts = tlv.members(Tag::SEQUENCE, "CertID")?;
    let algorithm = parts.next_as(Tag::SEQUENCE, "hashAlgorithm")?;
    let algorithm = algorithm.children()?.next_as(Tag::OID, "hashAlgorithm")?;
    let name = parts.next_as(Tag::OCTET_STRING, "issuerNameHash")?;
    let key = parts.next_as(Tag::OCTET_STRING, "issuerKeyHash")?;
    let serial = parts.next_as(Tag::INTEGER, "serialNumber")?;
    parts.finish()?;
    Ok(Object::new()
        .with(Field::Serial, serial_number(&serial))
        .with(Field::HashAlgorithm, oid::value(&algorithm))
        .with(Field::IssuerNameHash, Value::octets(name.value))
        .with(Field::IssuerKeyHash, Value::octets(key.value)))
}

/// `OCSPResponse`.
pub(super) fn response(context: &Context<'_>, outer: Tlv<'_>) -> Result<Object, Malformed> {
    let mut frame = outer.members(Tag::SEQUENCE, "OCSPResponse")?;
    let status = frame.next_as(Tag::ENUMERATED, "responseStatus")?;
    let bytes = frame.next_if(Tag::context(0))?;
    frame.finish()?;
    let term = match status.value {
        [0] => Term::OcspSuccessful,
        [1] => Term::OcspMalformedRequest,
        [2] => Term::OcspInternalError,
        [3] => Term::OcspTryLater,
        [5] => Term::OcspSigRequired,
        [6] => Term::OcspUnauthorized,
        _ => return Err(status.expected("OCSPResponseStatus")),
    };
    let mut object =
        Object::new().with(Field::Kind, Term::OcspResponse).with(Field::ResponseStatus, term);
    if let Some(bytes) = bytes {
        let mut bytes = bytes.only()?.members(Tag::SEQUENCE, "ResponseBytes")?;
        let kind = bytes.next_as(Tag::OID, "responseType")?;
        let inside = bytes.next_as(Tag::OCTET_STRING, "response")?;
        bytes.finish()?;
        object.set(Field::ResponseType, oid::value(&kind));
        if oid::name(&oid::text(&kind)) == Some("id-pkix-ocsp-basic") {
            basic(context, &mut object, inside.inside()?)?;
        } else {
            object.set(Field::Remark, Term::Unknown);
            object.set(Field::Octets, Value::octets(inside.value));
        }
    }
    Ok(object.with(Field::Sha256, Value::octets(&Sha256::digest(outer.whole))))
}

fn basic(context: &Context<'_>, object: &mut Object, der: Tlv<'_>) -> Result<(), Malformed> {
    let mut frame = der.members(Tag::SEQUENCE, "BasicOCSPResponse")?;
    let mut data = frame.next_as(Tag::SEQUENCE, "ResponseData")?.children()?;
    let algorithm = frame.next_as(Tag::SEQUENCE, "signatureAlgorithm")?;
    frame.next_as(Tag::BIT_STRING, "signature")?;
    let certificates = frame.next_if(Tag::context(0))?;
    frame.finish()?;

    data.next_if(Tag::context(0))?;
    let responder = data.next()?;
    let responder = match responder.tag {
        tag if tag == Tag::context(1) => {
            Object::new().with(Field::Name, strings::name(context, responder.only()?)?)
        }
        tag if tag == Tag::context(2) => {
            let hash = responder.only()?.expect(Tag::OCTET_STRING, "KeyHash")?;
            Object::new().with(Field::KeyIdentifier, Value::octets(hash.value))
        }
        _ => return Err(responder.expected("ResponderID")),
    };
    object.set(Field::Responder, responder);
    let produced = data.next_as(Tag::GENERALIZED_TIME, "producedAt")?;
    object.set(Field::ProducedAt, time_value::value(&produced));
    let responses = data.next_as(Tag::SEQUENCE, "responses")?;
    let list = context.list(responses.children()?, |one| single(context, one))?;
    object.set(Field::Responses, list);
    if let Some(extensions) = data.next_if(Tag::context(1))? {
        object.set(Field::Extensions, extension::list(context, &extensions.only()?)?);
    }
    data.finish()?;
    object.set(Field::SignatureAlgorithm, key::algorithm(&algorithm)?);
    if let Some(certificates) = certificates {
        let all = certificates.only()?.members(Tag::SEQUENCE, "certs")?;
        let list = context
            .list_of(all, MOST_OBJECTS, |one| Ok(certificate::certificate(context, one)?.into()))?;
        object.set(Field::Certificates, list);
    }
    Ok(())
}

fn single(context: &Context<'_>, one: Tlv<'_>) -> Result<Value, Malformed> {
    let mut parts = one.members(Tag::SEQUENCE, "SingleResponse")?;
    let mut object = certificate_id(parts.next()?)?;
    let status = parts.next()?;
    match status.tag {
        tag if tag == Tag::context(0) => object.set(Field::CertStatus, Term::CertGood),
        tag if tag == Tag::context(1) => {
            object.set(Field::CertStatus, Term::CertRevoked);
            let mut revoked = status.children()?;
            let at = revoked.next_as(Tag::GENERALIZED_TIME, "revocationTime")?;
            object.set(Field::RevokedAt, time_value::value(&at));
            if let Some(reason) = revoked.next_if(Tag::context(0))? {
                let reason = reason.only()?.expect(Tag::ENUMERATED, "CRLReason")?;
                let code = reason.value.first().copied().unwrap_or(u8::MAX);
                object.set(Field::Reason, extension_parts::reason_term(code));
            }
            revoked.finish()?;
        }
        tag if tag == Tag::context(2) => object.set(Field::CertStatus, Term::CertUnknown),
        _ => return Err(status.expected("CertStatus")),
    }
    let this = parts.next_as(Tag::GENERALIZED_TIME, "thisUpdate")?;
    let next = parts.next_if(Tag::context(0))?.map(|next| next.only()).transpose()?;
    time_value::freshness(context, &mut object, &this, next.as_ref());
    if let Some(extensions) = parts.next_if(Tag::context(1))? {
        object.set(Field::Extensions, extension::list(context, &extensions.only()?)?);
    }
    parts.finish()?;
    Ok(object.into())
}
