//! `[network]`: addresses of facilities (docs/decisions/0048).

use ipnet::Ipv6Net;
use sekisho_store::facility_prefix::Plan;
use serde::{Deserialize, Serialize};

use super::{ConfigError, invalid};

/// As written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSettings {
    /// The block of which each facility gets a prefix. Empty: facilities get none.
    pub ipv6_plan: String,
    /// Length of each facility's prefix.
    pub facility_prefix_length: u8,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self { ipv6_plan: String::new(), facility_prefix_length: 56 }
    }
}

/// Facilities for which a plan has to have room at least: fewer is a slip.
const LEAST_ROOM: u128 = 256;

impl NetworkSettings {
    pub(super) fn validate(&self) -> Result<Network, ConfigError> {
        let length = self.facility_prefix_length;
        if !(32..=64).contains(&length) {
            let fault = format!("{length} is not between 32 and 64");
            return Err(invalid("network.facility_prefix_length", fault));
        }
        let wrong = |fault: String| Err(invalid("network.ipv6_plan", fault));
        let typed = self.ipv6_plan.as_str();
        if typed.is_empty() {
            return Ok(Network { plan: None });
        }
        let Ok(block) = typed.parse::<Ipv6Net>() else {
            return wrong(format!("`{typed}` is no IPv6 block, such as fd12:3456::/32"));
        };
        if block.addr() != block.network() {
            return wrong(format!(
                "`{typed}` has bits behind its length; it begins at {}",
                block.trunc()
            ));
        }
        // Global unicast (2000::/3) and unique local addresses (fc00::/7): RFC 4291 §2.4, RFC 4193.
        let first = block.addr().segments()[0];
        let global = first & 0xe000 == 0x2000 && block.prefix_len() >= 3;
        let local = first & 0xfe00 == 0xfc00 && block.prefix_len() >= 7;
        if !global && !local {
            return wrong(format!("`{typed}` is neither in 2000::/3 nor in fc00::/7"));
        }
        let plan = Plan { block, facility_length: length };
        if length <= block.prefix_len() || plan.room() < LEAST_ROOM {
            return wrong(format!(
                "`{typed}` has no room for {LEAST_ROOM} prefixes of length {length}"
            ));
        }
        Ok(Network { plan: Some(plan) })
    }
}

/// Validated.
#[derive(Debug, Clone)]
pub struct Network {
    plan: Option<Plan>,
}

impl Network {
    /// From which block facilities get prefixes, if they do.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(plan: &str, length: u8) -> NetworkSettings {
        NetworkSettings { ipv6_plan: plan.to_owned(), facility_prefix_length: length }
    }

    #[test]
    fn plans_are_read_and_their_neighbours_refused() {
        assert!(NetworkSettings::default().validate().unwrap().plan().is_none());
        for (plan, length) in
            [("fd12:3456::/32", 56), ("2001:db8::/32", 48), ("fd00::/8", 64), ("2001:db8::/40", 48)]
        {
            assert!(settings(plan, length).validate().unwrap().plan().is_some(), "{plan} {length}");
        }
        for (plan, length) in [
            ("fd12:3456::", 56),
            ("fd12:3456::1/32", 56),
            ("10.0.0.0/8", 56),
            ("::/0", 56),
            ("c000::/2", 56),
            ("fe80::/10", 56),
            ("ff00::/8", 56),
            ("fd12::/56", 56),
            ("fd12::/60", 56),
            ("fd12::/50", 56),
            ("fd12:3456::/32", 31),
            ("fd12:3456::/32", 65),
            ("", 65),
        ] {
            assert!(settings(plan, length).validate().is_err(), "{plan} {length}");
        }
    }
}
