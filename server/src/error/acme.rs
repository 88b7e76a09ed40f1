//! Errors of ACME: problem documents of its own types (RFC 8555 §6.7).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sekisho_ca::{
    issuance::IssuanceError, record::RecordError, registration::RegistrationError,
    request::RequestError,
};
use sekisho_store::StoreError;
use serde_json::{Value, json};

use super::{RETRY_SECS, page::Chain};
use crate::{jose::Algorithm, people::tries::Resting};

/// A refusal as ACME clients read it.
#[derive(Debug, Clone, PartialEq)]
pub struct AcmeError {
    /// HTTP status.
    pub status: StatusCode,
    /// One of RFC 8555 §6.7 or RFC 9773 §7.4, without the common beginning.
    pub kind: &'static str,
    /// What happened and what would help.
    pub detail: String,
    /// What belongs to single names (§6.7.1).
    pub of_names: Vec<NameFault>,
    /// `Location`: what stands in the way (§7.3.5).
    pub location: Option<String>,
    /// `Retry-After`.
    pub retry_after_secs: Option<i64>,
}

/// What is wrong with one of the names (§6.7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameFault {
    /// Type and value as they came.
    pub identifier: (String, String),
    /// As [`AcmeError::kind`].
    pub kind: &'static str,
    /// In words.
    pub detail: String,
}

impl AcmeError {
    /// A refusal.
    #[must_use]
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            detail: detail.into(),
            of_names: Vec::new(),
            location: None,
            retry_after_secs: None,
        }
    }

    /// 400.
    #[must_use]
    pub fn bad_request(kind: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, kind, detail)
    }

    /// 400 `malformed`.
    #[must_use]
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::bad_request("malformed", detail)
    }

    /// 403 `unauthorized`.
    #[must_use]
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "unauthorized", detail)
    }

    /// 404, also for what belongs to another account.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        let detail =
            format!("this account has no such {what}; follow the addresses of the answers");
        Self::new(StatusCode::NOT_FOUND, "malformed", detail)
    }

    /// 500; the cause goes to the log.
    #[must_use]
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(cause), "request failed");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, "serverInternal", "the service failed; try again")
    }

    /// 503; the cause goes to the log.
    #[must_use]
    pub fn unavailable(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(cause), "dependency does not answer");
        let text = "the service is not available at the moment; try again";
        Self {
            retry_after_secs: Some(RETRY_SECS),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "serverInternal", text)
        }
    }

    /// As it stands in answers, within orders and challenges too.
    #[must_use]
    pub fn document(&self) -> Value {
        let mut document = json!({
            "type": type_of(self.kind),
            "detail": self.detail,
            "status": self.status.as_u16(),
        });
        if !self.of_names.is_empty() {
            let each = self.of_names.iter().map(|fault| {
                let (kind, value) = &fault.identifier;
                json!({
                    "type": type_of(fault.kind),
                    "detail": fault.detail,
                    "identifier": { "type": kind, "value": value },
                })
            });
            document["subproblems"] = each.collect();
        }
        if self.kind == "badSignatureAlgorithm" {
            // §6.2: which ones would do.
            document["algorithms"] = Algorithm::ALL.map(Algorithm::as_str).to_vec().into();
        }
        document
    }
}

fn type_of(kind: &str) -> String {
    format!("urn:ietf:params:acme:error:{kind}")
}

impl IntoResponse for AcmeError {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        let mut response = (self.status, headers, self.document().to_string()).into_response();
        if let Some(seconds) = self.retry_after_secs {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(location) = self.location.as_deref().and_then(|at| at.parse().ok()) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

impl From<StoreError> for AcmeError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_)
            | StoreError::Unavailable(_)
            | StoreError::Unopened { .. }
            | StoreError::SharedCommit(_) => Self::unavailable(&error),
            StoreError::AlreadyExists { .. }
            | StoreError::Migration(_)
            | StoreError::IssuerRevoked { .. }
            | StoreError::Unplaced { .. }
            | StoreError::Corrupt { .. } => Self::internal(&error),
        }
    }
}

impl From<Resting> for AcmeError {
    fn from(Resting { seconds }: Resting) -> Self {
        let text =
            format!("too many refused requests from this network; try again in {seconds} seconds");
        Self {
            retry_after_secs: Some(seconds),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rateLimited", text)
        }
    }
}

impl From<RequestError> for AcmeError {
    fn from(error: RequestError) -> Self {
        let detail = match error {
            RequestError::KeyKind(_) | RequestError::RsaSize { .. } | RequestError::RsaExponent => {
                "certified are keys of the kinds P-256 and P-384; make one and a new request"
                    .to_owned()
            }
            RequestError::TooLong { .. }
            | RequestError::Malformed(_)
            | RequestError::Signature(_) => format!("{error}; make a new request"),
        };
        Self::bad_request("badCSR", detail)
    }
}

impl From<RegistrationError> for AcmeError {
    fn from(error: RegistrationError) -> Self {
        match &error {
            RegistrationError::KeyCompromised
            | RegistrationError::KeyFlaw(_)
            | RegistrationError::KeyKind { .. } => {
                Self::bad_request("badCSR", format!("{error}; make a new P-256 or P-384 key"))
            }
            // Whose it is goes to the log.
            RegistrationError::KeyOfAnother { .. } => Self::bad_request(
                "badCSR",
                "the key of the request belongs to somebody else; make a new one on this server",
            ),
            RegistrationError::DnsName { .. } => {
                Self::bad_request("rejectedIdentifier", error.to_string())
            }
            RegistrationError::FacilityNotActive { .. }
            | RegistrationError::TerminalNotActive { .. }
            | RegistrationError::NotApproved { .. }
            | RegistrationError::OtherSubject { .. }
            | RegistrationError::NoNetworkName
            | RegistrationError::Encoding { .. } => Self::internal(&error),
        }
    }
}

impl From<IssuanceError> for AcmeError {
    fn from(error: IssuanceError) -> Self {
        match &error {
            IssuanceError::Record(RecordError::IssuerRevoked { .. }) => {
                tracing::error!(error = %Chain(&error), "certificate not issued");
                let text = "the authority that certifies servers was revoked; wait for word from the \
                            operating body";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "serverInternal", text)
            }
            IssuanceError::Record(_) | IssuanceError::Sign(_) => Self::unavailable(&error),
            IssuanceError::IssuerNotValid { .. }
            | IssuanceError::Build(_)
            | IssuanceError::Lint(_)
            | IssuanceError::FaultySignature(_) => Self::internal(&error),
        }
    }
}
