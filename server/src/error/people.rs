//! Failures of people without a card, as pages.

use http::{HeaderValue, StatusCode, header};

use super::page::PageError;
use crate::people::{
    activation::ActivationError, first_use::FirstUseError, role::RoleMissing,
    roles_page::RolesError, sign_in::SignInError,
};

impl From<RoleMissing> for PageError {
    fn from(RoleMissing { needed }: RoleMissing) -> Self {
        tracing::info!(needed, "role missing");
        Self::forbidden()
    }
}

impl From<SignInError> for PageError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Store(error) => error.into(),
            SignInError::Hash(_) | SignInError::Randomness(_) => Self::internal(&error),
        }
    }
}

impl From<FirstUseError> for PageError {
    fn from(error: FirstUseError) -> Self {
        match error {
            FirstUseError::LinkNotGood => Self {
                status: StatusCode::GONE,
                title: "people-link-title",
                text: "people-link-text",
                help: "people-link-help",
                args: Vec::new(),
                headers: Vec::new(),
            },
            FirstUseError::Resting { seconds } => {
                let seconds = seconds.max(1);
                Self {
                    status: StatusCode::TOO_MANY_REQUESTS,
                    title: "people-link-title",
                    text: "people-resting-text",
                    help: "people-resting-help",
                    args: vec![("seconds", seconds.to_string())],
                    headers: vec![(header::RETRY_AFTER, HeaderValue::from(seconds))],
                }
            }
            FirstUseError::Store(error) => error.into(),
            FirstUseError::Factors(_)
            | FirstUseError::StoreFactors(_)
            | FirstUseError::Randomness(_) => Self::internal(&error),
        }
    }
}

impl From<RolesError> for PageError {
    fn from(error: RolesError) -> Self {
        let conflict = |text, help| Self {
            status: StatusCode::CONFLICT,
            title: "people-roles-refused-title",
            text,
            help,
            args: Vec::new(),
            headers: Vec::new(),
        };
        match error {
            RolesError::RoleMissing(error) => error.into(),
            RolesError::NotInForce => conflict("people-roles-gone-text", "people-roles-gone-help"),
            RolesError::OwnRole => conflict("people-roles-own-text", "people-roles-own-help"),
            RolesError::Store(error) => error.into(),
            RolesError::LoginNameTaken | RolesError::Randomness(_) => Self::internal(&error),
        }
    }
}

impl From<ActivationError> for PageError {
    fn from(error: ActivationError) -> Self {
        let refused = |status, text, help| Self {
            status,
            title: "activate-refused-title",
            text,
            help,
            args: Vec::new(),
            headers: Vec::new(),
        };
        match error {
            ActivationError::CodeNotGood => {
                refused(StatusCode::GONE, "activate-refused-text", "activate-refused-help")
            }
            ActivationError::Resting { seconds } => {
                let seconds = seconds.max(1);
                Self {
                    args: vec![("seconds", seconds.to_string())],
                    headers: vec![(header::RETRY_AFTER, HeaderValue::from(seconds))],
                    ..refused(
                        StatusCode::TOO_MANY_REQUESTS,
                        "activate-resting-text",
                        "activate-resting-help",
                    )
                }
            }
            // Shown at its field; here only if the form's page itself could not be shown.
            ActivationError::LoginNameTaken => refused(
                StatusCode::CONFLICT,
                "people-error-login-name-taken",
                "activate-refused-help",
            ),
            ActivationError::Store(error) => error.into(),
            ActivationError::Factors(_)
            | ActivationError::StoreFactors(_)
            | ActivationError::Randomness(_) => Self::internal(&error),
        }
    }
}
