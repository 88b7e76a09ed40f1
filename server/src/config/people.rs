//! `[people]`: one-time links, invitations, passwords.

use std::path::{Path, PathBuf};

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
    /// How many of their last passwords a person may not choose again.
    pub passwords_remembered: u32,
    /// File of passwords that are known from breaches; empty for none.
    pub breached_passwords_file: PathBuf,
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
            passwords_remembered: 5,
            breached_passwords_file: PathBuf::new(),
            lock_after_failures: 10,
            lock_minutes: 15,
            network_factor: 10,
        }
    }
}

impl PeopleSettings {
    pub(super) fn validate(&self, folder: &Path) -> Result<People, ConfigError> {
        bounded("people.one_time_link_minutes", self.one_time_link_minutes, 1..=1_440)?;
        bounded("people.invitation_days", self.invitation_days, 1..=30)?;
        bounded("people.invitation_tries", self.invitation_tries, 1..=10)?;
        // NIST SP 800-63B asks for 8 at least, and for room for 64.
        bounded("people.password_least_characters", self.password_least_characters, 8..=64)?;
        bounded("people.lock_after_failures", self.lock_after_failures, 3..=100)?;
        bounded("people.lock_minutes", self.lock_minutes, 1..=1_440)?;
        bounded("people.network_factor", self.network_factor, 1..=1_000)?;
        bounded("people.passwords_remembered", self.passwords_remembered, 1..=24)?;
        let named = !self.breached_passwords_file.as_os_str().is_empty();
        let breached = named.then(|| folder.join(&self.breached_passwords_file));
        Ok(People(self.clone(), breached))
    }
}

/// Validated.
#[derive(Debug, Clone)]
pub struct People(PeopleSettings, Option<PathBuf>);

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

    /// How many of their last passwords, the one in force among them, a person may not choose again.
    #[must_use]
    pub fn passwords_remembered(&self) -> u32 {
        self.0.passwords_remembered
    }

    /// File of passwords that are known from breaches.
    #[must_use]
    pub fn breached_passwords_file(&self) -> Option<&Path> {
        self.1.as_deref()
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
