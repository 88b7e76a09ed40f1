//! `libproc` tells which process has a socket, and whose it is.

use std::net::SocketAddr;

/// Not known: nobody is let in.
pub fn is_own_connection(_: SocketAddr, _: SocketAddr) -> bool {
    false
}

/// Not known.
pub fn foreign_listener(_: u16) -> Option<String> {
    None
}

/// Not known.
pub fn is_administrator() -> bool {
    false
}
