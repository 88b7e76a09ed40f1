//! A physician in a real Chromium: facility certificate without a chooser, card through the agent's
//! loopback door, portal, service; no dialog on the way.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use anyhow::{Context, ensure};
use sekisho::demo::cast::{CARD_HOLDERS, FACILITIES, PIN};
use sekisho_protocol::Sha256Digest;
use sekisho_tests::{Desktop, Door, consent};
use thirtyfour::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_physician_logs_in_and_reaches_a_service_without_any_dialog() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let desktop = Desktop::set_up(folder.path(), Door::Script).await?;
    desktop.log_in().await?;
    let driver = &desktop.chromium.driver;
    let portal = driver.find(By::Tag("main")).await?.text().await?;
    for service in &desktop.services {
        assert!(portal.contains(service.name), "the portal does not show {}", service.name);
    }
    // The second service asks for nothing: the browser passes the portal and arrives.
    driver.goto(&format!("{}/login", desktop.services[1].origin)).await?;
    let role = driver.query(By::Id("hc_role")).first().await?.text().await?;
    assert_eq!(role, "Medical Doctor");
    // The third is refused by the portal's own page.
    driver.goto(&format!("{}/login", desktop.services[2].origin)).await?;
    let address = driver.current_url().await?;
    assert!(address.as_str().starts_with(&desktop.scene.stage.origins.terminal), "{address}");
    assert!(!visits(&desktop)?.contains("/login/return"), "the script's door was open");
    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

/// The form leads on to the service, which the page's content policy has to allow by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_physician_agrees_to_what_leaves_the_facility_and_takes_it_back() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let desktop = Desktop::set_up(folder.path(), Door::Script).await?;
    consent::declare(&desktop).await?;
    desktop.log_in().await?;
    let driver = &desktop.chromium.driver;
    let (portal, service) = (&desktop.scene.stage.origins.terminal, &desktop.services[1]);
    consent::ask(&desktop).await?;
    let asked = driver.find(By::Tag("main")).await?.text().await?;
    for said in [service.name, "見本医学会", "研修会の案内", "施設名"] {
        assert!(asked.contains(said), "{said}: {asked}");
    }
    consent::decide(&desktop, "refuse").await?;
    let back = driver.current_url().await?;
    assert!(back.as_str().starts_with(&service.origin), "{back}");
    assert!(back.query_pairs().any(|(name, value)| name == "error" && value == "access_denied"));

    consent::ask(&desktop).await?;
    consent::decide(&desktop, "agree").await?;
    reached(driver, "hc_role").await?;
    // Asked once: the next login passes the portal without a page.
    driver.goto(&format!("{}/login", service.origin)).await?;
    reached(driver, "hc_role").await?;

    driver.goto(&format!("{portal}/consents")).await?;
    let given = driver.find(By::Tag("main")).await?.text().await?;
    assert!(given.contains(service.name) && given.contains("研修会の案内"), "{given}");
    driver.find(By::Css("form[action='/consents/withdraw'] button")).await?.click().await?;
    let withdrawn = driver.query(By::Css("p.notice[role='status']")).first().await?;
    assert!(withdrawn.text().await?.contains("取り消しました"));
    consent::ask(&desktop).await?;
    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_physician_finds_a_service_puts_it_first_and_sees_what_was_done_in_their_name()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let desktop = Desktop::set_up(folder.path(), Door::Script).await?;
    desktop.log_in().await?;
    let driver = &desktop.chromium.driver;
    let (portal, service) = (&desktop.scene.stage.origins.terminal, &desktop.services[1]);
    // By keyboard alone: a part of the name, and Enter.
    driver.goto(&format!("{portal}/")).await?;
    driver.find(By::Id("q")).await?.send_keys("紹介" + Key::Enter).await?;
    reached(driver, "searched").await?;
    let found = driver.find_all(By::Css("a.service-link")).await?;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].text().await?, service.name);
    let star = driver.find(By::Css("p.star button")).await?;
    assert!(star.attr("aria-label").await?.unwrap_or_default().contains(service.name));
    star.send_keys(Key::Enter + "").await?;
    reached(driver, "favourites-title").await?;
    let first = driver.find(By::Css("a.service-link")).await?.text().await?;
    assert_eq!(first, service.name, "it stands first");

    driver.goto(&format!("{}/login", service.origin)).await?;
    reached(driver, "hc_role").await?;
    for (path, shown) in [
        ("/history", service.name),
        ("/sessions", FACILITIES[CARD_HOLDERS[0].facility].name),
        ("/login-times", service.name),
    ] {
        driver.goto(&format!("{portal}{path}")).await?;
        let page = driver.find(By::Tag("main")).await?.text().await?;
        assert!(page.contains(shown), "{path}: {page}");
    }
    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

/// What `sekisho demo` prints of the PCs other than the first is true: each browser finds the agent of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_of_another_facility_logs_in_at_their_own_pc() -> anyhow::Result<()> {
    let pharmacist = CARD_HOLDERS.len() - 1;
    let folder = tempfile::tempdir()?;
    let desktop = Desktop::set_up_for(folder.path(), Door::Script, pharmacist).await?;
    desktop.log_in().await?;
    let driver = &desktop.chromium.driver;
    let portal = driver.find(By::Tag("body")).await?.text().await?;
    let holder = &CARD_HOLDERS[pharmacist];
    for shown in [holder.name, FACILITIES[holder.facility].name] {
        assert!(portal.contains(shown), "{shown} is not on the portal: {portal}");
    }
    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_browser_keeps_scripts_from_loopback_the_login_goes_by_navigation()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut desktop = Desktop::set_up(folder.path(), Door::Navigation).await?;
    let driver = &desktop.chromium.driver;
    let portal = &desktop.scene.stage.origins.terminal;
    driver.goto(&format!("{portal}/login")).await?;
    ensure!(script_is_kept_out(&desktop).await?, "the script reached the agent: nothing is proven");

    // A failure comes home in words, with the tries that are left.
    let desk = &desktop.scene.desks[0].desk;
    desk.type_pin("0000")?;
    driver.find(By::Id("login-start")).await?.click().await?;
    expect_error(driver, "暗証番号が違います。残り 14 回").await?;
    assert!(visits(&desktop)?.contains("/login/return"), "it came home by navigation");
    let address = driver.current_url().await?;
    assert_eq!(address.path(), "/login", "a reload does not post the answer again");

    // From there the person tries again, and is in.
    desk.type_pin(PIN)?;
    driver.find(By::Id("login-start")).await?.click().await?;
    reached(driver, "services-title").await?;

    // A service that waits needs no click: portal, agent, portal, service.
    driver.find(By::Css(".site-end form button")).await?.click().await?;
    driver.query(By::Id("login-start")).first().await?;
    driver.goto(&format!("{}/login", desktop.services[0].origin)).await?;
    reached(driver, "hc_role").await?;
    assert_eq!(driver.find(By::Id("hc_role")).await?.text().await?, "Medical Doctor");

    // Where no agent listens the browser says so; the way back does not lead there again.
    driver.goto(&format!("{portal}/")).await?;
    driver.find(By::Css(".site-end form button")).await?.click().await?;
    desktop.scene.desks[0].desk.stop_agent().await?;
    driver.query(By::Id("login-start")).first().await?.click().await?;
    reached(driver, "main-frame-error").await?;
    driver.back().await?;
    expect_error(driver, "答えが返ってきませんでした").await?;
    let second_door = driver.find(By::Css("#login-navigate button")).await?;
    assert!(second_door.is_displayed().await?);

    // A program that took the agent's place on the port brings answers of its own.
    let squatter = Squatter::listen(desktop.scene.desks[0].desk.door.port()).await?;
    second_door.click().await?;
    expect_error(driver, "カードエージェントではないプログラム").await?;
    squatter.forge_the_request();
    driver.find(By::Id("login-start")).await?.click().await?;
    expect_error(driver, "このブラウザーで始めたログインではない").await?;
    driver.goto(&format!("{portal}/")).await?;
    assert_eq!(driver.current_url().await?.path(), "/login", "nobody is in");

    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_browser_has_the_extension_the_login_needs_neither_loopback_nor_navigation()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut desktop = Desktop::set_up(folder.path(), Door::Extension).await?;
    let driver = &desktop.chromium.driver;
    let portal = &desktop.scene.stage.origins.terminal;
    driver.goto(&format!("{portal}/login")).await?;
    ensure!(script_is_kept_out(&desktop).await?, "the script reached the agent: nothing is proven");
    let desk = &desktop.scene.desks[0].desk;
    desk.type_pin("0000")?;
    driver.find(By::Id("login-start")).await?.click().await?;
    expect_error(driver, "暗証番号が違います。残り 14 回").await?;
    desk.type_pin(PIN)?;
    desktop.log_in().await?;
    assert!(!visits(&desktop)?.contains("/login/return"), "the extension was the way");
    // Another page hears nothing of it.
    driver.goto(&desktop.services[0].origin).await?;
    let told = "return document.documentElement.dataset.cardLogin ?? null";
    assert!(driver.execute(told, Vec::new()).await?.json().is_null());
    // Without an agent it is said that none answers.
    driver.goto(&format!("{portal}/")).await?;
    driver.find(By::Css(".site-end form button")).await?.click().await?;
    desktop.scene.desks[0].desk.stop_agent().await?;
    driver.query(By::Id("login-start")).first().await?.click().await?;
    expect_error(driver, "エージェント").await?;
    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

/// Whether the page's script fails to reach the agent, as the browser's permission says.
async fn script_is_kept_out(desktop: &Desktop) -> anyhow::Result<bool> {
    let script = r#"
        const done = arguments[arguments.length - 1];
        const url = document.getElementById("card-login").dataset.agent + "/v1/card-login/begin";
        fetch(url, { method: "POST", mode: "no-cors" }).then(() => done(false), () => done(true));
    "#;
    let kept = desktop.chromium.driver.execute_async(script, Vec::new()).await?;
    kept.json().as_bool().context("the script said nothing")
}

/// Waits for the login page to say this. One look at a time: the page is replaced meanwhile, and an
/// element of the one before must not be asked anything.
async fn expect_error(driver: &WebDriver, words: &str) -> anyhow::Result<()> {
    let shown = "//*[@id='login-error'][not(@hidden)]/*[@id='login-error-text']";
    let said = By::XPath(format!("{shown}[contains(., '{words}')]"));
    if driver.query(said).first().await.is_err() {
        let main = driver.find(By::Tag("body")).await?.text().await?;
        anyhow::bail!("{words} is not said at {}: {main}", driver.current_url().await?);
    }
    Ok(())
}

/// A foreign program on the agent's port: answers each form with a page that brings an answer home
/// at once, without any key.
struct Squatter {
    forged: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Squatter {
    async fn listen(port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let forged = Arc::new(AtomicBool::new(false));
        let forge = Arc::clone(&forged);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A browser opens connections ahead and may never use them.
                tokio::spawn(Self::answer(stream, Arc::clone(&forge)));
            }
        });
        Ok(Self { forged, task })
    }

    /// From now on the answers are to a request that nobody made.
    fn forge_the_request(&self) {
        self.forged.store(true, Ordering::Relaxed);
    }

    async fn answer(mut stream: TcpStream, forge: Arc<AtomicBool>) -> Option<()> {
        let mut got = Vec::new();
        let jws = loop {
            if stream.read_buf(&mut got).await.ok()? == 0 {
                return None;
            }
            let text = String::from_utf8_lossy(&got).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let head = head.to_ascii_lowercase();
            let (_, length) = head.split_once("content-length: ")?;
            let length: usize = length.split("\r\n").next()?.parse().ok()?;
            if body.len() >= length {
                break body.strip_prefix("request=")?.to_owned();
            }
        };
        let payload = sekisho_protocol::octets::decode(jws.split('.').nth(1)?).ok()?;
        let request: serde_json::Value = serde_json::from_slice(&payload).ok()?;
        let home = request["return_address"].as_str()?.to_owned();
        let of = if forge.load(Ordering::Relaxed) { "nothing" } else { jws.as_str() };
        let page = format!(
            r#"<form method="post" action="{home}"><input name="request" value="{}"><input name="terminal_proof" value="e30.e30.AAAA"><input name="answer" value="AAAA"></form><script>document.forms[0].submit()</script>"#,
            Sha256Digest::of(of)
        );
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nreferrer-policy: origin\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            page.len()
        );
        stream.write_all(format!("{head}{page}").as_bytes()).await.ok()
    }
}

impl Drop for Squatter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn reached(driver: &WebDriver, id: &'static str) -> anyhow::Result<()> {
    let wait = driver.query(By::Id(id)).wait(Duration::from_secs(30), Duration::from_millis(100));
    if wait.first().await.is_err() {
        let main = driver.find(By::Tag("body")).await?.text().await?;
        anyhow::bail!("{id} was not reached at {}: {main}", driver.current_url().await?);
    }
    Ok(())
}

/// What the server's log tells of requests.
fn visits(desktop: &Desktop) -> anyhow::Result<String> {
    Ok(std::fs::read_to_string(desktop.scene.stage.logs().join("sekisho.log"))?)
}
