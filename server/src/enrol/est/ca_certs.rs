//! `GET /.well-known/est/cacerts`: the roots, what they say of each other, and each authority for
//! terminals (RFC 7030 §4.1.3).

use axum::{extract::State, response::Response};

use super::message;
use crate::{app::App, authority::Line, error::est::EstError};

/// Answers anybody: a terminal checks the root's fingerprint before it says anything else, and
/// believes in a next root only what the one that it knows has signed.
///
/// # Errors
/// 500: a certificate of ours does not encode.
pub async fn get(State(app): State<App>) -> Result<Response, EstError> {
    let authority = app.authority();
    let roots = authority.roots();
    // Each generation that still leads somewhere: a terminal may hold a certificate of any.
    let terminals = authority.of(Line::Terminals);
    let terminals = terminals.filter(|issuer| roots.is_under(issuer.certificate()));
    let terminals = terminals.map(|issuer| issuer.certificate_der());
    let all: Vec<_> = roots.told(app.now()).chain(terminals).collect();
    message::certificates(message::CA_CERTS, &all)
}
