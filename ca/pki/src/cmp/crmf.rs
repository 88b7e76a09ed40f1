//! Certificate requests (RFC 4211), as far as CMP needs them: one request, proven by a signature.

use const_oid::ObjectIdentifier;
use der::{
    Any, Decode, Encode, Reader, Sequence, SliceReader, Tag,
    asn1::{BitString, BitStringRef},
};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::{
    ext::{Extension, pkix::name::GeneralName},
    name::Name,
    serial_number::SerialNumber,
    time::Time,
};

use super::{
    InfoTypeAndValue, MessageFault, malformed,
    message::{element, members},
};

/// id-regCtrl-oldCertID (RFC 4211 §6.5).
const OLD_CERT_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.5.1.5");

/// OptionalValidity (RFC 4211 §5).
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
pub struct OptionalValidity {
    /// From.
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub not_before: Option<Time>,
    /// To.
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub not_after: Option<Time>,
}

/// CertTemplate (RFC 4211 §5). Everything in it is a wish.
#[derive(Debug, Clone, Default, PartialEq, Eq, Sequence)]
pub struct CertTemplate {
    /// Of the certificate's syntax.
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    pub version: Option<u8>,
    /// Which certificate, in a revocation request.
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    pub serial_number: Option<SerialNumber>,
    /// How it is to be signed.
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    pub signing_alg: Option<AlgorithmIdentifierOwned>,
    /// By whom.
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    pub issuer: Option<Name>,
    /// For how long.
    #[asn1(context_specific = "4", tag_mode = "IMPLICIT", optional = "true")]
    pub validity: Option<OptionalValidity>,
    /// Whose.
    #[asn1(context_specific = "5", tag_mode = "EXPLICIT", optional = "true")]
    pub subject: Option<Name>,
    /// For which key.
    #[asn1(context_specific = "6", tag_mode = "IMPLICIT", optional = "true")]
    pub public_key: Option<SubjectPublicKeyInfoOwned>,
    /// Not used by anybody.
    #[asn1(context_specific = "7", tag_mode = "IMPLICIT", optional = "true")]
    pub issuer_uid: Option<BitString>,
    /// Not used by anybody.
    #[asn1(context_specific = "8", tag_mode = "IMPLICIT", optional = "true")]
    pub subject_uid: Option<BitString>,
    /// With which extensions.
    #[asn1(context_specific = "9", tag_mode = "IMPLICIT", optional = "true")]
    pub extensions: Option<Vec<Extension>>,
}

/// CertRequest (RFC 4211 §5).
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
pub struct CertRequest {
    /// Its number within the message.
    pub cert_req_id: i32,
    /// What is asked for.
    pub template: CertTemplate,
    /// How it is to be handled.
    #[asn1(optional = "true")]
    pub controls: Option<Vec<InfoTypeAndValue>>,
}

/// How the asker proves that it holds the private key (RFC 4211 §4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofOfPossession {
    /// By a signature over the request.
    Signature {
        /// How it was made.
        algorithm: AlgorithmIdentifierOwned,
        /// Its octets.
        signature: Vec<u8>,
    },
    /// By a signature over something else, where subject or key lie outside the template.
    SignatureOfInput,
    /// It says that somebody else has seen it.
    RaVerified,
    /// By what an encryption or agreement key would do, or not at all.
    Other,
}

/// One request.
#[derive(Debug, Clone)]
pub struct CertReqMsg<'a> {
    /// What was asked for, as it was signed.
    pub request_der: &'a [u8],
    /// The same, read.
    pub request: CertRequest,
    /// The proof, not looked at.
    pub proof: ProofOfPossession,
}

impl<'a> CertReqMsg<'a> {
    /// The one request of CertReqMessages.
    ///
    /// # Errors
    /// [`MessageFault`].
    pub fn parse(content: &'a [u8]) -> Result<Self, MessageFault> {
        const WHAT: &str = "CertReqMessages";
        let mut all = members(content).map_err(malformed(WHAT))?;
        if all.is_finished() {
            return Err(MessageFault::NotOne { what: WHAT });
        }
        let (_, one, _) = element(&mut all).map_err(malformed(WHAT))?;
        if !all.is_finished() {
            return Err(MessageFault::NotOne { what: WHAT });
        }
        Self::read(one).map_err(malformed("the CertReqMsg"))
    }

    /// Serial number of the certificate that this one is to follow (id-regCtrl-oldCertID, RFC 4211 §6.5),
    /// without leading zeros; `None`: none is named.
    ///
    /// # Errors
    /// [`MessageFault`].
    pub fn old_certificate(&self) -> Result<Option<Vec<u8>>, MessageFault> {
        #[derive(Sequence)]
        struct CertId {
            issuer: GeneralName,
            serial_number: SerialNumber,
        }
        let mut controls = self.request.controls.iter().flatten();
        let Some(found) = controls.find(|control| control.info_type == OLD_CERT_ID) else {
            return Ok(None);
        };
        let what = "the control oldCertID";
        let value = found.value.as_ref().ok_or(MessageFault::NotOne { what })?;
        let id: CertId = value.decode_as().map_err(malformed(what))?;
        let octets = id.serial_number.as_bytes();
        let zeros = octets.iter().take_while(|&&octet| octet == 0).count();
        Ok(Some(octets[zeros..].to_vec()))
    }

    fn read(one: &'a [u8]) -> der::Result<Self> {
        let mut reader = members(one)?;
        let (_, request_der, _) = element(&mut reader)?;
        let request = CertRequest::from_der(request_der)?;
        let mut proof = ProofOfPossession::Other;
        if !reader.is_finished()
            && let Tag::ContextSpecific { constructed, number } = Tag::peek(&reader)?
        {
            let (_, _, inside) = element(&mut reader)?;
            proof = match (number.0, constructed) {
                (0, false) => ProofOfPossession::RaVerified,
                (1, true) => popo_signing_key(inside)?,
                _ => ProofOfPossession::Other,
            };
        }
        // regInfo: facts of other people's registration, which nobody here asks for.
        if !reader.is_finished() {
            let (tag, ..) = element(&mut reader)?;
            tag.assert_eq(Tag::Sequence)?;
        }
        reader.finish()?;
        Ok(Self { request_der, request, proof })
    }
}

/// POPOSigningKey (RFC 4211 §4.1).
fn popo_signing_key(inside: &[u8]) -> der::Result<ProofOfPossession> {
    let mut reader = SliceReader::new(inside)?;
    if matches!(Tag::peek(&reader)?, Tag::ContextSpecific { .. }) {
        return Ok(ProofOfPossession::SignatureOfInput);
    }
    let algorithm = AlgorithmIdentifierOwned::decode(&mut reader)?;
    let signature = BitStringRef::decode(&mut reader)?;
    reader.finish()?;
    let signature = signature.as_bytes().ok_or_else(|| Tag::BitString.value_error())?.to_vec();
    Ok(ProofOfPossession::Signature { algorithm, signature })
}

/// CertReqMessages of one request, the asking side: what is to be signed is `request_der`.
///
/// # Errors
/// [`der::Error`]: too long.
pub fn cert_req_messages(
    request_der: &[u8],
    algorithm: AlgorithmIdentifierOwned,
    signature: &[u8],
) -> der::Result<Vec<u8>> {
    #[derive(Sequence)]
    struct PopoSigningKey {
        algorithm: AlgorithmIdentifierOwned,
        signature: BitString,
    }
    #[derive(Sequence)]
    struct One {
        request: Any,
        #[asn1(context_specific = "1", tag_mode = "IMPLICIT")]
        proof: PopoSigningKey,
    }
    let proof = PopoSigningKey { algorithm, signature: BitString::from_bytes(signature)? };
    vec![One { request: Any::from_der(request_der)?, proof }].to_der()
}
