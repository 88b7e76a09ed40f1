//! What kind of file this is: DER, base64, or PEM with several blocks; then which object.

use der::pem;

use super::{
    Context, MOST_OBJECTS, certificate, crl, fault,
    field::Field,
    key, ocsp, oid, pkcs7, pkcs12,
    report::{Object, Value},
    request,
    term::Term,
    unreadable,
};
use crate::encoding::tlv::{Malformed, Reader, Rules, Tag, Tlv};

/// The objects of an input.
pub(super) fn objects(context: &Context<'_>, input: &[u8]) -> Vec<Object> {
    let begins = input.iter().position(|octet| !octet.is_ascii_whitespace()).unwrap_or(0);
    if input.get(begins) != Some(&0x30) || looks_like_base64(input) {
        if find(input, b"-----BEGIN ").is_some() {
            return pem_blocks(context, input);
        }
        if let Some(der) = from_base64(input) {
            return vec![der_object(context, &der)];
        }
        return vec![unreadable(Term::FaultNoFormat, begins, None)];
    }
    vec![der_object(context, input)]
}

fn looks_like_base64(input: &[u8]) -> bool {
    // A DER SEQUENCE begins with "0" too; its second octet, a length, is hardly ever one of
    // base64's letters with all that follow being so as well.
    input.iter().all(|octet| {
        octet.is_ascii_alphanumeric()
            || octet.is_ascii_whitespace()
            || matches!(octet, b'+' | b'/' | b'=' | b'-' | b':' | b',')
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut at = 0;
    while let Some(next) = haystack[at..].iter().position(|octet| *octet == first) {
        at += next;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        at += 1;
    }
    None
}

fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    use base64::{
        Engine,
        alphabet::STANDARD,
        engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    };
    const TOLERANT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let dense: Vec<u8> =
        text.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    if dense.is_empty() { None } else { TOLERANT.decode(dense).ok() }
}

/// PEM (RFC 7468). Text around the blocks is passed over, as OpenSSL writes it.
fn pem_blocks(context: &Context<'_>, input: &[u8]) -> Vec<Object> {
    let mut objects = Vec::new();
    let mut at = 0;
    while let Some(begin) = find(&input[at..], b"-----BEGIN ") {
        let begin = at + begin;
        let end = find(&input[begin..], b"-----END ")
            .and_then(|end| {
                let tail = &input[begin + end..];
                Some(begin + end + find(tail.get(9..)?, b"-----")? + 14)
            })
            .unwrap_or(input.len());
        at = end;
        if objects.len() == MOST_OBJECTS || !context.take() {
            objects.push(unreadable(Term::FaultTooMany, begin, None));
            return objects;
        }
        objects.push(block(context, &input[begin..end], begin));
    }
    objects
}

fn block(context: &Context<'_>, block: &[u8], at: usize) -> Object {
    let label = label(block);
    let place = |mut object: Object| {
        // Behind its kind, so that a reader sees which of several it is.
        object.0.insert(1.min(object.0.len()), (Field::PemLabel, Value::Text(label.clone())));
        object.0.insert(2.min(object.0.len()), (Field::PemOffset, at.into()));
        object
    };
    if label.ends_with("PRIVATE KEY") {
        return place(private_key(label.starts_with("ENCRYPTED"), None));
    }
    // Some programs break lines at other places than RFC 7468 §3 asks for.
    let der = pem::decode_vec(block)
        .map(|(_, der)| der)
        .ok()
        .or_else(|| body(block).and_then(from_base64));
    match der {
        Some(der) => place(der_object(context, &der)),
        None => place(unreadable(Term::FaultBase64, at, None)),
    }
}

fn label(block: &[u8]) -> String {
    let rest = &block[b"-----BEGIN ".len().min(block.len())..];
    let end = find(rest, b"-----").unwrap_or(0).min(64);
    String::from_utf8_lossy(&rest[..end]).into_owned()
}

fn body(block: &[u8]) -> Option<&[u8]> {
    let rest = &block[b"-----BEGIN ".len()..];
    let start = find(rest, b"-----")? + 5;
    let end = start + find(&rest[start..], b"-----END ")?;
    Some(&rest[start..end])
}

fn private_key(encrypted: bool, algorithm: Option<Value>) -> Object {
    Object::new()
        .with(Field::Kind, if encrypted { Term::EncryptedPrivateKey } else { Term::PrivateKey })
        .with_some(Field::Algorithm, algorithm)
        .with(Field::Remark, Term::PrivateKeyNotShown)
}

fn der_object(context: &Context<'_>, der: &[u8]) -> Object {
    match recognise(context, der) {
        Ok(Some(object)) => object,
        Ok(None) => unreadable(Term::FaultNoObject, 0, None),
        Err(error) => {
            let (fault, expected) = fault(error.fault);
            unreadable(fault, error.offset, expected)
        }
    }
}

/// Which object it is, by its outermost members; `None` if it is none that we know.
fn recognise(context: &Context<'_>, der: &[u8]) -> Result<Option<Object>, Malformed> {
    // BER until it is known which: the containers allow it, the rest is then read as DER.
    let mut reader = Reader::new(der, Rules::Ber);
    let outer = reader.next_as(Tag::SEQUENCE, "SEQUENCE")?;
    reader.finish()?;
    let mut members = outer.children()?;
    let first = members.next()?;
    let second = if members.is_finished() { None } else { Some(members.next()?) };
    let third = if members.is_finished() { None } else { Some(members.next()?) };
    let tags = (first.tag, second.map(|tlv| tlv.tag), third.map(|tlv| tlv.tag));
    let strict = || {
        let mut reader = Reader::new(der, Rules::Der);
        let outer = reader.next()?;
        reader.finish().map(|()| outer)
    };
    let object = match tags {
        (Tag::OID, Some(content), None) if content == Tag::context(0) => {
            pkcs7::content_info(context, outer)?
        }
        (Tag::INTEGER, Some(Tag::SEQUENCE), _) if first.value == [3] => pkcs12::file(context, der)?,
        (Tag::INTEGER, Some(Tag::SEQUENCE), Some(Tag::OCTET_STRING)) => {
            let kind = second.map(|tlv| tlv.children()?.next()).transpose()?;
            private_key(false, kind.filter(|tlv| tlv.tag == Tag::OID).map(|tlv| oid::value(&tlv)))
        }
        // RSAPrivateKey (RFC 8017 appendix A.1.2), ECPrivateKey (RFC 5915 §3).
        (Tag::INTEGER, Some(Tag::INTEGER), Some(Tag::INTEGER))
        | (Tag::INTEGER, Some(Tag::OCTET_STRING), _) => private_key(false, None),
        (Tag::SEQUENCE, Some(Tag::OCTET_STRING), None) => {
            let kind = first.children()?.next()?;
            private_key(true, (kind.tag == Tag::OID).then(|| oid::value(&kind)))
        }
        (Tag::SEQUENCE, Some(Tag::BIT_STRING), None) => {
            let key = key::public_key(strict()?, None)?;
            let mut object = Object::new().with(Field::Kind, Term::PublicKey);
            object.0.extend(key.0);
            object
        }
        (Tag::ENUMERATED, _, None) => ocsp::response(context, strict()?)?,
        (Tag::SEQUENCE, None, None) => ocsp::request(context, strict()?)?,
        (Tag::SEQUENCE, Some(signature), None) if signature == Tag::context(0) => {
            ocsp::request(context, strict()?)?
        }
        (Tag::SEQUENCE, Some(Tag::SEQUENCE), Some(Tag::BIT_STRING)) => {
            return signed(context, strict()?, &first);
        }
        _ => return Ok(None),
    };
    Ok(Some(object))
}

/// Certificate, CRL or request: by what stands in the part under the signature.
fn signed(
    context: &Context<'_>,
    outer: Tlv<'_>,
    tbs: &Tlv<'_>,
) -> Result<Option<Object>, Malformed> {
    let mut members = tbs.children()?;
    let mut tags = Vec::with_capacity(4);
    while !members.is_finished() && tags.len() < 4 {
        tags.push(members.next()?.tag);
    }
    let is_time = |tag: &Tag| *tag == Tag::UTC_TIME || *tag == Tag::GENERALIZED_TIME;
    let object = match tags.as_slice() {
        [Tag::INTEGER, Tag::SEQUENCE, Tag::SEQUENCE, time] if is_time(time) => {
            crl::crl(context, outer)?
        }
        [Tag::SEQUENCE, Tag::SEQUENCE, time, ..] if is_time(time) => crl::crl(context, outer)?,
        [Tag::INTEGER, Tag::SEQUENCE, Tag::SEQUENCE, Tag::SEQUENCE] => {
            certificate::certificate(context, outer)?
        }
        [Tag::INTEGER, Tag::SEQUENCE, Tag::SEQUENCE, ..] => request::request(context, outer)?,
        [version, ..] if *version == Tag::context(0) => certificate::certificate(context, outer)?,
        _ => return Ok(None),
    };
    Ok(Some(object))
}
