//! Scripts of other sites' pages that may read an answer (Fetch, "CORS protocol").
//!
//! Only what is public, and what a service without a secret needs whose own page logs in: the token
//! endpoint and userinfo, for the origins of registered redirect URIs. Such an origin runs the code that
//! receives the codes anyway. Cookies are never part of it: no answer says
//! `Access-Control-Allow-Credentials`.

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use sekisho_store::public_client;

use crate::{app::App, route::Readers};

/// What a script may send beside what every form may: an access token and the proof of its key; a
/// client's assertion is in the body.
const SENT: HeaderValue = HeaderValue::from_static("authorization, content-type, dpop");
/// What a script may read beside what every script may: why a token is refused (RFC 6750 §3).
const READ: HeaderValue = HeaderValue::from_static("www-authenticate");
/// How long a browser may remember a preflight, in seconds. A service can be withdrawn meanwhile; its
/// requests are refused then for that reason.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");

/// Who may read the answer to one request.
pub(super) struct Reading {
    readers: Readers,
    /// What `Access-Control-Allow-Origin` says.
    reader: Option<HeaderValue>,
}

impl Reading {
    pub(super) async fn of(app: &App, readers: Readers, headers: &HeaderMap) -> Self {
        Self { readers, reader: reader(app, readers, headers).await }
    }

    /// The answer to a preflight of somebody who may read what follows.
    pub(super) fn preflight(&self, allowed: &[&str], request: &Request) -> Option<Response> {
        let asks = *request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        (asks && self.reader.is_some()).then(|| preflight_answer(&allowed.join(", ")))
    }

    /// Tells the browser which origin may read the answer.
    pub(super) fn tell(self, response: &mut Response) {
        let headers = response.headers_mut();
        if self.readers == Readers::PublicClients {
            // What a cache keeps of an answer is for one origin.
            headers.append(header::VARY, HeaderValue::from_name(header::ORIGIN));
        }
        if let Some(reader) = self.reader {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, reader);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, READ);
        }
    }
}

/// What `Access-Control-Allow-Origin` says, where anybody may read the answer.
async fn reader(app: &App, readers: Readers, headers: &HeaderMap) -> Option<HeaderValue> {
    match readers {
        Readers::OwnPages => return None,
        Readers::AnyPage => return Some(HeaderValue::from_static("*")),
        Readers::PublicClients => {}
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = origins.next()?;
    let text = origin.to_str().ok().filter(|text| origins.next().is_none() && is_origin(text))?;
    match public_client::lies_at(&mut app.store().read(), text).await {
        Ok(known) => known.then(|| origin.clone()),
        Err(error) => {
            tracing::error!(%error, "whether an origin is a service's was not found out");
            None
        }
    }
}

/// Whether it is written as browsers write the origin of a page (RFC 6454 §6.2), not just the beginning
/// of one.
fn is_origin(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text)
}

fn preflight_answer(methods: &str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    if let Ok(methods) = HeaderValue::from_str(methods) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, SENT);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    response
}
