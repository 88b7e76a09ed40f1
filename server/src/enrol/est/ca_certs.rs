//! `GET /.well-known/est/cacerts`: the root and the authority for terminals (RFC 7030 §4.1).

use axum::{extract::State, response::Response};

use super::message;
use crate::{app::App, error::est::EstError};

/// Answers anybody: a terminal checks the root's fingerprint before it says anything else.
///
/// # Errors
/// 500: a certificate of ours does not encode.
pub async fn get(State(app): State<App>) -> Result<Response, EstError> {
    let authority = app.authority();
    message::certificates(
        message::CA_CERTS,
        &[authority.root_der(), authority.terminals().certificate_der()],
    )
}
