//! The other end of a connection.

use std::{net::SocketAddr, sync::Arc};

use rustls_pki_types::CertificateDer;

use crate::names::NameRole;

/// Who is at the other end; an `Extension` of every request.
///
/// TLS proved that the peer holds the key of `chain[0]`, nothing more: whether the certificate is
/// trusted is judged by the application on every request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Address of the connection.
    pub addr: SocketAddr,
    /// The name that was asked for.
    pub role: NameRole,
    /// Certificates as sent, the peer's own first; empty when it sent none.
    pub chain: Arc<[CertificateDer<'static>]>,
}
