//! What stands with a code and with what it led to, besides who and what for.

use sekisho_store::token_grant::Grant;
use serde::{Deserialize, Serialize};

use super::confirmation::Confirmation;

/// Kept as JSON in the column `details` of codes, grants and pushed requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Details {
    /// `nonce` of the request (OIDC Core §3.1.2.1); in the first ID token only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// The resources that the access token is for (RFC 8707); without any, our own userinfo.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Claims that the request asked for by name (OIDC Core §5.5), whatever its scope.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
    /// What the code is bound to (RFC 9449 §10), then what a public client's refresh tokens are
    /// bound to (§5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<Confirmation>,
    /// The grant whose token was exchanged for this one's (RFC 8693): this one counts no longer than that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchanged_from: Option<String>,
}

impl Details {
    /// As stored.
    ///
    /// # Errors
    /// [`serde_json::Error`]: another version of this program wrote it.
    pub fn of(grant: &Grant) -> Result<Self, serde_json::Error> {
        serde_json::from_str(&grant.details)
    }

    /// As the column wants it.
    ///
    /// # Errors
    /// [`serde_json::Error`], which strings never cause.
    pub fn to_column(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}
