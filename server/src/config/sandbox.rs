//! `[sandbox]`: where services are tried out before the operating body approves them, and whose cards
//! count there.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use sekisho_pki::national::facility_identifier::FacilityIdentifier;
use sekisho_store::world::World;
use serde::{Deserialize, Serialize};

use super::{ConfigError, invalid};

/// Most test facilities.
const MOST_FACILITIES: usize = 100;

/// As written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxSettings {
    /// Identifiers of test facilities: organisations of the register whose people are invented.
    pub facilities: Vec<String>,
    /// Folder of trusted certificates (PEM) of invented people's cards.
    pub anchors: PathBuf,
    /// Folder of their revocation lists (DER).
    pub crls: PathBuf,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            facilities: Vec::new(),
            anchors: "anchors/sandbox".into(),
            crls: "crls/sandbox".into(),
        }
    }
}

impl SandboxSettings {
    pub(super) fn validate(&self, folder: &Path) -> Result<Sandbox, ConfigError> {
        if self.facilities.len() > MOST_FACILITIES {
            let fault = format!("at most {MOST_FACILITIES} identifiers");
            return Err(invalid("sandbox.facilities", fault));
        }
        for id in &self.facilities {
            if let Err(fault) = id.parse::<FacilityIdentifier>() {
                return Err(invalid("sandbox.facilities", format!("`{id}`: {fault}")));
            }
        }
        Ok(Sandbox {
            facilities: self.facilities.iter().cloned().collect(),
            anchors: folder.join(&self.anchors),
            crls: folder.join(&self.crls),
        })
    }
}

/// Validated. The default has no test facility.
#[derive(Debug, Clone, Default)]
pub struct Sandbox {
    facilities: BTreeSet<String>,
    anchors: PathBuf,
    crls: PathBuf,
}

impl Sandbox {
    /// To which world a facility belongs: the one place that says so.
    #[must_use]
    pub fn world_of(&self, facility_id: &str) -> World {
        if self.facilities.contains(facility_id) { World::Sandbox } else { World::Real }
    }

    /// The test facilities.
    #[must_use]
    pub fn facilities(&self) -> &BTreeSet<String> {
        &self.facilities
    }

    /// Whether there is any test facility.
    #[must_use]
    pub fn has_facilities(&self) -> bool {
        !self.facilities.is_empty()
    }

    /// Folder of trusted certificates of invented people's cards.
    #[must_use]
    pub fn anchors(&self) -> &Path {
        &self.anchors
    }

    /// Folder of their revocation lists.
    #[must_use]
    pub fn crls(&self) -> &Path {
        &self.crls
    }
}
