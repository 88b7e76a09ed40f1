//! What must be durable before the next step of the issuance may happen.

use std::sync::Mutex;

use async_trait::async_trait;
use sekisho_key::{Randomness, RandomnessError};
use sekisho_pki::encoding::serial::Serial;
use time::OffsetDateTime;

/// For whom a certificate is; both are identifiers of the register, neither is in every
/// certificate (the authority's own have none).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscriber {
    /// The register's key of the organisation.
    pub organisation_id: Option<String>,
    /// The terminal's (or router's) identifier.
    pub terminal_id: Option<String>,
}

/// What is about to be signed.
#[derive(Debug, Clone)]
pub struct Intention {
    /// Identifier of the issuing authority in the register: `root`, `terminals`, ...
    pub issuer_id: String,
    /// The reserved serial number.
    pub serial: Serial,
    /// Name of the profile.
    pub profile: String,
    /// For whom.
    pub subscriber: Subscriber,
    /// DER TBSCertificate: exactly the octets that will be signed.
    pub tbs_der: Vec<u8>,
    /// When.
    pub at: OffsetDateTime,
}

/// A signed certificate and what the register keeps with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// Identifier of the issuing authority in the register.
    pub issuer_id: String,
    /// Its serial number.
    pub serial: Serial,
    /// Name of the profile.
    pub profile: String,
    /// For whom.
    pub subscriber: Subscriber,
    /// The certificate, DER.
    pub der: Vec<u8>,
    /// SHA-256 of the DER.
    pub fingerprint: [u8; 32],
    /// SHA-256 of the `SubjectPublicKeyInfo`.
    pub public_key_sha256: [u8; 32],
    /// First second of validity.
    pub not_before: OffsetDateTime,
    /// Last second of validity.
    pub not_after: OffsetDateTime,
    /// When it was signed.
    pub issued_at: OffsetDateTime,
}

/// Why the record did not take something.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The serial number is already someone's. The ceremony draws another.
    #[error("serial number {serial} of issuer {issuer_id} is taken")]
    SerialTaken {
        /// The issuer.
        issuer_id: String,
        /// The number.
        serial: Serial,
    },
    /// No randomness to draw a serial number from.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// What was approved does not hold any more: a code was used, a terminal revoked meanwhile.
    /// Nothing was written.
    #[error("what the certificate was approved on does not hold any more")]
    NoLongerApproved,
    /// The issuer's own certificate was taken back: it signs nothing any more. The refusal is
    /// recorded, nothing else was written.
    #[error("authority {issuer_id} was revoked and issues no more certificates")]
    IssuerRevoked {
        /// The issuer.
        issuer_id: String,
    },
    /// Nothing was written, or it is not known whether it was: nothing may be signed.
    #[error("the record of certificates is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Octets of a serial number: RFC 5280 §4.1.2.2 allows up to 20.
const SERIAL_OCTETS: usize = 16;
/// Of them, what the numbers of a block have in common: a fixed positive one and seven random ones.
const BLOCK_OCTETS: usize = 8;

/// Draws a serial number: 16 octets, a fixed positive first one, the rest random.
///
/// 120 random bits never meet in practice, and if they do, another number is drawn.
///
/// # Errors
/// [`RandomnessError`].
pub fn draw_serial(rng: &dyn Randomness) -> Result<Serial, RandomnessError> {
    serial(draw_start(rng)?, rng)
}

/// Draws serial numbers that are to be used one after the other, the last of them first.
///
/// They are neighbours in every index of them, so that certificates which share a commit touch the
/// same pages: each has 64 random bits of its own behind 56 that the block has in common, and says
/// nothing of its neighbours.
///
/// # Errors
/// [`RandomnessError`].
pub fn draw_serial_block(
    number: usize,
    rng: &dyn Randomness,
) -> Result<Vec<Serial>, RandomnessError> {
    let start = draw_start(rng)?;
    let mut block = (0..number).map(|_| serial(start, rng)).collect::<Result<Vec<_>, _>>()?;
    block.sort_unstable_by(|one, other| other.cmp(one));
    Ok(block)
}

fn draw_start(rng: &dyn Randomness) -> Result<[u8; BLOCK_OCTETS], RandomnessError> {
    const FIRST_OCTET: u8 = 0x4b;
    let mut start = [FIRST_OCTET; BLOCK_OCTETS];
    rng.fill(&mut start[1..])?;
    Ok(start)
}

fn serial(start: [u8; BLOCK_OCTETS], rng: &dyn Randomness) -> Result<Serial, RandomnessError> {
    let mut octets = [0; SERIAL_OCTETS];
    octets[..BLOCK_OCTETS].copy_from_slice(&start);
    rng.fill(&mut octets[BLOCK_OCTETS..])?;
    Ok(Serial::from_octets(&octets).expect("16 octets, the first of which is not zero"))
}

/// How often another number is drawn when one is taken. Three random numbers taken in a row: the
/// generator repeats itself.
pub const DRAWS: usize = 3;

/// The durable memory of the authority.
///
/// Each method returns only when its effect is durable. Serial numbers may be reserved in blocks,
/// long before they are used. The intention and the certificate cannot share a commit: between
/// them lies the signature, and power may fail there without a certificate existing that nobody
/// knows of.
#[async_trait]
pub trait Record: Send + Sync {
    /// Hands out a serial number that is set aside for ever and was never handed out before.
    ///
    /// # Errors
    /// [`RecordError::SerialTaken`] if [`DRAWS`] drawn numbers were taken,
    /// [`RecordError::Randomness`], [`RecordError::Unavailable`].
    async fn next_serial(
        &self,
        issuer_id: &str,
        rng: &dyn Randomness,
        at: OffsetDateTime,
    ) -> Result<Serial, RecordError> {
        let mut draws = 0;
        loop {
            draws += 1;
            let serial = draw_serial(rng)?;
            match self.reserve_serial(issuer_id, &serial, at).await {
                Ok(()) => return Ok(serial),
                Err(RecordError::SerialTaken { .. }) if draws < DRAWS => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sets a serial number aside for ever.
    ///
    /// # Errors
    /// [`RecordError::SerialTaken`] if another reservation has it, [`RecordError::Unavailable`].
    async fn reserve_serial(
        &self,
        issuer_id: &str,
        serial: &Serial,
        at: OffsetDateTime,
    ) -> Result<(), RecordError>;

    /// Writes down what will be signed next.
    ///
    /// # Errors
    /// [`RecordError::NoLongerApproved`], [`RecordError::IssuerRevoked`],
    /// [`RecordError::Unavailable`].
    async fn record_intention(&self, intention: &Intention) -> Result<(), RecordError>;

    /// Writes down what was signed.
    ///
    /// # Errors
    /// [`RecordError::Unavailable`]: the certificate must not be given out; the intention tells
    /// that it may exist.
    async fn record_certificate(&self, certificate: &IssuedCertificate) -> Result<(), RecordError>;
}

/// A record in memory: for the first ceremony, whose keys are in memory too, and for tests.
#[derive(Debug, Default)]
pub struct MemoryRecord {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    serials: Vec<(String, Serial)>,
    intentions: Vec<Intention>,
    certificates: Vec<IssuedCertificate>,
}

impl MemoryRecord {
    /// What was about to be signed, in order.
    #[must_use]
    pub fn intentions(&self) -> Vec<Intention> {
        self.kept().intentions.clone()
    }

    /// What was signed, in order.
    #[must_use]
    pub fn certificates(&self) -> Vec<IssuedCertificate> {
        self.kept().certificates.clone()
    }

    /// The serial numbers set aside, with their issuers.
    #[must_use]
    pub fn serials(&self) -> Vec<(String, Serial)> {
        self.kept().serials.clone()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Nothing panics while the lock is held: each use pushes to or copies a list.
        self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl Record for MemoryRecord {
    async fn reserve_serial(
        &self,
        issuer_id: &str,
        serial: &Serial,
        _at: OffsetDateTime,
    ) -> Result<(), RecordError> {
        let entry = (issuer_id.to_owned(), serial.clone());
        let mut kept = self.kept();
        if kept.serials.contains(&entry) {
            return Err(RecordError::SerialTaken { issuer_id: entry.0, serial: entry.1 });
        }
        kept.serials.push(entry);
        Ok(())
    }

    async fn record_intention(&self, intention: &Intention) -> Result<(), RecordError> {
        self.kept().intentions.push(intention.clone());
        Ok(())
    }

    async fn record_certificate(&self, certificate: &IssuedCertificate) -> Result<(), RecordError> {
        self.kept().certificates.push(certificate.clone());
        Ok(())
    }
}
