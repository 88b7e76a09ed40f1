//! A pre-shared key of two routers under the names of the register (docs/decisions/0038): made here and
//! nowhere else, for this pair and no other, and wrapped until both have fetched it.

use sekisho_key::{Randomness, RandomnessError};
use sekisho_store::{
    Queries, StoreError, Tx,
    audit::{Actor, Audited, Entry},
    router,
    router_psk::{self, PskEnd, RouterPsk},
    terminal, transaction, vpn_peers,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    app::App,
    config::Config,
    enrol::new_code::{self, NoCode},
    paper_code::PaperCode,
    sealing::{SealingError, SealingKey},
};

/// Octets of a key, all random: 256 bits.
const OCTETS: usize = 32;

/// What a wrapped key is bound to.
fn purpose(id: &str) -> Vec<u8> {
    format!("router_psk:{id}").into_bytes()
}

/// The key as text, as every device takes one: 64 hexadecimal digits, which none reads as anything else.
///
/// # Errors
/// [`SealingError::Sealed`]: another instance's, or damaged.
pub fn open(key: &SealingKey, id: &str, sealed: &[u8]) -> Result<Zeroizing<String>, SealingError> {
    let octets = key.open(&purpose(id), sealed)?;
    Ok(Zeroizing::new(hex::encode(&octets)))
}

/// One end of a new pair: its router, and the code by which it fetches the key.
#[derive(Debug)]
pub struct NewEnd {
    /// Identifier of the router.
    pub router_id: String,
    /// The code, which is shown once.
    pub code: PaperCode,
}

/// A key that was drawn and may yet be kept.
#[derive(Debug)]
pub struct NewPsk {
    id: Uuid,
    ends: [NewEnd; 2],
    fingerprint: [u8; 32],
    sealed: Vec<u8>,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
}

/// What a pair gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Making {
    /// A key where it has none.
    First,
    /// Another one in place of its key.
    Replacement,
}

impl Making {
    /// What is done, in the audit trail.
    #[must_use]
    pub const fn act(self) -> &'static str {
        match self {
            Self::First => "router.psk.create",
            Self::Replacement => "router.psk.replace",
        }
    }
}

/// Why a pair gets no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A router with itself.
    #[error("a key belongs to two routers; name another one")]
    SameRouter,
    /// A PC, or nothing.
    #[error("there is no router {id} in the register")]
    NoRouter {
        /// Which.
        id: String,
    },
    /// One of both may not act.
    #[error("router {id} gets no key: {because}")]
    NotInForce {
        /// Which.
        id: String,
        /// Why.
        because: NoCode,
    },
    /// No group has both so that they reach each other.
    #[error("these routers are no peers: no group makes them so; see `sekisho help group`")]
    NotPeers,
    /// They have one.
    #[error("these routers have a key; replace it, or end it first")]
    HaveOne,
    /// They have none to replace.
    #[error("these routers have no key in force; make one")]
    HaveNone,
}

impl Refusal {
    /// As in audit records.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::SameRouter => "same_router",
            Self::NoRouter { .. } => "no_router",
            Self::NotInForce { because, .. } => because.as_str(),
            Self::NotPeers => "not_peers",
            Self::HaveOne => "pair_has_key",
            Self::HaveNone => "pair_has_no_key",
        }
    }
}

impl NewPsk {
    /// Draws key and codes, and wraps the key.
    ///
    /// # Errors
    /// [`SealingError`].
    pub fn draw(
        random: &dyn Randomness,
        sealing: &SealingKey,
        config: &Config,
        routers: [&str; 2],
        now: OffsetDateTime,
    ) -> Result<Self, SealingError> {
        let id = Uuid::now_v7();
        let mut key = Zeroizing::new([0; OCTETS]);
        random.fill(&mut *key)?;
        let end = |router_id: &str| -> Result<NewEnd, RandomnessError> {
            Ok(NewEnd { router_id: router_id.to_owned(), code: PaperCode::generate(random)? })
        };
        Ok(Self {
            ends: [end(routers[0])?, end(routers[1])?],
            fingerprint: Sha256::digest(key.as_slice()).into(),
            sealed: sealing.seal(random, &purpose(&id.to_string()), &*key)?,
            id,
            created_at: now,
            expires_at: now + config.enrolment().code_lifetime(),
        })
    }

    /// Its identifier in the register.
    #[must_use]
    pub fn id(&self) -> String {
        self.id.to_string()
    }

    /// Both ends, in the order in which they were named.
    #[must_use]
    pub fn ends(&self) -> &[NewEnd; 2] {
        &self.ends
    }

    /// Until when it can be fetched.
    #[must_use]
    pub fn expires_at(&self) -> OffsetDateTime {
        self.expires_at
    }

    /// What stands against it now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    pub async fn refusal(
        &self,
        queries: &mut impl Queries,
        making: Making,
    ) -> Result<Option<Refusal>, StoreError> {
        let [one, other] = self.ends.each_ref().map(|end| end.router_id.as_str());
        if one == other {
            return Ok(Some(Refusal::SameRouter));
        }
        for id in [one, other] {
            let nobody = || Ok(Some(Refusal::NoRouter { id: id.to_owned() }));
            if router::find(queries, id).await?.is_none() {
                return nobody();
            }
            let Some(terminal) = terminal::find(queries, id).await? else { return nobody() };
            if let (_, Some(because)) = new_code::standing(queries, &terminal).await? {
                return Ok(Some(Refusal::NotInForce { id: id.to_owned(), because }));
            }
        }
        if !vpn_peers::are(queries, one, other, self.created_at).await? {
            return Ok(Some(Refusal::NotPeers));
        }
        let present = router_psk::in_force(queries, one, other).await?;
        Ok(match (making, present) {
            (Making::First, Some(_)) => Some(Refusal::HaveOne),
            (Making::Replacement, None) => Some(Refusal::HaveNone),
            (Making::First, None) | (Making::Replacement, Some(_)) => None,
        })
    }

    /// Keeps it, in place of the present one where there is to be one; unless something stands against
    /// it: then nothing is written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep(
        &self,
        tx: &mut Tx,
        making: Making,
        created_by: &str,
    ) -> Result<Option<Refusal>, StoreError> {
        if let Some(refusal) = self.refusal(tx, making).await? {
            return Ok(Some(refusal));
        }
        let [one, other] = &self.ends;
        if let Some(present) = router_psk::in_force(tx, &one.router_id, &other.router_id).await? {
            router_psk::end(tx, &present.id, PskEnd::Replaced, self.created_at).await?;
        }
        let (code, other_code) = (one.code.hash(), other.code.hash());
        let new = router_psk::NewPsk {
            id: self.id,
            ends: [(&one.router_id, &code), (&other.router_id, &other_code)],
            fingerprint: &self.fingerprint,
            sealed: &self.sealed,
            created_by,
            created_at: self.created_at,
            expires_at: self.expires_at,
        };
        router_psk::create(tx, new).await?;
        Ok(None)
    }
}

/// Ends the key of two routers; its identifier, or `None` where they have none in force.
///
/// # Errors
/// [`StoreError`].
pub async fn withdraw(
    tx: &mut Tx,
    [one, other]: [&str; 2],
    at: OffsetDateTime,
) -> Result<Option<String>, StoreError> {
    let Some(present) = router_psk::in_force(tx, one, other).await? else { return Ok(None) };
    router_psk::end(tx, &present.id, PskEnd::Withdrawn, at).await?;
    Ok(Some(present.id))
}

/// A record of an act on a pair: one at each router, so that both facilities' trails have it.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn recorded<T>(
    tx: &mut Tx,
    value: T,
    entry: Entry,
    [one, other]: [&str; 2],
) -> Result<Audited<T>, StoreError> {
    let first = at_router(tx, entry.clone(), one, other).await?;
    Ok(Audited::new(value, first).and(at_router(tx, entry, other, one).await?))
}

/// The same at one router alone: a refusal is nothing that the other facility did or suffered.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn at_router(
    tx: &mut Tx,
    entry: Entry,
    router_id: &str,
    peer_id: &str,
) -> Result<Entry, StoreError> {
    let entry = entry.fact("peer", peer_id);
    Ok(match terminal::find(tx, router_id).await? {
        // A stranger's invention is no object of the register.
        None => entry,
        Some(terminal) => entry
            .at_organisation(&terminal.organisation_id)
            .on("terminal", router_id)
            .fact("terminal_name", terminal.name),
    })
}

/// Keys a turn; what is left waits for the next.
const BATCH: i64 = 100;

/// Scheduled: what was not fetched in time is ended, and with it the wrapped key is gone.
///
/// # Errors
/// [`StoreError`]: the rest waits for the next turn.
pub async fn end_expired(app: &App) -> Result<(), StoreError> {
    let now = app.now();
    for psk in router_psk::expired(&mut app.store().read(), now, BATCH).await? {
        let [one, other] = psk.ends.each_ref().map(|end| end.router_id.as_str());
        transaction!(app.store(), StoreError, |tx| {
            let entry = if router_psk::expire(tx, &psk, now).await? {
                Entry::done("router.psk.expire", Actor::System, now)
            } else {
                Entry::refused("router.psk.expire", Actor::System, now, "ended_before")
            };
            recorded(tx, (), entry.on("router_psk", &psk.id), [one, other]).await
        })?;
    }
    Ok(())
}

/// By what a router proves itself to its peers, as the register has it: the way from keys to certificates
/// is told by where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvesBy {
    /// Neither a certificate nor a key: it was entered, and no more.
    Nothing,
    /// Pre-shared keys alone.
    Psk,
    /// A certificate, and keys with some of its peers.
    Both,
    /// A certificate alone.
    Certificate,
}

impl ProvesBy {
    /// Of a router with these keys, that has a certificate in force or none.
    #[must_use]
    pub fn of(has_certificate: bool, keys: &[RouterPsk]) -> Self {
        match (has_certificate, keys.iter().any(|key| key.ended.is_none())) {
            (false, false) => Self::Nothing,
            (false, true) => Self::Psk,
            (true, true) => Self::Both,
            (true, false) => Self::Certificate,
        }
    }

    /// As commands print it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Psk => "psk",
            Self::Both => "psk+certificate",
            Self::Certificate => "certificate",
        }
    }
}
