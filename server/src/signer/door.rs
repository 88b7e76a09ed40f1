//! The socket: who may connect, and requests in frames.

use std::{
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sekisho_key::signer_process::{
    frame::{self, FrameError, MOST_REQUEST_OCTETS},
    message::{self, CONNECTION, Reply},
};
use tokio::{
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::desk::Desk;

/// Requests of one connection that are judged at once; more wait in the socket.
const AT_ONCE: usize = 64;
/// How long it is waited for room after a connection could not be taken.
const ROOM: Duration = Duration::from_millis(100);
/// Connections at once: a few processes of one host, and their children.
const MOST_CONNECTIONS: usize = 64;

/// A socket that is listened on; its file is removed when this is dropped.
#[derive(Debug)]
pub struct Door {
    listener: UnixListener,
    path: PathBuf,
    users: Vec<u32>,
}

/// Why nobody can be let in.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// Somebody else could put another socket there.
    #[error("{} may be written by everybody; take that right away (chmod o-w)", path.display())]
    OpenFolder {
        /// The socket's folder.
        path: PathBuf,
    },
    /// Another process listens.
    #[error("another process listens on {}", path.display())]
    Taken {
        /// Where.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("cannot listen on {}", path.display())]
    Listen {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Door {
    /// Listens on `path`, for these users. The folder is made if it is not there, for the owner and
    /// its group; what a killed process left is removed.
    ///
    /// # Errors
    /// [`DoorError`].
    pub fn open(path: &Path, users: &[u32]) -> Result<Self, DoorError> {
        let failed = |source| DoorError::Listen { path: path.to_owned(), source };
        let folder = path.parent().unwrap_or(Path::new("."));
        if !folder.exists() {
            std::fs::create_dir_all(folder).map_err(failed)?;
            std::fs::set_permissions(folder, PermissionsExt::from_mode(0o750)).map_err(failed)?;
        }
        let mode = std::fs::metadata(folder).map_err(failed)?.permissions().mode();
        if mode & 0o002 != 0 {
            return Err(DoorError::OpenFolder { path: folder.to_owned() });
        }
        let left = std::fs::symlink_metadata(path);
        if left.is_ok_and(|left| left.file_type().is_socket()) {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(DoorError::Taken { path: path.to_owned() });
            }
            std::fs::remove_file(path).map_err(failed)?;
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        // The folder lets nobody else in meanwhile.
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o660)).map_err(failed)?;
        Ok(Self { listener, path: path.to_owned(), users: users.to_vec() })
    }

    /// Answers until `stop`; requests under way are answered first.
    pub async fn serve(self, desk: Arc<Desk>, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.listener.accept(), if connections.len() < MOST_CONNECTIONS => accepted,
            };
            let Ok((stream, _)) = accepted else {
                // Out of descriptors: those that close make room.
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(ROOM) => continue,
                }
            };
            // The kernel's word: whatever the other end says of itself, it is this user.
            let user = stream.peer_cred().map(|peer| peer.uid()).ok();
            match user.filter(|user| self.users.contains(user)) {
                Some(user) => {
                    let (desk, stop) = (Arc::clone(&desk), stop.clone());
                    connections.spawn(connection(stream, user, desk, stop));
                }
                None => {
                    tracing::warn!(user, "a user who is not named in signer.toml is not let in");
                    connections.spawn(turn_away(stream, user));
                }
            }
        }
        while connections.join_next().await.is_some() {}
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn turn_away(mut stream: UnixStream, user: Option<u32>) {
    let user = user.map_or_else(|| "an unknown user".to_owned(), |user| format!("user {user}"));
    let why = format!("{user} may not ask here; name it in `users` of signer.toml");
    let _ = part(&mut stream, why).await;
}

/// The last thing said on a connection.
async fn part<W: tokio::io::AsyncWrite + Unpin>(
    stream: &mut W,
    why: String,
) -> Result<(), FrameError> {
    let octets = message::encode_reply(CONNECTION, &Reply::Refused(why)).unwrap_or_default();
    frame::write(stream, &octets).await
}

async fn connection(stream: UnixStream, user: u32, desk: Arc<Desk>, stop: CancellationToken) {
    let (reader, writer) = stream.into_split();
    let (answers, queue) = mpsc::channel(AT_ONCE);
    let written = tokio::spawn(write(queue, writer));
    let parting = read(reader, user, &desk, &answers, stop).await;
    if let Some(why) = parting {
        tracing::warn!(user, "connection closed: {why}");
        let _ = answers.send((CONNECTION, Reply::Refused(why))).await;
    }
    drop(answers);
    let _ = written.await;
}

/// Reads requests until the other end closes, breaks the form, or `stop`; those that were read are
/// answered. What to tell the other end of its fault.
async fn read(
    mut reader: OwnedReadHalf,
    user: u32,
    desk: &Arc<Desk>,
    answers: &mpsc::Sender<(u64, Reply)>,
    stop: CancellationToken,
) -> Option<String> {
    let mut under_way = JoinSet::new();
    let fault = loop {
        while under_way.len() >= AT_ONCE {
            under_way.join_next().await;
        }
        let octets = tokio::select! {
            biased;
            () = stop.cancelled() => break None,
            octets = frame::read(&mut reader, MOST_REQUEST_OCTETS) => octets,
        };
        let (number, ask) = match octets {
            Ok(Some(octets)) => match message::parse_ask(&octets) {
                Ok(asked) => asked,
                Err(malformed) => break Some(malformed.to_string()),
            },
            Ok(None) => break None,
            Err(fault @ FrameError::TooLong { .. }) => break Some(fault.to_string()),
            Err(FrameError::Truncated | FrameError::Stream(_)) => break None,
        };
        let (desk, answers) = (Arc::clone(desk), answers.clone());
        under_way.spawn(async move {
            let reply = desk.answer(ask, user).await;
            // The other end may have gone.
            let _ = answers.send((number, reply)).await;
        });
    };
    while under_way.join_next().await.is_some() {}
    fault
}

async fn write(mut queue: mpsc::Receiver<(u64, Reply)>, mut writer: OwnedWriteHalf) {
    while let Some((number, reply)) = queue.recv().await {
        let octets = message::encode_reply(number, &reply).or_else(|_| {
            let why = "the answer does not fit into a frame".to_owned();
            message::encode_reply(number, &Reply::Failed(why))
        });
        let Ok(octets) = octets else { return };
        if frame::write(&mut writer, &octets).await.is_err() {
            return;
        }
    }
}
