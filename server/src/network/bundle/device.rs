//! The texts for devices that nobody tried: written from what their makers publish, marked so in their first
//! lines, and typed by a person. A command without a source is a step in words instead.

use askama::Template as _;

use super::{Text, Values, text};

/// Devices with texts that nobody tried, by their profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// `router_windows`
    Windows,
    /// `router_yamaha_rtx`
    YamahaRtx,
    /// `router_nec_ix`
    NecIx,
    /// `router_cisco_ios_xe`
    CiscoIosXe,
    /// `router_fortigate`
    FortiGate,
    /// `router_allied_telesis`
    AlliedTelesis,
}

impl Device {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Windows,
        Self::YamahaRtx,
        Self::NecIx,
        Self::CiscoIosXe,
        Self::FortiGate,
        Self::AlliedTelesis,
    ];

    /// The device of a family, if it is one of these.
    #[must_use]
    pub fn of_family(profile: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|device| device.profile() == profile)
    }

    /// Its profile.
    #[must_use]
    pub const fn profile(self) -> &'static str {
        match self {
            Self::Windows => "router_windows",
            Self::YamahaRtx => "router_yamaha_rtx",
            Self::NecIx => "router_nec_ix",
            Self::CiscoIosXe => "router_cisco_ios_xe",
            Self::FortiGate => "router_fortigate",
            Self::AlliedTelesis => "router_allied_telesis",
        }
    }

    /// Name of the file with the configuration.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Windows => "windows.ps1",
            Self::YamahaRtx => "yamaha-rtx.txt",
            Self::NecIx => "nec-ix.txt",
            Self::CiscoIosXe => "cisco-ios-xe.txt",
            Self::FortiGate => "fortigate.txt",
            Self::AlliedTelesis => "alliedware-plus.txt",
        }
    }

    /// Name of the file with the way back.
    #[must_use]
    pub const fn removal(self) -> &'static str {
        match self {
            Self::Windows => "windows-remove.ps1",
            Self::YamahaRtx => "yamaha-rtx-remove.txt",
            Self::NecIx => "nec-ix-remove.txt",
            Self::CiscoIosXe => "cisco-ios-xe-remove.txt",
            Self::FortiGate => "fortigate-remove.txt",
            Self::AlliedTelesis => "alliedware-plus-remove.txt",
        }
    }

    /// Whether its maker says that it proves itself by certificates in IKEv2.
    #[must_use]
    pub const fn knows_certificates(self) -> bool {
        !matches!(self, Self::NecIx)
    }

    /// Whether it is said to make requests (PKCS #10) of its own; of the others only files are read.
    #[must_use]
    pub const fn makes_requests(self) -> bool {
        !matches!(self, Self::YamahaRtx | Self::NecIx)
    }

    /// Whether the text has commands for IPv6 networks behind the routers.
    #[must_use]
    pub const fn knows_ipv6(self) -> bool {
        matches!(self, Self::Windows | Self::FortiGate)
    }

    /// The command that shows whether the tunnel stands.
    #[must_use]
    pub const fn shows(self) -> &'static str {
        match self {
            Self::Windows => "Get-VpnS2SInterface",
            Self::YamahaRtx => "show ipsec sa",
            Self::NecIx => "show ikev2 sa",
            Self::CiscoIosXe => "show crypto ikev2 sa",
            Self::FortiGate => "diagnose vpn ike gateway list",
            Self::AlliedTelesis => "show isakmp sa",
        }
    }

    /// The message key of how it learns that a router was revoked.
    #[must_use]
    pub const fn revocation_key(self) -> &'static str {
        match self {
            Self::Windows | Self::CiscoIosXe | Self::FortiGate => "routers-untried-lists-fetched",
            Self::YamahaRtx => "routers-untried-lists-by-hand",
            Self::AlliedTelesis => "routers-untried-lists-unknown",
            Self::NecIx => "routers-untried-lists-none",
        }
    }

    /// What was read, in Japanese and in English: the document itself, or, where it says so, another's account.
    #[must_use]
    pub const fn sources(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Windows => &[(
                "Microsoft の PowerShell リファレンス (Windows Server 2019・2022): Add-VpnS2SInterface、Set-VpnAuthProtocol、\
                 New-VpnTrafficSelector、Import-Certificate、Import-PfxCertificate、Set-NetFirewallSetting",
                "Microsoft, PowerShell reference of Windows Server 2019 and 2022: Add-VpnS2SInterface, Set-VpnAuthProtocol, \
                 New-VpnTrafficSelector, Import-Certificate, Import-PfxCertificate, Set-NetFirewallSetting",
            )],
            Self::YamahaRtx => &[
                (
                    "ヤマハ コマンドリファレンス 第15章「IPsec の設定」(vRX、RTX5000、RTX3510、RTX3500、RTX1300、RTX1220、RTX1210、RTX840、RTX830)",
                    "Yamaha, command reference, chapter 15, IPsec (vRX, RTX5000, RTX3510, RTX3500, RTX1300, RTX1220, RTX1210, RTX840, RTX830)",
                ),
                (
                    "www.rtpro.yamaha.co.jp/RT/docs/ipsec/ike2.html (2024-03-07) の一部",
                    "www.rtpro.yamaha.co.jp/RT/docs/ipsec/ike2.html (2024-03-07), in part",
                ),
                (
                    "経路と状態表示の命令: 第三者が公開している設定例",
                    "the lines for routes and for the state of a tunnel: configurations that others published",
                ),
            ],
            Self::NecIx => &[
                (
                    "NEC UNIVERGE IX-R/IX-V 機能説明書 2.25 (support.necplatforms.co.jp/ix-nrv/manual/fd/02_router/23_ikev2.html) の一部: \
                     IKEv2 の認証方式は事前共有鍵のみ、DH グループは MODP",
                    "NEC, UNIVERGE IX-R/IX-V, function manual 2.25 (at the same address), in part: pre-shared keys are the only proof in \
                     IKEv2, groups are MODP",
                ),
                (
                    "命令: Oracle が公開している NEC IX 用の設定と、第三者が公開している設定例",
                    "the commands: Oracle's text for NEC IX, and configurations that others published",
                ),
            ],
            Self::CiscoIosXe => &[
                (
                    "Cisco IKEv2 ガイド 付録「IKEv2 and Legacy VPNs」(crypto map での IKEv2) の一部",
                    "Cisco, IKEv2 guide, Appendix: IKEv2 and Legacy VPNs (crypto maps with IKEv2), in part",
                ),
                (
                    "Cisco 文書 220380 (revocation-check、HTTP での失効リスト) と 220422 (認証局の証明書) の一部",
                    "Cisco, documents 220380 (revocation-check, lists by HTTP) and 220422 (certificates of a CA), in part",
                ),
                (
                    "暗号の名前: Cisco の IOS-XE データモデル (netascode.cisco.com)。証明書の命令: 第三者が公開している設定例",
                    "names of ciphers: Cisco's data model of IOS-XE (netascode.cisco.com); the lines for certificates: configurations that others published",
                ),
            ],
            Self::FortiGate => &[
                (
                    "Fortinet FortiOS CLI リファレンス 6.2〜8.0: vpn ipsec phase1-interface、vpn certificate crl・setting、user peer、execute vpn",
                    "Fortinet, FortiOS CLI reference 6.2 to 8.0: vpn ipsec phase1-interface, vpn certificate crl and setting, user peer, execute vpn",
                ),
                (
                    "phase2-interface、経路、状態表示の命令: 第三者が公開している設定例",
                    "the lines of phase2-interface, routes and the state of a tunnel: configurations that others published",
                ),
            ],
            Self::AlliedTelesis => &[
                (
                    "アライドテレシス AlliedWare Plus リファレンス「VPN / IPsec」5.5.4-1.1 (613-003212 G)・5.5.0-2.3 (613-002107 AL) の一部 \
                     (IKEv2 で使えるもの)、「ローカルCA」5.5.4 の一部 (トラストポイント)",
                    "Allied Telesis, AlliedWare Plus reference, VPN / IPsec of 5.5.4-1.1 and 5.5.0-2.3, in part (what IKEv2 knows), and \
                     local CA of 5.5.4, in part (trustpoints)",
                ),
                (
                    "命令: アライドテレシス C613-22020 (IPsec Feature Overview and Configuration Guide) についての第三者の記述",
                    "the commands: another's account of Allied Telesis C613-22020, IPsec Feature Overview and Configuration Guide",
                ),
            ],
        }
    }

    /// What begins a comment.
    pub(super) const fn mark(self) -> &'static str {
        match self {
            Self::Windows | Self::YamahaRtx | Self::FortiGate => "#",
            Self::NecIx | Self::CiscoIosXe | Self::AlliedTelesis => "!",
        }
    }

    /// What ends a line with Japanese. Windows PowerShell 5.1 reads a file without a byte order mark in the code
    /// page of Japan, in which the last octet of a character can take the line break with it.
    const fn end(self) -> &'static str {
        match self {
            Self::Windows => " #",
            _ => "",
        }
    }

    fn product(self) -> &'static str {
        crate::network::family::find(self.profile()).map_or("", |family| family.name.as_str())
    }

    pub(super) fn texts(self, v: &Values) -> Result<Vec<Text>, askama::Error> {
        let d = self;
        let (configuration, removal) = match self {
            Self::Windows => (Windows { v, d }.render()?, WindowsRemove { v, d }.render()?),
            Self::YamahaRtx => (YamahaRtx { v, d }.render()?, YamahaRtxRemove { v, d }.render()?),
            Self::NecIx => (NecIx { v, d }.render()?, NecIxRemove { v, d }.render()?),
            Self::CiscoIosXe => {
                (CiscoIosXe { v, d }.render()?, CiscoIosXeRemove { v, d }.render()?)
            }
            Self::FortiGate => (FortiGate { v, d }.render()?, FortiGateRemove { v, d }.render()?),
            Self::AlliedTelesis => {
                (AlliedTelesis { v, d }.render()?, AlliedTelesisRemove { v, d }.render()?)
            }
        };
        // The engine takes the last line break of a template.
        let ended = |text: String| format!("{}\n", text.trim_end());
        Ok(vec![text(self.file(), ended(configuration)), text(self.removal(), ended(removal))])
    }
}

texts! {
    Windows(Device) = "routers/bundle/untried/windows.ps1",
    WindowsRemove(Device) = "routers/bundle/untried/windows-remove.ps1",
    YamahaRtx(Device) = "routers/bundle/untried/yamaha-rtx.txt",
    YamahaRtxRemove(Device) = "routers/bundle/untried/yamaha-rtx-remove.txt",
    NecIx(Device) = "routers/bundle/untried/nec-ix.txt",
    NecIxRemove(Device) = "routers/bundle/untried/nec-ix-remove.txt",
    CiscoIosXe(Device) = "routers/bundle/untried/cisco-ios-xe.txt",
    CiscoIosXeRemove(Device) = "routers/bundle/untried/cisco-ios-xe-remove.txt",
    FortiGate(Device) = "routers/bundle/untried/fortigate.txt",
    FortiGateRemove(Device) = "routers/bundle/untried/fortigate-remove.txt",
    AlliedTelesis(Device) = "routers/bundle/untried/alliedware-plus.txt",
    AlliedTelesisRemove(Device) = "routers/bundle/untried/alliedware-plus-remove.txt",
}
