//! `[cmp]`: enrolment by the Certificate Management Protocol (RFC 9810, decision 0041).

use serde::{Deserialize, Serialize};

/// As written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CmpSettings {
    /// Whether devices may enrol by CMP.
    pub enabled: bool,
    /// Whether a MAC by HMAC-SHA-1 is taken, the default of `openssl cmp` 3.0.
    pub legacy_mac: bool,
}

impl CmpSettings {
    pub(super) fn validate(&self) -> Cmp {
        Cmp { enabled: self.enabled, legacy_mac: self.legacy_mac }
    }
}

/// Validated.
#[derive(Debug, Clone, Copy)]
pub struct Cmp {
    enabled: bool,
    legacy_mac: bool,
}

impl Cmp {
    /// Whether devices may enrol by CMP.
    #[must_use]
    pub fn is_enabled(self) -> bool {
        self.enabled
    }

    /// Whether HMAC-SHA-1 protects a message.
    #[must_use]
    pub fn takes_legacy_mac(self) -> bool {
        self.legacy_mac
    }
}
