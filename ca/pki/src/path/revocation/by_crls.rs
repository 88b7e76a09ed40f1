//! CRLs about a certificate (RFC 5280 §6.3.3).

use std::{collections::HashSet, sync::Arc};

use time::{Duration, OffsetDateTime};

use super::{Evidence, EvidenceKind, Judged, Nearest, RevocationProblem};
use crate::path::{
    Crl, PathError,
    build::{Engine, Place},
    certificate::Parsed,
    distribution_point::{DistributionPoint, PointName},
    extension::Reasons,
    general_name::directory_key,
};

impl Engine<'_> {
    /// RFC 5280 §6.3.3: the certificate's own points, then any list of its issuer.
    pub(super) fn by_crls(
        &mut self,
        certificate: Place,
        issuer: Place,
        anchor: Place,
        most_age: Duration,
    ) -> Judged {
        let (mut points, issuer_name) = {
            let one = &self.arena[certificate];
            (one.distribution_points.clone(), one.issuer.clone())
        };
        points.push(DistributionPoint {
            name: Some(PointName::Full(vec![directory_key(issuer_name.form())])),
            reasons: None,
            crl_issuers: None,
        });
        let mut done = Reasons::NONE;
        let mut evidence = Vec::new();
        let mut outdated = Vec::new();
        let mut nearest = Nearest(RevocationProblem::Missing { issuer: issuer_name.to_string() });
        for point in &points {
            let indirect = point.crl_issuers.is_some();
            let issuers = match &point.crl_issuers {
                Some(names) => names.iter().map(|name| Arc::clone(name.form())).collect(),
                None => vec![Arc::clone(issuer_name.form())],
            };
            for name in issuers {
                for place in self.known.crls_by_issuer.get(&name).cloned().unwrap_or_default() {
                    let crl = &self.known.crls[place];
                    if crl.is_delta() {
                        nearest.note(RevocationProblem::DeltaWithoutBase);
                        continue;
                    }
                    if self.requirements.conforming && !crl.is_numbered() {
                        nearest.note(RevocationProblem::Unnumbered);
                        continue;
                    }
                    let reasons = match scope(crl, point, &self.arena[certificate]) {
                        Ok(reasons) => reasons,
                        Err(problem) => {
                            nearest.note(problem);
                            continue;
                        }
                    };
                    if !reasons.adds_to(done) {
                        continue;
                    }
                    let next_update = match crl.in_force(most_age, self.now) {
                        Ok(next_update) => next_update,
                        Err(problem) => {
                            outdated.push((place, indirect));
                            nearest.note(problem);
                            continue;
                        }
                    };
                    let key = match self.crl_key(place, issuer, anchor, indirect)? {
                        Ok(key) => key,
                        Err(problem) => {
                            nearest.note(problem);
                            continue;
                        }
                    };
                    let sha256 = self.arena[certificate].sha256;
                    let of = |crl: &Crl, kind, next_update| Evidence {
                        certificate_sha256: sha256,
                        kind,
                        sha256: crl.sha256(),
                        this_update: crl.this_update(),
                        next_update,
                    };
                    let mut found = vec![of(crl, EvidenceKind::Crl, next_update)];
                    let delta = self.delta(place, key, most_age)?;
                    if let Some((delta, next_update)) = delta {
                        found.push(of(
                            &self.known.crls[delta],
                            EvidenceKind::DeltaCrl,
                            next_update,
                        ));
                    }
                    match self.entry(certificate, place, delta.map(|(delta, _)| delta)) {
                        Ok(None) => {}
                        Ok(Some(error)) => return Err(error),
                        Err(problem) => {
                            nearest.note(problem);
                            continue;
                        }
                    }
                    done = done.or(reasons);
                    evidence.append(&mut found);
                    if !Reasons::ALL.adds_to(done) {
                        return Ok(evidence);
                    }
                    nearest.note(RevocationProblem::SomeReasons);
                }
            }
        }
        // Not known to be good. An outdated list that names it says at least why it cannot be.
        for (place, indirect) in outdated {
            if self.crl_key(place, issuer, anchor, indirect)?.is_ok()
                && let Ok(Some(revoked)) = self.entry(certificate, place, None)
            {
                return Err(revoked);
            }
        }
        Err(self.unknown(certificate, nearest.0))
    }

    /// What a list and its delta say about a certificate: the delta first (§6.3.3 (i) to (k)).
    fn entry(
        &self,
        certificate: Place,
        base: usize,
        delta: Option<usize>,
    ) -> Result<Option<PathError>, RevocationProblem> {
        let one = &self.arena[certificate];
        let look = |crl: usize| {
            self.known.crls[crl]
                .entry(one.issuer.form(), one.serial)
                .map_err(|_| RevocationProblem::Unreadable)
        };
        let changed = delta.map(look).transpose()?.flatten();
        let revoked = match changed {
            Some(changed) if changed.is_removal() => None,
            Some(changed) => Some(changed),
            None => look(base)?,
        };
        Ok(revoked.map(|revoked| PathError::Revoked {
            which: one.which(),
            at: revoked.at,
            reason: revoked.reason,
        }))
    }

    /// The newest delta of a base that is in force and by the same key.
    fn delta(
        &mut self,
        base: usize,
        key: u32,
        most_age: Duration,
    ) -> Result<Option<(usize, OffsetDateTime)>, PathError> {
        let crl = &self.known.crls[base];
        let places =
            self.known.crls_by_issuer.get(crl.issuer_dn().form()).cloned().unwrap_or_default();
        for place in places {
            let delta = &self.known.crls[place];
            if !delta.updates(crl) || delta.usable().is_err() {
                continue;
            }
            let Ok(next_update) = delta.in_force(most_age, self.now) else { continue };
            if self.crl_signed(place, key)?.is_ok() {
                return Ok(Some((place, next_update)));
            }
        }
        Ok(None)
    }
}

/// RFC 5280 §6.3.3 (b), (d): whether a list is about a certificate by way of one of its points, and
/// for which reasons.
fn scope(
    crl: &Crl,
    point: &DistributionPoint,
    certificate: &Parsed<'_>,
) -> Result<Reasons, RevocationProblem> {
    crl.usable()?;
    if point.crl_issuers.is_some() && !crl.is_indirect() {
        return Err(RevocationProblem::OutOfScope);
    }
    let asked = point.reasons.unwrap_or(Reasons::ALL);
    let Some(scope) = crl.scope() else {
        return Ok(asked);
    };
    if scope.only_attributes
        || (scope.only_users && certificate.is_authority())
        || (scope.only_authorities && !certificate.is_authority())
    {
        return Err(RevocationProblem::OutOfScope);
    }
    if let Some(name) = &scope.name {
        let held = name.keys(crl.issuer_dn());
        let wanted: HashSet<Vec<u8>> = match (&point.name, &point.crl_issuers) {
            (Some(name), _) => name.keys(crl.issuer_dn()).into_iter().collect(),
            (None, Some(issuers)) => {
                issuers.iter().map(|name| directory_key(name.form())).collect()
            }
            (None, None) => return Err(RevocationProblem::OutOfScope),
        };
        if !held.iter().any(|key| wanted.contains(key)) {
            return Err(RevocationProblem::OutOfScope);
        }
    }
    Ok(asked.and(scope.only_some_reasons.unwrap_or(Reasons::ALL)))
}
