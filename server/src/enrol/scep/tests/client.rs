//! A SCEP client: what it signs and encrypts, and what it reads of an answer.

use std::sync::OnceLock;

use der::{
    Any, Decode, Encode, Sequence,
    asn1::{SetOfVec, Utf8StringRef},
};
use sekisho_key::{RsaSize, SigningKey, SoftwareKey, TransportKey};
use sekisho_pki::{
    encoding::{
        cms, instant,
        name::{Part, name, text},
        signed_object::assemble,
    },
    scep::{
        Attributes, Cipher, Envelope, FailInfo, MessageToSign, MessageType, PkiStatus,
        UnverifiedMessage, seal,
    },
};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use time::{OffsetDateTime, macros::datetime};
use x509_cert::{
    Certificate,
    attr::Attribute,
    name::Name,
    request::{CertReqInfo, Version},
    time::Time,
};
use zeroize::Zeroizing;

/// RSA keys that the tests share: each takes a good part of a second to make.
pub(crate) fn key(number: usize) -> &'static SoftwareKey {
    static KEYS: [OnceLock<SoftwareKey>; 3] = [const { OnceLock::new() }; 3];
    KEYS[number].get_or_init(|| SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap())
}

pub(crate) fn common_name(text: &str) -> Name {
    if text.is_empty() { Name::default() } else { name(&[Part::CommonName(text)]).unwrap() }
}

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

/// A certificate that its own key signed.
pub(crate) fn self_signed(key: &SoftwareKey, subject: &Name) -> Vec<u8> {
    let at = |moment: OffsetDateTime| instant::to_time(moment).unwrap();
    let tbs = Tbs {
        serial: 1,
        algorithm: key.algorithm().identifier(),
        issuer: subject.clone(),
        validity: Validity {
            from: at(datetime!(2026-01-01 0:00 UTC)),
            until: at(datetime!(2027-01-01 0:00 UTC)),
        },
        subject: subject.clone(),
        key: SubjectPublicKeyInfoOwned::from_der(key.public_key_der()).unwrap(),
    };
    signed(key, &tbs.to_der().unwrap())
}

fn subject_of(certificate: &[u8]) -> Name {
    let certificate = Certificate::from_der(certificate).unwrap();
    let subject = certificate.tbs_certificate().subject();
    let names = subject.iter().filter(|part| part.oid == const_oid::db::rfc4519::COMMON_NAME);
    let name = names.map(|part| text(&part.value).unwrap()).next();
    common_name(&name.unwrap_or_default())
}

/// A PKCS #10 request with a challenge password.
pub(crate) fn request(key: &SoftwareKey, subject: &Name, challenge: Option<&str>) -> Vec<u8> {
    let mut attributes = SetOfVec::new();
    if let Some(challenge) = challenge {
        let value = Utf8StringRef::new(challenge).unwrap().to_der().unwrap();
        let values = SetOfVec::try_from(vec![Any::from_der(&value).unwrap()]).unwrap();
        let oid = const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.7");
        attributes.insert(Attribute { oid, values }).unwrap();
    }
    let info = CertReqInfo {
        version: Version::V1,
        subject: subject.clone(),
        public_key: SubjectPublicKeyInfoOwned::from_der(key.public_key_der()).unwrap(),
        attributes,
    };
    signed(key, &info.to_der().unwrap())
}

fn signed(key: &SoftwareKey, to_be_signed: &[u8]) -> Vec<u8> {
    let signature = key.sign_now(to_be_signed).unwrap();
    assemble(to_be_signed, key.algorithm().identifier(), &signature).unwrap()
}

/// One message; what is not set is as a good client sends it.
#[derive(Clone)]
pub(crate) struct Message<'a> {
    pub(crate) kind: MessageType,
    pub(crate) transaction: &'a str,
    pub(crate) content: Vec<u8>,
    pub(crate) cipher: Cipher,
    pub(crate) signer: (&'static SoftwareKey, Vec<u8>),
}

impl<'a> Message<'a> {
    /// A request for `key`, by a code.
    pub(crate) fn enrol(key: &'static SoftwareKey, subject: &str, challenge: &str) -> Self {
        let subject = common_name(subject);
        Self {
            kind: MessageType::PkcsReq,
            transaction: "t-1",
            content: request(key, &subject, Some(challenge)),
            cipher: Cipher::Aes128,
            signer: (key, self_signed(key, &subject)),
        }
    }

    /// A request for `key` in the name of the certificate whose key signs.
    pub(crate) fn renew(
        key: &'static SoftwareKey,
        (old_key, old): (&'static SoftwareKey, &[u8]),
    ) -> Self {
        Self {
            kind: MessageType::RenewalReq,
            transaction: "t-2",
            content: request(key, &subject_of(old), None),
            cipher: Cipher::Aes128,
            signer: (old_key, old.to_vec()),
        }
    }

    pub(crate) fn of(self, kind: MessageType, content: Vec<u8>) -> Self {
        Self { kind, content, ..self }
    }

    pub(crate) fn in_transaction(self, transaction: &'a str) -> Self {
        Self { transaction, ..self }
    }

    /// What is sent: encrypted for `ra_der` and signed.
    pub(crate) fn octets(&self, ra_der: &[u8]) -> Vec<u8> {
        self.around(self.sealed(ra_der))
    }

    pub(crate) fn sealed(&self, ra_der: &[u8]) -> Vec<u8> {
        let (key, iv) = (vec![5; self.cipher.key_octets()], vec![6; self.cipher.block_octets()]);
        seal(&self.content, ra_der, self.cipher, &key, &iv).unwrap()
    }

    /// The signed message around an envelope, whatever that is.
    pub(crate) fn around(&self, envelope: Vec<u8>) -> Vec<u8> {
        let attributes = Attributes {
            message_type: self.kind,
            transaction_id: self.transaction.to_owned(),
            sender_nonce: Some(vec![8; 16]),
            recipient_nonce: None,
            status: None,
            fail_info: None,
            fail_info_text: None,
        };
        let message = MessageToSign::new(&attributes, envelope).unwrap();
        let signature = self.signer.0.sign_now(message.to_be_signed()).unwrap();
        message.attach(&signature, &self.signer.1).unwrap()
    }
}

/// What a client makes of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Granted: what was encrypted for its signer.
    Success(Vec<u8>),
    Failure(FailInfo, String),
    Pending,
}

/// Verifies and opens an answer to a message in `transaction`, as the holder of `key`.
pub(crate) fn heard(octets: &[u8], transaction: &str, key: &SoftwareKey, ra_der: &[u8]) -> Heard {
    let answer = UnverifiedMessage::parse(octets).unwrap().verify().unwrap();
    assert_eq!(answer.signer_der, ra_der, "it answers by whom it was asked");
    let attributes = answer.attributes;
    assert_eq!(attributes.message_type, MessageType::CertRep);
    assert_eq!(attributes.transaction_id, transaction);
    assert_eq!(attributes.recipient_nonce, Some(vec![8; 16]));
    assert_eq!(attributes.sender_nonce.unwrap().len(), 16);
    match attributes.status.unwrap() {
        PkiStatus::Pending => {
            assert!(answer.content.is_empty());
            Heard::Pending
        }
        PkiStatus::Failure => {
            assert!(answer.content.is_empty());
            Heard::Failure(attributes.fail_info.unwrap(), attributes.fail_info_text.unwrap())
        }
        PkiStatus::Success => {
            let envelope = Envelope::parse(&answer.content).unwrap();
            let transport = TransportKey::of(key).unwrap();
            let opened = envelope.open(&envelope.recipients()[0], |encrypted, octets| {
                transport.unwrap_or(encrypted, Zeroizing::new(vec![0; octets]))
            });
            Heard::Success(opened.unwrap().to_vec())
        }
    }
}

impl Heard {
    /// The one certificate of a good answer.
    pub(crate) fn certificate(self) -> Vec<u8> {
        let Self::Success(content) = self else { panic!("{self:?}") };
        let mut all = cms::parse_certs_only(&content).unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    pub(crate) fn is_refused(&self, with: FailInfo, says: &str) {
        match self {
            Self::Failure(info, text) if *info == with && text.contains(says) => {}
            other => panic!("{with:?} {says}: {other:?}"),
        }
    }
}
