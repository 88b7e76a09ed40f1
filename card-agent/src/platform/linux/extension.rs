//! The way between `native-host` and the running agent: a Unix socket in the user's own folder.

use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::connection::is_own_user;
use super::files::variable;

/// One connection.
pub type ExtensionStream = UnixStream;

/// In the user's runtime folder (XDG Base Directory Specification), which is this host's own, or beside
/// an enrolment that lies elsewhere than `usual`ly.
pub fn extension_address(folder: &Path, usual: bool) -> PathBuf {
    match variable("XDG_RUNTIME_DIR").filter(|_| usual) {
        Some(runtime) => runtime.join("sekisho-agent.sock"),
        None => folder.join("agent.sock"),
    }
}

/// The agent's end. Dropping it takes the socket away.
pub struct ExtensionListener {
    listener: UnixListener,
    path: PathBuf,
}

impl ExtensionListener {
    /// Listens at `path`. What an agent left there that is gone is taken away.
    ///
    /// # Errors
    /// An agent of this user listens there, or the folder cannot be written.
    pub fn bind(path: &Path) -> Result<Self> {
        let in_use = || Error::new(ErrorKind::AddrInUse, "another agent of this user runs");
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(in_use()),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path)?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// Out of descriptors.
    pub async fn accept(&mut self) -> Result<ExtensionStream> {
        Ok(self.listener.accept().await?.0)
    }
}

impl Drop for ExtensionListener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether a program of our own user is at the other end.
///
/// # Errors
/// The connection is gone.
pub fn is_own_peer(stream: &ExtensionStream) -> Result<bool> {
    Ok(is_own_user(stream.peer_cred()?.uid()))
}

/// The other end.
///
/// # Errors
/// Nobody listens there.
pub async fn connect_extension(path: &Path) -> Result<UnixStream> {
    UnixStream::connect(path).await
}
