//! Messages of the Certificate Management Protocol (RFC 9810) with the requests of RFC 4211 in them.
//!
//! 1. [`Message::parse`]: frame and header, nothing proven; what was protected is kept as it came;
//! 2. [`Protection`]: by which algorithm, and whether a secret or a key made it;
//! 3. [`body`] and [`crmf`]: what is asked for;
//! 4. [`Reply`]: the way back.
//!
//! No private key is here. Everything is DER, and what follows it is refused.

pub mod body;
pub mod crmf;
mod message;
mod protection;
mod status;

pub use message::{BodyKind, Header, InfoTypeAndValue, Message, Reply};
pub use protection::{Hash, MacParameters, Protection, ProtectionFault};
pub use status::{FailInfo, PkiStatus, StatusInfo};

/// Longest message that is looked at. One with an RSA-4096 key, its certificate and a chain has under 16 KiB.
pub const MOST_OCTETS: usize = 64 * 1024;

/// Why a message is not taken. None of them depends on a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageFault {
    /// Longer than [`MOST_OCTETS`].
    #[error("the message is longer than {MOST_OCTETS} octets")]
    TooLong,
    /// Not what RFC 9810 wants at this place.
    #[error("{what} is not as RFC 9810 wants it, in DER")]
    Malformed {
        /// Which part.
        what: &'static str,
        /// What the decoder says.
        #[source]
        source: der::Error,
    },
    /// More members than are looked at.
    #[error("{what} has more than {most} members")]
    TooMany {
        /// Which part.
        what: &'static str,
        /// How many are.
        most: usize,
    },
    /// One is due, and one alone is taken.
    #[error("{what}: exactly one is taken in a message (RFC 9483 section 4.1)")]
    NotOne {
        /// Which part.
        what: &'static str,
    },
}

fn malformed(what: &'static str) -> impl FnOnce(der::Error) -> MessageFault {
    move |source| MessageFault::Malformed { what, source }
}

#[cfg(test)]
mod tests;
