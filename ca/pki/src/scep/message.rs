//! A message from outside: its frame, its signer, its signature.

use aws_lc_rs::{
    digest::digest,
    signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, UnparsedPublicKey},
};
use const_oid::db::{rfc5911, rfc5912};
use der::{AnyRef, Decode, Encode};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};
use x509_cert::Certificate;

use super::{Attributes, MOST_OCTETS, MessageFault, Weakness};
use crate::{
    encoding::{
        pkcs12::Digest,
        tlv::{self, Malformed, Reader, Rules, Tag, Tlv},
    },
    signature::{self, Hash, Scheme, SignatureError},
};

/// Nobody needs more: the signer's, and what leads to it.
const MOST_CERTIFICATES: usize = 8;

/// A parsed message about which nothing is proven.
#[derive(Debug, Clone)]
pub struct UnverifiedMessage {
    attributes: Attributes,
    content: Vec<u8>,
    content_digest: Vec<u8>,
    signer_der: Vec<u8>,
    digest: Digest,
    signature_algorithm: AlgorithmIdentifierOwned,
    /// The inside of the signed attributes as they came.
    signed: Vec<u8>,
    signature: Vec<u8>,
}

/// A message whose signature holds under the certificate in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedMessage {
    /// SCEP's attributes.
    pub attributes: Attributes,
    /// What was signed: an EnvelopedData, or nothing.
    pub content: Vec<u8>,
    /// The certificate of who signed, DER. It may be anybody's.
    pub signer_der: Vec<u8>,
    /// Its key, DER `SubjectPublicKeyInfo`.
    pub signer_key_der: Vec<u8>,
    /// Whether signature or digest are of the old kind.
    pub weakness: Option<Weakness>,
}

impl UnverifiedMessage {
    /// Reads a ContentInfo of SignedData (RFC 5652 §3, §5.1) with one signer.
    ///
    /// # Errors
    /// [`MessageFault`].
    pub fn parse(octets: &[u8]) -> Result<Self, MessageFault> {
        if octets.len() > MOST_OCTETS {
            return Err(MessageFault::TooLong);
        }
        let mut members = content_of(octets, &rfc5911::ID_SIGNED_DATA.to_string())?;
        members.next_as(Tag::INTEGER, "SignedData.version")?;
        members.next_as(Tag::SET, "SignedData.digestAlgorithms")?;
        let content = content(&members.next_as(Tag::SEQUENCE, "encapContentInfo")?)?;
        let certificates = match members.next_if(Tag::context(0))? {
            Some(set) => certificates(&set)?,
            None => Vec::new(),
        };
        members.next_if(Tag::context(1))?;
        let infos = members.next_as(Tag::SET, "SignedData.signerInfos")?;
        members.finish()?;
        let info = infos.only()?;

        let mut members = info.members(Tag::SEQUENCE, "SignerInfo")?;
        members.next_as(Tag::INTEGER, "SignerInfo.version")?;
        let sid = members.next()?;
        let (digest_name, _) = algorithm(&members.next()?)?;
        let digest = Digest::of_digest(&digest_name).ok_or(MessageFault::Algorithm(digest_name))?;
        let signed = members.next_as(Tag::context(0), "SignerInfo.signedAttrs")?;
        let (_, signature_algorithm) = algorithm(&members.next()?)?;
        let signature =
            members.next_as(Tag::OCTET_STRING, "SignerInfo.signature")?.octet_string()?;
        members.next_if(Tag::context(1))?;
        members.finish()?;
        let (attributes, content_digest) = Attributes::parse(signed.value)?;
        Ok(Self {
            attributes,
            content,
            content_digest,
            signer_der: signer(&sid, certificates)?,
            digest,
            signature_algorithm,
            signed: signed.value.to_vec(),
            signature,
        })
    }

    /// The same under another certificate, for tests.
    #[cfg(test)]
    pub(super) fn with_signer(self, signer_der: Vec<u8>) -> Self {
        Self { signer_der, ..self }
    }

    /// SCEP's attributes: what a refusal must repeat, of whoever sent it.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The certificate that says to be the signer's, DER.
    #[must_use]
    pub fn signer_der(&self) -> &[u8] {
        &self.signer_der
    }

    /// Proves that the key of the signer's certificate made this message.
    ///
    /// # Errors
    /// [`MessageFault::Digest`], [`MessageFault::Signature`], [`MessageFault::Algorithm`],
    /// [`MessageFault::NoCertificate`]: its certificate is none.
    pub fn verify(self) -> Result<VerifiedMessage, MessageFault> {
        let certificate = Certificate::from_der(&self.signer_der);
        let signer_key_der = certificate
            .and_then(|found| found.tbs_certificate().subject_public_key_info().to_der())
            .map_err(|_| MessageFault::NoCertificate)?;
        only_form(&signer_key_der).map_err(MessageFault::Signature)?;
        // Of public octets: how long the comparison takes tells nothing.
        if digest(self.digest.hash(), &self.content).as_ref() != self.content_digest {
            return Err(MessageFault::Digest);
        }
        // RFC 5652 §5.4: signed is the DER of the SET, whatever was sent. Clients that sign what
        // they send without sorting it were seen as well as such that sort what they sign only.
        let as_sent = set(&self.signed);
        let verdict = self.verified_over(&signer_key_der, &as_sent);
        let weak_signature = match verdict {
            Err(MessageFault::Signature(SignatureError::Invalid)) => {
                self.verified_over(&signer_key_der, &sorted_set(&self.signed)?)?
            }
            verdict => verdict?,
        };
        let weak = weak_signature || self.digest == Digest::Sha1;
        Ok(VerifiedMessage {
            attributes: self.attributes,
            content: self.content,
            signer_der: self.signer_der,
            signer_key_der,
            weakness: weak.then_some(Weakness::Sha1),
        })
    }

    /// Whether the signature is by SHA-1, if it holds over these octets.
    fn verified_over(&self, key_der: &[u8], to_be_signed: &[u8]) -> Result<bool, MessageFault> {
        let failed = MessageFault::Signature;
        // RFC 3370 §3.2: `rsaEncryption` stands for RSASSA-PKCS1-v1_5 with the digest beside it.
        let scheme = match (self.signature_algorithm.oid, self.digest) {
            (rfc5912::SHA_1_WITH_RSA_ENCRYPTION, _) | (rfc5912::RSA_ENCRYPTION, Digest::Sha1) => {
                return verify_sha1(key_der, to_be_signed, &self.signature)
                    .map(|()| true)
                    .map_err(failed);
            }
            (rfc5912::RSA_ENCRYPTION, Digest::Sha256) => Some(Scheme::Pkcs1(Hash::Sha256)),
            (rfc5912::RSA_ENCRYPTION, Digest::Sha384) => Some(Scheme::Pkcs1(Hash::Sha384)),
            (rfc5912::RSA_ENCRYPTION, Digest::Sha512) => Some(Scheme::Pkcs1(Hash::Sha512)),
            _ => None,
        };
        let verified = match scheme {
            Some(scheme) => {
                signature::verify_scheme(key_der, scheme, to_be_signed, &self.signature)
            }
            None => {
                signature::verify(key_der, &self.signature_algorithm, to_be_signed, &self.signature)
            }
        };
        match verified {
            Ok(()) => Ok(false),
            Err(SignatureError::Algorithm { oid } | SignatureError::Unsupported { oid }) => {
                Err(MessageFault::Algorithm(oid.to_string()))
            }
            Err(error) => Err(failed(error)),
        }
    }
}

/// That an RSA key is written in its one form, with NULL beside the algorithm (RFC 3279 §2.3.1) and whole octets: who signed is
/// known again by the octets of the key.
fn only_form(key_der: &[u8]) -> Result<(), SignatureError> {
    let spki = SubjectPublicKeyInfoRef::try_from(key_der).map_err(|_| SignatureError::Key)?;
    let is_rsa = spki.algorithm.oid == rfc5912::RSA_ENCRYPTION;
    let usual = spki.algorithm.parameters == Some(AnyRef::NULL)
        && spki.subject_public_key.as_bytes().is_some();
    if is_rsa && !usual {
        return Err(SignatureError::Key);
    }
    Ok(())
}

/// The one place where a SHA-1 signature is looked at: whether it may count is the caller's to say.
fn verify_sha1(key_der: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let spki = SubjectPublicKeyInfoRef::try_from(key_der).map_err(|_| SignatureError::Key)?;
    if spki.algorithm.oid != rfc5912::RSA_ENCRYPTION {
        return Err(SignatureError::Algorithm { oid: rfc5912::SHA_1_WITH_RSA_ENCRYPTION });
    }
    let key = spki.subject_public_key.raw_bytes();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, key)
        .verify(message, signature)
        .map_err(|_| SignatureError::Invalid)
}

/// The members of the SEQUENCE in a ContentInfo of this type.
pub(super) fn content_of<'a>(octets: &'a [u8], oid: &str) -> Result<Reader<'a>, Malformed> {
    let mut reader = Reader::new(octets, Rules::Ber);
    let info = reader.next()?;
    reader.finish()?;
    let mut members = info.members(Tag::SEQUENCE, "ContentInfo")?;
    let kind = members.next_as(Tag::OID, "ContentInfo.contentType")?;
    if tlv::oid_text(kind.value).as_deref() != Some(oid) {
        return Err(kind.expected("a content of this kind"));
    }
    let content = members.next_as(Tag::context(0), "ContentInfo.content")?.only()?;
    members.finish()?;
    content.members(Tag::SEQUENCE, "the content")
}

/// Name and whole of an AlgorithmIdentifier.
pub(super) fn algorithm(tlv: &Tlv<'_>) -> Result<(String, AlgorithmIdentifierOwned), Malformed> {
    let malformed = || tlv.expected("AlgorithmIdentifier");
    let read = AlgorithmIdentifierOwned::from_der(tlv.whole).map_err(|_| malformed())?;
    Ok((read.oid.to_string(), read))
}

fn content(info: &Tlv<'_>) -> Result<Vec<u8>, Malformed> {
    let mut members = info.children()?;
    let kind = members.next_as(Tag::OID, "eContentType")?;
    if tlv::oid_text(kind.value) != Some(rfc5911::ID_DATA.to_string()) {
        return Err(kind.expected("id-data"));
    }
    let content = match members.next_if(Tag::context(0))? {
        Some(content) => content.only()?.expect(Tag::OCTET_STRING, "eContent")?.octet_string()?,
        None => Vec::new(),
    };
    members.finish()?;
    Ok(content)
}

fn certificates<'a>(set: &Tlv<'a>) -> Result<Vec<&'a [u8]>, Malformed> {
    let mut reader = set.children()?;
    let mut certificates = Vec::new();
    while !reader.is_finished() {
        let next = reader.next_as(Tag::SEQUENCE, "Certificate")?;
        if certificates.len() == MOST_CERTIFICATES {
            return Err(next.expected("no more certificates"));
        }
        certificates.push(next.whole);
    }
    Ok(certificates)
}

/// The certificate that the SignerIdentifier names (RFC 5652 §5.3).
fn signer(sid: &Tlv<'_>, certificates: Vec<&[u8]>) -> Result<Vec<u8>, MessageFault> {
    // One alone is taken for the signer's: the signature will tell. Clients were seen that name
    // another issuer than stands in their self-signed certificate.
    if let [only] = certificates[..] {
        return Ok(only.to_vec());
    }
    if sid.tag != Tag::SEQUENCE {
        return Err(MessageFault::NoCertificate);
    }
    let mut members = sid.children()?;
    let (issuer, serial) = (members.next()?, members.next_as(Tag::INTEGER, "serialNumber")?);
    let named = |der: &&&[u8]| {
        Certificate::from_der(der).is_ok_and(|certificate| {
            let tbs = certificate.tbs_certificate();
            tbs.issuer().to_der().is_ok_and(|name| name == issuer.whole)
                && tbs.serial_number().as_bytes() == serial.value
        })
    };
    let found = certificates.iter().find(named).ok_or(MessageFault::NoCertificate)?;
    Ok(found.to_vec())
}

/// These octets as a SET.
fn set(inside: &[u8]) -> Vec<u8> {
    let length = inside.len();
    let mut set = vec![0x31];
    match length {
        0..0x80 => set.push(length.to_le_bytes()[0]),
        _ => {
            let octets = length.to_be_bytes();
            let first = octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len() - 1);
            // At most eight.
            set.push(0x80 | (octets.len() - first).to_le_bytes()[0]);
            set.extend(&octets[first..]);
        }
    }
    set.extend(inside);
    set
}

/// The same with its members sorted as DER wants it (X.690 §11.6).
fn sorted_set(inside: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut reader = Reader::new(inside, Rules::Ber);
    let mut members = Vec::new();
    while !reader.is_finished() {
        members.push(reader.next()?.whole);
    }
    members.sort_unstable();
    Ok(set(&members.concat()))
}
