//! Shapes and judgement of PKI objects.
//!
//! No private key, no SQL, no HTTP and no clock: bytes, trust anchors, revocation sources and
//! *now* come in as arguments, and an answer or a reason comes out.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod cmp;
pub mod encoding;
pub mod inspect;
pub mod invisible;
pub mod national;
pub mod path;
pub mod scep;
pub mod signature;
