//! One kept connection: requests go out in whole frames, answers find whoever waits for them.
//!
//! A task writes and a task reads, so that whoever stops waiting in the middle leaves no half frame
//! on the stream.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, oneshot},
};

use super::{
    frame::{self, MOST_ANSWER_OCTETS},
    message::{self, CONNECTION, Reply},
};

/// Frames that wait to be written; more wait at the door.
const WAITING_FRAMES: usize = 64;

/// A connection to the signing process. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    frames: mpsc::Sender<Vec<u8>>,
    waiting: Arc<Waiting>,
}

/// Whoever waits for an answer.
#[derive(Debug)]
struct Waiting(Mutex<State>);

#[derive(Debug)]
enum State {
    Open { last: u64, by_number: HashMap<u64, oneshot::Sender<Reply>> },
    Over(Ended),
}

/// The connection has ended.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    /// The process was stopped, or never answered.
    Silently,
    /// The process will not talk to us, and says why.
    Saying(String),
}

impl Connection {
    pub(super) async fn open(path: &Path) -> std::io::Result<Self> {
        let (reader, writer) = connect(path).await?;
        let waiting = Arc::new(Waiting::new());
        let (frames, queue) = mpsc::channel(WAITING_FRAMES);
        tokio::spawn(write(queue, writer));
        tokio::spawn(read(reader, Arc::clone(&waiting)));
        Ok(Self { frames, waiting })
    }

    /// Sends what `encode` makes with a number of its own and waits for the answer to it.
    pub(super) async fn ask(
        &self,
        encode: impl FnOnce(u64) -> Result<Vec<u8>, message::Malformed>,
    ) -> Result<Result<Reply, message::Malformed>, Ended> {
        let (place, answer) = self.waiting.enter()?;
        let octets = match encode(place.number) {
            Ok(octets) => octets,
            Err(malformed) => return Ok(Err(malformed)),
        };
        if self.frames.send(octets).await.is_err() {
            return Err(self.waiting.why());
        }
        answer.await.map(Ok).map_err(|_| self.waiting.why())
    }
}

/// A place among those who wait; given back when they stop waiting.
struct Place<'a> {
    waiting: &'a Waiting,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let State::Open { by_number, .. } = &mut *self.waiting.lock() {
            by_number.remove(&self.number);
        }
    }
}

impl Waiting {
    fn new() -> Self {
        Self(Mutex::new(State::Open { last: CONNECTION, by_number: HashMap::new() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self) -> Result<(Place<'_>, oneshot::Receiver<Reply>), Ended> {
        match &mut *self.lock() {
            State::Over(ended) => Err(ended.clone()),
            State::Open { last, by_number } => {
                *last += 1;
                let (sender, receiver) = oneshot::channel();
                by_number.insert(*last, sender);
                Ok((Place { waiting: self, number: *last }, receiver))
            }
        }
    }

    fn answer(&self, number: u64, reply: Reply) {
        if let State::Open { by_number, .. } = &mut *self.lock()
            && let Some(asker) = by_number.remove(&number)
        {
            // Whoever asked may have stopped waiting.
            let _ = asker.send(reply);
        }
    }

    /// Lets go of everybody who waits.
    fn end(&self, ended: Ended) {
        *self.lock() = State::Over(ended);
    }

    fn why(&self) -> Ended {
        match &*self.lock() {
            State::Over(ended) => ended.clone(),
            State::Open { .. } => Ended::Silently,
        }
    }
}

#[cfg(unix)]
async fn connect(
    path: &Path,
) -> std::io::Result<(tokio::net::unix::OwnedReadHalf, tokio::net::unix::OwnedWriteHalf)> {
    Ok(tokio::net::UnixStream::connect(path).await?.into_split())
}

/// The socket's file says who may connect; no other system of ours has that.
#[cfg(not(unix))]
async fn connect(_: &Path) -> std::io::Result<(tokio::io::Empty, tokio::io::Sink)> {
    Err(std::io::ErrorKind::Unsupported.into())
}

async fn write(mut queue: mpsc::Receiver<Vec<u8>>, mut writer: impl AsyncWrite + Unpin) {
    while let Some(octets) = queue.recv().await {
        if frame::write(&mut writer, &octets).await.is_err() {
            // The reader tells those who wait.
            return;
        }
    }
}

async fn read(mut reader: impl AsyncRead + Unpin, waiting: Arc<Waiting>) {
    loop {
        let Ok(Some(octets)) = frame::read(&mut reader, MOST_ANSWER_OCTETS).await else { break };
        match message::parse_reply(&octets) {
            Ok((CONNECTION, Reply::Refused(parting))) => {
                return waiting.end(Ended::Saying(parting));
            }
            Ok((number, reply)) => waiting.answer(number, reply),
            Err(_) => break,
        }
    }
    waiting.end(Ended::Silently);
}
