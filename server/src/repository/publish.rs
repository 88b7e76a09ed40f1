//! Makes new CRLs: by the clock, and at once after a revocation.
//!
//! An edition first takes in what changed, then signs the lists that are due. Processes that do so
//! at the same time cannot give one number twice: the edition's number is a key of the database.

use std::{collections::BTreeSet, ops::RangeInclusive};

use sekisho_ca::{
    authority::Authority,
    revocation::{
        CrlPartition, RevocationKind,
        crl::{CrlError, CrlKind, CrlSpec, Listed, encode_entry},
    },
};
use sekisho_pki::encoding::serial::{Serial, SerialError};
use sekisho_store::{
    Reader, StoreError,
    crl::{self, COMPLETE, DELTA, KEPT_FOR_READERS, ListedEvent, NewChunk, NewList, Published},
};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::ocsp::known_reason;
use crate::app::App;

/// Why no CRL was published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The database.
    #[error("the CRL could not be stored")]
    Store(#[from] StoreError),
    /// The signature.
    #[error("the CRL could not be signed")]
    Crl(#[from] CrlError),
    /// A stored serial number.
    #[error("a stored serial number does not read back")]
    Serial(#[from] SerialError),
    /// A stored time.
    #[error("an entry of the CRL could not be encoded")]
    Entry(#[source] der::Error),
    /// No such authority.
    #[error("there is no authority `{issuer_id}` here")]
    UnknownIssuer {
        /// As asked for.
        issuer_id: String,
    },
}

/// Publishes, for each authority that has not ended, the lists that are old or older than a revocation.
///
/// # Errors
/// [`PublishError`] of the last authority that failed; the others have published.
pub async fn publish_due(app: &App) -> Result<(), PublishError> {
    let mut outcome = Ok(());
    for authority in app.authority().living(app.now()) {
        if let Err(error) = publish(app, authority).await {
            tracing::error!(issuer = authority.id(), "no CRL was published");
            outcome = Err(error);
        }
    }
    outcome
}

/// The same for one authority; for whoever has just revoked.
///
/// # Errors
/// [`PublishError`]. The job tries again within seconds.
pub async fn publish_now(app: &App, issuer_id: &str) -> Result<(), PublishError> {
    let authority = app
        .authority()
        .find(issuer_id)
        .ok_or_else(|| PublishError::UnknownIssuer { issuer_id: issuer_id.to_owned() })?;
    publish(app, authority).await
}

/// A list of more octets than this is made at most so often after a revocation; delta and
/// partition tell at once.
const LARGE: (u64, Duration) = (1024 * 1024, Duration::seconds(20));
/// A delta adds to a complete list that about so many changes lie behind at most; who holds an older
/// one fetches the complete list.
const MOST_CHANGES: u32 = 10_000;
/// Lists signed between two commits.
const LISTS_A_COMMIT: usize = 32;

/// A list that an authority publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Complete,
    Delta,
    Partition(CrlPartition),
}

impl Scope {
    fn name(self) -> String {
        match self {
            Self::Complete => COMPLETE.to_owned(),
            Self::Delta => DELTA.to_owned(),
            Self::Partition(partition) => partition.to_string(),
        }
    }

    /// First and last chunk.
    fn chunks(self) -> (String, String) {
        match self {
            // A serial number of one octet has no second one and the empty chunk, which is first.
            Self::Complete | Self::Delta => (String::new(), crl::chunk_name(u8::MAX)),
            Self::Partition(partition) => {
                let chunks: RangeInclusive<u8> = partition.chunks();
                let first = match chunks.start() {
                    0 => String::new(),
                    first => crl::chunk_name(*first),
                };
                (first, crl::chunk_name(*chunks.end()))
            }
        }
    }
}

/// What an authority publishes and how old it is.
struct Publisher<'a> {
    app: &'a App,
    authority: &'a Authority,
    published: Vec<Published>,
    now: OffsetDateTime,
}

impl Publisher<'_> {
    /// Each list: those of the configuration, and partitions that earlier certificates name.
    fn scopes(&self) -> Vec<Scope> {
        let partitions = self.authority.publication().crl_partitions;
        let mut all: BTreeSet<CrlPartition> =
            self.published.iter().filter_map(|list| list.scope.parse().ok()).collect();
        all.extend(partitions.into_iter().flat_map(|partitions| partitions.each()));
        let mut scopes: Vec<_> = all.into_iter().map(Scope::Partition).collect();
        if self.has_delta() {
            scopes.push(Scope::Delta);
        }
        scopes.push(Scope::Complete);
        scopes
    }

    /// A divided list is a long one. Routers' daemons get one list and nothing to combine.
    fn has_delta(&self) -> bool {
        self.authority.publication().crl_partitions.is_some()
    }

    fn last(&self, scope: Scope) -> Option<&Published> {
        let name = scope.name();
        self.published.iter().find(|list| list.scope == name)
    }

    fn is_old(&self, scope: Scope) -> bool {
        let every = self.app.config().authority().crl_every();
        self.last(scope).is_none_or(|last| self.now >= last.this_update + every)
    }

    /// Whether the newest list of this scope is missing, old, or older than one of its chunks.
    fn is_due(&self, scope: Scope, chunks: &[(String, i64, i64)]) -> bool {
        if self.is_old(scope) {
            return true;
        }
        let Some(last) = self.last(scope) else { return true };
        if scope == Scope::Complete
            && last.length > LARGE.0
            && self.now < last.this_update + LARGE.1
        {
            return false;
        }
        let (first, end) = scope.chunks();
        chunks
            .iter()
            .any(|(chunk, number, _)| *number > last.number && *chunk >= first && *chunk <= end)
    }
}

async fn publish(app: &App, authority: &Authority) -> Result<(), PublishError> {
    // Another process may open an edition at the same time; then this one begins anew, from what
    // is known then.
    const TRIES: usize = 5;
    for _ in 0..TRIES {
        let mut reader = app.store().read();
        let published = crl::newest_of_each(&mut reader, authority.id()).await?;
        let publisher = Publisher { app, authority, published, now: whole_seconds(app.now()) };
        if publisher.edition(&mut reader).await? {
            return Ok(());
        }
    }
    // Five others were faster; the newest of theirs was opened after this call began, or the job
    // finds something due again.
    Ok(())
}

impl Publisher<'_> {
    /// Makes an edition if one is due. `false`: somebody else was faster.
    async fn edition(&self, reader: &mut Reader) -> Result<bool, PublishError> {
        let id = self.authority.id();
        let scopes = self.scopes();
        let (first, last) = Scope::Complete.chunks();
        let range = (first.as_str(), last.as_str());
        // RFC 5280 §3.3: an entry stays for one list beyond the certificate's end.
        let unexpired_since = self.now - self.app.config().authority().crl_validity();
        let mut stale = if scopes.iter().any(|scope| self.is_old(*scope)) {
            crl::chunks_with_expired(reader, id, unexpired_since).await?
        } else {
            Vec::new()
        };
        let before = crl::chunks(reader, id, range, i64::MAX).await?;
        let due = scopes.iter().any(|scope| self.is_due(*scope, &before));
        if !due && stale.is_empty() && !crl::has_pending(reader, id).await? {
            return Ok(true);
        }
        // The number first: what is read after it knows at least what the number promises.
        let last_edition = crl::last_edition(reader, id).await?;
        let number = last_edition.map_or(0, |(number, _)| number) + 1;
        let attempt = Uuid::now_v7().to_string();
        if self.app.store().claim_crl_changes(id, &attempt).await? > 0 {
            stale.extend(crl::claimed_chunks(reader, id, &attempt).await?);
        }
        // No list is older than the one before it, whatever the clocks of two processes say.
        let this_update = last_edition.map_or(self.now, |(_, at)| self.now.max(at));
        let mut chunks = Vec::with_capacity(stale.len());
        for chunk in stale.into_iter().collect::<BTreeSet<_>>() {
            let events = crl::events_of_chunk(reader, id, &chunk, unexpired_since).await?;
            chunks.push(encode_chunk(chunk, &events, this_update)?);
        }
        if !self.app.store().open_crl_edition(id, number, &attempt, &chunks, this_update).await? {
            return Ok(false);
        }
        drop(chunks);
        let chunks = crl::chunks(reader, id, range, number).await?;
        let edition = Edition { number, this_update };
        let due: Vec<_> = scopes.into_iter().filter(|scope| self.is_due(*scope, &chunks)).collect();
        for scopes in due.chunks(LISTS_A_COMMIT) {
            let mut lists = Vec::with_capacity(scopes.len());
            for scope in scopes {
                lists.extend(self.sign(reader, *scope, edition, &chunks).await?);
            }
            self.app.store().publish_lists(id, number, &lists).await?;
        }
        self.app.store().prune_crl(id, this_update - KEPT_FOR_READERS, this_update).await?;
        tracing::info!(issuer = id, number, lists = due.len(), "CRLs published");
        Ok(true)
    }

    async fn sign(
        &self,
        reader: &mut Reader,
        scope: Scope,
        edition: Edition,
        chunks: &[(String, i64, i64)],
    ) -> Result<Option<NewList>, PublishError> {
        let Edition { number, this_update } = edition;
        let next_update = this_update + self.app.config().authority().crl_validity();
        let publication = self.authority.publication();
        let unsigned = u64::try_from(number).unwrap_or_default();
        let freshest_url = self.has_delta().then(|| publication.delta_url());
        let partition_url;
        let kind = match scope {
            Scope::Delta => return self.delta(reader, edition, next_update).await,
            Scope::Complete => CrlKind::Complete { freshest_url: freshest_url.as_deref() },
            Scope::Partition(partition) => {
                partition_url = publication.partition_url(partition);
                CrlKind::Partition { url: &partition_url }
            }
        };
        let spec = CrlSpec { kind, number: unsigned, this_update, next_update };
        let (first, last) = scope.chunks();
        let own: Vec<_> =
            chunks.iter().filter(|(chunk, ..)| *chunk >= first && *chunk <= last).collect();
        let octets = own.iter().map(|(.., length)| usize::try_from(*length).unwrap_or(0)).sum();
        let mut draft = self.authority.draft_crl(&spec, octets)?;
        for (chunk, version, _) in own {
            let id = self.authority.id();
            draft.push(&crl::chunk_entries(reader, id, chunk, *version).await?);
        }
        let frame = draft.sign().await?;
        Ok(Some(NewList {
            scope: scope.name(),
            base_number: None,
            this_update,
            next_update,
            length: frame.head.len() + octets + frame.tail.len(),
            head: frame.head,
            chunks: Some((first, last)),
            tail: frame.tail,
        }))
    }

    /// What changed since the oldest complete list in force; none while there is no such list.
    async fn delta(
        &self,
        reader: &mut Reader,
        Edition { number, this_update }: Edition,
        next_update: OffsetDateTime,
    ) -> Result<Option<NewList>, PublishError> {
        let id = self.authority.id();
        let base = crl::base_for_delta(reader, id, number, this_update, MOST_CHANGES).await?;
        let Some(base) = base else { return Ok(None) };
        let mut entries = Vec::new();
        for event in crl::events_since(reader, id, base, number).await? {
            encode(&event, this_update, &mut entries)?;
        }
        let spec = CrlSpec {
            kind: CrlKind::Delta { base_number: u64::try_from(base).unwrap_or_default() },
            number: u64::try_from(number).unwrap_or_default(),
            this_update,
            next_update,
        };
        let mut draft = self.authority.draft_crl(&spec, entries.len())?;
        draft.push(&entries);
        let frame = draft.sign().await?;
        let head = [frame.head, entries].concat();
        Ok(Some(NewList {
            scope: DELTA.to_owned(),
            base_number: Some(base),
            this_update,
            next_update,
            length: head.len() + frame.tail.len(),
            head,
            chunks: None,
            tail: frame.tail,
        }))
    }
}

#[derive(Debug, Clone, Copy)]
struct Edition {
    number: i64,
    this_update: OffsetDateTime,
}

fn encode_chunk(
    chunk: String,
    events: &[ListedEvent],
    this_update: OffsetDateTime,
) -> Result<NewChunk, PublishError> {
    let mut entries = Vec::new();
    let mut first_expiry = None;
    for event in events.iter().filter(|event| event.kind != RevocationKind::Released) {
        encode(event, this_update, &mut entries)?;
        first_expiry = Some(
            first_expiry
                .map_or(event.not_after, |first: OffsetDateTime| first.min(event.not_after)),
        );
    }
    Ok(NewChunk { chunk, entries, first_expiry })
}

fn encode(
    event: &ListedEvent,
    this_update: OffsetDateTime,
    out: &mut Vec<u8>,
) -> Result<(), PublishError> {
    let listed = match event.kind {
        RevocationKind::Revoked | RevocationKind::Held => {
            Listed::Revoked(known_reason(event.reason))
        }
        RevocationKind::Released => Listed::Removed,
    };
    let serial = Serial::from_octets(&event.serial)?;
    // A date that lies ahead by a clock that runs fast would read as not yet revoked.
    let at = event.at.min(this_update);
    // That it is revoked counts. A date that no list can say (restored from elsewhere, written by
    // hand) must not keep this entry and all others off the list.
    let invalidity_at = event.invalidity_at.filter(|at| *at >= OffsetDateTime::UNIX_EPOCH);
    encode_entry(&serial, at, listed, invalidity_at, out).map_err(PublishError::Entry)
}

fn whole_seconds(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(0).unwrap_or(at)
}
