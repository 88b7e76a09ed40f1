//! Telling this process at once what a commit of its own took back, and finding out soon what
//! another process's did.
//!
//! Whoever keeps answers made from a certificate's status is told in the commit itself, before
//! whoever revoked hears that it is done. What other processes commit is asked for: changes are
//! found by the editions of the lists that take them in, not by anybody's clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{Queries, StoreError, crl, revocation::CertificateKey, sql};

/// Certificates whose status changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Each of them.
    pub certificates: Vec<CertificateKey>,
    /// More than can be named: an issuer, or too many.
    pub everything: bool,
}

impl Changed {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty() && !self.everything
    }
}

/// Somebody who keeps answers made from statuses.
pub trait RevocationListener: Send + Sync {
    /// These statuses changed: what was kept of them is wrong.
    fn changed(&self, changed: &Changed);
}

/// Who is to be told of this process's commits. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct RevocationWatch(Arc<RwLock<Vec<Arc<dyn RevocationListener>>>>);

impl RevocationWatch {
    pub(crate) fn add(&self, listener: Arc<dyn RevocationListener>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// For a transaction that begins.
    pub(crate) fn untold(&self) -> Untold {
        Untold { watch: self.clone(), changed: Changed::default() }
    }

    fn tell(&self, changed: &Changed) {
        if changed.is_empty() {
            return;
        }
        for listener in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            listener.changed(changed);
        }
    }
}

impl fmt::Debug for RevocationWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RevocationWatch")
    }
}

/// What a transaction will have to tell. Told when this is dropped: after the commit, whatever
/// became of it, and whether or not somebody waited for it.
#[derive(Debug, Default)]
pub(crate) struct Untold {
    watch: RevocationWatch,
    changed: Changed,
}

impl Untold {
    pub(crate) fn note(&mut self, changed: Changed) {
        self.changed.everything |= changed.everything;
        self.changed.certificates.extend(changed.certificates);
    }
}

impl Drop for Untold {
    fn drop(&mut self) {
        self.watch.tell(&self.changed);
    }
}

/// How far somebody has followed the changes of all processes.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    /// By issuer: the newest edition whose changes are known.
    editions: BTreeMap<String, i64>,
    /// Changes that are known and in no edition yet.
    pending: BTreeSet<String>,
    revoked_issuers: i64,
}

/// More than this many changes at once are not named one by one.
const MOST_NAMED: i64 = 5_000;

/// What changed since `followed`, which is brought up to date. The first time, everything did.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`]; `followed` is as before.
pub async fn follow(
    queries: &mut impl Queries,
    followed: &mut Followed,
    issuers: &[&str],
) -> Result<Changed, StoreError> {
    let mut next = Followed::default();
    let mut changed = Changed::default();
    let (revoked_issuers,): (i64,) =
        queries.fetch_one(sql("SELECT COUNT(*) FROM revoked_issuer")).await?;
    next.revoked_issuers = revoked_issuers;
    changed.everything = revoked_issuers != followed.revoked_issuers;
    for issuer_id in issuers {
        // Before the changes: what a later edition takes in is above this number next time.
        let edition = crl::next_number(queries, issuer_id).await? - 1;
        next.editions.insert((*issuer_id).to_owned(), edition);
        let Some(known) = followed.editions.get(*issuer_id).copied() else {
            changed.everything = true;
            continue;
        };
        let rows: Vec<(String, Vec<u8>, Option<i64>)> = queries
            .fetch_all(
                sql("SELECT event_id, serial, edition FROM crl_change
                     WHERE issuer_id = $1 AND edition IS NULL
                     UNION ALL
                     SELECT event_id, serial, edition FROM crl_change
                     WHERE issuer_id = $1 AND edition > $2
                     LIMIT $3")
                .bind(*issuer_id)
                .bind(known)
                .bind(MOST_NAMED),
            )
            .await?;
        if rows.len() >= usize::try_from(MOST_NAMED).unwrap_or(usize::MAX) {
            changed.everything = true;
            continue;
        }
        for (event_id, serial, edition) in rows {
            if !followed.pending.contains(&event_id) {
                changed.certificates.push(((*issuer_id).to_owned(), serial));
            }
            // Known until it is below the edition that this turn began from.
            if edition.is_none_or(|number| number > next.editions[*issuer_id]) {
                next.pending.insert(event_id);
            }
        }
    }
    *followed = next;
    Ok(changed)
}
