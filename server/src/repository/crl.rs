//! `GET /crl/{file}`: an authority's newest CRL, DER (RFC 5280 §5, RFC 2585 §4.2).

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sekisho_store::crl;

use crate::{app::App, error::page::Chain, form::PathId};

/// Answers `root.crl`, `terminals.crl`, `routers.crl`, `servers.crl`.
pub async fn crl(State(app): State<App>, PathId(file): PathId, headers: HeaderMap) -> Response {
    let Some(id) = file.strip_suffix(".crl") else { return StatusCode::NOT_FOUND.into_response() };
    let newest = match crl::latest(&mut app.store().read(), id).await {
        Ok(Some(newest)) => newest,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(error = %Chain(&error), "CRL not to be read");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    // The number never goes back, so it names the content.
    let Ok(tag) = HeaderValue::from_str(&format!("\"{id}-{}\"", newest.number)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // A cache between must not hide a revocation: it asks each time, and the answer is short.
    let cache = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if headers.get(header::IF_NONE_MATCH) == Some(&tag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag), cache]).into_response();
    }
    (
        [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/pkix-crl")),
            (header::ETAG, tag),
            cache,
        ],
        newest.der,
    )
        .into_response()
}
