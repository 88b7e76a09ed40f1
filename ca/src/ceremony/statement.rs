//! Everything that a ceremony would sign, octet by octet, and its hash.
//!
//! The hash covers what is signed, never a signature: ECDSA signatures differ each time, the
//! octets below them do not. Two people who review a plan on two computers compare one number.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD};
use der::Decode;
use sekisho_key::{KeyError, SignatureAlgorithm};
use sekisho_pki::encoding::signed_object::assemble;
use sekisho_wire::domain;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The version of the JSON shape.
pub const FORMAT: u32 = 1;

/// What would be signed, in the order of signing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    format: u32,
    title: String,
    keys: Vec<StatedKey>,
    steps: Vec<Step>,
}

/// A key that signs or is certified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedKey {
    /// Its name in the plan.
    pub name: String,
    /// DER `SubjectPublicKeyInfo`; base64 in JSON.
    #[serde(rename = "public_key_b64", serialize_with = "write", deserialize_with = "read")]
    pub public_key_der: Vec<u8>,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Counted from 1.
    pub number: usize,
    /// What is signed.
    pub act: Act,
    /// The authority that signs.
    pub issuer: String,
    /// Name of its key.
    pub key: String,
    /// File that the result is written to.
    pub file: String,
    /// `TBSCertificate` or `TBSCertList`, DER; base64 in JSON.
    #[serde(rename = "tbs_b64", serialize_with = "write", deserialize_with = "read")]
    pub tbs_der: Vec<u8>,
}

/// What a step signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// A certificate.
    Certificate {
        /// Name of its profile.
        profile: String,
        /// The authority that it is of, or whose OCSP responder it is of.
        subject: String,
    },
    /// A CRL.
    Crl {
        /// Its number.
        number: u64,
    },
}

/// Why a file is no statement.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// Not the JSON of one.
    #[error("the statement cannot be read")]
    Json(#[from] serde_json::Error),
    /// Of another release.
    #[error("the statement has format {0}, this program reads {FORMAT}")]
    Format(u32),
    /// Steps that do not count from 1, or name a key that is not there.
    #[error("step {0} of the statement does not belong where it stands")]
    Step(usize),
    /// A key that signs and cannot.
    #[error("key `{name}` is of no kind that signs here")]
    Key {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: KeyError,
    },
}

impl Statement {
    pub(super) fn new(title: &str, keys: Vec<StatedKey>, steps: Vec<Step>) -> Self {
        Self { format: FORMAT, title: title.to_owned(), keys, steps }
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn from_json(json: &[u8]) -> Result<Self, StatementError> {
        let statement: Self = serde_json::from_slice(json)?;
        if statement.format != FORMAT {
            return Err(StatementError::Format(statement.format));
        }
        for (index, step) in statement.steps.iter().enumerate() {
            let misplaced = step.number != index + 1 || !is_file_name(&step.file);
            if misplaced || statement.public_key(&step.key).is_none() {
                return Err(StatementError::Step(index + 1));
            }
            statement.algorithm(step)?;
        }
        Ok(statement)
    }

    /// Writes JSON, indented, which ends with a line feed.
    ///
    /// # Errors
    /// [`StatementError::Json`]: never for a statement.
    pub fn to_json(&self) -> Result<String, StatementError> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// The plan's title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The keys, in the plan's order.
    #[must_use]
    pub fn keys(&self) -> &[StatedKey] {
        &self.keys
    }

    /// The signatures, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The public key of this name, DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_key(&self, name: &str) -> Option<&[u8]> {
        let key = self.keys.iter().find(|key| key.name == name)?;
        Some(&key.public_key_der)
    }

    /// What a step is signed with.
    ///
    /// # Errors
    /// [`StatementError::Key`], [`StatementError::Step`].
    pub fn algorithm(&self, step: &Step) -> Result<SignatureAlgorithm, StatementError> {
        let spki = self.public_key(&step.key).ok_or(StatementError::Step(step.number))?;
        SignatureAlgorithm::of_public_key(spki)
            .map_err(|source| StatementError::Key { name: step.key.clone(), source })
    }

    /// The object of a step with a signature of zeros: for looking at it, for nothing else.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn specimen(&self, step: &Step) -> Result<Vec<u8>, StatementError> {
        let algorithm = self.algorithm(step)?.identifier();
        assemble(&step.tbs_der, algorithm, &[0; 8]).map_err(|_| StatementError::Step(step.number))
    }

    /// SHA-256 over a domain tag and every part, each with its length before it: no two statements
    /// have the same octets.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut digest = Digest::new(domain::CEREMONY);
        digest.text(&self.title).number(self.keys.len());
        for key in &self.keys {
            digest.text(&key.name).octets(&key.public_key_der);
        }
        digest.number(self.steps.len());
        for step in &self.steps {
            match &step.act {
                Act::Certificate { profile, subject } => {
                    digest.text("certificate").text(profile).text(subject);
                }
                Act::Crl { number } => {
                    digest.text("crl").text(&number.to_string());
                }
            }
            digest.text(&step.issuer).text(&step.key).text(&step.file).octets(&step.tbs_der);
        }
        digest.finish()
    }
}

/// A hash over parts that cannot run into each other.
pub(super) struct Digest(digest::Context);

impl Digest {
    pub(super) fn new(domain: &[u8]) -> Self {
        let mut digest = Self(digest::Context::new(&digest::SHA256));
        digest.octets(domain);
        digest
    }

    pub(super) fn octets(&mut self, octets: &[u8]) -> &mut Self {
        self.number(octets.len());
        self.0.update(octets);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.octets(text.as_bytes())
    }

    fn number(&mut self, number: usize) -> &mut Self {
        // usize has at most 64 bits wherever this runs.
        self.0.update(&(number as u64).to_be_bytes());
        self
    }

    pub(super) fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        out
    }
}

/// A name and no path: what it names is written into one folder.
fn is_file_name(file: &str) -> bool {
    let simple = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !file.is_empty() && !file.starts_with('.') && file.bytes().all(simple)
}

fn write<S: Serializer>(der: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(der))
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let der = STANDARD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)?;
    der::Any::from_der(&der).map_err(de::Error::custom)?;
    Ok(der)
}
