//! `GET /ca/{file}`: an authority's certificate, DER (RFC 5280 §4.2.2.1, id-ad-caIssuers).

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};

use crate::{app::App, form::PathId};

/// Answers `root.crt`, `terminals.crt`, `routers.crt`, `servers.crt`, those of later generations, and
/// while there are two roots `root-2-by-root.crt` and `root-by-root-2.crt`.
pub async fn ca_certificate(State(app): State<App>, PathId(file): PathId) -> Response {
    let id = file.strip_suffix(".crt").unwrap_or_default();
    let authority = app.authority();
    let der = authority
        .roots()
        .find_certificate(id)
        .or_else(|| authority.find(id).map(|issuing| issuing.certificate_der()));
    match der {
        Some(der) => (
            [
                (header::CONTENT_TYPE, HeaderValue::from_static("application/pkix-cert")),
                (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400")),
            ],
            der.to_vec(),
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
