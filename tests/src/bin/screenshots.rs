//! Renders the pages that people meet to PNG, in both languages.
//!
//! `cargo run -p sekisho-tests --bin screenshots -- FOLDER`

use std::path::PathBuf;

use anyhow::Context;
use sekisho_tests::{Desktop, Door};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let out: PathBuf = std::env::args_os()
        .nth(1)
        .context("usage: screenshots FOLDER (PNG files are written there)")?
        .into();
    std::fs::create_dir_all(&out)?;
    let folder = tempfile::tempdir()?;
    let desktop = Desktop::set_up(folder.path(), Door::Script).await?;
    let origins = &desktop.scene.stage.origins;
    let (terminal, public) = (&origins.terminal, &origins.public);
    let driver = &desktop.chromium.driver;
    let before = [
        ("apply", format!("{public}/apply")),
        ("activate", format!("{public}/activate")),
        ("console-login", format!("{public}/console/login")),
        ("login", format!("{terminal}/login")),
        ("invitation", format!("{terminal}/invitation")),
    ];
    let after = [
        ("portal", format!("{terminal}/")),
        ("service-refused", format!("{}/login", desktop.services[2].origin)),
    ];
    for (pages, logged_in) in [(&before[..], false), (&after[..], true)] {
        if logged_in {
            desktop.log_in().await?;
        }
        for (name, url) in pages {
            for language in ["ja", "en"] {
                let switch = if url.starts_with(public.as_str()) { public } else { terminal };
                // The choice of language is kept in a cookie of the name that serves the page.
                driver.goto(&format!("{switch}/?lang={language}")).await?;
                driver.goto(url).await?;
                let path = out.join(format!("{name}-{language}.png"));
                driver.screenshot(&path).await?;
                println!("{}", path.display());
            }
        }
    }
    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}
