//! Certs-only SignedData: certificates in an envelope without a signature
//! (RFC 5652 §5.1, RFC 5272 §4.1 "Simple PKI Response", as EST answers by RFC 7030 §4.1.3).

use cms::content_info::ContentInfo;
use const_oid::{ObjectIdentifier, db::rfc5911};
use der::{
    Any, AnyRef, Decode, Encode, Reader, Sequence, SliceReader, Tag, TagNumber, Tagged,
    asn1::SetOfVec,
};
use x509_cert::Certificate;

use super::signed_object::SignedObject;

/// More certificates than any path of ours has.
const MOST_CERTIFICATES: usize = 16;
/// Bound of what [`parse_certs_only`] looks at.
const MOST_OCTETS: usize = 256 * 1024;

/// Why a certs-only message could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum CertsOnlyError {
    /// Not DER, or another content type.
    #[error("not a certs-only CMS SignedData")]
    Malformed,
    /// Too many certificates, or too long.
    #[error("more than {MOST_CERTIFICATES} certificates or {MOST_OCTETS} octets")]
    TooLarge,
    /// One of the certificates is none.
    #[error("a certificate in the message is not well formed")]
    Certificate(#[source] der::Error),
}

/// SignedData without its content, whose certificates and signers are taken as they are
/// (RFC 5652 §5.1): certs-only, or a detached signature.
#[derive(Sequence)]
pub(super) struct WithoutContent<'a> {
    pub(super) version: u8,
    pub(super) digest_algorithms: SetOfVec<AnyRef<'a>>,
    pub(super) content: NoContent,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    pub(super) certificates: SetOfVec<AnyRef<'a>>,
    pub(super) signer_infos: SetOfVec<AnyRef<'a>>,
}

/// EncapsulatedContentInfo without content.
#[derive(Sequence)]
pub(super) struct NoContent {
    pub(super) content_type: ObjectIdentifier,
}

impl WithoutContent<'_> {
    /// The whole message (RFC 5652 §3).
    pub(super) fn to_message(&self) -> der::Result<Vec<u8>> {
        let content = Any::encode_from(self)?;
        ContentInfo { content_type: rfc5911::ID_SIGNED_DATA, content }.to_der()
    }
}

/// Puts certificates (DER) into a certs-only message.
///
/// # Errors
/// [`CertsOnlyError::Certificate`]: one of them is none. [`CertsOnlyError::TooLarge`].
pub fn certs_only(certificates_der: &[&[u8]]) -> Result<Vec<u8>, CertsOnlyError> {
    if certificates_der.len() > MOST_CERTIFICATES {
        return Err(CertsOnlyError::TooLarge);
    }
    let mut certificates = SetOfVec::new();
    for der in certificates_der {
        SignedObject::parse(der, false).map_err(CertsOnlyError::Certificate)?;
        let whole = AnyRef::from_der(der).map_err(CertsOnlyError::Certificate)?;
        certificates.insert(whole).map_err(CertsOnlyError::Certificate)?;
    }
    let signed_data = WithoutContent {
        version: 1,
        digest_algorithms: SetOfVec::new(),
        content: NoContent { content_type: rfc5911::ID_DATA },
        certificates,
        signer_infos: SetOfVec::new(),
    };
    signed_data.to_message().map_err(CertsOnlyError::Certificate)
}

/// SignedData without content and signer whose one certificate list is taken as it is.
#[derive(Sequence)]
struct WithList<'a> {
    version: u8,
    digest_algorithms: SetOfVec<AnyRef<'a>>,
    content: NoContent,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT")]
    lists: SetOfVec<AnyRef<'a>>,
    signer_infos: SetOfVec<AnyRef<'a>>,
}

/// Puts a certificate revocation list (DER) into a message of its own, as SCEP answers GetCRL
/// (RFC 8894 §4.6).
///
/// # Errors
/// [`CertsOnlyError::Certificate`]: it is none.
pub fn list_only(list_der: &[u8]) -> Result<Vec<u8>, CertsOnlyError> {
    SignedObject::parse(list_der, false).map_err(CertsOnlyError::Certificate)?;
    let written = || -> der::Result<Vec<u8>> {
        let content = Any::encode_from(&WithList {
            version: 1,
            digest_algorithms: SetOfVec::new(),
            content: NoContent { content_type: rfc5911::ID_DATA },
            lists: SetOfVec::try_from(vec![AnyRef::from_der(list_der)?])?,
            signer_infos: SetOfVec::new(),
        })?;
        ContentInfo { content_type: rfc5911::ID_SIGNED_DATA, content }.to_der()
    };
    written().map_err(CertsOnlyError::Certificate)
}

/// The certificates (DER, in the order of the message) of a certs-only message.
///
/// The order says nothing: a CMS certificate set is unordered. Whoever asked for a certificate
/// picks its own by the public key.
///
/// # Errors
/// [`CertsOnlyError`].
pub fn parse_certs_only(der: &[u8]) -> Result<Vec<Vec<u8>>, CertsOnlyError> {
    if der.len() > MOST_OCTETS {
        return Err(CertsOnlyError::TooLarge);
    }
    let malformed = |_| CertsOnlyError::Malformed;
    let info = ContentInfo::from_der(der).map_err(malformed)?;
    if info.content_type != rfc5911::ID_SIGNED_DATA || info.content.tag() != Tag::Sequence {
        return Err(CertsOnlyError::Malformed);
    }
    // By hand instead of `cms::SignedData`: other programs leave the set unsorted, which is not
    // DER and which the strict type refuses (RFC 5652 §5.1 asks for BER only).
    let mut members = SliceReader::new(info.content.value()).map_err(malformed)?;
    let mut certificates = Vec::new();
    let set = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
    while !members.is_finished() {
        let member = AnyRef::decode(&mut members).map_err(malformed)?;
        if member.tag() != set {
            continue;
        }
        let mut each = SliceReader::new(member.value()).map_err(malformed)?;
        while !each.is_finished() {
            if certificates.len() == MOST_CERTIFICATES {
                return Err(CertsOnlyError::TooLarge);
            }
            let certificate = each.tlv_bytes().map_err(malformed)?;
            Certificate::from_der(certificate).map_err(CertsOnlyError::Certificate)?;
            certificates.push(certificate.to_vec());
        }
    }
    if certificates.is_empty() {
        return Err(CertsOnlyError::Malformed);
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse_certs_only(&bytes);
            let _ = certs_only(&[&bytes]);
        }
    }

    #[test]
    fn an_empty_message_is_refused() {
        let empty = certs_only(&[]).unwrap();
        assert!(matches!(parse_certs_only(&empty), Err(CertsOnlyError::Malformed)));
    }
}
