//! `POST /token` on the public name (RFC 6749 §3.2, OIDC Core §3.1.3).

mod authorization_code;
mod client_authentication;
pub mod issue;

use axum::{
    body::Bytes,
    extract::{Extension, State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::parameters::Parameters;
use crate::{app::App, error::oauth::OAuthError, listener::Peer};

/// Whose request it is and where it came from.
struct Caller<'a> {
    app: &'a App,
    peer: &'a Peer,
    client: sekisho_store::service::Service,
}

/// `POST /token`.
///
/// # Errors
/// [`OAuthError`]: RFC 6749 §5.2.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, OAuthError> {
    let body = body.map_err(|_| {
        OAuthError::bad_request("invalid_request", "the body did not arrive, or is too long")
    })?;
    let parameters = read(&headers, &body)?;
    let client = client_authentication::authenticate(&app, &headers, &parameters, &peer).await?;
    let caller = Caller { app: &app, peer: &peer, client };
    let answer = match parameters.get("grant_type") {
        Some("authorization_code") => authorization_code::exchange(&caller, &parameters).await?,
        Some(_) => {
            return Err(OAuthError::bad_request(
                "unsupported_grant_type",
                "only authorization_code is supported",
            ));
        }
        None => return Err(OAuthError::bad_request("invalid_request", "grant_type is missing")),
    };
    Ok(uncached(&answer))
}

/// The body of a form, nothing twice (RFC 6749 §3.2).
fn read(headers: &HeaderMap, body: &[u8]) -> Result<Parameters, OAuthError> {
    let invalid = |text: &str| OAuthError::bad_request("invalid_request", text);
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(invalid("the body must be application/x-www-form-urlencoded"));
    }
    let parameters = Parameters::parse(body)
        .map_err(|_| invalid("the body is not readable or longer than 16 KiB"))?;
    match parameters.repeated() {
        None => Ok(parameters),
        Some(name) => Err(invalid(&format!("the parameter {name} is repeated"))),
    }
}

/// JSON that nobody may keep (RFC 6749 §5.1).
pub(super) fn uncached(answer: &Value) -> Response {
    (
        [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::PRAGMA, HeaderValue::from_static("no-cache")),
        ],
        answer.to_string(),
    )
        .into_response()
}
