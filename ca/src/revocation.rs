//! Taking a certificate back: events, CRLs, OCSP.

pub mod crl;
pub mod event;
pub mod ocsp;
mod partition;

pub use event::{CertificateStatus, RevocationEvent, RevocationKind, RevocationReason};
pub use partition::{CrlPartition, CrlPartitions, chunk_of};
