//! Errors of the OAuth 2.0 endpoints that answer in JSON (RFC 6749 §5.2).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sekisho_store::StoreError;

use super::{RETRY_SECS, page::Chain};
use crate::{form::FormError, people::tries::Resting};

/// `{"error": …, "error_description": …}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthError {
    /// HTTP status: 400, or 401 for `invalid_client` and `invalid_token`.
    pub status: StatusCode,
    /// Code of RFC 6749 §5.2, RFC 6750 §3.1 or an extension.
    pub error: &'static str,
    /// For the developer of the client: printable ASCII without `"` and `\` (RFC 6749 §5.2).
    pub description: String,
    /// Value of `WWW-Authenticate`, where the status asks for one.
    pub challenge: Option<HeaderValue>,
    /// `Retry-After`.
    pub retry_after_secs: Option<i64>,
}

impl OAuthError {
    /// 400 with `error`.
    #[must_use]
    pub fn bad_request(error: &'static str, description: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error,
            description: description.into(),
            challenge: None,
            retry_after_secs: None,
        }
    }

    /// 401 `invalid_client`, with the challenge that RFC 6749 §5.2 asks for.
    #[must_use]
    pub fn invalid_client(description: impl Into<String>) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            error: "invalid_client",
            description: description.into(),
            challenge: Some(HeaderValue::from_static("Basic realm=\"token\"")),
            retry_after_secs: None,
        }
    }

    /// 401 `invalid_token` (RFC 6750 §3.1).
    #[must_use]
    pub fn invalid_token(description: impl Into<String>) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            error: "invalid_token",
            description: description.into(),
            challenge: Some(HeaderValue::from_static("Bearer error=\"invalid_token\"")),
            retry_after_secs: None,
        }
    }

    /// 500 `server_error`; the cause goes to the log.
    #[must_use]
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(cause), "request failed");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            error: "server_error",
            description: "the service failed; try again".to_owned(),
            challenge: None,
            retry_after_secs: None,
        }
    }
}

impl From<FormError> for OAuthError {
    fn from(error: FormError) -> Self {
        let status = match &error {
            FormError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            FormError::NotAForm
            | FormError::TypeRepeated
            | FormError::Incomplete
            | FormError::NotText
            | FormError::ControlCharacter { .. }
            | FormError::Repeated { .. }
            | FormError::Unknown { .. }
            | FormError::Missing { .. }
            | FormError::Unfit { .. } => StatusCode::BAD_REQUEST,
        };
        // What is no printable ASCII, backquotes aside, is replaced on the way out.
        Self { status, ..Self::bad_request("invalid_request", error.to_string().replace('`', "'")) }
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_)
            | StoreError::Unavailable(_)
            | StoreError::Unopened { .. }
            | StoreError::SharedCommit(_) => {
                tracing::error!(error = %Chain(&error), "database does not answer");
                Self {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    error: "temporarily_unavailable",
                    description: "the service is not available; try again".to_owned(),
                    challenge: None,
                    retry_after_secs: Some(RETRY_SECS),
                }
            }
            StoreError::AlreadyExists { .. }
            | StoreError::Migration(_)
            | StoreError::IssuerRevoked { .. }
            | StoreError::Unplaced { .. }
            | StoreError::Corrupt { .. } => Self::internal(&error),
        }
    }
}

impl From<Resting> for OAuthError {
    fn from(Resting { seconds }: Resting) -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            error: "temporarily_unavailable",
            description: format!("too many refusals; try again in {seconds} seconds"),
            challenge: None,
            retry_after_secs: Some(seconds),
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        // Markup is nothing to the protocol, but somebody may show what a stranger sent as a page.
        let kept = |c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '<' | '>');
        let description: String =
            self.description.chars().map(|c| if kept(c) { c } else { '?' }).collect();
        let body = serde_json::json!({"error": self.error, "error_description": description});
        let mut response = (
            self.status,
            [
                (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
                // RFC 6749 §5.1 asks for both.
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
                (header::PRAGMA, HeaderValue::from_static("no-cache")),
            ],
            body.to_string(),
        )
            .into_response();
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after_secs {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_client_is_401_with_a_challenge() {
        let response = OAuthError::invalid_client("unknown").into_response();
        assert_eq!(response.status(), 401);
        assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    }
}
