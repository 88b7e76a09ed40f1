//! Whole signed objects: certificates, CRLs, certification requests, OCSP responses.

use der::{Decode, Encode};
use x509_cert::{Certificate, request::CertReq};

use super::SignatureError;
use crate::{
    encoding::signed_object::SignedObject,
    path::{Crl, OcspAnswer},
};

/// What a signed object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// RFC 5280 §4.
    Certificate,
    /// RFC 5280 §5.
    Crl,
    /// RFC 2986.
    CertificationRequest,
    /// RFC 6960 §4.2.
    OcspResponse,
}

impl ObjectKind {
    /// In a few words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Crl => "CRL",
            Self::CertificationRequest => "certification request",
            Self::OcspResponse => "OCSP response",
        }
    }
}

/// Why an object's signature was not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// None of the four kinds.
    #[error("it is no certificate, CRL, certification request or OCSP response")]
    Unknown,
    /// It does not hold the key that would verify it.
    #[error("a {} does not hold its signer's key: name the signer", .0.words())]
    SignerNeeded(ObjectKind),
    /// The signature does not count.
    #[error("the signature of the {} does not hold", .0.words())]
    Signature(ObjectKind, #[source] SignatureError),
}

/// Verifies an object's signature by the key of `signer_spki_der`; without one, by the key that a
/// certificate or request itself certifies, as self-signed ones are. Whose key it is, and whether
/// it may sign such things, is not judged here.
///
/// # Errors
/// [`ObjectError`].
pub fn verify_object(
    der: &[u8],
    signer_spki_der: Option<&[u8]>,
) -> Result<ObjectKind, ObjectError> {
    if let Ok(answer) = OcspAnswer::parse(der) {
        let kind = ObjectKind::OcspResponse;
        let signer = signer_spki_der.ok_or(ObjectError::SignerNeeded(kind))?;
        return answer
            .verify(signer)
            .map_err(|error| ObjectError::Signature(kind, error))
            .map(|()| kind);
    }
    if let Ok(crl) = Crl::parse(der) {
        let kind = ObjectKind::Crl;
        let signer = signer_spki_der.ok_or(ObjectError::SignerNeeded(kind))?;
        return crl
            .verify(signer)
            .map_err(|error| ObjectError::Signature(kind, error))
            .map(|()| kind);
    }
    let (kind, own) = if let Ok(certificate) = Certificate::from_der(der) {
        (ObjectKind::Certificate, certificate.tbs_certificate().subject_public_key_info().to_der())
    } else if let Ok(request) = CertReq::from_der(der) {
        (ObjectKind::CertificationRequest, request.info.public_key.to_der())
    } else {
        return Err(ObjectError::Unknown);
    };
    let own = own.map_err(|_| ObjectError::Unknown)?;
    let signed = SignedObject::parse(der, false).map_err(|_| ObjectError::Unknown)?;
    let signer = signer_spki_der.unwrap_or(&own);
    super::verify(signer, &signed.algorithm, signed.to_be_signed, &signed.signature)
        .map(|()| kind)
        .map_err(|error| ObjectError::Signature(kind, error))
}

/// The `SubjectPublicKeyInfo` of a certificate or request, or itself.
#[must_use]
pub fn public_key_of(der: &[u8]) -> Option<Vec<u8>> {
    if let Ok(certificate) = Certificate::from_der(der) {
        return certificate.tbs_certificate().subject_public_key_info().to_der().ok();
    }
    if let Ok(request) = CertReq::from_der(der) {
        return request.info.public_key.to_der().ok();
    }
    spki::SubjectPublicKeyInfoRef::try_from(der).is_ok().then(|| der.to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (verify_object(&bytes, None), verify_object(&bytes, Some(&bytes)));
            let _ = public_key_of(&bytes);
        }
    }
}
