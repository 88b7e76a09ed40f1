//! Detached signatures of documents by one person: CAdES-BES (RFC 5126 §4.3.1; ETSI EN 319 122-1) in a
//! CMS SignedData without its content (RFC 5652 §5), SHA-256 with RSA.
//!
//! The signature is over the DER of the signed attributes and never over the document itself: content
//! type, digest of the document, time, and which certificate (RFC 5652 §11, RFC 5035 §3). A [`BoundDigest`]
//! adds what else the signature shall answer for; programs that do not know it pass over it, and it is
//! signed all the same.
//!
//! No private key here: [`SignedAttributes::to_be_signed`] goes to whoever holds it.

use cms::{
    cert::IssuerAndSerialNumber,
    content_info::{CmsVersion, ContentInfo},
    signed_data::{SignerIdentifier, SignerInfo},
};
use const_oid::{
    ObjectIdentifier,
    db::{rfc5911, rfc5912},
};
use der::{
    Any, AnyRef, Decode, Encode, Sequence,
    asn1::{Null, OctetString, SetOfVec},
};
use sha2::{Digest, Sha256};
use spki::AlgorithmIdentifierOwned;
use time::OffsetDateTime;
use x509_cert::{
    Certificate,
    attr::{Attribute, Attributes},
    ext::pkix::name::GeneralName,
    serial_number::SerialNumber,
    time::Time,
};

use super::cms::{NoContent, WithoutContent};
use super::instant;
use crate::signature::{self, SignatureError};

/// No signature of one person is longer: two certificates' worth.
pub const MOST_OCTETS: usize = 16 * 1024;

/// Why a signature could not be made, or does not count.
#[derive(Debug, thiserror::Error)]
pub enum CadesError {
    /// The certificate of who signs is none.
    #[error("the certificate of who signs is not well formed")]
    Certificate(#[source] der::Error),
    /// A part that cannot be encoded.
    #[error("the signature cannot be encoded")]
    Encoding(#[source] der::Error),
    /// Not a detached signature of one person in DER, or longer than [`MOST_OCTETS`].
    #[error("not a detached CAdES signature of one person")]
    Malformed,
    /// A signed attribute that is missing, stands twice or has another form.
    #[error("the signed attribute {0} is missing or not as it should be")]
    Attribute(&'static str),
    /// Made over another document.
    #[error("the signature is of another document")]
    AnotherDocument,
    /// The certificate that lies in it is not the one that was signed for.
    #[error("the signature was made for another certificate than the one in it")]
    AnotherCertificate,
    /// It does not verify.
    #[error("the signature does not count")]
    Signature(#[source] SignatureError),
}

/// A SHA-256 digest that is signed beside the document: an attribute of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoundDigest {
    /// The attribute's type; its one value is an OCTET STRING of the digest.
    pub attribute: ObjectIdentifier,
    /// What is bound.
    pub sha256: [u8; 32],
}

/// What a document key signs, and for which certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedAttributes {
    attributes: Attributes,
    to_be_signed: Vec<u8>,
    certificate_der: Vec<u8>,
}

/// SigningCertificateV2 (RFC 5035 §3), of one certificate and without policies.
#[derive(Sequence)]
struct SigningCertificate {
    certificates: Vec<CertificateId>,
}

/// ESSCertIDv2 (RFC 5035 §4); SHA-256 is the default, and so not written in DER.
#[derive(Sequence)]
struct CertificateId {
    hash: OctetString,
    issuer_serial: IssuerSerial,
}

/// IssuerSerial (RFC 5035 §4): which certificate of which authority.
#[derive(Sequence)]
struct IssuerSerial {
    issuer: Vec<GeneralName>,
    serial_number: SerialNumber,
}

impl SignedAttributes {
    /// For a document, signed now by the key of this certificate.
    ///
    /// # Errors
    /// [`CadesError::Certificate`], [`CadesError::Encoding`]: a time that has no form.
    pub fn new(
        content: &[u8],
        certificate_der: &[u8],
        signing_time: OffsetDateTime,
        bound: Option<BoundDigest>,
    ) -> Result<Self, CadesError> {
        let certificate =
            Certificate::from_der(certificate_der).map_err(CadesError::Certificate)?;
        let tbs = certificate.tbs_certificate();
        let signing_certificate = SigningCertificate {
            certificates: vec![CertificateId {
                hash: octets(&Sha256::digest(certificate_der))?,
                issuer_serial: IssuerSerial {
                    issuer: vec![GeneralName::DirectoryName(tbs.issuer().clone())],
                    serial_number: tbs.serial_number().clone(),
                },
            }],
        };
        // The same form as in certificates (RFC 5652 §11.3).
        let time = instant::to_time(signing_time).map_err(CadesError::Encoding)?;
        let mut all = vec![
            attribute(rfc5911::ID_CONTENT_TYPE, &rfc5911::ID_DATA)?,
            attribute(rfc5911::ID_MESSAGE_DIGEST, &octets(&Sha256::digest(content))?)?,
            attribute(rfc5911::ID_SIGNING_TIME, &time)?,
            attribute(rfc5911::ID_AA_SIGNING_CERTIFICATE_V_2, &signing_certificate)?,
        ];
        if let Some(BoundDigest { attribute: oid, sha256 }) = bound {
            all.push(attribute(oid, &octets(&sha256)?)?);
        }
        let attributes = Attributes::try_from(all).map_err(CadesError::Encoding)?;
        // With the tag of a SET, which the message has not (RFC 5652 §5.4).
        let to_be_signed = attributes.to_der().map_err(CadesError::Encoding)?;
        Ok(Self { attributes, to_be_signed, certificate_der: certificate_der.to_vec() })
    }

    /// The octets that are signed: a SET, DER.
    #[must_use]
    pub fn to_be_signed(&self) -> &[u8] {
        &self.to_be_signed
    }

    /// The detached signature, with the signer's certificate in it.
    ///
    /// # Errors
    /// [`CadesError::Signature`]: the key did not sign these attributes, and nothing goes out.
    pub fn attach(self, signature: &[u8]) -> Result<Vec<u8>, CadesError> {
        let certificate =
            Certificate::from_der(&self.certificate_der).map_err(CadesError::Certificate)?;
        let tbs = certificate.tbs_certificate();
        verify_signature(&certificate, &rsa_sha256(), &self.to_be_signed, signature)?;
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: tbs.issuer().clone(),
                serial_number: tbs.serial_number().clone(),
            }),
            digest_alg: sha256(),
            signed_attrs: Some(self.attributes),
            signature_algorithm: rsa_sha256(),
            signature: octets(signature)?,
            unsigned_attrs: None,
        };
        assemble(&self.certificate_der, &signer).map_err(CadesError::Encoding)
    }
}

fn assemble(certificate_der: &[u8], signer: &SignerInfo) -> der::Result<Vec<u8>> {
    let (digest_algorithm, signer) = (sha256().to_der()?, signer.to_der()?);
    let one = |der| SetOfVec::try_from(vec![AnyRef::from_der(der)?]);
    WithoutContent {
        version: 1,
        digest_algorithms: one(&digest_algorithm)?,
        content: NoContent { content_type: rfc5911::ID_DATA },
        certificates: one(certificate_der)?,
        signer_infos: one(&signer)?,
    }
    .to_message()
}

/// A detached signature that holds: over this document, by the key of the certificate in it. Whose
/// certificate that is, and whether it counts, a path tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSignature {
    certificate_der: Vec<u8>,
    signing_time: OffsetDateTime,
    attributes: Attributes,
}

impl VerifiedSignature {
    /// Verifies what [`SignedAttributes::attach`] makes. Stricter than CMS: DER, one signer, one
    /// certificate, and that certificate bound by the signature.
    ///
    /// # Errors
    /// [`CadesError`].
    pub fn verify(der: &[u8], content: &[u8]) -> Result<Self, CadesError> {
        let malformed = |_| CadesError::Malformed;
        if der.len() > MOST_OCTETS {
            return Err(CadesError::Malformed);
        }
        let info = ContentInfo::from_der(der).map_err(malformed)?;
        if info.content_type != rfc5911::ID_SIGNED_DATA {
            return Err(CadesError::Malformed);
        }
        let data: WithoutContent<'_> = info.content.decode_as().map_err(malformed)?;
        let signer = data.signer_infos.as_slice();
        let ([signer], [certificate]) = (signer, data.certificates.as_slice()) else {
            return Err(CadesError::Malformed);
        };
        let signer: SignerInfo = signer.decode_as().map_err(malformed)?;
        let (SignerIdentifier::IssuerAndSerialNumber(sid), Some(attributes)) =
            (&signer.sid, &signer.signed_attrs)
        else {
            return Err(CadesError::Malformed);
        };
        let certificate_der = certificate.to_der().map_err(malformed)?;
        let usual = signer.version == CmsVersion::V1
            && signer.digest_alg == sha256()
            && signer.signature_algorithm == rsa_sha256()
            && signer.unsigned_attrs.is_none();
        // What stands outside the signature has one form only, so that nobody makes two of one.
        if !usual || assemble(&certificate_der, &signer).map_err(malformed)? != der {
            return Err(CadesError::Malformed);
        }
        let certificate =
            Certificate::from_der(&certificate_der).map_err(CadesError::Certificate)?;
        let tbs = certificate.tbs_certificate();
        let of: SigningCertificate =
            only(attributes, rfc5911::ID_AA_SIGNING_CERTIFICATE_V_2, "signing-certificate-v2")?;
        let bound = of.certificates.first().is_some_and(|first| {
            first.hash.as_bytes() == Sha256::digest(&certificate_der).as_slice()
        });
        if !bound || sid.issuer != *tbs.issuer() || sid.serial_number != *tbs.serial_number() {
            return Err(CadesError::AnotherCertificate);
        }
        let content_type: ObjectIdentifier =
            only(attributes, rfc5911::ID_CONTENT_TYPE, "content-type")?;
        if content_type != rfc5911::ID_DATA {
            return Err(CadesError::Attribute("content-type"));
        }
        let time: Time = only(attributes, rfc5911::ID_SIGNING_TIME, "signing-time")?;
        let digest: OctetString = only(attributes, rfc5911::ID_MESSAGE_DIGEST, "message-digest")?;
        if digest.as_bytes() != Sha256::digest(content).as_slice() {
            return Err(CadesError::AnotherDocument);
        }
        // Only DER was read, so that these are the octets that came, with the tag of a SET.
        let to_be_signed = attributes.to_der().map_err(malformed)?;
        let signature = signer.signature.as_bytes();
        verify_signature(&certificate, &signer.signature_algorithm, &to_be_signed, signature)?;
        let signing_time = instant::from_time(&time);
        Ok(Self { attributes: attributes.clone(), certificate_der, signing_time })
    }

    /// The certificate of who signed, DER.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate_der
    }

    /// When, by the clock of who signed.
    #[must_use]
    pub fn signing_time(&self) -> OffsetDateTime {
        self.signing_time
    }

    /// What else was signed under this attribute's type, see [`BoundDigest`].
    ///
    /// # Errors
    /// [`CadesError::Attribute`]: it is not there, or there twice.
    pub fn bound(&self, attribute: ObjectIdentifier) -> Result<[u8; 32], CadesError> {
        const NAME: &str = "that binds the occasion";
        let octets: OctetString = only(&self.attributes, attribute, NAME)?;
        octets.as_bytes().try_into().map_err(|_| CadesError::Attribute(NAME))
    }
}

fn verify_signature(
    certificate: &Certificate,
    algorithm: &AlgorithmIdentifierOwned,
    to_be_signed: &[u8],
    signature: &[u8],
) -> Result<(), CadesError> {
    let spki = certificate.tbs_certificate().subject_public_key_info().to_der();
    let spki = spki.map_err(CadesError::Certificate)?;
    signature::verify(&spki, algorithm, to_be_signed, signature).map_err(CadesError::Signature)
}

/// The one value of an attribute that stands once (RFC 5652 §11).
fn only<T>(
    attributes: &Attributes,
    oid: ObjectIdentifier,
    name: &'static str,
) -> Result<T, CadesError>
where
    T: for<'a> Decode<'a, Error = der::Error>,
{
    let wrong = CadesError::Attribute(name);
    let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
    let (Some(attribute), None) = (found.next(), found.next()) else { return Err(wrong) };
    let [value] = attribute.values.as_slice() else { return Err(wrong) };
    let der = value.to_der().map_err(|_| CadesError::Attribute(name))?;
    T::from_der(&der).map_err(|_| wrong)
}

fn attribute<T: Encode>(oid: ObjectIdentifier, value: &T) -> Result<Attribute, CadesError> {
    let value = value.to_der().and_then(|der| Any::from_der(&der));
    let values = value.and_then(|value| SetOfVec::try_from(vec![value]));
    Ok(Attribute { oid, values: values.map_err(CadesError::Encoding)? })
}

fn octets(octets: &[u8]) -> Result<OctetString, CadesError> {
    OctetString::new(octets).map_err(CadesError::Encoding)
}

/// Without parameters (RFC 5754 §2).
fn sha256() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: rfc5912::ID_SHA_256, parameters: None }
}

/// With NULL (RFC 5754 §3.2).
fn rsa_sha256() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned {
        oid: rfc5912::SHA_256_WITH_RSA_ENCRYPTION,
        parameters: Some(Null.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = VerifiedSignature::verify(&bytes, &bytes);
            let _ = SignedAttributes::new(&bytes, &bytes, OffsetDateTime::UNIX_EPOCH, None);
        }
    }
}
