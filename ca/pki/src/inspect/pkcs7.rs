//! PKCS #7 / CMS SignedData as a bag of certificates (RFC 5652 §5.1).

use super::{
    Context, MOST_OBJECTS, certificate, crl,
    field::Field,
    malformed, oid,
    report::{Object, Value},
    term::Term,
};
use crate::encoding::tlv::{Malformed, Reader, Rules, Tag, Tlv};

/// `ContentInfo`: what a SignedData carries, or the name of another content type.
pub(super) fn content_info(context: &Context<'_>, outer: Tlv<'_>) -> Result<Object, Malformed> {
    let mut members = outer.children()?;
    let kind = members.next_as(Tag::OID, "contentType")?;
    let content = members.next_as(Tag::context(0), "content")?;
    members.finish()?;
    let object =
        Object::new().with(Field::Kind, Term::Pkcs7).with(Field::ContentType, oid::value(&kind));
    if oid::name(&oid::text(&kind)) != Some("signedData") {
        return Ok(object.with(Field::Remark, Term::ContentNotRead));
    }
    signed_data(context, object, content.only()?)
}

fn signed_data(
    context: &Context<'_>,
    mut object: Object,
    signed: Tlv<'_>,
) -> Result<Object, Malformed> {
    let mut members = signed.members(Tag::SEQUENCE, "SignedData")?;
    members.next_as(Tag::INTEGER, "SignedData.version")?;
    members.next_as(Tag::SET, "digestAlgorithms")?;
    let mut inner = members.next_as(Tag::SEQUENCE, "encapContentInfo")?.children()?;
    let inner_kind = inner.next_as(Tag::OID, "eContentType")?;
    object.set(Field::InnerContentType, oid::value(&inner_kind));
    object.set(Field::HasContent, !inner.is_finished());
    if let Some(certificates) = members.next_if(Tag::context(0))? {
        let list = context.list_of(certificates.children()?, MOST_OBJECTS, |one| {
            Ok(strict(one, |one| certificate::certificate(context, one)))
        })?;
        object.set(Field::Certificates, list);
    }
    if let Some(crls) = members.next_if(Tag::context(1))? {
        let list = context.list_of(crls.children()?, MOST_OBJECTS, |one| {
            Ok(strict(one, |one| crl::crl(context, one)))
        })?;
        object.set(Field::Crls, list);
    }
    let mut signers = members.next_as(Tag::SET, "signerInfos")?.children()?;
    members.finish()?;
    let mut count = 0_u64;
    while !signers.is_finished() {
        signers.next()?;
        count += 1;
    }
    object.set(Field::Signers, count);
    if count > 0 {
        object.set(Field::Remark, Term::SignersNotChecked);
    }
    Ok(object)
}

/// A signed object inside a container that may be BER is DER itself; one that isn't is told so.
pub(super) fn strict(
    one: Tlv<'_>,
    read: impl FnOnce(Tlv<'_>) -> Result<Object, Malformed>,
) -> Value {
    let read = || {
        let mut reader = Reader::new(one.whole, Rules::Der);
        let outer = reader.next()?;
        read(outer)
    };
    read()
        .unwrap_or_else(|error: Malformed| {
            // Offsets of a part begin anew: put them behind the part's own.
            let error = Malformed { offset: error.offset + one.offset, ..error };
            Object::new()
                .with(Field::Kind, Term::Unreadable)
                .with(Field::Malformed, malformed(&error))
        })
        .into()
}
