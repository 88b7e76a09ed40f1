//! `[names]`: host names by role.

use serde::{Deserialize, Serialize};

use super::{ConfigError, invalid};
use crate::names::{NameRole, Names, origin};

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NamesSettings {
    /// Portal, authorization endpoint, card login.
    pub terminal: String,
    /// Discovery, token, console; the OIDC issuer.
    pub public: String,
    /// Mutual-TLS aliases.
    pub mtls: String,
    /// Enrolment.
    pub enrol: String,
    /// CRL, OCSP, CA certificates over plain HTTP.
    pub plain: String,
    /// TLS port as the outside reaches it; 0 is the port that is listened on.
    pub tls_port: u16,
    /// Plain port as the outside reaches it; 0 is the port that is listened on.
    pub plain_port: u16,
}

impl Default for NamesSettings {
    fn default() -> Self {
        Self {
            terminal: "terminal.sekisho.localhost".into(),
            public: "login.sekisho.localhost".into(),
            mtls: "mtls.sekisho.localhost".into(),
            enrol: "enrol.sekisho.localhost".into(),
            plain: "plain.sekisho.localhost".into(),
            tls_port: 0,
            plain_port: 0,
        }
    }
}

impl NamesSettings {
    pub(super) fn validate(&self) -> Result<HostNames, ConfigError> {
        let all = [
            ("names.terminal", &self.terminal),
            ("names.public", &self.public),
            ("names.mtls", &self.mtls),
            ("names.enrol", &self.enrol),
            ("names.plain", &self.plain),
        ];
        for (at, (key, host)) in all.iter().enumerate() {
            if !is_host_name(host) {
                return Err(invalid(key, format!("`{host}` is not a host name in lower case")));
            }
            // A shared name would let HTTP/2 carry requests past the certificate question.
            if all[..at].iter().any(|(_, other)| other == host) {
                return Err(invalid(key, format!("`{host}` is used for another role already")));
            }
        }
        Ok(HostNames(self.clone()))
    }
}

/// Letters, digits and hyphens in labels of at most 63, at most 253 in all (RFC 1123 §2.1).
fn is_host_name(host: &str) -> bool {
    host.len() <= 253
        && host.contains('.')
        && host.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

/// Validated.
#[derive(Debug, Clone)]
pub struct HostNames(NamesSettings);

impl HostNames {
    /// The host name of `role`.
    #[must_use]
    pub fn host(&self, role: NameRole) -> &str {
        match role {
            NameRole::Terminal => &self.0.terminal,
            NameRole::Public => &self.0.public,
            NameRole::Mtls => &self.0.mtls,
            NameRole::Enrol => &self.0.enrol,
            NameRole::Plain => &self.0.plain,
        }
    }

    /// The name by which a router's peers know it: below `router`, beside the name for enrolment.
    #[must_use]
    pub fn of_router(&self, terminal_id: &str) -> String {
        let enrol = self.0.enrol.as_str();
        // A name directly below the top has no domain of the network's own beside it.
        let domain = enrol.split_once('.').map(|(_, rest)| rest).filter(|rest| rest.contains('.'));
        format!("{}.router.{}", terminal_id.to_ascii_lowercase(), domain.unwrap_or(enrol))
    }

    /// The role of a host name.
    #[must_use]
    pub fn role_of(&self, host: &str) -> Option<NameRole> {
        [NameRole::Terminal, NameRole::Public, NameRole::Mtls, NameRole::Enrol, NameRole::Plain]
            .into_iter()
            .find(|role| self.host(*role).eq_ignore_ascii_case(host))
    }

    /// The origins, given the ports that are listened on.
    #[must_use]
    pub fn origins(&self, listening_tls: u16, listening_plain: u16) -> Names {
        let advertised =
            |configured, listening| if configured == 0 { listening } else { configured };
        let tls = advertised(self.0.tls_port, listening_tls);
        let plain = advertised(self.0.plain_port, listening_plain);
        Names {
            terminal: origin("https", &self.0.terminal, tls),
            public: origin("https", &self.0.public, tls),
            mtls: origin("https", &self.0.mtls, tls),
            enrol: origin("https", &self.0.enrol, tls),
            plain: origin("http", &self.0.plain, plain),
        }
    }
}
