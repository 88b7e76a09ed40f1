//! Whether the texts that were put into a router have the peers that it has now.

use sekisho_store::{router_text::RouterText, vpn_peers::VpnPeer};

use crate::{catalogue::Lang, portal::when};

/// How the texts stand that somebody said to have put in last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console) enum Standing {
    /// Nobody said so.
    Unknown,
    /// With the peers of now, since then.
    Current(String),
    /// With others, since then.
    Older(String),
}

impl Standing {
    /// Of what was said last, and over the peers of now.
    pub(in crate::console) fn of(
        latest: Option<&RouterText>,
        peers: &[VpnPeer],
        lang: Lang,
    ) -> Self {
        let Some(latest) = latest else { return Self::Unknown };
        let at = when::shown(latest.taken_at, lang);
        if latest.has(peers) { Self::Current(at) } else { Self::Older(at) }
    }

    /// When.
    pub(in crate::console) fn at(&self) -> &str {
        match self {
            Self::Unknown => "",
            Self::Current(at) | Self::Older(at) => at,
        }
    }

    /// Message key of how they stand.
    pub(in crate::console) const fn key(&self) -> &'static str {
        match self {
            Self::Unknown => "routers-texts-unknown",
            Self::Current(_) => "routers-texts-current",
            Self::Older(_) => "routers-texts-older",
        }
    }

    /// Class of its tag.
    pub(in crate::console) const fn class(&self) -> &'static str {
        match self {
            Self::Unknown => "tag",
            Self::Current(_) => "tag tag-good",
            Self::Older(_) => "tag tag-error",
        }
    }
}
