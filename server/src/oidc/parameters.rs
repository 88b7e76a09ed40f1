//! Parameters of an OAuth request: bounded, and never twice (RFC 6749 §3.1, §3.2).

use std::collections::BTreeMap;

use axum::{body::Bytes, extract::rejection::BytesRejection};
use http::StatusCode;
use serde_json::{Map, Value};

use crate::form::{self, FormError};

/// The longest query or body that is looked at, in octets.
pub const MOST_OCTETS: usize = 16 * 1024;

/// The longest `state` and `nonce`, in octets: both come back in an address.
const MOST_RETURNED: usize = 1024;

/// Why a `state` or `nonce` cannot come back octet by octet in an address or a form, if it cannot.
#[must_use]
pub fn unreturnable(value: &str) -> Option<&'static str> {
    if value.len() > MOST_RETURNED {
        Some("is longer than 1024 octets")
    } else if value.contains(char::is_control) {
        Some("holds a control character")
    } else {
        None
    }
}

/// The parameters of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters(BTreeMap<String, Vec<String>>);

impl Parameters {
    /// Reads urlencoded octets; each value is what was sent.
    ///
    /// # Errors
    /// [`FormError`]: too large, broken escapes, broken UTF-8 or control characters.
    pub fn parse(octets: &[u8]) -> Result<Self, FormError> {
        if octets.len() > MOST_OCTETS {
            return Err(FormError::TooLarge);
        }
        form::exact(octets).map(Self)
    }

    /// Reads the body of a form.
    ///
    /// # Errors
    /// As [`Self::parse`], and [`FormError::Incomplete`] for one that broke off.
    pub fn of_body(body: Result<Bytes, BytesRejection>) -> Result<Self, FormError> {
        let body = body.map_err(|rejection| {
            let too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
            if too_large { FormError::TooLarge } else { FormError::Incomplete }
        })?;
        Self::parse(&body)
    }

    /// The members of a signed request as parameters: what is no text stands there as JSON, a list of
    /// `resource` as several (RFC 9101 §4, RFC 8707 §2).
    #[must_use]
    pub fn of_claims(claims: Map<String, Value>) -> Self {
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let values = |name: &str, value: Value| match value {
            Value::Array(list) if name == "resource" => list.into_iter().map(text).collect(),
            Value::Null => Vec::new(),
            other => vec![text(other)],
        };
        let each = claims.into_iter().map(|(name, value)| {
            let values = values(&name, value);
            (name, values)
        });
        Self(each.collect())
    }

    /// The same, urlencoded, without `left_out`.
    #[must_use]
    pub fn encoded_without(&self, left_out: &[&str]) -> String {
        let kept = self.0.iter().filter(|(name, _)| !left_out.contains(&name.as_str()));
        let pairs = kept.flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }

    /// The value of `name`. One sent without a value counts as not sent (RFC 6749 §3.1); one sent
    /// twice has no value, and [`Self::repeated`] names it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.0.get(name)?.as_slice() {
            [value] if !value.is_empty() => Some(value),
            _ => None,
        }
    }

    /// Every value of `name`, for the parameters that may be sent several times.
    #[must_use]
    pub fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The first parameter that was sent more than once, known to us or not. `resource` alone may be
    /// (RFC 8707 §2).
    #[must_use]
    pub fn repeated(&self) -> Option<&str> {
        let mut repeated = self.0.iter().filter(|(_, values)| values.len() > 1);
        repeated.find(|(name, _)| *name != "resource").map(|(name, _)| name.as_str())
    }

    /// The first parameter that holds what [`Self::parse`] would refuse.
    #[must_use]
    pub fn invisible(&self) -> Option<&str> {
        let holds = |values: &[String]| values.iter().any(|value| value.contains(form::unborne));
        self.0.iter().find(|(_, values)| holds(values)).map(|(name, _)| name.as_str())
    }

    /// Whether `name` was sent more than once.
    #[must_use]
    pub fn is_repeated(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|values| values.len() > 1)
    }

    /// Whether `name` was sent at all, however often and with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_parameter_has_no_value_and_is_named() {
        let parameters = Parameters::parse(b"a=1&b=2&a=1").unwrap();
        assert_eq!(parameters.get("a"), None);
        assert_eq!(parameters.get("b"), Some("2"));
        assert_eq!(parameters.repeated(), Some("a"));
        assert!(parameters.is_repeated("a") && !parameters.is_repeated("b"));
    }

    #[test]
    fn an_empty_value_counts_as_not_sent() {
        let parameters = Parameters::parse(b"state=&nonce").unwrap();
        assert_eq!((parameters.get("state"), parameters.get("nonce")), (None, None));
        assert!(parameters.has("nonce"));
    }

    #[test]
    fn too_many_octets_and_broken_escapes_are_refused() {
        assert_eq!(Parameters::parse(&vec![b'a'; MOST_OCTETS + 1]), Err(FormError::TooLarge));
        assert_eq!(Parameters::parse(b"a=%ff"), Err(FormError::NotText));
    }
}
