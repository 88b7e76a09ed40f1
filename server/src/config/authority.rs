//! `[authority]`: lifetimes of what the authority signs. Limits cite the certificate policy §6.3.2.

use serde::{Deserialize, Serialize};
use time::Duration;

use sekisho_ca::revocation::CrlPartitions;

use super::{ConfigError, TokenSettings, bounded, invalid};

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthoritySettings {
    /// Validity of a terminal certificate, in days.
    pub terminal_days: u32,
    /// Validity of the servers' own certificates, in days.
    pub server_days: u32,
    /// A new CRL is published this often, in minutes, and at once after each revocation.
    pub crl_every_minutes: u32,
    /// From a CRL's thisUpdate to its nextUpdate, in hours.
    pub crl_hours: u32,
    /// Into how many partitions the terminals' CRL is divided: 1 for not at all, or a power of two
    /// up to 256. Each certificate names its own for ever.
    pub crl_partitions: u16,
    /// From an OCSP response's thisUpdate to its nextUpdate, in minutes.
    pub ocsp_minutes: u32,
    /// Certificates whose status and OCSP answers are kept in memory; about a kilobyte each.
    pub ocsp_kept: u32,
    /// `[authority.token]`
    pub token: TokenSettings,
}

impl Default for AuthoritySettings {
    fn default() -> Self {
        Self {
            terminal_days: 365,
            server_days: 180,
            crl_every_minutes: 60,
            crl_hours: 48,
            crl_partitions: 128,
            ocsp_minutes: 60,
            ocsp_kept: 50_000,
            token: TokenSettings::default(),
        }
    }
}

impl AuthoritySettings {
    pub(super) fn validate(&self) -> Result<AuthorityPolicy, ConfigError> {
        bounded("authority.terminal_days", self.terminal_days, 1..=366)?;
        bounded("authority.server_days", self.server_days, 2..=397)?;
        bounded("authority.crl_every_minutes", self.crl_every_minutes, 1..=1_440)?;
        bounded("authority.crl_hours", self.crl_hours, 1..=96)?;
        bounded("authority.ocsp_minutes", self.ocsp_minutes, 1..=60)?;
        bounded("authority.ocsp_kept", self.ocsp_kept, 0..=10_000_000)?;
        if self.crl_partitions != 1 && CrlPartitions::new(self.crl_partitions).is_none() {
            return Err(invalid("authority.crl_partitions", "give 1, 2, 4, 8, … or 256"));
        }
        if self.crl_hours * 60 <= self.crl_every_minutes {
            return Err(invalid(
                "authority.crl_hours",
                "a CRL must outlive `crl_every_minutes`, or there are times without a valid one",
            ));
        }
        Ok(AuthorityPolicy(self.clone()))
    }
}

/// Validated.
#[derive(Debug, Clone)]
pub struct AuthorityPolicy(AuthoritySettings);

impl AuthorityPolicy {
    /// Validity of a terminal certificate.
    #[must_use]
    pub fn terminal_validity(&self) -> Duration {
        Duration::days(self.0.terminal_days.into())
    }

    /// Validity of a server certificate.
    #[must_use]
    pub fn server_validity(&self) -> Duration {
        Duration::days(self.0.server_days.into())
    }

    /// How often a CRL is published.
    #[must_use]
    pub fn crl_every(&self) -> Duration {
        Duration::minutes(self.0.crl_every_minutes.into())
    }

    /// From thisUpdate to nextUpdate of a CRL.
    #[must_use]
    pub fn crl_validity(&self) -> Duration {
        Duration::hours(self.0.crl_hours.into())
    }

    /// Into how many partitions the terminals' CRL is divided, if it is.
    #[must_use]
    pub fn crl_partitions(&self) -> Option<CrlPartitions> {
        CrlPartitions::new(self.0.crl_partitions)
    }

    /// Certificates whose OCSP answers are kept signed in memory.
    #[must_use]
    pub fn ocsp_kept(&self) -> usize {
        usize::try_from(self.0.ocsp_kept).unwrap_or(usize::MAX)
    }

    /// From thisUpdate to nextUpdate of an OCSP response.
    #[must_use]
    pub fn ocsp_validity(&self) -> Duration {
        Duration::minutes(self.0.ocsp_minutes.into())
    }
}
