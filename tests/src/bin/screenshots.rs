//! Renders the pages that people meet to PNG, in both languages.
//!
//! `cargo build --workspace --bins && target/debug/screenshots FOLDER`

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use sekisho::demo::{console::ConsoleUser, desk::Desk, walk};
use sekisho_output::say;
use sekisho_tests::{Desktop, Door};
use thirtyfour::{By, Cookie, WebDriver, prelude::ElementQueryable};

/// Render the pages that people meet to PNG, in both languages
#[derive(Debug, Parser)]
#[command(after_help = "\
Example:
  cargo build --workspace --bins && target/debug/screenshots /tmp/pages")]
struct Arguments {
    /// Folder for the PNG files; it is made where it does not exist
    #[arg(value_name = "FOLDER")]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { out } = Arguments::parse();
    std::fs::create_dir_all(&out)?;
    let folder = tempfile::tempdir()?;
    let desktop = Desktop::set_up(folder.path(), Door::Script).await?;
    let origins = &desktop.scene.stage.origins;
    let (terminal, public) = (&origins.terminal, &origins.public);
    let driver = &desktop.chromium.driver;
    let before = [
        ("landing", format!("{public}/")),
        ("apply", format!("{public}/apply")),
        ("activate", format!("{public}/activate")),
        ("console-login", format!("{public}/console/login")),
        ("login", format!("{terminal}/login")),
        ("invitation", format!("{terminal}/invitation")),
    ];
    let after = [
        ("portal", format!("{terminal}/")),
        ("login-again", format!("{terminal}/login")),
        ("service-refused", format!("{}/login", desktop.services[2].origin)),
    ];
    for (pages, logged_in) in [(&before[..], false), (&after[..], true)] {
        if logged_in {
            desktop.log_in().await?;
        }
        for (name, url) in pages {
            let switch = if url.starts_with(public.as_str()) { public } else { terminal };
            shoot(driver, &out, switch, name, url).await?;
        }
    }
    console(&desktop, &out).await?;
    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

/// One page in both languages. The choice of language is kept in a cookie of the name that serves
/// the page.
async fn shoot(
    driver: &WebDriver,
    out: &Path,
    switch: &str,
    name: &str,
    url: &str,
) -> anyhow::Result<()> {
    for language in ["ja", "en"] {
        driver.goto(&format!("{switch}/?lang={language}")).await?;
        driver.goto(url).await?;
        capture(driver, out, &format!("{name}-{language}")).await?;
    }
    Ok(())
}

/// The page that is open, from top to bottom, as wide as on a desk and as on a telephone.
async fn capture(driver: &WebDriver, out: &Path, name: &str) -> anyhow::Result<()> {
    for (width, suffix) in [(1280, ""), (390, "-narrow")] {
        driver.set_window_rect(0, 0, width, 800).await?;
        let height = driver.execute("return document.documentElement.scrollHeight", vec![]).await?;
        let height: u32 = height.convert()?;
        // The frame of the window takes part of the height.
        driver.set_window_rect(0, 0, width, height + 160).await?;
        let path = out.join(format!("{name}{suffix}.png"));
        driver.screenshot(&path).await?;
        say(&format!("{}\n", path.display()))?;
    }
    Ok(())
}

/// The pages of people without a card, as each of them sees them.
async fn console(desktop: &Desktop, out: &Path) -> anyhow::Result<()> {
    let (scene, driver) = (&desktop.scene, &desktop.chromium.driver);
    let public = &scene.stage.origins.public;
    let operator = &scene.operators.administrator;
    let (hospital, clinic) = (&scene.facilities[0], &scene.facilities[1]);
    // Somebody else brings the line that enrolled the hospital's PC.
    let thief = Desk::new(&scene.stage, "thief", 0)?;
    thief.paste(&scene.desks[0].line, thief.folder()).await?;
    let status = format!("/console/organisations/{}/status", clinic.identifier);
    for (user, pages) in [
        (
            operator,
            vec![
                ("console-operator", "/console".to_owned()),
                ("organisations", "/console/organisations".to_owned()),
                ("organisation", format!("/console/organisations/{}", clinic.identifier)),
                ("organisation-status", status.clone()),
                ("roles", "/console/roles".to_owned()),
                ("services", "/console/services".to_owned()),
            ],
        ),
        (
            &hospital.administrator,
            vec![
                ("console-facility", "/console".to_owned()),
                ("terminals", "/console/terminals".to_owned()),
                ("members", "/console/members".to_owned()),
                ("staff", "/console/staff".to_owned()),
                ("notices", "/console/notices".to_owned()),
            ],
        ),
    ] {
        become_user(driver, user, public).await?;
        for (name, path) in pages {
            shoot(driver, out, public, name, &format!("{public}{path}")).await?;
        }
    }
    let names = ("監査　役", "カンサ　ヤク");
    let auditor = walk::appoint(&scene.stage, operator, "auditor1", names, "auditor").await?;
    become_user(driver, &auditor, public).await?;
    shoot(driver, out, public, "audit", &format!("{public}/console/audit")).await?;
    let record = driver.find(By::Css("main a[href^='/console/audit/']")).await?;
    let record = record.attr("href").await?.context("the trail shows no record")?;
    shoot(driver, out, public, "audit-record", &format!("{public}{record}")).await?;
    letters(driver, out, public, &scene.operators.officer, &clinic.identifier).await?;

    let form = [("change", "suspend"), ("reason", "定期点検のため"), ("sure", "yes")];
    operator.submit(&status, &form).await?.expect_success()?;
    become_user(driver, &clinic.administrator, public).await?;
    for (name, path) in
        [("suspended-console", "/console"), ("suspended-terminals", "/console/terminals")]
    {
        shoot(driver, out, public, name, &format!("{public}{path}")).await?;
    }
    Ok(())
}

/// A further letter to a facility, in both languages: each is a letter of its own.
async fn letters(
    driver: &WebDriver,
    out: &Path,
    public: &str,
    officer: &ConsoleUser,
    facility: &str,
) -> anyhow::Result<()> {
    become_user(driver, officer, public).await?;
    for language in ["ja", "en"] {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        driver.goto(&format!("{public}/console/organisations/{facility}")).await?;
        driver.find(By::Id("reason")).await?.send_keys("管理者の交代").await?;
        driver.find(By::Css("form[action$='/further-letter'] button")).await?.click().await?;
        driver.query(By::Id("letter-address")).first().await?;
        capture(driver, out, &format!("letter-{language}")).await?;
    }
    Ok(())
}

/// The browser goes on with the session that this person opened before.
async fn become_user(driver: &WebDriver, user: &ConsoleUser, public: &str) -> anyhow::Result<()> {
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
