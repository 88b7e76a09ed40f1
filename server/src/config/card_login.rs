//! `[card_login]`: login by HPKI card (`docs/card-login.md`).

use std::path::{Path, PathBuf};

use const_oid::ObjectIdentifier;
use serde::{Deserialize, Serialize};
use time::Duration;

use super::{ConfigError, bounded, invalid};

/// What happens to the session when the card leaves the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RemovalPolicy {
    /// The session ends, at every service too.
    Logout,
    /// The portal asks for the card again.
    Lock,
    /// Nothing happens.
    Keep,
}

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CardLoginSettings {
    /// Folder of trusted HPKI certificates (PEM): self-signed ones are anchors, others are sub-CAs.
    pub anchors: PathBuf,
    /// Folder of HPKI revocation lists (DER), one file an issuer.
    pub crls: PathBuf,
    /// Policy OIDs that a login certificate must assert one of.
    pub accepted_policies: Vec<String>,
    /// Lifetime of a login request, in seconds.
    pub request_seconds: u32,
    /// After how many days the key that signs login requests is followed by another.
    pub request_key_days: u32,
    /// Where the agent listens on the terminal.
    pub agent_port: u16,
    /// Oldest agent that may answer.
    pub minimum_agent_version: String,
    /// `logout`, `lock` or `keep`.
    pub card_removal: RemovalPolicy,
    /// Whether services that are not told of logouts stay closed at terminals that several people use, where a
    /// facility chose nothing.
    pub forbid_untold_services: bool,
    /// Whether the login page may reach the agent by top-level navigation where the browser keeps
    /// its script from loopback.
    pub navigation: bool,
    /// Whether people may enrol passkeys from a login by HPKI card, and log in by them.
    pub passkeys: bool,
    /// Whether people without a card may be invited, and log in by password and one-time password.
    pub passwords: bool,
    /// Whether their password alone does at a terminal, at the lowest level.
    pub password_with_facility_certificate: bool,
    /// Whether two colleagues may give a pass for a day to somebody who left their card at home.
    pub day_passes: bool,
    /// For how many hours such a pass counts.
    pub day_pass_hours: u32,
    /// How many a person may be given within 30 days.
    pub day_passes_in_30_days: u32,
}

impl Default for CardLoginSettings {
    fn default() -> Self {
        Self {
            anchors: "anchors/hpki".into(),
            crls: "crls/hpki".into(),
            accepted_policies: vec!["1.2.392.100495.1.5.1.2.0.1".into()],
            request_seconds: 60,
            request_key_days: 365,
            agent_port: 14_790,
            minimum_agent_version: "0.1.0".into(),
            card_removal: RemovalPolicy::Lock,
            forbid_untold_services: false,
            navigation: false,
            passkeys: false,
            passwords: false,
            password_with_facility_certificate: false,
            day_passes: false,
            day_pass_hours: 24,
            day_passes_in_30_days: 3,
        }
    }
}

impl CardLoginSettings {
    pub(super) fn validate(&self, folder: &Path) -> Result<CardLogin, ConfigError> {
        if self.accepted_policies.is_empty() || self.accepted_policies.len() > 50 {
            return Err(invalid("card_login.accepted_policies", "1 to 50 object identifiers"));
        }
        let accepted_policies = self
            .accepted_policies
            .iter()
            .map(|text| {
                ObjectIdentifier::new(text).map_err(|_| {
                    invalid(
                        "card_login.accepted_policies",
                        format!("`{text}` is not an object identifier"),
                    )
                })
            })
            .collect::<Result<_, _>>()?;
        bounded("card_login.request_seconds", self.request_seconds, 10..=60)?;
        bounded("card_login.request_key_days", self.request_key_days, 2..=730)?;
        bounded("card_login.agent_port", self.agent_port, 1_024..=65_535)?;
        let parts: Vec<_> = self.minimum_agent_version.split('.').collect();
        if parts.len() != 3 || parts.iter().any(|part| part.parse::<u16>().is_err()) {
            return Err(invalid("card_login.minimum_agent_version", "three numbers such as 0.1.0"));
        }
        if self.password_with_facility_certificate && !self.passwords {
            return Err(invalid(
                "card_login.password_with_facility_certificate",
                "false, unless card_login.passwords is true",
            ));
        }
        bounded("card_login.day_pass_hours", self.day_pass_hours, 1..=24)?;
        bounded("card_login.day_passes_in_30_days", self.day_passes_in_30_days, 1..=30)?;
        Ok(CardLogin {
            anchors: folder.join(&self.anchors),
            crls: folder.join(&self.crls),
            accepted_policies,
            settings: self.clone(),
        })
    }
}

/// Validated.
#[derive(Debug, Clone)]
pub struct CardLogin {
    anchors: PathBuf,
    crls: PathBuf,
    accepted_policies: Vec<ObjectIdentifier>,
    settings: CardLoginSettings,
}

impl CardLogin {
    /// Folder of trusted certificates.
    #[must_use]
    pub fn anchors(&self) -> &Path {
        &self.anchors
    }

    /// Folder of revocation lists.
    #[must_use]
    pub fn crls(&self) -> &Path {
        &self.crls
    }

    /// Policies of which a login certificate must assert one.
    #[must_use]
    pub fn accepted_policies(&self) -> &[ObjectIdentifier] {
        &self.accepted_policies
    }

    /// Lifetime of a login request.
    #[must_use]
    pub fn request_lifetime(&self) -> Duration {
        Duration::seconds(self.settings.request_seconds.into())
    }

    /// For how long a key signs login requests before another follows it.
    #[must_use]
    pub fn request_key_period(&self) -> Duration {
        Duration::days(self.settings.request_key_days.into())
    }

    /// Port of the agent's door.
    #[must_use]
    pub fn agent_port(&self) -> u16 {
        self.settings.agent_port
    }

    /// Oldest agent that may answer.
    #[must_use]
    pub fn minimum_agent_version(&self) -> &str {
        &self.settings.minimum_agent_version
    }

    /// What card removal does.
    #[must_use]
    pub fn card_removal(&self) -> RemovalPolicy {
        self.settings.card_removal
    }

    /// Whether services that are not told of logouts stay closed at shared terminals.
    #[must_use]
    pub fn forbid_untold_services(&self) -> bool {
        self.settings.forbid_untold_services
    }

    /// Whether passkeys are enrolled and log people in.
    #[must_use]
    pub fn passkeys(&self) -> bool {
        self.settings.passkeys
    }

    /// Whether people without a card are invited and log in by password and one-time password.
    #[must_use]
    pub fn passwords(&self) -> bool {
        self.settings.passwords
    }

    /// Whether their password alone does at a terminal, at the lowest level.
    #[must_use]
    pub fn password_with_facility_certificate(&self) -> bool {
        self.settings.password_with_facility_certificate
    }

    /// Whether two colleagues may give a pass for a day to somebody who left their card at home.
    #[must_use]
    pub fn day_passes(&self) -> bool {
        self.settings.day_passes
    }

    /// For how long such a pass counts.
    #[must_use]
    pub fn day_pass_length(&self) -> Duration {
        Duration::hours(self.settings.day_pass_hours.into())
    }

    /// How many a person may be given within 30 days.
    #[must_use]
    pub fn day_passes_in_30_days(&self) -> u32 {
        self.settings.day_passes_in_30_days
    }

    /// Whether the agent's door for top-level navigation is open.
    #[must_use]
    pub fn navigation(&self) -> bool {
        self.settings.navigation
    }
}
