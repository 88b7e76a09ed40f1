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
            FacilityError::Replaced { terminal_id, .. } => refused(
                "facility-replaced-title",
                "facility-replaced-text",
                "facility-replaced-help",
            )
            .arg("terminal", terminal_id),
            FacilityError::PcReplaced { terminal_id, at, .. } => {
                refused("facility-moved-title", "facility-moved-text", "facility-moved-help")
                    .arg("terminal", terminal_id)
                    .arg("date", at.date())
            }
            FacilityError::OnHold { terminal_id, .. } => {
                refused("facility-held-title", "facility-held-text", "facility-held-help")
                    .arg("terminal", terminal_id)
            }
            FacilityError::FacilityNotActive {
                organisation_id, organisation_name, status, ..
            } => {
                let (text, help) = match status.as_str() {
                    "suspended" => ("facility-suspended-text", "facility-suspended-help"),
                    "closed" => ("facility-closed-text", "facility-inactive-help"),
                    _ => ("facility-inactive-text", "facility-inactive-help"),
                };
                refused("facility-inactive-title", text, help)
                    .arg("facility", organisation_id)
                    .arg("name", organisation_name)
            }
            FacilityError::Unknown(error) => error.into(),
        }
    }
}

impl From<FacilityError> for Problem {
    fn from(error: FacilityError) -> Self {
        let kind = error.code().replace('_', "-");
        let what = error.to_string();
        // The agent shows this to whoever stands at the PC.
        let next = match error {
            FacilityError::NoCertificate | FacilityError::NotOurs => {
                "Ask the facility's administrator to enrol this PC"
            }
            FacilityError::NotYetValid { .. } => "Check this PC's clock",
            FacilityError::Expired { .. } | FacilityError::Revoked { .. } => {
                "Ask the facility's administrator: to be used again, this PC has to be enrolled anew"
            }
            FacilityError::Replaced { .. } => {
                "Restart the browser, or run `sekisho-agent renew --browser-only`; there is nothing to \
                 enrol anew"
            }
            FacilityError::PcReplaced { .. } => {
                "This PC is not used any more and its login agent can be removed. To use it again, \
                 have the facility's administrator add it as a terminal of its own"
            }
            FacilityError::OnHold { .. } | FacilityError::FacilityNotActive { .. } => {
                "Ask the facility's administrator or the operating body; where this is lifted, the \
                 terminal works as before and there is nothing to enrol anew"
            }
            FacilityError::Unknown(error) => return error.into(),
        };
        Self::new(
            StatusCode::FORBIDDEN,
            &kind,
            "The connection does not speak for a facility",
            format!("{what}. {next}."),
        )
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
            | FacilityError::Replaced { .. }
            | FacilityError::PcReplaced { .. }
            | FacilityError::OnHold { .. }
            | FacilityError::FacilityNotActive { .. } => Self::new(StatusCode::FORBIDDEN, text),
            FacilityError::Unknown(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_told_the_cause_and_whom_to_ask_and_a_stop_enrols_nobody_anew() {
        let (organisation_id, terminal_id) = ("123456789015".to_owned(), "T0000000001".to_owned());
        let of = (organisation_id.clone(), terminal_id.clone());
        let held = Problem::from(FacilityError::OnHold { organisation_id, terminal_id });
        let (organisation_id, terminal_id) = of.clone();
        let revoked = Problem::from(FacilityError::Revoked { organisation_id, terminal_id });
        let (organisation_id, terminal_id) = of;
        let status = "suspended".to_owned();
        let organisation_name = "試験病院".to_owned();
        let inactive = FacilityError::FacilityNotActive {
            organisation_id,
            organisation_name,
            terminal_id,
            status,
        };
        let inactive = Problem::from(inactive);
        for (problem, cause, anew) in [
            (held, "is on hold", false),
            (revoked, "is revoked", true),
            (inactive, "is not active (suspended)", false),
        ] {
            let detail = problem.detail;
            assert!(detail.contains(cause) && detail.contains("administrator"), "{detail}");
            assert_eq!(detail.contains("has to be enrolled anew"), anew, "{detail}");
            assert!(!detail.contains("code"), "{detail}");
        }
    }
}
