//! `GET /.well-known/est/cacerts`: the root and each authority for terminals (RFC 7030 §4.1).

use axum::{extract::State, response::Response};

use super::message;
use crate::{app::App, authority::Line, error::est::EstError};

/// Answers anybody: a terminal checks the root's fingerprint before it says anything else.
///
/// # Errors
/// 500: a certificate of ours does not encode.
pub async fn get(State(app): State<App>) -> Result<Response, EstError> {
    let authority = app.authority();
    // Each generation: a terminal may hold a certificate of any.
    let terminals = authority.of(Line::Terminals).map(|issuer| issuer.certificate_der());
    let all: Vec<_> = std::iter::once(authority.root_der()).chain(terminals).collect();
    message::certificates(message::CA_CERTS, &all)
}
