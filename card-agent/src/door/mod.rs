//! The doors: on loopback, and for the browser's extension.

pub mod calls;
mod candidate;
pub mod checks;
mod consent;
pub mod exchange;
pub mod failure;
pub mod http;
pub mod listeners;
pub mod messages;
pub mod native;
pub mod navigation;
mod reply;
mod voice;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use sekisho_protocol::Sha256Digest;
use sekisho_protocol::request::AgentVersion;
use sekisho_protocol::trust::TerminalTrust;
use time::{Duration, OffsetDateTime};
use tokio::sync::Notify;

use crate::card::reader::Readers;
use crate::card::watcher::Watcher;
use crate::pin::PinEntry;
use crate::presence::Watched;
use crate::terminal::key::TerminalKey;

/// As what this PC is enrolled: one value, for a new certificate may change all of it at once.
pub struct Identity {
    /// Whom we obey.
    pub trust: TerminalTrust,
    /// Our key.
    pub key: Arc<dyn TerminalKey>,
    /// SHA-256 of our certificate.
    pub certificate_sha256: Sha256Digest,
    /// The one before it, of the same key: the browser shows it until it has taken up the new one.
    pub former: Option<Former>,
}

/// The certificate that a renewal took the place of.
pub struct Former {
    /// Its SHA-256.
    pub certificate_sha256: Sha256Digest,
    /// Its end.
    pub until: OffsetDateTime,
}

impl Identity {
    /// Whether we hold the key of this certificate, and it is not over.
    pub fn answers_for(&self, certificate_sha256: Sha256Digest, now: OffsetDateTime) -> bool {
        self.certificate_sha256 == certificate_sha256
            || self.former.as_ref().is_some_and(|former| {
                former.certificate_sha256 == certificate_sha256 && now <= former.until
            })
    }
}

/// Everything that stands behind the door.
pub struct Agent {
    /// As what we are enrolled; see [`Agent::become_another`].
    pub identity: RwLock<Arc<Identity>>,
    /// The readers.
    pub readers: Arc<dyn Readers>,
    /// What they hold.
    pub watcher: Watcher,
    /// The PIN window.
    pub pin: Arc<dyn PinEntry>,
    /// Whether PINs are typed at readers that have keys.
    pub pin_pads: bool,
    /// Cards that the portal wants to hear of.
    pub watched: Watched,
    /// Server's clock minus ours, in seconds.
    pub clock_ahead: AtomicI64,
    /// The clock.
    pub clock: fn() -> OffsetDateTime,
    /// Requests seen.
    pub seen: SeenRequests,
    /// Told when a request names a portal key that we don't know: another may have followed ours.
    pub trust_wanted: Notify,
    /// The one running exchange.
    pub exchange: Mutex<Option<Arc<exchange::Exchange>>>,
}

impl Agent {
    /// As what we are enrolled now. Whoever answers a request takes it once, for all of the answer.
    pub fn identity(&self) -> Arc<Identity> {
        self.identity.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on answers as `identity`; what runs goes on.
    pub fn become_another(&self, identity: Identity) {
        *self.identity.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(identity);
    }

    /// The time, corrected by what the portal's server said over TLS.
    pub fn now(&self) -> OffsetDateTime {
        (self.clock)() + Duration::seconds(self.clock_ahead.load(Ordering::Relaxed))
    }

    /// Our version.
    pub fn version() -> AgentVersion {
        env!("CARGO_PKG_VERSION").parse().expect("the package's version has three numbers")
    }
}

/// `jti` of requests, kept for as long as their time would let them pass again.
#[derive(Default)]
pub struct SeenRequests(Mutex<HashMap<String, i64>>);

/// More requests than this in ten minutes are no person's doing.
const MOST_REMEMBERED: usize = 10_000;

impl SeenRequests {
    /// Remembers `jti` until `until`; false where it is known or memory is full.
    pub fn remember(&self, jti: &str, now: i64, until: i64) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, until| *until > now);
        if seen.len() >= MOST_REMEMBERED || seen.contains_key(jti) {
            return false;
        }
        seen.insert(jti.to_owned(), until);
        true
    }
}
