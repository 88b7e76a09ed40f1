//! `POST /.well-known/est/simplereenroll`: renewal by the PC's present certificate (RFC 7030 §4.2.2);
//! a router's under the label `routers` (§3.2.2).

use axum::{
    body::Body,
    extract::{Extension, State},
    response::Response,
};
use http::HeaderMap;
use sekisho_store::terminal::Device;

use super::message;
use crate::{
    app::App,
    enrol::{by_certificate, refusal},
    error::est::EstError,
    listener::{FacilityConnection, Peer, RouterConnection},
};

/// Answers a PC that shows its certificate.
///
/// # Errors
/// 400, 403, 413, 415 or 503 with a line of text.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, EstError> {
    answer(Device::Pc, app, peer, headers, body).await
}

/// Answers a router that shows its certificate.
///
/// # Errors
/// As [`post`].
pub async fn post_of_router(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, EstError> {
    answer(Device::Router, app, peer, headers, body).await
}

async fn answer(
    device: Device,
    app: App,
    peer: Peer,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, EstError> {
    let body = message::read(body).await?;
    let facility = match device {
        Device::Pc => FacilityConnection::judge(&app, &peer).await,
        Device::Router => RouterConnection::judge(&app, &peer).await.map(|router| router.0),
    };
    let facility = facility.map_err(|error| refusal::renewal(error.code()))?;
    let request = message::request(&headers, &body)?;
    let der = by_certificate::renew(&app, device, &peer, &facility, &request, &[]).await?;
    message::certificates(message::CERTS_ONLY, &[&der])
}
