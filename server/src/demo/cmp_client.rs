//! What a device that speaks CMP sends (RFC 9810), protected by its one-time code.

use der::{Decode, Encode, asn1::OctetString};
use sekisho_key::{SigningKey, SoftwareKey};
use sekisho_pki::{
    cmp::{
        BodyKind, Header, MacParameters, Reply,
        body::Body,
        crmf::{CertRequest, CertTemplate, cert_req_messages},
    },
    encoding::name::{Part, name},
};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::{ext::pkix::name::GeneralName, name::Name};

/// In which transaction a message stands, and what it asks of the answer.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Of the whole exchange.
    pub transaction: [u8; 16],
    /// Of this message.
    pub nonce: [u8; 16],
    /// The nonce that it answers.
    pub answers: Option<&'a [u8]>,
    /// Whether the certificate needs no confirmation.
    pub implicit: bool,
}

/// The header of a message from this sender.
///
/// # Errors
/// [`der::Error`]: a field is too long.
pub fn header(
    sender: Name,
    kid: Option<&[u8]>,
    protection: AlgorithmIdentifierOwned,
    place: Place<'_>,
) -> der::Result<Header> {
    let octets = |value: &[u8]| OctetString::new(value);
    let mut header = Header {
        pvno: 2,
        sender: GeneralName::DirectoryName(sender),
        recipient: GeneralName::DirectoryName(Name::default()),
        message_time: None,
        protection_alg: Some(protection),
        sender_kid: kid.map(octets).transpose()?,
        recip_kid: None,
        transaction_id: Some(octets(&place.transaction)?),
        sender_nonce: Some(octets(&place.nonce)?),
        recip_nonce: place.answers.map(octets).transpose()?,
        free_text: None,
        general_info: None,
    };
    if place.implicit {
        header.confirm_implicitly();
    }
    Ok(header)
}

/// A whole message, protected by a code and its reference, with the usual MAC.
///
/// # Errors
/// [`der::Error`]: it is too long.
pub fn by_code(
    (reference, secret): (&str, &str),
    place: Place<'_>,
    kind: BodyKind,
    content: Vec<u8>,
) -> der::Result<Vec<u8>> {
    let parameters = MacParameters::usual(vec![9; 16]);
    let kid = Some(reference.as_bytes());
    let header = header(Name::default(), kid, parameters.identifier()?, place)?;
    let message = Reply::new(&header, &Body { kind, content })?;
    let mac = parameters.mac(secret.as_bytes(), message.protected());
    message.finish(Some(&mac), &[])
}

/// The content of ir, cr and kur: a certificate for this key, proven by that one.
///
/// # Errors
/// The cryptographic library.
pub fn certificate_request(
    key: &SoftwareKey,
    prover: &SoftwareKey,
    subject: &str,
) -> anyhow::Result<Vec<u8>> {
    let template = CertTemplate {
        subject: Some(name(&[Part::CommonName(subject)])?),
        public_key: Some(SubjectPublicKeyInfoOwned::from_der(key.public_key_der())?),
        ..CertTemplate::default()
    };
    let request = CertRequest { cert_req_id: 0, template, controls: None }.to_der()?;
    let signature = prover.sign_now(&request)?;
    Ok(cert_req_messages(&request, prover.algorithm().identifier(), &signature)?)
}
