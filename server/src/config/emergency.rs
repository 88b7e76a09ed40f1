//! `[emergency]`: how often somebody may break the glass, and where.

use serde::{Deserialize, Serialize};

use super::{ConfigError, bounded};

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmergencySettings {
    /// How many emergency accesses a person may open on one calendar day in Japan.
    pub a_day: u32,
    /// Whether a licensed person who is no member of a facility may open one at its terminals.
    pub visitors: bool,
}

impl Default for EmergencySettings {
    fn default() -> Self {
        Self { a_day: 3, visitors: false }
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

    /// Whether people who are no members of a facility may open one at its terminals.
    #[must_use]
    pub fn visitors(&self) -> bool {
        self.0.visitors
    }
}
