//! A facility's PC: the agent that was enrolled on it, the cards in its reader, its browser.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::process::Command;

use super::{
    browser::Browser,
    cards::Cards,
    process::{self, Program},
    stage::Stage,
};

/// A PC. Its folders: `agent` (key, certificate, trust), `pin` (what the person would type).
pub struct Desk {
    folder: PathBuf,
    /// Port of the agent's loopback door.
    pub port: u16,
    agent: Option<Program>,
}

impl Desk {
    /// A PC that nobody enrolled yet.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn new(stage: &Stage, name: &str, port: u16) -> anyhow::Result<Self> {
        let folder = stage.folder.join("desks").join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder, port, agent: None })
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

    fn agent_folder(&self) -> PathBuf {
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

    /// Starts the agent with these cards within reach of its reader.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn start_agent(
        &mut self,
        stage: &Stage,
        name: &str,
        cards: &Cards,
        keys: &[&str],
    ) -> anyhow::Result<()> {
        let mut command = Command::new(process::sibling("sekisho-agent")?);
        command.arg("run").arg("--dir").arg(self.agent_folder());
        command.arg("--port").arg(self.port.to_string()).arg("--pin-file").arg(self.pin_file());
        for key in keys {
            command.arg("--software-card").arg(cards.of(key));
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
