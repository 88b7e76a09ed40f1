//! The keys in force, in this process's memory.

use std::sync::{Arc, PoisonError, RwLock};

use sekisho_store::own_key::{self, Purpose};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{OwnKeyError, key::OpenKey, rotation};
use crate::{
    app::App,
    jose::{Algorithm, Signed},
};

/// How old the ring may be when somebody asks for what it does not hold.
const FRESH: Duration = Duration::SECOND;

/// The keys of a purpose, read anew by the clock and when a key is asked for that is not there.
#[derive(Debug)]
pub struct OwnKeys {
    purpose: Purpose,
    ring: RwLock<Arc<Ring>>,
}

#[derive(Debug, Default)]
struct Ring {
    /// Oldest first.
    keys: Vec<Arc<OpenKey>>,
    read_at: Option<OffsetDateTime>,
}

impl OwnKeys {
    /// None read yet.
    #[must_use]
    pub fn new(purpose: Purpose) -> Self {
        Self { purpose, ring: RwLock::default() }
    }

    /// Reads the keys of the register; makes the first one of a new instance.
    ///
    /// # Errors
    /// [`OwnKeyError`]: no process should serve without.
    pub async fn open(&self, app: &App) -> Result<(), OwnKeyError> {
        self.at_hand(app, Algorithm::Es256).await
    }

    /// Scheduled: takes over what other processes and commands changed.
    ///
    /// # Errors
    /// [`OwnKeyError`]: the keys stay as they were.
    pub async fn refresh(&self, app: &App) -> Result<(), OwnKeyError> {
        self.read_anew(app).await.map(drop)
    }

    /// The public keys as a JWK Set (RFC 7517 §5), those that will sign among them.
    ///
    /// # Errors
    /// [`OwnKeyError`]: the register cannot be read.
    pub async fn published(&self, app: &App) -> Result<Value, OwnKeyError> {
        let ring = self.fresh(app).await?;
        let now = app.now();
        let mut keys: Vec<_> = ring.keys.iter().filter(|key| key.is_published(now)).collect();
        if seeded!(OldKeyHidden) {
            keys.retain(|key| key.stored.succeeded.is_none());
        }
        if seeded!(NextKeyHidden) {
            keys.retain(|key| key.signs(now));
        }
        let keys: Vec<_> = keys.iter().map(|key| &key.jwk).collect();
        Ok(json!({ "keys": keys }))
    }

    /// Signs `payload` with the key in force. The first of an algorithm is made now.
    ///
    /// # Errors
    /// [`OwnKeyError`]: nothing was signed.
    pub async fn sign(
        &self,
        app: &App,
        algorithm: Algorithm,
        typ: &str,
        payload: &Value,
    ) -> Result<String, OwnKeyError> {
        self.signer(app, algorithm).await?.sign(typ, payload)
    }

    /// Has a key of this algorithm in memory, so that the next signature asks nobody: for whoever uses
    /// something up before they sign.
    ///
    /// # Errors
    /// [`OwnKeyError`]: there is none, and the register cannot be read or written.
    pub async fn at_hand(&self, app: &App, algorithm: Algorithm) -> Result<(), OwnKeyError> {
        self.signer(app, algorithm).await.map(drop)
    }

    /// The key in force, for who writes the object to be signed with its name in it.
    ///
    /// # Errors
    /// As [`OwnKeys::at_hand`].
    pub(crate) async fn signer(
        &self,
        app: &App,
        algorithm: Algorithm,
    ) -> Result<Arc<OpenKey>, OwnKeyError> {
        let now = app.now();
        // A token under a key that has just left is refused here, where it is used. A login request is judged by
        // an agent that has learnt of the next key from another process.
        let ring = match self.purpose {
            Purpose::Token => self.ring(),
            Purpose::LoginRequest => self.fresh(app).await?,
        };
        if let Some(key) = ring.signer(algorithm, now) {
            return Ok(key);
        }
        if let Some(key) = self.read_anew(app).await?.signer(algorithm, now) {
            return Ok(key);
        }
        rotation::make_first(app, self.purpose, algorithm).await?;
        self.read_anew(app).await?.signer(algorithm, now).ok_or(OwnKeyError::NoKey)
    }

    /// The claims of an object of this `typ` that this instance signed with a published key; `None`
    /// for every other text.
    ///
    /// # Errors
    /// [`OwnKeyError`]: the register cannot be read.
    pub async fn verified<C: DeserializeOwned>(
        &self,
        app: &App,
        text: &str,
        typ: &str,
    ) -> Result<Option<C>, OwnKeyError> {
        let Ok(signed) = Signed::parse(text) else { return Ok(None) };
        if !signed.typ().is_some_and(|found| found.eq_ignore_ascii_case(typ)) {
            return Ok(None);
        }
        let Some(kid) = signed.kid() else { return Ok(None) };
        let now = app.now();
        let mut found = self.ring().published(kid, now);
        if found.is_none() {
            found = self.fresh(app).await?.published(kid, now);
        }
        Ok(found.and_then(|key| signed.verified_by(key.public()).ok()))
    }

    /// What was read last.
    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was read at most [`FRESH`] ago.
    async fn fresh(&self, app: &App) -> Result<Arc<Ring>, OwnKeyError> {
        let (ring, now) = (self.ring(), app.now());
        if ring.read_at.is_some_and(|at| (now - at).abs() < FRESH) {
            return Ok(ring);
        }
        self.read_anew(app).await
    }

    async fn read_anew(&self, app: &App) -> Result<Arc<Ring>, OwnKeyError> {
        let now = app.now();
        let stored = own_key::published(&mut app.store().read(), self.purpose, now).await?;
        let before = self.ring();
        let mut keys = Vec::with_capacity(stored.len());
        for stored in stored {
            // Reading a private key is dear, and most of them are as they were.
            let known = before.keys.iter().find(|key| key.stored == stored);
            keys.push(match known {
                Some(known) => Arc::clone(known),
                None => Arc::new(OpenKey::of(stored, &app.keys().sealing)?),
            });
        }
        let ring = Arc::new(Ring { keys, read_at: Some(now) });
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&ring);
        Ok(ring)
    }
}

impl Ring {
    /// The key that signs at `now`. Where none does yet, the first that will: it was made by a process
    /// whose clock is ahead, and it has no predecessor.
    fn signer(&self, algorithm: Algorithm, now: OffsetDateTime) -> Option<Arc<OpenKey>> {
        let of_it = || self.keys.iter().filter(|key| key.algorithm == algorithm);
        let signing = of_it().rev().find(|key| key.signs(now));
        signing.or_else(|| of_it().find(|key| key.will_sign(now))).map(Arc::clone)
    }

    fn published(&self, kid: &str, now: OffsetDateTime) -> Option<Arc<OpenKey>> {
        let mut named = self.keys.iter().filter(|key| key.stored.kid == kid);
        named.find(|key| key.is_published(now)).map(Arc::clone)
    }
}
