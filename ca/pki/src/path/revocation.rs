//! Whether the certificates of a path were revoked (RFC 5280 §6.3, RFC 6960 §3.2).
//!
//! What a list or answer says counts only if it is authentic, in force and about the certificate;
//! then the newest of its kind counts. That a certificate was *not* revoked needs evidence for every
//! reason.

mod by_crls;
mod by_ocsp;
mod crl_signer;

use std::{collections::HashMap, sync::Arc};

use time::{Duration, OffsetDateTime};

use super::{
    Crl, OcspAnswer, PathError, Revocation,
    build::{Engine, Place},
};
use crate::signature::SignatureError;

/// What is wrong with the evidence, or with there being none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevocationProblem {
    /// No CRL of this issuer.
    #[error("there is no CRL of its issuer {issuer}")]
    Missing {
        /// Whose.
        issuer: String,
    },
    /// No OCSP response about it, and no CRLs to look into instead.
    #[error("there is no OCSP response about it")]
    NoAnswer,
    /// For other certificates or reasons.
    #[error("the CRL of its issuer is for other certificates")]
    OutOfScope,
    /// A delta CRL without the complete one that it changes.
    #[error("there is only a delta CRL, without its base")]
    DeltaWithoutBase,
    /// Has a critical extension that we cannot process.
    #[error("the CRL has the extension {oid}, which we cannot process")]
    Unsupported {
        /// Which.
        oid: String,
    },
    /// Without a CRL number.
    #[error("the CRL has no number (RFC 5280 section 5.2.3)")]
    Unnumbered,
    /// An entry that cannot be read.
    #[error("the CRL's entry about it cannot be read")]
    Unreadable,
    /// Signed by nobody who could.
    #[error("the CRL or OCSP response is not signed by its issuer or a key vouched for by it")]
    NotAuthentic,
    /// Signed with an algorithm that we do not work with.
    #[error("the CRL or OCSP response is signed with {oid}, which we do not work with")]
    UnsupportedAlgorithm {
        /// Which.
        oid: String,
    },
    /// The issuer's keyUsage lacks cRLSign.
    #[error("the issuer's key is not for signing CRLs")]
    NotForCrls,
    /// Whether the certificate of who signed the CRL holds depends on that very CRL.
    #[error("the CRL's signer could only be judged by its own CRL")]
    Circular,
    /// thisUpdate is in the future.
    #[error("the CRL or OCSP response is from {this_update}, later than now: check the clock")]
    NotYetInForce {
        /// Its beginning.
        this_update: OffsetDateTime,
    },
    /// nextUpdate has passed or is missing, or thisUpdate is too long ago.
    #[error("the CRL or OCSP response of {this_update} is out of date; fetch a new one")]
    Outdated {
        /// Its beginning.
        this_update: OffsetDateTime,
    },
    /// Some reasons are covered, others not.
    #[error("the CRLs at hand do not cover all reasons")]
    SomeReasons,
    /// The responder does not know the certificate.
    #[error("the OCSP responder does not know it")]
    Unknown,
}

impl RevocationProblem {
    /// How near the evidence came.
    fn progress(&self) -> u8 {
        match self {
            Self::Missing { .. } | Self::NoAnswer => 0,
            Self::DeltaWithoutBase | Self::OutOfScope => 1,
            Self::Unsupported { .. } | Self::Unnumbered | Self::Unreadable | Self::NotForCrls => 2,
            Self::NotAuthentic | Self::UnsupportedAlgorithm { .. } | Self::Circular => 3,
            Self::NotYetInForce { .. } | Self::Outdated { .. } => 4,
            Self::SomeReasons | Self::Unknown => 5,
        }
    }

    fn of_signature(error: SignatureError) -> Self {
        match error {
            SignatureError::Unsupported { oid } => {
                Self::UnsupportedAlgorithm { oid: oid.to_string() }
            }
            _ => Self::NotAuthentic,
        }
    }
}

/// What vouched for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceKind {
    /// A complete CRL.
    Crl,
    /// A delta CRL, beside its complete one.
    DeltaCrl,
    /// An OCSP response.
    Ocsp,
}

impl EvidenceKind {
    /// In a few words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Crl => "CRL",
            Self::DeltaCrl => "delta CRL",
            Self::Ocsp => "OCSP response",
        }
    }
}

/// The list or answer that vouched for one certificate of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// SHA-256 of the certificate that it was asked about.
    pub certificate_sha256: [u8; 32],
    /// What it is.
    pub kind: EvidenceKind,
    /// SHA-256 of its DER.
    pub sha256: [u8; 32],
    /// thisUpdate.
    pub this_update: OffsetDateTime,
    /// nextUpdate, or until when it counts.
    pub next_update: OffsetDateTime,
}

type Judged = Result<Vec<Evidence>, PathError>;

/// What a judgement knows of the evidence by now.
pub(super) struct Known<'a> {
    crls: &'a [Crl],
    /// Places in `crls` by issuer, newest first.
    crls_by_issuer: HashMap<Arc<[u8]>, Vec<usize>>,
    answers: &'a [OcspAnswer],
    /// Places in `answers` and in its single responses, by serial number.
    answers_by_serial: HashMap<&'a [u8], Vec<(usize, usize)>>,
    /// By certificate, issuer and anchor.
    judged: HashMap<(Place, Place, Place), Judged>,
    /// By CRL and key.
    crl_signatures: HashMap<(usize, u32), Result<(), RevocationProblem>>,
    /// Certificates of CRL signers, by anchor.
    crl_signers: HashMap<(Place, Place), Result<(), RevocationProblem>>,
    in_progress: Vec<Place>,
}

/// How deep the question who signs CRLs may lead to itself.
const MOST_NESTED: usize = 6;

impl<'a> Known<'a> {
    pub(super) fn new(crls: &'a [Crl], answers: &'a [OcspAnswer]) -> Self {
        let mut crls_by_issuer: HashMap<Arc<[u8]>, Vec<usize>> = HashMap::new();
        for (place, crl) in crls.iter().enumerate() {
            crls_by_issuer.entry(Arc::clone(crl.issuer_dn().form())).or_default().push(place);
        }
        for places in crls_by_issuer.values_mut() {
            places.sort_by(|left, right| crls[*left].order(&crls[*right]));
        }
        let mut answers_by_serial: HashMap<&[u8], Vec<(usize, usize)>> = HashMap::new();
        for (place, answer) in answers.iter().enumerate() {
            for (single_place, single) in answer.singles().iter().enumerate() {
                answers_by_serial.entry(&single.serial).or_default().push((place, single_place));
            }
        }
        Self {
            crls,
            crls_by_issuer,
            answers,
            answers_by_serial,
            judged: HashMap::new(),
            crl_signatures: HashMap::new(),
            crl_signers: HashMap::new(),
            in_progress: Vec::new(),
        }
    }
}

/// The nearest problem so far.
struct Nearest(RevocationProblem);

impl Nearest {
    fn note(&mut self, problem: RevocationProblem) {
        if problem.progress() >= self.0.progress() {
            self.0 = problem;
        }
    }
}

impl Engine<'_> {
    /// Judges every certificate of `path`, which begins with the end entity; from the anchor down,
    /// since a revoked authority makes everything below it moot.
    pub(super) fn revocation(&mut self, path: &[Place], anchor: Place) -> Judged {
        let most_age = match self.requirements.revocation {
            Revocation::Crls { most_age, .. } | Revocation::Ocsp { most_age, .. } => most_age,
            Revocation::JudgedByCaller => return Ok(Vec::new()),
        };
        let mut evidence = Vec::with_capacity(path.len());
        for (below, certificate) in path.iter().enumerate().rev() {
            let issuer = path.get(below + 1).copied().unwrap_or(anchor);
            evidence.push(self.status(*certificate, issuer, anchor, most_age)?);
        }
        Ok(evidence.into_iter().rev().flatten().collect())
    }

    fn status(
        &mut self,
        certificate: Place,
        issuer: Place,
        anchor: Place,
        most_age: Duration,
    ) -> Judged {
        let key = (certificate, issuer, anchor);
        if let Some(judged) = self.known.judged.get(&key) {
            return judged.clone();
        }
        if self.known.in_progress.contains(&certificate)
            || self.known.in_progress.len() >= MOST_NESTED + super::MOST_CERTIFICATES
        {
            return Err(self.unknown(certificate, RevocationProblem::Circular));
        }
        self.known.in_progress.push(certificate);
        let judged = match self.requirements.revocation {
            Revocation::Ocsp { crls, .. } => {
                match self.by_ocsp(certificate, issuer, anchor, most_age) {
                    Err(PathError::RevocationUnknown {
                        problem: RevocationProblem::NoAnswer,
                        ..
                    }) if !crls.is_empty() => self.by_crls(certificate, issuer, anchor, most_age),
                    judged => judged,
                }
            }
            _ => self.by_crls(certificate, issuer, anchor, most_age),
        };
        self.known.in_progress.pop();
        // What a circle left open may be settled where it is entered from another side.
        let open = matches!(
            &judged,
            Err(PathError::RevocationUnknown { problem: RevocationProblem::Circular, .. })
        ) && !self.known.in_progress.is_empty();
        if !open {
            self.known.judged.insert(key, judged.clone());
        }
        judged
    }

    fn unknown(&self, certificate: Place, problem: RevocationProblem) -> PathError {
        PathError::RevocationUnknown { which: self.arena[certificate].which(), problem }
    }
}
