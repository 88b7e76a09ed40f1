//! `GET /jwks`: the keys that tokens verify with (RFC 7517 §5).

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};

use crate::{app::App, error::oauth::OAuthError};

/// `GET /jwks`.
///
/// # Errors
/// [`OAuthError`]: the register cannot be read.
pub async fn get(State(app): State<App>) -> Result<Response, OAuthError> {
    let set = app.token_keys().published(&app).await?;
    // Short enough that a new key is seen long before it signs.
    let cache = HeaderValue::from_static("public, max-age=300");
    Ok(([(header::CACHE_CONTROL, cache)], Json(set)).into_response())
}
