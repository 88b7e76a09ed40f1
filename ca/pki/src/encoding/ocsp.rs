//! OCSP requests and responses (RFC 6960; nonce RFC 9654; GET form RFC 6960 appendix A.1).

use certval::ocsp::{Request, TbsRequest, Version};
use const_oid::db::{rfc5912, rfc6960::ID_PKIX_OCSP_NONCE};
use der::{Decode, Encode, asn1::OctetString};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};
use x509_cert::{ext::Extension, name::Name};

pub use certval::ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspGeneralizedTime, OcspRequest, OcspResponse,
    OcspResponseStatus, ResponderId, ResponseData, RevokedInfo, SingleResponse,
};

use super::serial::{Serial, SerialError};

/// A request for one certificate has about 80 octets, with SHA-256 and a nonce about 200.
const MOST_OCTETS: usize = 4 * 1024;
/// Certificates asked for in one request.
const MOST_QUESTIONS: usize = 8;
/// RFC 9654 §2.1: 1 to 128 octets.
const MOST_NONCE_OCTETS: usize = 128;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcspQuery {
    /// The certificates, in the client's order; at least one.
    pub certificates: Vec<CertId>,
    /// OcspNonce: the extension's value as it came, to be echoed (DER OCTET STRING).
    pub nonce: Option<Vec<u8>>,
}

/// Why a request was not understood; each is answered `malformedRequest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OcspQueryError {
    /// Not DER, or too long.
    #[error("not an OCSP request")]
    Malformed,
    /// None or more than eight certificates.
    #[error("an OCSP request asks for one to {MOST_QUESTIONS} certificates")]
    Count,
    /// A nonce of no or more than 128 octets, or two nonces.
    #[error("the OCSP nonce does not have 1 to {MOST_NONCE_OCTETS} octets")]
    Nonce,
    /// A critical extension that we do not know.
    #[error("the OCSP request has an unknown critical extension")]
    CriticalExtension,
    /// The path of a GET request is not base64.
    #[error("the path is not the base64 of an OCSP request")]
    Path,
}

impl OcspQuery {
    /// Reads the body of a POST request. A signature on the request is passed over
    /// (RFC 6960 §4.1.2 leaves it to the responder).
    ///
    /// # Errors
    /// [`OcspQueryError`].
    pub fn parse(der: &[u8]) -> Result<Self, OcspQueryError> {
        if der.len() > MOST_OCTETS {
            return Err(OcspQueryError::Malformed);
        }
        let request = OcspRequest::from_der(der).map_err(|_| OcspQueryError::Malformed)?;
        let list = request.tbs_request.request_list;
        if list.is_empty() || list.len() > MOST_QUESTIONS {
            return Err(OcspQueryError::Count);
        }
        let mut nonce = None;
        for extension in request.tbs_request.request_extensions.unwrap_or_default() {
            if extension.extn_id == ID_PKIX_OCSP_NONCE {
                let value = extension.extn_value.as_bytes();
                let octets = OctetString::from_der(value).map_err(|_| OcspQueryError::Nonce)?;
                let length = octets.as_bytes().len();
                if length == 0
                    || length > MOST_NONCE_OCTETS
                    || nonce.replace(value.to_vec()).is_some()
                {
                    return Err(OcspQueryError::Nonce);
                }
            } else if extension.critical {
                return Err(OcspQueryError::CriticalExtension);
            }
        }
        let mut certificates = Vec::with_capacity(list.len());
        for one in list {
            let critical =
                one.single_request_extensions.iter().flatten().any(|extension| extension.critical);
            if critical {
                return Err(OcspQueryError::CriticalExtension);
            }
            certificates.push(one.req_cert);
        }
        Ok(Self { certificates, nonce })
    }

    /// Reads the last part of a GET request's path: base64, then percent-encoded; both base64
    /// alphabets, with or without padding.
    ///
    /// # Errors
    /// [`OcspQueryError`].
    pub fn parse_get(path_segment: &str) -> Result<Self, OcspQueryError> {
        if path_segment.len() > MOST_OCTETS * 4 {
            return Err(OcspQueryError::Path);
        }
        let base64 = percent_decode(path_segment).ok_or(OcspQueryError::Path)?;
        let der = base64_decode(&base64).ok_or(OcspQueryError::Path)?;
        Self::parse(&der)
    }

    /// A request for one certificate, by SHA-256, with a nonce (RFC 9654 §2.1 asks clients for
    /// 32 octets).
    ///
    /// # Errors
    /// [`der::Error`]: `issuer_spki_der` is no key.
    pub fn request(
        issuer: &Name,
        issuer_spki_der: &[u8],
        serial: &Serial,
        nonce: Option<&[u8; 32]>,
    ) -> der::Result<Vec<u8>> {
        let hashes = IssuerHashes::of(issuer, issuer_spki_der)?;
        let nonce = nonce
            .map(|nonce| -> der::Result<_> {
                Ok(vec![Extension {
                    extn_id: ID_PKIX_OCSP_NONCE,
                    critical: false,
                    extn_value: OctetString::new(OctetString::new(&nonce[..])?.to_der()?)?,
                }])
            })
            .transpose()?;
        OcspRequest {
            tbs_request: TbsRequest {
                version: Version::V1,
                requestor_name: None,
                request_list: vec![Request {
                    req_cert: CertId {
                        hash_algorithm: AlgorithmIdentifierOwned {
                            oid: rfc5912::ID_SHA_256,
                            parameters: None,
                        },
                        issuer_name_hash: OctetString::new(&hashes.sha256.0[..])?,
                        issuer_key_hash: OctetString::new(&hashes.sha256.1[..])?,
                        serial_number: serial.to_x509()?,
                    },
                    single_request_extensions: None,
                }],
                request_extensions: nonce,
            },
            optional_signature: None,
        }
        .to_der()
    }
}

/// The hashes by which a CertID names an issuer: name and key, in SHA-1 (which clients still use
/// by default; it only looks up, it protects nothing) and SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerHashes {
    sha1: ([u8; 20], [u8; 20]),
    sha256: ([u8; 32], [u8; 32]),
}

impl IssuerHashes {
    /// Of an issuer's subject and public key.
    ///
    /// # Errors
    /// [`der::Error`]: not a key.
    pub fn of(issuer: &Name, issuer_spki_der: &[u8]) -> der::Result<Self> {
        let name = issuer.to_der()?;
        let spki = SubjectPublicKeyInfoRef::from_der(issuer_spki_der)?;
        let key = spki.subject_public_key.raw_bytes();
        Ok(Self {
            sha1: (Sha1::digest(&name).into(), Sha1::digest(key).into()),
            sha256: (Sha256::digest(&name).into(), Sha256::digest(key).into()),
        })
    }

    /// The key's SHA-1, which a responder identifies itself by (RFC 6960 §4.2.1, KeyHash).
    #[must_use]
    pub const fn key_sha1(&self) -> &[u8; 20] {
        &self.sha1.1
    }

    /// Whether `id` asks about a certificate of this issuer; then its serial number.
    ///
    /// # Errors
    /// [`SerialError`]: of this issuer, but zero or negative, so never issued.
    pub fn covers(&self, id: &CertId) -> Option<Result<Serial, SerialError>> {
        let (name, key) = (id.issuer_name_hash.as_bytes(), id.issuer_key_hash.as_bytes());
        let ours = match id.hash_algorithm.oid {
            rfc5912::ID_SHA_1 => name == self.sha1.0 && key == self.sha1.1,
            rfc5912::ID_SHA_256 => name == self.sha256.0 && key == self.sha256.1,
            _ => false,
        };
        ours.then(|| Serial::from_x509(&id.serial_number))
    }
}

fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let pair = [bytes.next()?, bytes.next()?];
            let mut octet = [0];
            hex::decode_to_slice(pair, &mut octet).ok()?;
            octets.push(octet[0]);
        } else {
            octets.push(byte);
        }
    }
    Some(octets)
}

fn base64_decode(text: &[u8]) -> Option<Vec<u8>> {
    let unpadded = match text {
        [rest @ .., b'=', b'='] | [rest @ .., b'='] => rest,
        all => all,
    };
    let mut octets = Vec::with_capacity(unpadded.len() * 3 / 4);
    let (mut buffer, mut bits) = (0_u32, 0);
    for byte in unpadded {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        buffer = (buffer << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            octets.push((buffer >> bits & 0xff) as u8);
        }
    }
    // One character alone, or bits that no encoder leaves.
    (unpadded.len() % 4 != 1 && buffer & ((1 << bits) - 1) == 0).then_some(octets)
}

#[cfg(test)]
#[path = "ocsp_tests.rs"]
mod tests;
