//! Judging paths of forged certificates: OCSP evidence, the JPKI's rules, hostile crowds.
#![allow(clippy::unwrap_used, missing_docs)]

mod constraints;
mod hostile;
mod jpki;
mod ocsp;
mod world;
