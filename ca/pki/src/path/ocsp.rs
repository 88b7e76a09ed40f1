//! OCSP responses as evidence (RFC 6960 §4.2), read once.

use std::sync::Arc;

use const_oid::{
    ObjectIdentifier,
    db::{rfc5912, rfc6960},
};
use der::Decode;
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha384, Sha512};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};
use time::{Duration, OffsetDateTime};

use super::{
    RevocationProblem,
    crl::Revoked,
    distinguished_name::DistinguishedName,
    extension,
    reading::{
        self, Bad, ENUMERATED, GENERALIZED_TIME, INTEGER, Item, Members, OCTET_STRING, OID,
        SEQUENCE, Signed, constructed,
    },
};
use crate::signature;

/// A response about one certificate has about a thousand octets.
const MOST_OCTETS: usize = 1024 * 1024;

/// An OCSP response, read once. Whether it is authentic is judged each time, with the issuer of
/// the path at hand. Cloning shares the octets.
#[derive(Debug, Clone)]
pub struct OcspAnswer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    to_be_signed: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    signature: Option<Vec<u8>>,
    responder: Responder,
    singles: Vec<Single>,
    certificates: Vec<Vec<u8>>,
    nonce: Option<Vec<u8>>,
    sha256: [u8; 32],
}

#[derive(Debug)]
enum Responder {
    Name(DistinguishedName),
    /// SHA-1 of the public key's bits.
    Key(Vec<u8>),
}

/// What is said about one certificate.
#[derive(Debug)]
pub(super) struct Single {
    hash: ObjectIdentifier,
    issuer_name_hash: Vec<u8>,
    issuer_key_hash: Vec<u8>,
    pub(super) serial: Vec<u8>,
    pub(super) status: Status,
    this_update: OffsetDateTime,
    next_update: Option<OffsetDateTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Good,
    Revoked(Revoked),
    Unknown,
}

/// Why octets are no OCSP response that could be evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OcspAnswerError {
    /// Not DER of this shape, or too long.
    #[error("not an OCSP response: {0}")]
    Malformed(String),
    /// The responder refused (RFC 6960 §4.2.1, OCSPResponseStatus).
    #[error("the OCSP responder answered with status {0} instead of an answer")]
    Refused(u8),
    /// Another type than id-pkix-ocsp-basic, or a critical extension that we do not process.
    #[error("the OCSP response has {0}, which we cannot process")]
    Unsupported(String),
}

impl From<Bad> for OcspAnswerError {
    fn from(bad: Bad) -> Self {
        Self::Malformed(bad.to_string())
    }
}

impl OcspAnswer {
    /// Reads DER: an `OCSPResponse`, or a bare `BasicOCSPResponse`.
    ///
    /// # Errors
    /// [`OcspAnswerError`].
    pub fn parse(der: &[u8]) -> Result<Self, OcspAnswerError> {
        if der.len() > MOST_OCTETS {
            return Err(Bad::new("more than a mebibyte").into());
        }
        let mut response =
            Item::only_of(der, SEQUENCE).map_err(OcspAnswerError::from)?.members()?;
        let Some(status) = response.optional(ENUMERATED)? else {
            return Self::parse_basic(der);
        };
        match status.value {
            [0] => {}
            [code] => return Err(OcspAnswerError::Refused(*code)),
            _ => return Err(Bad::new("a status").into()),
        }
        let mut bytes = Item::only_of(response.take(constructed(0))?.value, SEQUENCE)?.members()?;
        response.end()?;
        let kind = bytes.take(OID)?.value;
        if kind != rfc6960::ID_PKIX_OCSP_BASIC.as_bytes() {
            return Err(OcspAnswerError::Unsupported(format!(
                "the type {}",
                reading::oid_text(kind)
            )));
        }
        let basic = bytes.take(OCTET_STRING)?.value;
        bytes.end()?;
        Self::parse_basic(basic)
    }

    fn parse_basic(der: &[u8]) -> Result<Self, OcspAnswerError> {
        let (signed, mut outer) = Signed::read(der)?;
        let tbs = Item::only_of(signed.to_be_signed, SEQUENCE)?;
        let mut certificates = Vec::new();
        if let Some(item) = outer.optional(constructed(0))? {
            let mut list = Item::only_of(item.value, SEQUENCE)?.members()?;
            while !list.is_empty() {
                certificates.push(list.next()?.whole.to_vec());
            }
        }
        outer.end()?;
        let mut tbs = tbs.members()?;
        if let Some(version) = tbs.optional(constructed(0))? {
            // Version 1 is the default, and the only one.
            if reading::integer(Item::only_of(version.value, INTEGER)?)? != [0] {
                return Err(Bad::new("a version other than 1").into());
            }
        }
        let responder = tbs.next()?;
        let responder = match responder.tag() {
            0xa1 => Responder::Name(DistinguishedName::read(Item::only(responder.value)?)?),
            0xa2 => Responder::Key(Item::only_of(responder.value, OCTET_STRING)?.value.to_vec()),
            _ => return Err(Bad::new("a responder").into()),
        };
        reading::time(tbs.take(GENERALIZED_TIME)?)?;
        let mut list = tbs.take(SEQUENCE)?.members()?;
        let mut singles = Vec::new();
        while !list.is_empty() {
            singles.push(Single::read(list.take(SEQUENCE)?.members()?)?);
        }
        let mut nonce = None;
        if let Some(extensions) = tbs.optional(constructed(1))? {
            let extensions = Item::only_of(extensions.value, SEQUENCE)?;
            no_critical(extensions)?;
            nonce = nonce_of(extensions)?;
        }
        tbs.end()?;
        Ok(Self(Arc::new(Inner {
            to_be_signed: signed.to_be_signed.to_vec(),
            algorithm: signed.algorithm.clone(),
            signature: signed.octets().map(<[u8]>::to_vec),
            responder,
            singles,
            certificates,
            nonce,
            sha256: Sha256::digest(der).into(),
        })))
    }

    /// Verifies the signature by a key; says nothing about whose key that is.
    ///
    /// # Errors
    /// [`signature::SignatureError`].
    pub fn verify(&self, public_key_der: &[u8]) -> Result<(), signature::SignatureError> {
        let Inner { algorithm, to_be_signed, signature, .. } = &*self.0;
        let signature = signature.as_deref().ok_or(signature::SignatureError::Invalid)?;
        signature::verify(public_key_der, algorithm, to_be_signed, signature)
    }

    /// The certificates that the responder sent along, DER.
    #[must_use]
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.0.certificates
    }

    /// What the responder repeats of the question (RFC 9654 §2.1), for whoever asked.
    #[must_use]
    pub fn nonce(&self) -> Option<&[u8]> {
        self.0.nonce.as_deref()
    }

    pub(super) fn singles(&self) -> &[Single] {
        &self.0.singles
    }

    pub(super) fn sha256(&self) -> [u8; 32] {
        self.0.sha256
    }

    /// Whether the responder names itself as the holder of this name and key.
    pub(super) fn is_by(&self, name: &DistinguishedName, public_key_der: &[u8]) -> bool {
        match &self.0.responder {
            Responder::Name(responder) => responder == name,
            Responder::Key(hash) => {
                SubjectPublicKeyInfoRef::from_der(public_key_der).is_ok_and(|spki| {
                    Sha1::digest(spki.subject_public_key.raw_bytes()).as_slice() == hash
                })
            }
        }
    }
}

impl Single {
    fn read(mut members: Members<'_>) -> Result<Self, OcspAnswerError> {
        let mut id = members.take(SEQUENCE)?.members()?;
        let hash =
            AlgorithmIdentifierOwned::from_der(id.take(SEQUENCE)?.whole).map_err(Bad::from)?.oid;
        let issuer_name_hash = id.take(OCTET_STRING)?.value.to_vec();
        let issuer_key_hash = id.take(OCTET_STRING)?.value.to_vec();
        let serial = reading::integer(id.take(INTEGER)?)?.to_vec();
        id.end()?;
        let status = members.next()?;
        let status = match status.tag() {
            0x80 => Status::Good,
            0xa1 => {
                let mut revoked = Members::of(status.value)?;
                let at = reading::time(revoked.take(GENERALIZED_TIME)?)?;
                let reason = match revoked.optional(constructed(0))? {
                    None => None,
                    Some(item) => match Item::only_of(item.value, ENUMERATED)?.value {
                        [code] => Some(*code),
                        _ => return Err(Bad::new("a reason").into()),
                    },
                };
                revoked.end()?;
                Status::Revoked(Revoked { at, reason })
            }
            0x82 | 0xa2 => Status::Unknown,
            _ => return Err(Bad::new("a certificate's status").into()),
        };
        let this_update = reading::time(members.take(GENERALIZED_TIME)?)?;
        let next_update = match members.optional(constructed(0))? {
            None => None,
            Some(item) => Some(reading::time(Item::only_of(item.value, GENERALIZED_TIME)?)?),
        };
        if let Some(extensions) = members.optional(constructed(1))? {
            no_critical(Item::only_of(extensions.value, SEQUENCE)?)?;
        }
        members.end()?;
        Ok(Self {
            hash,
            issuer_name_hash,
            issuer_key_hash,
            serial,
            status,
            this_update,
            next_update,
        })
    }

    /// Whether it is about a certificate of this issuer, whose name is given as it stands in the
    /// certificate and in the issuer's own.
    pub(super) fn is_about(&self, names: [&[u8]; 2], public_key_der: &[u8]) -> bool {
        let Ok(spki) = SubjectPublicKeyInfoRef::from_der(public_key_der) else {
            return false;
        };
        let digest = |octets: &[u8]| match self.hash {
            rfc5912::ID_SHA_1 => Some(Sha1::digest(octets).to_vec()),
            rfc5912::ID_SHA_256 => Some(Sha256::digest(octets).to_vec()),
            rfc5912::ID_SHA_384 => Some(Sha384::digest(octets).to_vec()),
            rfc5912::ID_SHA_512 => Some(Sha512::digest(octets).to_vec()),
            _ => None,
        };
        digest(spki.subject_public_key.raw_bytes()).as_ref() == Some(&self.issuer_key_hash)
            && names.iter().any(|name| digest(name).as_ref() == Some(&self.issuer_name_hash))
    }

    pub(super) fn this_update(&self) -> OffsetDateTime {
        self.this_update
    }

    /// RFC 6960 §3.2: thisUpdate is recent enough, nextUpdate, if any, is still to come. The
    /// answer is until when it counts.
    pub(super) fn in_force(
        &self,
        most_age: Duration,
        now: OffsetDateTime,
    ) -> Result<OffsetDateTime, RevocationProblem> {
        let this_update = self.this_update;
        if now < this_update {
            return Err(RevocationProblem::NotYetInForce { this_update });
        }
        // Without nextUpdate newer information was available all the time (§2.4): it counts for
        // the time that it was made.
        let until = self.next_update.unwrap_or(this_update + MOST_AGE_WITHOUT_NEXT_UPDATE);
        if now < until && now - this_update <= most_age {
            Ok(until)
        } else {
            Err(RevocationProblem::Outdated { this_update })
        }
    }
}

/// Five minutes for clocks and transport.
const MOST_AGE_WITHOUT_NEXT_UPDATE: Duration = Duration::minutes(5);

/// The nonce among these extensions. One that is not wrapped as RFC 9654 §2.1 has it is answered whole:
/// it equals nobody's.
fn nonce_of(extensions: Item<'_>) -> Result<Option<Vec<u8>>, OcspAnswerError> {
    let all = extension::read_all(extensions)?;
    let nonce = all.iter().find(|found| found.oid == rfc6960::ID_PKIX_OCSP_NONCE.as_bytes());
    Ok(nonce.map(|found| {
        let octets = Item::only_of(found.value, OCTET_STRING).map(|item| item.value);
        octets.unwrap_or(found.value).to_vec()
    }))
}

fn no_critical(extensions: Item<'_>) -> Result<(), OcspAnswerError> {
    // The nonce, which is never critical (RFC 9654 §2.1), matters to who asked; not to a judge of
    // stored answers.
    match extension::read_all(extensions)?.iter().find(|extension| extension.critical) {
        Some(extension) => Err(OcspAnswerError::Unsupported(format!(
            "the critical extension {}",
            reading::oid_text(extension.oid)
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_refusal_is_no_answer() {
        assert_eq!(
            OcspAnswer::parse(&[0x30, 3, 0x0a, 1, 6]).unwrap_err(),
            OcspAnswerError::Refused(6)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = OcspAnswer::parse(&bytes);
        }
    }
}
