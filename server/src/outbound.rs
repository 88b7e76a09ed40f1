//! Where this service may call: addresses that were registered and approved, resolved once and looked at
//! before anything is sent (product decision 13).

use std::{
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use url::Host;

/// Why nothing is called.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The resolver does not answer, or knows no such name.
    #[error("the name could not be resolved")]
    Unresolved(#[source] io::Error),
    /// Loopback, link-local, or where nobody can be.
    #[error("the address leads to a place that is never called")]
    Forbidden,
}

/// Where `host` is, as far as it may be called. What was looked at here is to be called, and not resolved
/// again: a second look-up could answer otherwise.
///
/// # Errors
/// [`PlaceError`]; the places are at least one otherwise.
pub async fn places(
    host: &Host<&str>,
    port: u16,
    loopback_allowed: bool,
) -> Result<Vec<SocketAddr>, PlaceError> {
    let found: Vec<SocketAddr> = match host {
        Host::Ipv4(ip) => vec![(IpAddr::V4(*ip), port).into()],
        Host::Ipv6(ip) => vec![(IpAddr::V6(*ip), port).into()],
        // RFC 6761 §6.3: never asked of a resolver.
        Host::Domain(name) if *name == "localhost" || name.ends_with(".localhost") => {
            vec![([127, 0, 0, 1], port).into(), (Ipv6Addr::LOCALHOST, port).into()]
        }
        Host::Domain(name) => {
            tokio::net::lookup_host((*name, port)).await.map_err(PlaceError::Unresolved)?.collect()
        }
    };
    let allowed = found.into_iter().filter(|place| may_be_called(place.ip(), loopback_allowed));
    let allowed: Vec<_> = allowed.collect();
    if allowed.is_empty() { Err(PlaceError::Forbidden) } else { Ok(allowed) }
}

/// Loopback, link-local and unspecified places are not services.
fn may_be_called(ip: IpAddr, loopback_allowed: bool) -> bool {
    let ip = ip.to_canonical();
    if ip.is_loopback() {
        return loopback_allowed;
    }
    match ip {
        IpAddr::V4(ip) => {
            !(ip.is_unspecified() || ip.is_link_local() || ip.is_multicast() || ip.is_broadcast())
                && ip.octets()[0] != 0
        }
        IpAddr::V6(ip) => !(ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_link_local_and_unspecified_places_are_never_called() {
        for ip in [
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "169.254.1.1",
            "fe80::1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
        ] {
            assert!(!may_be_called(ip.parse().unwrap(), false), "{ip}");
        }
        for ip in ["10.1.2.3", "192.0.2.1", "2001:db8::1", "fd00::1"] {
            assert!(may_be_called(ip.parse().unwrap(), false), "{ip}");
        }
        assert!(may_be_called("127.0.0.1".parse().unwrap(), true));
        assert!(!may_be_called("169.254.1.1".parse().unwrap(), true));
    }
}
