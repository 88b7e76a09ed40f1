//! The doors through which a device gets its certificate.
//!
//! Each door proves who asks in its own protocol; what may be certified is decided in
//! `sekisho_ca::registration` from what the register says, never from what the request asks.

mod device;
pub mod est;
pub mod new_code;
mod notice;
mod registration;
pub mod trust;
