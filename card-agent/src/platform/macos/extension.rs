//! A Unix socket in the user's folder, with `getpeereid` for whose program is at the other end.

use std::io::Result;
use std::path::{Path, PathBuf};

use tokio::net::UnixStream;

use super::unsupported;

/// One connection.
pub type ExtensionStream = UnixStream;

/// Beside the enrolment.
pub fn extension_address(folder: &Path, _: bool) -> PathBuf {
    folder.join("agent.sock")
}

/// The agent's end; there is none.
pub enum ExtensionListener {}

impl ExtensionListener {
    /// Does not listen.
    ///
    /// # Errors
    /// Always.
    pub fn bind(_: &Path) -> Result<Self> {
        Err(unsupported())
    }

    /// Never called: there is no listener.
    ///
    /// # Errors
    /// None.
    pub async fn accept(&mut self) -> Result<ExtensionStream> {
        match *self {}
    }
}

/// Not asked.
///
/// # Errors
/// Always.
pub fn is_own_peer(_: &ExtensionStream) -> Result<bool> {
    Err(unsupported())
}

/// Nobody listens.
///
/// # Errors
/// Always.
pub async fn connect_extension(_: &Path) -> Result<UnixStream> {
    Err(unsupported())
}
