//! A Chromium that holds the facility certificate and obeys the agent's managed policies, without a
//! trace on the machine outside the demonstration's folder.
//!
//! Chromium reads managed policies from `/etc/chromium` only. The program therefore runs in a mount
//! namespace of its own in which the prepared folder lies over `/etc/chromium`. Client certificates come
//! from the NSS database under `HOME`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::Context;
use tokio::process::Command;

use super::namespace;

/// A prepared profile.
#[derive(Clone, Debug)]
pub struct Profile {
    home: PathBuf,
    etc: PathBuf,
    agent: Option<SocketAddr>,
}

impl Profile {
    /// Lays the folders of a profile under `folder`.
    ///
    /// # Errors
    /// When a folder or the policy file cannot be written.
    pub fn prepare(folder: &Path, policy_json: &str) -> anyhow::Result<Self> {
        let profile =
            Self { home: folder.join("home"), etc: folder.join("etc-chromium"), agent: None };
        let managed = profile.etc.join("policies/managed");
        for path in [&managed, &profile.user_data(), &profile.home.join(".pki/nssdb")] {
            std::fs::create_dir_all(path)
                .with_context(|| format!("cannot make {}", path.display()))?;
        }
        std::fs::write(managed.join("terminal.json"), policy_json)?;
        // What a PC's administrator decides: whether a service's page may ask the portal's frame.
        std::fs::write(managed.join("frames.json"), r#"{ "BlockThirdPartyCookies": false }"#)?;
        Ok(profile)
    }

    /// The same for a PC whose agent listens there. Pages look for an agent on 127.0.0.1, and on this
    /// computer several PCs meet.
    #[must_use]
    pub fn with_agent_at(self, agent: SocketAddr) -> Self {
        Self { agent: Some(agent), ..self }
    }

    /// The person's home: below it lies the NSS database that Chromium reads.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// What lies over `/etc/chromium` for it.
    #[must_use]
    pub fn etc(&self) -> &Path {
        &self.etc
    }

    /// Chromium's own profile folder.
    #[must_use]
    pub fn user_data(&self) -> PathBuf {
        self.home.join("chromium")
    }

    /// Arguments without which Chromium calls out or asks questions at its start.
    #[must_use]
    pub fn arguments(&self, headless: bool) -> Vec<String> {
        let mut arguments: Vec<String> = [
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-quic",
            "--disable-gpu",
            "--lang=ja",
            "--accept-lang=ja,en",
        ]
        .map(str::to_owned)
        .into();
        arguments.push(format!("--user-data-dir={}", self.user_data().display()));
        if let Some(agent) = self.agent.filter(|agent| agent.ip() != Ipv4Addr::LOCALHOST) {
            arguments.push(format!("--host-resolver-rules=MAP 127.0.0.1:{} {agent}", agent.port()));
        }
        if headless {
            arguments.push("--headless".into());
        }
        if namespace::runs_as_root() {
            arguments.push("--no-sandbox".into());
        }
        arguments
    }

    /// `program` (Chromium, or the driver that starts it) inside the profile's mount namespace.
    #[must_use]
    pub fn command(&self, program: &str, arguments: &[String]) -> Command {
        let mut command = namespace::with_mount(&self.etc, "/etc/chromium", program);
        command
            .args(arguments)
            .env("HOME", &self.home)
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME");
        command
    }
}

/// Whether a Chromium is installed.
#[must_use]
pub fn installed() -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join("chromium"))
        .find(|path| path.is_file())
}
