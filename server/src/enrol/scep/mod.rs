//! The Simple Certificate Enrolment Protocol (RFC 8894), for routers that know nothing newer.
//!
//! Over plain HTTP: messages carry their own signatures and encryption. A message is judged in this order:
//!
//! 1. the network does not rest; shape and signature of the message ([`sekisho_pki::scep`]);
//! 2. for which registration authority it is encrypted; algorithms that no family is excused for;
//! 3. who asks: a router with its certificate, or a stranger, who signs with the very key that is to be
//!    certified and brings a code;
//! 4. its content, where it is needed at all: until it is proven that who signed made it, whatever does not
//!    open, read or hold is one and the same refusal;
//! 5. the same road as at every door ([`by_code`](super::by_code), [`by_certificate`](super::by_certificate));
//! 6. the certificate is bound to transaction and signer, and told to no other.

mod answer;
mod ca;
mod door;
mod enrol;
mod look_up;
mod poll;
mod refusal;

pub use door::{get, post};

#[cfg(test)]
pub(crate) mod tests;
