//! `[sandbox]`: where services are tried out before the operating body approves them.

use std::collections::BTreeSet;

use sekisho_pki::national::facility_identifier::FacilityIdentifier;
use serde::{Deserialize, Serialize};

use super::{ConfigError, invalid};

/// More test facilities than anybody needs.
const MOST_FACILITIES: usize = 100;

/// As written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxSettings {
    /// Identifiers of the test facilities: organisations of the register whose people are invented.
    pub facilities: Vec<String>,
}

impl SandboxSettings {
    pub(super) fn validate(&self) -> Result<Sandbox, ConfigError> {
        if self.facilities.len() > MOST_FACILITIES {
            let fault = format!("at most {MOST_FACILITIES} identifiers");
            return Err(invalid("sandbox.facilities", fault));
        }
        for id in &self.facilities {
            if let Err(fault) = id.parse::<FacilityIdentifier>() {
                return Err(invalid("sandbox.facilities", format!("`{id}`: {fault}")));
            }
        }
        Ok(Sandbox { facilities: self.facilities.iter().cloned().collect() })
    }
}

/// Validated.
#[derive(Debug, Clone)]
pub struct Sandbox {
    facilities: BTreeSet<String>,
}

impl Sandbox {
    /// Identifiers of the test facilities.
    #[must_use]
    pub fn facilities(&self) -> &BTreeSet<String> {
        &self.facilities
    }
}
