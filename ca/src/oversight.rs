//! What an authority's key signs for another process: the second pair of eyes.
//!
//! The process that answers the network builds, lints, records and asks; the one that holds the keys
//! believes none of it. It is handed bare octets, reads them strictly, and finds out for itself what
//! they are and whether they may be signed:
//!
//! - an authority signs a TBSCertificate of its own whose intention is on [`Ledger`] octet by octet,
//!   which has no certificate yet and which keeps every rule of [`crate::lint`] once more; and a
//!   TBSCertList of its own with a number that was opened and that no published list has passed;
//! - an OCSP responder signs a ResponseData of its own, of now, about its own authority's certificates.
//!
//! Everything else is a [`Refusal`]. So whoever takes over the answering process gets no signature
//! that is not on record, none that breaks the certificate policy, and none by another kind of key.

mod answer;
mod certificate;
mod list;

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use sekisho_key::KeyError;
use sekisho_pki::encoding::serial::Serial;
use time::{Duration, OffsetDateTime};

pub use answer::AnswerKey;

use crate::{authority::Authority, lint::LintError, profile::Profile, record::RecordError};

/// How far apart the clocks of the two processes may be, and how long a message may be under way.
pub const LEEWAY: Duration = Duration::minutes(5);

/// What is on record about a serial number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnRecord {
    /// Name of the profile.
    pub profile: String,
    /// DER TBSCertificate, as it was to be signed.
    pub tbs_der: Vec<u8>,
    /// When it was recorded.
    pub at: OffsetDateTime,
    /// Whether a certificate of this number is kept already.
    pub is_issued: bool,
    /// Whether the authority's own certificate was taken back.
    pub issuer_is_revoked: bool,
}

/// What is on record about an authority's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Editions {
    /// Whether an edition of the number asked about was opened.
    pub is_open: bool,
    /// The greatest number of a published list.
    pub newest_published: Option<u64>,
}

/// The record, as whoever signs reads it: committed facts only.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// What was to be signed under this serial number.
    ///
    /// # Errors
    /// [`RecordError::Unavailable`]: nothing is known, so nothing is signed.
    async fn intention(
        &self,
        issuer_id: &str,
        serial: &Serial,
    ) -> Result<Option<OnRecord>, RecordError>;

    /// How far the authority's lists have come.
    ///
    /// # Errors
    /// As [`Self::intention`].
    async fn editions(&self, issuer_id: &str, number: u64) -> Result<Editions, RecordError>;
}

/// Why the octets are not signed, whoever asks again.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Not DER of anything that this key signs.
    #[error("not a TBSCertificate, TBSCertList or ResponseData that this key signs")]
    Unknown,
    /// Another issuer's.
    #[error("it names another issuer than {issuer_id}")]
    OtherIssuer {
        /// Whose key was asked.
        issuer_id: String,
    },
    /// The authority's own certificate has ended or not begun.
    #[error("the certificate of {issuer_id} is not valid now")]
    IssuerNotValid {
        /// Whose.
        issuer_id: String,
    },
    /// Nothing was to be signed under this serial number.
    #[error("no intention is on record for serial number {serial}")]
    NoIntention {
        /// Which.
        serial: Serial,
    },
    /// Something else was to be signed under this serial number.
    #[error("other octets are on record for serial number {serial}")]
    OtherOctets {
        /// Which.
        serial: Serial,
    },
    /// It has its certificate.
    #[error("serial number {serial} has its certificate already")]
    AlreadyIssued {
        /// Which.
        serial: Serial,
    },
    /// The intention is of another time.
    #[error("the intention for serial number {serial} was recorded {at}")]
    Stale {
        /// Which.
        serial: Serial,
        /// When.
        at: OffsetDateTime,
    },
    /// The authority was taken back.
    #[error("{issuer_id} was revoked")]
    IssuerRevoked {
        /// Which.
        issuer_id: String,
    },
    /// Not what this authority certifies.
    #[error("{issuer_id} does not issue by profile {profile}")]
    OtherProfile {
        /// Whose key was asked.
        issuer_id: String,
        /// As recorded.
        profile: String,
    },
    /// It breaks the certificate policy.
    #[error("it breaks a rule")]
    Lint(#[source] LintError),
    /// A list of a number that was not opened, or that a published one has passed.
    #[error("list number {number} of {issuer_id} was not opened or is behind the newest published")]
    ListNumber {
        /// Whose.
        issuer_id: String,
        /// As in the list.
        number: u64,
    },
    /// Times that are not of now, or too far apart.
    #[error("its times are not of now, or it would be valid for too long")]
    Times,
    /// Another responder's, or about another authority's certificates.
    #[error("it is the answer of another responder, or about another authority's certificates")]
    OtherResponder,
}

impl Refusal {
    /// A constant word for audit records.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown_message",
            Self::OtherIssuer { .. } => "other_issuer",
            Self::IssuerNotValid { .. } => "issuer_not_valid",
            Self::NoIntention { .. } => "no_intention",
            Self::OtherOctets { .. } => "other_octets",
            Self::AlreadyIssued { .. } => "already_issued",
            Self::Stale { .. } => "stale_intention",
            Self::IssuerRevoked { .. } => "issuer_revoked",
            Self::OtherProfile { .. } => "other_profile",
            Self::Lint(_) => "lint",
            Self::ListNumber { .. } => "list_number",
            Self::Times => "times",
            Self::OtherResponder => "other_responder",
        }
    }
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum OversightError {
    /// It may not be signed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Whether it may be signed is not known.
    #[error("the record cannot be read")]
    Record(#[from] RecordError),
    /// The key did not sign.
    #[error("the key did not sign")]
    Key(#[from] KeyError),
}

/// An authority that signs for another process, within these bounds.
#[derive(Debug, Clone)]
pub struct Overseen {
    authority: Authority,
    profiles: Vec<Profile>,
    most_list_validity: Duration,
}

impl Overseen {
    /// `authority`, which certifies by these profiles and whose lists are valid for so long.
    #[must_use]
    pub fn new(authority: Authority, profiles: Vec<Profile>, most_list_validity: Duration) -> Self {
        Self { authority, profiles, most_list_validity }
    }

    /// The authority.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Signs a TBSCertificate or TBSCertList that may be signed at `now`.
    ///
    /// # Errors
    /// [`OversightError`]: nothing was signed.
    pub async fn sign(
        &self,
        message: &[u8],
        ledger: &dyn Ledger,
        now: OffsetDateTime,
    ) -> Result<Vec<u8>, OversightError> {
        let (begin, end) = self.authority.validity();
        if now < begin || now > end {
            let issuer_id = self.authority.id().to_owned();
            return Err(Refusal::IssuerNotValid { issuer_id }.into());
        }
        let key = self.authority.key();
        match kind(message) {
            Some(Kind::Certificate) => {
                let linted = certificate::check(self, message, ledger, now).await?;
                Ok(key.sign(linted.tbs_der()).await?)
            }
            Some(Kind::List) => {
                list::check(self, message, ledger, now).await?;
                Ok(key.sign(message).await?)
            }
            None => Err(Refusal::Unknown.into()),
        }
    }

    fn other_issuer(&self) -> Refusal {
        Refusal::OtherIssuer { issuer_id: self.authority.id().to_owned() }
    }
}

enum Kind {
    Certificate,
    List,
}

/// By the first member: a certificate's version is tagged, a list's is not (RFC 5280 §4.1, §5.1).
fn kind(message: &[u8]) -> Option<Kind> {
    use der::{Header, Reader, SliceReader, Tag};
    let mut reader = SliceReader::new(message).ok()?;
    let outer = Header::peek(&reader).ok()?;
    let content = usize::try_from(outer.length()).ok()?;
    let whole = reader.tlv_bytes().ok()?;
    if outer.tag() != Tag::Sequence || !reader.is_finished() {
        return None;
    }
    match whole.get(whole.len() - content)? {
        0xa0 => Some(Kind::Certificate),
        0x02 => Some(Kind::List),
        _ => None,
    }
}

/// Whether the two are no further apart than [`LEEWAY`].
fn is_near(one: OffsetDateTime, other: OffsetDateTime) -> bool {
    (one - other).abs() <= LEEWAY
}
