//! What differs between operating systems stands here and nowhere else.

/// A running program.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Program {
    /// Its number.
    pub process: u32,
    /// Its name, as the system shows it.
    pub name: String,
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (process {})", self.name, self.process)
    }
}

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{
    foreign_listener, inherited_file, is_administrator, is_own_connection, is_own_user,
    plugged_readers, smart_card_programs, usual_browser_store,
};

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
    pub fn smart_card_programs() -> Vec<super::Program> {
        Vec::new()
    }

    /// Not known on this system.
    pub fn plugged_readers() -> Vec<String> {
        Vec::new()
    }

    /// This system's programs leave no files open under numbers.
    pub fn inherited_file(_: u32) -> std::io::Result<std::fs::File> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// Not known on this system.
    pub fn is_administrator() -> bool {
        false
    }

    /// Not known on this system: refuse.
    pub fn is_own_user(_: u32) -> bool {
        false
    }

    /// Not known on this system.
    pub fn foreign_listener(_: u16) -> Option<u32> {
        None
    }
}
#[cfg(not(target_os = "linux"))]
pub use other::{
    foreign_listener, inherited_file, is_administrator, is_own_connection, is_own_user,
    plugged_readers, smart_card_programs, usual_browser_store,
};
