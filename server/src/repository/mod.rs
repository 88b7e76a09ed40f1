//! What the authority publishes over plain HTTP: CRLs, OCSP answers, CA certificates.

mod ca_certificate;
mod crl;
mod ocsp;
pub mod publish;

#[cfg(test)]
mod tests;

pub use ca_certificate::ca_certificate;
pub use crl::crl;
pub use ocsp::{by_get as ocsp_by_get, by_post as ocsp_by_post};
