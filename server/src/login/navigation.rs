//! `POST /login/return`: the agent's answer comes home by top-level navigation.
//!
//! Only where `card_login.navigation` allows it, for browsers that keep the login page's script from
//! loopback and take no managed policy. The way round:
//!
//! 1. the login page finds the door closed to its script, asks for a challenge that names this
//!    address, leaves its key in IndexedDB and posts the signed request, and nothing else, to the
//!    agent's second door;
//! 2. the agent checks, asks for the PIN in its own window, and answers with a page that posts here;
//! 3. that post comes from another site: it carries no `SameSite` cookie, so nothing is decided on
//!    it. It becomes a page of our own origin;
//! 4. that page's script takes the key out of IndexedDB, judges the agent's proof, adds its own, and
//!    submits to `POST /login/card` with the cookies, exactly as after a login by script.
//!
//! So the challenge stays bound to browser, terminal and page key, and is consumed once. What this
//! way cannot have: the agent's proof before the PIN is typed. The page therefore never asks for a
//! PIN, and warns of pages that do.

use axum::{
    extract::{Extension, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use sekisho_protocol::{Sha256Digest, answer::MAX_ANSWER_OCTETS};
use serde::Deserialize;

use super::{
    call::note_refusal,
    exchange::agent_origin,
    page::{self, Returned, Visit},
    refusal::{LoginError, Refusal},
};
use crate::{
    app::App,
    error::page::PageError,
    form::StrictForm,
    listener::{FacilityConnection, Peer},
    page::PageFrame,
};

/// Where the agent's page posts to.
pub const RETURN_PATH: &str = "/login/return";
/// The longest terminal proof, in octets.
const MOST_PROOF: usize = 4096;
/// The longest code of an error, in octets.
const MOST_CODE: usize = 40;

/// The form of the agent's page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brought {
    request: String,
    #[serde(default)]
    terminal_proof: Option<String>,
    #[serde(default)]
    answer: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    tries_left: Option<u8>,
    #[serde(default)]
    day: Option<String>,
}

/// `POST /login/return`.
///
/// # Errors
/// [`PageError`]: not allowed here, not from the agent's door, or not what the agent sends; audited.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    page: PageFrame,
    headers: HeaderMap,
    form: Result<StrictForm<Brought>, PageError>,
) -> Result<Response, PageError> {
    let returned = match brought(&app, &headers, form) {
        Ok(returned) => returned,
        Err(refusal) => {
            let error = LoginError::from(refusal);
            return Err(note_refusal(&app, "login.return", &peer, &facility, error).await.into());
        }
    };
    // No cookie is set: this request could not show the ones that the browser has.
    Ok(page::show(&app, &facility, page, Visit { returned: Some(returned), ..Visit::default() }))
}

/// Checks where the post comes from and that it has the agent's form.
fn brought(
    app: &App,
    headers: &HeaderMap,
    form: Result<StrictForm<Brought>, PageError>,
) -> Result<Returned, Refusal> {
    if !app.config().card_login().navigation() {
        return Err(Refusal::NavigationOff);
    }
    if !is_from_agent(headers, &agent_origin(app)) {
        return Err(Refusal::NotFromAgent);
    }
    let StrictForm(brought) = form.map_err(|error| match error.status {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Refusal::NotAForm,
        _ => Refusal::Malformed,
    })?;
    let request: Sha256Digest = brought.request.parse().map_err(|_| Refusal::Malformed)?;
    let bounded = |text: Option<String>, most| match text {
        Some(text) if text.len() > most => Err(Refusal::Malformed),
        text => Ok(text.unwrap_or_default()),
    };
    if brought.answer.is_some() == brought.error.is_some() {
        return Err(Refusal::Malformed);
    }
    Ok(Returned {
        request: request.to_string(),
        terminal_proof: bounded(brought.terminal_proof, MOST_PROOF)?,
        answer: bounded(brought.answer, MAX_ANSWER_OCTETS)?,
        error: brought.error.map(|code| message_of(&code)).transpose()?.unwrap_or_default(),
        tries_left: brought.tries_left.map(|tries| tries.to_string()).unwrap_or_default(),
        day: brought.day.map(|day| written(&day)).transpose()?.unwrap_or_default(),
    })
}

/// A day as [`time::Date`] shows it.
fn written(day: &str) -> Result<String, Refusal> {
    let parts = time::macros::format_description!("[year]-[month]-[day]");
    let day = time::Date::parse(day, parts).map_err(|_| Refusal::Malformed)?;
    Ok(day.to_string())
}

/// An agent's code, as the page's messages name it. The agent may be newer than this portal: the page says
/// that it failed where there is no message of that name.
fn message_of(code: &str) -> Result<String, Refusal> {
    let is_code = (1..=MOST_CODE).contains(&code.len())
        && code.bytes().all(|octet| matches!(octet, b'a'..=b'z' | b'_'));
    if is_code { Ok(code.replace('_', "-")) } else { Err(Refusal::Malformed) }
}

/// A top-level navigation from a page at the agent's own address: no other site can bring anything.
fn is_from_agent(headers: &HeaderMap, agent_origin: &str) -> bool {
    let exactly = [
        ("origin", agent_origin),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    exactly.into_iter().all(|(name, value)| {
        let mut values = headers.get_all(name).iter();
        values.next().is_some_and(|only| only.as_bytes() == value.as_bytes())
            && values.next().is_none()
    })
}
