//! Families of routers: what a router's certificate is written for. Data, one file each
//! (`ca/profiles/router*.toml`), certificate policy §7.1.17.

use std::sync::OnceLock;

use sekisho_ca::profile::{Basis, Profile};

/// A family, as people choose it.
#[derive(Debug, Clone)]
pub struct Family {
    /// Name of its certificate profile: `router_strongswan`.
    pub profile: &'static str,
    /// What people call it: strongSwan.
    pub name: String,
    /// How we know what its implementation accepts.
    pub basis: Basis,
}

/// Every family of this build, any IKEv2 peer first.
pub fn all() -> &'static [Family] {
    static ALL: OnceLock<Vec<Family>> = OnceLock::new();
    ALL.get_or_init(|| {
        // A test proves that each shipped router profile reads and has a target.
        Profile::router_families()
            .filter_map(|profile| {
                let read = Profile::shipped(profile).ok()?;
                let target = read.target()?;
                Some(Family { profile, name: target.family().to_owned(), basis: target.basis() })
            })
            .collect()
    })
}

/// The family of this profile.
#[must_use]
pub fn find(profile: &str) -> Option<&'static Family> {
    all().iter().find(|family| family.profile == profile)
}

/// The message key of how we know.
#[must_use]
pub const fn basis_key(basis: Basis) -> &'static str {
    match basis {
        Basis::Standard => "routers-basis-standard",
        Basis::Bench => "routers-basis-bench",
        Basis::Manual => "routers-basis-manual",
        Basis::Unknown => "routers-basis-unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_router_profile_is_a_family() {
        assert_eq!(all().len(), Profile::router_families().count());
        assert_eq!(find("router_openiked").map(|family| family.name.as_str()), Some("OpenIKED"));
        assert!(find("terminal").is_none() && find("root").is_none());
    }
}
