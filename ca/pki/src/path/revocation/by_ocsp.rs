//! OCSP responses about a certificate (RFC 6960 §3.2, §4.2.2.2).

use time::Duration;

use super::{Evidence, EvidenceKind, Judged, MOST_NESTED, Nearest, RevocationProblem};
use crate::path::{
    OcspAnswer, PathError,
    build::{Engine, Place},
    certificate::Parsed,
    ocsp::Status,
};

impl<'a> Engine<'a> {
    /// RFC 6960 §3.2, §4.2.2.2.
    pub(super) fn by_ocsp(
        &mut self,
        certificate: Place,
        issuer: Place,
        anchor: Place,
        most_age: Duration,
    ) -> Judged {
        let mut nearest = Nearest(RevocationProblem::NoAnswer);
        let mut good: Option<Evidence> = None;
        let serial = self.arena[certificate].serial;
        let mut places: Vec<(usize, usize)> = {
            let one = &self.arena[certificate];
            let above = &self.arena[issuer];
            self.known
                .answers_by_serial
                .get(serial)
                .into_iter()
                .flatten()
                .filter(|(answer, single)| {
                    self.known.answers[*answer].singles()[*single]
                        .is_about([&one.issuer.der, &above.subject.der], above.public_key_der)
                })
                .copied()
                .collect()
        };
        // The newest first: it settles a hold that was released.
        places.sort_by_key(|(answer, single)| {
            std::cmp::Reverse(self.known.answers[*answer].singles()[*single].this_update())
        });
        let mut newest = None;
        for (place, single) in places {
            let answer = self.known.answers[place].clone();
            let single = &answer.singles()[single];
            let next_update = match single.in_force(most_age, self.now) {
                Ok(next_update) => next_update,
                Err(problem) => {
                    nearest.note(problem);
                    continue;
                }
            };
            // Of the same moment all count, so that a revocation does.
            if newest.is_some_and(|newest| single.this_update() < newest) {
                break;
            }
            if let Err(problem) = self.responder(place, issuer, anchor, most_age)? {
                nearest.note(problem);
                continue;
            }
            newest = Some(single.this_update());
            match single.status {
                Status::Revoked(revoked) => {
                    return Err(PathError::Revoked {
                        which: self.arena[certificate].which(),
                        at: revoked.at,
                        reason: revoked.reason,
                    });
                }
                Status::Unknown => nearest.note(RevocationProblem::Unknown),
                Status::Good => {
                    good = Some(Evidence {
                        certificate_sha256: self.arena[certificate].sha256,
                        kind: EvidenceKind::Ocsp,
                        sha256: answer.sha256(),
                        this_update: single.this_update(),
                        next_update,
                    });
                }
            }
        }
        match good {
            // Good and unknown in one breath is not good.
            Some(good) if nearest.0 != RevocationProblem::Unknown => Ok(vec![good]),
            _ => Err(self.unknown(certificate, nearest.0)),
        }
    }

    /// Whether an answer is by the issuer, or by a responder whom the issuer itself certified for
    /// that (RFC 6960 §4.2.2.2).
    fn responder(
        &mut self,
        answer_place: usize,
        issuer: Place,
        anchor: Place,
        most_age: Duration,
    ) -> Result<Result<(), RevocationProblem>, PathError> {
        let answers: &'a [OcspAnswer] = self.known.answers;
        let answer = &answers[answer_place];
        let above = &self.arena[issuer];
        let (issuer_name, issuer_key) = (above.subject.clone(), above.public_key_der);
        let mut nearest = Nearest(RevocationProblem::NotAuthentic);
        if answer.is_by(&issuer_name, issuer_key) {
            self.meter.signature()?;
            match answer.verify(issuer_key) {
                Ok(()) => return Ok(Ok(())),
                Err(error) => nearest.note(RevocationProblem::of_signature(error)),
            }
        }
        for der in answer.certificates() {
            let Ok(parsed) = Parsed::parse(der, self.requirements.budget.certificate_octets) else {
                continue;
            };
            let fits = parsed.issuer == issuer_name
                && answer.is_by(&parsed.subject, parsed.public_key_der)
                && parsed
                    .extended_key_usage
                    .as_ref()
                    .is_some_and(|usages| usages.contains(&OCSP_SIGNING))
                && parsed.key_usage.is_none_or(|usage| usage.digital_signature())
                && parsed.supported().and(parsed.in_time(self.now)).is_ok();
            if !fits {
                continue;
            }
            self.meter.signature()?;
            if let Err(error) = answer.verify(parsed.public_key_der) {
                nearest.note(RevocationProblem::of_signature(error));
                continue;
            }
            let no_check = parsed.ocsp_no_check;
            let responder = self.add(parsed);
            match self.signed_by(responder, issuer) {
                Ok(()) => {}
                Err(error @ PathError::BudgetSpent { .. }) => return Err(error),
                Err(_) => continue,
            }
            // RFC 6960 §4.2.2.2.1: without id-pkix-ocsp-nocheck the responder's own status is to be
            // looked at. Where no CRLs are at hand, that is left to its validity.
            if no_check || self.known.crls.is_empty() {
                return Ok(Ok(()));
            }
            if self.known.in_progress.len() >= MOST_NESTED {
                nearest.note(RevocationProblem::Circular);
                continue;
            }
            match self.by_crls(responder, issuer, anchor, most_age) {
                Ok(_) => return Ok(Ok(())),
                Err(error @ PathError::BudgetSpent { .. }) => return Err(error),
                Err(_) => nearest.note(RevocationProblem::NotAuthentic),
            }
        }
        Ok(Err(nearest.0))
    }
}

/// id-kp-OCSPSigning (RFC 6960 §4.2.2.2), 1.3.6.1.5.5.7.3.9.
const OCSP_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09];
