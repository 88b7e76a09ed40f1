//! A key that another process of this machine holds: `sekisho signer`, behind a Unix socket.
//!
//! The process judges every message for itself before it signs, so what is sent are whole messages
//! and never digests. One connection is kept; any number of requests are under way on it, told
//! apart by a number. When the process was started again, the next request finds it.
//!
//! Whoever asks learns one of three things: the signatures; that the process refused, and why; that
//! it does not answer, which counts as not signed. An unanswered request may be sent twice; that does
//! no harm, since what the process signs is on record before it is asked.

mod client;
mod connection;
pub mod frame;
pub mod message;

#[cfg(all(test, unix))]
mod tests;

pub use client::{HeldKey, RemoteKey, SignerProcess};
