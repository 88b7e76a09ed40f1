//! The JPKI's certificates (公的個人認証): what a login (利用者証明用電子証明書) and a signed document
//! (署名用電子証明書) accept.
//!
//! All generations of the issuing authority have one name, so the anchor is found by its key. Its
//! revocation data is not open: who may ask for it asks a [`StatusProvider`], and what passed
//! everything else is an [`UnjudgedJpkiCertificate`] until an answer is there.

use const_oid::ObjectIdentifier;
use der::Decode;
use time::{Duration, OffsetDateTime};
use x509_cert::{Certificate, ext::pkix::CertificatePolicies};

use crate::{
    encoding::{instant, key_identifier::fingerprint, serial::Serial},
    path::{
        self, Anchors, Budget, Crl, OcspAnswer, PathError, PolicyRule, Purpose, Requirements,
        Revocation, TrustAnchor, VerifiedPath,
    },
};

/// Policy of certificates for user authentication (利用者証明用).
pub const POLICY_AUTHENTICATION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.392.200149.8.5.1.3.30");
/// Policy of certificates for signing (署名用), which hold name and address. Never accepted at login.
pub const POLICY_SIGNING: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.392.200149.8.5.1.1.20");

/// What a login with a My Number card accepts.
#[derive(Debug, Clone)]
pub struct JpkiRules {
    /// What the key is to be used for; [`Purpose::Any`] also accepts certificates for signing, if
    /// their policy is listed.
    pub purpose: Purpose,
    /// End-entity policies that are accepted.
    pub accepted_policies: Vec<ObjectIdentifier>,
    /// Oldest status that counts.
    pub most_status_age: Duration,
    /// How much work one login may cause.
    pub budget: Budget,
}

impl Default for JpkiRules {
    /// User authentication, and a status of at most one day: the JPKI publishes its lists daily.
    fn default() -> Self {
        Self {
            purpose: Purpose::CardAuthentication,
            accepted_policies: vec![POLICY_AUTHENTICATION],
            most_status_age: Duration::DAY,
            budget: Budget::default(),
        }
    }
}

/// Why a certificate was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JpkiError {
    /// The certificate for signing; it holds name and address, and is not for logging in.
    #[error("this is the card's certificate for signing, not the one for user authentication")]
    SigningCertificate,
    /// The path does not hold.
    #[error("the card's certificate was refused")]
    Path(#[source] PathError),
    /// Taken back.
    #[error("the card's certificate was revoked at {at}")]
    Revoked {
        /// Since when.
        at: OffsetDateTime,
        /// The reason code of RFC 5280 §5.3.1, if one was given.
        reason: Option<u8>,
    },
    /// The provider does not know it, did not answer or answered long ago.
    #[error("whether the card's certificate was revoked is not known: {what}")]
    StatusUnknown {
        /// What is wrong.
        what: String,
    },
    /// Something cannot be read.
    #[error("the card's certificate is not well formed: {what}")]
    Malformed {
        /// What.
        what: &'static str,
    },
}

/// Whose status is asked for.
#[derive(Debug, Clone, Copy)]
pub struct StatusQuery<'a> {
    /// The certificate, DER.
    pub certificate_der: &'a [u8],
    /// Certificates between it and its anchor, nearest first, DER.
    pub authorities_der: &'a [Vec<u8>],
    /// The anchor, DER.
    pub anchor_der: &'a [u8],
    /// The certificate's serial number.
    pub serial: &'a Serial,
}

/// What a provider says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateStatus {
    /// Not revoked.
    Good,
    /// Taken back.
    Revoked {
        /// Since when.
        at: OffsetDateTime,
        /// The reason code of RFC 5280 §5.3.1, if one was given.
        reason: Option<u8>,
    },
    /// The provider does not know it.
    Unknown,
}

/// A provider's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusAnswer {
    /// The status.
    pub status: CertificateStatus,
    /// The moment that it is of.
    pub as_of: OffsetDateTime,
}

/// Why a provider did not answer; the text is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProviderError(pub String);

/// Who is asked whether a certificate was revoked: files, an OCSP responder, or an accredited
/// platform operator's interface. Who must wait for the network asks it first and gives the answer
/// to [`UnjudgedJpkiCertificate::with_status`].
pub trait StatusProvider {
    /// The status of one certificate.
    ///
    /// # Errors
    /// [`ProviderError`]: nobody answered, which is no answer of good.
    fn status(
        &self,
        query: &StatusQuery<'_>,
        now: OffsetDateTime,
    ) -> Result<StatusAnswer, ProviderError>;
}

/// Answers from OCSP responses and CRLs that lie ready, each authenticated against the anchor.
#[derive(Debug, Clone, Default)]
pub struct StoredEvidence {
    /// OCSP responses.
    pub answers: Vec<OcspAnswer>,
    /// CRLs.
    pub crls: Vec<Crl>,
    /// How much work one answer may cause.
    pub budget: Budget,
}

impl StatusProvider for StoredEvidence {
    fn status(
        &self,
        query: &StatusQuery<'_>,
        now: OffsetDateTime,
    ) -> Result<StatusAnswer, ProviderError> {
        let failed = |error: PathError| ProviderError(error.to_string());
        let anchors = Anchors::new(vec![TrustAnchor::from_der(query.anchor_der).map_err(failed)?]);
        let candidates: Vec<&[u8]> = query.authorities_der.iter().map(Vec::as_slice).collect();
        let revocation =
            Revocation::Ocsp { answers: &self.answers, crls: &self.crls, most_age: Duration::MAX };
        let requirements = Requirements {
            budget: self.budget,
            conforming: false,
            ..Requirements::new(Purpose::Any, revocation)
        };
        match path::validate(query.certificate_der, &candidates, &anchors, &requirements, now) {
            Ok(path) => {
                // The oldest evidence of the path is as new as the whole.
                let as_of = path.evidence().iter().map(|evidence| evidence.this_update).min();
                let as_of = as_of.ok_or_else(|| ProviderError("no evidence".to_owned()))?;
                Ok(StatusAnswer { status: CertificateStatus::Good, as_of })
            }
            Err(PathError::Revoked { at, reason, .. }) => {
                Ok(StatusAnswer { status: CertificateStatus::Revoked { at, reason }, as_of: now })
            }
            // Whose certificate it is stands in the error, and has no place in a log.
            Err(PathError::RevocationUnknown { problem, .. }) => {
                Err(ProviderError(problem.to_string()))
            }
            Err(_) => Err(ProviderError("the path of the certificate does not hold".to_owned())),
        }
    }
}

/// A certificate of which everything holds but whether it was revoked.
#[derive(Debug, Clone)]
pub struct UnjudgedJpkiCertificate {
    path: VerifiedPath,
    certificate_der: Vec<u8>,
    serial: Serial,
    not_after: OffsetDateTime,
    most_status_age: Duration,
}

/// A certificate that counts. It holds no name: the person is known by the serial number, which is
/// kept as a keyed hash only.
#[derive(Debug, Clone)]
pub struct VerifiedJpkiCertificate {
    unjudged: UnjudgedJpkiCertificate,
    status_as_of: OffsetDateTime,
}

impl JpkiRules {
    /// For signed documents.
    #[must_use]
    pub fn documents() -> Self {
        Self {
            purpose: Purpose::DocumentSignature,
            accepted_policies: vec![POLICY_SIGNING],
            ..Self::default()
        }
    }

    /// For any certificate of the JPKI.
    #[must_use]
    pub fn any_use() -> Self {
        Self {
            purpose: Purpose::Any,
            accepted_policies: vec![POLICY_AUTHENTICATION, POLICY_SIGNING],
            ..Self::default()
        }
    }

    /// Judges everything but revocation at `now`.
    ///
    /// # Errors
    /// [`JpkiError`].
    pub fn examine(
        &self,
        certificate_der: &[u8],
        candidates_der: &[&[u8]],
        anchors: &Anchors,
        now: OffsetDateTime,
    ) -> Result<UnjudgedJpkiCertificate, JpkiError> {
        let requirements = Requirements {
            policy: PolicyRule::EndEntity(&self.accepted_policies),
            budget: self.budget,
            // Nobody here can have a card made anew: its issuer's habits are borne with.
            conforming: false,
            ..Requirements::new(self.purpose, Revocation::JudgedByCaller)
        };
        let login = !matches!(self.purpose, Purpose::Any | Purpose::DocumentSignature);
        let path = path::validate(certificate_der, candidates_der, anchors, &requirements, now);
        let path = match path {
            Ok(path) => path,
            Err(PathError::PolicyNotAccepted { .. }) if login && signs(certificate_der) => {
                return Err(JpkiError::SigningCertificate);
            }
            Err(error) => return Err(JpkiError::Path(error)),
        };
        if login && signs(certificate_der) {
            // Both policies in one certificate, whatever the configuration lists.
            return Err(JpkiError::SigningCertificate);
        }
        let malformed = |what| JpkiError::Malformed { what };
        let certificate =
            Certificate::from_der(certificate_der).map_err(|_| malformed("the certificate"))?;
        let tbs = certificate.tbs_certificate();
        Ok(UnjudgedJpkiCertificate {
            serial: Serial::from_x509(tbs.serial_number())
                .map_err(|_| malformed("the serial number"))?,
            not_after: instant::from_time(&tbs.validity().not_after),
            certificate_der: certificate_der.to_vec(),
            most_status_age: self.most_status_age,
            path,
        })
    }

    /// Judges a certificate, asking `provider` whether it was revoked.
    ///
    /// # Errors
    /// [`JpkiError`].
    pub fn judge(
        &self,
        certificate_der: &[u8],
        candidates_der: &[&[u8]],
        anchors: &Anchors,
        provider: &dyn StatusProvider,
        now: OffsetDateTime,
    ) -> Result<VerifiedJpkiCertificate, JpkiError> {
        let unjudged = self.examine(certificate_der, candidates_der, anchors, now)?;
        let answer = provider
            .status(&unjudged.query(), now)
            .map_err(|error| JpkiError::StatusUnknown { what: error.0 })?;
        unjudged.with_status(answer, now)
    }
}

/// Whether a certificate says that it is one of the JPKI's, of either use. Only for choosing what judges
/// it: nothing is proved by that.
#[must_use]
pub fn claims_to_be_of_jpki(certificate_der: &[u8]) -> bool {
    asserts(certificate_der, &[POLICY_AUTHENTICATION, POLICY_SIGNING])
}

fn signs(certificate_der: &[u8]) -> bool {
    asserts(certificate_der, &[POLICY_SIGNING])
}

fn asserts(certificate_der: &[u8], any_of: &[ObjectIdentifier]) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate_der) else {
        return false;
    };
    matches!(
        certificate.tbs_certificate().get_extension::<CertificatePolicies>(),
        Ok(Some((_, policies)))
            if policies.0.iter().any(|policy| any_of.contains(&policy.policy_identifier))
    )
}

impl UnjudgedJpkiCertificate {
    /// What to ask a provider.
    #[must_use]
    pub fn query(&self) -> StatusQuery<'_> {
        StatusQuery {
            certificate_der: &self.certificate_der,
            authorities_der: self.path.certificates_der().get(1..).unwrap_or_default(),
            anchor_der: self.path.anchor_der(),
            serial: &self.serial,
        }
    }

    /// Judges a provider's answer.
    ///
    /// # Errors
    /// [`JpkiError::Revoked`], [`JpkiError::StatusUnknown`].
    pub fn with_status(
        self,
        answer: StatusAnswer,
        now: OffsetDateTime,
    ) -> Result<VerifiedJpkiCertificate, JpkiError> {
        let unknown = |what: &str| JpkiError::StatusUnknown { what: what.to_owned() };
        match answer.status {
            CertificateStatus::Revoked { at, reason } => Err(JpkiError::Revoked { at, reason }),
            CertificateStatus::Unknown => Err(unknown("the provider does not know it")),
            CertificateStatus::Good if answer.as_of > now => {
                Err(unknown("the answer is of a later time than now: check the clock"))
            }
            CertificateStatus::Good if now - answer.as_of > self.most_status_age => {
                Err(unknown("the answer is too old"))
            }
            CertificateStatus::Good => {
                Ok(VerifiedJpkiCertificate { unjudged: self, status_as_of: answer.as_of })
            }
        }
    }

    /// The path that proves it.
    #[must_use]
    pub fn path(&self) -> &VerifiedPath {
        &self.path
    }
}

impl VerifiedJpkiCertificate {
    /// The path that proves it.
    #[must_use]
    pub fn path(&self) -> &VerifiedPath {
        &self.unjudged.path
    }

    /// The certificate's serial number: who the person is. Never stored or shown as it is.
    #[must_use]
    pub fn serial(&self) -> &Serial {
        &self.unjudged.serial
    }

    /// DER of the certificate of who issued it: an anchor, as all generations have one name.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        let above = self.unjudged.query().authorities_der;
        above.first().map_or(self.unjudged.path.anchor_der(), Vec::as_slice)
    }

    /// Last second of validity.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.unjudged.not_after
    }

    /// Of when its status is.
    #[must_use]
    pub fn status_as_of(&self) -> OffsetDateTime {
        self.status_as_of
    }

    /// SHA-256 of the certificate's DER.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&self.unjudged.certificate_der)
    }
}
