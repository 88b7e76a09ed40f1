//! What two families propose to each other, by what their manuals say that both know.

/// A group for the key exchange of IKE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// 19
    Ecp256,
    /// 15
    Modp3072,
    /// 14
    Modp2048,
}

impl Group {
    /// Its number (IANA, IKEv2 Transform Type 4).
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Ecp256 => 19,
            Self::Modp3072 => 15,
            Self::Modp2048 => 14,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ecp256 => "ecp256",
            Self::Modp3072 => "modp3072",
            Self::Modp2048 => "modp2048",
        }
    }
}

/// AES-256 in CBC mode throughout; what differs are the group of IKE and the integrity of ESP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suite {
    pub(super) group: Group,
    /// SHA-512 for ESP, otherwise SHA-256.
    pub(super) sha512: bool,
    /// Whether one end's text, as it was tried, proposes less than this: somebody has to add it there.
    amends: bool,
}

impl Suite {
    /// What the routers of two families agree on: the first of these groups that both know, SHA-512 where both do.
    #[must_use]
    pub fn of(own: &str, other: &str) -> Self {
        let (ours, theirs) = (known(own), known(other));
        let common = ours.0.iter().find(|group| theirs.0.contains(group));
        let group = common.or_else(|| shorter(ours.0, theirs.0).first());
        let sha512 = ours.1 && theirs.1;
        let tried = |family| super::Daemon::of_family(family).is_some();
        Self {
            group: group.copied().unwrap_or(Group::Ecp256),
            sha512,
            amends: (common.is_none() || !sha512) && (tried(own) || tried(other)),
        }
    }

    /// Whether one end's text has to be told besides of [`ike`](Self::ike) and [`esp`](Self::esp).
    #[must_use]
    pub const fn amends(self) -> bool {
        self.amends
    }

    /// As strongSwan writes it.
    #[must_use]
    pub fn ike(self) -> String {
        format!("aes256-sha256-{}", self.group.name())
    }

    /// As strongSwan writes it.
    #[must_use]
    pub const fn esp(self) -> &'static str {
        if self.sha512 { "aes256-sha512" } else { "aes256-sha256" }
    }
}

/// Groups in the order in which they are wanted, and whether it has HMAC-SHA-512 for ESP. Sources: `Device::sources`;
/// for programs that were tried, what their texts propose, and no more.
fn known(family: &str) -> (&'static [Group], bool) {
    use Group::{Ecp256, Modp2048, Modp3072};
    match family {
        "router_strongswan" | "router_libreswan" | "router_openiked" => (&[Ecp256], true),
        "router_windows" => (&[Ecp256, Modp2048], false),
        "router_yamaha_rtx" => (&[Modp2048], false),
        "router_nec_ix" | "router_allied_telesis" => (&[Modp3072, Modp2048], true),
        _ => (&[Ecp256, Modp3072, Modp2048], true),
    }
}

/// Of an end that knows elliptic curves alone and one that knows none, the latter.
fn shorter(ours: &'static [Group], theirs: &'static [Group]) -> &'static [Group] {
    if ours == [Group::Ecp256] { theirs } else { ours }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_families_agree_from_either_end_and_say_where_a_tried_text_lacks_it() {
        let families: Vec<_> = crate::network::family::all().iter().map(|f| f.profile).collect();
        for own in &families {
            for other in &families {
                let (there, back) = (Suite::of(own, other), Suite::of(other, own));
                assert_eq!(there, back, "{own} {other}");
                let text = |family| super::super::Daemon::of_family(family).is_some();
                if text(own) && text(other) {
                    assert_eq!(
                        (there.ike().as_str(), there.esp()),
                        ("aes256-sha256-ecp256", "aes256-sha512")
                    );
                    assert!(!there.amends(), "{own} {other}");
                }
            }
        }
        let yamaha = Suite::of("router_yamaha_rtx", "router_strongswan");
        assert_eq!(
            (yamaha.ike().as_str(), yamaha.esp()),
            ("aes256-sha256-modp2048", "aes256-sha256")
        );
        assert!(yamaha.amends());
        let nec = Suite::of("router_openiked", "router_nec_ix");
        assert_eq!(
            (nec.ike().as_str(), nec.esp(), nec.amends()),
            ("aes256-sha256-modp3072", "aes256-sha512", true)
        );
        assert!(!Suite::of("router_nec_ix", "router_yamaha_rtx").amends());
        assert!(!Suite::of("router_fortigate", "router_libreswan").amends());
    }
}
