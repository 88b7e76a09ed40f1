//! `[oidc]`: codes and tokens for relying services.

use serde::{Deserialize, Serialize};
use time::Duration;

use super::{ConfigError, bounded};

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OidcSettings {
    /// Lifetime of an authorization code, in seconds.
    pub code_seconds: u32,
    /// Lifetime of an ID token, in seconds.
    pub id_token_seconds: u32,
    /// Lifetime of an access token, in seconds.
    pub access_token_seconds: u32,
    /// Lifetime of a refresh token, in seconds; it ends before with the login.
    pub refresh_token_seconds: u32,
    /// How long a request that was sent ahead can be used, in seconds.
    pub pushed_request_seconds: u32,
    /// How long an authorization request waits for a login, in minutes.
    pub parked_request_minutes: u32,
    /// After how many days a key that signs tokens is followed by another.
    pub token_key_days: u32,
    /// Whether a service may lie on the loopback interface: for a demonstration on one machine.
    pub allow_loopback_clients: bool,
}

impl Default for OidcSettings {
    fn default() -> Self {
        Self {
            code_seconds: 60,
            id_token_seconds: 300,
            access_token_seconds: 600,
            refresh_token_seconds: 43_200,
            pushed_request_seconds: 60,
            parked_request_minutes: 10,
            token_key_days: 90,
            allow_loopback_clients: false,
        }
    }
}

impl OidcSettings {
    pub(super) fn validate(&self) -> Result<Oidc, ConfigError> {
        // RFC 6749 §4.1.2 recommends ten minutes at most.
        bounded("oidc.code_seconds", self.code_seconds, 10..=600)?;
        bounded("oidc.id_token_seconds", self.id_token_seconds, 30..=3_600)?;
        bounded("oidc.access_token_seconds", self.access_token_seconds, 30..=3_600)?;
        bounded("oidc.refresh_token_seconds", self.refresh_token_seconds, 60..=86_400)?;
        // FAPI 2.0 Security Profile §5.3.2.2: less than 600.
        bounded("oidc.pushed_request_seconds", self.pushed_request_seconds, 10..=599)?;
        bounded("oidc.parked_request_minutes", self.parked_request_minutes, 1..=60)?;
        bounded("oidc.token_key_days", self.token_key_days, 1..=730)?;
        Ok(Oidc(self.clone()))
    }
}

/// Validated.
#[derive(Debug, Clone)]
pub struct Oidc(OidcSettings);

impl Oidc {
    /// Lifetime of an authorization code.
    #[must_use]
    pub fn code_lifetime(&self) -> Duration {
        Duration::seconds(self.0.code_seconds.into())
    }

    /// Lifetime of an ID token.
    #[must_use]
    pub fn id_token_lifetime(&self) -> Duration {
        Duration::seconds(self.0.id_token_seconds.into())
    }

    /// Lifetime of an access token.
    #[must_use]
    pub fn access_token_lifetime(&self) -> Duration {
        Duration::seconds(self.0.access_token_seconds.into())
    }

    /// Lifetime of a refresh token.
    #[must_use]
    pub fn refresh_token_lifetime(&self) -> Duration {
        Duration::seconds(self.0.refresh_token_seconds.into())
    }

    /// How long a request that was sent ahead can be used.
    #[must_use]
    pub fn pushed_request_lifetime(&self) -> Duration {
        Duration::seconds(self.0.pushed_request_seconds.into())
    }

    /// How long an authorization request waits for a login.
    #[must_use]
    pub fn parked_request_lifetime(&self) -> Duration {
        Duration::minutes(self.0.parked_request_minutes.into())
    }

    /// How long a key that signs tokens does so.
    #[must_use]
    pub fn token_key_period(&self) -> Duration {
        Duration::days(self.0.token_key_days.into())
    }

    /// Whether a service may lie on the loopback interface.
    #[must_use]
    pub fn allow_loopback_clients(&self) -> bool {
        self.0.allow_loopback_clients
    }
}
