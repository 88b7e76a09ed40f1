//! What a card's certificate says about its holder, and whether the portal has use for it.
//!
//! Only for choosing: nothing here is proved, the portal validates.

use const_oid::db::rfc4519;
use const_oid::db::rfc5912::{ID_EC_PUBLIC_KEY, RSA_ENCRYPTION, SECP_256_R_1, SECP_384_R_1};
use const_oid::{AssociatedOid, ObjectIdentifier};
use der::{Decode, Encode};
use sekisho_pki::encoding::instant;
use sekisho_pki::encoding::name::only_text;
use sekisho_protocol::Sha256Digest;
use sekisho_protocol::request::LoginRequest;
use time::macros::offset;
use time::{OffsetDateTime, UtcOffset};
use x509_cert::Certificate;
use x509_cert::ext::pkix::{BasicConstraints, CertificatePolicies, KeyUsage};

use super::known::Family;
use super::reader::CardError;

/// Arc of the HPKI's certificate policies (厚生労働省 HPKI 証明書ポリシー).
const HPKI_POLICIES: &str = "1.2.392.100495.1.5";
/// Arc of the JPKI's certificate policies.
const JPKI_POLICIES: &str = "1.2.392.200149.8.5.1";
/// Arcs of the policies for signatures (署名用) among them.
const SIGNING_POLICIES: [&str; 2] = ["1.2.392.100495.1.5.1.1", "1.2.392.200149.8.5.1.1"];

/// Where cards are issued and used.
const JAPAN: UtcOffset = offset!(+9);

/// Parts of a card certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Common name; shown to the person.
    pub name: String,
    issuer: String,
    issuer_der: Vec<u8>,
    key_algorithm: ObjectIdentifier,
    /// Of a key on an elliptic curve.
    curve: Option<ObjectIdentifier>,
    is_authority: bool,
    non_repudiation: bool,
    /// First and last second.
    validity: (OffsetDateTime, OffsetDateTime),
    serial_number: Option<String>,
    certificate_sha256: Sha256Digest,
    policies: Vec<String>,
}

/// Whether a certificate is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// It is.
    InForce,
    /// Not before this.
    NotYet(OffsetDateTime),
    /// Since this.
    Expired(OffsetDateTime),
}

/// Why a card is of no use for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsuitable {
    /// Another issuer or policy.
    Issuer,
    /// Another person than the one expected.
    Person,
}

impl Holder {
    /// Reads a certificate; `None` where it is none.
    pub fn of(certificate_der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(certificate_der).ok()?;
        let tbs = certificate.tbs_certificate();
        let extension = |id| {
            let all = tbs.extensions().into_iter().flatten();
            all.filter(|extension| extension.extn_id == id).map(|e| e.extn_value.as_bytes()).next()
        };
        let is_authority = extension(BasicConstraints::OID)
            .is_some_and(|der| BasicConstraints::from_der(der).map_or(true, |found| found.ca));
        let policies = extension(CertificatePolicies::OID)
            .and_then(|der| CertificatePolicies::from_der(der).ok())
            .map(|policies| policies.0.iter().map(|p| p.policy_identifier.to_string()).collect())
            .unwrap_or_default();
        let non_repudiation = extension(KeyUsage::OID)
            .and_then(|der| KeyUsage::from_der(der).ok())
            .is_some_and(|usage| usage.non_repudiation());
        let validity = tbs.validity();
        let name = only_text(tbs.subject(), rfc4519::COMMON_NAME).unwrap_or_default();
        Some(Self {
            // A window shows one line of it.
            name: one_line(&name, 64),
            issuer: one_line(&tbs.issuer().to_string(), 256),
            issuer_der: tbs.issuer().to_der().ok()?,
            key_algorithm: tbs.subject_public_key_info().algorithm.oid,
            curve: tbs
                .subject_public_key_info()
                .algorithm
                .parameters
                .as_ref()
                .and_then(|parameters| parameters.decode_as().ok()),
            is_authority,
            non_repudiation,
            validity: (
                instant::from_time(&validity.not_before),
                instant::from_time(&validity.not_after),
            ),
            serial_number: only_text(tbs.subject(), rfc4519::SERIAL_NUMBER),
            certificate_sha256: Sha256Digest::of(certificate_der),
            policies,
        })
    }

    /// SHA-256 of the name of a certificate's issuer; `None` where it is no certificate.
    pub fn issuer_sha256(certificate_der: &[u8]) -> Option<Sha256Digest> {
        Self::of(certificate_der).map(|holder| Sha256Digest::of(&holder.issuer_der))
    }

    /// Which family the certificate is of, by its policies; `None` for none and for both.
    pub fn family(&self) -> Option<Family> {
        match (self.is_under(HPKI_POLICIES), self.is_under(JPKI_POLICIES)) {
            (true, false) => Some(Family::Hpki),
            (false, true) => Some(Family::Jpki),
            _ => None,
        }
    }

    fn is_under(&self, arc: &str) -> bool {
        let below = |p: &String| p.strip_prefix(arc).is_some_and(|rest| rest.starts_with('.'));
        self.policies.iter().any(below)
    }

    /// Whether it is a certificate for signatures (署名用), by its policies.
    pub fn is_for_documents(&self) -> bool {
        SIGNING_POLICIES.iter().any(|arc| self.is_under(arc))
    }

    /// Whether documents may be signed by its key now: a certificate for signatures, also by its
    /// keyUsage, in force, of a key that is known here.
    ///
    /// # Errors
    /// [`CardError::AnotherUse`], [`CardError::UnsupportedKey`], [`CardError::NotYetValid`],
    /// [`CardError::Expired`].
    pub fn may_sign_documents(&self, now: OffsetDateTime) -> Result<(), CardError> {
        if !self.is_for_documents() || !self.non_repudiation {
            return Err(CardError::AnotherUse("signing documents"));
        }
        self.has_known_key()?;
        self.is_in_force(now)
    }

    /// Whether it is in force, else the day that matters, in Japan.
    ///
    /// # Errors
    /// [`CardError::NotYetValid`], [`CardError::Expired`].
    pub fn is_in_force(&self, now: OffsetDateTime) -> Result<(), CardError> {
        let day = |at: OffsetDateTime| at.to_offset(JAPAN).date();
        match self.validity(now) {
            Validity::InForce => Ok(()),
            Validity::NotYet(from) => Err(CardError::NotYetValid { from: day(from) }),
            Validity::Expired(since) => Err(CardError::Expired { since: day(since) }),
        }
    }

    /// Whether it is in force.
    pub fn validity(&self, now: OffsetDateTime) -> Validity {
        match self.validity {
            (from, _) if now < from => Validity::NotYet(from),
            (_, until) if now > until => Validity::Expired(until),
            _ => Validity::InForce,
        }
    }

    /// Whether it is an authority's certificate, and nobody's.
    pub fn is_authority(&self) -> bool {
        self.is_authority
    }

    /// Whether there is a driver for such a key.
    ///
    /// # Errors
    /// [`CardError::UnsupportedKey`].
    pub fn has_known_key(&self) -> Result<(), CardError> {
        if self.key_algorithm == RSA_ENCRYPTION {
            return Ok(());
        }
        Err(CardError::UnsupportedKey { algorithm: self.key_in_words() })
    }

    /// What somebody who looks it up will find: the curve of the next My Number card by its name.
    fn key_in_words(&self) -> String {
        match (self.key_algorithm, self.curve) {
            (ID_EC_PUBLIC_KEY, Some(SECP_384_R_1)) => "ECDSA P-384".to_owned(),
            (ID_EC_PUBLIC_KEY, Some(SECP_256_R_1)) => "ECDSA P-256".to_owned(),
            (ID_EC_PUBLIC_KEY, Some(curve)) => format!("ECDSA on the curve {curve}"),
            (algorithm, _) => algorithm.to_string(),
        }
    }

    /// The issuer's name (RFC 4514).
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether the request can be answered with this card.
    ///
    /// # Errors
    /// [`Unsuitable`].
    pub fn suits(&self, request: &LoginRequest) -> Result<(), Unsuitable> {
        let issuer = |accepted: &sekisho_protocol::trust::CardIssuer| {
            accepted.subject_der.as_bytes() == self.issuer_der
        };
        let policies = &request.accepted_policies;
        let policy = policies.is_empty() || policies.iter().any(|p| self.policies.contains(p));
        if !request.card_issuers.iter().any(issuer) || !policy {
            return Err(Unsuitable::Issuer);
        }
        match &request.expected_subject {
            _ if request.expected_certificate == Some(self.certificate_sha256) => Ok(()),
            Some(expected)
                if expected.issuer_name_sha256 != Sha256Digest::of(&self.issuer_der)
                    || self.serial_number.as_ref() != Some(&expected.serial_number) =>
            {
                Err(Unsuitable::Person)
            }
            _ => Ok(()),
        }
    }
}

fn one_line(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}

impl From<Unsuitable> for CardError {
    fn from(unsuitable: Unsuitable) -> Self {
        match unsuitable {
            Unsuitable::Issuer => Self::NotAccepted,
            Unsuitable::Person => Self::AnotherPerson,
        }
    }
}
