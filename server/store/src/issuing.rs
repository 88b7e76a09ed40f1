//! The durable steps of an issuance, many of which share a commit.
//!
//! A certificate takes two: its intention, in which the code that allows it is used up, and the
//! certificate itself, in which the enrolment is concluded. Serial numbers are reserved in blocks
//! long before. Steps of all requests go through one queue ([`committer`]); what waits there when
//! the commit before is durable is written as one transaction ([`batch`]), and only after that
//! commit is each of them told its own outcome. A step that the database refuses never harms the
//! steps beside it: the others are then written without it.

mod batch;
mod committer;
mod enrolment;
mod serials;

use std::sync::Arc;

use async_trait::async_trait;
use sekisho_ca::record::{self, IssuedCertificate, Record, RecordError};
use sekisho_key::Randomness;
use sekisho_pki::encoding::serial::Serial;
use time::OffsetDateTime;

pub use committer::SharedCommits;
pub use enrolment::{Enrolment, Right};

use self::{
    batch::{Intend, Keep, Step},
    committer::Committer,
    serials::SerialStock,
};
use crate::{
    Store, StoreError, Tx,
    audit::Entry,
    certificate::{Intention, Signed},
};

/// What a [`Store`] needs to issue. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Issuing {
    committer: Committer,
    serials: Arc<SerialStock>,
}

impl Issuing {
    /// For the committer's own handle of the store, which does not queue.
    pub(crate) fn none() -> Self {
        Self { committer: Committer::closed(), serials: Arc::default() }
    }

    /// Starts the task that commits to this store; it ends when the last handle is dropped.
    pub(crate) fn start(store: &Store) -> Self {
        Self { committer: Committer::start(store.clone()), serials: Arc::default() }
    }
}

impl Store {
    /// How many steps of issuances shared how many commits since this process began.
    #[must_use]
    pub fn shared_commits(&self) -> SharedCommits {
        self.issuing.committer.counted()
    }

    /// Sets a serial number aside, for ever. No record of its own: it decides nothing yet.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`]: reserved before; draw another one.
    pub async fn reserve_serial(
        &self,
        issuer_id: &str,
        serial: &[u8],
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let serials = vec![serial.to_vec()];
        let step = Step::Reserve { issuer_id: issuer_id.to_owned(), serials, at };
        self.issuing.committer.commit(step).await.map(drop)
    }

    /// Writes down what is about to be signed.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`]: something was to be signed under this serial number before.
    /// [`StoreError::IssuerRevoked`]: nothing may be signed under this authority any more.
    /// [`StoreError::Unavailable`] also when the serial number was not reserved.
    pub async fn record_intention(
        &self,
        intention: Intention<'_>,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let step = Step::Intend(Intend {
            issuer_id: intention.issuer_id.to_owned(),
            serial: intention.serial.to_vec(),
            profile: intention.profile.to_owned(),
            tbs_der: intention.tbs_der.to_vec(),
            organisation_id: intention.organisation_id.map(str::to_owned),
            terminal_id: intention.terminal_id.map(str::to_owned),
            at,
            right: None,
            used: None,
        });
        self.issuing.committer.commit(step).await.map(drop)
    }

    /// Keeps a certificate that was signed.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`]: a certificate of this serial number is kept.
    /// [`StoreError::Corrupt`]: nothing was to be signed under this serial number.
    pub async fn record_certificate(
        &self,
        signed: Signed<'_>,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let step = Step::Keep(Keep {
            issuer_id: signed.issuer_id.to_owned(),
            serial: signed.serial.to_vec(),
            fingerprint: *signed.fingerprint,
            spki_sha256: *signed.spki_sha256,
            not_before: signed.not_before,
            not_after: signed.not_after,
            der: signed.der.to_vec(),
            at,
            right: None,
            concludes: None,
        });
        self.issuing.committer.commit(step).await.map(drop)
    }
}

/// Enters a certificate that an authority signed elsewhere, in a ceremony: serial number, intention and
/// certificate in the caller's transaction. Answers the records that must be committed with it.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the serial number is taken.
pub async fn enter(
    tx: &mut Tx,
    intention: &record::Intention,
    certificate: &IssuedCertificate,
) -> Result<Vec<Entry>, StoreError> {
    batch::enter(tx, &Intend::of(intention), &Keep::of(certificate)).await
}

#[async_trait]
impl Record for Store {
    async fn next_serial(
        &self,
        issuer_id: &str,
        rng: &dyn Randomness,
        at: OffsetDateTime,
    ) -> Result<Serial, RecordError> {
        serials::next(self, issuer_id, rng, at).await
    }

    async fn reserve_serial(
        &self,
        issuer_id: &str,
        serial: &Serial,
        at: OffsetDateTime,
    ) -> Result<(), RecordError> {
        Self::reserve_serial(self, issuer_id, serial.as_octets(), at)
            .await
            .map_err(|error| refused(error, issuer_id, serial))
    }

    async fn record_intention(&self, intention: &record::Intention) -> Result<(), RecordError> {
        let step = Step::Intend(Intend::of(intention));
        self.issuing.committer.commit(step).await.map(drop).map_err(not_written)
    }

    async fn record_certificate(&self, certificate: &IssuedCertificate) -> Result<(), RecordError> {
        let step = Step::Keep(Keep::of(certificate));
        self.issuing.committer.commit(step).await.map(drop).map_err(not_written)
    }
}

fn refused(error: StoreError, issuer_id: &str, serial: &Serial) -> RecordError {
    match error {
        StoreError::AlreadyExists { .. } => {
            RecordError::SerialTaken { issuer_id: issuer_id.to_owned(), serial: serial.clone() }
        }
        other => not_written(other),
    }
}

fn not_written(error: StoreError) -> RecordError {
    match error {
        StoreError::IssuerRevoked { issuer_id } => RecordError::IssuerRevoked { issuer_id },
        other => RecordError::Unavailable(Box::new(other)),
    }
}

/// The audit record of a step, with what it is about.
fn about(
    entry: Entry,
    issuer_id: &str,
    serial: &[u8],
    profile: &str,
    (organisation_id, terminal_id): (Option<&str>, Option<&str>),
) -> Entry {
    let mut entry = entry.on("certificate", name_of(issuer_id, serial)).fact("profile", profile);
    if let Some(id) = organisation_id {
        entry = entry.at_organisation(id);
    }
    if let Some(id) = terminal_id {
        entry = entry.on("terminal", id);
    }
    entry
}

/// A certificate as audit records name it.
fn name_of(issuer_id: &str, serial: &[u8]) -> String {
    format!("{issuer_id}:{}", hex::encode(serial))
}
