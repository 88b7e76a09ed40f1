//! Why what we sign cannot be signed or read, to those who are told: an outage where the register does not
//! answer, else a defect.

use sekisho_store::StoreError;

use super::{oauth::OAuthError, page::PageError, problem::Problem};
use crate::own_keys::OwnKeyError;

/// The register's failure, or the defect as it is.
fn outage(error: OwnKeyError) -> Result<StoreError, OwnKeyError> {
    match error {
        OwnKeyError::Store(error) => Ok(error),
        defect @ (OwnKeyError::NoKey
        | OwnKeyError::Key(_)
        | OwnKeyError::Sealed(_)
        | OwnKeyError::Unreadable { .. }
        | OwnKeyError::Overtaken
        | OwnKeyError::NotYetSigning { .. }
        | OwnKeyError::NotInUse { .. }) => Err(defect),
    }
}

impl From<OwnKeyError> for OAuthError {
    fn from(error: OwnKeyError) -> Self {
        outage(error).map_or_else(|defect| Self::internal(&defect), Self::from)
    }
}

impl From<OwnKeyError> for PageError {
    fn from(error: OwnKeyError) -> Self {
        outage(error).map_or_else(|defect| Self::internal(&defect), Self::from)
    }
}

impl From<OwnKeyError> for Problem {
    fn from(error: OwnKeyError) -> Self {
        outage(error).map_or_else(|defect| Self::internal(&defect), Self::from)
    }
}
