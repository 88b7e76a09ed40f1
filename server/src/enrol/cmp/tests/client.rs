//! A client of the tests' own: messages as a device makes them, whatever is wrong with them.

use der::{Decode, Encode, asn1::OctetString};
use sekisho_key::{SigningKey, SoftwareKey};
use sekisho_pki::cmp::{
    BodyKind, FailInfo, Message, Reply, StatusInfo,
    body::{self, Body, CertStatus},
    crmf::CertTemplate,
};
use sha2::{Digest, Sha256};
use x509_cert::Certificate;

use crate::demo::cmp_client::{self, Place};

/// Who sends.
#[derive(Clone)]
pub(crate) enum Sender<'a> {
    Code { reference: String, secret: String },
    Holder { key: &'a SoftwareKey, certificate: Vec<u8> },
}

#[derive(Clone)]
pub(crate) struct Client<'a> {
    pub(crate) sender: Sender<'a>,
    pub(crate) transaction: [u8; 16],
    pub(crate) nonce: [u8; 16],
    pub(crate) implicit: bool,
}

impl<'a> Client<'a> {
    pub(crate) fn of_code(reference: &str, secret: &str) -> Self {
        let sender = Sender::Code { reference: reference.to_owned(), secret: secret.to_owned() };
        Self { sender, transaction: [1; 16], nonce: [2; 16], implicit: true }
    }

    pub(crate) fn of_certificate(key: &'a SoftwareKey, certificate: &[u8]) -> Self {
        let sender = Sender::Holder { key, certificate: certificate.to_vec() };
        Self { sender, transaction: [3; 16], nonce: [4; 16], implicit: true }
    }

    /// In a transaction and with a nonce of this number.
    pub(crate) fn in_transaction(self, number: u8) -> Self {
        Self { transaction: [number; 16], nonce: [number; 16], ..self }
    }

    pub(crate) fn explicit(self) -> Self {
        Self { implicit: false, ..self }
    }

    pub(crate) fn message(
        &self,
        kind: BodyKind,
        content: Vec<u8>,
        answers: Option<&[u8]>,
    ) -> Vec<u8> {
        let place = Place {
            transaction: self.transaction,
            nonce: self.nonce,
            answers,
            implicit: self.implicit,
        };
        match &self.sender {
            Sender::Code { reference, secret } => {
                cmp_client::by_code((reference, secret), place, kind, content).unwrap()
            }
            Sender::Holder { key, certificate } => {
                let subject = Certificate::from_der(certificate).unwrap();
                let subject = subject.tbs_certificate().subject().clone();
                let algorithm = key.algorithm().identifier();
                let header = cmp_client::header(subject, None, algorithm, place).unwrap();
                let reply = Reply::new(&header, &Body { kind, content }).unwrap();
                let signature = key.sign_now(reply.protected()).unwrap();
                reply.finish(Some(&signature), &[certificate.as_slice()]).unwrap()
            }
        }
    }

    pub(crate) fn genm(&self) -> Vec<u8> {
        let question =
            sekisho_pki::cmp::InfoTypeAndValue { info_type: body::CA_CERTS, value: None };
        self.message(BodyKind::Genm, vec![question].to_der().unwrap(), None)
    }

    /// A request for this key, proven by that one.
    pub(crate) fn request(
        &self,
        kind: BodyKind,
        (key, prover): (&SoftwareKey, &SoftwareKey),
        subject: &str,
    ) -> Vec<u8> {
        let content = cmp_client::certificate_request(key, prover, subject).unwrap();
        self.message(kind, content, None)
    }

    /// certConf of this certificate, by its SHA-256, that answers this nonce.
    pub(crate) fn confirm(
        &self,
        hash: &[u8],
        status_info: Option<StatusInfo>,
        nonce: &[u8],
    ) -> Vec<u8> {
        let cert_hash = OctetString::new(hash).unwrap();
        let said = CertStatus { cert_hash, cert_req_id: 0, status_info, hash_alg: None };
        self.message(BodyKind::CertConf, vec![said].to_der().unwrap(), Some(nonce))
    }

    /// pollReq.
    pub(crate) fn poll(&self) -> Vec<u8> {
        self.message(BodyKind::PollReq, vec![vec![0_i32]].to_der().unwrap(), None)
    }

    /// rr of this certificate for this reason.
    pub(crate) fn revoke(&self, certificate: &[u8], reason: u8) -> Vec<u8> {
        let certificate = Certificate::from_der(certificate).unwrap();
        let tbs = certificate.tbs_certificate();
        let cert_details = CertTemplate {
            serial_number: Some(tbs.serial_number().clone()),
            issuer: Some(tbs.issuer().clone()),
            ..CertTemplate::default()
        };
        let extension = x509_cert::ext::Extension {
            extn_id: const_oid::db::rfc5912::ID_CE_CRL_REASONS,
            critical: false,
            extn_value: OctetString::new([0x0a, 1, reason].as_slice()).unwrap(),
        };
        let details = body::RevDetails { cert_details, crl_entry_details: Some(vec![extension]) };
        self.message(BodyKind::Rr, vec![details].to_der().unwrap(), None)
    }
}

/// What a client makes of an answer.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) kind: BodyKind,
    pub(crate) nonce: Vec<u8>,
    pub(crate) is_protected: bool,
    pub(crate) octets: Vec<u8>,
    outcome: Option<(StatusInfo, Option<Vec<u8>>)>,
}

/// Reads an answer and verifies its MAC, where it has one.
pub(crate) fn heard(octets: &[u8], client: &Client<'_>) -> Heard {
    let message = Message::parse(octets).unwrap();
    let header = &message.header;
    assert_eq!(header.transaction_id.as_ref().unwrap().as_bytes(), client.transaction);
    assert_eq!(header.recip_nonce.as_ref().unwrap().as_bytes(), client.nonce);
    if let (Some(given), Some(algorithm)) = (&message.protection, &header.protection_alg) {
        let protected = message.protected();
        match (&client.sender, sekisho_pki::cmp::Protection::of(algorithm).unwrap()) {
            (Sender::Code { secret, .. }, sekisho_pki::cmp::Protection::Mac(mac)) => {
                assert!(mac.is_mac(secret.as_bytes(), protected, given));
            }
            (Sender::Holder { .. }, sekisho_pki::cmp::Protection::Signature(algorithm)) => {
                let signer = Certificate::from_der(message.extra_certs[0]).unwrap();
                let key = signer.tbs_certificate().subject_public_key_info().to_der().unwrap();
                sekisho_pki::signature::verify(&key, &algorithm, protected, given).unwrap();
            }
            (_, other) => panic!("answered otherwise than asked: {other:?}"),
        }
    }
    Heard {
        kind: message.kind,
        nonce: header.sender_nonce.as_ref().unwrap().as_bytes().to_vec(),
        is_protected: message.protection.is_some(),
        octets: octets.to_vec(),
        outcome: body::outcome(message.kind, message.content).ok(),
    }
}

impl Heard {
    pub(crate) fn certificate(&self) -> Vec<u8> {
        match &self.outcome {
            Some((status, Some(der))) if status.is_granted() => der.clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn waits(&self) -> bool {
        matches!(&self.outcome, Some((status, None)) if status.status == 3)
    }

    pub(crate) fn is_granted(&self) -> bool {
        self.outcome.as_ref().is_some_and(|(status, _)| status.is_granted())
    }

    pub(crate) fn is_refused(&self, with: FailInfo, says: &str) {
        let Some((status, None)) = &self.outcome else { panic!("{self:?}") };
        let text = status.text.clone().unwrap_or_default().concat();
        assert!(status.tells(with) && text.contains(says), "{with:?} {says}: {status:?}");
    }
}

pub(crate) fn sha256(der: &[u8]) -> Vec<u8> {
    Sha256::digest(der).to_vec()
}
