//! What a page of the portal may ask, whichever way it came: by script over loopback, or through the
//! browser's extension. Who asks was found out before.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use sekisho_protocol::door::{
    BeginBody, ErrorBody, ErrorCode, ErrorDetail, ExchangeBody, ExchangeState, FinishBody,
    FinishReply, POLL_SECS,
};
use sekisho_protocol::request::Language;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Agent;
use super::checks::{self, Refusal, Stranger};
use super::exchange::{self, Exchange, Progress};
use super::failure::Failure;
use super::messages;

/// What is asked; `door` of the protocol says what each takes and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Call {
    /// Opens an exchange.
    Begin,
    /// Starts the window, then waits for the exchange to move on.
    Finish,
    /// Ends an exchange.
    Cancel,
}

/// What the page is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// As HTTP counts.
    pub status: StatusCode,
    /// The body, where there is one.
    pub json: Option<Vec<u8>>,
}

impl Reply {
    fn of<T: serde::Serialize>(status: StatusCode, value: &T) -> Self {
        Self { status, json: Some(serde_json::to_vec(value).unwrap_or_default()) }
    }
}

/// Answers a page of the pinned `origin`.
///
/// # Errors
/// [`Stranger`]: the page has no request of the portal, whatever its origin.
pub async fn answer(
    agent: &Arc<Agent>,
    origin: &str,
    call: Call,
    body: &[u8],
) -> Result<Reply, Stranger> {
    match call {
        Call::Begin => begin(agent, origin, body),
        Call::Finish => finish(agent, origin, body).await,
        Call::Cancel => cancel(agent, origin, body),
    }
}

/// What octets say of `T`, as a JSON object: `serde` alone would take a list of its members, too.
pub(super) fn object<T: DeserializeOwned>(octets: &[u8]) -> Option<T> {
    let text = octets.trim_ascii_start();
    text.starts_with(b"{").then(|| serde_json::from_slice(text).ok()).flatten()
}

fn begin(agent: &Agent, origin: &str, body: &[u8]) -> Result<Reply, Stranger> {
    let body: BeginBody = object(body).ok_or(Stranger("body"))?;
    match checks::request(agent, origin, &body.request) {
        Ok(request) => {
            let language = request.claims().language;
            Ok(match exchange::begin(agent, origin, request) {
                Ok(reply) => Reply::of(StatusCode::OK, &reply),
                Err(code) => refusal(code.into(), language),
            })
        }
        Err(Refusal::Stranger(stranger)) => Err(stranger),
        Err(Refusal::Known(code)) => Ok(refusal(code.into(), Language::Ja)),
    }
}

async fn finish(agent: &Arc<Agent>, origin: &str, body: &[u8]) -> Result<Reply, Stranger> {
    let body: FinishBody = object(body).ok_or(Stranger("body"))?;
    let Some(exchange) = exchange::find(agent, body.exchange, origin) else {
        return Ok(refusal(ErrorCode::NoSuchExchange.into(), Language::Ja));
    };
    exchange::start(agent, &exchange);
    let most = Duration::from_secs(POLL_SECS);
    Ok(progress_answer(&exchange, &wait(&exchange, body.seen, most).await))
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

fn progress_answer(exchange: &Exchange, progress: &Progress) -> Reply {
    match progress {
        Progress::State(state) => {
            Reply::of(StatusCode::OK, &FinishReply { state: *state, answer: None })
        }
        Progress::Answer(answer) => {
            let reply = FinishReply { state: ExchangeState::Done, answer: Some(answer.clone()) };
            Reply::of(StatusCode::OK, &reply)
        }
        Progress::Failed(failure) => refusal(*failure, exchange.request.claims().language),
    }
}

fn cancel(agent: &Agent, origin: &str, body: &[u8]) -> Result<Reply, Stranger> {
    let body: ExchangeBody = object(body).ok_or(Stranger("body"))?;
    Ok(match exchange::find(agent, body.exchange, origin) {
        Some(exchange) => {
            exchange.cancel();
            Reply { status: StatusCode::NO_CONTENT, json: None }
        }
        None => refusal(ErrorCode::NoSuchExchange.into(), Language::Ja),
    })
}

/// A refusal of a request of the portal, in words.
fn refusal(failure: Failure, language: Language) -> Reply {
    let Failure { code, tries_left, day } = failure;
    let status = match code {
        ErrorCode::BadRequest => StatusCode::BAD_REQUEST,
        ErrorCode::NoSuchExchange => StatusCode::NOT_FOUND,
        ErrorCode::AgentTooOld => StatusCode::NOT_IMPLEMENTED,
        ErrorCode::AgentFailed | ErrorCode::NoWindow => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::CONFLICT,
    };
    let message = messages::message(failure, language);
    let day = day.map(|day| day.to_string());
    Reply::of(status, &ErrorBody { error: ErrorDetail { code, message, tries_left, day } })
}
