//! Certificate policies along a path (RFC 5280 §6.1, with the graph of RFC 9618 in place of the
//! tree, which hostile mappings could make grow exponentially).

use std::collections::{BTreeSet, HashMap};

use const_oid::ObjectIdentifier;

use super::{
    PathError, PolicyInputs, budget::Meter, certificate::Parsed, extension::PolicyConstraints,
};

/// anyPolicy (RFC 5280 §4.2.1.4), 2.5.29.32.0: contents of the object identifier.
const ANY_POLICY: &[u8] = &[0x55, 0x1d, 0x20, 0x00];

#[derive(Debug)]
struct Node<'a> {
    valid_policy: &'a [u8],
    /// Places in the level above.
    parents: Vec<usize>,
    expected: Vec<&'a [u8]>,
}

/// One depth of the graph: each policy stands there at most once.
type Level<'a> = Vec<Node<'a>>;

/// The policy variables of §6.1.2 and how they change from certificate to certificate.
#[derive(Debug)]
pub(super) struct Policies<'a> {
    /// `None`: the valid_policy_graph is NULL.
    levels: Option<Vec<Level<'a>>>,
    explicit_policy: u32,
    policy_mapping: u32,
    inhibit_any_policy: u32,
}

impl<'a> Policies<'a> {
    /// §6.1.2 (a), (d) to (f), for a path of `length` certificates.
    pub(super) fn start(inputs: &PolicyInputs<'_>, length: u32) -> Self {
        let unless = |inhibited| if inhibited { 0 } else { length.saturating_add(1) };
        let root =
            Node { valid_policy: ANY_POLICY, parents: Vec::new(), expected: vec![ANY_POLICY] };
        Self {
            levels: Some(vec![vec![root]]),
            explicit_policy: unless(inputs.explicit),
            policy_mapping: unless(inputs.inhibit_mapping),
            inhibit_any_policy: unless(inputs.inhibit_any_policy),
        }
    }

    /// §6.1.3 (d) to (f).
    pub(super) fn certificate(
        &mut self,
        certificate: &Parsed<'a>,
        is_last: bool,
        meter: &mut Meter,
    ) -> Result<(), PathError> {
        match (&certificate.policies, self.levels.as_mut()) {
            (None, _) => self.levels = None,
            (Some(_), None) => {}
            (Some(policies), Some(levels)) => {
                let any_counts =
                    self.inhibit_any_policy > 0 || (!is_last && certificate.is_self_issued());
                let level = next_level(levels, policies, any_counts);
                meter.policy_nodes(level.iter().map(|node| 1 + node.parents.len()).sum())?;
                levels.push(level);
                if prune(levels) {
                    self.levels = None;
                }
            }
        }
        if self.explicit_policy == 0 && self.levels.is_none() {
            return Err(PathError::NoValidPolicy { which: certificate.which() });
        }
        Ok(())
    }

    /// §6.1.4 (a), (b), (h) to (j).
    pub(super) fn prepare_next(
        &mut self,
        certificate: &Parsed<'a>,
        meter: &mut Meter,
    ) -> Result<(), PathError> {
        let mut mappings: HashMap<&'a [u8], Vec<&'a [u8]>> = HashMap::new();
        for (issuer, subject) in &certificate.policy_mappings {
            if *issuer == ANY_POLICY || *subject == ANY_POLICY {
                return Err(PathError::AnyPolicyMapped { which: certificate.which() });
            }
            mappings.entry(issuer).or_default().push(subject);
        }
        if let Some(levels) = self.levels.as_mut().filter(|_| !mappings.is_empty()) {
            meter.policy_nodes(certificate.policy_mappings.len())?;
            if self.policy_mapping > 0 {
                map(levels, mappings);
            } else {
                if let Some(level) = levels.last_mut() {
                    level.retain(|node| !mappings.contains_key(node.valid_policy));
                }
                if prune(levels) {
                    self.levels = None;
                }
            }
        }
        if !certificate.is_self_issued() {
            self.explicit_policy = self.explicit_policy.saturating_sub(1);
            self.policy_mapping = self.policy_mapping.saturating_sub(1);
            self.inhibit_any_policy = self.inhibit_any_policy.saturating_sub(1);
        }
        self.tighten(certificate);
        Ok(())
    }

    /// RFC 5937 §3: what an anchor's certificate says limits the inputs. It is no certificate of
    /// the path: one without policies allows all, and nothing is counted down.
    pub(super) fn anchor(
        &mut self,
        anchor: &Parsed<'a>,
        meter: &mut Meter,
    ) -> Result<(), PathError> {
        if anchor.policies.is_some() {
            self.certificate(anchor, false, meter)?;
        }
        self.tighten(anchor);
        Ok(())
    }

    fn tighten(&mut self, certificate: &Parsed<'_>) {
        let PolicyConstraints { require_explicit_policy, inhibit_policy_mapping } =
            certificate.policy_constraints;
        let tighten = |variable: &mut u32, to: Option<u32>| {
            *variable = to.map_or(*variable, |to| to.min(*variable));
        };
        tighten(&mut self.explicit_policy, require_explicit_policy);
        tighten(&mut self.policy_mapping, inhibit_policy_mapping);
        tighten(&mut self.inhibit_any_policy, certificate.inhibit_any_policy);
    }

    /// §6.1.5 (a), (b), (g): the policies that the path is valid for, of those that were asked
    /// for; anyPolicy alone if all are.
    pub(super) fn wrap_up(
        mut self,
        last: &Parsed<'a>,
        inputs: &PolicyInputs<'_>,
    ) -> Result<Vec<ObjectIdentifier>, PathError> {
        self.explicit_policy = self.explicit_policy.saturating_sub(1);
        if last.policy_constraints.require_explicit_policy == Some(0) {
            self.explicit_policy = 0;
        }
        let valid = self.levels.as_deref().map(authority_policies).unwrap_or_default();
        let accepted: BTreeSet<&[u8]> = match inputs.initial_set {
            None => valid,
            Some(asked) => {
                let asked = asked.iter().map(ObjectIdentifier::as_bytes);
                if asked.clone().any(|policy| policy == ANY_POLICY) {
                    valid
                } else {
                    asked
                        .filter(|policy| valid.contains(ANY_POLICY) || valid.contains(policy))
                        .collect()
                }
            }
        };
        if self.explicit_policy == 0 && accepted.is_empty() {
            return Err(PathError::NoValidPolicy { which: last.which() });
        }
        Ok(accepted
            .into_iter()
            .filter_map(|policy| ObjectIdentifier::from_bytes(policy).ok())
            .collect())
    }
}

/// RFC 9618 §5.3 (d) (1), (2): the nodes of one more certificate.
fn next_level<'a>(levels: &[Level<'a>], policies: &[&'a [u8]], any_counts: bool) -> Level<'a> {
    let Some(above) = levels.last() else {
        return Vec::new();
    };
    let mut expecting: HashMap<&'a [u8], Vec<usize>> = HashMap::new();
    for (place, node) in above.iter().enumerate() {
        for policy in &node.expected {
            let places = expecting.entry(*policy).or_default();
            // A mapping written twice is one edge.
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
    }
    let any_above = above.iter().position(|node| node.valid_policy == ANY_POLICY);
    let mut level = Level::new();
    let mut push = |policy: &'a [u8], parents| {
        level.push(Node { valid_policy: policy, parents, expected: vec![policy] });
    };
    let mut has_any = false;
    for policy in policies {
        if *policy == ANY_POLICY {
            has_any = true;
        } else if let Some(places) = expecting.remove(policy) {
            push(policy, places);
        } else if let Some(any) = any_above {
            push(policy, vec![any]);
        }
    }
    if has_any && any_counts {
        // What is expected above and not asserted here: anyPolicy stands for it.
        let mut rest: Vec<_> = expecting.into_iter().collect();
        rest.sort_unstable();
        for (policy, places) in rest {
            push(policy, places);
        }
    }
    level
}

/// §6.1.4 (b) (1).
fn map<'a>(levels: &mut [Level<'a>], mappings: HashMap<&'a [u8], Vec<&'a [u8]>>) {
    let Some(level) = levels.last_mut() else {
        return;
    };
    let any_parents =
        level.iter().find(|node| node.valid_policy == ANY_POLICY).map(|node| node.parents.clone());
    let mut mappings: Vec<_> = mappings.into_iter().collect();
    mappings.sort_unstable();
    let mut places: HashMap<&[u8], usize> =
        level.iter().enumerate().map(|(place, node)| (node.valid_policy, place)).collect();
    for (policy, expected) in mappings {
        if let Some(place) = places.remove(policy) {
            level[place].expected = expected;
        } else if let Some(parents) = &any_parents {
            level.push(Node { valid_policy: policy, parents: parents.clone(), expected });
        }
    }
}

/// Takes away nodes without children, from the last level but one upwards; whether nothing is left.
fn prune(levels: &mut [Level<'_>]) -> bool {
    for depth in (0..levels.len().saturating_sub(1)).rev() {
        let (above, below) = levels.split_at_mut(depth + 1);
        let (Some(level), Some(children)) = (above.last_mut(), below.first_mut()) else {
            return true;
        };
        let mut kept = vec![false; level.len()];
        for parent in children.iter().flat_map(|node| &node.parents) {
            kept[*parent] = true;
        }
        if kept.iter().all(|kept| *kept) {
            continue;
        }
        // Places in the level move up.
        let mut moved = Vec::with_capacity(level.len());
        let mut next = 0;
        for kept in &kept {
            moved.push(next);
            next += usize::from(*kept);
        }
        let mut marks = kept.iter();
        level.retain(|_| marks.next().copied().unwrap_or_default());
        for parent in children.iter_mut().flat_map(|node| &mut node.parents) {
            *parent = moved[*parent];
        }
    }
    levels.first().is_none_or(Vec::is_empty) || levels.last().is_none_or(Vec::is_empty)
}

/// The authority-constrained policy set (RFC 9618 §5.4): policies in the trust anchor's own terms,
/// which are those below an anyPolicy node, or anyPolicy itself at the last depth.
fn authority_policies<'a>(levels: &[Level<'a>]) -> BTreeSet<&'a [u8]> {
    let mut found = BTreeSet::new();
    for pair in levels.windows(2) {
        let [above, level] = pair else { continue };
        for node in level {
            let below_any =
                node.parents.iter().any(|parent| above[*parent].valid_policy == ANY_POLICY);
            if below_any && node.valid_policy != ANY_POLICY {
                found.insert(node.valid_policy);
            }
        }
    }
    let any_at_last =
        levels.last().is_some_and(|level| level.iter().any(|node| node.valid_policy == ANY_POLICY));
    if any_at_last {
        found.insert(ANY_POLICY);
    }
    found
}
