//! Refusals of the register as pages that say what to do next.

use http::StatusCode;

use super::page::PageError;
use crate::register::approval::{Refusal, RegisterError};

impl From<RegisterError> for PageError {
    fn from(error: RegisterError) -> Self {
        page(error)
    }
}

/// Why an act of the register is refused, and what would help: message keys.
#[must_use]
pub fn words(refusal: Refusal) -> (&'static str, &'static str) {
    match refusal {
        Refusal::NotFound => ("error-not-found-text", "error-not-found-help"),
        Refusal::OwnApplication => ("register-refused-own", "register-refused-own-help"),
        Refusal::Administered => {
            ("register-refused-administered", "register-refused-administered-help")
        }
        Refusal::Namesake => ("register-refused-namesake", "register-refused-namesake-help"),
        Refusal::HasAdministrator => {
            ("register-refused-has-administrator", "register-refused-has-administrator-help")
        }
        Refusal::Unchecked => ("register-refused-unchecked", "register-refused-unchecked-help"),
        Refusal::Decided => ("register-refused-decided", "register-refused-decided-help"),
        Refusal::CodeTaken => ("register-refused-code", "register-refused-code-help"),
        Refusal::Inactive => ("register-refused-inactive", "register-refused-inactive-help"),
    }
}

fn page(error: RegisterError) -> PageError {
    let refusal = match error {
        RegisterError::Refused(refusal) => refusal,
        RegisterError::Randomness(error) => return PageError::internal(&error),
        RegisterError::Store(error) => return error.into(),
    };
    let status = match refusal {
        Refusal::NotFound => return PageError::not_found(),
        Refusal::OwnApplication | Refusal::Administered | Refusal::Namesake => {
            StatusCode::FORBIDDEN
        }
        Refusal::HasAdministrator
        | Refusal::Unchecked
        | Refusal::Decided
        | Refusal::CodeTaken
        | Refusal::Inactive => StatusCode::CONFLICT,
    };
    let (text, help) = words(refusal);
    PageError::new(status, "register-refused-title", text, help)
}
