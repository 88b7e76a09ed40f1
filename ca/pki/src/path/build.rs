//! Finding a path: depth first from the end entity, within a budget.

use time::OffsetDateTime;

use super::{
    Anchors, MOST_CANDIDATES, MOST_DEPTH, PathError, Requirements, TrustAnchor, VerifiedPath,
    certificate::Parsed, judge,
};
use crate::{
    encoding::name,
    signature::{self, SignatureError},
};

struct Search<'a> {
    candidates: Vec<Parsed<'a>>,
    anchors: &'a Anchors,
    requirements: &'a Requirements<'a>,
    now: OffsetDateTime,
    signatures_left: u32,
    best: PathError,
}

pub(super) fn validate(
    certificate_der: &[u8],
    candidates_der: &[&[u8]],
    anchors: &Anchors,
    requirements: &Requirements<'_>,
    now: OffsetDateTime,
) -> Result<VerifiedPath, PathError> {
    if candidates_der.len() > MOST_CANDIDATES {
        return Err(PathError::TooLarge);
    }
    let end_entity = Parsed::parse(certificate_der)?;
    // A candidate that cannot be read is of no use, but takes nothing from the others.
    let candidates = candidates_der.iter().filter_map(|der| Parsed::parse(der).ok()).collect();
    let mut search = Search {
        candidates,
        anchors,
        requirements,
        now,
        signatures_left: requirements.budget.signatures,
        best: PathError::NoTrustedIssuer { issuer: end_entity.issuer().to_string() },
    };
    match search.extend(&[&end_entity]) {
        Some(path) => Ok(path),
        None => Err(search.best),
    }
}

impl Search<'_> {
    /// Tries each issuer of the last certificate of `path`.
    fn extend(&mut self, path: &[&Parsed<'_>]) -> Option<VerifiedPath> {
        let last = *path.last()?;
        let anchors = self.anchors;
        for anchor in anchors.iter() {
            if !name::same(&anchor.subject, last.issuer()) {
                continue;
            }
            if !self.signed_by(last, &anchor.public_key_der) {
                if self.signatures_left == 0 {
                    return None;
                }
                continue;
            }
            if let Some(verified) = self.judge(path, anchor) {
                return Some(verified);
            }
        }
        if path.len() == MOST_DEPTH {
            return None;
        }
        // Cloned, because the search goes on with `self` borrowed; at most sixteen of them.
        let issuers: Vec<Parsed<'_>> = self
            .candidates
            .iter()
            .filter(|candidate| {
                name::same(candidate.subject(), last.issuer())
                    && path.iter().all(|used| !used.is_same(candidate))
            })
            .cloned()
            .collect();
        for issuer in &issuers {
            if self.signatures_left == 0 {
                self.note(PathError::BudgetSpent);
                return None;
            }
            if !self.signed_by(last, &issuer.public_key_der) {
                continue;
            }
            self.note(PathError::NoTrustedIssuer { issuer: issuer.issuer().to_string() });
            let mut longer = path.to_vec();
            longer.push(issuer);
            if let Some(verified) = self.extend(&longer) {
                return Some(verified);
            }
        }
        None
    }

    fn signed_by(&mut self, certificate: &Parsed<'_>, public_key_der: &[u8]) -> bool {
        if self.signatures_left == 0 {
            self.note(PathError::BudgetSpent);
            return false;
        }
        self.signatures_left -= 1;
        let verified = signature::verify(
            public_key_der,
            &certificate.signed.algorithm,
            certificate.signed.to_be_signed,
            &certificate.signed.signature,
        );
        match verified {
            Ok(()) => true,
            Err(source) => {
                self.note_signature(certificate, source);
                false
            }
        }
    }

    fn judge(&mut self, path: &[&Parsed<'_>], anchor: &TrustAnchor) -> Option<VerifiedPath> {
        let judged =
            judge::judge(path, anchor, self.requirements, self.now, &mut self.signatures_left);
        match judged {
            Ok(verified) => Some(verified),
            Err(error) => {
                self.note(error);
                None
            }
        }
    }

    fn note_signature(&mut self, certificate: &Parsed<'_>, source: SignatureError) {
        self.note(PathError::NotSignedByIssuer {
            issuer: certificate.issuer().to_string(),
            source,
        });
    }

    fn note(&mut self, error: PathError) {
        // The later of two equal ones: it came further.
        if error.progress() >= self.best.progress() {
            self.best = error;
        }
    }
}
