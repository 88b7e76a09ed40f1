//! Finding a path: depth first from the end entity, nearest to an anchor first, within a budget.
//!
//! What does not depend on the path is judged once: each candidate's own faults, how far it is from
//! an anchor by name, each signature. So a thousand cross-certificates cost a thousand looks, not a
//! thousand factorial.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use time::OffsetDateTime;

use super::{
    Anchors, Crl, Evidence, MOST_CERTIFICATES, PathError, Purpose, Requirements, Revocation,
    VerifiedPath,
    budget::Meter,
    certificate::Parsed,
    judge::{self, PathRules},
    revocation::Known,
};
use crate::signature::SignatureError;

/// Place of a certificate in [`Engine::arena`].
pub(super) type Place = usize;

pub(super) fn validate(
    certificate_der: &[u8],
    candidates_der: &[&[u8]],
    anchors: &Anchors,
    requirements: &Requirements<'_>,
    now: OffsetDateTime,
) -> Result<VerifiedPath, PathError> {
    let budget = requirements.budget;
    if candidates_der.len().saturating_add(anchors.len()) > budget.certificates {
        return Err(PathError::TooLarge { what: "certificates", most: budget.certificates });
    }
    let end_entity = Parsed::parse(certificate_der, budget.certificate_octets)?;
    let mut engine = Engine::new(requirements, now);
    let end_entity = engine.add(end_entity);
    let mut seen = HashSet::new();
    for anchor in anchors.iter() {
        if seen.insert(*anchor.fingerprint())
            && let Ok(parsed) = Parsed::parse(&anchor.der, usize::MAX)
        {
            engine.add_anchor(parsed);
        }
    }
    for der in candidates_der {
        // A candidate that cannot be read is of no use, but takes nothing from the others.
        if let Ok(parsed) = Parsed::parse(der, budget.certificate_octets)
            && seen.insert(parsed.sha256)
            && !engine.is_anchor_itself(&parsed)
        {
            engine.add_candidate(parsed);
        }
    }
    engine.arrange();
    let goal = Goal {
        end_entity_fault: judge::end_entity(&engine.arena[end_entity], requirements, now).err(),
        anchors: None,
        rules: PathRules {
            purpose: requirements.purpose,
            policies: requirements.policy.inputs(),
            most_depth: requirements.most_depth,
            enforce_anchor_constraints: requirements.enforce_anchor_constraints,
            conforming: requirements.conforming,
        },
    };
    let found = engine.find(end_entity, &goal)?;
    engine.verified(found)
}

/// What is looked for.
#[derive(Debug, Clone)]
pub(super) struct Goal<'a> {
    /// Why no path whatever could make the end entity count.
    pub(super) end_entity_fault: Option<PathError>,
    /// The only anchor that will do, if only one does.
    pub(super) anchors: Option<Place>,
    pub(super) rules: PathRules<'a>,
}

impl Goal<'_> {
    /// A path for somebody who signs CRLs, to the anchor of the path that it is about (RFC 5280
    /// §6.3.3 (f)).
    pub(super) fn crl_issuer(anchor: Place, requirements: &Requirements<'_>) -> Self {
        Self {
            end_entity_fault: None,
            anchors: Some(anchor),
            rules: PathRules {
                purpose: Purpose::Any,
                policies: super::PolicyInputs::default(),
                most_depth: None,
                enforce_anchor_constraints: requirements.enforce_anchor_constraints,
                conforming: requirements.conforming,
            },
        }
    }
}

/// A path that holds.
#[derive(Debug)]
pub(super) struct Found {
    path: Vec<Place>,
    anchor: Place,
    policies: Vec<const_oid::ObjectIdentifier>,
    evidence: Vec<Evidence>,
}

/// How a search ended before everything was tried.
enum End {
    Found(Box<Found>),
    /// Nothing else can help.
    Refused,
}

/// What is known of one step from a certificate to an issuer.
enum Edge {
    /// The issuer's key signed it.
    Holds,
    /// It did not.
    Fails,
    /// The budget is spent: not known, and nothing more will be.
    NotAsked,
}

/// One judgement: everything that was read, and what is known of it by now.
pub(super) struct Engine<'a> {
    pub(super) arena: Vec<Parsed<'a>>,
    /// A number for each public key.
    pub(super) keys: Vec<u32>,
    key_numbers: HashMap<Vec<u8>, u32>,
    /// Candidates by their subject's comparable form, the likeliest first.
    pub(super) candidates: HashMap<Arc<[u8]>, Vec<Place>>,
    pub(super) anchors: HashMap<Arc<[u8]>, Vec<Place>>,
    /// How many authorities stand between a certificate with this issuer and an anchor, at least.
    distance: HashMap<Arc<[u8]>, usize>,
    /// Candidates that cannot be part of a path.
    faulty: HashSet<Place>,
    signatures: HashMap<(Place, u32), Result<(), SignatureError>>,
    pub(super) known: Known<'a>,
    pub(super) meter: Meter,
    pub(super) requirements: &'a Requirements<'a>,
    pub(super) now: OffsetDateTime,
}

impl<'a> Engine<'a> {
    fn new(requirements: &'a Requirements<'a>, now: OffsetDateTime) -> Self {
        let (crls, answers): (&'a [Crl], _) = match requirements.revocation {
            Revocation::Crls { crls, .. } => (crls, &[][..]),
            Revocation::Ocsp { answers, crls, .. } => (crls, answers),
            Revocation::JudgedByCaller => (&[], &[][..]),
        };
        Self {
            arena: Vec::new(),
            keys: Vec::new(),
            key_numbers: HashMap::new(),
            candidates: HashMap::new(),
            anchors: HashMap::new(),
            distance: HashMap::new(),
            faulty: HashSet::new(),
            signatures: HashMap::new(),
            known: Known::new(crls, answers),
            meter: Meter::new(requirements.budget),
            requirements,
            now,
        }
    }

    pub(super) fn add(&mut self, parsed: Parsed<'a>) -> Place {
        let next = u32::try_from(self.key_numbers.len()).unwrap_or(u32::MAX);
        let key = *self.key_numbers.entry(parsed.public_key_der.to_vec()).or_insert(next);
        self.keys.push(key);
        self.arena.push(parsed);
        self.arena.len() - 1
    }

    fn add_candidate(&mut self, parsed: Parsed<'a>) {
        let subject = Arc::clone(parsed.subject.form());
        let place = self.add(parsed);
        self.candidates.entry(subject).or_default().push(place);
    }

    /// Whether it is an anchor signed by itself, which leads nowhere but to that anchor.
    fn is_anchor_itself(&self, parsed: &Parsed<'_>) -> bool {
        parsed.is_self_issued()
            && self
                .anchors
                .get(parsed.subject.form())
                .into_iter()
                .flatten()
                .any(|place| self.arena[*place].public_key_der == parsed.public_key_der)
    }

    fn add_anchor(&mut self, parsed: Parsed<'a>) {
        let subject = Arc::clone(parsed.subject.form());
        let place = self.add(parsed);
        self.anchors.entry(subject).or_default().push(place);
    }

    /// Everything that can be said of the candidates before a search.
    fn arrange(&mut self) {
        let mut by_issuer: HashMap<&Arc<[u8]>, Vec<Place>> = HashMap::new();
        for place in self.candidates.values().flatten() {
            by_issuer.entry(self.arena[*place].issuer.form()).or_default().push(*place);
        }
        let mut distance: HashMap<Arc<[u8]>, usize> =
            self.anchors.keys().map(|name| (Arc::clone(name), 0)).collect();
        let mut next: VecDeque<Arc<[u8]>> = distance.keys().map(Arc::clone).collect();
        while let Some(name) = next.pop_front() {
            let further = distance.get(&name).copied().unwrap_or_default() + 1;
            for place in by_issuer.get(&name).into_iter().flatten() {
                let subject = self.arena[*place].subject.form();
                if !distance.contains_key(subject) {
                    distance.insert(Arc::clone(subject), further);
                    next.push_back(Arc::clone(subject));
                }
            }
        }
        self.distance = distance;
        for place in self.candidates.values().flatten() {
            let one = &self.arena[*place];
            if one.may_issue().and(one.supported()).and(one.in_time(self.now)).is_err() {
                self.faulty.insert(*place);
            }
        }
        let (arena, distance) = (&self.arena, &self.distance);
        for places in self.candidates.values_mut() {
            // Nearest first; of those the newest, which a roll-over leaves behind last.
            places.sort_by_key(|place| {
                let one = &arena[*place];
                let far = distance.get(one.issuer.form()).copied().unwrap_or(usize::MAX);
                (far, std::cmp::Reverse(one.not_before))
            });
        }
    }

    /// Finds a path for `end_entity`.
    pub(super) fn find(&mut self, end_entity: Place, goal: &Goal<'_>) -> Result<Found, PathError> {
        let mut best = self.untrusted(end_entity);
        // First without candidates that spoil every path; then with them, to say what is wrong.
        for faulty_too in [false, true] {
            let mut path = vec![end_entity];
            match self.extend(&mut path, goal, faulty_too, &mut best) {
                Some(End::Found(found)) => return Ok(*found),
                Some(End::Refused) => break,
                None => {}
            }
            if self.faulty.is_empty() {
                break;
            }
        }
        Err(best)
    }

    /// The reason if nothing better is found: the first issuer upwards that is not there.
    fn untrusted(&self, end_entity: Place) -> PathError {
        let mut last = end_entity;
        let mut seen = HashSet::from([last]);
        while let Some(next) = self
            .candidates
            .get(self.arena[last].issuer.form())
            .and_then(|places| places.iter().find(|place| !seen.contains(place)))
            .filter(|_| seen.len() < MOST_CERTIFICATES)
        {
            seen.insert(*next);
            last = *next;
        }
        let last = &self.arena[last];
        PathError::NoTrustedIssuer { which: last.which(), issuer: last.issuer.to_string() }
    }

    /// Tries each issuer of the last certificate of `path`.
    fn extend(
        &mut self,
        path: &mut Vec<Place>,
        goal: &Goal<'_>,
        faulty_too: bool,
        best: &mut PathError,
    ) -> Option<End> {
        let last = *path.last()?;
        let issuer = Arc::clone(self.arena[last].issuer.form());
        for anchor in self.anchors.get(&issuer).cloned().unwrap_or_default() {
            if goal.anchors.is_some_and(|only| only != anchor) {
                continue;
            }
            match self.edge(last, anchor, best) {
                Edge::Holds => {}
                Edge::Fails => continue,
                Edge::NotAsked => return Some(End::Refused),
            }
            match self.judge(path, anchor, goal) {
                Ok(found) => return Some(End::Found(Box::new(found))),
                Err((error, settled)) => {
                    note(best, error);
                    if settled {
                        return Some(End::Refused);
                    }
                }
            }
        }
        let candidates = self.candidates.get(&issuer).cloned().unwrap_or_default();
        // Those whose key identifier fits come first; it is a hint and no proof.
        let hinted = |engine: &Self, place: Place| match (
            engine.arena[last].authority_key,
            engine.arena[place].subject_key,
        ) {
            (Some(wanted), Some(found)) => wanted == found,
            _ => true,
        };
        for first in [true, false] {
            for place in candidates.iter().copied() {
                if hinted(self, place) != first || (!faulty_too && self.faulty.contains(&place)) {
                    continue;
                }
                // Nobody trusted above it: `untrusted` names whom it lacks.
                let above = self.arena[place].issuer.form();
                let Some(distance) = self.distance.get(above).copied() else { continue };
                if path.len() + 1 + distance > MOST_CERTIFICATES {
                    let most = u32::try_from(MOST_CERTIFICATES - 1).unwrap_or(u32::MAX);
                    let which = self.arena[path[0]].which();
                    note(best, PathError::TooDeep { which, most });
                    continue;
                }
                // A loop: the same authority with the same key again.
                let again = path.iter().any(|used| {
                    self.keys[*used] == self.keys[place]
                        && self.arena[*used].subject == self.arena[place].subject
                });
                if again {
                    continue;
                }
                match self.edge(last, place, best) {
                    Edge::Holds => {}
                    Edge::Fails => continue,
                    Edge::NotAsked => return Some(End::Refused),
                }
                path.push(place);
                let end = self.extend(path, goal, faulty_too, best);
                path.pop();
                if end.is_some() {
                    return end;
                }
            }
        }
        None
    }

    /// Asks [`Self::signed_by`] as a step of the search, and notes in `best` why not.
    fn edge(&mut self, certificate: Place, issuer: Place, best: &mut PathError) -> Edge {
        let asked = self.meter.edge().and_then(|()| self.signed_by(certificate, issuer));
        match asked {
            Ok(()) => Edge::Holds,
            Err(error) => {
                let spent = matches!(error, PathError::BudgetSpent { .. });
                note(best, error);
                if spent { Edge::NotAsked } else { Edge::Fails }
            }
        }
    }

    /// Whether `issuer`'s key signed `certificate`.
    pub(super) fn signed_by(&mut self, certificate: Place, issuer: Place) -> Result<(), PathError> {
        let key = (certificate, self.keys[issuer]);
        let known = self.signatures.get(&key).copied();
        let verified = match known {
            Some(verified) => verified,
            None => {
                self.meter.signature()?;
                let verified =
                    self.arena[certificate].signed.verify(self.arena[issuer].public_key_der);
                self.signatures.insert(key, verified);
                verified
            }
        };
        verified.map_err(|source| PathError::NotSignedByIssuer {
            which: self.arena[certificate].which(),
            issuer: self.arena[certificate].issuer.to_string(),
            source,
        })
    }

    /// Judges a path whose signatures hold. With an error comes whether every other path would
    /// meet it, too.
    fn judge(
        &mut self,
        path: &[Place],
        anchor: Place,
        goal: &Goal<'_>,
    ) -> Result<Found, (PathError, bool)> {
        if let Some(fault) = &goal.end_entity_fault {
            return Err((fault.clone(), true));
        }
        let certificates: Vec<&Parsed<'_>> = path.iter().map(|place| &self.arena[*place]).collect();
        let policies = judge::judge(
            &certificates,
            &self.arena[anchor],
            &goal.rules,
            self.now,
            &mut self.meter,
        )
        .map_err(|error| {
            let spent = matches!(error, PathError::BudgetSpent { .. });
            (error, spent)
        })?;
        let evidence = self.revocation(path, anchor).map_err(|error| {
            let revoked = matches!(&error, PathError::Revoked { which, .. }
                if which.sha256 == self.arena[path[0]].sha256);
            let settled = revoked || matches!(error, PathError::BudgetSpent { .. });
            (error, settled)
        })?;
        Ok(Found { path: path.to_vec(), anchor, policies, evidence })
    }

    fn verified(&self, found: Found) -> Result<VerifiedPath, PathError> {
        let anchor = &self.arena[found.anchor];
        let issuer = found.path.get(1).map_or(anchor, |place| &self.arena[*place]);
        Ok(VerifiedPath {
            certificates_der: found
                .path
                .iter()
                .map(|place| self.arena[*place].der.to_vec())
                .collect(),
            subjects: found
                .path
                .iter()
                .map(|place| self.arena[*place].subject.to_string())
                .collect(),
            anchor_subject: anchor.subject.to_name().map_err(|error| PathError::Malformed {
                which: anchor.which(),
                what: error.to_string(),
            })?,
            anchor_der: anchor.der.to_vec(),
            anchor_public_key_der: anchor.public_key_der.to_vec(),
            issuer_public_key_der: issuer.public_key_der.to_vec(),
            evidence: found.evidence,
            policies: found.policies,
        })
    }
}

/// Keeps the first of equally useful reasons: its path was the shortest.
fn note(best: &mut PathError, error: PathError) {
    if error.progress() > best.progress() {
        *best = error;
    }
}
