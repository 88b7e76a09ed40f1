//! http-01: the key authorization at a known path (RFC 8555 §8.3).

use std::{error::Error, io};

use http::StatusCode;

use super::{Question, not_connected};
use crate::error::acme::AcmeError;

/// A key authorization has 87 characters; some servers end it with a line break.
const MOST_OCTETS: usize = 512;

pub(super) async fn ask(question: &Question<'_>) -> Result<(), AcmeError> {
    let Question { name, token, port, .. } = question;
    let address = format!("http://{name}:{port}/.well-known/acme-challenge/{token}");
    let client = reqwest::Client::builder()
        // Where it leads was not approved.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        // It speaks no TLS: the system's certificates are not read for it, which took half of an order.
        .tls_certs_only([])
        .resolve_to_addrs(name, &question.places)
        .build()
        .map_err(|error| AcmeError::internal(&error))?;
    let mut response =
        client.get(&address).send().await.map_err(|error| match of_system(&error) {
            Some(error) => not_connected(question, error),
            None => {
                let detail = format!("{name}, port {port}, gave no answer in HTTP");
                AcmeError::bad_request("connection", detail)
            }
        })?;
    if response.status() != StatusCode::OK {
        let status = response.status().as_u16();
        let because = if response.status().is_redirection() {
            "; redirects are not followed: answer the path itself at this port"
        } else {
            "; the client's answer is not there"
        };
        let detail = format!("{address} answered {status}{because}");
        return Err(AcmeError::unauthorized(detail));
    }
    let mut text = Vec::new();
    let broken = |_| {
        let detail = format!("the answer of {address} broke off");
        AcmeError::bad_request("connection", detail)
    };
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        text.extend_from_slice(&chunk);
        if text.len() > MOST_OCTETS {
            let detail = format!("{address} answered with something else: it is too long");
            return Err(AcmeError::unauthorized(detail));
        }
    }
    if question.is_answered_by(text.trim_ascii_end()) {
        return Ok(());
    }
    let detail = format!("{address} answered with something else than this account's answer");
    Err(AcmeError::unauthorized(detail))
}

/// What the system said, wherever in the chain of causes it stands.
fn of_system<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e io::Error> {
    error.downcast_ref().or_else(|| of_system(error.source()?))
}
