//! What the enrolment name answers: a bounded body, or in words why there is none.

use std::time::SystemTime;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Response, StatusCode, header};
use sekisho_pki::encoding::cms;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::Url;

use super::enrol::EnrolError;

/// The most characters of a refusal's text that are shown.
const MOST_TEXT: usize = 400;

/// The certificates of a certs-only PKCS #7 in base64 (RFC 7030 §4.1.3, §4.2.3).
pub(super) fn certs_only(body: &[u8]) -> Result<Vec<Vec<u8>>, EnrolError> {
    let text: Vec<u8> = body.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(text).map_err(|_| EnrolError::Answer("base64"))?;
    cms::parse_certs_only(&der).map_err(|_| EnrolError::Answer("certificates"))
}

/// What a request shows of this PC: what a 401 or 403 is then about.
#[derive(Clone, Copy)]
pub(super) enum Shown {
    Nothing,
    Code,
    Certificate,
}

/// The body of a 200, bounded; anything else as an error that says what to do.
pub(super) async fn accepted(
    mut response: Response,
    shown: Shown,
    most: usize,
) -> Result<Vec<u8>, EnrolError> {
    let status = response.status();
    let is_problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().to_ascii_lowercase().starts_with(b"application/problem+json")
    });
    let may_come_again = response.headers().contains_key(header::RETRY_AFTER);
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|_| EnrolError::Answer("cut short"))? {
        if body.len() + piece.len() > most {
            return Err(EnrolError::Answer("too long"));
        }
        body.extend_from_slice(&piece);
    }
    let text = || {
        let problem = is_problem.then(|| serde_json::from_slice::<Problem>(&body).ok()).flatten();
        let text = problem
            .map_or_else(|| String::from_utf8_lossy(&body).into_owned(), |problem| problem.words());
        text.chars().filter(|c| !c.is_control()).take(MOST_TEXT).collect::<String>()
    };
    match (status, shown) {
        (StatusCode::OK, _) => Ok(body),
        (StatusCode::FORBIDDEN, Shown::Code) if may_come_again => {
            Err(EnrolError::CodeWaits(text()))
        }
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Shown::Code) => {
            Err(EnrolError::CodeRefused(text()))
        }
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Shown::Certificate) => {
            Err(EnrolError::TerminalRefused(text()))
        }
        _ => Err(EnrolError::Refused { status: status.as_u16(), text: text() }),
    }
}

/// What a problem (RFC 9457) says to people.
#[derive(serde::Deserialize)]
struct Problem {
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
}

impl Problem {
    fn words(self) -> String {
        match (self.title.is_empty(), self.detail.is_empty()) {
            (_, true) => self.title,
            (true, false) => self.detail,
            (false, false) => format!("{}: {}", self.title, self.detail),
        }
    }
}

/// Server's clock minus ours, in seconds, by the Date header (RFC 9110 §6.6.1).
pub(super) fn clock_ahead(response: &Response) -> Option<i64> {
    let date = response.headers().get(header::DATE)?.to_str().ok()?;
    let date = OffsetDateTime::parse(&date.replace("GMT", "+0000"), &Rfc2822).ok()?;
    Some(date.unix_timestamp() - OffsetDateTime::from(SystemTime::now()).unix_timestamp())
}

pub(super) fn unreachable(url: &Url, error: &reqwest::Error) -> EnrolError {
    EnrolError::Unreachable { server: url.origin().ascii_serialization(), why: causes(error) }
}

/// An error and its causes on one line.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
