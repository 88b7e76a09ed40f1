//! One rule of the table a function, in its order.

use sekisho_store::service::{self, Service};
use time::Duration;

use super::{
    Origin,
    reply::{Reply, RequestError},
};
use crate::{
    app::App,
    error::page::PageError,
    login::session::PortalSession,
    oidc::{claims, parameters::Parameters},
};

/// The longest `state` and `nonce`, in octets: both come back in an address.
const MOST_STATE: usize = 1024;

/// The query can be read at all.
pub(super) fn readable(query: &str) -> Result<Parameters, PageError> {
    Parameters::parse(query.as_bytes()).map_err(|_| page("oidc-authorize-unreadable"))
}

/// `client_id` names a service that is approved.
pub(super) async fn known_client(app: &App, parameters: &Parameters) -> Result<Service, PageError> {
    let id = single(parameters, "client_id", "oidc-authorize-client-missing")?;
    let found = service::find(&mut app.store().read(), id).await?;
    found.ok_or_else(|| page("oidc-authorize-no-client"))
}

/// `redirect_uri` is registered, octet by octet (RFC 9700 §2.1). It is required even where only
/// one is registered.
pub(super) fn registered_redirect_uri(
    app: &App,
    parameters: &Parameters,
    client: &Service,
) -> Result<Reply, PageError> {
    let uri = single(parameters, "redirect_uri", "oidc-authorize-redirect")?;
    if !client.redirect_uris.iter().any(|registered| registered == uri) {
        return Err(page("oidc-authorize-redirect"));
    }
    let state = parameters.get("state").filter(|state| state.len() <= MOST_STATE);
    Ok(Reply::new(uri, state, &app.names().public))
}

/// A parameter without which nobody but the person can be told. Sent twice it is told as that: the
/// service may be registered well (RFC 6749 §3.1).
fn single<'p>(
    parameters: &'p Parameters,
    name: &str,
    missing: &'static str,
) -> Result<&'p str, PageError> {
    parameters.get(name).ok_or_else(|| {
        if parameters.is_repeated(name) {
            page("oidc-authorize-repeated").arg("name", name)
        } else {
            page(missing)
        }
    })
}

/// No parameter stands twice (RFC 6749 §3.1).
pub(super) fn nothing_repeated(parameters: &Parameters) -> Result<(), RequestError> {
    match parameters.repeated() {
        None => Ok(()),
        Some(name) => Err(invalid(format!("the parameter {name} is repeated"))),
    }
}

/// Request objects and registration within a request are not supported (OIDC Core §3.1.2.6).
pub(super) fn no_request_object(parameters: &Parameters) -> Result<(), RequestError> {
    let refused = [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ];
    match refused.into_iter().find(|(name, _)| parameters.has(name)) {
        None => Ok(()),
        Some((name, code)) => {
            Err(RequestError::new(code, format!("the parameter {name} is not supported")))
        }
    }
}

/// `response_type=code`.
pub(super) fn response_type_code(parameters: &Parameters) -> Result<(), RequestError> {
    match parameters.get("response_type") {
        Some("code") => Ok(()),
        Some(_) => Err(RequestError::new("unsupported_response_type", "only code is supported")),
        None => Err(invalid("response_type is missing")),
    }
}

/// `response_mode` is absent or what `code` implies.
pub(super) fn response_mode_query(parameters: &Parameters) -> Result<(), RequestError> {
    match parameters.get("response_mode") {
        None | Some("query") => Ok(()),
        Some(_) => Err(invalid("only response_mode query is supported")),
    }
}

/// `scope` holds `openid`; what is unknown or not approved is left out (OIDC Core §3.1.2.1).
pub(super) fn scope_with_openid(
    parameters: &Parameters,
    client: &Service,
) -> Result<Vec<&'static str>, RequestError> {
    parameters
        .get("scope")
        .and_then(|scope| claims::granted(client, scope))
        .ok_or_else(|| RequestError::new("invalid_scope", "the scope openid is required"))
}

/// PKCE with `S256` (RFC 7636 §4.3): a challenge is a SHA-256, 43 characters of base64url.
pub(super) fn pkce_s256(parameters: &Parameters) -> Result<String, RequestError> {
    let challenge =
        parameters.get("code_challenge").ok_or_else(|| invalid("code_challenge is missing"))?;
    // Without a method RFC 7636 means `plain`, which protects nothing that leaks with the request.
    if parameters.get("code_challenge_method") != Some("S256") {
        return Err(invalid("code_challenge_method must be S256"));
    }
    match sekisho_protocol::octets::decode(challenge) {
        Ok(octets) if octets.len() == 32 => Ok(challenge.to_owned()),
        _ => Err(invalid("code_challenge is not a SHA-256 in base64url")),
    }
}

/// `state` is of a length that an address can carry.
pub(super) fn state_bounded(parameters: &Parameters) -> Result<(), RequestError> {
    bounded(parameters, "state").map(drop)
}

/// `nonce`, likewise.
pub(super) fn nonce_bounded(parameters: &Parameters) -> Result<Option<String>, RequestError> {
    bounded(parameters, "nonce")
}

fn bounded(parameters: &Parameters, name: &str) -> Result<Option<String>, RequestError> {
    match parameters.get(name) {
        Some(value) if value.len() > MOST_STATE => {
            Err(invalid(format!("{name} is longer than {MOST_STATE} octets")))
        }
        other => Ok(other.map(str::to_owned)),
    }
}

/// What the client allows or demands of the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prompt {
    /// Nothing said: as needed.
    AsNeeded,
    /// No page may be shown.
    None,
    /// A login just for this request.
    Login,
}

/// `prompt` is `none` or `login`; we have neither consent pages nor a choice of accounts.
pub(super) fn known_prompt(parameters: &Parameters) -> Result<Prompt, RequestError> {
    match parameters.get("prompt") {
        None => Ok(Prompt::AsNeeded),
        Some("none") => Ok(Prompt::None),
        Some("login") => Ok(Prompt::Login),
        Some(_) => Err(invalid("prompt must be none or login")),
    }
}

/// `max_age` is a number of seconds.
pub(super) fn max_age(parameters: &Parameters) -> Result<Option<Duration>, RequestError> {
    let Some(text) = parameters.get("max_age") else { return Ok(None) };
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u32>() {
        Ok(seconds) if digits => Ok(Some(Duration::seconds(seconds.into()))),
        _ => Err(invalid("max_age must be a number of seconds")),
    }
}

/// Why the session, if any, does not do for this request.
pub(super) enum NotFresh {
    /// And no login may or can mend it.
    LoginRequired,
    /// A login is needed first.
    Park,
}

/// There is a session, as fresh as the client wants it.
pub(super) fn fresh_enough(
    session: Option<PortalSession>,
    prompt: Prompt,
    max_age: Option<Duration>,
    origin: &Origin<'_>,
) -> Result<PortalSession, NotFresh> {
    let now = origin.app.now();
    let fresh = session.filter(|session| {
        // A login counts for `prompt=login` only if it came after the request.
        let after_request = || origin.parked_at.is_some_and(|at| session.auth_time >= at);
        (prompt != Prompt::Login || after_request())
            && max_age.is_none_or(|age| now - session.auth_time <= age || after_request())
    });
    match fresh {
        Some(session) => Ok(session),
        None if prompt == Prompt::None => Err(NotFresh::LoginRequired),
        // Back from the login page without a login: asking again would go round for ever.
        None if origin.parked_at.is_some() => Err(NotFresh::LoginRequired),
        None => Err(NotFresh::Park),
    }
}

/// OIDC Core §3.1.2.6.
pub(super) fn login_required() -> RequestError {
    RequestError::new("login_required", "the person is not logged in as the request demands")
}

fn invalid(description: impl Into<String>) -> RequestError {
    RequestError::new("invalid_request", description)
}

fn page(text: &'static str) -> PageError {
    PageError::new(
        http::StatusCode::BAD_REQUEST,
        "oidc-authorize-title",
        text,
        "oidc-authorize-help",
    )
}
