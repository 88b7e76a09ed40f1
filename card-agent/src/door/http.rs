//! HTTP on the loopback interface.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use sekisho_protocol::door::{self, *};
use sekisho_protocol::request::Language;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::checks::{self, Refusal, Stranger};
use super::exchange::{self, Exchange, Progress};
use super::navigation::Outcome;
use super::{Agent, messages, navigation};

/// Connections at a time; a browser needs a handful.
const MOST_CONNECTIONS: usize = 64;

type Answer = Response<Full<Bytes>>;

/// Serves until told to stop.
pub async fn serve(
    agent: Arc<Agent>,
    listeners: Vec<TcpListener>,
    port: u16,
    stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut doors = tokio::task::JoinSet::new();
    for listener in listeners {
        let (agent, places, mut stop) = (agent.clone(), places.clone(), stop.clone());
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
                let Ok(place) = places.clone().acquire_owned().await else { return };
                let agent = agent.clone();
                tokio::spawn(async move {
                    connection(agent, stream, peer, port).await;
                    drop(place);
                });
            }
        });
    }
    while doors.join_next().await.is_some() {}
}

async fn connection(agent: Arc<Agent>, stream: TcpStream, peer: SocketAddr, port: u16) {
    let own = stream.local_addr().is_ok_and(|here| {
        peer.ip().is_loopback() && crate::platform::is_own_connection(peer, here)
    });
    let service = hyper::service::service_fn(move |request| {
        let agent = agent.clone();
        async move {
            let answer =
                if own { answer(&agent, request, port).await } else { Err(Stranger("user")) };
            Ok::<_, Infallible>(answer.unwrap_or_else(|Stranger(why)| {
                tracing::info!(why, "stranger at the door");
                stranger()
            }))
        }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(30))
        .max_headers(64)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The one answer to everybody else.
fn stranger() -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::FORBIDDEN;
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

async fn answer(
    agent: &Arc<Agent>,
    request: Request<Incoming>,
    port: u16,
) -> Result<Answer, Stranger> {
    let (head, body) = request.into_parts();
    let identity = agent.identity();
    let pinned = &identity.trust.portal_origins;
    let path = head.uri.path();
    if path == NAVIGATE_PATH && identity.trust.navigation && head.method != Method::OPTIONS {
        let origin = checks::navigation(&head.method, &head.headers, port, pinned)?;
        let body = read(body).await?;
        return navigate(agent, origin, &body).await;
    }
    if ![BEGIN_PATH, FINISH_PATH, CANCEL_PATH].contains(&path) || head.uri.query().is_some() {
        return Err(Stranger("path"));
    }
    if head.method == Method::OPTIONS {
        let origin = checks::preflight(&head.headers, port, pinned)?;
        return Ok(preflight(origin, &head.headers));
    }
    let origin = checks::front(&head.method, &head.headers, port, pinned)?;
    let body = read(body).await?;
    let answer = match path {
        BEGIN_PATH => begin(agent, origin, &body)?,
        FINISH_PATH => finish(agent, origin, &body).await,
        _ => cancel(agent, origin, &body),
    };
    Ok(for_origin(answer, origin))
}

async fn read(body: Incoming) -> Result<Bytes, Stranger> {
    let limited = Limited::new(body, door::MAX_BODY_OCTETS).collect();
    let read = tokio::time::timeout(Duration::from_secs(10), limited).await;
    Ok(read.map_err(|_| Stranger("slow body"))?.map_err(|_| Stranger("body"))?.to_bytes())
}

fn begin(agent: &Agent, origin: &str, body: &[u8]) -> Result<Answer, Stranger> {
    let body: BeginBody = serde_json::from_slice(body).map_err(|_| Stranger("body"))?;
    match checks::request(agent, origin, &body.request) {
        Ok(request) => {
            let language = request.claims().language;
            Ok(match exchange::begin(agent, request) {
                Ok(reply) => json(StatusCode::OK, &reply),
                Err(code) => refusal(code, language, None),
            })
        }
        Err(Refusal::Stranger(stranger)) => Err(stranger),
        Err(Refusal::Known(code)) => Ok(refusal(code, Language::Ja, None)),
    }
}

async fn finish(agent: &Arc<Agent>, origin: &str, body: &[u8]) -> Answer {
    let Ok(body) = serde_json::from_slice::<FinishBody>(body) else {
        return refusal(ErrorCode::BadRequest, Language::Ja, None);
    };
    let Some(exchange) = exchange::find(agent, body.exchange, origin) else {
        return refusal(ErrorCode::NoSuchExchange, Language::Ja, None);
    };
    exchange::start(agent, &exchange);
    let most = Duration::from_secs(POLL_SECS);
    progress_answer(&exchange, &wait(&exchange, body.seen, most).await)
}

/// The next progress that the page doesn't show yet, or the present one when time is up.
async fn wait(exchange: &Exchange, seen: Option<ExchangeState>, most: Duration) -> Progress {
    let mut progress = exchange.progress();
    let news = |now: &Progress| match now {
        Progress::State(state) => Some(*state) != seen,
        Progress::Answer(_) | Progress::Failed(..) => true,
    };
    let waited = tokio::time::timeout(most, progress.wait_for(news)).await;
    if let Ok(Ok(now)) = waited {
        return now.clone();
    }
    exchange.progress().borrow().clone()
}

fn progress_answer(exchange: &Exchange, progress: &Progress) -> Answer {
    match progress {
        Progress::State(state) => {
            json(StatusCode::OK, &FinishReply { state: *state, answer: None })
        }
        Progress::Answer(answer) => {
            let reply = FinishReply { state: ExchangeState::Done, answer: Some(answer.clone()) };
            json(StatusCode::OK, &reply)
        }
        Progress::Failed(code, tries) => refusal(*code, exchange.request.claims().language, *tries),
    }
}

fn cancel(agent: &Agent, origin: &str, body: &[u8]) -> Answer {
    let Ok(body) = serde_json::from_slice::<ExchangeBody>(body) else {
        return refusal(ErrorCode::BadRequest, Language::Ja, None);
    };
    match exchange::find(agent, body.exchange, origin) {
        Some(exchange) => {
            exchange.cancel();
            let mut answer = Response::new(Full::default());
            *answer.status_mut() = StatusCode::NO_CONTENT;
            answer
        }
        None => refusal(ErrorCode::NoSuchExchange, Language::Ja, None),
    }
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
    let (proof, progress) = match exchange::begin(agent, request.clone()) {
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
        Err(code) => (String::new(), Progress::Failed(code, None)),
    };
    let outcome = match &progress {
        Progress::Answer(answer) => Outcome::Answer(answer),
        Progress::Failed(code, tries_left) => Outcome::Failed(*code, *tries_left),
        Progress::State(_) => return Err(Stranger("exchange")),
    };
    let home = navigation::page(&request, &proof, outcome).ok_or(Stranger("return address"))?;
    page(StatusCode::OK, home)
}

/// A page with its content security policy. The portal must see with the post that it comes from
/// here: hence a referrer policy that tells our origin, and nothing more.
fn page(status: StatusCode, (html, policy): (String, String)) -> Result<Answer, Stranger> {
    let mut answer = Response::new(Full::from(html));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = HeaderValue::from_str(&policy).map_err(|_| Stranger("origin"))?;
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(answer)
}

fn json<T: serde::Serialize>(status: StatusCode, value: &T) -> Answer {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn refusal(code: ErrorCode, language: Language, tries_left: Option<u8>) -> Answer {
    let status = match code {
        ErrorCode::BadRequest => StatusCode::BAD_REQUEST,
        ErrorCode::NoSuchExchange => StatusCode::NOT_FOUND,
        ErrorCode::AgentTooOld | ErrorCode::NotSupported => StatusCode::NOT_IMPLEMENTED,
        ErrorCode::AgentFailed | ErrorCode::NoWindow => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::CONFLICT,
    };
    let message = messages::message(code, language, tries_left);
    json(status, &ErrorBody { error: ErrorDetail { code, message, tries_left } })
}

fn for_origin(mut answer: Answer, origin: &str) -> Answer {
    let headers = answer.headers_mut();
    if let Ok(origin) = HeaderValue::from_str(origin) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

fn preflight(origin: &str, asked: &HeaderMap) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    let names = HeaderValue::from_static("content-type, x-card-login");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    for kind in ["private", "local"] {
        if asked.contains_key(format!("access-control-request-{kind}-network")) {
            let name = format!("access-control-allow-{kind}-network");
            if let Ok(name) = http::HeaderName::try_from(name) {
                headers.insert(name, HeaderValue::from_static("true"));
            }
        }
    }
    for_origin(answer, origin)
}
