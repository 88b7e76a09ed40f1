//! Validators and freshness of what is published over HTTP (RFC 9110 §13, RFC 9111 §5.2).

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use time::{Duration, OffsetDateTime};

use crate::http_date;

/// What a cache needs to know of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validators {
    /// Strong: names the octets. Without quotes.
    pub(super) tag: String,
    /// Since when it is so.
    pub(super) modified: OffsetDateTime,
    /// How long it may be used without asking.
    pub(super) max_age: Duration,
}

impl Validators {
    /// Adds them to a response.
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        let seconds = self.max_age.whole_seconds().max(0);
        let control = match seconds {
            0 => "public, no-cache".to_owned(),
            _ => format!("public, no-transform, must-revalidate, max-age={seconds}"),
        };
        let modified = http_date::write(self.modified);
        for (name, value) in [
            (header::ETAG, format!("\"{}\"", self.tag)),
            (header::LAST_MODIFIED, modified),
            (header::CACHE_CONTROL, control),
        ] {
            // Our own ASCII; a value that is none would be left out.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }

    /// The short answer for who has the same already (RFC 9110 §13.2.2): If-None-Match decides
    /// where it is given, If-Modified-Since otherwise.
    pub(super) fn not_modified(&self, asked: &HeaderMap) -> Option<Response> {
        let same = if asked.contains_key(header::IF_NONE_MATCH) {
            asked
                .get_all(header::IF_NONE_MATCH)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|list| list.split(','))
                .map(str::trim)
                .any(|tag| tag == "*" || tag.trim_start_matches("W/").trim_matches('"') == self.tag)
        } else {
            asked
                .get(header::IF_MODIFIED_SINCE)
                .and_then(|value| value.to_str().ok())
                .and_then(http_date::read)
                .is_some_and(|since| self.modified.unix_timestamp() <= since.unix_timestamp())
        };
        same.then(|| {
            let mut response = StatusCode::NOT_MODIFIED.into_response();
            self.apply(response.headers_mut());
            response
        })
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn asked(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn who_has_the_same_is_told_so_and_nobody_else() {
        let validators = Validators {
            tag: "a-7".to_owned(),
            modified: datetime!(2026-11-21 09:00 UTC),
            max_age: Duration::seconds(30),
        };
        let (tag, since) = (header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE);
        for (name, value, same) in [
            (&tag, "\"a-7\"", true),
            (&tag, "W/\"a-7\"", true),
            (&tag, "\"x\", \"a-7\"", true),
            (&tag, "*", true),
            (&tag, "\"a-6\"", false),
            (&since, "Sat, 21 Nov 2026 09:00:00 GMT", true),
            (&since, "Sat, 21 Nov 2026 09:00:01 GMT", true),
            (&since, "Sat, 21 Nov 2026 08:59:59 GMT", false),
            (&since, "yesterday", false),
        ] {
            let answer = validators.not_modified(&asked(name.clone(), value));
            assert_eq!(answer.is_some(), same, "{name}: {value}");
        }
        // The tag decides where both are given.
        let mut both = asked(tag, "\"a-6\"");
        both.extend(asked(since, "Sat, 21 Nov 2026 09:00:00 GMT"));
        assert!(validators.not_modified(&both).is_none());
        let mut headers = HeaderMap::new();
        validators.apply(&mut headers);
        assert_eq!(headers[header::LAST_MODIFIED], "Sat, 21 Nov 2026 09:00:00 GMT");
        assert_eq!(headers[header::ETAG], "\"a-7\"");
        let control = headers[header::CACHE_CONTROL].to_str().unwrap();
        assert!(control.contains("max-age=30") && control.contains("public"), "{control}");
    }
}
