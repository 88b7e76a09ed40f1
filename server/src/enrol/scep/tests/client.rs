//! A SCEP client: what it signs and encrypts, and what it reads of an answer.

use std::sync::OnceLock;

use der::Decode;
use sekisho_key::{RsaSize, SoftwareKey, TransportKey};
use sekisho_pki::{
    encoding::{
        cms,
        name::{Part, name, text},
    },
    scep::{Cipher, Envelope, FailInfo, MessageType, PkiStatus, UnverifiedMessage},
};
use time::macros::datetime;
use x509_cert::{Certificate, name::Name};
use zeroize::Zeroizing;

use crate::demo::scep_client::{self, Content};

/// RSA keys that the tests share: each takes a good part of a second to make.
pub(crate) fn key(number: usize) -> &'static SoftwareKey {
    static KEYS: [OnceLock<SoftwareKey>; 3] = [const { OnceLock::new() }; 3];
    KEYS[number].get_or_init(|| SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap())
}

pub(crate) fn common_name(text: &str) -> Name {
    if text.is_empty() { Name::default() } else { name(&[Part::CommonName(text)]).unwrap() }
}

/// Good in the year of the tests' clock.
pub(crate) fn self_signed(key: &SoftwareKey, subject: &Name) -> Vec<u8> {
    let year = [datetime!(2026-01-01 0:00 UTC), datetime!(2027-01-01 0:00 UTC)];
    scep_client::self_signed(key, subject, year).unwrap()
}

fn subject_of(certificate: &[u8]) -> Name {
    let certificate = Certificate::from_der(certificate).unwrap();
    let subject = certificate.tbs_certificate().subject();
    let names = subject.iter().filter(|part| part.oid == const_oid::db::rfc4519::COMMON_NAME);
    let name = names.map(|part| text(&part.value).unwrap()).next();
    common_name(&name.unwrap_or_default())
}

pub(crate) fn request(key: &SoftwareKey, subject: &Name, challenge: Option<&str>) -> Vec<u8> {
    scep_client::request(key, subject, challenge).unwrap()
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
        Content { octets: &self.content, cipher: self.cipher }.sealed(ra_der).unwrap()
    }

    /// The signed message around an envelope, whatever that is.
    pub(crate) fn around(&self, envelope: Vec<u8>) -> Vec<u8> {
        let (key, certificate) = (self.signer.0, &self.signer.1);
        scep_client::message((self.kind, self.transaction), envelope, (key, certificate)).unwrap()
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
