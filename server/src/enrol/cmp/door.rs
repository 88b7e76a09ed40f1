//! `POST /.well-known/cmp`, and under the label `routers` (RFC 9811 §3).

use axum::{
    body::Body,
    extract::{Extension, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use sekisho_pki::cmp::MOST_OCTETS;
use sekisho_store::terminal::Device;

use super::answer;
use crate::{app::App, error::est::EstError, listener::Peer, media_type};

/// `Content-Type` in both directions (RFC 9811 §3).
const PKIX_CMP: &str = "application/pkixcmp";

/// Answers a PC.
///
/// # Errors
/// 400, 404, 413, 415, 429, 500 or 503 with a line of text; what can be answered is refused in CMP's form.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, EstError> {
    answered(&app, &peer, Device::Pc, &headers, body).await
}

/// Answers a router.
///
/// # Errors
/// As [`post`].
pub async fn post_of_router(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, EstError> {
    answered(&app, &peer, Device::Router, &headers, body).await
}

async fn answered(
    app: &App,
    peer: &Peer,
    device: Device,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, EstError> {
    // Whatever the answer will be: a refusal sent while the client still writes does not reach it.
    let octets = read(body).await?;
    if !app.config().cmp().is_enabled() {
        return Err(EstError::new(
            StatusCode::NOT_FOUND,
            "CMP is switched off here (cmp.enabled); enrol by EST, or ask the operating body",
        ));
    }
    let named = media_type::announced(headers).map_err(|_| {
        bad_request("Content-Type is repeated; send it once (RFC 9110 section 5.3)")
    })?;
    if !named.eq_ignore_ascii_case(PKIX_CMP) {
        return Err(EstError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "CMP: the body is not announced as application/pkixcmp (RFC 9811 section 3); send the \
             message with that Content-Type",
        ));
    }
    let message = answer::to(app, peer, device, &octets).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(PKIX_CMP)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, message).into_response())
}

async fn read(body: Body) -> Result<Vec<u8>, EstError> {
    let collected = Limited::new(body, MOST_OCTETS).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            EstError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "CMP: the message is longer than 64 KiB; send one request and its chain",
            )
        } else {
            bad_request("the body did not arrive whole; send it again")
        }
    })?;
    Ok(collected.to_bytes().to_vec())
}

pub(super) fn bad_request(text: &str) -> EstError {
    EstError::new(StatusCode::BAD_REQUEST, format!("CMP: {text}"))
}
