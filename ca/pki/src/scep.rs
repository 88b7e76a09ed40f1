//! Messages of the Simple Certificate Enrolment Protocol (RFC 8894): a CMS SignedData with SCEP's
//! attributes around a CMS EnvelopedData around what is asked or answered.
//!
//! 1. [`UnverifiedMessage::parse`]: shape and attributes, nothing proven;
//! 2. [`UnverifiedMessage::verify`]: the signature of the certificate that lies in the message. Whose
//!    certificate that is, is for the caller to judge: a stranger's is self-signed (RFC 8894 §2.3);
//! 3. [`Envelope`]: whom it is encrypted for, and opening it;
//! 4. [`request`]: the challenge password of a PKCS #10 request, and what polls and look-ups name;
//! 5. [`Reply`]: the way back.
//!
//! No private key is here: whoever holds it unwraps the content's key and signs the attributes. Read
//! are BER and DER (RFC 5652 §5.1), written is DER.

mod algorithm;
mod attributes;
mod envelope;
mod message;
mod reply;
pub mod request;

pub use algorithm::{Cipher, Weakness};
pub use attributes::{Attributes, FailInfo, MessageType, PkiStatus};
pub use envelope::{Envelope, Recipient, SealError, seal};
pub use message::{UnverifiedMessage, VerifiedMessage};
pub use reply::{MessageToSign, Reply};

use crate::{encoding::tlv, signature::SignatureError};

/// Longest message that is looked at. One with an RSA-4096 key and its self-signed certificate has
/// about 6 KiB.
pub const MOST_OCTETS: usize = 64 * 1024;

/// Why a message is not taken. None of them depends on a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageFault {
    /// Longer than [`MOST_OCTETS`].
    #[error("the message is longer than {MOST_OCTETS} octets")]
    TooLong,
    /// Not what CMS and SCEP want at this place.
    #[error("the message is not a SCEP pkiMessage (RFC 8894 section 3.2): {0}")]
    Malformed(#[from] tlv::Malformed),
    /// A signed attribute that is missing, stands twice or has another form.
    #[error("the signed attribute {0} is missing or not as RFC 8894 section 3.2.1 wants it")]
    Attribute(&'static str),
    /// None of the certificates in the message is the signer's.
    #[error("the signer's certificate is not in the message (RFC 8894 section 3.2)")]
    NoCertificate,
    /// An algorithm that is never taken: MD5, RC2, a key transport other than RSA …
    #[error("algorithm {0} is not accepted here; use SHA-256, AES and RSA (RFC 8894 section 2.9)")]
    Algorithm(String),
    /// The digest in the attributes is of another content.
    #[error("the message's digest is not that of its content")]
    Digest,
    /// The signature does not hold.
    #[error("the message's signature does not count")]
    Signature(#[source] SignatureError),
}

#[cfg(test)]
mod tests;
