//! Statuses and OCSP answers kept, and never longer than they are true.
//!
//! Both are kept by certificate: the answer for questions that anyone may ask, the status so that an
//! answer with a nonce costs its signature and no question to the database. A commit of this process that changes a status removes it
//! before the commit is reported; a commit of another process is found by asking the database four
//! times a second ([`OcspCache::follow`]). When the database has not been asked for a second,
//! nothing kept is given out: not knowing must never read as good.
//!
//! An answer is given out for the first half of its time, and signed anew after a third
//! ([`super::ocsp_ahead`]) while somebody asks: a client comes back when its own copy ends, so what
//! was asked for within twice that time is kept ready. The rest is let go.

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
use sekisho_ca::revocation::{CertificateStatus, ocsp::GOOD_SINCE};
use sekisho_store::{
    Store, StoreError,
    revocation_watch::{self, Changed, Followed, RevocationListener},
};
use time::OffsetDateTime;

/// How old the knowledge of other processes' revocations may be.
const MOST_IGNORANCE: Duration = Duration::from_secs(1);
const SHARDS: usize = 16;

/// A status, and the time of an answer that tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) status: CertificateStatus,
    /// thisUpdate.
    pub(super) this_update: OffsetDateTime,
    /// nextUpdate.
    pub(super) next_update: OffsetDateTime,
}

/// A signed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// `OCSPResponse`, DER.
    pub(super) der: Bytes,
    /// Names the octets.
    pub(super) tag: String,
    pub(super) told: Told,
}

/// What is known of certificates, and answers for questions about one of them without a nonce.
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

/// The answer for one way of asking about a certificate.
struct Form {
    /// The CertID that was asked with, DER.
    certificate_id: Box<[u8]>,
    answer: Answer,
    /// When somebody asked that way last.
    asked: OffsetDateTime,
}

/// What is kept of a certificate.
#[derive(Default)]
struct Kept {
    told: Option<Told>,
    forms: Vec<Form>,
}

#[derive(Default)]
struct Shard {
    /// By certificate.
    kept: HashMap<Box<[u8]>, Kept>,
    /// When to look at a certificate again, each once; the longest known one first.
    order: VecDeque<(OffsetDateTime, Box<[u8]>)>,
}

/// Forms of a CertID kept for a certificate: two hashes, each with and without parameters.
const MOST_FORMS: usize = 4;

/// What has to be known before a status is read, so that its answer may be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Generation(u64);

impl Told {
    fn window(&self) -> time::Duration {
        self.next_update - self.this_update
    }

    /// For the first half of its time: nobody gets one that is about to end.
    fn counts(&self, now: OffsetDateTime) -> bool {
        (self.this_update..self.this_update + self.window() / 2).contains(&now)
    }

    fn renewed_from(&self) -> OffsetDateTime {
        self.this_update + self.window() / 3
    }
}

impl Form {
    fn is_wanted(&self, now: OffsetDateTime) -> bool {
        now - self.asked < self.answer.told.window() * 2
    }
}

impl Shard {
    /// What is kept under a key; a new one takes the place of the one that is looked at next.
    fn place(&mut self, key: Box<[u8]>, again_at: OffsetDateTime, most: usize) -> &mut Kept {
        if !self.kept.contains_key(&key) {
            if self.order.len() >= most
                && let Some((_, oldest)) = self.order.pop_front()
            {
                self.kept.remove(&oldest);
            }
            self.order.push_back((again_at, key.clone()));
        }
        self.kept.entry(key).or_default()
    }
}

fn key(issuer_id: &str, serial: &[u8]) -> Box<[u8]> {
    // No identifier of an issuer holds a zero octet.
    [issuer_id.as_bytes(), &[0], serial].concat().into()
}

impl OcspCache {
    /// An empty one that keeps what is known of about so many certificates.
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
        let mut shard = self.shard(&key);
        let forms = &mut shard.kept.get_mut(&key)?.forms;
        let form = forms.iter_mut().find(|form| *form.certificate_id == *certificate_id)?;
        form.asked = now;
        form.answer.told.counts(now).then(|| form.answer.clone())
    }

    /// The status of this certificate, if it is known and still the truth at `at`.
    pub(super) fn status(
        &self,
        issuer_id: &str,
        serial: &[u8],
        now: OffsetDateTime,
        at: Instant,
    ) -> Option<CertificateStatus> {
        if !self.knows(at) {
            return None;
        }
        let key = key(issuer_id, serial);
        let told = self.shard(&key).kept.get(&key)?.told?;
        told.counts(now).then_some(told.status)
    }

    /// Whether other processes' revocations are known up to a second before `at`.
    fn knows(&self, at: Instant) -> bool {
        let looked_at = self.looked_at.load(Ordering::SeqCst);
        looked_at > 0
            && at.duration_since(self.began)
                <= Duration::from_millis(looked_at - 1) + MOST_IGNORANCE
    }

    /// Keeps a status that was read after `since`, unless one changed in between.
    pub(super) fn keep_status(
        &self,
        issuer_id: &str,
        serial: &[u8],
        told: Told,
        since: Generation,
    ) {
        self.change(issuer_id, serial, told, since, |kept| kept.told = Some(told));
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
        self.change(issuer_id, serial, answer.told, since, |Kept { forms, .. }| {
            let same = forms.iter_mut().find(|form| *form.certificate_id == *certificate_id);
            if let Some(form) = same {
                // A renewal is nobody's asking.
                form.answer = answer;
            } else if forms.len() < MOST_FORMS {
                let asked = answer.told.this_update;
                forms.push(Form { certificate_id: certificate_id.into(), answer, asked });
            }
        });
    }

    fn change(
        &self,
        issuer_id: &str,
        serial: &[u8],
        told: Told,
        since: Generation,
        with: impl FnOnce(&mut Kept),
    ) {
        if self.most_in_shard == 0 {
            return;
        }
        let key = key(issuer_id, serial);
        let mut shard = self.shard(&key);
        // Under the lock that a change takes too: either it has counted, or it will remove this.
        if self.generation().0 == since.0 {
            with(shard.place(key, told.renewed_from(), self.most_in_shard));
        }
    }

    /// Which answers to sign anew at `now`, by their CertIDs: those that have had a third of their
    /// time and are wanted; the others are let go, and the statuses with them. At most about `most`
    /// at once, the rest is for the next turn.
    pub(super) fn take_due(&self, now: OffsetDateTime, most: usize) -> Vec<Box<[u8]>> {
        let most = most.div_ceil(SHARDS);
        let mut due = Vec::new();
        for shard in &self.shards {
            let shard = &mut *shard.lock().unwrap_or_else(PoisonError::into_inner);
            let end = due.len() + most;
            while due.len() < end
                && let Some((_, key)) = shard.order.pop_front_if(|(from, _)| *from <= now)
            {
                let Some(Kept { told, forms }) = shard.kept.get_mut(&key) else { continue };
                // It is read anew.
                *told = None;
                forms.retain(|form| form.is_wanted(now));
                let Some(window) = forms.iter().map(|form| form.answer.told.window()).min() else {
                    shard.kept.remove(&key);
                    continue;
                };
                due.extend(forms.iter().map(|form| form.certificate_id.clone()));
                // The old ones are given out until the new ones are there.
                shard.order.push_back((now - GOOD_SINCE + window / 3, key));
            }
        }
        due
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
            if let Some(kept) = self.shard(&key).kept.get_mut(&key) {
                *kept = Kept::default();
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
mod tests;
