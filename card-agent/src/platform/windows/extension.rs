//! The way between `native-host` and the running agent: a named pipe of this user's name.
//!
//! A pipe has no place in the file system whose rights would guard it: anybody may try to connect, and to
//! make one of the name first. Therefore either end asks whose process is at the other.

use std::io::{Error, ErrorKind, Result};
use std::os::windows::io::{AsRawHandle, RawHandle};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sekisho_protocol::Sha256Digest;
use tokio::net::windows::named_pipe::{
    ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions,
};
use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_PIPE_BUSY};
use windows_sys::Win32::System::Pipes::{GetNamedPipeClientProcessId, GetNamedPipeServerProcessId};

use super::user;

/// Between two instances of the pipe: the agent makes the next as it takes one.
const BUSY: Duration = Duration::from_millis(50);
/// As often the pipe is tried again.
const TRIES: u32 = 40;

/// One connection.
pub type ExtensionStream = NamedPipeServer;

/// A name that is this user's and this folder's: two users' agents, or two enrolments, do not meet.
pub fn extension_address(folder: &Path, _: bool) -> PathBuf {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let whose = format!("{}\n{}", user::own().unwrap_or_default(), folder.display());
    let digest = Sha256Digest::of(whose.to_lowercase());
    format!(r"\\.\pipe\sekisho-agent-{}", hex::encode(&digest.as_bytes()[..16])).into()
}

/// The agent's end.
pub struct ExtensionListener {
    next: NamedPipeServer,
    address: PathBuf,
}

impl ExtensionListener {
    /// Listens at `address`, as the first: where somebody was faster this is told, not shared.
    ///
    /// # Errors
    /// A pipe of that name is there: an agent of this user runs, or somebody keeps the name from it.
    pub fn bind(address: &Path) -> Result<Self> {
        let next = ServerOptions::new()
            .first_pipe_instance(true)
            .reject_remote_clients(true)
            .create(address)
            .map_err(|error| match error.raw_os_error().map(i32::cast_unsigned) {
                Some(ERROR_ACCESS_DENIED | ERROR_PIPE_BUSY) => {
                    Error::new(ErrorKind::AddrInUse, "another agent of this user runs")
                }
                _ => error,
            })?;
        Ok(Self { next, address: address.to_owned() })
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// The system has no more pipes.
    pub async fn accept(&mut self) -> Result<ExtensionStream> {
        self.next.connect().await?;
        let next = ServerOptions::new().reject_remote_clients(true).create(&self.address)?;
        Ok(std::mem::replace(&mut self.next, next))
    }
}

/// Whether a program of our own user is at the other end.
///
/// # Errors
/// The connection is gone.
pub fn is_own_peer(stream: &ExtensionStream) -> Result<bool> {
    process(stream, GetNamedPipeClientProcessId).map(user::is_own_process)
}

/// The other end.
///
/// # Errors
/// Nobody listens there, or another user's program does.
pub async fn connect_extension(address: &Path) -> Result<NamedPipeClient> {
    let mut tries = 0;
    let pipe = loop {
        match ClientOptions::new().open(address) {
            Err(error)
                if error.raw_os_error() == Some(ERROR_PIPE_BUSY.cast_signed()) && tries < TRIES =>
            {
                tries += 1;
                tokio::time::sleep(BUSY).await;
            }
            opened => break opened?,
        }
    };
    if process(&pipe, GetNamedPipeServerProcessId).is_ok_and(user::is_own_process) {
        Ok(pipe)
    } else {
        Err(Error::new(ErrorKind::PermissionDenied, "another user's program has this name"))
    }
}

type Asks = unsafe extern "system" fn(RawHandle, *mut u32) -> i32;

/// The process at an end of a pipe. The standard library, tokio and winsafe lack the question.
#[allow(unsafe_code)]
fn process(pipe: &impl AsRawHandle, asks: Asks) -> Result<u32> {
    let mut process = 0;
    // SAFETY: the handle is open for as long as `pipe` is borrowed; the number is written by the end of
    // the call and not kept.
    match unsafe { asks(pipe.as_raw_handle(), &raw mut process) } {
        0 => Err(Error::last_os_error()),
        _ => Ok(process),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn our_own_program_is_let_in_and_a_second_agent_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let address = extension_address(folder.path(), false);
        assert_ne!(address, extension_address(&folder.path().join("other"), false));
        assert!(connect_extension(&address).await.is_err());
        let mut listener = ExtensionListener::bind(&address).unwrap();
        let second = ExtensionListener::bind(&address).err().unwrap();
        assert_eq!(second.kind(), ErrorKind::AddrInUse, "{second}");
        for _ in 0..2 {
            let (mut client, mut server) =
                tokio::try_join!(connect_extension(&address), listener.accept()).unwrap();
            assert!(is_own_peer(&server).unwrap());
            client.write_all(b"asked").await.unwrap();
            let mut octets = [0; 5];
            server.read_exact(&mut octets).await.unwrap();
            assert_eq!(&octets, b"asked");
        }
        drop(listener);
        assert!(connect_extension(&address).await.is_err());
    }
}
