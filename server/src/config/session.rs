//! `[session]`: how long somebody stays signed in.

use serde::{Deserialize, Serialize};
use time::Duration;

use super::{ConfigError, bounded};

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionSettings {
    /// A portal session ends at the latest after this many minutes.
    pub portal_minutes: u32,
    /// A portal session without a request ends after this many minutes.
    pub portal_idle_minutes: u32,
    /// A console session ends at the latest after this many minutes.
    pub console_minutes: u32,
    /// A console session without a request ends after this many minutes.
    pub console_idle_minutes: u32,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            portal_minutes: 720,
            portal_idle_minutes: 120,
            console_minutes: 480,
            console_idle_minutes: 30,
        }
    }
}

impl SessionSettings {
    pub(super) fn validate(&self) -> Result<SessionPolicy, ConfigError> {
        bounded("session.portal_minutes", self.portal_minutes, 1..=1_440)?;
        bounded("session.portal_idle_minutes", self.portal_idle_minutes, 1..=1_440)?;
        bounded("session.console_minutes", self.console_minutes, 1..=1_440)?;
        bounded("session.console_idle_minutes", self.console_idle_minutes, 1..=1_440)?;
        Ok(SessionPolicy(self.clone()))
    }
}

/// Validated.
#[derive(Debug, Clone)]
pub struct SessionPolicy(SessionSettings);

impl SessionPolicy {
    /// Longest portal session.
    #[must_use]
    pub fn portal_lifetime(&self) -> Duration {
        Duration::minutes(self.0.portal_minutes.into())
    }

    /// Longest rest within a portal session.
    #[must_use]
    pub fn portal_idle(&self) -> Duration {
        Duration::minutes(self.0.portal_idle_minutes.into())
    }

    /// Longest console session.
    #[must_use]
    pub fn console_lifetime(&self) -> Duration {
        Duration::minutes(self.0.console_minutes.into())
    }

    /// Longest rest within a console session.
    #[must_use]
    pub fn console_idle(&self) -> Duration {
        Duration::minutes(self.0.console_idle_minutes.into())
    }
}
