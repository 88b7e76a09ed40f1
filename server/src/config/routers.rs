//! `[routers]`: what the texts for routers say (`docs/routers.md`).

use serde::{Deserialize, Serialize};

use super::{ConfigError, bounded};

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoutersSettings {
    /// How long a tunnel may stand until both ends prove themselves anew, in seconds.
    pub reauthentication_seconds: u32,
}

impl Default for RoutersSettings {
    fn default() -> Self {
        Self { reauthentication_seconds: 28_800 }
    }
}

impl RoutersSettings {
    pub(super) fn validate(&self) -> Result<Routers, ConfigError> {
        let seconds = self.reauthentication_seconds;
        // Half of the day after which a libreswan that opens renews its keys.
        bounded("routers.reauthentication_seconds", seconds, 30..=43_200)?;
        Ok(Routers(self.clone()))
    }
}

/// Validated.
#[derive(Debug, Clone)]
pub struct Routers(RoutersSettings);

impl Routers {
    /// How long a tunnel may stand until both ends prove themselves anew, in seconds.
    #[must_use]
    pub fn reauthentication_seconds(&self) -> u32 {
        self.0.reauthentication_seconds
    }
}
