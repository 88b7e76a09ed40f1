//! The database's failures as pages and as problems.

use sekisho_store::StoreError;

use super::{page::PageError, problem::Problem};

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_)
            | StoreError::Unavailable(_)
            | StoreError::Unopened { .. }
            | StoreError::SharedCommit(_) => Self::unavailable(&error),
            StoreError::AlreadyExists { .. }
            | StoreError::Migration(_)
            | StoreError::IssuerRevoked { .. }
            | StoreError::Unplaced { .. }
            | StoreError::Corrupt { .. } => Self::internal(&error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_)
            | StoreError::Unavailable(_)
            | StoreError::Unopened { .. }
            | StoreError::SharedCommit(_) => Self::unavailable(&error),
            StoreError::AlreadyExists { .. }
            | StoreError::Migration(_)
            | StoreError::IssuerRevoked { .. }
            | StoreError::Unplaced { .. }
            | StoreError::Corrupt { .. } => Self::internal(&error),
        }
    }
}
