//! Refusals about other rules of a live service, as pages that say what to do next.

use http::StatusCode;

use super::page::PageError;
use crate::{
    console::service::rules::change::{ChangeError, Refusal},
    oidc::client::RegistrationError,
};

impl From<ChangeError> for PageError {
    fn from(error: ChangeError) -> Self {
        let refusal = match error {
            ChangeError::Refused(refusal) => refusal,
            ChangeError::Gone => return Self::not_found(),
            ChangeError::Rules(RegistrationError::Store(error)) | ChangeError::Store(error) => {
                return error.into();
            }
            // Told at their field when they were written: the register changed since.
            ChangeError::Rules(_) => {
                let (title, help) = ("service-refused-title", "rules-refused-write-anew");
                return Self::new(StatusCode::CONFLICT, title, "rules-refused-unusable", help);
            }
        };
        let (text, help) = words(refusal);
        let status = match refusal {
            Refusal::Own | Refusal::Namesake | Refusal::OneHand | Refusal::RoleLost => {
                StatusCode::FORBIDDEN
            }
            Refusal::NotLive
            | Refusal::OtherDraft
            | Refusal::NothingChanged
            | Refusal::NoRules
            | Refusal::Overtaken
            | Refusal::NotOpen => StatusCode::CONFLICT,
        };
        Self::new(status, "service-refused-title", text, help)
    }
}

/// Why the act is refused, and what would help: message keys.
#[must_use]
pub const fn words(refusal: Refusal) -> (&'static str, &'static str) {
    match refusal {
        Refusal::NotLive => ("rules-refused-not-live", "rules-refused-go-live"),
        Refusal::OtherDraft => ("rules-refused-other-draft", "rules-refused-look"),
        Refusal::NothingChanged => ("rules-refused-nothing", "rules-refused-change"),
        Refusal::NoRules => ("rules-refused-no-rules", "rules-refused-change"),
        Refusal::Overtaken => ("rules-refused-overtaken", "rules-refused-go-on"),
        Refusal::NotOpen => ("rules-refused-not-open", "rules-refused-look"),
        Refusal::Own => ("rules-refused-own", "service-refused-another"),
        Refusal::Namesake => ("rules-refused-namesake", "service-refused-another"),
        Refusal::OneHand => ("rules-refused-one-hand", "rules-refused-one-hand-help"),
        Refusal::RoleLost => ("rules-refused-role-lost", "rules-refused-look"),
    }
}
