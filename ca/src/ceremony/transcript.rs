//! The transcript of a ceremony: what was signed, in what order, with the hash of each result; a
//! JWS with one signature by each key that signed.
//!
//! Whoever has the reviewed hash and the result's folder can verify it alone: the statement holds
//! the public keys, the hash covers the statement, the transcript names both.

use aws_lc_rs::digest;
use sekisho_key::{KeyError, SigningKey};
use sekisho_wire::typ;
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    jws,
    run::Keys,
    statement::{Statement, Step},
};
use crate::issuance::is_signed;

/// What the signatures cover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transcript {
    format: u32,
    /// The plan's title.
    pub title: String,
    /// The hash that was reviewed, hexadecimal.
    pub statement_sha256: String,
    /// Who sat at the keyboard, as far as the system tells.
    pub operator: String,
    /// When the run that finished it began, RFC 3339, by the host's clock.
    pub at: String,
    /// The program that signed.
    pub program: String,
    /// The steps, in order.
    pub steps: Vec<TranscriptStep>,
}

/// One signature of the ceremony.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranscriptStep {
    /// Counted from 1.
    pub number: usize,
    /// The result's file.
    pub file: String,
    /// SHA-256 of the result's DER, hexadecimal.
    pub sha256: String,
    /// Whether an earlier, interrupted run had made it.
    pub found: bool,
}

impl TranscriptStep {
    pub(super) fn of(step: &Step, der: &[u8], found: bool) -> Self {
        Self { number: step.number, file: step.file.clone(), sha256: sha256_hex(der), found }
    }
}

/// Why there is no transcript, or none that counts.
#[derive(Debug, thiserror::Error)]
pub enum TranscriptError {
    /// A key did not sign.
    #[error("key `{name}` did not sign the transcript")]
    Sign {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// The clock's time has no RFC 3339 form.
    #[error("the time of the run cannot be written")]
    Time,
    /// Not the JSON or base64url of one.
    #[error("the transcript cannot be read: {0}")]
    Malformed(&'static str),
    /// Not one signature by each key that signs in the statement.
    #[error("the transcript is not signed by exactly the keys of the ceremony: {0}")]
    Signers(String),
    /// A signature that does not hold.
    #[error("the transcript was changed, or key `{0}` has not signed it")]
    Signature(String),
    /// It tells of another statement.
    #[error("the transcript is of another ceremony than the statement")]
    OtherStatement,
    /// A result that the transcript does not tell of, or tells otherwise of.
    #[error("{file} is not what the transcript says")]
    OtherResult {
        /// Which.
        file: String,
    },
    /// A result that is not the step of the statement, or not signed by its key.
    #[error("{file} is not what the statement says, or is not signed by its issuer's key")]
    NotOfStatement {
        /// Which.
        file: String,
    },
}

pub(super) async fn sign(
    statement: &Statement,
    steps: Vec<TranscriptStep>,
    operator: &str,
    at: OffsetDateTime,
    keys: &Keys,
) -> Result<String, TranscriptError> {
    let transcript = Transcript {
        format: super::statement::FORMAT,
        title: statement.title().to_owned(),
        statement_sha256: hex::encode(statement.hash()),
        operator: operator.to_owned(),
        at: at.format(&Rfc3339).map_err(|_| TranscriptError::Time)?,
        program: concat!("sekisho-ca ", env!("CARGO_PKG_VERSION")).to_owned(),
        steps,
    };
    let mut signing: Vec<(&str, &dyn SigningKey)> = Vec::new();
    for name in signers(statement) {
        let key = keys.get(name).ok_or_else(|| TranscriptError::Signers(name.to_owned()))?;
        signing.push((name, &**key));
    }
    jws::sign(&transcript, typ::CEREMONY_TRANSCRIPT, signing).await
}

/// Verifies a transcript by the keys of its statement, and the results by both. Whether the
/// statement is the one that was reviewed is for its hash to say.
///
/// `results` are DER, one for each step.
///
/// # Errors
/// [`TranscriptError`]: the first thing that does not fit.
pub fn verify(
    transcript: &[u8],
    statement: &Statement,
    results: &[Vec<u8>],
) -> Result<Transcript, TranscriptError> {
    let signers = signers(statement)
        .into_iter()
        .map(|name| (name, statement.public_key(name).unwrap_or_default()))
        .collect();
    let transcript: Transcript = jws::verify(transcript, typ::CEREMONY_TRANSCRIPT, signers)?;
    if transcript.statement_sha256 != hex::encode(statement.hash())
        || transcript.title != statement.title()
        || transcript.steps.len() != statement.steps().len()
        || results.len() != statement.steps().len()
    {
        return Err(TranscriptError::OtherStatement);
    }
    for ((step, told), der) in statement.steps().iter().zip(&transcript.steps).zip(results) {
        let file = || step.file.clone();
        let same = TranscriptStep::of(step, der, told.found) == *told;
        if !same {
            return Err(TranscriptError::OtherResult { file: file() });
        }
        let signer = statement.public_key(&step.key).unwrap_or_default();
        if !is_signed(signer, &step.tbs_der, der) {
            return Err(TranscriptError::NotOfStatement { file: file() });
        }
    }
    Ok(transcript)
}

/// Names of the keys that sign something, each once, in the order of the statement.
fn signers(statement: &Statement) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for step in statement.steps() {
        if !names.contains(&step.key.as_str()) {
            names.push(&step.key);
        }
    }
    names
}

pub(super) fn sha256_hex(octets: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, octets))
}
