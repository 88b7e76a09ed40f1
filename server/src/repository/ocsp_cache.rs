//! OCSP answers kept signed, and never longer than they are true.
//!
//! An answer is kept by certificate. A commit of this process that changes a status removes it
//! before the commit is reported; a commit of another process is found by asking the database four
//! times a second ([`OcspCache::follow`]). When the database has not been asked for a second,
//! nothing kept is given out: not knowing must never read as good.

use std::{
    collections::{HashMap, VecDeque, hash_map::RandomState},
    hash::BuildHasher,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::body::Bytes;
use sekisho_store::{
    Store, StoreError,
    revocation_watch::{self, Changed, Followed, RevocationListener},
};
use time::OffsetDateTime;

/// How old the knowledge of other processes' revocations may be.
const MOST_IGNORANCE: Duration = Duration::from_secs(1);
const SHARDS: usize = 16;

/// A signed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// `OCSPResponse`, DER.
    pub(super) der: Bytes,
    /// Names the octets.
    pub(super) tag: String,
    /// thisUpdate.
    pub(super) this_update: OffsetDateTime,
    /// nextUpdate.
    pub(super) next_update: OffsetDateTime,
}

/// Answers for questions about one certificate without a nonce.
pub struct OcspCache {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    most_in_shard: usize,
    /// Grows with each change: an answer made from a status read before is not kept after.
    generation: AtomicU64,
    began: Instant,
    /// Milliseconds from `began` to the start of the last successful look, plus one; 0 for never.
    looked_at: AtomicU64,
    followed: tokio::sync::Mutex<Followed>,
}

/// Answers by the CertID that was asked with.
type Forms = Vec<(Box<[u8]>, Answer)>;

#[derive(Default)]
struct Shard {
    /// By certificate: each form of its CertID that was asked with, and the answer.
    kept: HashMap<Box<[u8]>, Forms>,
    /// In order of arrival, each once.
    order: VecDeque<Box<[u8]>>,
}

/// Forms of a CertID kept for a certificate: two hashes, each with and without parameters.
const MOST_FORMS: usize = 4;

/// What has to be known before a status is read, so that its answer may be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Generation(u64);

fn key(issuer_id: &str, serial: &[u8]) -> Box<[u8]> {
    // No identifier of an issuer holds a zero octet.
    [issuer_id.as_bytes(), &[0], serial].concat().into()
}

impl OcspCache {
    /// An empty one that keeps the answers of about so many certificates.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            shards: Default::default(),
            hasher: RandomState::new(),
            most_in_shard: most.div_ceil(SHARDS),
            generation: AtomicU64::new(0),
            began: Instant::now(),
            looked_at: AtomicU64::new(0),
            followed: tokio::sync::Mutex::default(),
        }
    }

    fn shard(&self, key: &[u8]) -> MutexGuard<'_, Shard> {
        let place = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        // Nothing panics while a shard is held: maps and lists are read and written.
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called before a status is read.
    pub(super) fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::SeqCst))
    }

    /// The answer for this certificate and this form of asking, if one is kept and still tells the
    /// truth at `at`.
    pub(super) fn find(
        &self,
        issuer_id: &str,
        serial: &[u8],
        certificate_id: &[u8],
        now: OffsetDateTime,
        at: Instant,
    ) -> Option<Answer> {
        if !self.knows(at) {
            return None;
        }
        let key = key(issuer_id, serial);
        let shard = self.shard(&key);
        let (_, answer) = shard.kept.get(&key)?.iter().find(|(id, _)| **id == *certificate_id)?;
        // Renewed at half time, so that nobody gets one that is about to end.
        let half = answer.this_update + (answer.next_update - answer.this_update) / 2;
        (now < half && now >= answer.this_update).then(|| answer.clone())
    }

    /// Whether other processes' revocations are known up to a second before `at`.
    fn knows(&self, at: Instant) -> bool {
        let looked_at = self.looked_at.load(Ordering::SeqCst);
        looked_at > 0
            && at.duration_since(self.began)
                <= Duration::from_millis(looked_at - 1) + MOST_IGNORANCE
    }

    /// Keeps an answer made from a status that was read after `since`, unless one changed in
    /// between.
    pub(super) fn keep(
        &self,
        issuer_id: &str,
        serial: &[u8],
        certificate_id: &[u8],
        answer: Answer,
        since: Generation,
    ) {
        let key = key(issuer_id, serial);
        let mut shard = self.shard(&key);
        // Under the lock that a change takes too: either it has counted, or it will remove this.
        if self.generation().0 != since.0 {
            return;
        }
        match shard.kept.get_mut(&key) {
            Some(forms) => {
                forms.retain(|(id, _)| **id != *certificate_id);
                if forms.len() < MOST_FORMS {
                    forms.push((certificate_id.into(), answer));
                }
            }
            None => {
                if shard.order.len() >= self.most_in_shard
                    && let Some(oldest) = shard.order.pop_front()
                {
                    shard.kept.remove(&oldest);
                }
                shard.order.push_back(key.clone());
                shard.kept.insert(key, vec![(certificate_id.into(), answer)]);
            }
        }
    }

    /// Finds out what other processes changed.
    ///
    /// # Errors
    /// [`StoreError`]: it is not known; what is kept is not given out after a second of that.
    pub async fn follow(&self, store: &Store, issuers: &[&str]) -> Result<(), StoreError> {
        self.follow_at(store, issuers, Instant::now()).await
    }

    pub(super) async fn follow_at(
        &self,
        store: &Store,
        issuers: &[&str],
        at: Instant,
    ) -> Result<(), StoreError> {
        let mut followed = self.followed.lock().await;
        let changed = revocation_watch::follow(&mut store.read(), &mut followed, issuers).await?;
        if !changed.is_empty() {
            self.changed(&changed);
        }
        let since = at.duration_since(self.began).as_millis();
        // Only after what changed is removed.
        self.looked_at.fetch_max(u64::try_from(since).unwrap_or(0) + 1, Ordering::SeqCst);
        Ok(())
    }
}

impl RevocationListener for OcspCache {
    fn changed(&self, changed: &Changed) {
        // First, so that an answer under way from the old status is not kept afterwards.
        self.generation.fetch_add(1, Ordering::SeqCst);
        if changed.everything {
            for shard in &self.shards {
                let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                *shard = Shard::default();
            }
            return;
        }
        for (issuer_id, serial) in &changed.certificates {
            let key = key(issuer_id, serial);
            // The key keeps its place in the order, which it holds once.
            if let Some(forms) = self.shard(&key).kept.get_mut(&key) {
                forms.clear();
            }
        }
    }
}

impl std::fmt::Debug for OcspCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OcspCache").finish_non_exhaustive()
    }
}

/// Registers a cache with a store, whose commits it hears of from then on.
pub(crate) fn watched(store: &Store, most: usize) -> Arc<OcspCache> {
    let cache = Arc::new(OcspCache::new(most));
    store.on_revocation(cache.clone());
    cache
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-21 09:00 UTC);

    fn answer(tag: &str) -> Answer {
        Answer {
            der: Bytes::from_static(b"x"),
            tag: tag.to_owned(),
            this_update: NOW,
            next_update: NOW + time::Duration::HOUR,
        }
    }

    async fn looked(cache: &OcspCache) -> (tempfile::TempDir, Store, Instant) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        let store = Store::open(&url.into(), "one").await.unwrap();
        let at = Instant::now();
        cache.follow_at(&store, &["a"], at).await.unwrap();
        (folder, store, at)
    }

    fn find(cache: &OcspCache, serial: u8, at: Instant) -> Option<String> {
        cache.find("a", &[serial], b"id", NOW, at).map(|answer| answer.tag)
    }

    fn change(serial: u8) -> Changed {
        Changed { certificates: vec![("a".to_owned(), vec![serial])], everything: false }
    }

    #[tokio::test]
    async fn nothing_is_given_out_while_the_database_is_not_asked() {
        let cache = OcspCache::new(100);
        let keep = || cache.keep("a", &[1], b"id", answer("x"), cache.generation());
        keep();
        assert_eq!(find(&cache, 1, Instant::now()), None, "never looked");
        let (_folder, _store, at) = looked(&cache).await;
        keep();
        assert_eq!(find(&cache, 1, at).as_deref(), Some("x"));
        let soon = at + MOST_IGNORANCE - Duration::from_millis(2);
        assert_eq!(find(&cache, 1, soon).as_deref(), Some("x"));
        let later = at + MOST_IGNORANCE + Duration::from_millis(2);
        assert_eq!(find(&cache, 1, later), None);
    }

    #[tokio::test]
    async fn a_change_removes_its_own_answers_and_refuses_those_under_way() {
        let cache = OcspCache::new(100);
        let (_folder, _store, at) = looked(&cache).await;
        for serial in [1, 2] {
            cache.keep("a", &[serial], b"id", answer("x"), cache.generation());
        }
        // A status is read, changes, and only then is its answer ready to be kept.
        let before = cache.generation();
        cache.changed(&change(1));
        cache.keep("a", &[1], b"id", answer("old"), before);
        assert_eq!(find(&cache, 1, at), None);
        assert_eq!(find(&cache, 2, at).as_deref(), Some("x"));
        cache.keep("a", &[1], b"id", answer("new"), cache.generation());
        assert_eq!(find(&cache, 1, at).as_deref(), Some("new"));
        cache.changed(&Changed { certificates: vec![], everything: true });
        assert_eq!((find(&cache, 1, at), find(&cache, 2, at)), (None, None));
    }

    #[tokio::test]
    async fn it_holds_no_more_than_it_may_and_renews_at_half_time() {
        let cache = OcspCache::new(SHARDS * 4);
        let (_folder, _store, at) = looked(&cache).await;
        for serial in 0..=255 {
            for id in [&b"id"[..], b"2", b"3", b"4", b"5", b"6"] {
                cache.keep("a", &[serial], id, answer("x"), cache.generation());
            }
        }
        let mut kept = 0;
        for shard in &cache.shards {
            let shard = shard.lock().unwrap();
            assert_eq!(shard.kept.len(), shard.order.len());
            assert!(shard.kept.len() <= 4);
            assert!(shard.kept.values().all(|forms| forms.len() <= MOST_FORMS));
            kept += shard.kept.len();
        }
        assert!(kept > 0);
        cache.keep("a", &[1], b"id", answer("x"), cache.generation());
        let at_time = |now| cache.find("a", &[1], b"id", now, at).is_some();
        assert!(at_time(NOW) && at_time(NOW + time::Duration::minutes(29)));
        assert!(!at_time(NOW + time::Duration::minutes(30)));
        assert!(!at_time(NOW - time::Duration::SECOND), "a clock that went back");
    }
}
