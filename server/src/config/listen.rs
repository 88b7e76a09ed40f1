//! `[listen]`: sockets, and how much a stranger may ask of them.

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{ConfigError, bounded, invalid};
use crate::names::NameRole;

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenSettings {
    /// Addresses with port for TLS.
    pub tls: Vec<SocketAddr>,
    /// Addresses with port for plain HTTP.
    pub plain: Vec<SocketAddr>,
    /// Names on which TLS 1.2 is allowed beside 1.3.
    pub tls12: Vec<NameRole>,
    /// Connections at once.
    pub most_connections: u32,
    /// Connections at once of one network: an IPv4 address, or 64 bits of an IPv6 address.
    pub most_connections_of_a_network: u32,
    /// TLS handshakes at once; of one network a quarter of them.
    pub most_handshakes: u32,
    /// A handshake takes at most this long.
    pub handshake_seconds: u32,
    /// A request's head arrives within this time; also how long an idle connection is kept.
    pub head_seconds: u32,
    /// Between two parts of a body at most this long, and of an answer until its reader takes more.
    pub body_seconds: u32,
    /// A request is answered within this time.
    pub request_seconds: u32,
    /// On stop, requests under way get this long.
    pub stop_seconds: u32,
    /// On stop, idle connections are still answered for this long.
    pub idle_stop_seconds: u32,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            tls: vec![([0, 0, 0, 0, 0, 0, 0, 0], 8443).into(), ([0, 0, 0, 0], 8443).into()],
            plain: vec![([0, 0, 0, 0, 0, 0, 0, 0], 8080).into(), ([0, 0, 0, 0], 8080).into()],
            tls12: Vec::new(),
            most_connections: 10_000,
            most_connections_of_a_network: 1_000,
            most_handshakes: 200,
            handshake_seconds: 10,
            head_seconds: 30,
            body_seconds: 10,
            request_seconds: 30,
            stop_seconds: 20,
            idle_stop_seconds: 1,
        }
    }
}

impl ListenSettings {
    pub(super) fn validate(&self) -> Result<Listen, ConfigError> {
        for (key, addresses) in [("listen.tls", &self.tls), ("listen.plain", &self.plain)] {
            if addresses.is_empty() || addresses.len() > 16 {
                return Err(invalid(key, "1 to 16 addresses such as `[::]:8443`"));
            }
            // The origin has one port.
            if addresses.iter().any(|address| address.port() != addresses[0].port()) {
                return Err(invalid(key, "all addresses must have the same port"));
            }
        }
        let port = self.plain[0].port();
        // Port 0 takes two different free ones.
        if port != 0 && port == self.tls[0].port() {
            let fault =
                format!("port {port} is taken by listen.tls; plain HTTP needs one of its own");
            return Err(invalid("listen.plain", fault));
        }
        if self.tls12.contains(&NameRole::Plain) {
            return Err(invalid("listen.tls12", "`plain` has no TLS"));
        }
        bounded("listen.most_connections", self.most_connections, 10..=1_000_000)?;
        bounded(
            "listen.most_connections_of_a_network",
            self.most_connections_of_a_network,
            1..=1_000_000,
        )?;
        bounded("listen.most_handshakes", self.most_handshakes, 1..=100_000)?;
        bounded("listen.handshake_seconds", self.handshake_seconds, 1..=60)?;
        bounded("listen.head_seconds", self.head_seconds, 1..=300)?;
        bounded("listen.body_seconds", self.body_seconds, 1..=300)?;
        bounded("listen.request_seconds", self.request_seconds, 1..=300)?;
        bounded("listen.stop_seconds", self.stop_seconds, 0..=300)?;
        bounded("listen.idle_stop_seconds", self.idle_stop_seconds, 0..=60)?;
        Ok(Listen(self.clone()))
    }
}

/// Validated.
#[derive(Debug, Clone)]
pub struct Listen(ListenSettings);

fn seconds(value: u32) -> Duration {
    Duration::from_secs(value.into())
}

impl Listen {
    /// Addresses for TLS; all of one port, which may be 0.
    #[must_use]
    pub fn tls(&self) -> &[SocketAddr] {
        &self.0.tls
    }

    /// Addresses for plain HTTP; all of one port, which may be 0.
    #[must_use]
    pub fn plain(&self) -> &[SocketAddr] {
        &self.0.plain
    }

    /// Whether TLS 1.2 is allowed on the name of `role`.
    #[must_use]
    pub fn allows_tls12(&self, role: NameRole) -> bool {
        self.0.tls12.contains(&role)
    }

    /// Connections at once.
    #[must_use]
    pub fn most_connections(&self) -> usize {
        self.0.most_connections as usize
    }

    /// Connections at once of one network.
    #[must_use]
    pub fn most_connections_of_a_network(&self) -> usize {
        self.0.most_connections_of_a_network as usize
    }

    /// TLS handshakes at once of one network.
    #[must_use]
    pub fn most_handshakes_of_a_network(&self) -> usize {
        self.most_handshakes().div_ceil(4)
    }

    /// TLS handshakes at once.
    #[must_use]
    pub fn most_handshakes(&self) -> usize {
        self.0.most_handshakes as usize
    }

    /// Longest handshake.
    #[must_use]
    pub fn handshake(&self) -> Duration {
        seconds(self.0.handshake_seconds)
    }

    /// Longest wait for a request's head.
    #[must_use]
    pub fn head(&self) -> Duration {
        seconds(self.0.head_seconds)
    }

    /// Longest wait between two parts of a body.
    #[must_use]
    pub fn body(&self) -> Duration {
        seconds(self.0.body_seconds)
    }

    /// Longest time for an answer.
    #[must_use]
    pub fn request(&self) -> Duration {
        seconds(self.0.request_seconds)
    }

    /// Longest wait for requests under way when stopping.
    #[must_use]
    pub fn stop(&self) -> Duration {
        seconds(self.0.stop_seconds)
    }

    /// How long idle connections are still answered when stopping.
    #[must_use]
    pub fn idle_stop(&self) -> Duration {
        seconds(self.0.idle_stop_seconds)
    }
}
