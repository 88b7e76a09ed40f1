//! The live run: the steps that were reviewed, those and no others.
//!
//! For each step, in the order of the statement:
//! 1. if an earlier run left its result, that is verified and taken: nothing is signed twice;
//! 2. else the octets, linted when the ceremony was prepared, are written down durably;
//! 3. signed by the issuer's key, and the signature is verified;
//! 4. the result is written down durably.
//!
//! Then the transcript is signed by each key that took part. Power may fail after any of these:
//! the same command goes on where it stopped. A step that had been signed but not written down is
//! signed again over the same octets, with the same serial number: what was lost has never left
//! this host, and says the same.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use sekisho_key::SigningKey;
use sekisho_pki::encoding::serial::Serial;
use time::{Duration, OffsetDateTime};

use super::{
    Ceremony,
    prepare::Prepared,
    statement::{Statement, Step},
    transcript::{self, TranscriptError, TranscriptStep},
};
use crate::{
    issuance::{IssuanceError, is_signed},
    record::{Intention, IssuedCertificate, Record, RecordError},
    revocation::crl::CrlError,
};

/// How far the plan's moment may lie from the host's clock. Further away one of the two is wrong:
/// a safe's computer has no time server.
pub const MOST_DISTANCE: Duration = Duration::days(30);

/// What must be durable before the next step. Each method returns only then.
pub trait Journal: Send + Sync {
    /// The result that an earlier run left of this step, DER.
    ///
    /// # Errors
    /// [`JournalError`]: not knowing must not read as "none".
    fn find(&self, step: &Step) -> Result<Option<Vec<u8>>, JournalError>;

    /// Writes down what is about to be signed.
    ///
    /// # Errors
    /// [`JournalError`]: it must not be signed.
    fn intend(&self, step: &Step) -> Result<(), JournalError>;

    /// Writes down what was signed, DER.
    ///
    /// # Errors
    /// [`JournalError`]: the ceremony stops; the next run signs the step anew.
    fn keep(&self, step: &Step, der: &[u8]) -> Result<(), JournalError>;
}

/// The journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the journal of the ceremony cannot be used")]
pub struct JournalError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// What the operators see of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Its key is asked now; a token may want to be touched.
    Signing,
    /// Signed and written down.
    Signed,
    /// An earlier run had done it.
    Found,
}

/// Why the ceremony stopped. What was signed until then is in the journal.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Not what was reviewed.
    #[error(
        "the hash of what would be signed is {}, not {}: nothing was signed; make a dry run, \
         compare, review again",
        hex::encode(found),
        hex::encode(expected)
    )]
    OtherHash {
        /// Of the plan as it lies here.
        found: [u8; 32],
        /// As given by the operators.
        expected: [u8; 32],
    },
    /// The clock or the plan is wrong.
    #[error("the plan begins at {at} and the clock says {now}: set the clock, or plan anew")]
    Clock {
        /// The plan's moment.
        at: OffsetDateTime,
        /// The host's.
        now: OffsetDateTime,
    },
    /// Too late.
    #[error("what would be signed has ended at {0}: plan anew")]
    Stale(OffsetDateTime),
    /// A key that signs is not there.
    #[error("key `{0}` signs in this ceremony and was not given")]
    NoKey(String),
    /// A private key that is not the public one's.
    #[error("the private key `{0}` does not belong to the public key that was reviewed")]
    OtherKey(String),
    /// A file where the step's result should be.
    #[error("step {number}: {file} is there and is not what this step signs; nothing was replaced")]
    Foreign {
        /// Which step.
        number: usize,
        /// Its file.
        file: String,
    },
    /// A certificate.
    #[error("step {number} failed")]
    Certificate {
        /// Which step.
        number: usize,
        /// Why.
        #[source]
        source: IssuanceError,
    },
    /// A list.
    #[error("step {number} failed")]
    Crl {
        /// Which step.
        number: usize,
        /// Why.
        #[source]
        source: CrlError,
    },
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The transcript.
    #[error("everything is signed but the transcript; run the same command again")]
    Transcript(#[from] TranscriptError),
}

/// The private keys that sign, by their names in the plan.
pub type Keys = BTreeMap<String, Arc<dyn SigningKey>>;

/// What a ceremony made.
#[derive(Debug)]
pub struct Outcome {
    /// What was signed.
    pub statement: Statement,
    /// A result for each step, in order.
    pub results: Vec<Made>,
    /// The transcript, a JWS in JSON.
    pub transcript: String,
}

/// The result of a step.
#[derive(Debug, Clone)]
pub struct Made {
    /// The certificate or list, DER.
    pub der: Vec<u8>,
    /// What the register keeps of a certificate; `None` for a list.
    pub certificate: Option<IssuedCertificate>,
    /// Whether an earlier run had made it.
    pub found: bool,
}

/// Who runs it, and how far it has come.
pub struct Live<'a> {
    /// The hash that was reviewed.
    pub reviewed_hash: [u8; 32],
    /// Who sits at the keyboard, for the transcript.
    pub operator: &'a str,
    /// The host's clock, when the run began.
    pub now: OffsetDateTime,
    /// What is durable.
    pub journal: &'a dyn Journal,
    /// Told before and after each step.
    pub progress: &'a (dyn Fn(&Step, Progress) + Sync),
}

impl Ceremony {
    /// Signs what was reviewed.
    ///
    /// # Errors
    /// [`RunError`]. Run it again when the cause is gone: it goes on where it stopped.
    pub async fn run(self, keys: &Keys, live: &Live<'_>) -> Result<Outcome, RunError> {
        self.check(keys, live)?;
        let Self { statement, drafts, .. } = self;
        let mut results = Vec::with_capacity(drafts.len());
        for (step, prepared) in statement.steps().iter().zip(drafts) {
            // `check` has found it.
            let key = keys.get(&step.key).ok_or_else(|| RunError::NoKey(step.key.clone()))?;
            let made = match live.journal.find(step)? {
                Some(der) => {
                    let made = take(step, prepared, key.public_key_der(), der, live.now)?;
                    (live.progress)(step, Progress::Found);
                    made
                }
                None => {
                    (live.progress)(step, Progress::Signing);
                    let made = sign(step, prepared, &**key, live).await?;
                    (live.progress)(step, Progress::Signed);
                    made
                }
            };
            results.push(made);
        }
        let steps = statement.steps().iter().zip(&results);
        let steps = steps.map(|(step, made)| TranscriptStep::of(step, &made.der, made.found));
        let transcript =
            transcript::sign(&statement, steps.collect(), live.operator, live.now, keys).await?;
        Ok(Outcome { statement, results, transcript })
    }

    /// Everything that can be known before the first signature.
    fn check(&self, keys: &Keys, live: &Live<'_>) -> Result<(), RunError> {
        let found = self.statement.hash();
        if found != live.reviewed_hash {
            return Err(RunError::OtherHash { found, expected: live.reviewed_hash });
        }
        if (live.now - self.at).abs() > MOST_DISTANCE {
            return Err(RunError::Clock { at: self.at, now: live.now });
        }
        if live.now >= self.stale_at {
            return Err(RunError::Stale(self.stale_at));
        }
        for step in self.statement.steps() {
            let key = keys.get(&step.key).ok_or_else(|| RunError::NoKey(step.key.clone()))?;
            if self.statement.public_key(&step.key) != Some(key.public_key_der()) {
                return Err(RunError::OtherKey(step.key.clone()));
            }
        }
        Ok(())
    }
}

/// 1
fn take(
    step: &Step,
    prepared: Prepared,
    signer_spki_der: &[u8],
    der: Vec<u8>,
    at: OffsetDateTime,
) -> Result<Made, RunError> {
    let foreign = || RunError::Foreign { number: step.number, file: step.file.clone() };
    let certificate = match prepared {
        Prepared::Certificate(draft) => {
            Some(draft.made_earlier(der.clone(), at).ok_or_else(foreign)?)
        }
        Prepared::Crl(list) if is_signed(signer_spki_der, list.tbs_der(), &der) => None,
        Prepared::Crl(_) => return Err(foreign()),
    };
    Ok(Made { der, certificate, found: true })
}

/// 2 to 4
async fn sign(
    step: &Step,
    prepared: Prepared,
    key: &dyn SigningKey,
    live: &Live<'_>,
) -> Result<Made, RunError> {
    match prepared {
        Prepared::Certificate(draft) => {
            let record = StepRecord { step, journal: live.journal };
            let certificate = draft
                .sign(key, &record, live.now)
                .await
                .map_err(|source| RunError::Certificate { number: step.number, source })?;
            let der = certificate.der.clone();
            Ok(Made { der, certificate: Some(certificate), found: false })
        }
        Prepared::Crl(list) => {
            live.journal.intend(step)?;
            let failed = |source| RunError::Crl { number: step.number, source };
            let frame = list.sign(key).await.map_err(failed)?;
            let der = list.whole(frame);
            live.journal.keep(step, &der)?;
            Ok(Made { der, certificate: None, found: false })
        }
    }
}

/// The journal as the issuance sees it.
struct StepRecord<'a> {
    step: &'a Step,
    journal: &'a dyn Journal,
}

#[async_trait]
impl Record for StepRecord<'_> {
    /// Never asked for: the numbers stand in the statement, and an authority that would draw one
    /// here would sign what nobody reviewed.
    async fn reserve_serial(
        &self,
        issuer_id: &str,
        serial: &Serial,
        _at: OffsetDateTime,
    ) -> Result<(), RecordError> {
        Err(RecordError::SerialTaken { issuer_id: issuer_id.to_owned(), serial: serial.clone() })
    }

    async fn record_intention(&self, _intention: &Intention) -> Result<(), RecordError> {
        self.journal.intend(self.step).map_err(|error| RecordError::Unavailable(error.into()))
    }

    async fn record_certificate(&self, certificate: &IssuedCertificate) -> Result<(), RecordError> {
        self.journal
            .keep(self.step, &certificate.der)
            .map_err(|error| RecordError::Unavailable(error.into()))
    }
}
