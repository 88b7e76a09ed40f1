//! HTTP on the loopback interface.
//!
//! One connection carries one request: what follows on it is never read, so nobody's octets pass for
//! a second request, and nobody holds a place with a connection that he keeps.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode, Version};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use sekisho_protocol::door::{self, BEGIN_PATH, CANCEL_PATH, FINISH_PATH, NAVIGATE_PATH};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::calls::{self, Call};
use super::checks::{self, Refusal, Stranger};
use super::exchange::{self, Exchange, Progress};
use super::navigation::Outcome;
use super::reply::{self, Answer, for_origin, page};
use super::voice::{Leave, Muted};
use super::{Agent, navigation};

/// What one caller may take from the others.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections of our own user at a time. A browser needs a handful; pages of any site may make
    /// it open some more and leave them idle.
    pub connections: usize,
    /// Connections of other users at a time; more are closed unheard.
    pub foreign_connections: usize,
    /// Until when a head must be whole, an idle connection's too.
    pub head: Duration,
    /// Until when a body must be whole.
    pub body: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 256,
            foreign_connections: 8,
            head: Duration::from_secs(5),
            body: Duration::from_secs(5),
        }
    }
}

/// Why a connection ends without a word.
#[derive(Debug, thiserror::Error)]
#[error("not HTTP/1.1")]
struct Silence;

/// Serves until told to stop.
pub async fn serve(
    agent: Arc<Agent>,
    listeners: Vec<TcpListener>,
    port: u16,
    stop: watch::Receiver<bool>,
) {
    serve_within(Bounds::default(), agent, listeners, port, stop).await;
}

/// Serves within other bounds than the usual ones.
pub async fn serve_within(
    bounds: Bounds,
    agent: Arc<Agent>,
    listeners: Vec<TcpListener>,
    port: u16,
    stop: watch::Receiver<bool>,
) {
    let ours = Arc::new(Semaphore::new(bounds.connections));
    let others = Arc::new(Semaphore::new(bounds.foreign_connections));
    let mut doors = tokio::task::JoinSet::new();
    for listener in listeners {
        let (agent, ours, others) = (agent.clone(), ours.clone(), others.clone());
        let mut stop = stop.clone();
        doors.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    _ = stop.wait_for(|stop| *stop) => return,
                };
                let Ok((stream, peer)) = accepted else {
                    // Out of descriptors: wait for some to be closed.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let own = stream.local_addr().is_ok_and(|here| {
                    peer.ip().is_loopback() && crate::platform::is_own_connection(peer, here)
                });
                // Another user cannot take the places of this one.
                let place = if own {
                    tokio::select! {
                        place = ours.clone().acquire_owned() => place.ok(),
                        _ = stop.wait_for(|stop| *stop) => return,
                    }
                } else {
                    others.clone().try_acquire_owned().ok()
                };
                let Some(place) = place else { continue };
                let agent = agent.clone();
                tokio::spawn(async move {
                    connection(bounds, agent, stream, own, port).await;
                    drop(place);
                });
            }
        });
    }
    while doors.join_next().await.is_some() {}
}

async fn connection(bounds: Bounds, agent: Arc<Agent>, stream: TcpStream, own: bool, port: u16) {
    let leave = Leave::default();
    let given = leave.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (agent, leave) = (agent.clone(), given.clone());
        async move {
            // The answer would repeat the version, and so not be the constant one.
            if request.version() != Version::HTTP_11 {
                return Err(Silence);
            }
            let answer = if own {
                answer(bounds, &agent, request, port).await
            } else {
                Err(Stranger("user"))
            };
            leave.give();
            Ok(answer.unwrap_or_else(|Stranger(why)| {
                tracing::info!(why, "stranger at the door");
                reply::stranger()
            }))
        }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_headers(64)
        .keep_alive(false)
        // Strangers need not learn this PC's time.
        .auto_date_header(false)
        .serve_connection(Muted::new(TokioIo::new(stream), leave), service)
        .await;
}

async fn answer(
    bounds: Bounds,
    agent: &Arc<Agent>,
    request: Request<Incoming>,
    port: u16,
) -> Result<Answer, Stranger> {
    let (head, body) = request.into_parts();
    let identity = agent.identity();
    let pinned = &identity.trust.portal_origins;
    let path = checks::target(&head.uri)?;
    if path == NAVIGATE_PATH && identity.trust.navigation && head.method != Method::OPTIONS {
        let origin = checks::navigation(&head.method, &head.headers, port, pinned)?;
        let body = read(bounds, body).await?;
        return navigate(agent, origin, &body).await;
    }
    let call = match path {
        BEGIN_PATH => Call::Begin,
        FINISH_PATH => Call::Finish,
        CANCEL_PATH => Call::Cancel,
        _ => return Err(Stranger("path")),
    };
    if head.method == Method::OPTIONS {
        let origin = checks::preflight(&head.headers, port, pinned)?;
        return Ok(reply::preflight(origin, &head.headers));
    }
    let origin = checks::front(&head.method, &head.headers, port, pinned)?;
    let body = read(bounds, body).await?;
    let reply = calls::answer(agent, origin, call, &body).await?;
    Ok(for_origin(reply::told(reply), origin))
}

async fn read(bounds: Bounds, body: Incoming) -> Result<Bytes, Stranger> {
    let limited = Limited::new(body, door::MAX_BODY_OCTETS).collect();
    let read = tokio::time::timeout(bounds.body, limited).await;
    Ok(read.map_err(|_| Stranger("slow body"))?.map_err(|_| Stranger("body"))?.to_bytes())
}

/// Ends an exchange whose browser went away before it was over, so that its window closes.
struct Waiting(Arc<Exchange>);

impl Drop for Waiting {
    fn drop(&mut self) {
        // Does nothing to one that is over.
        self.0.cancel();
    }
}

async fn navigate(agent: &Arc<Agent>, origin: &str, body: &[u8]) -> Result<Answer, Stranger> {
    let jws = navigation::request_of(body).ok_or(Stranger("form"))?;
    let request = match checks::request(agent, origin, &jws) {
        Ok(request) if request.claims().return_address.is_some() => request,
        Ok(_) => return Err(Stranger("no return address")),
        Err(Refusal::Stranger(stranger)) => return Err(stranger),
        Err(Refusal::Known(code)) => {
            return page(StatusCode::CONFLICT, navigation::refusal_page(code));
        }
    };
    let (proof, progress) = match exchange::begin(agent, origin, request.clone()) {
        Ok(reply) => {
            let found =
                exchange::find(agent, reply.exchange, origin).ok_or(Stranger("exchange"))?;
            exchange::start(agent, &found);
            let waiting = Waiting(found);
            let mut progress = waiting.0.progress();
            let over = progress.wait_for(|now| !matches!(now, Progress::State(_))).await;
            let over = over.map(|now| now.clone()).map_err(|_| Stranger("exchange"))?;
            (reply.terminal_proof, over)
        }
        Err(code) => (String::new(), Progress::Failed(code.into())),
    };
    let outcome = match &progress {
        Progress::Answer(answer) => Outcome::Answer(answer),
        Progress::Failed(failure) => Outcome::Failed(*failure),
        Progress::State(_) => return Err(Stranger("exchange")),
    };
    let home = navigation::page(&request, &proof, outcome).ok_or(Stranger("return address"))?;
    page(StatusCode::OK, home)
}
