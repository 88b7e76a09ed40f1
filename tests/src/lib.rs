//! What the journeys share: a real Chromium, driven through its driver.
#![allow(clippy::unwrap_used)]

pub mod consent;
#[path = "../crash/mod.rs"]
pub mod crash;
pub mod day_pass;
pub mod installed;
pub mod loopback_tls;
pub mod my_number;
pub mod passkeys;
pub mod report;
pub mod sandbox;

use std::{
    ffi::OsStr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use sekisho::{
    config::Settings,
    demo::{
        chromium::Profile,
        console::ConsoleUser,
        desk::Desk,
        process::{self, Program},
        stage::{Stage, free_port},
    },
};
use thirtyfour::{ChromiumLikeCapabilities, Cookie, DesiredCapabilities, WebDriver};
use tokio::process::Command;
use url::Url;

/// A headless Chromium under a prepared profile.
pub struct Chromium {
    /// The driver; see the `thirtyfour` crate.
    pub driver: WebDriver,
    program: Program,
}

impl Chromium {
    /// Starts Chromium with the profile's certificate and policies, and `more` arguments.
    ///
    /// # Errors
    /// When the driver or the browser is not installed, or does not start.
    pub async fn start(
        profile: &Profile,
        more: &[String],
        logs: &std::path::Path,
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = profile.command("chromedriver", &[format!("--port={port}")]);
        command.env("LANG", "C.UTF-8");
        let (program, _) = Program::start_when("chromedriver", command, logs, |line| {
            line.contains("started successfully")
        })
        .await
        .context("chromedriver (package chromium-driver) is needed for this")?;
        let mut capabilities = DesiredCapabilities::chrome();
        for argument in profile.arguments(true).iter().chain(more) {
            capabilities.add_arg(argument)?;
        }
        capabilities.add_arg("--window-size=1280,900")?;
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities).await?;
        Ok(Self { driver, program })
    }

    /// Ends the browser and its driver.
    ///
    /// # Errors
    /// When the driver no longer answers.
    pub async fn quit(self) -> anyhow::Result<()> {
        self.driver.quit().await?;
        self.program.stop().await?;
        Ok(())
    }
}

/// The browser goes on with the session that this person opened before.
///
/// # Errors
/// When the driver no longer answers.
pub async fn become_user(
    driver: &WebDriver,
    user: &ConsoleUser,
    public: &str,
) -> anyhow::Result<()> {
    driver.goto(&format!("{public}/console/login")).await?;
    driver.delete_all_cookies().await?;
    for (name, value) in user.browser.cookies(public)? {
        let mut cookie = Cookie::new(name, value);
        cookie.set_path("/");
        cookie.set_secure(true);
        driver.add_cookie(cookie).await?;
    }
    Ok(())
}

/// A file over `/etc/hosts`, below `folder`: names below `localhost` are this machine (RFC 6761 §6.3),
/// which not every resolver knows.
///
/// # Errors
/// When the issuer has no host, or the file cannot be written.
pub fn hosts_file(stage: &Stage, folder: &Path) -> anyhow::Result<PathBuf> {
    let issuer = Url::parse(&stage.origins.public)?;
    let host = issuer.host_str().context("an issuer without a host")?;
    let path = folder.join("hosts");
    std::fs::write(&path, format!("127.0.0.1 localhost {host}\n"))?;
    Ok(path)
}

/// How the page's script and the agent meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The managed policy of the agent lets the script call it.
    Script,
    /// The portal counts as a public address and no policy lets its script onto loopback; the
    /// instance allows navigation instead.
    Navigation,
    /// As before, and the browser has the agent's extension.
    Extension,
}

/// The whole set with a Chromium at one facility's terminal.
pub struct Desktop {
    /// Everybody and everything.
    pub scene: sekisho::demo::check::Scene,
    /// The running services.
    pub services: Vec<sekisho::demo::services::RunningService>,
    /// The browser.
    pub chromium: Chromium,
}

impl Desktop {
    /// Sets everything up in `folder`; the first physician's card is in the reader of their facility.
    ///
    /// # Errors
    /// When a step of the set-up fails.
    pub async fn set_up(folder: &std::path::Path, door: Door) -> anyhow::Result<Self> {
        Self::set_up_for(folder, door, 0).await
    }

    /// The same for another of the card holders, by index, at the PC of theirs.
    ///
    /// # Errors
    /// When a step of the set-up fails.
    pub async fn set_up_for(
        folder: &std::path::Path,
        door: Door,
        holder: usize,
    ) -> anyhow::Result<Self> {
        Self::set_up_with(folder, door, holder, |_| {}).await
    }

    /// The same with a configuration that `more` has changed.
    ///
    /// # Errors
    /// When a step of the set-up fails.
    pub async fn set_up_with(
        folder: &std::path::Path,
        door: Door,
        holder: usize,
        more: impl FnOnce(&mut Settings),
    ) -> anyhow::Result<Self> {
        use sekisho::demo::{
            cast::{CARD_HOLDERS, PIN},
            check::{self, Scene},
            report::Report,
        };
        let mut report = Report::new(true);
        let scene = Scene::build_with(folder, &mut report, |settings| {
            settings.card_login.navigation = door == Door::Navigation;
            more(settings);
        })
        .await?;
        scene.admit_everybody().await?;
        let services = check::start_services(&scene.stage, &mut report).await?;
        let holder = &CARD_HOLDERS[holder];
        let desk = &scene.desks[holder.facility];
        let mut policy: serde_json::Value = serde_json::from_str(&desk.desk.policy_json().await?)?;
        let mut arguments = Vec::new();
        if door != Door::Script {
            let policy = policy.as_object_mut().context("the policy is no object")?;
            let loopback = policy.remove("LoopbackNetworkAllowedForUrls");
            loopback.context("the policy says nothing about loopback")?;
            let port = scene.stage.origins.terminal.rsplit_once(':');
            let (_, port) = port.context("the portal has no port")?;
            arguments.push(format!(
                "--ip-address-space-overrides=127.0.0.1:{port}=public,[::1]:{port}=public"
            ));
        }
        let policy = policy.to_string();
        let profile = desk.desk.chromium(&desk.line, &policy).await?;
        if door == Door::Extension {
            arguments.push(extension(&desk.desk, &profile).await?);
        }
        desk.desk.reader().insert(holder.key)?;
        desk.desk.type_pin(PIN)?;
        let chromium = Chromium::start(&profile, &arguments, &scene.stage.logs()).await?;
        Ok(Self { scene, services, chromium })
    }

    /// Logs the physician in by pressing what the page shows.
    ///
    /// # Errors
    /// When the portal is not reached; the page's own words are quoted.
    pub async fn log_in(&self) -> anyhow::Result<()> {
        use thirtyfour::prelude::*;
        let driver = &self.chromium.driver;
        let portal = format!("{}/", self.scene.stage.origins.terminal);
        driver.goto(&format!("{portal}login")).await?;
        driver.query(By::Id("login-start")).first().await?.click().await?;
        let reached = driver.query(By::Id("services-title")).first().await;
        if reached.is_err() {
            let main = driver.find(By::Tag("main")).await?.text().await?;
            anyhow::bail!("the portal was not reached; the page says: {main}");
        }
        Ok(())
    }
}

/// Gives the profile the agent's extension and the way to the agent; returns the argument by which
/// Chromium takes an extension that nobody packed.
async fn extension(desk: &Desk, profile: &Profile) -> anyhow::Result<String> {
    let folder = profile.home().join("extension");
    let agent = process::sibling("sekisho-agent")?;
    let command = |arguments: &[&OsStr]| {
        let mut command = Command::new(&agent);
        command.arg("extension").arg("--dir").arg(desk.agent_folder()).args(arguments);
        command
    };
    process::run(command(&["--write".as_ref(), folder.as_os_str()])).await?;
    let program = profile.home().join("native-host");
    let (dir, agent) = (desk.agent_folder(), agent.display());
    let script =
        format!("#!/bin/sh\nexec '{agent}' native-host --dir '{}' \"$@\"\n", dir.display());
    std::fs::write(&program, script)?;
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755))?;
    let host = command(&["--host-manifest".as_ref(), "--program".as_ref(), program.as_os_str()]);
    let hosts = profile.etc().join("native-messaging-hosts");
    std::fs::create_dir_all(&hosts)?;
    std::fs::write(hosts.join("jp.sekisho.agent.json"), process::run(host).await?)?;
    Ok(format!("--load-extension={}", folder.display()))
}
