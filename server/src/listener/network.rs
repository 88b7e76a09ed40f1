//! Whose request it is, as far as an address tells: what is bounded for a stranger is bounded for
//! the network, and how many connections one network holds.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// An IPv4 address, or the 64 bits of an IPv6 address that one subscriber has at least: within
/// them anybody changes addresses at will (RFC 8981).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// The network of an address. An IPv4 client on a dual-stack socket counts as what it is.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

/// How many of something each network holds, up to a bound.
#[derive(Debug)]
pub(super) struct Crowd {
    most: usize,
    held: Mutex<HashMap<Network, usize>>,
}

/// One of them; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    network: Network,
}

impl Crowd {
    pub(super) fn new(most: usize) -> Self {
        Self { most, held: Mutex::new(HashMap::new()) }
    }

    /// A place for `network`, unless it holds all that it may.
    pub(super) fn enter(self: &Arc<Self>, network: Network) -> Option<Place> {
        // Plain numbers: a panic elsewhere cannot leave them half written.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(network).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { crowd: Arc::clone(self), network })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.crowd.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::of(text.parse().unwrap())
    }

    #[test]
    fn a_subscriber_is_one_network_whatever_address_it_takes() {
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
        assert_eq!(network("192.0.2.1").to_string(), "192.0.2.1");
    }

    #[test]
    fn a_full_network_waits_for_one_of_its_own_and_nobody_else_does() {
        let crowd = Arc::new(Crowd::new(2));
        let first = crowd.enter(network("192.0.2.1"));
        let second = crowd.enter(network("192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(crowd.enter(network("192.0.2.1")).is_none());
        assert!(crowd.enter(network("192.0.2.2")).is_some());
        drop(first);
        assert!(crowd.enter(network("192.0.2.1")).is_some());
        drop(second);
        assert!(crowd.held.lock().unwrap().is_empty(), "nothing is kept of who has left");
    }
}
