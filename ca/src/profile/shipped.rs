//! The files of `ca/profiles/`, by name.

use super::{Profile, ProfileError, config};

/// Every profile of this build, the generic ones before those that inherit from them.
const SHIPPED: [(&str, &str); 18] = [
    ("root", include_str!("../../profiles/root.toml")),
    ("issuing", include_str!("../../profiles/issuing.toml")),
    ("cross", include_str!("../../profiles/cross.toml")),
    ("terminal", include_str!("../../profiles/terminal.toml")),
    ("server", include_str!("../../profiles/server.toml")),
    ("ocsp_responder", include_str!("../../profiles/ocsp_responder.toml")),
    ("scep_ra", include_str!("../../profiles/scep_ra.toml")),
    ("cmp_ra", include_str!("../../profiles/cmp_ra.toml")),
    ("router", include_str!("../../profiles/router.toml")),
    ("router_strongswan", include_str!("../../profiles/router_strongswan.toml")),
    ("router_libreswan", include_str!("../../profiles/router_libreswan.toml")),
    ("router_openiked", include_str!("../../profiles/router_openiked.toml")),
    ("router_windows", include_str!("../../profiles/router_windows.toml")),
    ("router_yamaha_rtx", include_str!("../../profiles/router_yamaha_rtx.toml")),
    ("router_nec_ix", include_str!("../../profiles/router_nec_ix.toml")),
    ("router_cisco_ios_xe", include_str!("../../profiles/router_cisco_ios_xe.toml")),
    ("router_fortigate", include_str!("../../profiles/router_fortigate.toml")),
    ("router_allied_telesis", include_str!("../../profiles/router_allied_telesis.toml")),
];

impl Profile {
    /// Names of the profiles that this build ships.
    pub fn shipped_names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// Names of the router profiles: `router` for any IKEv2 peer, the others for one family each.
    pub fn router_families() -> impl Iterator<Item = &'static str> {
        Self::shipped_names().filter(|name| name.starts_with("router"))
    }

    /// The profile that this build ships under `name`, one of [`Self::shipped_names`].
    ///
    /// # Errors
    /// [`ProfileError::Unknown`]; a test proves that each shipped file is valid.
    pub fn shipped(name: &str) -> Result<Self, ProfileError> {
        config::read(text(name)?)
    }
}

/// The TOML of a shipped profile, for those that inherit from it.
pub(super) fn text(name: &str) -> Result<&'static str, ProfileError> {
    SHIPPED
        .iter()
        .find(|(shipped, _)| *shipped == name)
        .map(|(_, text)| *text)
        .ok_or_else(|| ProfileError::Unknown { name: name.to_owned() })
}
