//! Sockets, TLS chosen by name, and what a handler learns of the connection.

mod peer;

pub use peer::Peer;

pub use crate::names::NameRole;
