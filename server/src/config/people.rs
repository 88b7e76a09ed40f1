//! `[people]`: one-time links, invitations, passwords.

use serde::{Deserialize, Serialize};
use time::Duration;

use super::{ConfigError, bounded};

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeopleSettings {
    /// Lifetime of a one-time link, in minutes.
    pub one_time_link_minutes: u32,
    /// Lifetime of an invitation, in days.
    pub invitation_days: u32,
    /// Wrong attempts that an invitation survives.
    pub invitation_tries: u32,
    /// Least length of a password, in characters.
    pub password_least_characters: u32,
    /// Failures in a row after which an account rests.
    pub lock_after_failures: u32,
    /// How long an account rests, in minutes.
    pub lock_minutes: u32,
    /// How many times more failures than an account a network may have.
    pub network_factor: u32,
}

impl Default for PeopleSettings {
    fn default() -> Self {
        Self {
            one_time_link_minutes: 30,
            invitation_days: 7,
            invitation_tries: 5,
            password_least_characters: 12,
            lock_after_failures: 10,
            lock_minutes: 15,
            network_factor: 10,
        }
    }
}

impl PeopleSettings {
    pub(super) fn validate(&self) -> Result<People, ConfigError> {
        bounded("people.one_time_link_minutes", self.one_time_link_minutes, 1..=1_440)?;
        bounded("people.invitation_days", self.invitation_days, 1..=30)?;
        bounded("people.invitation_tries", self.invitation_tries, 1..=10)?;
        // NIST SP 800-63B asks for 8 at least, and for room for 64.
        bounded("people.password_least_characters", self.password_least_characters, 8..=64)?;
        bounded("people.lock_after_failures", self.lock_after_failures, 3..=100)?;
        bounded("people.lock_minutes", self.lock_minutes, 1..=1_440)?;
        bounded("people.network_factor", self.network_factor, 1..=1_000)?;
        Ok(People(self.clone()))
    }
}

/// Validated.
#[derive(Debug, Clone)]
pub struct People(PeopleSettings);

impl People {
    /// Lifetime of a one-time link.
    #[must_use]
    pub fn one_time_link_lifetime(&self) -> Duration {
        Duration::minutes(self.0.one_time_link_minutes.into())
    }

    /// Lifetime of an invitation.
    #[must_use]
    pub fn invitation_lifetime(&self) -> Duration {
        Duration::days(self.0.invitation_days.into())
    }

    /// Wrong attempts that an invitation survives.
    #[must_use]
    pub fn invitation_tries(&self) -> u32 {
        self.0.invitation_tries
    }

    /// Least length of a password, in characters.
    #[must_use]
    pub fn password_least_characters(&self) -> usize {
        self.0.password_least_characters as usize
    }

    /// Failures in a row after which an account rests.
    #[must_use]
    pub fn lock_after_failures(&self) -> u32 {
        self.0.lock_after_failures
    }

    /// How long an account rests.
    #[must_use]
    pub fn lock_duration(&self) -> Duration {
        Duration::minutes(self.0.lock_minutes.into())
    }

    /// How many times more failures than an account a network may have.
    #[must_use]
    pub fn network_factor(&self) -> u32 {
        self.0.network_factor
    }
}
