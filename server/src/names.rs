//! Names by role: what each of our host names is for, and the origin it is reached under.

use serde::{Deserialize, Serialize};

/// What a host name is for; each has its own server certificate and its own paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NameRole {
    /// Portal, authorization endpoint, card login. Asks for the facility certificate.
    Terminal,
    /// Discovery, keys, token, userinfo, console, application. Asks for no certificate.
    Public,
    /// Mutual-TLS aliases of the token endpoints (RFC 8705 §5). Asks for a certificate.
    Mtls,
    /// Enrolment over secure transport (RFC 7030). Asks for a certificate, works without one.
    Enrol,
    /// Plain HTTP for CRL, OCSP and CA certificates, which carry their own signatures.
    Plain,
}

impl NameRole {
    /// The roles served over TLS.
    pub const TLS: [Self; 4] = [Self::Terminal, Self::Public, Self::Mtls, Self::Enrol];

    /// Name of the role in files, configuration and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Public => "public",
            Self::Mtls => "mtls",
            Self::Enrol => "enrol",
            Self::Plain => "plain",
        }
    }

    /// Whether the TLS handshake on this name asks for a client certificate.
    #[must_use]
    pub const fn asks_for_certificate(self) -> bool {
        matches!(self, Self::Terminal | Self::Mtls | Self::Enrol)
    }
}

/// The origin of each name: `https://host[:port]`, for `plain` `http://host[:port]`.
///
/// No trailing slash; the default port of the scheme is left out (RFC 6454 §6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Origin of the portal and the authorization endpoint.
    pub terminal: String,
    /// Origin of the public endpoints; it is the OIDC issuer.
    pub public: String,
    /// Origin of the mutual-TLS aliases.
    pub mtls: String,
    /// Origin of the enrolment doors.
    pub enrol: String,
    /// Origin of CRL, OCSP and CA certificates.
    pub plain: String,
}

impl Names {
    /// The origin of `role`.
    #[must_use]
    pub fn origin(&self, role: NameRole) -> &str {
        match role {
            NameRole::Terminal => &self.terminal,
            NameRole::Public => &self.public,
            NameRole::Mtls => &self.mtls,
            NameRole::Enrol => &self.enrol,
            NameRole::Plain => &self.plain,
        }
    }

    /// What stands in a `Host` header for `role`: the origin without its scheme.
    #[must_use]
    pub fn authority(&self, role: NameRole) -> &str {
        let origin = self.origin(role);
        origin.split_once("://").map_or(origin, |(_, authority)| authority)
    }
}

/// Writes an origin, leaving out the scheme's default port, and a port that is not known yet (0).
#[must_use]
pub fn origin(scheme: &str, host: &str, port: u16) -> String {
    match (scheme, port) {
        ("https", 443) | ("http", 80) | (_, 0) => format!("{scheme}://{host}"),
        _ => format!("{scheme}://{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_names_its_port_only_where_it_differs_from_the_default() {
        assert_eq!(origin("https", "login.example", 443), "https://login.example");
        assert_eq!(origin("http", "plain.example", 80), "http://plain.example");
        assert_eq!(origin("https", "login.example", 80), "https://login.example:80");
    }
}
