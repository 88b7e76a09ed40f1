//! Refusals of the register as pages that say what to do next.

use http::StatusCode;

use super::page::PageError;
use crate::register::approval::{Refusal, RegisterError};

impl From<RegisterError> for PageError {
    fn from(error: RegisterError) -> Self {
        page(error)
    }
}

fn page(error: RegisterError) -> PageError {
    let refusal = match error {
        RegisterError::Refused(refusal) => refusal,
        RegisterError::Randomness(error) => return PageError::internal(&error),
        RegisterError::Store(error) => return error.into(),
    };
    let (status, text, help) = match refusal {
        Refusal::NotFound => return PageError::not_found(),
        Refusal::OwnApplication => {
            (StatusCode::FORBIDDEN, "register-refused-own", "register-refused-own-help")
        }
        Refusal::Administered => (
            StatusCode::FORBIDDEN,
            "register-refused-administered",
            "register-refused-administered-help",
        ),
        Refusal::Namesake => {
            (StatusCode::FORBIDDEN, "register-refused-namesake", "register-refused-namesake-help")
        }
        Refusal::HasAdministrator => (
            StatusCode::CONFLICT,
            "register-refused-has-administrator",
            "register-refused-has-administrator-help",
        ),
        Refusal::Unchecked => {
            (StatusCode::CONFLICT, "register-refused-unchecked", "register-refused-unchecked-help")
        }
        Refusal::Decided => {
            (StatusCode::CONFLICT, "register-refused-decided", "register-refused-decided-help")
        }
        Refusal::CodeTaken => {
            (StatusCode::CONFLICT, "register-refused-code", "register-refused-code-help")
        }
        Refusal::Inactive => {
            (StatusCode::CONFLICT, "register-refused-inactive", "register-refused-inactive-help")
        }
    };
    PageError::new(status, "register-refused-title", text, help)
}
