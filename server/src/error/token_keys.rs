//! Why tokens cannot be signed or read, to those who are told: an outage where the register does not
//! answer, else a defect.

use sekisho_store::StoreError;

use super::{oauth::OAuthError, page::PageError};
use crate::token_keys::TokenKeyError;

/// The register's failure, or the defect as it is.
fn outage(error: TokenKeyError) -> Result<StoreError, TokenKeyError> {
    match error {
        TokenKeyError::Store(error) => Ok(error),
        defect @ (TokenKeyError::NoKey
        | TokenKeyError::Key(_)
        | TokenKeyError::Sealed(_)
        | TokenKeyError::Unreadable { .. }
        | TokenKeyError::Overtaken
        | TokenKeyError::NotYetSigning { .. }
        | TokenKeyError::NotInUse { .. }) => Err(defect),
    }
}

impl From<TokenKeyError> for OAuthError {
    fn from(error: TokenKeyError) -> Self {
        outage(error).map_or_else(|defect| Self::internal(&defect), Self::from)
    }
}

impl From<TokenKeyError> for PageError {
    fn from(error: TokenKeyError) -> Self {
        outage(error).map_or_else(|defect| Self::internal(&defect), Self::from)
    }
}
