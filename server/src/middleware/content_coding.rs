//! What is sent arrives as it is: no path undoes a compression.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::error::page::PageError;

/// Refuses a request whose content is encoded (RFC 9110 §8.4): read as if it were not, it would be
/// judged as something else than was sent. 415 with the coding that is taken: none (§15.5.16).
pub(super) fn refusal(headers: &HeaderMap) -> Option<Response> {
    if is_as_it_is(headers) {
        return None;
    }
    let refused = PageError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "error-encoded-title",
        "error-encoded-text",
        "error-encoded-help",
    );
    let identity = HeaderValue::from_static("identity");
    Some(refused.header(header::ACCEPT_ENCODING, identity).into_response())
}

/// Whether no coding is named, or only the one that changes nothing.
fn is_as_it_is(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().all(|line| {
        line.to_str().is_ok_and(|codings| {
            let mut codings = codings.split(',').map(str::trim);
            codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case("identity"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(lines: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            let line = HeaderValue::from_str(line).unwrap();
            headers.append(header::CONTENT_ENCODING, line);
        }
        is_as_it_is(&headers)
    }

    #[test]
    fn only_what_is_not_encoded_is_taken() {
        for good in [&[][..], &["identity"], &[""], &["Identity", "identity, "]] {
            assert!(judged(good), "{good:?}");
        }
        for encoded in [&["gzip"][..], &["identity, gzip"], &["identity", "br"], &["\u{e9}"]] {
            assert!(!judged(encoded), "{encoded:?}");
        }
    }
}
