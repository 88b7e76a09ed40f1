//! What a router that speaks SCEP sends: a request for its key, in a message that the key signs (RFC 8894 §3).

use anyhow::Context;
use der::{
    Any, Decode, Encode, Sequence,
    asn1::{SetOfVec, Utf8StringRef},
};
use sekisho_key::{SigningKey, SoftwareKey};
use sekisho_pki::{
    encoding::{instant, signed_object::assemble},
    scep::{Attributes, Cipher, MessageToSign, MessageType, seal},
};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use time::OffsetDateTime;
use x509_cert::{
    attr::Attribute,
    name::Name,
    request::{CertReqInfo, Version},
    time::Time,
};

/// challengePassword (RFC 2985 §5.4.1).
const CHALLENGE: const_oid::ObjectIdentifier =
    const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.7");

/// TBSCertificate of version 1 (RFC 5280 §4.1).
#[derive(Sequence)]
struct Tbs {
    serial: u8,
    algorithm: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: Validity,
    subject: Name,
    key: SubjectPublicKeyInfoOwned,
}

#[derive(Sequence)]
struct Validity {
    from: Time,
    until: Time,
}

/// A certificate that its own key signed, good from the one moment until the other.
///
/// # Errors
/// The cryptographic library.
pub fn self_signed(
    key: &SoftwareKey,
    subject: &Name,
    [from, until]: [OffsetDateTime; 2],
) -> anyhow::Result<Vec<u8>> {
    let at = |moment: OffsetDateTime| instant::to_time(moment).context("no such time");
    let tbs = Tbs {
        serial: 1,
        algorithm: key.algorithm().identifier(),
        issuer: subject.clone(),
        validity: Validity { from: at(from)?, until: at(until)? },
        subject: subject.clone(),
        key: SubjectPublicKeyInfoOwned::from_der(key.public_key_der())?,
    };
    signed(key, &tbs.to_der()?)
}

/// A PKCS #10 request with a challenge password, if it has one.
///
/// # Errors
/// The cryptographic library.
pub fn request(
    key: &SoftwareKey,
    subject: &Name,
    challenge: Option<&str>,
) -> anyhow::Result<Vec<u8>> {
    let mut attributes = SetOfVec::new();
    if let Some(challenge) = challenge {
        let value = Utf8StringRef::new(challenge)?.to_der()?;
        let values = SetOfVec::try_from(vec![Any::from_der(&value)?])?;
        attributes.insert(Attribute { oid: CHALLENGE, values })?;
    }
    let info = CertReqInfo {
        version: Version::V1,
        subject: subject.clone(),
        public_key: SubjectPublicKeyInfoOwned::from_der(key.public_key_der())?,
        attributes,
    };
    signed(key, &info.to_der()?)
}

fn signed(key: &SoftwareKey, to_be_signed: &[u8]) -> anyhow::Result<Vec<u8>> {
    let signature = key.sign_now(to_be_signed)?;
    Ok(assemble(to_be_signed, key.algorithm().identifier(), &signature)?)
}

/// What is encrypted for the registration authority.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// A request, or what else the message is about.
    pub octets: &'a [u8],
    /// By which cipher.
    pub cipher: Cipher,
}

impl Content<'_> {
    /// The envelope that `ra_der` opens, under a key and a first block that are the same each time: nothing in it is a
    /// secret.
    ///
    /// # Errors
    /// The certificate is none that could open it.
    pub fn sealed(self, ra_der: &[u8]) -> anyhow::Result<Vec<u8>> {
        let (key, iv) = (vec![5; self.cipher.key_octets()], vec![6; self.cipher.block_octets()]);
        Ok(seal(self.octets, ra_der, self.cipher, &key, &iv)?)
    }
}

/// The signed message around an envelope, whatever that is; by a key and its certificate.
///
/// # Errors
/// The cryptographic library.
pub fn message(
    (kind, transaction): (MessageType, &str),
    envelope: Vec<u8>,
    (key, certificate): (&SoftwareKey, &[u8]),
) -> anyhow::Result<Vec<u8>> {
    let attributes = Attributes {
        message_type: kind,
        transaction_id: transaction.to_owned(),
        sender_nonce: Some(vec![8; 16]),
        recipient_nonce: None,
        status: None,
        fail_info: None,
        fail_info_text: None,
    };
    let message = MessageToSign::new(&attributes, envelope)?;
    let signature = key.sign_now(message.to_be_signed())?;
    Ok(message.attach(&signature, certificate)?)
}
