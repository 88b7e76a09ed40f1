//! Cards: readers, APDUs, families.

pub mod apdu;
pub mod apdu_log;
pub mod card_type;
pub mod driver;
pub mod holder;
pub mod hpki;
pub mod jpki;
pub mod key_use;
pub mod known;
pub mod observe;
pub mod pcsc;
pub mod pin_kind;
pub mod pin_pad;
pub mod reader;
#[cfg(test)]
mod sample;
pub mod session;
pub mod signature_key;
pub mod software;
pub mod structure;
pub mod watcher;
pub mod words;
