//! Errors of enrolment over secure transport: a status and a line of text (RFC 7030 §4.2.3).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sekisho_store::StoreError;

use super::page::Chain;
use crate::people::tries::Resting;

/// A refusal that an EST client shows to the person at the PC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EstError {
    /// HTTP status; 202 with `retry_after_secs` means "not decided yet".
    pub status: StatusCode,
    /// What happened and what would help, in plain English without line breaks.
    pub text: String,
    /// `Retry-After`.
    pub retry_after_secs: Option<u32>,
}

impl EstError {
    /// A refusal.
    #[must_use]
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), retry_after_secs: None }
    }

    /// 401 with the challenge of RFC 7030 §3.2.3.
    #[must_use]
    pub fn unauthorized(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, text)
    }

    /// 500; the cause goes to the log.
    #[must_use]
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(cause), "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the service failed; try again")
    }
}

impl From<StoreError> for EstError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_)
            | StoreError::Unavailable(_)
            | StoreError::Unopened { .. }
            | StoreError::SharedCommit(_) => {
                tracing::error!(error = %Chain(&error), "database does not answer");
                Self {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    text: "the service is not available; try again".to_owned(),
                    retry_after_secs: Some(5),
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

impl From<Resting> for EstError {
    fn from(Resting { seconds }: Resting) -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            text: format!(
                "too many refused enrolments from this network; try again in {seconds} seconds"
            ),
            retry_after_secs: Some(u32::try_from(seconds).unwrap_or(u32::MAX)),
        }
    }
}

impl IntoResponse for EstError {
    fn into_response(self) -> Response {
        let mut response = (
            self.status,
            [
                (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ],
            self.text + "\n",
        )
            .into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"enrolment\", charset=\"UTF-8\""),
            );
        }
        if let Some(seconds) = self.retry_after_secs {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unauthorized_enrolment_is_challenged() {
        let response = EstError::unauthorized("code unknown").into_response();
        assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
    }
}
