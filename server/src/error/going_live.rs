//! Refusals about a service's way out of the sandbox, as pages that say what to do next.

use http::StatusCode;

use super::page::PageError;
use crate::{
    console::service::decision::{DecisionError, Refusal},
    oidc::client::ApprovalError,
};

impl From<DecisionError> for PageError {
    fn from(error: DecisionError) -> Self {
        let refusal = match error {
            DecisionError::Refused(refusal) => refusal,
            DecisionError::Approval(ApprovalError::Unknown(_)) => return Self::not_found(),
            DecisionError::Approval(ApprovalError::Live(_)) => Refusal::Live,
            DecisionError::Approval(ApprovalError::Store(error)) | DecisionError::Store(error) => {
                return error.into();
            }
            // Rules that cannot be used are told at their field before anything is decided.
            DecisionError::Approval(
                error @ (ApprovalError::Malformed(_) | ApprovalError::Rules(_)),
            ) => return Self::internal(&error),
        };
        let (text, help) = words(refusal);
        let status = match refusal {
            Refusal::Own | Refusal::Namesake => StatusCode::FORBIDDEN,
            Refusal::Live | Refusal::AskedBefore | Refusal::NotAsked | Refusal::Changed => {
                StatusCode::CONFLICT
            }
        };
        Self::new(status, "service-refused-title", text, help)
    }
}

/// Why the act is refused, and what would help: message keys.
#[must_use]
pub fn words(refusal: Refusal) -> (&'static str, &'static str) {
    match refusal {
        Refusal::Live => ("service-refused-live", "service-refused-look"),
        Refusal::AskedBefore => ("service-refused-asked", "service-refused-look"),
        Refusal::NotAsked => ("service-refused-not-asked", "service-refused-look"),
        Refusal::Changed => ("service-refused-changed", "service-refused-look"),
        Refusal::Own => ("service-refused-own", "service-refused-another"),
        Refusal::Namesake => ("service-refused-namesake", "service-refused-another"),
    }
}
