//! The trait and what can go wrong behind it.

use async_trait::async_trait;
use const_oid::ObjectIdentifier;

use crate::SignatureAlgorithm;

/// A private key that signs, wherever it lies.
///
/// Async, because a token or a signing process answers in milliseconds and more; batchable,
/// because some of them are much faster with many messages in one session.
#[async_trait]
pub trait SigningKey: Send + Sync + std::fmt::Debug {
    /// The public half as DER `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7).
    fn public_key_der(&self) -> &[u8];

    /// What [`Self::sign`] signs with.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// Signs `message` (the digest is taken here) in the form that X.509 wants: DER
    /// `ECDSA-Sig-Value` (RFC 5480 appendix A), or the RSA signature's octets.
    ///
    /// # Errors
    /// [`KeyError`]: nothing was signed, as far as we know.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// Signs several messages; the answer has the same length and order.
    ///
    /// # Errors
    /// The first failure; signatures already made are dropped.
    async fn sign_batch(&self, messages: &[&[u8]]) -> Result<Vec<Vec<u8>>, KeyError> {
        let mut signatures = Vec::with_capacity(messages.len());
        for message in messages {
            signatures.push(self.sign(message).await?);
        }
        Ok(signatures)
    }

    /// Signs in the form that JWS wants: `R || S` of fixed length for ECDSA (RFC 7518 §3.4), the
    /// RSA signature's octets otherwise (§3.3).
    ///
    /// # Errors
    /// As [`Self::sign`].
    async fn sign_fixed(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.algorithm().fixed(self.sign(message).await?)
    }
}

/// Why a key could not be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The bytes are not a key.
    #[error("the bytes are not a key that we can read")]
    MalformedKey(#[source] spki::Error),
    /// The bytes are a PKCS #8 private key, but its inside is not valid.
    #[error("the private key was rejected: {reason}")]
    RejectedKey {
        /// What the cryptographic library said.
        reason: String,
    },
    /// A kind of key that we do not sign with.
    #[error("keys of kind {oid} are not supported; use P-256, P-384 or RSA")]
    UnsupportedKeyKind {
        /// The key's algorithm, or its curve.
        oid: ObjectIdentifier,
    },
    /// The file is no `ENCRYPTED PRIVATE KEY` in PEM.
    #[error("the file holds no encrypted private key (PEM label ENCRYPTED PRIVATE KEY)")]
    NotAnEncryptedKey,
    /// The encryption of the file is none that we read.
    #[error(
        "the key file's encryption is not supported: {what}; convert it with \
         `openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256`"
    )]
    UnsupportedEncryption {
        /// The part that we do not know or that is out of bounds.
        what: &'static str,
    },
    /// The passphrase does not open the file, or the file is damaged: the two cannot be told
    /// apart.
    #[error("the passphrase does not open the key file")]
    WrongPassphrase,
    /// The library could not make a key or a signature.
    #[error("the cryptographic library failed to {act}")]
    Cryptography {
        /// What was tried.
        act: &'static str,
    },
    /// An ECDSA signature with impossible values.
    #[error("the ECDSA signature is not well formed")]
    MalformedSignature,
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] crate::RandomnessError),
    /// The token or the path to it failed.
    #[error("the token failed to {act}")]
    Token {
        /// What was tried.
        act: &'static str,
        /// What the token said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No token of that label.
    #[error("no or more than one token is labelled `{label}`; see `pkcs11-tool --list-slots`")]
    NoToken {
        /// The label that was configured.
        label: String,
    },
    /// The token does not hold that key, or holds several under that label.
    #[error("the token `{token}` holds no or more than one {what} labelled `{label}`")]
    KeyNotOnToken {
        /// Label of the token.
        token: String,
        /// Private or public key.
        what: &'static str,
        /// Label of the key.
        label: String,
    },
    /// The signing process cannot be reached, does not answer, or cannot sign at the moment.
    #[error("the signing process behind {} does not sign now; is `sekisho signer` running?", socket.display())]
    SignerAway {
        /// Where it should be.
        socket: std::path::PathBuf,
        /// What was met there.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The signing process will not sign this.
    #[error("the signing process refused: {reason}")]
    SignerRefused {
        /// What it said.
        reason: String,
    },
}
