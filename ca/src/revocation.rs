//! Taking a certificate back: events, CRLs, OCSP.

pub mod crl;
pub mod event;
pub mod ocsp;

pub use event::{CertificateStatus, RevocationEvent, RevocationKind, RevocationReason};
