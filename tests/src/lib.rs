//! What the journeys share: a real Chromium, driven through its driver.
#![allow(clippy::unwrap_used)]

use anyhow::Context;
use sekisho::demo::{chromium::Profile, process::Program, stage::free_port};
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};

/// A headless Chromium under a prepared profile.
pub struct Chromium {
    /// The driver; see the `thirtyfour` crate.
    pub driver: WebDriver,
    program: Program,
}

impl Chromium {
    /// Starts Chromium with the profile's certificate and policies.
    ///
    /// # Errors
    /// When the driver or the browser is not installed, or does not start.
    pub async fn start(profile: &Profile, logs: &std::path::Path) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = profile.command("chromedriver", &[format!("--port={port}")]);
        command.env("LANG", "C.UTF-8");
        let (program, _) = Program::start_when("chromedriver", command, logs, |line| {
            line.contains("started successfully")
        })
        .await
        .context("chromedriver (package chromium-driver) is needed for this")?;
        let mut capabilities = DesiredCapabilities::chrome();
        for argument in profile.arguments(true) {
            capabilities.add_arg(&argument)?;
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
