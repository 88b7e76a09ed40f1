//! What the authority publishes over plain HTTP: CRLs, OCSP answers, CA certificates.

mod ca_certificate;
mod conditional;
mod crl;
mod ocsp;
pub mod ocsp_ahead;
mod ocsp_cache;
pub mod publish;

#[cfg(test)]
mod crl_tests;
#[cfg(test)]
mod ocsp_kept_tests;
#[cfg(test)]
mod ocsp_tests;
#[cfg(test)]
mod tests;

pub use ca_certificate::ca_certificate;
pub(crate) use crl::complete_list;
pub use crl::crl;
pub use ocsp::{by_get as ocsp_by_get, by_post as ocsp_by_post};
pub use ocsp_cache::OcspCache;
pub(crate) use ocsp_cache::watched;
