//! Refused registrations of services, as RFC 7591 §3.2.2 answers them.

use super::{oauth::OAuthError, page::Chain};
use crate::oidc::{
    client::{self, DocumentError, RegistrationError},
    registration::RegistrationRefused,
};

impl From<RegistrationRefused> for OAuthError {
    fn from(refused: RegistrationRefused) -> Self {
        match refused {
            RegistrationRefused::Token => Self::invalid_token(refused.to_string()),
            RegistrationRefused::Document(error) => error.into(),
            RegistrationRefused::Widened(_) => {
                Self::bad_request("invalid_client_metadata", refused.to_string())
            }
            RegistrationRefused::Store(error) => error.into(),
            RegistrationRefused::Randomness(error) => Self::internal(&error),
        }
    }
}

impl From<DocumentError> for OAuthError {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Malformed(_) => {
                Self::bad_request("invalid_client_metadata", Chain(&error).to_string())
            }
            DocumentError::SoftwareStatement => {
                Self::bad_request("unapproved_software_statement", error.to_string())
            }
            DocumentError::Member(error) => error.into(),
            DocumentError::Store(error) => error.into(),
        }
    }
}

impl From<RegistrationError> for OAuthError {
    fn from(error: RegistrationError) -> Self {
        let (key, fault) = match error {
            RegistrationError::Invalid { key, fault } => (key, fault),
            RegistrationError::Address { key, address, source } => {
                (key, format!("{address}: {source}"))
            }
            RegistrationError::Store(error) => return error.into(),
            // Neither file, rules nor an identifier of its own choice comes from a client.
            RegistrationError::Malformed(_)
            | RegistrationError::Rules(_)
            | RegistrationError::UnknownOrganisation { .. }
            | RegistrationError::InUse(_)
            | RegistrationError::UsedBefore(_)
            | RegistrationError::Randomness(_) => return Self::internal(&error),
        };
        let member = client::member(key);
        let code = match member {
            "redirect_uris" => "invalid_redirect_uri",
            _ => "invalid_client_metadata",
        };
        Self::bad_request(code, format!("{member}: {fault}"))
    }
}
