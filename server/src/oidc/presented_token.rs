//! A token in the `Authorization` header (RFC 6750 §2.1, RFC 9449 §7.1).

use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::error::oauth::OAuthError;

/// How a token was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// RFC 6750 §2.1.
    Bearer,
    /// RFC 9449 §7.1.
    Dpop,
}

impl Scheme {
    /// The token that was sent so does not count.
    pub(super) fn invalid(self) -> OAuthError {
        let error = OAuthError::invalid_token("the token is not valid here and now");
        match self {
            Self::Bearer => error,
            Self::Dpop => OAuthError {
                challenge: Some(HeaderValue::from_static(
                    "DPoP error=\"invalid_token\", algs=\"ES256 PS256\"",
                )),
                ..error
            },
        }
    }
}

/// The one token of a request. It comes in the `Authorization` header only: an address ends up in logs
/// (RFC 6750 §5.3).
///
/// # Errors
/// [`OAuthError`]: none, or several.
pub(super) fn presented(headers: &HeaderMap) -> Result<(Scheme, &str), OAuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(OAuthError::bad_request("invalid_request", "Authorization is repeated"));
    }
    let parts = value.and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
    let scheme = |name: &str| match () {
        () if seeded!(SchemeInOneCase) && !matches!(name, "Bearer" | "DPoP") => None,
        () if name.eq_ignore_ascii_case("bearer") => Some(Scheme::Bearer),
        () if name.eq_ignore_ascii_case("dpop") => Some(Scheme::Dpop),
        () => None,
    };
    parts.and_then(|(name, token)| Some((scheme(name)?, token.trim()))).ok_or_else(|| OAuthError {
        // RFC 6750 §3.1: without a token no error code, only the challenge.
        challenge: Some(HeaderValue::from_static("Bearer")),
        status: StatusCode::UNAUTHORIZED,
        error: "invalid_token",
        description: "an access token is required".to_owned(),
        retry_after_secs: None,
    })
}
