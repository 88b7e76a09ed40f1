//! Problem details for programs (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::{RETRY_SECS, page::Chain};

/// `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// HTTP status.
    #[serde(serialize_with = "status_as_number")]
    pub status: StatusCode,
    /// Machine-readable kind, stable over releases: a short token of ours under `urn:problem:`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words, the same at every occurrence (RFC 9457 §3.1.3).
    pub title: &'static str,
    /// What happened this time and what would help.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

fn status_as_number<S: serde::Serializer>(
    status: &StatusCode,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// `kind` is a token such as `nonce-consumed`.
    #[must_use]
    pub fn new(
        status: StatusCode,
        kind: &str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { status, kind: format!("urn:problem:{kind}"), title, detail: detail.into() }
    }

    /// 500; the cause goes to the log.
    #[must_use]
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(cause), "request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The service failed",
            "Try again; if it fails again, tell the help desk the request id.",
        )
    }

    /// 503; the cause goes to the log.
    #[must_use]
    pub fn unavailable(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(cause), "dependency does not answer");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "The service is not available",
            "Try again in a few seconds.",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (
            self.status,
            [
                (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json")),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ],
            body,
        )
            .into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_SECS));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_members_of_rfc_9457() {
        let problem =
            Problem::new(StatusCode::CONFLICT, "nonce-consumed", "Used already", "Again.");
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["status"], 409);
        assert_eq!(json["type"], "urn:problem:nonce-consumed");
        assert_eq!(
            problem.into_response().headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
    }
}
