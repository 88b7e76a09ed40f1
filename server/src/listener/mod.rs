//! Sockets, TLS chosen by name, and what a handler learns of the connection.

mod accept;
mod connection;
mod facility;
mod network;
mod peer;
mod refusal_log;
mod sockets;
mod tls;
mod unread;

#[cfg(test)]
mod facility_tests;

pub use accept::{Routers, serve};
pub use facility::{AgentConnection, FacilityConnection, FacilityError, RouterConnection};
pub use network::Network;
pub use peer::Peer;
pub use refusal_log::{RefusalLog, note_refusal};
pub use sockets::{BindError, Sockets};
pub use tls::{ServerIdentity, Tls, TlsError, provider};

pub use crate::names::NameRole;
