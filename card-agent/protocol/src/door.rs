//! The agent's door on the loopback interface: names, paths, bodies.
//!
//! None of the names tells which product stands behind the door. To a caller that isn't the
//! portal's page the door says one thing only, [`STRANGER_STATUS`] without a body.
//!
//! | step | request | answer |
//! |---|---|---|
//! | open | `POST` [`BEGIN_PATH`] [`BeginBody`] | [`BeginReply`] |
//! | wait, again and again | `POST` [`FINISH_PATH`] [`FinishBody`] | [`FinishReply`] |
//! | give up | `POST` [`CANCEL_PATH`] [`ExchangeBody`] | 204 |
//!
//! Every request carries [`HEADER`]`: `[`HEADER_VALUE`] and `Content-Type: application/json`, so
//! that no browser sends it without a preflight. Refusals of a caller that proved to be the portal's
//! page are a 4xx or 5xx with an [`ErrorBody`].

use serde::{Deserialize, Serialize};

use crate::octets::ExchangeId;
use crate::request::ConfirmationCode;

/// The port where nothing else was configured.
pub const DEFAULT_PORT: u16 = 14790;
/// A header that no form and no image can send.
pub const HEADER: &str = "x-card-login";
/// Its only value: the protocol's version.
pub const HEADER_VALUE: &str = "1";
/// Opens an exchange.
pub const BEGIN_PATH: &str = "/v1/card-login/begin";
/// Starts the window, then waits for the exchange to move on.
pub const FINISH_PATH: &str = "/v1/card-login/finish";
/// Ends an exchange that nobody waits for any longer.
pub const CANCEL_PATH: &str = "/v1/card-login/cancel";
/// The second door, for top-level navigation.
pub const NAVIGATE_PATH: &str = "/v1/card-login/navigate";
/// What a stranger gets, whatever was asked.
pub const STRANGER_STATUS: u16 = 403;
/// The longest body that is read, in octets.
pub const MAX_BODY_OCTETS: usize = 32 * 1024;

/// Body of [`BEGIN_PATH`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginBody {
    /// The portal's login request, compact JWS.
    pub request: String,
}

/// Answer of [`BEGIN_PATH`]. No window is open and no reader was touched yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeginReply {
    /// Names the exchange.
    pub exchange: ExchangeId,
    /// [`crate::answer::TerminalProof`], compact JWS. The page verifies it before it calls
    /// [`FINISH_PATH`] and before it speaks of a PIN.
    pub terminal_proof: String,
    /// What the window will show; equal to the code that the portal put on the page.
    pub confirmation_code: ConfirmationCode,
}

/// Body of [`FINISH_PATH`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinishBody {
    /// The exchange.
    pub exchange: ExchangeId,
    /// The state that the page shows already; the answer comes when there is another, or after
    /// [`POLL_SECS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<ExchangeState>,
}

/// Body of [`CANCEL_PATH`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeBody {
    /// The exchange.
    pub exchange: ExchangeId,
}

/// The longest that one call of [`FINISH_PATH`] waits for a new state, in seconds.
pub const POLL_SECS: u64 = 20;

/// Where an exchange stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeState {
    /// Looking at the readers.
    Reading,
    /// Another program holds the card, and has for a while.
    WaitingForReader,
    /// No card of use is in any reader: ask for one.
    WaitingForCard,
    /// Several cards would do: the agent's window asks which.
    ChoosingCard,
    /// The agent's window waits for the PIN.
    WaitingForPin,
    /// The card signs.
    Signing,
    /// The answer is here.
    Done,
}

/// Answer of [`FINISH_PATH`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishReply {
    /// Where the exchange stands.
    pub state: ExchangeState,
    /// With [`ExchangeState::Done`] only: [`crate::answer::CardAnswer`] as text, or after a request for a
    /// consent [`crate::consent::ConsentAnswer`]. Forward it as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// Why an exchange failed, for the page to act on. To a page that is older than a code the message beside
/// it says what happened; by navigation none comes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The body is not what this path takes.
    BadRequest,
    /// The request was used before.
    Replayed,
    /// The request is dated outside the leeway: it is old, or the PC's clock is wrong.
    ClockOrExpired,
    /// The agent is older than the portal demands.
    AgentTooOld,
    /// This PC doesn't hold the key of the facility certificate that the request names.
    AnotherTerminal,
    /// Another exchange is running.
    Busy,
    /// No such exchange, or it is over.
    NoSuchExchange,
    /// The request ran out before the person was done: ask for a new one.
    Expired,
    /// The person closed the window.
    Cancelled,
    /// No reader is connected.
    NoReader,
    /// The card was taken out.
    CardRemoved,
    /// The card in the reader is not of an accepted issuer.
    CardNotAccepted,
    /// It is neither an HPKI card nor a My Number card.
    CardUnknown,
    /// It is one of these, and lacks what is needed: no certificate for this, or a key or token that the
    /// agent cannot use.
    CardNotSupported,
    /// The card's certificate has expired; `day` was its last.
    CertificateExpired,
    /// The card's certificate is of a day to come, or this PC's clock is wrong; `day` is its first.
    CertificateNotYetValid,
    /// The card is not the expected person's.
    AnotherPerson,
    /// The PIN was wrong; `tries_left` says how often it may be tried again.
    PinWrong,
    /// The PIN is blocked; only the card's issuer can help.
    PinBlocked,
    /// Few tries are left and nobody confirmed to go on.
    PinGuarded,
    /// What the card answered cannot be read.
    CardFailed,
    /// The card refused a command that such a card takes.
    CardRefused,
    /// Another program keeps the card to itself.
    CardHeld,
    /// The reader failed.
    ReaderFailed,
    /// No window can be shown here.
    NoWindow,
    /// The agent failed.
    AgentFailed,
}

/// Body of a refusal to the portal's own page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong, for a program and for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// For the page's script.
    pub code: ErrorCode,
    /// For the person, in the request's language: what happened and what to do next.
    pub message: String,
    /// With [`ErrorCode::PinWrong`] and [`ErrorCode::PinGuarded`]: remaining tries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries_left: Option<u8>,
    /// With [`ErrorCode::CertificateExpired`] and [`ErrorCode::CertificateNotYetValid`]: the day in
    /// Japan, `2026-10-09`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
}
