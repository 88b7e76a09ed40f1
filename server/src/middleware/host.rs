//! The name in the request is the name of the connection.

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{StatusCode, Version, header, uri::Authority};

use crate::{app::App, names::NameRole};

/// 421 unless the request names the role's own authority.
///
/// A browser may reuse an HTTP/2 connection for another name of the same certificate, or a stranger
/// may write any `Host`: neither may reach paths of a name whose handshake asked other questions.
pub(super) fn refusal(app: &App, role: NameRole, request: &Request) -> Option<Response> {
    let named = request.uri().authority().map(Authority::as_str).or_else(|| {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let host = hosts.next()?;
        if hosts.next().is_some() { None } else { host.to_str().ok() }
    });
    // Routers fetch lists and enrol over HTTP/1.0, which has no `Host`. Nothing at this name depends on it.
    let nameless = role == NameRole::Plain
        && request.version() <= Version::HTTP_10
        && !request.headers().contains_key(header::HOST);
    let own = app.names().authority(role);
    let matches = nameless
        || named.is_some_and(|named| {
            named.eq_ignore_ascii_case(own)
            // Revocation lists are fetched by daemons that write the host in ways of their own, and
            // are the same for everybody.
            || role == NameRole::Plain
        });
    (!matches).then(|| StatusCode::MISDIRECTED_REQUEST.into_response())
}
