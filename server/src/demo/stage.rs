//! The demonstration's set: an instance made from nothing in a folder, and its programs running.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use secrecy::ExposeSecret;
use sekisho_key::{Randomness, SystemRandomness};
use tokio::process::Command;
use url::Url;

use super::{
    browser::{Browser, Resolution},
    process::{self, Program},
    services::{SERVICES, Script},
};
use crate::{
    config::Settings,
    instance::{self, Plan},
};

/// Names and ports of a running instance, as it wrote them down itself.
#[derive(Debug, Clone)]
pub struct Origins {
    /// Portal, authorization endpoint, card login.
    pub terminal: String,
    /// Discovery, token, console, application.
    pub public: String,
    /// Enrolment.
    pub enrol: String,
    /// CRL, OCSP, CA certificates.
    pub plain: String,
}

/// A set that stands.
pub struct Stage {
    /// Everything the demonstration writes lies under this folder.
    pub folder: PathBuf,
    /// Folder of the instance.
    pub instance: PathBuf,
    /// Where it answers.
    pub origins: Origins,
    /// SHA-256 of the root certificate, hexadecimal.
    pub root_fingerprint: String,
    /// Root certificate, PEM.
    pub root_pem: Vec<u8>,
    /// The first administrator's one-time link.
    pub first_use_link: String,
    /// Port on which agents listen, as the portal's pages expect it.
    pub agent_port: u16,
    /// The server's process.
    pub server: Program,
}

/// Where [`free_port`] looks: below the ports that outgoing connections take (Linux gives them
/// 32768 and above), or one of those would have it while a server is being started again.
const PORTS: Range<u16> = 20_000..32_768;

/// A port of the loopback interface that nobody listens on now.
///
/// # Errors
/// When none is found.
pub fn free_port() -> anyhow::Result<u16> {
    const DRAWS: usize = 64;
    for _ in 0..DRAWS {
        let mut octets = [0; 2];
        SystemRandomness.fill(&mut octets)?;
        let port = PORTS.start + u16::from_be_bytes(octets) % (PORTS.end - PORTS.start);
        let addresses = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        // A machine without one of the two families has nobody there.
        let taken = addresses.into_iter().any(|address| {
            let bound = TcpListener::bind((address, port));
            bound.is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
        });
        if !taken {
            return Ok(port);
        }
    }
    bail!("no port of {PORTS:?} was free in {DRAWS} draws")
}

impl Stage {
    /// Makes the instance in `folder` and starts `sekisho serve` over it.
    ///
    /// The instance listens on loopback only. `prepare` may lay files into it before the start.
    ///
    /// # Errors
    /// When a step of the set-up fails.
    pub async fn build(
        folder: &Path,
        prepare: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        Self::build_with(folder, |_| {}, prepare).await
    }

    /// The same with a configuration that `configure` has changed.
    ///
    /// # Errors
    /// When a step of the set-up fails.
    pub async fn build_with(
        folder: &Path,
        configure: impl FnOnce(&mut Settings),
        prepare: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let made = Made::make(folder, configure).await?;
        prepare(&made.instance)?;
        made.serve().await
    }

    /// The same with its keys held by `sekisho signer`, which is started, too; `prepare` may change
    /// the folder of either.
    ///
    /// # Errors
    /// When a step of the set-up fails.
    #[cfg(unix)]
    pub async fn build_with_signer(
        folder: &Path,
        configure: impl FnOnce(&mut Settings),
        prepare: impl FnOnce(&Path, &Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<(Self, SigningProgram)> {
        let made = Made::make(folder, configure).await?;
        let signer = folder.join("signer");
        let order = crate::signer::Split {
            instance: made.instance.clone(),
            signer: signer.clone(),
            socket: None,
            user: None,
        };
        crate::signer::split(&order, &SystemRandomness)?;
        prepare(&made.instance, &signer)?;
        let signing = SigningProgram::start(signer, &made.logs).await?;
        Ok((made.serve().await?, signing))
    }

    /// The loopback door of the agent of one PC: each has an address of its own, as if it were one, and the
    /// port that the pages expect.
    #[must_use]
    pub fn door(&self, desk: usize) -> SocketAddr {
        let last = u8::try_from(desk + 1).unwrap_or(u8::MAX);
        (Ipv4Addr::new(127, 0, 0, last), self.agent_port).into()
    }

    /// Where log files of further programs go.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// A browser profile; at a terminal it holds `identity_pem`.
    ///
    /// # Errors
    /// When the certificate or key does not read.
    pub fn browser(&self, identity_pem: Option<&[u8]>) -> anyhow::Result<Browser> {
        let names = [
            &self.origins.terminal,
            &self.origins.public,
            &self.origins.enrol,
            &self.origins.plain,
        ];
        let mut hosts = names
            .into_iter()
            .map(|origin| Ok(Url::parse(origin)?.host_str().unwrap_or_default().to_owned()))
            .collect::<anyhow::Result<Vec<_>>>()?;
        hosts.extend(SERVICES.iter().map(Script::host));
        Browser::new(&self.root_pem, identity_pem, &Resolution { hosts })
    }
}

/// A running `sekisho signer`.
#[cfg(unix)]
pub struct SigningProgram {
    /// Its folder.
    pub folder: PathBuf,
    /// Its process.
    pub program: Program,
}

#[cfg(unix)]
impl SigningProgram {
    /// Starts it over its folder.
    ///
    /// # Errors
    /// When it does not get ready; the end of its log is quoted.
    pub async fn start(folder: PathBuf, logs: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(process::sibling("sekisho")?);
        command.arg("signer").arg(&folder);
        let (program, _) = Program::start("signer", command, logs).await?;
        Ok(Self { folder, program })
    }
}

/// An instance that was made and is not served yet.
struct Made {
    folder: PathBuf,
    instance: PathBuf,
    logs: PathBuf,
    agent_port: u16,
    created: instance::Created,
}

impl Made {
    async fn make(folder: &Path, configure: impl FnOnce(&mut Settings)) -> anyhow::Result<Self> {
        let instance = folder.join("instance");
        let logs = folder.join("logs");
        std::fs::create_dir_all(&logs)?;
        let agent_port = free_port()?;
        let mut settings = settings(agent_port)?;
        configure(&mut settings);
        let created = instance::create(
            &Plan {
                folder: instance.clone(),
                settings,
                organisation: "Demonstration Operating Body".into(),
                network: "Demonstration G1".into(),
                root_passphrase: None,
                administrator: "admin".into(),
            },
            &crate::clock::SystemClock,
            &sekisho_key::SystemRandomness,
        )
        .await
        .context("the instance could not be made")?;
        carry_root_key_away(&instance, folder, created.root_passphrase.as_ref())?;
        Ok(Self { folder: folder.to_owned(), instance, logs, agent_port, created })
    }

    async fn serve(self) -> anyhow::Result<Stage> {
        let Self { folder, instance, logs, agent_port, created } = self;
        let mut serve = Command::new(process::sibling("sekisho")?);
        serve.arg("serve").arg(&instance);
        let (server, _) = Program::start("sekisho", serve, &logs).await?;
        let addresses = std::fs::read(instance.join("run/addresses.json"))?;
        let addresses: serde_json::Value = serde_json::from_slice(&addresses)?;
        let origin = |role: &str| {
            let origin = addresses["origins"][role].as_str().map(str::to_owned);
            origin.with_context(|| format!("run/addresses.json names no {role}"))
        };
        let origins = Origins {
            terminal: origin("terminal")?,
            public: origin("public")?,
            enrol: origin("enrol")?,
            plain: origin("plain")?,
        };
        // The link was made before the port was drawn.
        let link = Url::parse(&created.first_use_link)?;
        let first_use_link = format!("{}{}", origins.public, &link[url::Position::BeforePath..]);
        Ok(Stage {
            folder,
            root_pem: std::fs::read(instance.join("ca/root.crt"))?,
            instance,
            origins,
            root_fingerprint: instance::fingerprint_hex(&created.root_fingerprint),
            first_use_link,
            agent_port,
            server,
        })
    }
}

fn settings(agent_port: u16) -> anyhow::Result<Settings> {
    let mut settings = Settings::default();
    settings.listen.tls = loopback();
    // Certificates name the list under this port, so it is chosen before they are made.
    let plain = free_port()?;
    settings.listen.plain =
        vec![(Ipv6Addr::LOCALHOST, plain).into(), (Ipv4Addr::LOCALHOST, plain).into()];
    settings.card_login.agent_port = agent_port;
    // The sample services live on this machine, too.
    settings.oidc.allow_loopback_clients = true;
    Ok(settings)
}

/// IPv6 first, IPv4 beside it, on a port that the start draws.
fn loopback() -> Vec<SocketAddr> {
    vec![(Ipv6Addr::LOCALHOST, 0).into(), (Ipv4Addr::LOCALHOST, 0).into()]
}

/// As an operator would: the wrapped key goes to another place than the passphrase.
fn carry_root_key_away(
    instance: &Path,
    folder: &Path,
    passphrase: Option<&secrecy::SecretString>,
) -> anyhow::Result<()> {
    let safe = folder.join("safe");
    std::fs::create_dir_all(&safe)?;
    std::fs::rename(instance.join("root/root-key.p8"), safe.join("root-key.p8"))
        .context("the root's key could not be carried away")?;
    if let Some(passphrase) = passphrase {
        std::fs::write(safe.join("passphrase"), passphrase.expose_secret())?;
    }
    Ok(())
}
