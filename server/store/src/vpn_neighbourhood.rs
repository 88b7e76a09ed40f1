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
            if !peer.groups.iter().any(|group| led_on.contains(group.as_str())) {
                continue;
            }
            // As that end sees it: other groups of it may have another way.
            let id = &peer.router.terminal_id;
            let theirs = vpn_peers::of_places(id, self.around(id));
            let back = theirs.into_iter().find(|peer| peer.router.terminal_id == own_id);
            peer.behind = back.map(|peer| peer.beyond).unwrap_or_default();
        }
        peers
    }
}
