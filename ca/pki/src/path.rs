//! Judging a certification path (RFC 5280 §6).
//!
//! [`validate`] is given a certificate, unordered candidates, trust anchors, a purpose, evidence
//! of revocation and *now*; nothing is fetched and no clock is read. Every signature is verified
//! over the octets that arrived. What passes is a [`VerifiedPath`], which nothing else makes.
//!
//! Complete in the sense of RFC 5280: policies with mappings and their inhibition (as the graph of
//! RFC 9618), name constraints of every form that has a rule, self-issued certificates, CRLs
//! complete, delta, indirect and partitioned by reason, point and kind, by the issuer's key or
//! another that the same anchor vouches for; OCSP. What cannot be processed is refused. All work
//! is bounded by a [`Budget`].

mod anchor;
mod budget;
mod build;
mod certificate;
mod conformance;
mod crl;
mod distinguished_name;
mod distribution_point;
mod error;
mod extension;
pub mod files;
mod general_name;
mod judge;
mod name_constraints;
mod ocsp;
mod peer_name;
mod policy;
mod reading;
mod revocation;
mod turning_points;

use const_oid::ObjectIdentifier;
use time::{Duration, OffsetDateTime};
use x509_cert::name::Name;

pub use anchor::{AnchorError, Anchors, TrustAnchor};
pub use budget::Budget;
pub use crl::Crl;
pub use error::{PathError, Which};
pub use ocsp::{OcspAnswer, OcspAnswerError};
pub use peer_name::{PeerName, PeerNameError};
pub use revocation::{Evidence, EvidenceKind, RevocationProblem};
pub use turning_points::turning_points;

/// Most certificates of a path, the end entity included and the anchor not. The longest seen in
/// the field has four.
pub const MOST_CERTIFICATES: usize = 24;

/// What the end entity's key is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Anything: neither keyUsage nor extendedKeyUsage of the end entity is looked at, and it may
    /// be an authority.
    Any,
    /// A card holder's authentication: keyUsage digitalSignature; extendedKeyUsage absent (as
    /// RFC 5280 §4.2.1.12 allows and HPKI certificates may have it), clientAuth or any.
    CardAuthentication,
    /// A card holder's signature of a document: keyUsage nonRepudiation. What extendedKeyUsage there may
    /// be does not speak of documents.
    DocumentSignature,
    /// A TLS client, our terminals: extendedKeyUsage must say clientAuth.
    ClientAuthentication,
    /// A TLS server of ours: extendedKeyUsage must say serverAuth.
    ServerAuthentication,
    /// A TLS client of anybody's: what extensions are absent do not restrict (RFC 5280 §4.2.1.12).
    PkixClient,
    /// A TLS server of anybody's, likewise.
    PkixServer,
}

/// Which certificate policies are accepted.
#[derive(Debug, Clone, Copy)]
pub enum PolicyRule<'a> {
    /// As RFC 5280 §6.1 processes them along the path.
    Processed(PolicyInputs<'a>),
    /// The end entity itself must have at least one of these: for hierarchies whose authorities
    /// assert other policies than their end entities (HPKI, JPKI), so that §6.1's intersection
    /// would be empty. What the path's own policyConstraints demand is still demanded.
    EndEntity(&'a [ObjectIdentifier]),
}

impl PolicyRule<'_> {
    /// Any policy, or none, as far as the path itself does not demand one.
    #[must_use]
    pub const fn any() -> Self {
        Self::Processed(PolicyInputs {
            initial_set: None,
            explicit: false,
            inhibit_mapping: false,
            inhibit_any_policy: false,
        })
    }

    const fn inputs(&self) -> PolicyInputs<'_> {
        match self {
            Self::Processed(inputs) => *inputs,
            Self::EndEntity(_) => PolicyInputs {
                initial_set: None,
                explicit: false,
                inhibit_mapping: false,
                inhibit_any_policy: false,
            },
        }
    }
}

/// The policy inputs of RFC 5280 §6.1.1 (c), (e) to (g).
#[derive(Debug, Clone, Copy, Default)]
pub struct PolicyInputs<'a> {
    /// user-initial-policy-set; `None` is any-policy.
    pub initial_set: Option<&'a [ObjectIdentifier]>,
    /// initial-explicit-policy.
    pub explicit: bool,
    /// initial-policy-mapping-inhibit.
    pub inhibit_mapping: bool,
    /// initial-any-policy-inhibit.
    pub inhibit_any_policy: bool,
}

/// How revocation is judged. There is no way to leave it out by mistake.
#[derive(Debug, Clone, Copy)]
pub enum Revocation<'a> {
    /// By these CRLs: each certificate below the anchor needs such as are authentic and in force
    /// and together cover every reason.
    Crls {
        /// In any order; deltas among them.
        crls: &'a [Crl],
        /// Oldest thisUpdate that still counts, whatever nextUpdate says.
        most_age: Duration,
    },
    /// By these OCSP responses; where none is about a certificate, by CRLs.
    Ocsp {
        /// In any order.
        answers: &'a [OcspAnswer],
        /// In any order; may be empty.
        crls: &'a [Crl],
        /// Oldest thisUpdate that still counts, whatever nextUpdate says.
        most_age: Duration,
    },
    /// The caller asks the register of the issuer itself, on every request: for certificates of
    /// our own, and for JPKI certificates.
    JudgedByCaller,
}

/// The question.
#[derive(Debug, Clone, Copy)]
pub struct Requirements<'a> {
    /// What the key is for.
    pub purpose: Purpose,
    /// Which policies are accepted.
    pub policy: PolicyRule<'a>,
    /// A name that subjectAltName must have.
    pub name: Option<&'a PeerName>,
    /// How revocation is judged.
    pub revocation: Revocation<'a>,
    /// Whether what an anchor's certificate forbids is forbidden (RFC 5937): basicConstraints, key
    /// usages, name and policy constraints. Without it an anchor is a name, a key and a validity.
    pub enforce_anchor_constraints: bool,
    /// Whether certificates must also keep to what RFC 5280 §4 and §5 ask of who issues where §6
    /// does not look: key identifiers, criticality, serial numbers, CRL numbers. An anchor must if
    /// its constraints are enforced.
    pub conforming: bool,
    /// Most authorities between end entity and anchor, not counting self-issued ones; never more
    /// than [`MOST_CERTIFICATES`] allows.
    pub most_depth: Option<u32>,
    /// How much work may be done.
    pub budget: Budget,
}

impl<'a> Requirements<'a> {
    /// Any policy, no name, anchors taken at their word, the default budget.
    #[must_use]
    pub fn new(purpose: Purpose, revocation: Revocation<'a>) -> Self {
        Self {
            purpose,
            policy: PolicyRule::any(),
            name: None,
            revocation,
            enforce_anchor_constraints: true,
            conforming: true,
            most_depth: None,
            budget: Budget::default(),
        }
    }
}

/// A certificate that counts, with the path that proves it.
#[derive(Debug, Clone)]
pub struct VerifiedPath {
    certificates_der: Vec<Vec<u8>>,
    subjects: Vec<String>,
    anchor_subject: Name,
    anchor_der: Vec<u8>,
    anchor_public_key_der: Vec<u8>,
    issuer_public_key_der: Vec<u8>,
    evidence: Vec<Evidence>,
    policies: Vec<ObjectIdentifier>,
}

impl VerifiedPath {
    /// DER of the end entity and the authorities above it, nearest first, without the anchor.
    #[must_use]
    pub fn certificates_der(&self) -> &[Vec<u8>] {
        &self.certificates_der
    }

    /// Subjects of [`Self::certificates_der`], RFC 4514.
    #[must_use]
    pub fn subjects(&self) -> &[String] {
        &self.subjects
    }

    /// Name of the trust anchor.
    #[must_use]
    pub fn anchor_subject(&self) -> &Name {
        &self.anchor_subject
    }

    /// The trust anchor's certificate, DER.
    #[must_use]
    pub fn anchor_der(&self) -> &[u8] {
        &self.anchor_der
    }

    /// Public key of the trust anchor, DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn anchor_public_key_der(&self) -> &[u8] {
        &self.anchor_public_key_der
    }

    /// Public key of the end entity's issuer, DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn issuer_public_key_der(&self) -> &[u8] {
        &self.issuer_public_key_der
    }

    /// What vouched for each certificate, in the order of [`Self::certificates_der`]; several for
    /// one if its CRLs are partitioned by reason, none if revocation was for the caller to judge.
    #[must_use]
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    /// The user-constrained-policy-set (RFC 5280 §6.1.6): policies that the whole path is valid
    /// for, in the anchor's terms.
    #[must_use]
    pub fn policies(&self) -> &[ObjectIdentifier] {
        &self.policies
    }
}

/// Judges `certificate_der`, trying paths over `candidates_der` to one of `anchors`.
///
/// # Errors
/// [`PathError`]: the most useful reason.
pub fn validate(
    certificate_der: &[u8],
    candidates_der: &[&[u8]],
    anchors: &Anchors,
    requirements: &Requirements<'_>,
    now: OffsetDateTime,
) -> Result<VerifiedPath, PathError> {
    build::validate(certificate_der, candidates_der, anchors, requirements, now)
}
