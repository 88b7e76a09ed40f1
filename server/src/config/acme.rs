//! `[acme]`: certificates for services' servers (RFC 8555, decision 0040).

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use time::Duration;

use super::{ConfigError, bounded, invalid};

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AcmeSettings {
    /// Whether services' servers may get certificates.
    pub enabled: bool,
    /// Lifetime of their certificates, in days.
    pub certificate_days: u32,
    /// How long a key opens an account, in hours.
    pub binding_hours: u32,
    /// Where the network's servers stand, in CIDR notation: others are not called. None: anywhere that
    /// services may be called.
    pub networks: Vec<String>,
    /// Port at which http-01 is asked.
    pub http_port: u16,
    /// Port at which tls-alpn-01 is asked.
    pub tls_port: u16,
}

impl Default for AcmeSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            certificate_days: 90,
            binding_hours: 72,
            networks: Vec::new(),
            // RFC 8555 §8.3, RFC 8737 §3.
            http_port: 80,
            tls_port: 443,
        }
    }
}

impl AcmeSettings {
    pub(super) fn validate(&self) -> Result<Acme, ConfigError> {
        // What the profile of servers allows; below a week a renewal is no longer seen by anybody in time.
        bounded("acme.certificate_days", self.certificate_days, 7..=397)?;
        bounded("acme.binding_hours", self.binding_hours, 1..=720)?;
        bounded("acme.http_port", self.http_port, 1..=u16::MAX)?;
        bounded("acme.tls_port", self.tls_port, 1..=u16::MAX)?;
        let networks = self.networks.iter().map(|network| {
            let read = network.parse::<IpNet>();
            read.map_err(|_| {
                let fault = format!("`{network}` is no network; write 10.0.0.0/8 or fd00::/8");
                invalid("acme.networks", fault)
            })
        });
        Ok(Acme { networks: networks.collect::<Result<_, _>>()?, settings: self.clone() })
    }
}

/// Validated.
#[derive(Debug, Clone)]
pub struct Acme {
    settings: AcmeSettings,
    networks: Vec<IpNet>,
}

impl Acme {
    /// Whether services' servers may get certificates.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.settings.enabled
    }

    /// Lifetime of their certificates.
    #[must_use]
    pub fn certificate_lifetime(&self) -> Duration {
        Duration::days(self.settings.certificate_days.into())
    }

    /// How long a key opens an account.
    #[must_use]
    pub fn binding_lifetime(&self) -> Duration {
        Duration::hours(self.settings.binding_hours.into())
    }

    /// Whether a server of the network may stand there.
    #[must_use]
    pub fn is_inside(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&ip))
    }

    /// Port at which http-01 is asked.
    #[must_use]
    pub fn http_port(&self) -> u16 {
        self.settings.http_port
    }

    /// Port at which tls-alpn-01 is asked.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        self.settings.tls_port
    }
}
