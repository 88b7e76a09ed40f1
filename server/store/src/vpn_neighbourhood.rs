//! The peers of one router or of many, asked for at once: one statement for the places around them and, where one of
//! them is a hub that lets spokes through, one more for the places around its peers.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use crate::{
    Queries, StoreError,
    vpn_peers::{self, VpnPeer},
    vpn_place::{self, Scope, VpnPlace},
};

/// Groups with all their places: each in which one of the routers that were asked about has one, and each in which a
/// peer of theirs has one that they lead on.
#[derive(Clone, Debug, Default)]
pub struct Neighbourhood {
    groups: BTreeMap<String, Vec<VpnPlace>>,
    /// The groups of a router.
    of_router: BTreeMap<String, BTreeSet<String>>,
}

/// What the peers of these routers follow from at this moment.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of(
    queries: &mut impl Queries,
    scope: Scope<'_>,
    at: OffsetDateTime,
) -> Result<Neighbourhood, StoreError> {
    let around = vpn_place::around_all(queries, scope, at).await?;
    let leads_on = around.iter().any(|place| is_way(place) && scope.may_have(place));
    let mut found = Neighbourhood::default();
    found.add(around);
    if leads_on {
        found.add(vpn_place::around_led_on(queries, scope, at).await?);
    }
    Ok(found)
}

fn is_way(place: &VpnPlace) -> bool {
    place.transit && place.is_hub
}

impl Neighbourhood {
    /// Places in groups that are here whole already are left aside.
    fn add(&mut self, places: Vec<VpnPlace>) {
        let known: BTreeSet<String> = self.groups.keys().cloned().collect();
        for place in places.into_iter().filter(|place| !known.contains(&place.group_id)) {
            let router = place.router.terminal_id.clone();
            self.of_router.entry(router).or_default().insert(place.group_id.clone());
            self.groups.entry(place.group_id.clone()).or_default().push(place);
        }
    }

    /// Every place in the groups of a router.
    fn around(&self, router_id: &str) -> impl Iterator<Item = &VpnPlace> + Clone {
        let groups = self.of_router.get(router_id).into_iter().flatten();
        groups.filter_map(|group| self.groups.get(group)).flatten()
    }

    /// The peers of one of the routers that were asked about, in the order of their identifiers.
    #[must_use]
    pub fn peers(&self, own_id: &str) -> Vec<VpnPeer> {
        let mut peers = vpn_peers::of_places(own_id, self.around(own_id));
        let own = |place: &&VpnPlace| is_way(place) && place.router.terminal_id == own_id;
        let led_on: BTreeSet<&str> =
            self.around(own_id).filter(own).map(|place| place.group_id.as_str()).collect();
        for peer in &mut peers {
            if peer.groups.iter().any(|group| led_on.contains(group.as_str())) {
                // As that end sees it: other groups of it may have another way.
                let id = &peer.router.terminal_id;
                let theirs = vpn_peers::of_places(id, self.around(id));
                let back = theirs.into_iter().find(|peer| peer.router.terminal_id == own_id);
                peer.behind = back.map(|peer| peer.beyond).unwrap_or_default();
            }
        }
        let own = self.around(own_id).find(|place| place.router.terminal_id == own_id);
        if let Some(own) = own {
            peers.iter_mut().for_each(|peer| vpn_peers::turn(&own.router, peer));
        }
        peers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{router::Router, vpn_group::Topology};

    /// A hub and two spokes of a group that leads on or does not: their families, and which has a fixed address.
    fn group(transit: bool, routers: [(&str, bool); 3]) -> Neighbourhood {
        let place = |(number, (family, fixed)): (usize, (&str, bool))| VpnPlace {
            group_id: "g".to_owned(),
            topology: Topology::Hub,
            transit,
            membership_id: format!("m{number}"),
            is_hub: number == 0,
            organisation_id: format!("o{number}"),
            router: Router {
                terminal_id: format!("T{number}"),
                family: family.to_owned(),
                dns_name: format!("t{number}.router.example"),
                address: fixed.then(|| format!("192.0.2.{number}").parse().unwrap()),
                address_certified: false,
                network: format!("10.{number}.0.0/16").parse().unwrap(),
            },
        };
        let mut found = Neighbourhood::default();
        found.add((0..).zip(routers).map(place).collect());
        found
    }

    #[test]
    fn an_openiked_awaits_whoever_would_take_the_first_of_its_networks_alone() {
        let (iked, swan, libre) = ("router_openiked", "router_strongswan", "router_libreswan");
        for (transit, hub, spoke, spoke_opens) in [
            // Of two with fixed addresses the spoke opens, of one network as ever.
            (false, (swan, true), (iked, true), true),
            (true, (swan, true), (iked, true), false),
            (true, (libre, true), (iked, true), false),
            (true, (iked, true), (iked, true), true),
            (true, (iked, true), (swan, true), true),
            // Whom nobody can reach has to open.
            (true, (swan, true), (iked, false), true),
            // Also as a hub.
            (true, (iked, false), (swan, true), false),
            (false, (iked, false), (swan, true), false),
        ] {
            let found = group(transit, [hub, spoke, (libre, true)]);
            let with = |own: &str, other: &str| {
                found.peers(own).into_iter().find(|peer| peer.router.terminal_id == other).unwrap()
            };
            let (near, far) = (with("T1", "T0"), with("T0", "T1"));
            assert_eq!(near.opens, spoke_opens, "{transit} {hub:?} {spoke:?}");
            assert_ne!(near.opens, far.opens, "{transit} {hub:?} {spoke:?}");
            assert_eq!((near.beyond.len(), far.behind.len()), (transit.into(), transit.into()));
        }
    }
}
