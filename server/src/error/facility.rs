//! Why a connection does not speak for a facility, as page, problem and EST text.

use http::StatusCode;

use super::{est::EstError, page::PageError, problem::Problem};
use crate::listener::FacilityError;

impl From<FacilityError> for PageError {
    fn from(error: FacilityError) -> Self {
        let refused = |title, text, help| Self::new(StatusCode::FORBIDDEN, title, text, help);
        match error {
            FacilityError::NoCertificate => {
                refused("facility-none-title", "facility-none-text", "facility-none-help")
            }
            FacilityError::NotOurs => {
                refused("facility-foreign-title", "facility-foreign-text", "facility-foreign-help")
            }
            FacilityError::NotYetValid { terminal_id, not_before, .. } => {
                refused("facility-early-title", "facility-early-text", "facility-early-help")
                    .arg("terminal", terminal_id)
                    .arg("date", not_before.date())
            }
            FacilityError::Expired { terminal_id, not_after, .. } => {
                refused("facility-expired-title", "facility-expired-text", "facility-expired-help")
                    .arg("terminal", terminal_id)
                    .arg("date", not_after.date())
            }
            FacilityError::Revoked { terminal_id, .. } => {
                refused("facility-revoked-title", "facility-revoked-text", "facility-revoked-help")
                    .arg("terminal", terminal_id)
            }
            FacilityError::OnHold { terminal_id, .. } => {
                refused("facility-held-title", "facility-held-text", "facility-held-help")
                    .arg("terminal", terminal_id)
            }
            FacilityError::FacilityNotActive { organisation_id, status, .. } => {
                let (text, help) = match status.as_str() {
                    "suspended" => ("facility-suspended-text", "facility-suspended-help"),
                    "closed" => ("facility-closed-text", "facility-inactive-help"),
                    _ => ("facility-inactive-text", "facility-inactive-help"),
                };
                refused("facility-inactive-title", text, help).arg("facility", organisation_id)
            }
            FacilityError::Unknown(error) => error.into(),
        }
    }
}

impl From<FacilityError> for Problem {
    fn from(error: FacilityError) -> Self {
        let kind = error.code().replace('_', "-");
        let detail = error.to_string();
        match error {
            FacilityError::NoCertificate
            | FacilityError::NotOurs
            | FacilityError::NotYetValid { .. }
            | FacilityError::Expired { .. }
            | FacilityError::Revoked { .. }
            | FacilityError::OnHold { .. }
            | FacilityError::FacilityNotActive { .. } => Self::new(
                StatusCode::FORBIDDEN,
                &kind,
                "The connection does not speak for a facility",
                detail,
            ),
            FacilityError::Unknown(error) => error.into(),
        }
    }
}

impl From<FacilityError> for EstError {
    fn from(error: FacilityError) -> Self {
        let text = error.to_string();
        match error {
            FacilityError::NoCertificate
            | FacilityError::NotOurs
            | FacilityError::NotYetValid { .. }
            | FacilityError::Expired { .. }
            | FacilityError::Revoked { .. }
            | FacilityError::OnHold { .. }
            | FacilityError::FacilityNotActive { .. } => Self::new(StatusCode::FORBIDDEN, text),
            FacilityError::Unknown(error) => error.into(),
        }
    }
}
