//! Why a certificate was refused.

use time::OffsetDateTime;

use super::RevocationProblem;
use crate::signature::SignatureError;

/// The certificate that a reason is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Which {
    /// Its subject, RFC 4514.
    pub subject: String,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// SHA-256 of its DER.
    pub sha256: [u8; 32],
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.subject)
    }
}

/// Why a certificate was refused: the most useful reason of those met on all tried paths.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Not a certificate, or one that contradicts itself.
    #[error("the certificate is not well formed: {what}")]
    Malformed {
        /// Whose certificate.
        which: Box<Which>,
        /// What is wrong.
        what: String,
    },
    /// More or longer candidates than are looked at.
    #[error("there is more to look at than we do: {what} (at most {most})")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        most: usize,
    },
    /// Nobody whom we trust stands behind it.
    #[error("no trusted authority is known that issued {which}; its issuer is {issuer}")]
    NoTrustedIssuer {
        /// The certificate whose issuer is missing.
        which: Box<Which>,
        /// The name of that issuer.
        issuer: String,
    },
    /// An authority of that name is known, but did not sign it.
    #[error("{which} was not signed by the authority {issuer} that it names")]
    NotSignedByIssuer {
        /// Whose certificate.
        which: Box<Which>,
        /// The name of the issuer.
        issuer: String,
        /// What the verification said.
        #[source]
        source: SignatureError,
    },
    /// Looking further would cost too much.
    #[error("too much to do: {what}")]
    BudgetSpent {
        /// What there was too much of.
        what: &'static str,
    },
    /// Its validity has not begun.
    #[error("{which} is valid only from {not_before}")]
    NotYetValid {
        /// Whose certificate.
        which: Box<Which>,
        /// Since when.
        not_before: OffsetDateTime,
    },
    /// Its validity has ended.
    #[error("{which} expired at {not_after}")]
    Expired {
        /// Whose certificate.
        which: Box<Which>,
        /// When.
        not_after: OffsetDateTime,
    },
    /// A critical extension that we cannot process.
    #[error("{which} has the critical extension {oid}, which we cannot process")]
    UnsupportedExtension {
        /// Whose certificate.
        which: Box<Which>,
        /// Which.
        oid: String,
    },
    /// Breaks a rule for those who issue, beyond what a path needs.
    #[error("{which} breaks a rule of RFC 5280: {what}")]
    NonConforming {
        /// Whose certificate.
        which: Box<Which>,
        /// What is wrong, and the section that says so.
        what: &'static str,
    },
    /// The issuer may not issue.
    #[error("{which} is not allowed to issue this certificate: {what}")]
    NotAnAuthority {
        /// Whose certificate.
        which: Box<Which>,
        /// What forbids it.
        what: &'static str,
    },
    /// Too many authorities below one that limits them.
    #[error("{which} allows fewer authorities below it than there are")]
    PathTooLong {
        /// Whose certificate.
        which: Box<Which>,
    },
    /// More authorities on the path than the caller allows.
    #[error("there are more authorities between {which} and the trust anchor than {most}")]
    TooDeep {
        /// The end entity's certificate.
        which: Box<Which>,
        /// How many were allowed.
        most: u32,
    },
    /// A name that an authority above forbids.
    #[error("{which} has the name {name}: {what}")]
    NameNotPermitted {
        /// Whose certificate.
        which: Box<Which>,
        /// The name.
        name: String,
        /// What forbids it.
        what: &'static str,
    },
    /// An explicit policy is required and none is valid.
    #[error("no certificate policy is valid up to {which}, but one is required")]
    NoValidPolicy {
        /// Where the last one was lost.
        which: Box<Which>,
    },
    /// anyPolicy in a policy mapping.
    #[error("{which} maps from or to anyPolicy")]
    AnyPolicyMapped {
        /// Whose certificate.
        which: Box<Which>,
    },
    /// The certificate of an authority where one of a person or device is needed.
    #[error("{which} is the certificate of an authority")]
    EndEntityIsAuthority {
        /// Whose certificate.
        which: Box<Which>,
    },
    /// A key that is too weak, or of another kind.
    #[error("the public key of {which} is too weak or of a kind that is not accepted")]
    UnfitKey {
        /// Whose certificate.
        which: Box<Which>,
    },
    /// The key is for something else.
    #[error("the key of {which} is not for {purpose}: {what}")]
    WrongPurpose {
        /// Whose certificate.
        which: Box<Which>,
        /// For what it was needed.
        purpose: &'static str,
        /// What is missing.
        what: &'static str,
    },
    /// None of the end entity's own policies is accepted.
    #[error("none of the certificate policies of {which} is accepted: {found:?}")]
    PolicyNotAccepted {
        /// Whose certificate.
        which: Box<Which>,
        /// Those it has.
        found: Vec<String>,
    },
    /// It is another's certificate.
    #[error("{which} is not for {wanted}; subjectAltName has {found:?}")]
    NameMismatch {
        /// Whose certificate.
        which: Box<Which>,
        /// Who was expected.
        wanted: String,
        /// Its alternative names, the first few.
        found: Vec<String>,
    },
    /// Taken back.
    #[error("{which} was revoked at {at}")]
    Revoked {
        /// Whose certificate.
        which: Box<Which>,
        /// Since when.
        at: OffsetDateTime,
        /// The reason code of RFC 5280 §5.3.1, if one was given.
        reason: Option<u8>,
    },
    /// No usable evidence of its issuer.
    #[error("whether {which} was revoked is not known: {problem}")]
    RevocationUnknown {
        /// Whose certificate.
        which: Box<Which>,
        /// What is wrong with the nearest evidence.
        problem: RevocationProblem,
    },
}

impl PathError {
    /// How near a path came: the reason of the path that came furthest is told.
    pub(super) fn progress(&self) -> u8 {
        match self {
            Self::Malformed { .. } | Self::TooLarge { .. } => 0,
            Self::NoTrustedIssuer { .. } => 1,
            Self::NotSignedByIssuer { .. } => 2,
            Self::BudgetSpent { .. } => 3,
            Self::NotAnAuthority { .. }
            | Self::PathTooLong { .. }
            | Self::TooDeep { .. }
            | Self::UnsupportedExtension { .. }
            | Self::NonConforming { .. } => 4,
            Self::NotYetValid { .. } | Self::Expired { .. } => 5,
            Self::NameNotPermitted { .. }
            | Self::NoValidPolicy { .. }
            | Self::AnyPolicyMapped { .. } => 6,
            Self::EndEntityIsAuthority { .. }
            | Self::UnfitKey { .. }
            | Self::WrongPurpose { .. }
            | Self::NameMismatch { .. } => 7,
            Self::PolicyNotAccepted { .. } => 8,
            Self::RevocationUnknown { .. } => 9,
            Self::Revoked { .. } => 10,
        }
    }

    /// The certificate that it is about; `None` if it is about them all.
    #[must_use]
    pub fn certificate(&self) -> Option<&Which> {
        match self {
            Self::TooLarge { .. } | Self::BudgetSpent { .. } => None,
            Self::Malformed { which, .. }
            | Self::NoTrustedIssuer { which, .. }
            | Self::NotSignedByIssuer { which, .. }
            | Self::NotYetValid { which, .. }
            | Self::Expired { which, .. }
            | Self::UnsupportedExtension { which, .. }
            | Self::NonConforming { which, .. }
            | Self::NotAnAuthority { which, .. }
            | Self::PathTooLong { which }
            | Self::TooDeep { which, .. }
            | Self::NameNotPermitted { which, .. }
            | Self::NoValidPolicy { which }
            | Self::AnyPolicyMapped { which }
            | Self::EndEntityIsAuthority { which }
            | Self::UnfitKey { which }
            | Self::WrongPurpose { which, .. }
            | Self::PolicyNotAccepted { which, .. }
            | Self::NameMismatch { which, .. }
            | Self::Revoked { which, .. }
            | Self::RevocationUnknown { which, .. } => Some(which),
        }
    }

    /// The rule that was broken.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "RFC 5280 section 4.1",
            Self::TooLarge { .. } | Self::BudgetSpent { .. } => "limit of this program",
            Self::NoTrustedIssuer { .. } => "RFC 5280 section 6.1.3 (a)(4)",
            Self::NotSignedByIssuer { .. } => "RFC 5280 section 6.1.3 (a)(1)",
            Self::NotYetValid { .. } | Self::Expired { .. } => "RFC 5280 section 6.1.3 (a)(2)",
            Self::UnsupportedExtension { .. } => "RFC 5280 section 6.1.4 (o)",
            Self::NonConforming { .. } => "RFC 5280 section 4",
            Self::NotAnAuthority { .. } => "RFC 5280 section 6.1.4 (k), (n)",
            Self::PathTooLong { .. } => "RFC 5280 section 6.1.4 (l)",
            Self::TooDeep { .. } => "the caller's maximum depth",
            Self::NameNotPermitted { .. } => "RFC 5280 section 6.1.3 (b), (c)",
            Self::NoValidPolicy { .. } => "RFC 5280 section 6.1.3 (f), 6.1.5 (g)",
            Self::AnyPolicyMapped { .. } => "RFC 5280 section 6.1.4 (a)",
            Self::EndEntityIsAuthority { .. } => "RFC 5280 section 4.2.1.9",
            Self::UnfitKey { .. } => "strength of keys",
            Self::WrongPurpose { .. } => "RFC 5280 section 4.2.1.3, 4.2.1.12",
            Self::PolicyNotAccepted { .. } => "policies accepted for end entities",
            Self::NameMismatch { .. } => "RFC 9525 section 6",
            Self::Revoked { .. } => "RFC 5280 section 6.1.3 (a)(3)",
            Self::RevocationUnknown { .. } => "RFC 5280 section 6.3, RFC 6960 section 3.2",
        }
    }

    /// Whether it was refused for an algorithm that we do not work with, rather than for what it
    /// says: another program may come to another end.
    #[must_use]
    pub const fn is_unsupported(&self) -> bool {
        matches!(
            self,
            Self::TooLarge { .. }
                | Self::NotSignedByIssuer { source: SignatureError::Unsupported { .. }, .. }
                | Self::RevocationUnknown {
                    problem: RevocationProblem::UnsupportedAlgorithm { .. },
                    ..
                }
        )
    }
}
