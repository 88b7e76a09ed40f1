//! `POST /.well-known/est/simpleenroll`: a PC's first certificate, by its code (RFC 7030 §4.2). A
//! router's under the label `routers` (§3.2.2): the same but for authority, profile and names.
//!
//! 1. who asks: terminal and code by HTTP Basic; what is no code is never looked for;
//! 2. what for: base64, DER, a key of a kind that we certify, the request's own signature;
//! 3. [`by_code`]: the same for every door. Where a person has to approve the key first, 202 (§4.2.3), and
//!    the same request once more when that may have happened.

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
    enrol::{
        by_code::{self, Came},
        credentials, refusal,
    },
    error::est::EstError,
    listener::Peer,
};

/// Answers a PC that brings its code.
///
/// # Errors
/// 202 while the request waits, 400, 401, 403, 413, 415 or 503, with a line of text.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, EstError> {
    answer(Device::Pc, app, peer, headers, body).await
}

/// Answers a router that brings its code.
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
    // 1
    let credentials = credentials::brought(&app, &peer, by_code::ACT, &headers).await?;
    // 2
    let request = message::request(&headers, &body)?;
    // 3
    let enrolment = by_code::Enrolment {
        app: &app,
        peer: &peer,
        device,
        terminal_id: credentials.terminal.to_string(),
        code_hash: credentials.code.hash(),
        spki_sha256: request.public_key_sha256(),
        at: app.now(),
        facts: &[],
        protocol: by_code::Protocol::Est,
    };
    match enrolment.run(&request).await? {
        Came::Certificate(der) => message::certificates(message::CERTS_ONLY, &[&der]),
        Came::Waits(seconds) => Err(refusal::waits(&request.public_key_sha256(), seconds)),
    }
}
