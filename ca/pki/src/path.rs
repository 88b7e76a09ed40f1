//! Judging a certification path (RFC 5280 §6), for the HPKI and for our own hierarchy.
//!
//! [`validate`] is given a certificate, unordered candidates, trust anchors, a purpose, CRLs and
//! *now*; nothing is fetched and no clock is read. Every signature is verified over the octets
//! that arrived. What passes is a [`VerifiedPath`], which nothing else makes.
//!
//! Where RFC 5280 offers more than these hierarchies use, we refuse instead of guessing: name
//! constraints, policy constraints, indirect, delta and reason-partitioned CRLs. Policies are not
//! processed along the path: the HPKI's authorities assert other policies than its end entities, so
//! that RFC 5280 §6.1's intersection would be empty. The end entity's policy is compared with
//! a list, and its issuer is pinned by the anchors (and by [`crate::national::hpki`]).

mod anchor;
mod build;
mod certificate;
mod crl;
mod judge;

use const_oid::ObjectIdentifier;
use time::{Duration, OffsetDateTime};
use x509_cert::{Certificate, name::Name};

pub use anchor::{AnchorError, Anchors, TrustAnchor};
pub use crl::{Crl, CrlProblem};

use crate::{encoding::serial::Serial, signature::SignatureError};

/// Longest certificate that is looked at.
pub const MOST_CERTIFICATE_OCTETS: usize = 16 * 1024;
/// Most candidates that are looked at.
pub const MOST_CANDIDATES: usize = 16;
/// Most certificates of a path, the end entity included and the anchor not.
const MOST_DEPTH: usize = 6;

/// What the end entity's key is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A card holder's authentication: keyUsage digitalSignature; extendedKeyUsage absent (as
    /// RFC 5280 §4.2.1.12 allows and HPKI certificates may have it), clientAuth or any.
    CardAuthentication,
    /// A TLS client, our terminals: extendedKeyUsage must say clientAuth.
    ClientAuthentication,
    /// A TLS server: extendedKeyUsage must say serverAuth.
    ServerAuthentication,
}

/// Which certificate policies the end entity may have.
#[derive(Debug, Clone, Copy)]
pub enum PolicyRule<'a> {
    /// Any, or none.
    Any,
    /// At least one of these.
    OneOf(&'a [ObjectIdentifier]),
}

/// How revocation is judged. There is no way to leave it out by mistake.
#[derive(Debug, Clone, Copy)]
pub enum Revocation<'a> {
    /// By these CRLs: each certificate below the anchor needs one that is authentic and in force.
    Crls {
        /// In any order.
        crls: &'a [Crl],
        /// Oldest thisUpdate that still counts, whatever nextUpdate says.
        most_age: Duration,
    },
    /// The caller asks the register of the issuer itself, on every request: for certificates of
    /// our own.
    JudgedByCaller,
}

/// How much work an asker may cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Most signatures that are verified.
    pub signatures: u32,
}

impl Default for Budget {
    /// Enough for every honest path, with key roll-over; a thousandth of a second a piece.
    fn default() -> Self {
        Self { signatures: 24 }
    }
}

/// The question.
#[derive(Debug, Clone, Copy)]
pub struct Requirements<'a> {
    /// What the key is for.
    pub purpose: Purpose,
    /// Which policies are accepted.
    pub policy: PolicyRule<'a>,
    /// How revocation is judged.
    pub revocation: Revocation<'a>,
    /// How much work may be done.
    pub budget: Budget,
}

/// Why a certificate was refused: the most useful reason of those met on all tried paths.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Not a certificate, or one that contradicts itself.
    #[error("the certificate is not well formed: {what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
    /// More or longer candidates than are looked at.
    #[error(
        "more than {MOST_CANDIDATES} certificates, or one of more than {MOST_CERTIFICATE_OCTETS} octets"
    )]
    TooLarge,
    /// Nobody whom we trust stands behind it.
    #[error("no trusted authority is known that issued it; its issuer is {issuer}")]
    NoTrustedIssuer {
        /// The name in the first certificate whose issuer is missing.
        issuer: String,
    },
    /// An authority of that name is known, but did not sign it.
    #[error("it was not signed by the authority {issuer} that it names")]
    NotSignedByIssuer {
        /// The name.
        issuer: String,
        /// What the verification said.
        #[source]
        source: SignatureError,
    },
    /// Looking further would cost too much.
    #[error("too many candidates claim to be the issuer")]
    BudgetSpent,
    /// Its validity has not begun.
    #[error("{subject} is valid only from {not_before}")]
    NotYetValid {
        /// Whose certificate.
        subject: String,
        /// Since when.
        not_before: OffsetDateTime,
    },
    /// Its validity has ended.
    #[error("{subject} expired at {not_after}")]
    Expired {
        /// Whose certificate.
        subject: String,
        /// When.
        not_after: OffsetDateTime,
    },
    /// A critical extension that we cannot process.
    #[error("{subject} has the extension {oid}, which we cannot process")]
    UnsupportedExtension {
        /// Whose certificate.
        subject: String,
        /// Which.
        oid: ObjectIdentifier,
    },
    /// The issuer may not issue.
    #[error("{subject} is not allowed to issue certificates: {what}")]
    NotAnAuthority {
        /// Whose certificate.
        subject: String,
        /// What forbids it.
        what: &'static str,
    },
    /// Too many authorities below one that limits them.
    #[error("{subject} allows fewer authorities below it than there are")]
    PathTooLong {
        /// Whose certificate.
        subject: String,
    },
    /// The certificate of an authority where one of a person or device is needed.
    #[error("it is the certificate of an authority")]
    EndEntityIsAuthority,
    /// A key that is too weak, or of another kind.
    #[error("its public key is not RSA with 2048 to 8192 bits, P-256 or P-384")]
    UnfitKey,
    /// The key is for something else.
    #[error("its key is not for {purpose}: {what}")]
    WrongPurpose {
        /// For what it was needed.
        purpose: &'static str,
        /// What is missing.
        what: &'static str,
    },
    /// None of its policies is accepted.
    #[error("none of its certificate policies is accepted: {found:?}")]
    PolicyNotAccepted {
        /// Those it has.
        found: Vec<ObjectIdentifier>,
    },
    /// Taken back.
    #[error("{subject} was revoked at {at}")]
    Revoked {
        /// Whose certificate.
        subject: String,
        /// Since when.
        at: OffsetDateTime,
        /// The reason code of RFC 5280 §5.3.1, if one was given.
        reason: Option<u8>,
    },
    /// No usable CRL of its issuer.
    #[error("whether {subject} was revoked is not known: {problem}")]
    RevocationUnknown {
        /// Whose certificate.
        subject: String,
        /// What is wrong with the nearest CRL.
        problem: CrlProblem,
    },
}

impl PathError {
    /// How near a path came: the reason of the path that came furthest is told.
    fn progress(&self) -> u8 {
        match self {
            Self::Malformed { .. } | Self::TooLarge => 0,
            Self::NoTrustedIssuer { .. } => 1,
            Self::NotSignedByIssuer { .. } => 2,
            Self::BudgetSpent => 3,
            Self::NotAnAuthority { .. }
            | Self::PathTooLong { .. }
            | Self::UnsupportedExtension { .. } => 4,
            Self::NotYetValid { .. } | Self::Expired { .. } => 5,
            Self::EndEntityIsAuthority | Self::UnfitKey | Self::WrongPurpose { .. } => 6,
            Self::PolicyNotAccepted { .. } => 7,
            Self::RevocationUnknown { .. } => 8,
            Self::Revoked { .. } => 9,
        }
    }
}

/// The CRL that vouched for one certificate of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlEvidence {
    /// Serial number of the certificate that it was asked about.
    pub serial: Serial,
    /// SHA-256 of the CRL's DER.
    pub crl_sha256: [u8; 32],
    /// thisUpdate.
    pub this_update: OffsetDateTime,
    /// nextUpdate.
    pub next_update: OffsetDateTime,
}

/// A certificate that counts, with the path that proves it.
#[derive(Debug, Clone)]
pub struct VerifiedPath {
    end_entity: Certificate,
    certificates_der: Vec<Vec<u8>>,
    anchor_subject: Name,
    anchor_public_key_der: Vec<u8>,
    issuer_public_key_der: Vec<u8>,
    evidence: Vec<CrlEvidence>,
}

impl VerifiedPath {
    /// The end entity.
    #[must_use]
    pub fn end_entity(&self) -> &Certificate {
        &self.end_entity
    }

    /// DER of the end entity and the authorities above it, nearest first, without the anchor.
    #[must_use]
    pub fn certificates_der(&self) -> &[Vec<u8>] {
        &self.certificates_der
    }

    /// Name of the trust anchor.
    #[must_use]
    pub fn anchor_subject(&self) -> &Name {
        &self.anchor_subject
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

    /// The CRLs that vouched, in the order of [`Self::certificates_der`]; empty if revocation was
    /// for the caller to judge.
    #[must_use]
    pub fn evidence(&self) -> &[CrlEvidence] {
        &self.evidence
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
