//! `[enrolment]`: one-time codes for terminals (`docs/card-login.md`, first contact).

use serde::{Deserialize, Serialize};
use time::Duration;

use super::{ConfigError, bounded};

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnrolmentSettings {
    /// Lifetime of an enrolment code, in minutes.
    pub code_minutes: u32,
    /// Wrong codes that a code survives; what cannot be a code uses up none.
    pub code_tries: u32,
    /// A used code with the same key gets the same certificate for this long, in minutes.
    pub same_key_minutes: u32,
}

impl Default for EnrolmentSettings {
    fn default() -> Self {
        Self { code_minutes: 1_440, code_tries: 5, same_key_minutes: 15 }
    }
}

impl EnrolmentSettings {
    pub(super) fn validate(&self) -> Result<Enrolment, ConfigError> {
        bounded("enrolment.code_minutes", self.code_minutes, 1..=10_080)?;
        bounded("enrolment.code_tries", self.code_tries, 1..=20)?;
        bounded("enrolment.same_key_minutes", self.same_key_minutes, 0..=60)?;
        Ok(Enrolment(self.clone()))
    }
}

/// Validated.
#[derive(Debug, Clone)]
pub struct Enrolment(EnrolmentSettings);

impl Enrolment {
    /// Lifetime of a code.
    #[must_use]
    pub fn code_lifetime(&self) -> Duration {
        Duration::minutes(self.0.code_minutes.into())
    }

    /// Wrong codes that a code survives; what cannot be a code uses up none.
    #[must_use]
    pub fn code_tries(&self) -> u32 {
        self.0.code_tries
    }

    /// How long a used code answers the same key again.
    #[must_use]
    pub fn same_key_grace(&self) -> Duration {
        Duration::minutes(self.0.same_key_minutes.into())
    }
}
