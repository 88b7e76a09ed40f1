//! `[register]`: how the codes of organisations are judged.

use serde::{Deserialize, Serialize};
use time::Duration;

use super::{ConfigError, bounded};

/// What a wrong check digit of a 医療機関コード leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodeCheck {
    /// The application is refused.
    Strict,
    /// The officer sees a warning.
    Warn,
}

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegisterSettings {
    /// `strict` or `warn`.
    pub code_check: CodeCheck,
    /// Lifetime of the activation code on the letter, in days.
    pub activation_days: u32,
    /// Applications of one network without delay.
    pub applications_of_a_network: u32,
}

impl Default for RegisterSettings {
    fn default() -> Self {
        Self { code_check: CodeCheck::Strict, activation_days: 30, applications_of_a_network: 20 }
    }
}

impl RegisterSettings {
    pub(super) fn validate(&self) -> Result<Register, ConfigError> {
        bounded("register.activation_days", self.activation_days, 1..=180)?;
        bounded("register.applications_of_a_network", self.applications_of_a_network, 1..=10_000)?;
        Ok(Register(self.clone()))
    }
}

/// Validated.
#[derive(Debug, Clone)]
pub struct Register(RegisterSettings);

impl Register {
    /// What a wrong check digit leads to.
    #[must_use]
    pub fn code_check(&self) -> CodeCheck {
        self.0.code_check
    }

    /// Lifetime of an activation code.
    #[must_use]
    pub fn activation_lifetime(&self) -> Duration {
        Duration::days(self.0.activation_days.into())
    }

    /// Applications of one network without delay.
    #[must_use]
    pub fn applications_of_a_network(&self) -> u32 {
        self.0.applications_of_a_network
    }
}
