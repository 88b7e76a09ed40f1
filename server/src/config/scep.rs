//! `[scep]`: enrolment of routers that know nothing newer (RFC 8894, decision 0035).

use std::collections::BTreeSet;

use sekisho_ca::profile::Profile;
use sekisho_key::RsaSize;
use serde::{Deserialize, Serialize};

use super::{ConfigError, invalid};

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScepSettings {
    /// Whether routers may enrol by SCEP.
    pub enabled: bool,
    /// Length of the registration authority's RSA key: 2048 or 3072.
    pub ra_key_bits: u32,
    /// Families of which SHA-1, triple DES and single DES are taken.
    pub legacy_families: Vec<String>,
}

impl Default for ScepSettings {
    fn default() -> Self {
        Self { enabled: false, ra_key_bits: 3072, legacy_families: Vec::new() }
    }
}

impl ScepSettings {
    pub(super) fn validate(&self) -> Result<Scep, ConfigError> {
        let ra_key = match self.ra_key_bits {
            2048 => RsaSize::Bits2048,
            3072 => RsaSize::Bits3072,
            other => {
                return Err(invalid(
                    "scep.ra_key_bits",
                    format!("{other} is neither 2048 nor 3072"),
                ));
            }
        };
        let unknown = |name: &&String| !Profile::router_families().any(|family| family == **name);
        if let Some(name) = self.legacy_families.iter().find(unknown) {
            let known: Vec<_> = Profile::router_families().collect();
            let fault = format!("`{name}` is no family of routers; known: {}", known.join(", "));
            return Err(invalid("scep.legacy_families", fault));
        }
        let legacy_families = self.legacy_families.iter().cloned().collect();
        Ok(Scep { enabled: self.enabled, ra_key, legacy_families })
    }
}

/// Validated.
#[derive(Debug, Clone)]
pub struct Scep {
    enabled: bool,
    ra_key: RsaSize,
    legacy_families: BTreeSet<String>,
}

impl Scep {
    /// Whether routers may enrol by SCEP.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Length of the registration authority's key.
    #[must_use]
    pub fn ra_key(&self) -> RsaSize {
        self.ra_key
    }

    /// Whether SHA-1, triple DES and single DES are taken of routers of this family.
    #[must_use]
    pub fn takes_weak_of(&self, family: &str) -> bool {
        self.legacy_families.contains(family)
    }

    /// Whether they are taken of any.
    #[must_use]
    pub fn takes_weak(&self) -> bool {
        !self.legacy_families.is_empty()
    }

    /// The families of which they are taken.
    pub fn legacy_families(&self) -> impl Iterator<Item = &str> {
        self.legacy_families.iter().map(String::as_str)
    }
}
