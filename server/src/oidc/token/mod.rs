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
use crate::{
    app::App,
    error::oauth::OAuthError,
    form::{self, FormError},
    listener::Peer,
};

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
    let parameters = read(&headers, body)?;
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

/// The body of a form, nothing twice (RFC 6749 §3.2). An address with a query was refused before.
fn read(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Parameters, OAuthError> {
    if !form::announced(headers)? {
        return Err(FormError::NotAForm.into());
    }
    let parameters = Parameters::of_body(body)?;
    match parameters.repeated() {
        None => Ok(parameters),
        Some(name) => Err(FormError::Repeated { field: name.to_owned() }.into()),
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
