//! The HPKI's certificates (保健医療福祉分野PKI): what a login (認証用(人)) and a signed document (署名用)
//! accept.

use const_oid::{ObjectIdentifier, db::rfc4519};
use der::{Decode, Encode};
use time::{Duration, OffsetDateTime};
use x509_cert::{
    Certificate,
    ext::pkix::{CertificatePolicies, SubjectAltName, name::GeneralName},
    name::Name,
};

use super::hc_role::{self, HcRole, HcRoleError};
use crate::{
    encoding::{
        instant,
        key_identifier::{fingerprint, public_key_sha256},
        name::only_text,
        serial::Serial,
    },
    path::{
        self, Anchors, Budget, Crl, PathError, PolicyRule, Purpose, Requirements, Revocation,
        VerifiedPath,
    },
};

/// End-entity policy of signing certificates (署名用): seen critical in genuine ones. Never
/// accepted at login.
pub const POLICY_SIGNING: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.392.100495.1.5.1.1.0.1");
/// End-entity policy of individuals' authentication certificates (認証用(人)), by analogy with
/// the signing arc: not verified in an artefact, hence only a default of configuration.
pub const POLICY_AUTHENTICATION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.392.100495.1.5.1.2.0.1");

/// End-entity policy of organisations' authentication certificates (認証用(組織)), by the same analogy.
pub const POLICY_ORGANISATION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.392.100495.1.5.1.3.0.1");

/// What a certificate of the HPKI is judged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HpkiUse {
    /// Logging in: only authentication certificates, by keyUsage and by policy.
    Login,
    /// Signed documents: only signing certificates, by keyUsage and by policy.
    Documents,
    /// Whatever the certificate is for, as a verifier of signed documents asks.
    Any,
}

/// An authority whose cards may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedIssuer {
    /// Its name, DER.
    pub subject_der: Vec<u8>,
    /// SHA-256 of its `SubjectPublicKeyInfo`.
    pub public_key_sha256: [u8; 32],
}

impl AcceptedIssuer {
    /// From the authority's certificate.
    ///
    /// # Errors
    /// [`der::Error`].
    pub fn from_certificate(certificate: &Certificate) -> der::Result<Self> {
        let tbs = certificate.tbs_certificate();
        Ok(Self {
            subject_der: tbs.subject().to_der()?,
            public_key_sha256: public_key_sha256(&tbs.subject_public_key_info().to_der()?),
        })
    }
}

/// What a login with an HPKI card accepts.
#[derive(Debug, Clone)]
pub struct HpkiRules {
    /// What the certificate is to be used for.
    pub intended: HpkiUse,
    /// End-entity policies that are accepted.
    pub accepted_policies: Vec<ObjectIdentifier>,
    /// Authorities whose cards may log in; empty accepts each under the anchors.
    pub accepted_issuers: Vec<AcceptedIssuer>,
    /// Oldest CRL that counts, whatever its nextUpdate says.
    pub most_crl_age: Duration,
    /// How much work one login may cause.
    pub budget: Budget,
}

impl Default for HpkiRules {
    /// The authentication policy, any issuer under the anchors. The age bounds a CRL whose
    /// nextUpdate is absurdly far: authorities' lists (ARL) were seen to live much longer than the
    /// four days of end entities' lists.
    fn default() -> Self {
        Self {
            intended: HpkiUse::Login,
            accepted_policies: vec![POLICY_AUTHENTICATION],
            accepted_issuers: Vec::new(),
            most_crl_age: Duration::days(370),
            budget: Budget::default(),
        }
    }
}

/// Why a card's certificate was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HpkiError {
    /// The certificate for signing documents; the card has another for logging in.
    #[error("this is the card's certificate for signing documents, not the one for logging in")]
    SigningCertificate,
    /// The path does not hold.
    #[error("the card's certificate was refused")]
    Path(#[source] PathError),
    /// Another authority than those configured.
    #[error("cards of {issuer} are not accepted here")]
    IssuerNotAccepted {
        /// Its name.
        issuer: String,
    },
    /// The subject has no serialNumber, so that the holder cannot be told from a namesake.
    #[error("the card's certificate has no serialNumber in its subject")]
    NoSerialNumber,
    /// The subject has no commonName.
    #[error("the card's certificate has no name in its subject")]
    NoCommonName,
    /// The role cannot be read.
    #[error("the role in the card's certificate cannot be read")]
    Role(#[from] HcRoleError),
    /// Something else cannot be read.
    #[error("the card's certificate is not well formed: {what}")]
    Malformed {
        /// What.
        what: &'static str,
    },
}

/// A card holder's certificate that counts.
#[derive(Debug, Clone)]
pub struct VerifiedHpkiCertificate {
    path: VerifiedPath,
    issuer_der: Vec<u8>,
    serial_number: String,
    common_name: String,
    kanji_name: Option<String>,
    organisation: Option<String>,
    kanji_organisation: Option<String>,
    roles: Vec<HcRole>,
    certificate_serial: Serial,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    public_key_der: Vec<u8>,
    fingerprint: [u8; 32],
    issuer: Name,
}

impl HpkiRules {
    /// For signed documents.
    #[must_use]
    pub fn documents() -> Self {
        Self {
            intended: HpkiUse::Documents,
            accepted_policies: vec![POLICY_SIGNING],
            ..Self::default()
        }
    }

    /// For any certificate of the HPKI: signing, authentication, organisations.
    #[must_use]
    pub fn any_use() -> Self {
        Self {
            intended: HpkiUse::Any,
            accepted_policies: vec![POLICY_SIGNING, POLICY_AUTHENTICATION, POLICY_ORGANISATION],
            ..Self::default()
        }
    }

    /// Judges a card's certificate at `now`; `candidates_der` are the authorities' certificates
    /// from the card and from the configuration, in any order.
    ///
    /// # Errors
    /// [`HpkiError`].
    pub fn judge(
        &self,
        certificate_der: &[u8],
        candidates_der: &[&[u8]],
        anchors: &Anchors,
        crls: &[Crl],
        now: OffsetDateTime,
    ) -> Result<VerifiedHpkiCertificate, HpkiError> {
        let revocation = Revocation::Crls { crls, most_age: self.most_crl_age };
        self.judge_by(certificate_der, candidates_der, anchors, revocation, now)
    }

    /// As [`Self::judge`], with other evidence of revocation.
    ///
    /// # Errors
    /// [`HpkiError`].
    pub fn judge_by(
        &self,
        certificate_der: &[u8],
        candidates_der: &[&[u8]],
        anchors: &Anchors,
        revocation: Revocation<'_>,
        now: OffsetDateTime,
    ) -> Result<VerifiedHpkiCertificate, HpkiError> {
        let login = self.intended == HpkiUse::Login;
        let purpose = match self.intended {
            HpkiUse::Login => Purpose::CardAuthentication,
            HpkiUse::Documents => Purpose::DocumentSignature,
            HpkiUse::Any => Purpose::Any,
        };
        let verified = path::validate(
            certificate_der,
            candidates_der,
            anchors,
            &Requirements {
                policy: PolicyRule::EndEntity(&self.accepted_policies),
                budget: self.budget,
                // Nobody here can have a card made anew: its issuer's habits are borne with.
                conforming: false,
                ..Requirements::new(purpose, revocation)
            },
            now,
        );
        let path = match verified {
            Ok(path) => path,
            Err(error @ (PathError::WrongPurpose { .. } | PathError::PolicyNotAccepted { .. })) => {
                // Clearer for the person than its policy's number.
                return Err(if login && says_signing(certificate_der) {
                    HpkiError::SigningCertificate
                } else {
                    HpkiError::Path(error)
                });
            }
            Err(error) => return Err(HpkiError::Path(error)),
        };
        if login && says_signing(certificate_der) {
            // Both policies in one certificate, whatever the configuration lists.
            return Err(HpkiError::SigningCertificate);
        }
        let certificate =
            Certificate::from_der(certificate_der).map_err(|_| malformed("the certificate"))?;
        self.issuer_accepted(&path, &certificate)?;
        read(path, certificate)
    }

    fn issuer_accepted(
        &self,
        path: &VerifiedPath,
        certificate: &Certificate,
    ) -> Result<(), HpkiError> {
        if self.accepted_issuers.is_empty() {
            return Ok(());
        }
        let issuer = certificate.tbs_certificate().issuer();
        let subject_der = issuer.to_der().map_err(|_| malformed("issuer"))?;
        let key = public_key_sha256(path.issuer_public_key_der());
        let accepted = self.accepted_issuers.iter().any(|accepted| {
            accepted.public_key_sha256 == key && accepted.subject_der == subject_der
        });
        if accepted {
            Ok(())
        } else {
            Err(HpkiError::IssuerNotAccepted { issuer: issuer.to_string() })
        }
    }
}

fn says_signing(certificate_der: &[u8]) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate_der) else {
        return false;
    };
    let policies = certificate.tbs_certificate().get_extension::<CertificatePolicies>();
    matches!(
        policies,
        Ok(Some((_, policies)))
            if policies.0.iter().any(|policy| policy.policy_identifier == POLICY_SIGNING)
    )
}

fn read(
    path: VerifiedPath,
    certificate: Certificate,
) -> Result<VerifiedHpkiCertificate, HpkiError> {
    let tbs = certificate.tbs_certificate();
    let subject = tbs.subject();
    let serial_number =
        only_text(subject, rfc4519::SERIAL_NUMBER).ok_or(HpkiError::NoSerialNumber)?;
    let common_name = only_text(subject, rfc4519::COMMON_NAME).ok_or(HpkiError::NoCommonName)?;
    for text in [&serial_number, &common_name] {
        if text.trim().is_empty() || text.len() > 256 || text.chars().any(char::is_control) {
            return Err(malformed("a part of the subject"));
        }
    }
    let organisation = only_text(subject, rfc4519::ORGANIZATION_NAME);
    let japanese = japanese_name(&certificate)?;
    let kanji = |oid| {
        japanese
            .as_ref()
            .and_then(|name| only_text(name, oid))
            .filter(|text| text.len() <= 512 && !text.chars().any(char::is_control))
    };
    let certificate_der = path.certificates_der().first().ok_or(malformed("an empty path"))?;
    Ok(VerifiedHpkiCertificate {
        issuer: tbs.issuer().clone(),
        issuer_der: tbs.issuer().to_der().map_err(|_| malformed("issuer"))?,
        kanji_name: kanji(rfc4519::COMMON_NAME),
        kanji_organisation: kanji(rfc4519::ORGANIZATION_NAME),
        roles: hc_role::of_certificate(&certificate)?,
        certificate_serial: Serial::from_x509(tbs.serial_number())
            .map_err(|_| malformed("the certificate's serial number"))?,
        not_before: instant::from_time(&tbs.validity().not_before),
        not_after: instant::from_time(&tbs.validity().not_after),
        public_key_der: tbs
            .subject_public_key_info()
            .to_der()
            .map_err(|_| malformed("the public key"))?,
        fingerprint: fingerprint(certificate_der),
        serial_number,
        common_name,
        organisation,
        path,
    })
}

/// The directoryName in the subjectAltName, which holds the names in Japanese; `None` if there is
/// none or more than one.
fn japanese_name(certificate: &Certificate) -> Result<Option<Name>, HpkiError> {
    let names = certificate
        .tbs_certificate()
        .get_extension::<SubjectAltName>()
        .map_err(|_| malformed("subjectAltName"))?;
    let Some((_, names)) = names else {
        return Ok(None);
    };
    let mut found = names.0.into_iter().filter_map(|name| match name {
        GeneralName::DirectoryName(name) => Some(name),
        _ => None,
    });
    let first = found.next();
    Ok(if found.next().is_some() { None } else { first })
}

const fn malformed(what: &'static str) -> HpkiError {
    HpkiError::Malformed { what }
}

impl VerifiedHpkiCertificate {
    /// The path that proves it.
    #[must_use]
    pub fn path(&self) -> &VerifiedPath {
        &self.path
    }

    /// Name of the issuing authority.
    #[must_use]
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// Name of the issuing authority, DER: with [`Self::serial_number`] this is who the person is.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        &self.issuer_der
    }

    /// The subject's serialNumber. Not a licence number: authorities differ in what they put here.
    #[must_use]
    pub fn serial_number(&self) -> &str {
        &self.serial_number
    }

    /// The holder's name in rōmaji. Not unique.
    #[must_use]
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// The holder's name in kanji, family name and given name parted by a full-width space.
    #[must_use]
    pub fn kanji_name(&self) -> Option<&str> {
        self.kanji_name.as_deref()
    }

    /// The institution in rōmaji, if the certificate names one.
    #[must_use]
    pub fn organisation(&self) -> Option<&str> {
        self.organisation.as_deref()
    }

    /// The institution in Japanese, if the certificate names one.
    #[must_use]
    pub fn kanji_organisation(&self) -> Option<&str> {
        self.kanji_organisation.as_deref()
    }

    /// The asserted roles, verbatim.
    #[must_use]
    pub fn roles(&self) -> &[HcRole] {
        &self.roles
    }

    /// The certificate's own serial number.
    #[must_use]
    pub fn certificate_serial(&self) -> &Serial {
        &self.certificate_serial
    }

    /// First second of validity.
    #[must_use]
    pub fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    /// Last second of validity.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// The card's public key, DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_key_der(&self) -> &[u8] {
        &self.public_key_der
    }

    /// SHA-256 of the certificate's DER.
    #[must_use]
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }
}
