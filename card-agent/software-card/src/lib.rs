//! HPKI and My Number cards in software: answers APDUs (ISO/IEC 7816-4, -8) as the cards in the field do.
//!
//! HPKI in two layouts, the example of the JAHIS guideline (Ver. 3.1, annex B) and the one observed on
//! a real card; the JPKI application with both its keys. In-process behind the agent's reader trait,
//! or by the `software-card` program as a virtual card for `vpcd`. For tests and demonstrations:
//! keys lie in files.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod apdu;
mod card;
mod files;
mod hpki;
mod jpki;
mod key;
mod personal;
mod pin;
pub mod vpcd;

pub use card::{Latency, Options, SoftwareCard};
pub use files::Layout;
pub use jpki::Token;
pub use personal::{ApplicationData, CardError, Family, INSERTED, Personalisation};
