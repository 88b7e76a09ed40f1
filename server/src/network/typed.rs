//! What a person types of a router: address and network.

use std::net::IpAddr;

use ipnet::IpNet;

/// Why a text is no address of a router, or no network behind one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not an IPv4 or IPv6 address.
    #[error("it is no IPv4 or IPv6 address, such as 192.0.2.1 or 2001:db8::1")]
    Address,
    /// An address that no router has: unspecified, loopback, multicast, broadcast, link-local.
    #[error("no router is reached at this address")]
    Unreachable,
    /// Not a network.
    #[error("it is no network, such as 10.20.30.0/24 or 2001:db8:1::/48")]
    Network,
    /// Bits behind the length are set.
    #[error("the address is within the network and not its beginning")]
    HostBits,
    /// A network of everything, or of addresses that no router passes on.
    #[error("no router has this network behind it")]
    Unrouted,
}

impl NetworkError {
    /// The message key for the page.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Address => "routers-error-address",
            Self::Unreachable => "routers-error-unreachable",
            Self::Network => "routers-error-network",
            Self::HostBits => "routers-error-host-bits",
            Self::Unrouted => "routers-error-unrouted",
        }
    }
}

/// The address at which a router's peers reach it.
///
/// # Errors
/// [`NetworkError::Address`], [`NetworkError::Unreachable`].
pub fn address(text: &str) -> Result<IpAddr, NetworkError> {
    let address: IpAddr = text.trim().parse().map_err(|_| NetworkError::Address)?;
    // One address has one form (RFC 4291 §2.5.5.2): `::ffff:192.0.2.1` would be another's twin.
    if address.to_canonical() != address || !is_routed(address) {
        return Err(NetworkError::Unreachable);
    }
    Ok(address)
}

/// The network behind a router, with its length.
///
/// # Errors
/// [`NetworkError::Network`], [`NetworkError::HostBits`], [`NetworkError::Unrouted`].
pub fn network(text: &str) -> Result<IpNet, NetworkError> {
    let network: IpNet = text.trim().parse().map_err(|_| NetworkError::Network)?;
    if network.addr() != network.network() {
        return Err(NetworkError::HostBits);
    }
    if network.prefix_len() == 0 || !is_routed(network.addr()) {
        return Err(NetworkError::Unrouted);
    }
    Ok(network)
}

fn is_routed(address: IpAddr) -> bool {
    let of_the_link = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast() || of_the_link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_routers_are_read_and_their_neighbours_refused() {
        for good in ["192.0.2.1", " 10.0.0.1 ", "2001:db8::1", "fd00::1"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["", "192.0.2", "192.0.2.1/24", "192.0.2.1:500", "router.example", "[::1]", "1"]
        {
            assert_eq!(address(bad), Err(NetworkError::Address), "{bad}");
        }
        for nobodys in [
            "0.0.0.0",
            "127.0.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "169.254.1.1",
            "::",
            "::1",
            "ff02::1",
            "fe80::1",
            "::ffff:192.0.2.1",
        ] {
            assert_eq!(address(nobodys), Err(NetworkError::Unreachable), "{nobodys}");
        }
    }

    #[test]
    fn networks_are_read_and_their_neighbours_refused() {
        for good in ["10.20.30.0/24", "2001:db8:1::/48", "192.0.2.1/32"] {
            assert!(network(good).is_ok(), "{good}");
        }
        for bad in ["", "10.20.30.0", "10.20.30.0/33", "10.20.30.0/255.255.255.0", "a/24"] {
            assert_eq!(network(bad), Err(NetworkError::Network), "{bad}");
        }
        assert_eq!(network("10.20.30.1/24"), Err(NetworkError::HostBits));
        for all in ["0.0.0.0/0", "::/0", "127.0.0.0/8", "224.0.0.0/4", "169.254.0.0/16"] {
            assert_eq!(network(all), Err(NetworkError::Unrouted), "{all}");
        }
    }
}
