//! Missing rights of people without a card, as a page.

use super::page::PageError;
use crate::people::role::RoleMissing;

impl From<RoleMissing> for PageError {
    fn from(RoleMissing { needed }: RoleMissing) -> Self {
        tracing::info!(needed, "role missing");
        Self::forbidden()
    }
}
