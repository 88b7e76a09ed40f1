//! What differs between operating systems stands here and nowhere else.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{foreign_listener, is_administrator, is_own_connection, usual_browser_store};

#[cfg(not(target_os = "linux"))]
mod other {
    use std::net::SocketAddr;

    /// Not known on this system: refuse.
    pub fn is_own_connection(_: SocketAddr, _: SocketAddr) -> bool {
        false
    }

    /// No browser of this system reads an NSS database.
    pub fn usual_browser_store() -> Option<std::path::PathBuf> {
        None
    }

    /// Not known on this system.
    pub fn is_administrator() -> bool {
        false
    }

    /// Not known on this system.
    pub fn foreign_listener(_: u16) -> Option<u32> {
        None
    }
}
#[cfg(not(target_os = "linux"))]
pub use other::{foreign_listener, is_administrator, is_own_connection, usual_browser_store};
