//! An HPKI card in software: answers APDUs (ISO/IEC 7816-4, -8) as the cards in the field do.
//!
//! Two layouts: the example of the JAHIS guideline (Ver. 3.1, annex B) and the one observed on a
//! real card. In-process behind the agent's reader trait, or by the `software-card` program as a
//! virtual card for `vpcd`. For tests and demonstrations: keys lie in files.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod apdu;
mod card;
mod files;
mod personal;
pub mod vpcd;

pub use card::{Latency, Options, SoftwareCard};
pub use files::Layout;
pub use personal::{ApplicationData, CardError, INSERTED, Personalisation};
