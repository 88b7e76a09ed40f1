//! A facility's PC: the agent that was enrolled on it, the cards in its reader, its browser.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::process::Command;

use super::{
    browser::Browser,
    cards::Cards,
    chromium::Profile,
    process::{self, Program},
    stage::Stage,
};

/// A PC. Its folders: `agent` (key, certificate, trust), `pin` (what the person would type), `reader` (the
/// cards that can be put in).
pub struct Desk {
    folder: PathBuf,
    /// The agent's loopback door. The pages look for it on 127.0.0.1, as on a PC of its own.
    pub door: SocketAddr,
    agent: Option<Program>,
}

impl Desk {
    /// A PC that nobody enrolled yet.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn new(stage: &Stage, name: &str, door: SocketAddr) -> anyhow::Result<Self> {
        let folder = stage.folder.join("desks").join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder, door, agent: None })
    }

    /// Folder of the PC.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Pastes the line from the console into a shell, as the person at the PC does, whose home is
    /// `home`. Returns exit status, standard output and standard error.
    ///
    /// # Errors
    /// When the line is not one of the agent's, or nothing can be started.
    pub async fn paste(
        &self,
        line: &str,
        home: &Path,
    ) -> anyhow::Result<(std::process::ExitStatus, String, String)> {
        if !line.starts_with("sekisho-agent ") {
            bail!("the console's line is not the agent's: {line}");
        }
        let agent = process::sibling("sekisho-agent")?;
        let mut path =
            agent.parent().context("the agent lies in no folder")?.as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        command.arg("-c").arg(line).env("PATH", path).env("HOME", home);
        command.env("SEKISHO_AGENT_DIR", self.agent_folder());
        process::run_to_end(&mut command).await
    }

    /// The agent's own folder.
    #[must_use]
    pub fn agent_folder(&self) -> PathBuf {
        self.folder.join("agent")
    }

    /// What somebody at this PC types when the window asks for a PIN.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn type_pin(&self, pin: &str) -> anyhow::Result<()> {
        use std::{io::Write, os::unix::fs::OpenOptionsExt};
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.pin_file())?;
        file.write_all(pin.as_bytes())?;
        Ok(())
    }

    fn pin_file(&self) -> PathBuf {
        self.folder.join("pin")
    }

    /// The cards that can be put into this PC.
    #[must_use]
    pub fn reader(&self) -> Cards {
        Cards::of_reader(self.folder.join("reader"))
    }

    /// Starts the agent with copies of these cards within reach of its reader.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn start_agent(
        &mut self,
        stage: &Stage,
        name: &str,
        cards: &Cards,
    ) -> anyhow::Result<()> {
        cards.copy_to(&self.reader())?;
        let mut command = Command::new(process::sibling("sekisho-agent")?);
        command.arg("run").arg("--dir").arg(self.agent_folder());
        command.arg("--port").arg(self.door.port().to_string());
        if self.door.ip() != Ipv4Addr::LOCALHOST {
            command.arg("--address").arg(self.door.ip().to_string());
        }
        command.arg("--pin-file").arg(self.pin_file());
        for card in self.reader().all()? {
            command.arg("--software-card").arg(card);
        }
        let name = format!("agent-{name}");
        let (program, _) = Program::start(&name, command, &stage.logs()).await?;
        self.agent = Some(program);
        Ok(())
    }

    /// Stops the agent, if it runs.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop_agent(&mut self) -> anyhow::Result<()> {
        if let Some(agent) = self.agent.take() {
            agent.stop().await?;
        }
        Ok(())
    }

    /// Certificate and key as a browser of this PC holds them.
    ///
    /// # Errors
    /// When the PC is not enrolled.
    pub fn identity_pem(&self) -> anyhow::Result<Vec<u8>> {
        let read = |name: &str| {
            let path = self.agent_folder().join(name);
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let mut pem = pem("CERTIFICATE", &read("terminal.crt")?);
        pem.extend(self::pem("CERTIFICATE", &read("issuer.crt")?));
        pem.extend(self::pem("PRIVATE KEY", &read("terminal.p8")?));
        Ok(pem)
    }

    /// The agent's managed policies for Chromium.
    ///
    /// # Errors
    /// When the PC is not enrolled.
    pub async fn policy_json(&self) -> anyhow::Result<String> {
        let mut command = Command::new(process::sibling("sekisho-agent")?);
        command.arg("policy").arg("--dir").arg(self.agent_folder());
        process::run(command).await
    }

    /// A Chromium's profile for this PC, with its certificate, its policies, and the way to its agent.
    ///
    /// # Errors
    /// When `line`, which enrolled the PC, does not fill the browser's store.
    pub async fn chromium(&self, line: &str, policy_json: &str) -> anyhow::Result<Profile> {
        let profile = Profile::prepare(&self.folder.join("chromium"), policy_json)?;
        let profile = profile.with_agent_at(self.door);
        let (status, _, stderr) = self.paste(line, profile.home()).await?;
        anyhow::ensure!(status.success(), "the browser's certificate store: {}", stderr.trim());
        Ok(profile)
    }

    /// A browser of this PC.
    ///
    /// # Errors
    /// When the PC is not enrolled.
    pub fn browser(&self, stage: &Stage) -> anyhow::Result<Browser> {
        stage.browser(Some(&self.identity_pem()?))
    }
}

/// PEM of DER; what is PEM already stays.
fn pem(label: &str, octets: &[u8]) -> Vec<u8> {
    if octets.starts_with(b"-----BEGIN") {
        return octets.to_vec();
    }
    let body = STANDARD.encode(octets);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text.into_bytes()
}
