//! The keys that sign tokens for services and login requests for agents: each is published before it
//! signs, is followed by another by command or by the clock, and stays published until nothing that it
//! signed can count any more.
//!
//! They lie in the register, sealed, so that all processes of an instance have the same ones and a
//! rotation is one transaction with its record (decisions 0026 and 0055).

mod key;
mod ring;
mod rotation;

use sekisho_key::{KeyError, RandomnessError};
use sekisho_store::{MayConflict, StoreError};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::sealing::SealingError;

pub use ring::OwnKeys;
pub use rotation::{Manner, Rotation, keep_up, take_over};

/// Why nothing can be signed, or keys not be changed.
#[derive(Debug, thiserror::Error)]
pub enum OwnKeyError {
    /// No key of the algorithm signs now.
    #[error("no key signs now")]
    NoKey,
    /// The key could not be made or did not sign.
    #[error("a key of this instance failed")]
    Key(#[from] KeyError),
    /// What is sealed does not open.
    #[error("a key of the register cannot be opened; database and folder must be of one instance")]
    Sealed(#[from] SealingError),
    /// What stands in the register is no such key.
    #[error("the key `{kid}` of the register does not read back")]
    Unreadable {
        /// Which.
        kid: String,
    },
    /// Another process was first.
    #[error("another process changed the keys at this moment; look at them and try again")]
    Overtaken,
    /// A successor is there and does not sign yet.
    #[error(
        "the newest key does not sign before {}; it cannot be followed until then",
        .signs_from.format(&Rfc3339).unwrap_or_default()
    )]
    NotYetSigning {
        /// When it begins.
        signs_from: OffsetDateTime,
    },
    /// There is no such key to follow.
    #[error(
        "there is no {algorithm} key yet: it is made when one is first needed; serve the instance once"
    )]
    NotInUse {
        /// Which.
        algorithm: &'static str,
    },
    /// The database.
    #[error("the register cannot be used")]
    Store(#[from] StoreError),
}

impl From<RandomnessError> for OwnKeyError {
    fn from(error: RandomnessError) -> Self {
        Self::Sealed(error.into())
    }
}

impl MayConflict for OwnKeyError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}
