//! `[emergency]`: how often somebody may break the glass.

use serde::{Deserialize, Serialize};

use super::{ConfigError, bounded};

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmergencySettings {
    /// How many emergency accesses a person may open on one calendar day in Japan.
    pub a_day: u32,
}

impl Default for EmergencySettings {
    fn default() -> Self {
        Self { a_day: 3 }
    }
}

impl EmergencySettings {
    pub(super) fn validate(&self) -> Result<EmergencyPolicy, ConfigError> {
        bounded("emergency.a_day", self.a_day, 1..=24)?;
        Ok(EmergencyPolicy(self.clone()))
    }
}

/// Validated.
#[derive(Debug, Clone)]
pub struct EmergencyPolicy(EmergencySettings);

impl EmergencyPolicy {
    /// How many a person may open on one day.
    #[must_use]
    pub fn a_day(&self) -> i64 {
        self.0.a_day.into()
    }
}
