//! `POST /token` on the public name (RFC 6749 §3.2, OIDC Core §3.1.3).

mod authorization_code;
mod client_authentication;
pub mod issue;

use axum::{
    body::Bytes,
    extract::{Extension, State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
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
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, OAuthError> {
    let body = body.map_err(|rejection| {
        let too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
        if too_large { FormError::TooLarge } else { FormError::Incomplete }
    })?;
    let parameters = read(&uri, &headers, &body)?;
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

/// The body of a form, nothing twice and nothing beside it (RFC 6749 §3.2).
fn read(uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Parameters, OAuthError> {
    if uri.query().is_some_and(|query| !query.is_empty()) {
        return Err(OAuthError::bad_request(
            "invalid_request",
            "the address has a query; parameters belong in the body (RFC 6749 section 3.2)",
        ));
    }
    if !form::announced(headers)? {
        return Err(FormError::NotAForm.into());
    }
    let parameters = Parameters::parse(body)?;
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
