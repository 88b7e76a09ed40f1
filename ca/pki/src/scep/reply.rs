//! Writing messages: answers, and what a client sends. SHA-256 and RSA, always.

use cms::{
    cert::IssuerAndSerialNumber,
    content_info::{CmsVersion, ContentInfo},
    signed_data::{SignerIdentifier, SignerInfo},
};
use const_oid::db::{rfc5911, rfc5912};
use der::{
    Any, AnyRef, Decode, Encode, Sequence,
    asn1::{Null, OctetString, SetOfVec},
};
use sha2::{Digest, Sha256};
use spki::AlgorithmIdentifierOwned;
use x509_cert::Certificate;

use super::{Attributes, FailInfo, MessageType, PkiStatus};

/// An answer (RFC 8894 §3.3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Granted; the content was encrypted for who asked.
    Success(Vec<u8>),
    /// Refused, and why in words that who stands there can act on.
    Failure(FailInfo, String),
    /// Not decided yet: who asked is to poll (RFC 8894 §3.3.2.3).
    Pending,
}

impl Reply {
    /// Its attributes and its content, in answer to a message with these attributes.
    #[must_use]
    pub fn to(self, asked: &Attributes, sender_nonce: Vec<u8>) -> (Attributes, Vec<u8>) {
        let (status, fail_info, text, content) = match self {
            Self::Success(content) => (PkiStatus::Success, None, None, content),
            Self::Failure(info, text) => (PkiStatus::Failure, Some(info), Some(text), Vec::new()),
            Self::Pending => (PkiStatus::Pending, None, None, Vec::new()),
        };
        let attributes = Attributes {
            message_type: MessageType::CertRep,
            transaction_id: asked.transaction_id.clone(),
            sender_nonce: Some(sender_nonce),
            recipient_nonce: asked.sender_nonce.clone(),
            status: Some(status),
            fail_info,
            fail_info_text: text,
        };
        (attributes, content)
    }
}

/// A message that its sender's key has yet to sign.
#[derive(Debug)]
pub struct MessageToSign {
    attributes: x509_cert::attr::Attributes,
    to_be_signed: Vec<u8>,
    content: Vec<u8>,
}

/// SignedData with a content, its certificates and signers as they are (RFC 5652 §5.1).
#[derive(Sequence)]
struct SignedData<'a> {
    version: u8,
    digest_algorithms: SetOfVec<AnyRef<'a>>,
    content: Content,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    certificates: SetOfVec<AnyRef<'a>>,
    signer_infos: SetOfVec<AnyRef<'a>>,
}

/// EncapsulatedContentInfo (RFC 5652 §5.2).
#[derive(Sequence)]
struct Content {
    content_type: const_oid::ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    content: Option<OctetString>,
}

impl MessageToSign {
    /// From attributes and content; no content where that is empty (RFC 8894 §3.3.2.2, §3.3.2.3).
    ///
    /// # Errors
    /// [`der::Error`]: something is too long.
    pub fn new(attributes: &Attributes, content: Vec<u8>) -> der::Result<Self> {
        let attributes = attributes.written(&Sha256::digest(&content))?;
        // With the tag of a SET, which the message has not (RFC 5652 §5.4).
        let to_be_signed = attributes.to_der()?;
        Ok(Self { attributes, to_be_signed, content })
    }

    /// What the key signs, by RSASSA-PKCS1-v1_5 with SHA-256.
    #[must_use]
    pub fn to_be_signed(&self) -> &[u8] {
        &self.to_be_signed
    }

    /// The whole message, with the certificate of who signed.
    ///
    /// # Errors
    /// [`der::Error`]: the certificate is none, or something is too long.
    pub fn attach(self, signature: &[u8], certificate_der: &[u8]) -> der::Result<Vec<u8>> {
        let certificate = Certificate::from_der(certificate_der)?;
        let tbs = certificate.tbs_certificate();
        // With NULL: clients were seen that take nothing else (RFC 5754 §2 has receivers take both).
        let sha256 =
            AlgorithmIdentifierOwned { oid: rfc5912::ID_SHA_256, parameters: Some(Null.into()) };
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: tbs.issuer().clone(),
                serial_number: tbs.serial_number().clone(),
            }),
            digest_alg: sha256.clone(),
            signed_attrs: Some(self.attributes),
            // RFC 3370 §3.2 lets receivers take it, and every client of SCEP does.
            signature_algorithm: AlgorithmIdentifierOwned {
                oid: rfc5912::RSA_ENCRYPTION,
                parameters: Some(Null.into()),
            },
            signature: OctetString::new(signature)?,
            unsigned_attrs: None,
        };
        let (sha256, signer) = (sha256.to_der()?, signer.to_der()?);
        let one = |der| SetOfVec::try_from(vec![AnyRef::from_der(der)?]);
        let content = (!self.content.is_empty())
            .then(|| OctetString::new(self.content.as_slice()))
            .transpose()?;
        let signed_data = SignedData {
            version: 1,
            digest_algorithms: one(&sha256)?,
            content: Content { content_type: rfc5911::ID_DATA, content },
            certificates: one(certificate_der)?,
            signer_infos: one(&signer)?,
        };
        let content = Any::encode_from(&signed_data)?;
        ContentInfo { content_type: rfc5911::ID_SIGNED_DATA, content }.to_der()
    }
}
