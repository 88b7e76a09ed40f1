//! Who signed a CRL, and whether that one may speak for an issuer (RFC 5280 §6.3.3 (f), (g)).

use std::sync::Arc;

use super::{MOST_NESTED, Nearest, RevocationProblem};
use crate::path::{
    PathError,
    build::{Engine, Goal, Place},
};

impl Engine<'_> {
    /// Whether the key of this number signed the CRL.
    pub(super) fn crl_signed(
        &mut self,
        crl: usize,
        key: u32,
    ) -> Result<Result<(), RevocationProblem>, PathError> {
        if let Some(known) = self.known.crl_signatures.get(&(crl, key)) {
            return Ok(known.clone());
        }
        self.meter.signature()?;
        let holder = self.keys.iter().position(|one| *one == key);
        let verified = holder.map_or(Err(RevocationProblem::NotAuthentic), |place| {
            self.known.crls[crl]
                .verify(self.arena[place].public_key_der)
                .map_err(RevocationProblem::of_signature)
        });
        self.known.crl_signatures.insert((crl, key), verified.clone());
        Ok(verified)
    }

    /// The key that signed a CRL, if it may speak for `issuer` (RFC 5280 §6.3.3 (f), (g)): the
    /// issuer's own; another of the same name that the same authority, or the issuer itself, vouches
    /// for; or, if `indirect`, that of whom the certificate itself names.
    pub(super) fn crl_key(
        &mut self,
        crl: usize,
        issuer: Place,
        anchor: Place,
        indirect: bool,
    ) -> Result<Result<u32, RevocationProblem>, PathError> {
        let list = &self.known.crls[crl];
        let name = list.issuer_dn().clone();
        let hint = list.authority_key().map(<[u8]>::to_vec);
        let mut nearest = Nearest(RevocationProblem::NotAuthentic);
        if self.arena[issuer].subject == name {
            if self.arena[issuer].may_sign_crls() {
                match self.crl_signed(crl, self.keys[issuer])? {
                    Ok(()) => return Ok(Ok(self.keys[issuer])),
                    Err(problem) => nearest.note(problem),
                }
            } else {
                nearest = Nearest(RevocationProblem::NotForCrls);
            }
        }
        let line = self.line(issuer)?;
        let mut signers = self.candidates.get(name.form()).cloned().unwrap_or_default();
        if self.arena[anchor].subject == name {
            signers.insert(0, anchor);
        }
        // The one whose key identifier the list names first; a hint, no proof.
        signers.sort_by_key(|place| {
            hint.is_some() && self.arena[*place].subject_key != hint.as_deref()
        });
        for signer in signers {
            let one = &self.arena[signer];
            if signer == issuer {
                continue;
            }
            if !one.may_sign_crls() {
                nearest.note(RevocationProblem::NotForCrls);
                continue;
            }
            // Another authority of the same name elsewhere below the anchor does not speak for
            // this one.
            let kin = line.iter().any(|member| {
                let member = &self.arena[*member];
                one.issuer == member.issuer || one.issuer == member.subject
            });
            if !indirect && signer != anchor && !kin {
                continue;
            }
            self.meter.edge()?;
            if let Err(problem) = self.crl_signed(crl, self.keys[signer])? {
                nearest.note(problem);
                continue;
            }
            // An authority may name, in the certificate of who signs its indirect CRLs, that one's
            // own list as the place to look (PKITS 4.14.30): then it must not stand there itself.
            let by_itself = indirect && self.known.in_progress.last() == Some(&signer);
            if signer == anchor || by_itself {
                return Ok(Ok(self.keys[signer]));
            }
            match self.crl_signer(signer, anchor)? {
                Ok(()) => return Ok(Ok(self.keys[signer])),
                Err(problem) => nearest.note(problem),
            }
        }
        Ok(Err(nearest.0))
    }

    /// The authority's certificate and, where that is self-issued, those of its other keys that
    /// signed it (key roll-over).
    fn line(&mut self, authority: Place) -> Result<Vec<Place>, PathError> {
        let mut line = vec![authority];
        let mut next = 0;
        while let Some(member) = line.get(next).copied().filter(|_| line.len() < MOST_NESTED) {
            next += 1;
            if !self.arena[member].is_self_issued() {
                continue;
            }
            let name = Arc::clone(self.arena[member].subject.form());
            for above in self.candidates.get(&name).cloned().unwrap_or_default() {
                if line.contains(&above) || self.keys[above] == self.keys[member] {
                    continue;
                }
                self.meter.edge()?;
                match self.signed_by(member, above) {
                    Ok(()) => line.push(above),
                    Err(error @ PathError::BudgetSpent { .. }) => return Err(error),
                    Err(_) => {}
                }
            }
        }
        Ok(line)
    }

    /// Whether the certificate of who signs CRLs holds, to the same anchor.
    fn crl_signer(
        &mut self,
        signer: Place,
        anchor: Place,
    ) -> Result<Result<(), RevocationProblem>, PathError> {
        if let Some(known) = self.known.crl_signers.get(&(signer, anchor)) {
            return Ok(known.clone());
        }
        if self.known.in_progress.contains(&signer) || self.known.in_progress.len() >= MOST_NESTED {
            return Ok(Err(RevocationProblem::Circular));
        }
        let goal = Goal::crl_issuer(anchor, self.requirements);
        let judged = match self.find(signer, &goal) {
            Ok(_) => Ok(()),
            Err(error @ PathError::BudgetSpent { .. }) => return Err(error),
            Err(PathError::RevocationUnknown { problem: RevocationProblem::Circular, .. }) => {
                return Ok(Err(RevocationProblem::Circular));
            }
            Err(_) => Err(RevocationProblem::NotAuthentic),
        };
        self.known.crl_signers.insert((signer, anchor), judged.clone());
        Ok(judged)
    }
}
