//! The routers at the other ends: exactly those that the groups make peers.

use std::collections::BTreeMap;

use ipnet::IpNet;
use sekisho_store::{
    Queries, StoreError,
    router::Router,
    router_psk,
    vpn_peers::{self, VpnPeer},
};
use time::OffsetDateTime;

use super::{Key, Proof};

/// A router at the other end.
#[derive(Debug, Clone)]
pub struct Other {
    /// What the register has of it.
    pub router: Router,
    /// By what both prove themselves.
    pub proof: Proof,
    /// Whether this router opens the tunnel, or waits for the other to do it.
    pub opens: bool,
    /// Networks that this router reaches through the other one.
    pub beyond: Vec<IpNet>,
    /// Networks that the other one reaches through this router.
    pub behind: Vec<IpNet>,
}

impl Other {
    /// A peer by groups, with the key that the register has for the pair, if there is one, and else by certificates
    /// of this kind.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    pub async fn find_proof(
        queries: &mut impl Queries,
        own_id: &str,
        peer: VpnPeer,
        key: Key,
    ) -> Result<Self, StoreError> {
        let psk = router_psk::in_force(queries, own_id, &peer.router.terminal_id).await?;
        let networks = |routers: Vec<Router>| routers.into_iter().map(|one| one.network).collect();
        Ok(Self {
            proof: psk.map_or(Proof::Certificate(key), |_| Proof::Psk),
            opens: peer.opens,
            beyond: networks(peer.beyond),
            behind: networks(peer.behind),
            router: peer.router,
        })
    }

    /// Whether this tunnel of several networks carries the first pair alone, see
    /// [`vpn_peers::carries_first_alone`].
    #[must_use]
    pub fn carries_first_alone(&self, own: &Router) -> bool {
        let (opening, awaiting) =
            if self.opens { (own, &self.router) } else { (&self.router, own) };
        !(self.beyond.is_empty() && self.behind.is_empty())
            && vpn_peers::carries_first_alone(&opening.family, &awaiting.family)
    }
}

/// All of them, and what tells these from others.
#[derive(Debug, Clone)]
pub struct Others {
    /// In the order of their identifiers.
    pub list: Vec<Other>,
    /// The same as the groups and whoever chose otherwise have them.
    pub peers: Vec<VpnPeer>,
    /// With which of them somebody chose who opens, other than the groups say: whether this router does.
    pub chosen: BTreeMap<String, bool>,
}

impl Others {
    /// The peers of a router at this moment; those that share no key with it prove themselves by certificates of this
    /// kind.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    pub async fn find(
        queries: &mut impl Queries,
        own_id: &str,
        key: Key,
        at: OffsetDateTime,
    ) -> Result<Self, StoreError> {
        Self::find_chosen(queries, own_id, key, at, &BTreeMap::new()).await
    }

    /// The same where somebody chose with some of them who opens: whether this router does, by the peer's identifier.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    pub async fn find_chosen(
        queries: &mut impl Queries,
        own_id: &str,
        key: Key,
        at: OffsetDateTime,
        chosen: &BTreeMap<String, bool>,
    ) -> Result<Self, StoreError> {
        let mut peers = vpn_peers::of_router(queries, own_id, at).await?;
        let chosen = vpn_peers::choose(&mut peers, chosen);
        let mut list = Vec::with_capacity(peers.len());
        for peer in &peers {
            list.push(Other::find_proof(queries, own_id, peer.clone(), key).await?);
        }
        Ok(Self { list, peers, chosen })
    }

    /// SHA-256 over peers, networks and who opens, see [`vpn_peers::fingerprint`].
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        vpn_peers::fingerprint(&self.peers)
    }
}
