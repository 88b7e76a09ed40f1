//! Whether whoever ordered holds a name: the host is asked, by http-01 (RFC 8555 §8.3) or tls-alpn-01
//! (RFC 8737).
//!
//! Asked are only hosts that a service is registered with, at one port each, without redirects, within the
//! operating body's networks: what a stranger names is never fetched.

mod http_01;
mod tls_alpn_01;

use std::{io, net::SocketAddr, time::Duration};

use http::StatusCode;
use sekisho_store::acme_order::Authorization;
use subtle::ConstantTimeEq;
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Host;

use super::door::Holder;
use crate::{
    app::App,
    error::acme::AcmeError,
    outbound::{self, PlaceError},
};

/// For connection and answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A question has ended by then, for its name and for its answer, or its process died.
pub(super) const LONGEST: time::Duration =
    time::Duration::seconds(3 * PATIENCE.as_secs().cast_signed());
/// How many servers this process asks at once: each takes up to [`LONGEST`].
static TURNS: Semaphore = Semaphore::const_new(64);

/// Leave to ask a server.
///
/// # Errors
/// `rateLimited`: too many are being asked.
pub(super) fn turn() -> Result<SemaphorePermit<'static>, AcmeError> {
    TURNS.try_acquire().map_err(|_| {
        let detail = "too many servers are being asked at the moment; try again";
        let error = AcmeError::new(StatusCode::SERVICE_UNAVAILABLE, "rateLimited", detail);
        AcmeError { retry_after_secs: Some(5), ..error }
    })
}

/// How a name is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Http01,
    TlsAlpn01,
}

impl Method {
    pub(super) const ALL: [Self; 2] = [Self::Http01, Self::TlsAlpn01];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }

    /// What the server is to show by it.
    pub(super) fn token(self, authorization: &Authorization) -> &str {
        match self {
            Self::Http01 => &authorization.http_token,
            Self::TlsAlpn01 => &authorization.tls_token,
        }
    }
}

/// What is expected, and where.
struct Question<'a> {
    name: &'a str,
    token: &'a str,
    /// Token and thumbprint of the account's key (RFC 8555 §8.1).
    key_authorization: String,
    places: Vec<SocketAddr>,
    port: u16,
}

impl Question<'_> {
    fn is_answered_by(&self, text: &[u8]) -> bool {
        text.ct_eq(self.key_authorization.as_bytes()).into()
    }
}

/// Asks the host.
///
/// # Errors
/// `dns`, `connection`, `tls`, `unauthorized` (RFC 8555 §6.7), in words for whoever runs the server.
pub(super) async fn ask(
    app: &App,
    holder: &Holder,
    authorization: &Authorization,
    method: Method,
) -> Result<(), AcmeError> {
    let name = authorization.name.as_str();
    let acme = app.config().acme();
    let port = match method {
        Method::Http01 => acme.http_port(),
        Method::TlsAlpn01 => acme.tls_port(),
    };
    // The registration may have changed since the order.
    if !super::names::of(&holder.service).contains(name) {
        let detail = format!("the service is no longer registered with {name}");
        return Err(AcmeError::unauthorized(detail));
    }
    let loopback_allowed = app.config().oidc().allow_loopback_clients();
    let host = Host::Domain(name);
    let resolved = outbound::places(&host, port, loopback_allowed);
    let places = match tokio::time::timeout(PATIENCE, resolved).await {
        Ok(places) => places.map_err(|error| unreachable(name, &error))?,
        Err(_) => {
            let detail = format!("{name} was not resolved in time; ask who runs the network's DNS");
            return Err(AcmeError::bad_request("dns", detail));
        }
    };
    let places: Vec<_> = places.into_iter().filter(|place| acme.is_inside(place.ip())).collect();
    if places.is_empty() {
        let detail =
            format!("{name} leads out of the networks in which servers stand (acme.networks)");
        return Err(AcmeError::bad_request("connection", detail));
    }
    let token = method.token(authorization);
    let key_authorization = format!("{token}.{}", holder.account.thumbprint);
    let question = Question { name, token, key_authorization, places, port };
    let answer = async {
        match method {
            Method::Http01 => http_01::ask(&question).await,
            Method::TlsAlpn01 => tls_alpn_01::ask(&question).await,
        }
    };
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(outcome) => outcome,
        Err(_) => Err(slow(name, port)),
    }
}

fn unreachable(name: &str, error: &PlaceError) -> AcmeError {
    match error {
        PlaceError::Unresolved(_) => {
            let detail =
                format!("{name} could not be resolved here; ask who runs the network's DNS");
            AcmeError::bad_request("dns", detail)
        }
        PlaceError::Forbidden => {
            let detail =
                format!("{name} leads to an address that is never asked (loopback, link-local)");
            AcmeError::bad_request("connection", detail)
        }
    }
}

fn slow(name: &str, port: u16) -> AcmeError {
    let detail =
        format!("{name}, port {port}, did not answer within {} seconds", PATIENCE.as_secs());
    AcmeError::bad_request("connection", detail)
}

fn not_connected(question: &Question<'_>, error: &io::Error) -> AcmeError {
    let Question { name, port, .. } = question;
    let detail = format!(
        "no connection to {name}, port {port} ({}): is the server up, and open to us?",
        error.kind()
    );
    AcmeError::bad_request("connection", detail)
}
