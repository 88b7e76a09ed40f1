//! Certificate revocation lists as published, and their numbers, which never go back.
//!
//! An issuer's lists are made in editions: an edition takes in what changed, rewrites the chunks
//! of encoded entries that it concerns, and gives its number to every list made from it. Chunks
//! and lists are never changed, only followed by newer ones, so whoever reads a list while the
//! next is made reads a whole one.

mod edition;
mod event;
mod published;

use time::{Duration, OffsetDateTime};

pub use edition::{
    base_for_delta, claimed_chunks, has_pending, last_edition, next_number, pass_number, publish,
};
pub use event::{ListedEvent, events_of_chunk, events_since, taken_back};
pub use published::{
    chunk_entries, chunks, chunks_with_expired, frame, latest, newest, newest_of_each, whole,
};

/// Scope of the list of all of an issuer's certificates.
pub const COMPLETE: &str = "complete";
/// Scope of what changed since an earlier complete list.
pub const DELTA: &str = "delta";
/// How long a list that a newer one replaced can still be fetched to its end.
pub const KEPT_FOR_READERS: Duration = Duration::minutes(15);

/// A CRL in one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crl {
    /// CRL number (RFC 5280 §5.2.3).
    pub number: i64,
    /// thisUpdate.
    pub this_update: OffsetDateTime,
    /// nextUpdate.
    pub next_update: OffsetDateTime,
    /// `CertificateList`, DER.
    pub der: Vec<u8>,
}

/// What is known of a published list without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// [`COMPLETE`], [`DELTA`] or the name of a partition.
    pub scope: String,
    /// CRL number.
    pub number: i64,
    /// thisUpdate.
    pub this_update: OffsetDateTime,
    /// nextUpdate.
    pub next_update: OffsetDateTime,
    /// Octets of the whole list.
    pub length: u64,
    /// The chunks of entries that it has between head and tail, first and last.
    pub chunks: Option<(String, String)>,
}

/// A list to be published.
#[derive(Clone, Debug)]
pub struct NewList {
    /// As in [`Published`].
    pub scope: String,
    /// Of a delta: the complete list that it adds to.
    pub base_number: Option<i64>,
    /// thisUpdate.
    pub this_update: OffsetDateTime,
    /// nextUpdate.
    pub next_update: OffsetDateTime,
    /// What stands before the entries, or the whole list.
    pub head: Vec<u8>,
    /// The chunks of entries, first and last.
    pub chunks: Option<(String, String)>,
    /// What stands after the entries.
    pub tail: Vec<u8>,
    /// Octets of the whole list.
    pub length: usize,
}

/// Encoded entries of one chunk.
#[derive(Clone, Debug)]
pub struct NewChunk {
    /// Second octet of their serial numbers, hexadecimal.
    pub chunk: String,
    /// revokedCertificates, DER, one after the other.
    pub entries: Vec<u8>,
    /// notAfter of the certificate that expires first.
    pub first_expiry: Option<OffsetDateTime>,
}

/// The name of a chunk.
#[must_use]
pub fn chunk_name(chunk: u8) -> String {
    hex::encode_upper([chunk])
}
