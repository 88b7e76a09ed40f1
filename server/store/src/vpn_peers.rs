//! Who is whose peer: what the groups of a router come to (docs/decisions/0053).
//!
//! Two routers are peers where a group has both and is a mesh, or one of both is a hub of it. Where spokes reach each
//! other through a hub, one hub is the way for a pair of them, and both ends say the same of it.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::{
    Queries, StoreError,
    router::Router,
    vpn_group::Topology,
    vpn_neighbourhood,
    vpn_place::{self, Scope, VpnPlace},
};

/// A router at the other end of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpnPeer {
    /// The router.
    pub router: Router,
    /// Whose it is.
    pub organisation_id: String,
    /// The groups that make them peers.
    pub groups: BTreeSet<String>,
    /// Whether this router opens the tunnel, or waits for the other to do it.
    pub opens: bool,
    /// Routers that are reached through the other one.
    pub beyond: Vec<Router>,
    /// Routers that the other one reaches through this one.
    pub behind: Vec<Router>,
}

/// Identifiers of a router's peers, of the places around it.
#[must_use]
pub fn named(own_id: &str, around: &[VpnPlace]) -> BTreeSet<String> {
    of_places(own_id, around).into_iter().map(|peer| peer.router.terminal_id).collect()
}

/// A router's peers, of the places around it, in the order of their identifiers; what lies behind this router for
/// others is not among what they tell.
#[must_use]
pub fn of_places<'p>(own_id: &str, around: impl IntoIterator<Item = &'p VpnPlace>) -> Vec<VpnPeer> {
    let (own, others): (Vec<&VpnPlace>, Vec<&VpnPlace>) =
        around.into_iter().partition(|place| place.router.terminal_id == own_id);
    let own: BTreeMap<&str, &VpnPlace> =
        own.into_iter().map(|place| (place.group_id.as_str(), place)).collect();
    let mut peers = BTreeMap::<&str, VpnPeer>::new();
    for other in &others {
        let Some(own) = own.get(other.group_id.as_str()) else { continue };
        if own.topology != Topology::Mesh && !own.is_hub && !other.is_hub {
            continue;
        }
        let peer = peers.entry(&other.router.terminal_id).or_insert_with(|| VpnPeer {
            router: other.router.clone(),
            organisation_id: other.organisation_id.clone(),
            groups: BTreeSet::new(),
            opens: opens(own, other),
            beyond: Vec::new(),
            behind: Vec::new(),
        });
        peer.groups.insert(other.group_id.clone());
    }
    for (through, router) in ways(&own, &others, &peers) {
        if let Some(peer) = peers.get_mut(through) {
            peer.beyond.push(router);
        }
    }
    peers.into_values().collect()
}

/// Spokes that this router reaches through a hub, each with that hub: of several the first, by group, membership and
/// identifier, which the spoke at the other end comes to as well. One that it reaches itself is none of them.
fn ways<'p>(
    own: &BTreeMap<&str, &VpnPlace>,
    others: &[&'p VpnPlace],
    peers: &BTreeMap<&str, VpnPeer>,
) -> Vec<(&'p str, Router)> {
    let mut first = BTreeMap::<&str, (&str, &str, &str)>::new();
    for hub in others.iter().filter(|place| place.is_hub) {
        let (group, id) = (hub.group_id.as_str(), hub.router.terminal_id.as_str());
        let this = (group, hub.membership_id.as_str(), id);
        let first = first.entry(group).or_insert(this);
        *first = this.min(*first);
    }
    let mut ways = BTreeMap::<&str, ((&str, &str, &str), Router)>::new();
    for spoke in others.iter().filter(|place| place.transit && !place.is_hub) {
        let id = spoke.router.terminal_id.as_str();
        let is_spoke = own.get(spoke.group_id.as_str()).is_some_and(|own| !own.is_hub);
        if !is_spoke || peers.contains_key(id) {
            continue;
        }
        let Some(first) = first.get(spoke.group_id.as_str()) else { continue };
        let way = ways.entry(id).or_insert_with(|| (*first, spoke.router.clone()));
        way.0 = way.0.min(*first);
    }
    ways.into_values().map(|((_, _, hub), router)| (hub, router)).collect()
}

/// The family that asks for all networks of a tunnel in one CHILD_SA when it opens one: OpenIKED.
const ASKS_FOR_ALL_AT_ONCE: &str = "router_openiked";

/// Whether of several networks of a tunnel the first pair alone comes up, by the families of who opens it and of who
/// awaits it: others take the first of what an OpenIKED asks for (docs/routers.md, the matrix).
#[must_use]
pub fn carries_first_alone(opening: &str, awaiting: &str) -> bool {
    opening == ASKS_FOR_ALL_AT_ONCE && awaiting != ASKS_FOR_ALL_AT_ONCE
}

/// Has the other end open a tunnel of several networks of which this direction would carry the first alone, where the
/// other end knows the address. `peer` has all its networks.
pub(crate) fn turn(own: &Router, peer: &mut VpnPeer) {
    if peer.beyond.is_empty() && peer.behind.is_empty() {
        return;
    }
    let (opening, awaiting) = if peer.opens { (own, &peer.router) } else { (&peer.router, own) };
    if carries_first_alone(&opening.family, &awaiting.family) && opening.address.is_some() {
        peer.opens = !peer.opens;
    }
}

/// Who opens the tunnel, as long as it has one network at each end: the end without a fixed address; of two alike the
/// spoke; of two alike again the one whose identifier is the lower.
fn opens(own: &VpnPlace, other: &VpnPlace) -> bool {
    let rank = |place: &VpnPlace| {
        (place.router.address.is_some(), place.is_hub, place.router.terminal_id.clone())
    };
    rank(own) < rank(other)
}

/// A router's peers at this moment.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_router(
    queries: &mut impl Queries,
    own_id: &str,
    at: OffsetDateTime,
) -> Result<Vec<VpnPeer>, StoreError> {
    Ok(vpn_neighbourhood::of(queries, Scope::Router(own_id), at).await?.peers(own_id))
}

/// Whether two routers are peers at this moment.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn are(
    queries: &mut impl Queries,
    one_id: &str,
    other_id: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    Ok(named(one_id, &vpn_place::around(queries, one_id, at).await?).contains(other_id))
}

/// Has peers open the tunnel, or await it, as somebody chose whatever the groups say: by the peer's identifier,
/// whether this router opens. What differed from what the groups say.
pub fn choose(peers: &mut [VpnPeer], chosen: &BTreeMap<String, bool>) -> BTreeMap<String, bool> {
    let mut differed = BTreeMap::new();
    for peer in peers {
        let id = &peer.router.terminal_id;
        if let Some(opens) = chosen.get(id).filter(|opens| **opens != peer.opens) {
            peer.opens = *opens;
            differed.insert(id.clone(), *opens);
        }
    }
    differed
}

/// SHA-256 over what a router's texts say of its peers: names, addresses, networks, and who opens. Not over proofs,
/// which a pair changes by itself.
#[must_use]
pub fn fingerprint(peers: &[VpnPeer]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let networks = |routers: &[Router]| {
        routers.iter().map(|router| router.network.to_string()).collect::<Vec<_>>().join(",")
    };
    for VpnPeer { router, opens, beyond, behind, .. } in peers {
        let address = router.address.map(|address| address.to_string()).unwrap_or_default();
        hash.update(format!(
            "{} {} {address} {} {opens} [{}] [{}]\n",
            router.terminal_id,
            router.dns_name,
            router.network,
            networks(beyond),
            networks(behind),
        ));
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that come in the same order in every run.
    struct Dice(u64);

    impl Dice {
        fn throw(&mut self, sides: u64) -> u64 {
            // Knuth, MMIX; the upper half is what varies.
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % sides
        }

        fn chance(&mut self) -> bool {
            self.throw(2) == 0
        }
    }

    fn router(number: u64, fixed: bool) -> Router {
        Router {
            terminal_id: format!("T{number:010}"),
            family: "router_strongswan".to_owned(),
            dns_name: format!("t{number:010}.router.example"),
            address: fixed.then(|| format!("192.0.2.{number}").parse().unwrap()),
            address_certified: false,
            network: format!("10.{number}.0.0/16").parse().unwrap(),
        }
    }

    /// Up to four groups of up to eight routers, some of which are in several.
    fn groups(dice: &mut Dice) -> Vec<VpnPlace> {
        let fixed: Vec<bool> = (0..8).map(|_| dice.chance()).collect();
        let mut places = Vec::new();
        for group in 0..=dice.throw(4) {
            let topology = if dice.chance() { Topology::Mesh } else { Topology::Hub };
            let transit = topology == Topology::Hub && dice.chance();
            for (number, fixed) in (0..).zip(&fixed) {
                if dice.throw(3) == 0 {
                    continue;
                }
                let is_hub = topology == Topology::Hub && dice.throw(4) == 0;
                places.push(VpnPlace {
                    group_id: format!("g{group}"),
                    topology,
                    transit,
                    // Those who came later have the lower number of some.
                    membership_id: format!("m{group}-{}", dice.throw(9)),
                    is_hub,
                    organisation_id: format!("o{number}"),
                    router: router(number, *fixed),
                });
            }
        }
        places
    }

    /// The part of all places that a router's question answers.
    fn around(own_id: &str, places: &[VpnPlace]) -> Vec<VpnPlace> {
        let has = |group: &str| {
            places.iter().any(|place| place.group_id == group && place.router.terminal_id == own_id)
        };
        places.iter().filter(|place| has(&place.group_id)).cloned().collect()
    }

    #[test]
    fn peers_are_exactly_those_of_the_groups_and_both_ends_say_the_same() {
        let mut dice = Dice(53);
        let (mut pairs, mut through) = (0, 0);
        for _ in 0..500 {
            let places = groups(&mut dice);
            let ids: BTreeSet<&str> =
                places.iter().map(|place| place.router.terminal_id.as_str()).collect();
            let seen: BTreeMap<&str, Vec<VpnPeer>> =
                ids.iter().map(|id| (*id, of_places(id, &around(id, &places)))).collect();
            let find = |own: &str, other: &str| {
                seen[own].iter().find(|peer| peer.router.terminal_id == other)
            };
            for one in &ids {
                assert!(find(one, one).is_none());
                for other in ids.iter().filter(|other| *other != one) {
                    // Said again in the plainest way: a group in which one of both may list the other.
                    let expected = places.iter().any(|own| {
                        own.router.terminal_id == *one
                            && places.iter().any(|place| {
                                place.router.terminal_id == *other
                                    && place.group_id == own.group_id
                                    && (own.topology == Topology::Mesh
                                        || own.is_hub
                                        || place.is_hub)
                            })
                    });
                    let (there, back) = (find(one, other), find(other, one));
                    assert_eq!((there.is_some(), back.is_some()), (expected, expected));
                    if let (Some(there), Some(back)) = (there, back) {
                        assert_ne!(there.opens, back.opens, "one end opens");
                        assert_eq!(there.groups, back.groups);
                        pairs += 1;
                    }
                    // Through whom one reaches the other: nobody, or the same hub from both ends.
                    let way = |own: &str, to: &str| {
                        let ways: Vec<&str> = seen[own]
                            .iter()
                            .filter(|peer| peer.beyond.iter().any(|one| one.terminal_id == to))
                            .map(|peer| peer.router.terminal_id.as_str())
                            .collect();
                        assert!(ways.len() < 2, "{own} reaches {to} by {ways:?}");
                        ways.first().copied().map(str::to_owned)
                    };
                    let (there, back) = (way(one, other), way(other, one));
                    assert_eq!(there, back, "{one} {other}");
                    if let Some(hub) = there {
                        assert!(!expected, "it is reached directly");
                        let lets = |place: &&VpnPlace| place.transit;
                        let common = |id: &str| {
                            let of = places
                                .iter()
                                .filter(lets)
                                .filter(move |p| p.router.terminal_id == id);
                            of.map(|p| (p.group_id.clone(), p.is_hub)).collect::<BTreeSet<_>>()
                        };
                        let (one, other, hub) = (common(one), common(other), common(&hub));
                        assert!(
                            one.intersection(&other).any(|(group, is_hub)| {
                                !is_hub && hub.contains(&(group.clone(), true))
                            }),
                            "no group says so"
                        );
                        through += 1;
                    }
                }
            }
        }
        assert!(pairs > 1_000 && through > 500, "the dice made too little: {pairs}, {through}");
    }

    #[test]
    fn who_has_no_fixed_address_opens_and_of_two_alike_the_spoke() {
        let place = |number, fixed, is_hub| VpnPlace {
            group_id: "g".to_owned(),
            topology: Topology::Hub,
            transit: false,
            membership_id: format!("m{number}"),
            is_hub,
            organisation_id: "o".to_owned(),
            router: router(number, fixed),
        };
        for (own, other, expected) in [
            (place(1, true, true), place(2, false, false), false),
            (place(1, false, true), place(2, true, false), true),
            (place(1, true, true), place(2, true, false), false),
            (place(1, true, false), place(2, true, true), true),
            (place(1, true, true), place(2, true, true), true),
        ] {
            assert_eq!(opens(&own, &other), expected, "{own:?} {other:?}");
            assert_eq!(opens(&other, &own), !expected);
        }
    }

    #[test]
    fn a_fingerprint_tells_other_peers_other_networks_and_the_other_direction() {
        let peer = |number| VpnPeer {
            router: router(number, true),
            organisation_id: "o".to_owned(),
            groups: BTreeSet::new(),
            opens: true,
            beyond: Vec::new(),
            behind: Vec::new(),
        };
        let one = vec![peer(1)];
        let mut all = vec![
            fingerprint(&[]),
            fingerprint(&one),
            fingerprint(&[peer(2)]),
            fingerprint(&[peer(1), peer(2)]),
            fingerprint(&[VpnPeer { opens: false, ..peer(1) }]),
            fingerprint(&[VpnPeer { beyond: vec![router(3, true)], ..peer(1) }]),
            fingerprint(&[VpnPeer { behind: vec![router(3, true)], ..peer(1) }]),
        ];
        // Of which group they are changes no text.
        let again = VpnPeer { groups: BTreeSet::from(["g".to_owned()]), ..peer(1) };
        assert_eq!(fingerprint(&one), fingerprint(&[again]));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 7);
    }
}
