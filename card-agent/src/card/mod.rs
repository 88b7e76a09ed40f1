//! Cards: readers, APDUs, HPKI.

pub mod apdu;
pub mod holder;
pub mod hpki;
pub mod pcsc;
pub mod reader;
pub mod software;
pub mod structure;
pub mod watcher;
