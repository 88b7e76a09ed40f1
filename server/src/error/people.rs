//! Failures of people without a card, as pages.

use http::{HeaderValue, StatusCode, header};
use sekisho_store::organisation::OrganisationStatus;

use super::page::PageError;
use crate::people::{
    account_page::AccountError,
    activation::ActivationError,
    factors::FactorsError,
    first_use::FirstUseError,
    link::LinkError,
    role::{Inactive, RoleMissing},
    roles_page::RolesError,
    sign_in::SignInError,
    tries::Resting,
};

impl From<RoleMissing> for PageError {
    fn from(missing: RoleMissing) -> Self {
        let refused = match &missing.at_inactive {
            None => Self::forbidden(),
            Some(inactive) => {
                let closed = match inactive.status {
                    OrganisationStatus::Closed => true,
                    OrganisationStatus::Approved
                    | OrganisationStatus::Active
                    | OrganisationStatus::Suspended => false,
                };
                let text = match (closed, &inactive.reason) {
                    (true, Some(_)) => "console-inactive-closed-text",
                    (true, None) => "console-inactive-closed-untold",
                    (false, Some(_)) => "console-inactive-suspended-text",
                    (false, None) => "console-inactive-suspended-untold",
                };
                let (title, help) = ("console-inactive-title", "console-inactive-help");
                let page = Self::new(StatusCode::FORBIDDEN, title, text, help)
                    .arg("facility", &inactive.organisation_id)
                    .arg("name", &inactive.name);
                match &inactive.reason {
                    Some(reason) => page.arg("reason", reason),
                    None => page,
                }
            }
        };
        Self { role: Some(Box::new(missing)), ..refused }
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

impl From<AccountError> for PageError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Store(error) => error.into(),
            AccountError::Factors(FactorsError::Store(error)) => error.into(),
            // The rule stays in force where the list does not answer.
            AccountError::Factors(FactorsError::BreachList(error)) => Self::unavailable(&error),
            AccountError::NoAccount
            | AccountError::Hash(_)
            | AccountError::Factors(_)
            | AccountError::Randomness(_) => Self::internal(&error),
        }
    }
}

impl From<Resting> for PageError {
    fn from(Resting { seconds }: Resting) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "error-resting-title",
            "error-resting-text",
            "error-resting-help",
        )
        .arg("seconds", seconds)
        .header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }
}

impl From<FirstUseError> for PageError {
    fn from(error: FirstUseError) -> Self {
        match error {
            FirstUseError::LinkNotGood => Self::new(
                StatusCode::GONE,
                "people-link-title",
                "people-link-text",
                "people-link-help",
            ),
            FirstUseError::Resting(Resting { seconds }) => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "people-link-title",
                "people-resting-text",
                "people-resting-help",
            )
            .arg("seconds", seconds)
            .header(header::RETRY_AFTER, HeaderValue::from(seconds)),
            FirstUseError::Store(error) | FirstUseError::Factors(FactorsError::Store(error)) => {
                error.into()
            }
            FirstUseError::Factors(FactorsError::BreachList(error)) => Self::unavailable(&error),
            FirstUseError::Factors(_)
            | FirstUseError::StoreFactors(_)
            | FirstUseError::Randomness(_) => Self::internal(&error),
        }
    }
}

impl From<RolesError> for PageError {
    fn from(error: RolesError) -> Self {
        let conflict =
            |text, help| Self::new(StatusCode::CONFLICT, "people-roles-refused-title", text, help);
        match error {
            RolesError::RoleMissing(error) => error.into(),
            RolesError::NotInForce => conflict("people-roles-gone-text", "people-roles-gone-help"),
            RolesError::OwnRole => conflict("people-roles-own-text", "people-roles-own-help"),
            RolesError::Store(error) => error.into(),
            RolesError::LoginNameTaken | RolesError::Randomness(_) => Self::internal(&error),
        }
    }
}

impl From<LinkError> for PageError {
    fn from(error: LinkError) -> Self {
        let refused =
            |status, text, help| Self::new(status, "people-link-refused-title", text, help);
        match error {
            LinkError::OwnAccount => {
                refused(StatusCode::FORBIDDEN, "people-link-own-text", "people-link-own-help")
            }
            LinkError::NotFound => Self::not_found(),
            LinkError::FurtherRole => refused(
                StatusCode::CONFLICT,
                "people-link-further-text",
                "people-link-further-help",
            ),
            LinkError::Store(error) => error.into(),
            LinkError::Randomness(_) => Self::internal(&error),
        }
    }
}

impl From<ActivationError> for PageError {
    fn from(error: ActivationError) -> Self {
        let refused = |status, text, help| Self::new(status, "activate-refused-title", text, help);
        match error {
            ActivationError::CodeNotGood => {
                refused(StatusCode::GONE, "activate-refused-text", "activate-refused-help")
            }
            ActivationError::OnHold(Inactive { organisation_id, name, reason, .. }) => {
                let text = match reason {
                    Some(_) => "activate-held-text",
                    None => "activate-held-untold",
                };
                refused(StatusCode::FORBIDDEN, text, "activate-held-help")
                    .arg("facility", organisation_id)
                    .arg("name", name)
                    .arg("reason", reason.unwrap_or_default())
            }
            ActivationError::Resting(Resting { seconds }) => refused(
                StatusCode::TOO_MANY_REQUESTS,
                "activate-resting-text",
                "activate-resting-help",
            )
            .arg("seconds", seconds)
            .header(header::RETRY_AFTER, HeaderValue::from(seconds)),
            ActivationError::Store(error) | ActivationError::Factors(FactorsError::Store(error)) => error.into(),
            ActivationError::Factors(FactorsError::BreachList(error)) => Self::unavailable(&error),
            ActivationError::Factors(_)
            | ActivationError::StoreFactors(_)
            | ActivationError::Randomness(_)
            // Told on the form, at their fields.
            | ActivationError::LoginNameTaken
            | ActivationError::Officer(_) => Self::internal(&error),
        }
    }
}
