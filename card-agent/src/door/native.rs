//! The door for the browser's extension: a Unix socket in this user's own folder, on Windows a named
//! pipe, for hosts on which several people are logged in at a time, and where no policy lets pages onto
//! loopback.
//!
//! The browser starts `sekisho-agent native-host` and speaks to it as Chrome's native messaging has it
//! (Chrome for Developers, "Native messaging"): a length of four octets in the machine's order, then JSON.
//! That program hands the octets on to this socket as they are. Who may connect is decided by the
//! user whose program is at the other end; which page asks is what the browser tells the extension, never what
//! the page says.

use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, PoisonError};

use sekisho_protocol::door::{BeginReply, MAX_BODY_OCTETS, STRANGER_STATUS};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Mutex, Semaphore, watch};

use super::Agent;
use super::calls::{self, Call};
use super::checks::Stranger;
use super::exchange::{self, Exchange};
use crate::platform::{self, ExtensionListener, ExtensionStream};

/// Browsers of one person; each has one connection for a page that logs in.
const MOST_CONNECTIONS: usize = 16;
/// Calls of one connection at a time: a page waits for one and may end it by another.
const MOST_CALLS: usize = 4;
/// What stands around a body.
const MOST_OCTETS: usize = MAX_BODY_OCTETS + 1024;

/// What the extension sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    /// Comes back with the answer.
    id: u64,
    /// Of the page, as the browser knows it.
    origin: String,
    call: Call,
    /// As it stands: a member that is there twice is for the call to refuse.
    body: Box<RawValue>,
}

/// What it gets.
#[derive(Serialize)]
struct Answer {
    id: u64,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
}

/// Serves until told to stop.
pub async fn serve(
    agent: Arc<Agent>,
    mut listener: ExtensionListener,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Ok(stream) = accepted else {
            // Out of descriptors: wait for some to be closed.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        // More are closed: to wait for a place would be deaf to the stop.
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let agent = agent.clone();
        tokio::spawn(async move {
            if let Err(error) = connection(agent, stream).await {
                tracing::info!(%error, "extension");
            }
            drop(place);
        });
    }
}

async fn connection(agent: Arc<Agent>, stream: ExtensionStream) -> Result<()> {
    if !platform::is_own_peer(&stream)? {
        return Err(Error::new(ErrorKind::PermissionDenied, "another user"));
    }
    let (mut from, to) = tokio::io::split(stream);
    let to = Arc::new(Mutex::new(to));
    let begun = Arc::new(Begun::default());
    let served = async {
        let places = Arc::new(Semaphore::new(MOST_CALLS));
        // Dropped with the connection: nobody is left who could be told.
        let mut calls = tokio::task::JoinSet::new();
        while let Some(frame) = read(&mut from).await? {
            let Ok(place) = places.clone().acquire_owned().await else { break };
            let (agent, to, begun) = (agent.clone(), to.clone(), begun.clone());
            calls.spawn(async move {
                let answer = answer(&agent, &begun, &frame).await;
                drop(place);
                match serde_json::to_vec(&answer) {
                    Ok(octets) => write(&mut *to.lock().await, &octets).await,
                    Err(error) => Err(error.into()),
                }
            });
            while let Some(done) = calls.try_join_next() {
                done??;
            }
        }
        Ok(())
    };
    let served = served.await;
    begun.cancel();
    served
}

/// The exchange that a connection began last: with the page that waits for it ends its window.
#[derive(Default)]
struct Begun(std::sync::Mutex<Option<Arc<Exchange>>>);

impl Begun {
    fn remember(&self, exchange: Arc<Exchange>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(exchange);
    }

    /// Does nothing to one that is over.
    fn cancel(&self) {
        if let Some(exchange) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            exchange.cancel();
        }
    }
}

/// One frame; `None` at the end of the stream.
async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length).await {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    };
    let length = usize::try_from(u32::from_ne_bytes(length)).unwrap_or(usize::MAX);
    if length > MOST_OCTETS {
        return Err(Error::new(ErrorKind::InvalidData, "a message is too long"));
    }
    let mut frame = vec![0; length];
    from.read_exact(&mut frame).await?;
    Ok(Some(frame))
}

async fn write(to: &mut (impl AsyncWrite + Unpin), octets: &[u8]) -> Result<()> {
    let length = u32::try_from(octets.len()).map_err(Error::other)?;
    to.write_all(&[&length.to_ne_bytes(), octets].concat()).await
}

async fn answer(agent: &Arc<Agent>, begun: &Begun, frame: &[u8]) -> Answer {
    let (id, answered) = match calls::object::<Message>(frame) {
        Some(message) => (message.id, of_page(agent, begun, message).await),
        None => (0, Err(Stranger("message"))),
    };
    match answered {
        Ok(answer) => answer,
        Err(Stranger(why)) => {
            tracing::info!(why, "stranger at the extension's door");
            Answer { id, status: STRANGER_STATUS, body: None }
        }
    }
}

async fn of_page(
    agent: &Arc<Agent>,
    begun: &Begun,
    Message { id, origin, call, body }: Message,
) -> std::result::Result<Answer, Stranger> {
    let identity = agent.identity();
    let pinned = identity.trust.portal_origins.iter().find(|pinned| **pinned == origin);
    let origin = pinned.ok_or(Stranger("origin"))?;
    if body.get().len() > MAX_BODY_OCTETS {
        return Err(Stranger("body"));
    }
    let reply = calls::answer(agent, origin, call, body.get().as_bytes()).await?;
    if call == Call::Begin
        && let Some(json) = &reply.json
        && let Ok(opened) = serde_json::from_slice::<BeginReply>(json)
        && let Some(exchange) = exchange::find(agent, opened.exchange, origin)
    {
        begun.remember(exchange);
    }
    let body = reply.json.and_then(|json| serde_json::from_slice(&json).ok());
    Ok(Answer { id, status: reply.status.as_u16(), body })
}
