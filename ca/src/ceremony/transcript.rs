//! The transcript of a ceremony: what was signed, in what order, with the hash of each result; a
//! JWS (RFC 7515 §7.2.1, general JSON serialisation) with one signature by each key that signed.
//!
//! Whoever has the reviewed hash and the result's folder can verify it alone: the statement holds
//! the public keys, the hash covers the statement, the transcript names both.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sekisho_key::{KeyError, SignatureAlgorithm, ecdsa_signature_to_der};
use sekisho_pki::signature;
use sekisho_wire::typ;
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Jws {
    payload: String,
    signatures: Vec<JwsSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JwsSignature {
    protected: String,
    signature: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    /// The key's name in the statement.
    kid: String,
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
    let encoded = |json: serde_json::Result<Vec<u8>>| {
        json.map(|json| URL_SAFE_NO_PAD.encode(json))
            .map_err(|_| TranscriptError::Malformed("it has no JSON form"))
    };
    let payload = encoded(serde_json::to_vec(&transcript))?;
    let mut signatures = Vec::new();
    for name in signers(statement) {
        let refused = |source| TranscriptError::Sign { name: name.to_owned(), source };
        let key = keys.get(name).ok_or_else(|| TranscriptError::Signers(name.to_owned()))?;
        let protected = encoded(serde_json::to_vec(&Header {
            alg: key.algorithm().jws_alg().to_owned(),
            typ: typ::CEREMONY_TRANSCRIPT.to_owned(),
            kid: name.to_owned(),
        }))?;
        let input = format!("{protected}.{payload}");
        let signature = key.sign_fixed(input.as_bytes()).await.map_err(refused)?;
        signatures.push(JwsSignature { protected, signature: URL_SAFE_NO_PAD.encode(signature) });
    }
    serde_json::to_string_pretty(&Jws { payload, signatures })
        .map(|json| json + "\n")
        .map_err(|_| TranscriptError::Malformed("it has no JSON form"))
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
    let malformed = TranscriptError::Malformed;
    let jws: Jws =
        serde_json::from_slice(transcript).map_err(|_| malformed("not a JWS in JSON"))?;
    let mut missing = signers(statement);
    for signature in &jws.signatures {
        let name = verify_signature(&jws.payload, signature, statement)?;
        let at = missing.iter().position(|signer| *signer == name);
        missing.remove(at.ok_or(TranscriptError::Signers(name))?);
    }
    if let Some(name) = missing.first() {
        return Err(TranscriptError::Signers((*name).to_owned()));
    }
    let transcript: Transcript = decoded(&jws.payload)?;
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

/// Answers the name of the key whose signature holds.
fn verify_signature(
    payload: &str,
    signature: &JwsSignature,
    statement: &Statement,
) -> Result<String, TranscriptError> {
    let Header { alg, typ, kid } = decoded(&signature.protected)?;
    let spki_der =
        statement.public_key(&kid).ok_or_else(|| TranscriptError::Signers(kid.clone()))?;
    let invalid = || TranscriptError::Signature(kid.clone());
    // By the key's kind, never by what the object says of itself (RFC 8725 §3.1).
    let algorithm = SignatureAlgorithm::of_public_key(spki_der).map_err(|_| invalid())?;
    if alg != algorithm.jws_alg() || typ != typ::CEREMONY_TRANSCRIPT {
        return Err(invalid());
    }
    let octets = URL_SAFE_NO_PAD.decode(&signature.signature).map_err(|_| invalid())?;
    let octets = match algorithm.ecdsa_element_octets() {
        Some(element) if octets.len() == 2 * element => {
            ecdsa_signature_to_der(&octets).map_err(|_| invalid())?
        }
        Some(_) => return Err(invalid()),
        None => octets,
    };
    let input = format!("{}.{payload}", signature.protected);
    signature::verify(spki_der, &algorithm.identifier(), input.as_bytes(), &octets)
        .map_err(|_| invalid())?;
    Ok(kid)
}

fn decoded<T: serde::de::DeserializeOwned>(base64url: &str) -> Result<T, TranscriptError> {
    let json = URL_SAFE_NO_PAD
        .decode(base64url)
        .map_err(|_| TranscriptError::Malformed("not base64url"))?;
    serde_json::from_slice(&json).map_err(|_| TranscriptError::Malformed("unknown content"))
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

fn sha256_hex(octets: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, octets))
}
