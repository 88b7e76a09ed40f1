//! A random name for each request, in the log and on the error page, so that the two can be joined.

use axum::{extract::Request, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Span;

use crate::{app::App, listener::Peer};

const NAME: HeaderName = HeaderName::from_static("x-request-id");

pub(super) fn of(headers: &HeaderMap) -> &str {
    headers.get(NAME).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Gives the request an id of ours, by which the log speaks of it; one that a client sent is dropped.
pub(super) fn give(app: &App, request: &mut Request) -> (HeaderValue, Span) {
    let mut octets = [0; 8];
    // Without randomness the request goes on unnamed; whatever needs randomness will refuse.
    let id = match app.random().fill(&mut octets) {
        Ok(()) => hex::encode(octets),
        Err(_) => "none".to_owned(),
    };
    let value = HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("none"));
    request.headers_mut().insert(NAME, value.clone());
    let peer = request.extensions().get::<Peer>();
    // The path only: a query may hold a code or a token.
    let span = tracing::info_span!(
        "request",
        id,
        role = peer.map_or("", |peer| peer.role.as_str()),
        addr = peer.map(|peer| peer.addr.to_string()),
        method = %request.method(),
        path = request.uri().path(),
    );
    (value, span)
}

/// Tells the id with the answer, in the request's span.
pub(super) fn tell(id: HeaderValue, response: &mut Response) {
    tracing::info!(status = response.status().as_u16(), "answered");
    response.headers_mut().insert(NAME, id);
}
