//! `GET /.well-known/est/cacerts`: the roots, what they say of each other, and each authority for
//! PCs (RFC 7030 §4.1.3); under the label `routers` each authority for routers.

use axum::{extract::State, response::Response};

use super::message;
use crate::{app::App, authority::Line, error::est::EstError};

/// Answers anybody: a terminal checks the root's fingerprint before it says anything else, and
/// believes in a next root only what the one that it knows has signed.
///
/// # Errors
/// 500: a certificate of ours does not encode.
pub async fn get(State(app): State<App>) -> Result<Response, EstError> {
    answer(&app, Line::Terminals)
}

/// Answers anybody who is to know routers by their certificates.
///
/// # Errors
/// As [`get`].
pub async fn get_of_routers(State(app): State<App>) -> Result<Response, EstError> {
    answer(&app, Line::Routers)
}

fn answer(app: &App, line: Line) -> Result<Response, EstError> {
    let authority = app.authority();
    let roots = authority.roots();
    // Each generation that still leads somewhere: a device may hold a certificate of any.
    let issuers = authority.of(line);
    let issuers = issuers.filter(|issuer| roots.is_under(issuer.certificate()));
    let issuers = issuers.map(|issuer| issuer.certificate_der());
    let all: Vec<_> = roots.told(app.now()).chain(issuers).collect();
    message::certificates(message::CA_CERTS, &all)
}
