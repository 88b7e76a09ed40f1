//! OCSP answers (RFC 6960), as pure functions on octets: the caller brings the statuses.
//!
//! [`OcspResponders::question`] reads a request and says whose certificates it asks about; the
//! caller looks them up; [`OcspQuestion::answer`] signs. A request that cannot be answered gets
//! the unsigned error response of RFC 6960 §2.3 at once.

use std::sync::Arc;

use const_oid::db::rfc6960::ID_PKIX_OCSP_NONCE;
use der::{
    Decode, Encode,
    asn1::{BitString, OctetString},
};
use sekisho_key::{KeyError, SigningKey};
use sekisho_pki::{
    encoding::{
        instant,
        ocsp::{
            BasicOcspResponse, CertId, CertStatus, IssuerHashes, OcspGeneralizedTime, OcspQuery,
            OcspQueryError, OcspResponse, ResponderId, ResponseData, RevokedInfo, SingleResponse,
        },
        serial::Serial,
    },
    signature,
};
use time::{Duration, OffsetDateTime};
use x509_cert::{Certificate, ext::Extension};

use super::CertificateStatus;
use crate::authority::Authority;

/// Who answers for one authority: a delegated responder, or the authority itself.
#[derive(Debug, Clone)]
pub struct OcspResponder {
    issuer_id: String,
    issuer: IssuerHashes,
    responder_key_hash: [u8; 20],
    key: Arc<dyn SigningKey>,
    certificate: Option<Certificate>,
}

/// Why an answer could not be made.
#[derive(Debug, thiserror::Error)]
pub enum OcspError {
    /// The responder's certificate or key is not what it should be.
    #[error("the OCSP responder's certificate is not one of issuer {issuer_id} for its key")]
    Responder {
        /// The issuer.
        issuer_id: String,
    },
    /// Not one status for each certificate asked about.
    #[error("{given} statuses for {asked} certificates")]
    Count {
        /// Certificates asked about.
        asked: usize,
        /// Statuses.
        given: usize,
    },
    /// Encoding failed.
    #[error("the OCSP response could not be built")]
    Build(#[source] der::Error),
    /// The key did not sign.
    #[error("the OCSP responder's key did not sign")]
    Sign(#[from] KeyError),
    /// A broken token.
    #[error("the OCSP responder's key made a signature that does not verify")]
    FaultySignature,
}

/// The unsigned error responses that we give (RFC 6960 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OcspFailure {
    /// The request was not understood.
    MalformedRequest,
    /// The lookup or the key failed.
    InternalError,
    /// A certificate of another issuer.
    Unauthorized,
}

impl OcspFailure {
    /// The whole response, DER.
    #[must_use]
    pub fn to_der(self) -> Vec<u8> {
        // ENUMERATED in a SEQUENCE; five octets that cannot fail.
        let status = match self {
            Self::MalformedRequest => 1,
            Self::InternalError => 2,
            Self::Unauthorized => 6,
        };
        vec![0x30, 0x03, 0x0a, 0x01, status]
    }
}

impl OcspResponder {
    /// A responder whose certificate `authority` issued by profile `ocsp_responder`.
    ///
    /// # Errors
    /// [`OcspError::Responder`]: the certificate is another's or of another key.
    pub fn delegated(
        authority: &Authority,
        certificate_der: &[u8],
        key: Arc<dyn SigningKey>,
    ) -> Result<Self, OcspError> {
        let wrong = || OcspError::Responder { issuer_id: authority.id().to_owned() };
        let certificate = Certificate::from_der(certificate_der).map_err(|_| wrong())?;
        let tbs = certificate.tbs_certificate();
        let spki = tbs.subject_public_key_info().to_der().map_err(OcspError::Build)?;
        if spki != key.public_key_der() || tbs.issuer() != authority.subject() {
            return Err(wrong());
        }
        Self::new(authority, key, Some(certificate))
    }

    /// The authority answers with its own key.
    ///
    /// # Errors
    /// [`OcspError::Build`].
    pub fn direct(authority: &Authority) -> Result<Self, OcspError> {
        Self::new(authority, Arc::clone(authority.key()), None)
    }

    fn new(
        authority: &Authority,
        key: Arc<dyn SigningKey>,
        certificate: Option<Certificate>,
    ) -> Result<Self, OcspError> {
        let hashes =
            |spki: &[u8]| IssuerHashes::of(authority.subject(), spki).map_err(OcspError::Build);
        Ok(Self {
            issuer_id: authority.id().to_owned(),
            issuer: hashes(authority.public_key_der())?,
            responder_key_hash: *hashes(key.public_key_der())?.key_sha1(),
            key,
            certificate,
        })
    }

    /// Identifier of the authority that it answers for.
    #[must_use]
    pub fn issuer_id(&self) -> &str {
        &self.issuer_id
    }

    /// Its public key, DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_key_der(&self) -> &[u8] {
        self.key.public_key_der()
    }

    /// Last second of the delegated certificate; `None` if the authority itself answers.
    #[must_use]
    pub fn not_after(&self) -> Option<OffsetDateTime> {
        let certificate = self.certificate.as_ref()?;
        Some(instant::from_time(&certificate.tbs_certificate().validity().not_after))
    }
}

/// All responders of an instance.
#[derive(Debug, Clone, Default)]
pub struct OcspResponders(Vec<OcspResponder>);

impl OcspResponders {
    /// One for each authority that publishes by OCSP.
    #[must_use]
    pub fn new(responders: Vec<OcspResponder>) -> Self {
        Self(responders)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &OcspResponder> {
        self.0.iter()
    }

    /// Reads the body of a POST request.
    ///
    /// # Errors
    /// What to answer at once.
    pub fn question(&self, request_der: &[u8]) -> Result<OcspQuestion<'_>, OcspFailure> {
        self.place(OcspQuery::parse(request_der))
    }

    /// Reads the last part of a GET request's path (RFC 6960 appendix A.1).
    ///
    /// # Errors
    /// What to answer at once.
    pub fn question_by_get(&self, path_segment: &str) -> Result<OcspQuestion<'_>, OcspFailure> {
        self.place(OcspQuery::parse_get(path_segment))
    }

    /// The question of whoever asks with this CertID alone and sends no nonce; see
    /// [`OcspQuestion::reusable`].
    ///
    /// # Errors
    /// [`OcspFailure::MalformedRequest`], [`OcspFailure::Unauthorized`]: it is nobody's here.
    pub fn question_about(
        &self,
        certificate_id_der: &[u8],
    ) -> Result<OcspQuestion<'_>, OcspFailure> {
        let certificate = CertId::from_der(certificate_id_der);
        let certificate = certificate.map_err(|_| OcspFailure::MalformedRequest)?;
        self.place(Ok(OcspQuery { certificates: vec![certificate], nonce: None }))
    }

    fn place(
        &self,
        query: Result<OcspQuery, OcspQueryError>,
    ) -> Result<OcspQuestion<'_>, OcspFailure> {
        let query = query.map_err(|_| OcspFailure::MalformedRequest)?;
        // One signature cannot answer for two issuers: all must be of the same.
        let responder = self
            .0
            .iter()
            .find(|responder| {
                query.certificates.iter().all(|id| responder.issuer.covers(id).is_some())
            })
            .ok_or(OcspFailure::Unauthorized)?;
        let serials = query
            .certificates
            .iter()
            .map(|id| responder.issuer.covers(id).and_then(Result::ok))
            .collect();
        Ok(OcspQuestion { responder, query, serials })
    }
}

/// How far back an answer other than *revoked* dates its knowledge. Of two answers a client or a
/// cache believes the one with the later thisUpdate; the clocks of two processes may each be five
/// seconds wrong, and a *good* of the one must not outdo a later *revoked* of the other.
pub const GOOD_SINCE: Duration = Duration::seconds(15);

/// thisUpdate and nextUpdate of an answer that is known at `now` and valid for so long.
#[must_use]
pub fn window(
    status: CertificateStatus,
    now: OffsetDateTime,
    valid_for: Duration,
) -> (OffsetDateTime, OffsetDateTime) {
    let this_update = match status {
        CertificateStatus::Revoked { .. } => now,
        CertificateStatus::Good | CertificateStatus::Unknown => now - GOOD_SINCE,
    };
    (this_update, this_update + valid_for)
}

/// A request that was understood and is ours to answer.
#[derive(Debug)]
pub struct OcspQuestion<'a> {
    responder: &'a OcspResponder,
    query: OcspQuery,
    serials: Vec<Option<Serial>>,
}

impl OcspQuestion<'_> {
    /// The authority whose certificates are asked about.
    #[must_use]
    pub fn issuer_id(&self) -> &str {
        &self.responder.issuer_id
    }

    /// The serial numbers, in the client's order; `None` is no possible serial number, hence
    /// [`CertificateStatus::Unknown`].
    #[must_use]
    pub fn serials(&self) -> &[Option<Serial>] {
        &self.serials
    }

    /// Whether the client sent a nonce: then the answer is for it alone and must not be cached.
    #[must_use]
    pub fn has_nonce(&self) -> bool {
        self.query.nonce.is_some()
    }

    /// What tells this question from others about the same certificate, if an answer to it may be
    /// given to whoever asks the same: one certificate, no nonce. It is the CertID, DER.
    ///
    /// # Errors
    /// [`OcspError::Build`].
    pub fn reusable(&self) -> Result<Option<Vec<u8>>, OcspError> {
        match self.query.certificates.as_slice() {
            [id] if !self.has_nonce() => id.to_der().map(Some).map_err(OcspError::Build),
            _ => Ok(None),
        }
    }

    /// Signs the answer: one status for each of [`Self::serials`], in order, known at `now`; see
    /// [`window`] for its times.
    ///
    /// # Errors
    /// [`OcspError`]; answer with [`OcspFailure::InternalError`].
    pub async fn answer(
        &self,
        statuses: &[CertificateStatus],
        now: OffsetDateTime,
        valid_for: Duration,
    ) -> Result<Vec<u8>, OcspError> {
        if statuses.len() != self.query.certificates.len() {
            return Err(OcspError::Count {
                asked: self.query.certificates.len(),
                given: statuses.len(),
            });
        }
        let data = self.data(statuses, now, valid_for).map_err(OcspError::Build)?;
        let octets = data.to_der().map_err(OcspError::Build)?;
        let key = &self.responder.key;
        let signature_algorithm = key.algorithm().identifier();
        let signed = key.sign(&octets).await?;
        signature::verify(key.public_key_der(), &signature_algorithm, &octets, &signed)
            .map_err(|_| OcspError::FaultySignature)?;
        let build = || {
            OcspResponse::successful(BasicOcspResponse {
                tbs_response_data: data,
                signature_algorithm,
                signature: BitString::from_bytes(&signed)?,
                certs: self.responder.certificate.clone().map(|certificate| vec![certificate]),
            })?
            .to_der()
        };
        build().map_err(OcspError::Build)
    }

    fn data(
        &self,
        statuses: &[CertificateStatus],
        now: OffsetDateTime,
        valid_for: Duration,
    ) -> der::Result<ResponseData> {
        let at = |instant| instant::to_generalized(instant).map(OcspGeneralizedTime);
        let mut responses = Vec::with_capacity(statuses.len());
        for (id, status) in self.query.certificates.iter().zip(statuses) {
            let cert_status = match status {
                CertificateStatus::Good => CertStatus::good(),
                CertificateStatus::Unknown => CertStatus::unknown(),
                CertificateStatus::Revoked { at: since, reason } => {
                    CertStatus::revoked(RevokedInfo {
                        // By a clock that runs ahead of ours it would read as not yet revoked.
                        revocation_time: at((*since).min(now))?,
                        revocation_reason: reason.x509(),
                    })
                }
            };
            let (this_update, next_update) = window(*status, now, valid_for);
            responses.push(SingleResponse {
                cert_id: id.clone(),
                cert_status,
                this_update: at(this_update)?,
                next_update: Some(at(next_update)?),
                single_extensions: None,
            });
        }
        let response_extensions = self
            .query
            .nonce
            .as_ref()
            .map(|nonce| {
                Ok::<_, der::Error>(vec![Extension {
                    extn_id: ID_PKIX_OCSP_NONCE,
                    critical: false,
                    extn_value: OctetString::new(nonce.as_slice())?,
                }])
            })
            .transpose()?;
        Ok(ResponseData {
            version: Default::default(),
            responder_id: ResponderId::ByKey(OctetString::new(
                &self.responder.responder_key_hash[..],
            )?),
            produced_at: at(now)?,
            responses,
            response_extensions,
        })
    }
}
