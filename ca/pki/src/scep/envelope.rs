//! The encrypted part of a message: EnvelopedData by RSA key transport (RFC 8894 §3.2.2; RFC 5652 §6,
//! RFC 3370 §4.2.1).

use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey};
use cms::{
    cert::IssuerAndSerialNumber,
    content_info::{CmsVersion, ContentInfo},
    enveloped_data::{
        EncryptedContentInfo, EnvelopedData, KeyTransRecipientInfo, RecipientIdentifier,
        RecipientInfo, RecipientInfos,
    },
};
use const_oid::db::{rfc5911, rfc5912};
use der::{
    Any, Decode, Encode,
    asn1::{Null, OctetString, SetOfVec},
};
use spki::AlgorithmIdentifierOwned;
use x509_cert::Certificate;
use zeroize::Zeroizing;

use super::{
    Cipher, MessageFault,
    message::{algorithm, content_of},
};
use crate::encoding::tlv::{Tag, Tlv};

/// One recipient is the rule; a client may add itself.
const MOST_RECIPIENTS: usize = 4;

/// A parsed EnvelopedData.
#[derive(Debug, Clone)]
pub struct Envelope {
    recipients: Vec<Recipient>,
    cipher: Cipher,
    iv: Vec<u8>,
    encrypted: Vec<u8>,
}

/// For whom the content's key is encrypted.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// Issuer (DER `Name`) and serial number of its certificate; `None` where it is named by its key.
    issuer_and_serial: Option<(Vec<u8>, Vec<u8>)>,
    /// subjectKeyIdentifier, where it is named so.
    key_identifier: Option<Vec<u8>>,
    encrypted_key: Vec<u8>,
}

impl Recipient {
    /// Whether this is the holder of the certificate with these: issuer as DER `Name`, serial number as
    /// the INTEGER's octets, subjectKeyIdentifier.
    #[must_use]
    pub fn is(&self, issuer: &[u8], serial: &[u8], key_identifier: &[u8]) -> bool {
        match (&self.issuer_and_serial, &self.key_identifier) {
            (Some((named, number)), _) => named == issuer && number == serial,
            (None, Some(named)) => named == key_identifier,
            (None, None) => false,
        }
    }
}

impl Envelope {
    /// Reads a ContentInfo of EnvelopedData.
    ///
    /// # Errors
    /// [`MessageFault::Malformed`], [`MessageFault::Algorithm`].
    pub fn parse(octets: &[u8]) -> Result<Self, MessageFault> {
        let mut members = content_of(octets, &rfc5911::ID_ENVELOPED_DATA.to_string())?;
        members.next_as(Tag::INTEGER, "EnvelopedData.version")?;
        members.next_if(Tag::context(0))?;
        let infos = members.next_as(Tag::SET, "EnvelopedData.recipientInfos")?;
        let content = members.next_as(Tag::SEQUENCE, "encryptedContentInfo")?;
        members.next_if(Tag::context(1))?;
        members.finish()?;

        let mut reader = infos.children()?;
        let mut recipients = Vec::new();
        while !reader.is_finished() {
            let info = reader.next_as(Tag::SEQUENCE, "KeyTransRecipientInfo")?;
            if recipients.len() == MOST_RECIPIENTS {
                return Err(info.expected("no more recipients").into());
            }
            recipients.push(recipient(&info)?);
        }

        let mut members = content.children()?;
        members.next_as(Tag::OID, "encryptedContentInfo.contentType")?;
        let (name, identifier) = algorithm(&members.next()?)?;
        let cipher = Cipher::of(&name).ok_or(MessageFault::Algorithm(name))?;
        let encrypted = members.next_as(Tag::context(0), "encryptedContent")?;
        members.finish()?;
        let iv = identifier.parameters.as_ref().map_or(&[][..], Any::value).to_vec();
        if iv.len() != cipher.block_octets() {
            return Err(content.expected("an initialisation vector").into());
        }
        Ok(Self { recipients, cipher, iv, encrypted: encrypted.octet_string()? })
    }

    /// Whom it is for.
    #[must_use]
    pub fn recipients(&self) -> &[Recipient] {
        &self.recipients
    }

    /// What its content is encrypted with.
    #[must_use]
    pub fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// Opens the content. `unwrap` is handed the encrypted key and the length that the key must have,
    /// and answers octets of that length whatever comes: with a key that is none, the content does not
    /// open, and nobody can tell the one from the other.
    #[must_use]
    pub fn open(
        &self,
        recipient: &Recipient,
        unwrap: impl FnOnce(&[u8], usize) -> Zeroizing<Vec<u8>>,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let key = unwrap(&recipient.encrypted_key, self.cipher.key_octets());
        self.cipher.decrypt(&key, &self.iv, &self.encrypted)
    }
}

fn recipient(info: &Tlv<'_>) -> Result<Recipient, MessageFault> {
    let mut members = info.children()?;
    members.next_as(Tag::INTEGER, "KeyTransRecipientInfo.version")?;
    let rid = members.next()?;
    let (name, identifier) = algorithm(&members.next()?)?;
    if identifier.oid != rfc5912::RSA_ENCRYPTION {
        return Err(MessageFault::Algorithm(name));
    }
    let encrypted_key = members.next_as(Tag::OCTET_STRING, "encryptedKey")?.octet_string()?;
    members.finish()?;
    let (issuer_and_serial, key_identifier) = if rid.tag == Tag::SEQUENCE {
        let mut members = rid.children()?;
        let (issuer, serial) = (members.next()?, members.next_as(Tag::INTEGER, "serialNumber")?);
        members.finish()?;
        (Some((issuer.whole.to_vec(), serial.value.to_vec())), None)
    } else {
        (None, Some(rid.expect(Tag::context(0), "RecipientIdentifier")?.value.to_vec()))
    };
    Ok(Recipient { issuer_and_serial, key_identifier, encrypted_key })
}

/// Why nothing could be encrypted for somebody.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The certificate is none.
    #[error("the recipient's certificate is not well formed")]
    Certificate(#[source] der::Error),
    /// SCEP's encryption needs RSA.
    #[error(
        "the recipient's key is not an RSA key: nothing can be encrypted for it (RFC 8894 section 3.1)"
    )]
    NotRsa,
    /// Key or vector of the wrong length, or the library failed.
    #[error("the content cannot be encrypted")]
    Cryptography,
    /// What was encrypted cannot be written.
    #[error("the encrypted content cannot be encoded")]
    Encoding(#[from] der::Error),
}

/// Encrypts `content` for the holder of a certificate, under a key and a vector that were drawn for this
/// once, of the lengths that `cipher` wants.
///
/// # Errors
/// [`SealError`].
pub fn seal(
    content: &[u8],
    recipient_der: &[u8],
    cipher: Cipher,
    key: &[u8],
    iv: &[u8],
) -> Result<Vec<u8>, SealError> {
    let certificate = Certificate::from_der(recipient_der).map_err(SealError::Certificate)?;
    let tbs = certificate.tbs_certificate();
    if tbs.subject_public_key_info().algorithm.oid != rfc5912::RSA_ENCRYPTION {
        return Err(SealError::NotRsa);
    }
    let spki = tbs.subject_public_key_info().to_der()?;
    let public = PublicEncryptingKey::from_der(&spki).map_err(|_| SealError::NotRsa)?;
    let public = Pkcs1PublicEncryptingKey::new(public).map_err(|_| SealError::Cryptography)?;
    let mut wrapped = vec![0; public.ciphertext_size()];
    let wrapped = public.encrypt(key, &mut wrapped).map_err(|_| SealError::Cryptography)?;
    let oid = cipher.oid().ok_or(SealError::Cryptography)?;
    let encrypted = cipher.encrypt(key, iv, content).ok_or(SealError::Cryptography)?;
    let info = KeyTransRecipientInfo {
        version: CmsVersion::V0,
        rid: RecipientIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: tbs.issuer().clone(),
            serial_number: tbs.serial_number().clone(),
        }),
        key_enc_alg: AlgorithmIdentifierOwned {
            oid: rfc5912::RSA_ENCRYPTION,
            parameters: Some(Null.into()),
        },
        enc_key: OctetString::new(&*wrapped)?,
    };
    let enveloped = EnvelopedData {
        version: CmsVersion::V0,
        originator_info: None,
        recip_infos: RecipientInfos(SetOfVec::try_from(vec![RecipientInfo::Ktri(info)])?),
        encrypted_content: EncryptedContentInfo {
            content_type: rfc5911::ID_DATA,
            content_enc_alg: AlgorithmIdentifierOwned {
                oid,
                parameters: Some(Any::encode_from(&OctetString::new(iv)?)?),
            },
            encrypted_content: Some(OctetString::new(encrypted)?),
        },
        unprotected_attrs: None,
    };
    let content = Any::encode_from(&enveloped)?;
    Ok(ContentInfo { content_type: rfc5911::ID_ENVELOPED_DATA, content }.to_der()?)
}
