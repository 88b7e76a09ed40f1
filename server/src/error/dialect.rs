//! The forms in which a path refuses, and one refusal said in each of them.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use sekisho_ca::revocation::ocsp::OcspFailure;

use super::{acme::AcmeError, est::EstError, oauth::OAuthError, page::PageError};
use crate::catalogue::Text;

/// How a path speaks to those it refuses.
///
/// Rooms convert their own errors; what no room sees (no such path or method, another name, another
/// site, too much, too slow, a defect) is said by [`Self::say`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// A page that a clerk understands; a program that does not ask for one gets a problem.
    Page,
    /// OAuth 2.0: JSON with `error` (RFC 6749 §5.2).
    OAuth,
    /// Enrolment over secure transport: a line of text (RFC 7030 §4.2.3).
    Est,
    /// ACME: problem details of its own types (RFC 8555 §6.7).
    Acme,
    /// Problem details (RFC 9457).
    Problem,
    /// An OCSP response with an error status (RFC 6960 §2.3).
    Ocsp,
    /// A line of text, for files.
    Plain,
}

impl Dialect {
    /// `error` in a form for programs, and in words for them: nobody presses a button there.
    /// `text` is the language of the request; dialects whose words are for developers speak English.
    pub(super) fn say(self, error: &PageError, text: &Text, english: &Text) -> Response {
        // What a stranger named is repeated as text, also where somebody shows it as a page.
        let plain = |value: &str| value.replace(['<', '>', '&', '"'], "?");
        let args: Vec<_> = error.args.iter().map(|(name, value)| (*name, plain(value))).collect();
        let line = || {
            let (what, help) = for_programs(error);
            let words = |key: &str| english.with(key, &args);
            help.map_or_else(|| words(what), |help| format!("{} {}", words(what), words(help)))
        };
        let mut response = match self {
            Self::Page | Self::Problem => problem(error, text, &args),
            Self::OAuth => OAuthError {
                status: error.status,
                error: oauth_code(error.status),
                description: line(),
                challenge: None,
                retry_after_secs: None,
            }
            .into_response(),
            Self::Acme => {
                let kind = acme_kind(error.status);
                AcmeError::new(error.status, kind, line()).into_response()
            }
            Self::Est => EstError::new(error.status, line()).into_response(),
            Self::Ocsp => ocsp(error.status),
            Self::Plain => (
                error.status,
                [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))],
                line() + "\n",
            )
                .into_response(),
        };
        for (name, value) in &error.headers {
            response.headers_mut().append(name.clone(), value.clone());
        }
        response
    }
}

/// `title` is the same at every occurrence of a kind (RFC 9457 §3.1.3); the kind is the title's key.
fn problem(error: &PageError, text: &Text, args: &[(&'static str, String)]) -> Response {
    let words = |key: &str| text.with(key, args);
    let (what, help) = for_programs(error);
    let mut body = serde_json::json!({
        "type": format!("urn:problem:{}", error.title.trim_end_matches("-title")),
        "title": words(error.title),
        "status": error.status.as_u16(),
        "detail": words(what),
    });
    if let Some(help) = help {
        body["help"] = words(help).into();
    }
    let json = HeaderValue::from_static("application/problem+json");
    (error.status, [(header::CONTENT_TYPE, json)], body.to_string()).into_response()
}

/// Message keys: what happened, and what the sender can do unless that says it already.
fn for_programs(error: &PageError) -> (&'static str, Option<&'static str>) {
    match error.title {
        "error-not-found-title" => ("error-not-found-program", None),
        "error-method-title" => ("error-method-program", None),
        "error-timeout-title" => ("error-timeout-program", None),
        "error-misdirected-title" => ("error-misdirected-program", None),
        "error-too-large-title" => ("error-too-large-program", None),
        "error-cross-site-title" => ("error-cross-site-program", None),
        "error-unavailable-title" => ("error-unavailable-program", None),
        "error-encoded-title" => ("error-encoded-program", None),
        "error-internal-title" => ("error-internal-program", None),
        "error-address-title" if error.text == "error-address-unknown" => {
            ("error-address-unknown-program", Some("error-form-program"))
        }
        "error-form-title" | "error-address-title" => (error.text, Some("error-form-program")),
        // A room's own words know who reads them.
        _ => (error.text, Some(error.help)),
    }
}

/// RFC 6749 §5.2; the last two are of §4.1.2.1 and widely understood here too.
fn oauth_code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            "temporarily_unavailable"
        }
        status if status.is_server_error() => "server_error",
        _ => "invalid_request",
    }
}

/// RFC 8555 §6.7.
fn acme_kind(status: StatusCode) -> &'static str {
    match status {
        StatusCode::TOO_MANY_REQUESTS => "rateLimited",
        status if status.is_server_error() => "serverInternal",
        _ => "malformed",
    }
}

/// The HTTP status stays: a cache or proxy between must not take the refusal for an answer.
pub fn ocsp(status: StatusCode) -> Response {
    let failure = if status.is_server_error() {
        OcspFailure::InternalError
    } else {
        OcspFailure::MalformedRequest
    };
    let kind = HeaderValue::from_static("application/ocsp-response");
    (status, [(header::CONTENT_TYPE, kind)], failure.to_der()).into_response()
}

/// Headers of a bare refusal that belong to its answer in whatever form.
pub(super) const KEPT: [HeaderName; 7] = [
    header::SET_COOKIE,
    header::ALLOW,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::VARY,
];
