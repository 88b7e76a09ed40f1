//! A terminal's enrolment or renewal as the record of its issuance: the right to the certificate is
//! used up with the intention, and the enrolment is concluded with the certificate.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use sekisho_ca::record::{self, IssuedCertificate, Record, RecordError};
use sekisho_key::Randomness;
use sekisho_pki::encoding::serial::Serial;
use time::OffsetDateTime;

use super::{
    batch::{Intend, Keep, Step},
    committer::UnderWay,
    not_written,
};
use crate::{Store, audit::Entry};

/// What entitles a terminal to a certificate.
#[derive(Clone, Debug)]
pub enum Right {
    /// A one-time code that nobody has used.
    Code {
        /// SHA-256 of the code.
        code_hash: [u8; 32],
        /// The terminal that it is for.
        terminal_id: String,
        /// SHA-256 of the `SubjectPublicKeyInfo` to be certified, a key without a certificate.
        spki_sha256: [u8; 32],
    },
    /// The terminal's certificate, good and shown.
    Renewal {
        /// The terminal.
        terminal_id: String,
        /// Issuer of the certificate that is shown.
        issuer_id: String,
        /// Its serial number.
        serial: Vec<u8>,
        /// SHA-256 of the `SubjectPublicKeyInfo` to be certified, a key without a certificate.
        spki_sha256: [u8; 32],
    },
}

impl Right {
    pub(super) fn terminal_id(&self) -> &str {
        match self {
            Self::Code { terminal_id, .. } | Self::Renewal { terminal_id, .. } => terminal_id,
        }
    }

    pub(super) fn spki_sha256(&self) -> &[u8; 32] {
        match self {
            Self::Code { spki_sha256, .. } | Self::Renewal { spki_sha256, .. } => spki_sha256,
        }
    }

    /// Kind of the terminal's event.
    pub(super) fn event(&self) -> &'static str {
        match self {
            Self::Code { .. } => "enrolled",
            Self::Renewal { .. } => "renewed",
        }
    }
}

/// The record of one issuance by right: hand it to the ceremony in place of the store.
///
/// Two commits, shared with others. The first uses the right up, or the ceremony ends with
/// [`RecordError::NoLongerApproved`] and nothing was written. The second keeps the certificate and
/// concludes the enrolment, if it is plain: see [`Self::is_concluded`].
#[derive(Debug)]
pub struct Enrolment<'a> {
    store: &'a Store,
    right: Right,
    used: Entry,
    concludes: Entry,
    concluded: AtomicBool,
    _under_way: UnderWay,
}

impl<'a> Enrolment<'a> {
    /// `used` is recorded with the use of the right, which is the intention; `concludes` with the
    /// certificate. Which certificate is added to both.
    #[must_use]
    pub fn new(store: &'a Store, right: Right, used: Entry, concludes: Entry) -> Self {
        let under_way = store.issuing.committer.announce();
        let concluded = AtomicBool::new(false);
        Self { store, right, used, concludes, concluded, _under_way: under_way }
    }

    /// Whether the certificate was tied to its right. If not, it is kept all the same, and whoever
    /// enrols has to decide: the terminal or the old certificate was revoked meanwhile, or older
    /// certificates have to be taken back.
    #[must_use]
    pub fn is_concluded(&self) -> bool {
        self.concluded.load(Ordering::Acquire)
    }
}

#[async_trait]
impl Record for Enrolment<'_> {
    async fn next_serial(
        &self,
        issuer_id: &str,
        rng: &dyn Randomness,
        at: OffsetDateTime,
    ) -> Result<Serial, RecordError> {
        self.store.next_serial(issuer_id, rng, at).await
    }

    async fn reserve_serial(
        &self,
        issuer_id: &str,
        serial: &Serial,
        at: OffsetDateTime,
    ) -> Result<(), RecordError> {
        Record::reserve_serial(self.store, issuer_id, serial, at).await
    }

    async fn record_intention(&self, intention: &record::Intention) -> Result<(), RecordError> {
        let step = Step::Intend(Intend {
            right: Some(self.right.clone()),
            used: Some(self.used.clone()),
            ..Intend::of(intention)
        });
        match self.store.issuing.committer.commit(step).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(RecordError::NoLongerApproved),
            Err(error) => Err(not_written(error)),
        }
    }

    async fn record_certificate(&self, certificate: &IssuedCertificate) -> Result<(), RecordError> {
        let step = Step::Keep(Keep {
            right: Some(self.right.clone()),
            concludes: Some(self.concludes.clone()),
            ..Keep::of(certificate)
        });
        let concluded = self.store.issuing.committer.commit(step).await.map_err(not_written)?;
        self.concluded.store(concluded, Ordering::Release);
        Ok(())
    }
}
