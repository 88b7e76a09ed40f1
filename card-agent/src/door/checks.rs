//! The ordered table of checks. No request touches a window or a reader before all have passed.
//!
//! | # | check | where |
//! |---|---|---|
//! | 1 | the connection is our own user's, over loopback | [`http`](super::http) on accept |
//! | 2 | a bare path; literal `Host` | [`target`], [`front`] |
//! | 3 | method, one `Content-Length`, own header, content type, `Sec-Fetch-*` | [`front`] |
//! | 4 | `Origin` among the pinned portals | [`front`] |
//! | 5 | the request's signature, `typ`, `aud`, `iss`, signed origin, `iat`, `exp` | [`request`] |
//! | 6 | version | [`request`] |
//! | 7 | this PC holds the private key of the named certificate | [`request`] |
//! | 8 | `jti` unseen | [`request`] |
//! | 9 | one exchange at a time | [`exchange`](super::exchange) |
//!
//! Until 5 has passed the caller is a stranger and learns nothing. `jti` is remembered last, so that
//! a request refused for its version or PC isn't called a replay when it is sent again.

use ::http::{HeaderMap, Method, Uri, header};
use sekisho_protocol::door::{self, ErrorCode};
use sekisho_protocol::jwk::JwkSet;
use sekisho_protocol::jws::JwsError;
use sekisho_protocol::request::{
    CLOCK_LEEWAY, Expectation, RequestError, UnverifiedLoginRequest, VerifiedLoginRequest,
};

use super::Agent;

/// Not the portal's page, as far as can be seen: gets the one constant answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stranger(
    /// For the log.
    pub &'static str,
);

/// The only value of a header that must stand exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The path of a request for this server (origin-form, RFC 9112 §3.2.1): a target with a server's
/// name is for a proxy, and no request of ours has a query.
///
/// # Errors
/// [`Stranger`].
pub fn target(uri: &Uri) -> Result<&str, Stranger> {
    let bare = uri.scheme().is_none() && uri.authority().is_none() && uri.query().is_none();
    if bare { Ok(uri.path()) } else { Err(Stranger("target")) }
}

/// A body's end is told once and in one way: what browsers send, and nothing for two programs to
/// read differently (RFC 9112 §6.3).
fn length(headers: &HeaderMap) -> Result<(), Stranger> {
    let told = only(headers, header::CONTENT_LENGTH.as_str())
        .is_some_and(|told| !told.is_empty() && told.bytes().all(|octet| octet.is_ascii_digit()));
    if told && !headers.contains_key(header::TRANSFER_ENCODING) {
        Ok(())
    } else {
        Err(Stranger("length"))
    }
}

/// Names this door by its address, never by a name that a resolver could move (DNS rebinding).
fn host(headers: &HeaderMap, port: u16) -> Result<(), Stranger> {
    let ours = [format!("127.0.0.1:{port}"), format!("[::1]:{port}")];
    match only(headers, "host") {
        Some(host) if ours.iter().any(|our| our == host) => Ok(()),
        _ => Err(Stranger("host")),
    }
}

fn origin<'a>(headers: &HeaderMap, pinned: &'a [String]) -> Result<&'a str, Stranger> {
    let origin = only(headers, "origin").ok_or(Stranger("origin missing"))?;
    let pinned = pinned.iter().find(|pinned| *pinned == origin);
    pinned.map(String::as_str).ok_or(Stranger("origin"))
}

/// Checks 2 to 4 for a script's request. Returns the pinned origin.
///
/// # Errors
/// [`Stranger`].
pub fn front<'a>(
    method: &Method,
    headers: &HeaderMap,
    port: u16,
    pinned: &'a [String],
) -> Result<&'a str, Stranger> {
    let exactly = [
        (door::HEADER, door::HEADER_VALUE),
        ("content-type", "application/json"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "empty"),
        // The portal is never served from this machine's loopback address.
        ("sec-fetch-site", "cross-site"),
    ];
    post(method, headers, port, &exactly, pinned)
}

/// Checks 2 to 4 for a preflight (Fetch Standard, CORS-preflight fetch).
///
/// # Errors
/// [`Stranger`].
pub fn preflight<'a>(
    headers: &HeaderMap,
    port: u16,
    pinned: &'a [String],
) -> Result<&'a str, Stranger> {
    host(headers, port)?;
    if only(headers, header::ACCESS_CONTROL_REQUEST_METHOD.as_str()) != Some("POST") {
        return Err(Stranger("preflight method"));
    }
    let asked = only(headers, header::ACCESS_CONTROL_REQUEST_HEADERS.as_str()).unwrap_or("");
    let known = |name: &str| {
        let name = name.trim();
        name.eq_ignore_ascii_case(door::HEADER) || name.eq_ignore_ascii_case("content-type")
    };
    if !asked.split(',').all(known) {
        return Err(Stranger("preflight headers"));
    }
    origin(headers, pinned)
}

/// Checks 2 to 4 for a top-level form post: the second door, open only by policy.
///
/// # Errors
/// [`Stranger`].
pub fn navigation<'a>(
    method: &Method,
    headers: &HeaderMap,
    port: u16,
    pinned: &'a [String],
) -> Result<&'a str, Stranger> {
    let exactly = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-site", "cross-site"),
    ];
    post(method, headers, port, &exactly, pinned)
}

/// Checks 2 to 4 for a post with these header fields, each once and exactly so.
fn post<'a>(
    method: &Method,
    headers: &HeaderMap,
    port: u16,
    exactly: &[(&'static str, &str)],
    pinned: &'a [String],
) -> Result<&'a str, Stranger> {
    host(headers, port)?;
    if method != Method::POST {
        return Err(Stranger("method"));
    }
    length(headers)?;
    for (name, value) in exactly {
        if only(headers, name) != Some(value) {
            return Err(Stranger(name));
        }
    }
    origin(headers, pinned)
}

/// A refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Says nothing.
    Stranger(Stranger),
    /// The portal made this request: say what is wrong.
    Known(ErrorCode),
}

/// Checks 5 to 8.
///
/// # Errors
/// [`Refusal`].
pub fn request(agent: &Agent, origin: &str, jws: &str) -> Result<VerifiedLoginRequest, Refusal> {
    let now = agent.now();
    let identity = agent.identity();
    let issuer = &identity.trust.issuer;
    let expected = Expectation { issuer, origin, now, leeway: CLOCK_LEEWAY };
    let keys: &JwkSet = &identity.trust.login_request_keys;
    let verified = UnverifiedLoginRequest::new(jws).verify(keys, &expected);
    let request = verified.map_err(|error| match error {
        RequestError::NotYet { .. } | RequestError::Expired { .. } => {
            Refusal::Known(ErrorCode::ClockOrExpired)
        }
        RequestError::Shape(member) => {
            tracing::warn!(member, "login request refused");
            Refusal::Known(ErrorCode::BadRequest)
        }
        // A page at one portal that carries another's request is no page of a portal.
        error => {
            if matches!(error, RequestError::Jws(JwsError::UnknownKey(_))) {
                agent.trust_wanted.notify_one();
            }
            tracing::warn!(%error, "login request refused");
            Refusal::Stranger(Stranger("login request"))
        }
    })?;
    let claims = request.claims();
    if claims.minimum_agent_version > Agent::version() {
        return Err(Refusal::Known(ErrorCode::AgentTooOld));
    }
    if !identity.answers_for(claims.facility.x5t_s256, now) {
        return Err(Refusal::Known(ErrorCode::AnotherTerminal));
    }
    let kept = CLOCK_LEEWAY + claims.purpose.lifetime();
    let until = claims.exp.saturating_add(kept.whole_seconds());
    if !agent.seen.remember(&claims.jti, now.unix_timestamp(), until) {
        return Err(Refusal::Known(ErrorCode::Replayed));
    }
    Ok(request)
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
