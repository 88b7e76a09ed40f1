//! `sekisho signer`: the process that holds the authorities' keys, under a user of its own.
//!
//! Whoever answers the network asks it over a Unix socket for signatures over whole messages. It
//! reads for itself what the message is and whether it may be signed ([`sekisho_ca::oversight`]):
//! its own folder says who the authorities are and where they publish, the database what is on
//! record. A refusal is in the log and in the audit trail.
//!
//! Its folder has the shape of an instance's, with the keys of authorities and responders, their
//! certificates, a passphrase and `signer.toml`; [`split()`] makes it.

mod desk;
mod door;
mod hand_over;
mod refusals;
mod run;
mod settings;
mod split;

#[cfg(test)]
mod tests;

pub use desk::{Desk, DeskError};
pub use door::{Door, DoorError};
pub use run::{RunError, run};
pub use settings::{Config, EXAMPLE, Settings, SettingsError};
pub use split::{Moved, Split, SplitError, split};
