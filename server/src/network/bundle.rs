//! What a technician needs to set a router up: authorities, scripts that enrol, install and take back,
//! lists of what was revoked, and the configuration text of its family. One set of templates
//! (`server/templates/routers/bundle`) for the page and for the files.
//!
//! The texts of [`Daemon`]s were tried (`tests/tests/enrolment/ike`). Those of [`Device`]s were not: they are
//! written from makers' documents, say so in their first lines, and have no script that runs by itself.

/// A template for each file, with the values under `v`, and under `d` where a device is named.
macro_rules! texts {
    ($($name:ident $(($device:ty))? = $path:literal),+ $(,)?) => {$(
        #[derive(askama::Template)]
        #[template(path = $path, escape = "none")]
        struct $name<'a> {
            v: &'a super::Values,
            $(d: $device,)?
        }
    )+};
}

mod authorities;
mod daemon;
mod device;
mod other;
mod suite;

use std::net::IpAddr;

use der::pem::LineEnding;
use ipnet::{IpNet, Ipv6Net};
use sekisho_store::router::Router;

pub use {
    authorities::Authorities,
    daemon::Daemon,
    device::Device,
    other::{Other, Others},
    suite::Suite,
};

/// Families with texts, by their profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    /// Tried with this program.
    Tried(Daemon),
    /// For this device, tried by nobody.
    Untried(Device),
}

impl Texts {
    /// What there is for a family; nothing where nothing is known of its devices.
    #[must_use]
    pub fn of_family(profile: &str) -> Option<Self> {
        let tried = Daemon::of_family(profile).map(Self::Tried);
        tried.or_else(|| Device::of_family(profile).map(Self::Untried))
    }
}

/// Kinds of keys that the texts make.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Key {
    /// P-256: IKE_AUTH stays small.
    #[default]
    P256,
    /// RSA of 3,072 bits.
    Rsa3072,
}

impl Key {
    /// As `enrol.sh` takes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::Rsa3072 => "rsa3072",
        }
    }
}

/// By what the routers of a tunnel prove themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The key that the register has for the pair.
    Psk,
    /// Certificates for keys of this kind.
    Certificate(Key),
}

/// Whether a router with these peers is to get a certificate: for a tunnel, or because none is named yet.
#[must_use]
pub fn wants_certificate(others: &[Other]) -> bool {
    others.is_empty() || others.iter().any(|other| other.proof != Proof::Psk)
}

/// Whether it is to fetch a key.
#[must_use]
pub fn wants_psk(others: &[Other]) -> bool {
    others.iter().any(|other| other.proof == Proof::Psk)
}

/// What all routers of an instance are told.
#[derive(Debug, Clone, Copy)]
pub struct Common<'a> {
    /// Origin of the name for enrolment.
    pub enrol: &'a str,
    /// Origin of the plain name.
    pub plain: &'a str,
    /// How long a tunnel may stand until both ends prove themselves anew, in seconds.
    pub reauthentication_seconds: u32,
    /// The IPv6 prefix of the router's facility, for whoever numbers the network behind it.
    pub prefix: Option<Ipv6Net>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Its name.
    pub file: String,
    /// What stands in it.
    pub text: String,
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Of its devices nothing is known.
    #[error("there are no texts for the family {family}: set it up by its manual")]
    NoTexts {
        /// The family's profile.
        family: String,
    },
    /// The router itself, or one twice.
    #[error("{id} is this router itself, or named twice")]
    Repeated {
        /// Which.
        id: String,
    },
    /// One network within the other, or of the other version of IP: no packet could be told.
    #[error(
        "the network {network} of {id} and {other} of {other_id} overlap, or are of two versions of IP"
    )]
    Networks {
        /// The router at the other end, or beyond it.
        id: String,
        /// Its network.
        network: IpNet,
        /// This router, or another of the other ends.
        other_id: String,
        /// Its network.
        other: IpNet,
    },
    /// A template, or a certificate of ours that does not encode.
    #[error("a text of the bundle cannot be written")]
    Text(#[from] askama::Error),
    /// PEM.
    #[error("a certificate of an authority cannot be written")]
    Pem(#[from] der::pem::Error),
}

impl BundleError {
    /// The message key of what a page says instead of the texts; `None` for what is our fault.
    #[must_use]
    pub const fn shown(&self) -> Option<&'static str> {
        match self {
            Self::NoTexts { .. } => Some("routers-bundle-no-texts"),
            Self::Repeated { .. } | Self::Networks { .. } => Some("routers-setup-networks"),
            Self::Text(_) | Self::Pem(_) => None,
        }
    }
}

struct Issuer {
    file: String,
    pem: String,
    list: String,
    list_address: String,
}

struct Peer {
    id: String,
    dns_name: String,
    /// Its address, or its name where that is not fixed.
    endpoint: String,
    address: Option<IpAddr>,
    network: IpNet,
    /// Further networks of the tunnel, where it leads on or is led on: this end's and the other's.
    further: Vec<(IpNet, IpNet)>,
    proof: Proof,
    opens: bool,
    suite: Suite,
}

impl Peer {
    fn has_psk(&self) -> bool {
        self.proof == Proof::Psk
    }

    fn has_rsa(&self) -> bool {
        self.proof == Proof::Certificate(Key::Rsa3072)
    }

    /// The value of `leftauth` and `rightauth` (ipsec.conf(5) of libreswan): it has to know beforehand.
    fn libreswan(&self) -> &'static str {
        match self.proof {
            Proof::Psk => "secret",
            Proof::Certificate(Key::P256) => "ecdsa",
            Proof::Certificate(Key::Rsa3072) => "rsasig",
        }
    }
}

struct Values {
    id: String,
    name: String,
    dns_name: String,
    address: Option<String>,
    network: IpNet,
    est: String,
    psk: String,
    tunnels: String,
    plain: String,
    root_pem: String,
    issuers: Vec<Issuer>,
    root_list_address: String,
    reauthentication_seconds: u32,
    /// Whether a tunnel of it, or the first one to come, wants certificates.
    certificate: bool,
    /// Whether a tunnel of it wants a key.
    psks: bool,
    peers: Vec<Peer>,
}

impl Values {
    /// Seconds for which this end lets a tunnel stand without proof anew. Who opens asks sooner than who awaits:
    /// if both did at one moment, both would end the tunnel, and nobody would open it.
    fn stands(&self, peer: &Peer) -> u32 {
        let seconds = self.reauthentication_seconds;
        if peer.opens { seconds / 5 * 4 } else { seconds }
    }

    /// The same, for a device that takes it within these bounds only.
    fn stands_within(&self, peer: &Peer, least: u32, most: u32) -> u32 {
        self.stands(peer).clamp(least, most)
    }

    /// The pairs of networks of a tunnel, this end's first, each by a name of its own: the first by the other
    /// router's.
    fn networks(&self, peer: &Peer) -> Vec<(String, IpNet, IpNet)> {
        let first = (peer.id.clone(), self.network, peer.network);
        let further = (2..).zip(&peer.further);
        let further =
            further.map(|(n, (ours, theirs))| (format!("{}-{n}", peer.id), *ours, *theirs));
        std::iter::once(first).chain(further).collect()
    }

    fn is_ipv6(&self) -> bool {
        self.network.addr().is_ipv6()
    }

    /// The numbers of the groups for all peers, once each; without a peer that of the others' texts.
    fn groups(&self) -> String {
        let mut numbers: Vec<u8> =
            self.peers.iter().map(|peer| peer.suite.group.number()).collect();
        numbers.sort_unstable_by(|one, other| other.cmp(one));
        numbers.dedup();
        if numbers.is_empty() {
            numbers.push(19);
        }
        numbers.iter().map(u8::to_string).collect::<Vec<_>>().join(" ")
    }

    /// The routers with which it shares a key.
    fn with_psk(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().filter(|peer| peer.has_psk())
    }
}

/// What stands before the prefix in its file.
const PREFIX: &str = "# IPv6 addresses of this facility, and of no other. Nothing reads this file: number the network\n\
                      # behind the router from it.\n";

/// The files of a router, in the order in which they are used. No secret is among them: keys are made at the
/// router or fetched by it, or stand as a word to replace.
///
/// # Errors
/// [`BundleError`].
pub fn write(
    router: &Router,
    name: &str,
    others: &[Other],
    authorities: &Authorities,
    common: Common<'_>,
) -> Result<Vec<Text>, BundleError> {
    let texts = Texts::of_family(&router.family)
        .ok_or_else(|| BundleError::NoTexts { family: router.family.clone() })?;
    let v = values(router, name, others, authorities, common)?;
    let mut files = vec![text("root.pem", v.root_pem.clone())];
    // Also for a router with keys alone: it gets its certificate before a tunnel goes over to one.
    files.extend(v.issuers.iter().map(|issuer| text(&issuer.file, issuer.pem.clone())));
    if let Some(prefix) = common.prefix {
        files.push(text("facility-prefix.txt", format!("{PREFIX}{prefix}\n")));
    }
    match texts {
        Texts::Tried(daemon) => files.extend(daemon.texts(&v)?),
        Texts::Untried(device) => files.extend(device.texts(&v)?),
    }
    Ok(files)
}

fn values(
    router: &Router,
    name: &str,
    others: &[Other],
    authorities: &Authorities,
    common: Common<'_>,
) -> Result<Values, BundleError> {
    let mut peers: Vec<Peer> = Vec::with_capacity(others.len());
    let mut known = vec![(router.terminal_id.as_str(), router.network)];
    for Other { router: other, proof, opens, beyond, behind } in others {
        let id = other.terminal_id.clone();
        if id == router.terminal_id || peers.iter().any(|peer| peer.id == id) {
            return Err(BundleError::Repeated { id });
        }
        let (ours, theirs) = (router.network, other.network);
        for network in std::iter::once(&theirs).chain(beyond) {
            keep_apart(&mut known, &other.terminal_id, *network)?;
        }
        let further = behind.iter().map(|behind| (*behind, theirs));
        let further = further.chain(beyond.iter().map(|beyond| (ours, *beyond))).collect();
        let endpoint = other.address.map_or_else(|| other.dns_name.clone(), |at| at.to_string());
        let dns_name = other.dns_name.clone();
        let (proof, opens, address) = (*proof, *opens, other.address);
        let suite = Suite::of(&router.family, &other.family);
        let network = theirs;
        peers.push(Peer { id, dns_name, endpoint, address, network, further, proof, opens, suite });
    }
    let list_address = |id: &str| format!("{}/crl/{id}.crl", common.plain);
    let issuers = authorities.issuers.iter().map(|(id, der)| {
        Ok(Issuer {
            file: format!("{id}.pem"),
            pem: pem(der)?,
            list: format!("{id}.crl"),
            list_address: list_address(id),
        })
    });
    Ok(Values {
        id: router.terminal_id.clone(),
        name: on_one_line(name),
        dns_name: router.dns_name.clone(),
        address: router.address.map(|at| at.to_string()),
        network: router.network,
        psk: format!("{}/router/psk", common.enrol),
        tunnels: format!("{}/router/tunnels", common.enrol),
        est: format!("{}/.well-known/est/routers", common.enrol),
        plain: common.plain.to_owned(),
        root_pem: pem(&authorities.root_der)?,
        issuers: issuers.collect::<Result<_, BundleError>>()?,
        root_list_address: list_address(&authorities.root_id),
        reauthentication_seconds: common.reauthentication_seconds,
        certificate: wants_certificate(others),
        psks: wants_psk(others),
        peers,
    })
}

/// Notes a network that lies behind a router, unless a packet could be meant for one of those before, too.
fn keep_apart<'r>(
    known: &mut Vec<(&'r str, IpNet)>,
    id: &'r str,
    network: IpNet,
) -> Result<(), BundleError> {
    for (other_id, other) in known.iter() {
        let of_one_version = network.addr().is_ipv4() == other.addr().is_ipv4();
        if !of_one_version || network.contains(other) || other.contains(&network) {
            let (id, other_id, other) = (id.to_owned(), (*other_id).to_owned(), *other);
            return Err(BundleError::Networks { id, network, other_id, other });
        }
    }
    known.push((id, network));
    Ok(())
}

/// A name as it may stand in a comment: whatever begins a line in some program's eyes, or turns the order of
/// characters about, is a space.
fn on_one_line(name: &str) -> String {
    let breaks = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    name.replace(breaks, " ")
}

fn text(file: &str, text: String) -> Text {
    Text { file: file.to_owned(), text }
}

fn pem(der: &[u8]) -> Result<String, BundleError> {
    Ok(der::pem::encode_string("CERTIFICATE", LineEnding::LF, der)?)
}

#[cfg(test)]
mod tests;
