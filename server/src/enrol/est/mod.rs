//! Enrolment over secure transport (RFC 7030, clarified by RFC 8951).
//!
//! Bodies are base64 whatever `Content-Transfer-Encoding` says (RFC 8951 §3.1), read with or
//! without line breaks and written without: some clients fail on them.

mod ca_certs;
mod csr_attrs;
mod message;
mod server_keygen;
mod simple_enroll;
mod simple_reenroll;

pub use ca_certs::{get as ca_certs, get_of_routers as ca_certs_of_routers};
pub use csr_attrs::get as csr_attrs;
pub use server_keygen::{post as server_keygen, post_of_router as server_keygen_of_router};
pub use simple_enroll::{post as simple_enroll, post_of_router as simple_enroll_of_router};
pub use simple_reenroll::{post as simple_reenroll, post_of_router as simple_reenroll_of_router};

#[cfg(test)]
pub(super) mod tests;
