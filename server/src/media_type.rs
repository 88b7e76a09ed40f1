//! What a request says its body is (RFC 9110 §8.3).

use http::{HeaderMap, header};

/// `Content-Type` is there more than once: what the body is depends on who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Content-Type is repeated")]
pub struct Repeated;

/// The announced media type without its parameters; empty where none is, or none that can be read.
///
/// # Errors
/// [`Repeated`], also where the repetitions agree: no client of ours sends two (RFC 9110 §5.3).
pub fn announced(headers: &HeaderMap) -> Result<&str, Repeated> {
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
    let (line, None) = (lines.next(), lines.next()) else { return Err(Repeated) };
    let text = line.and_then(|value| value.to_str().ok()).unwrap_or_default();
    Ok(text.split(';').next().unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn one_media_type_is_read_without_parameters_and_two_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(announced(&headers), Ok(""));
        headers.append(header::CONTENT_TYPE, HeaderValue::from_static("text/html ; charset=utf-8"));
        assert_eq!(announced(&headers), Ok("text/html"));
        headers.append(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        assert_eq!(announced(&headers), Err(Repeated));
    }
}
