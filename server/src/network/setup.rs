//! The link by which a router's technician follows the setting up on a telephone: made at the console or at the
//! host, opened by its code alone, good for some days (docs/decisions/0052).

use sekisho_key::{Randomness, RandomnessError};
use sekisho_store::{
    Queries, StoreError, Tx,
    router::{self, Router},
    router_setup::{self, SetupPeer},
    router_tunnel,
    terminal::{self, Terminal},
    vpn_peers, vpn_place,
};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    bundle::{Daemon, Key},
    tick::Tick,
};
use crate::{
    enrol::new_code::{self, NoCode},
    paper_code::PaperCode,
};

/// Where it is opened, on the public name.
pub const PATH: &str = "/setup";

/// How long it is good: a technician's visit, and the one after it.
pub const LIFETIME: Duration = Duration::days(7);

/// A link that was drawn and may yet be kept.
#[derive(Debug)]
pub struct NewSetup {
    id: Uuid,
    router_id: String,
    key: Key,
    peers: Vec<String>,
    code: PaperCode,
    created_at: OffsetDateTime,
}

impl NewSetup {
    /// Draws the code of a link for this router, with these at the other ends.
    ///
    /// # Errors
    /// [`RandomnessError`]: there is none.
    pub fn draw(
        random: &dyn Randomness,
        router_id: &str,
        key: Key,
        peers: Vec<String>,
        now: OffsetDateTime,
    ) -> Result<Self, RandomnessError> {
        Ok(Self {
            id: Uuid::now_v7(),
            router_id: router_id.to_owned(),
            key,
            peers,
            code: PaperCode::generate(random)?,
            created_at: now,
        })
    }

    /// Its identifier in the register, which opens nothing.
    #[must_use]
    pub fn id(&self) -> String {
        self.id.to_string()
    }

    /// The code, to be shown once.
    #[must_use]
    pub fn code(&self) -> &PaperCode {
        &self.code
    }

    /// Until when it is good.
    #[must_use]
    pub fn expires_at(&self) -> OffsetDateTime {
        self.created_at + LIFETIME
    }

    /// The address that carries the code, for a picture and for nothing that is written down.
    #[must_use]
    pub fn address(&self, public: &str) -> Zeroizing<String> {
        Zeroizing::new(format!("{public}{PATH}?code={}", *self.code.reveal()))
    }

    /// Keeps it in place of the router's living one, unless the router may not act; then nothing is written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep(
        &self,
        tx: &mut Tx,
        terminal: &Terminal,
        created_by: &str,
    ) -> Result<Option<NoCode>, StoreError> {
        if let (_, Some(refusal)) = new_code::standing(tx, terminal).await? {
            return Ok(Some(refusal));
        }
        let new = router_setup::NewSetup {
            id: self.id,
            router_id: &self.router_id,
            code_hash: &self.code.hash(),
            key_kind: self.key.as_str(),
            peers: &self.peers,
            created_by,
            created_at: self.created_at,
            expires_at: self.expires_at(),
        };
        router_setup::create(tx, new).await?;
        Ok(None)
    }
}

/// A tunnel of a link: who is at the other end, and where it stands.
#[derive(Debug)]
pub struct Tunnel {
    /// The router at the other end.
    pub peer_id: String,
    /// Whether it is a peer no longer: revoked or suspended since, or in no group with this one.
    pub gone: bool,
    /// What people call it.
    pub name: String,
    /// Whether the tunnel stands.
    pub tick: Tick,
    /// When the technician said to have seen it up.
    pub seen_at: Option<OffsetDateTime>,
}

/// The tunnels of a link of this router.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn tunnels(
    queries: &mut impl Queries,
    own: &Router,
    peers: Vec<SetupPeer>,
    now: OffsetDateTime,
) -> Result<Vec<Tunnel>, StoreError> {
    let told = router_tunnel::at(queries, &own.terminal_id).await?;
    let around = vpn_place::around(queries, &own.terminal_id, now).await?;
    let by_groups = vpn_peers::named(&own.terminal_id, &around);
    let mut tunnels = Vec::with_capacity(peers.len());
    for peer in peers {
        let id = peer.router_id;
        let terminal = terminal::find(queries, &id).await?;
        let router = router::find(queries, &id).await?;
        let reports = |router: &Router| Daemon::of_family(&router.family).is_some();
        let somebody_can = reports(own) || router.as_ref().is_some_and(reports);
        let of_own = told.iter().find(|told| told.peer_id == id);
        let of_other = told.iter().find(|told| told.router_id == id);
        let tick = Tick::judge(of_own, of_other, somebody_can, now);
        let name = terminal.map(|terminal| terminal.name).unwrap_or_default();
        let gone = !by_groups.contains(&id);
        tunnels.push(Tunnel { gone, peer_id: id, name, tick, seen_at: peer.seen_at });
    }
    Ok(tunnels)
}

/// A stored kind of key; there are two, by constraint.
#[must_use]
pub fn key_of(kind: &str) -> Key {
    if kind == Key::Rsa3072.as_str() { Key::Rsa3072 } else { Key::P256 }
}
