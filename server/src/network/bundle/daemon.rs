//! The texts for programs that were tried with them (`tests/tests/enrolment/ike`), and the scripts around them.

use askama::Template as _;

use super::{Text, Values, text};

/// Programs with texts that were tried, by their profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Daemon {
    /// `router_strongswan`
    StrongSwan,
    /// `router_libreswan`
    Libreswan,
    /// `router_openiked`
    OpenIked,
}

impl Daemon {
    /// The daemon of a family, if it is one of these.
    #[must_use]
    pub fn of_family(profile: &str) -> Option<Self> {
        match profile {
            "router_strongswan" => Some(Self::StrongSwan),
            "router_libreswan" => Some(Self::Libreswan),
            "router_openiked" => Some(Self::OpenIked),
            _ => None,
        }
    }

    /// The line that makes it load what `install.sh` brought, on Debian.
    #[must_use]
    pub const fn load(self) -> &'static str {
        match self {
            Self::StrongSwan => "swanctl --load-all",
            Self::Libreswan => "systemctl restart ipsec",
            Self::OpenIked => "systemctl restart openiked",
        }
    }

    pub(super) fn texts(self, v: &Values) -> Result<Vec<Text>, askama::Error> {
        let mut files = vec![text("enrol.sh", Enrol { v }.render()?)];
        if v.psks {
            files.push(text("psk.sh", Psk { v }.render()?));
        }
        let (file, [configuration, install, revocation, report, deny, remove]) = match self {
            Self::StrongSwan => (
                "swanctl.conf",
                [
                    StrongSwanConfiguration { v }.render()?,
                    StrongSwanInstall { v }.render()?,
                    StrongSwanRevocation { v }.render()?,
                    StrongSwanReport { v }.render()?,
                    StrongSwanDeny { v }.render()?,
                    StrongSwanRemove { v }.render()?,
                ],
            ),
            Self::Libreswan => (
                "ipsec.conf",
                [
                    LibreswanConfiguration { v }.render()?,
                    LibreswanInstall { v }.render()?,
                    LibreswanRevocation { v }.render()?,
                    LibreswanReport { v }.render()?,
                    LibreswanDeny { v }.render()?,
                    LibreswanRemove { v }.render()?,
                ],
            ),
            Self::OpenIked => (
                "iked.conf",
                [
                    OpenIkedConfiguration { v }.render()?,
                    OpenIkedInstall { v }.render()?,
                    OpenIkedRevocation { v }.render()?,
                    OpenIkedReport { v }.render()?,
                    OpenIkedDeny { v }.render()?,
                    OpenIkedRemove { v }.render()?,
                ],
            ),
        };
        files.push(text(file, configuration));
        files.push(text("install.sh", install));
        files.push(text("revocation.sh", revocation));
        files.push(text("report.sh", report));
        files.push(text("deny.sh", deny));
        files.push(text("renew.sh", Renew { v }.render()?));
        files.push(text("remove.sh", remove));
        Ok(files)
    }
}

texts! {
    Enrol = "routers/bundle/enrol.sh",
    Renew = "routers/bundle/renew.sh",
    Psk = "routers/bundle/psk.sh",
    StrongSwanConfiguration = "routers/bundle/strongswan/swanctl.conf",
    StrongSwanInstall = "routers/bundle/strongswan/install.sh",
    StrongSwanRevocation = "routers/bundle/strongswan/revocation.sh",
    StrongSwanReport = "routers/bundle/strongswan/report.sh",
    StrongSwanDeny = "routers/bundle/strongswan/deny.sh",
    StrongSwanRemove = "routers/bundle/strongswan/remove.sh",
    LibreswanConfiguration = "routers/bundle/libreswan/ipsec.conf",
    LibreswanInstall = "routers/bundle/libreswan/install.sh",
    LibreswanRevocation = "routers/bundle/libreswan/revocation.sh",
    LibreswanReport = "routers/bundle/libreswan/report.sh",
    LibreswanDeny = "routers/bundle/libreswan/deny.sh",
    LibreswanRemove = "routers/bundle/libreswan/remove.sh",
    OpenIkedConfiguration = "routers/bundle/openiked/iked.conf",
    OpenIkedInstall = "routers/bundle/openiked/install.sh",
    OpenIkedRevocation = "routers/bundle/openiked/revocation.sh",
    OpenIkedReport = "routers/bundle/openiked/report.sh",
    OpenIkedDeny = "routers/bundle/openiked/deny.sh",
    OpenIkedRemove = "routers/bundle/openiked/remove.sh",
}
