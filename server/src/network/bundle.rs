//! What a technician needs to set a router up: authorities, scripts that enrol, install and take back,
//! lists of what was revoked, and the configuration text of its family. One set of templates
//! (`server/templates/routers/bundle`) for the page and for the files.
//!
//! Texts are there for families whose implementation was tried with them (`tests/tests/ike`); for the
//! others there is none rather than one that nobody tried.

mod authorities;

use askama::Template;
use der::pem::LineEnding;
use ipnet::{IpNet, Ipv6Net};
use sekisho_store::{Queries, StoreError, router::Router, router_psk};

pub use authorities::Authorities;

/// Families with texts, by their profile.
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
    /// The daemon of a family, if there are texts for it.
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

/// A router at the other end.
#[derive(Debug, Clone)]
pub struct Other {
    /// What the register has of it.
    pub router: Router,
    /// By what both prove themselves.
    pub proof: Proof,
    /// Whether this router opens the tunnel, or waits for the other to do it.
    pub opens: bool,
}

impl Other {
    /// By the key that the register has for the pair, if there is one, and else by certificates of this kind.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    pub async fn find_proof(
        queries: &mut impl Queries,
        own_id: &str,
        router: Router,
        key: Key,
        opens: bool,
    ) -> Result<Self, StoreError> {
        let psk = router_psk::in_force(queries, own_id, &router.terminal_id).await?;
        let proof = psk.map_or(Proof::Certificate(key), |_| Proof::Psk);
        Ok(Self { router, proof, opens })
    }
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
    /// Nobody tried one.
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
        "the network {theirs} of {id} and {ours} of this router overlap, or are of two versions of IP"
    )]
    Networks {
        /// The other router.
        id: String,
        /// Its network.
        theirs: IpNet,
        /// This one's.
        ours: IpNet,
    },
    /// A template, or a certificate of ours that does not encode.
    #[error("a text of the bundle cannot be written")]
    Text(#[from] askama::Error),
    /// PEM.
    #[error("a certificate of an authority cannot be written")]
    Pem(#[from] der::pem::Error),
}

struct Issuer {
    file: String,
    list: String,
    list_address: String,
}

struct Peer {
    id: String,
    dns_name: String,
    endpoint: String,
    network: IpNet,
    proof: Proof,
    opens: bool,
}

impl Peer {
    fn has_psk(&self) -> bool {
        self.proof == Proof::Psk
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

    /// The routers with which it shares a key.
    fn with_psk(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().filter(|peer| peer.has_psk())
    }
}

/// A template for each file, with the values under `v`.
macro_rules! texts {
    ($($name:ident = $path:literal),+ $(,)?) => {$(
        #[derive(Template)]
        #[template(path = $path, escape = "none")]
        struct $name<'a> {
            v: &'a Values,
        }
    )+};
}

texts! {
    Enrol = "routers/bundle/enrol.sh",
    Renew = "routers/bundle/renew.sh",
    Psk = "routers/bundle/psk.sh",
    StrongSwanConfiguration = "routers/bundle/strongswan/swanctl.conf",
    StrongSwanInstall = "routers/bundle/strongswan/install.sh",
    StrongSwanRevocation = "routers/bundle/strongswan/revocation.sh",
    StrongSwanDeny = "routers/bundle/strongswan/deny.sh",
    StrongSwanRemove = "routers/bundle/strongswan/remove.sh",
    LibreswanConfiguration = "routers/bundle/libreswan/ipsec.conf",
    LibreswanInstall = "routers/bundle/libreswan/install.sh",
    LibreswanRevocation = "routers/bundle/libreswan/revocation.sh",
    LibreswanDeny = "routers/bundle/libreswan/deny.sh",
    LibreswanRemove = "routers/bundle/libreswan/remove.sh",
    OpenIkedConfiguration = "routers/bundle/openiked/iked.conf",
    OpenIkedInstall = "routers/bundle/openiked/install.sh",
    OpenIkedRevocation = "routers/bundle/openiked/revocation.sh",
    OpenIkedDeny = "routers/bundle/openiked/deny.sh",
    OpenIkedRemove = "routers/bundle/openiked/remove.sh",
}

/// What stands before the prefix in its file.
const PREFIX: &str = "# IPv6 addresses of this facility, and of no other. Nothing reads this file: number the network\n\
                      # behind the router from it.\n";

/// The files of a router, in the order in which they are used. No secret is among them: keys are made at the
/// router or fetched by it.
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
    let daemon = Daemon::of_family(&router.family)
        .ok_or_else(|| BundleError::NoTexts { family: router.family.clone() })?;
    let v = values(router, name, others, authorities, common)?;
    let v = &v;
    let mut files = vec![text("root.pem", pem(&authorities.root_der)?)];
    // Also for a router with keys alone: it gets its certificate before a tunnel goes over to one.
    for (issuer, (_, der)) in v.issuers.iter().zip(&authorities.issuers) {
        files.push(text(&issuer.file, pem(der)?));
    }
    if let Some(prefix) = common.prefix {
        files.push(text("facility-prefix.txt", format!("{PREFIX}{prefix}\n")));
    }
    files.push(text("enrol.sh", Enrol { v }.render()?));
    if v.psks {
        files.push(text("psk.sh", Psk { v }.render()?));
    }
    let (file, [configuration, install, revocation, deny, remove]) = match daemon {
        Daemon::StrongSwan => (
            "swanctl.conf",
            [
                StrongSwanConfiguration { v }.render()?,
                StrongSwanInstall { v }.render()?,
                StrongSwanRevocation { v }.render()?,
                StrongSwanDeny { v }.render()?,
                StrongSwanRemove { v }.render()?,
            ],
        ),
        Daemon::Libreswan => (
            "ipsec.conf",
            [
                LibreswanConfiguration { v }.render()?,
                LibreswanInstall { v }.render()?,
                LibreswanRevocation { v }.render()?,
                LibreswanDeny { v }.render()?,
                LibreswanRemove { v }.render()?,
            ],
        ),
        Daemon::OpenIked => (
            "iked.conf",
            [
                OpenIkedConfiguration { v }.render()?,
                OpenIkedInstall { v }.render()?,
                OpenIkedRevocation { v }.render()?,
                OpenIkedDeny { v }.render()?,
                OpenIkedRemove { v }.render()?,
            ],
        ),
    };
    files.push(text(file, configuration));
    files.push(text("install.sh", install));
    files.push(text("revocation.sh", revocation));
    files.push(text("deny.sh", deny));
    files.push(text("renew.sh", Renew { v }.render()?));
    files.push(text("remove.sh", remove));
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
    for Other { router: other, proof, opens } in others {
        let id = other.terminal_id.clone();
        if id == router.terminal_id || peers.iter().any(|peer| peer.id == id) {
            return Err(BundleError::Repeated { id });
        }
        let (ours, theirs) = (router.network, other.network);
        let of_one_version = ours.addr().is_ipv4() == theirs.addr().is_ipv4();
        if !of_one_version || ours.contains(&theirs) || theirs.contains(&ours) {
            return Err(BundleError::Networks { id, theirs, ours });
        }
        let endpoint = other.address.map_or_else(|| other.dns_name.clone(), |at| at.to_string());
        let dns_name = other.dns_name.clone();
        let (proof, opens) = (*proof, *opens);
        peers.push(Peer { id, dns_name, endpoint, network: theirs, proof, opens });
    }
    let list_address = |id: &str| format!("{}/crl/{id}.crl", common.plain);
    Ok(Values {
        id: router.terminal_id.clone(),
        name: name.to_owned(),
        dns_name: router.dns_name.clone(),
        address: router.address.map(|at| at.to_string()),
        network: router.network,
        psk: format!("{}/router/psk", common.enrol),
        est: format!("{}/.well-known/est/routers", common.enrol),
        issuers: authorities
            .issuers
            .iter()
            .map(|(id, _)| Issuer {
                file: format!("{id}.pem"),
                list: format!("{id}.crl"),
                list_address: list_address(id),
            })
            .collect(),
        root_list_address: list_address(&authorities.root_id),
        reauthentication_seconds: common.reauthentication_seconds,
        certificate: wants_certificate(others),
        psks: wants_psk(others),
        peers,
    })
}

fn text(file: &str, text: String) -> Text {
    Text { file: file.to_owned(), text }
}

fn pem(der: &[u8]) -> Result<String, BundleError> {
    Ok(der::pem::encode_string("CERTIFICATE", LineEnding::LF, der)?)
}

#[cfg(test)]
mod tests;
