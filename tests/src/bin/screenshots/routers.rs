//! A facility's routers: the list and its form, a code, a router's page, what sets two of them up, their key.

use std::path::Path;

use anyhow::Context;
use sekisho::demo::console::ConsoleUser;
use thirtyfour::{By, WebDriver, prelude::ElementQueryable};

use super::{LANGUAGES, become_user, capture, send, shoot, type_into};

/// Name, family and network of each.
const ROUTERS: [(&str, &str, &str); 2] = [
    ("本館ルーター", "router_strongswan", "2001:db8:10::/48"),
    ("別館ルーター", "router_libreswan", "2001:db8:20::/48"),
];

/// Sends a request with the code that the page shows, as the router would; answers the router and the door.
async fn bring_a_key(driver: &WebDriver) -> anyhow::Result<(String, String)> {
    const ASK: &str = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null \
                       -subj / -outform DER | openssl base64 | curl --silent --insecure --noproxy '*' \
                       --user \"$USER_AND_CODE\" --header 'Content-Type: application/pkcs10' \
                       --data-binary @- --output /dev/null --write-out '%{http_code}' \"$URL\"";
    let facts = driver.find_all(By::Css("dl.facts dd code")).await?;
    let [est, id] = &facts[..] else { anyhow::bail!("the page shows no address and user") };
    let (est, id) = (est.text().await?, id.text().await?);
    let code = driver.find(By::Id("code")).await?.value().await?.context("there is no code")?;
    let asked = tokio::process::Command::new("sh")
        .args(["-c", ASK])
        .env("USER_AND_CODE", format!("{id}:{code}"))
        .env("URL", format!("{est}/simpleenroll"))
        .output()
        .await?;
    let status = String::from_utf8_lossy(&asked.stdout).into_owned();
    anyhow::ensure!(status == "202", "the request does not wait: {status}");
    Ok((id, est))
}

/// By what a router tells that its tunnel with another stands.
struct Told<'a> {
    own: &'a str,
    /// By which it fetches the key of the pair.
    code: &'a str,
    peer: &'a str,
    enrol: &'a str,
}

impl Told<'_> {
    async fn tell(&self) -> anyhow::Result<()> {
        const TELL: &str = "ask() { curl --silent --insecure --noproxy '*' \"$@\"; }; report=$(ask --user \
                            \"$ROUTER:$CODE\" --request POST \"$URL/psk\" | sed -n 's/^report //p'); printf '%s,up\\n' \
                            \"$PEER\" | ask --user \"$ROUTER:$report\" --header 'Content-Type: text/csv' --data-binary \
                            @- \"$URL/tunnels\"";
        let told = tokio::process::Command::new("sh")
            .args(["-c", TELL])
            .env("ROUTER", self.own)
            .env("CODE", self.code)
            .env("PEER", self.peer)
            .env("URL", format!("{}/router", self.enrol))
            .output()
            .await?;
        let said = String::from_utf8_lossy(&told.stdout).into_owned();
        anyhow::ensure!(said == "told of 1\n", "the report was refused: {said}");
        Ok(())
    }
}

/// A certificate at the console: a request that is none, one that is certified, a file with a key in each language.
async fn certify(driver: &WebDriver, out: &Path, public: &str, page: &str) -> anyhow::Result<()> {
    const MAKE: &str = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /";
    shoot(driver, out, public, "certify", page).await?;
    for language in LANGUAGES {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        driver.goto(page).await?;
        type_into(driver, "request", "-----BEGIN CERTIFICATE-----").await?;
        send(driver, "form[action$='/certify']", "#errors").await?;
        capture(driver, out, &format!("certify-refused-{language}")).await?;
        let made = tokio::process::Command::new("sh").args(["-c", MAKE]).output().await?;
        driver.goto(page).await?;
        type_into(driver, "request", &String::from_utf8(made.stdout)?).await?;
        send(driver, "form[action$='/certify']", "a[href$='/chain']").await?;
        driver.goto(page).await?;
        send(driver, "form[action$='/key-file']", "#passphrase").await?;
        capture(driver, out, &format!("certify-file-{language}")).await?;
    }
    shoot(driver, out, public, "certify-done", page).await
}

/// Whoever administers the facility enters two routers and looks at all of them.
pub(super) async fn pages(
    driver: &WebDriver,
    out: &Path,
    public: &str,
    administrator: &ConsoleUser,
) -> anyhow::Result<()> {
    become_user(driver, administrator, public).await?;
    let list = format!("{public}/console/routers");
    shoot(driver, out, public, "routers-none", &list).await?;
    let mut enrol = String::new();
    for ((name, family, network), language) in ROUTERS.into_iter().zip(LANGUAGES) {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        driver.goto(&list).await?;
        type_into(driver, "name", name).await?;
        type_into(driver, "network", "10.0.0.1/8").await?;
        let choice = format!("#family option[value='{family}']");
        driver.find(By::Css(&choice)).await?.click().await?;
        send(driver, "form[action='/console/routers']", "#errors").await?;
        capture(driver, out, &format!("routers-refused-{language}")).await?;
        driver.find(By::Id("network")).await?.clear().await?;
        type_into(driver, "network", network).await?;
        driver.find(By::Css("input[name='approval']")).await?.click().await?;
        send(driver, "form[action='/console/routers']", "#code").await?;
        capture(driver, out, &format!("router-code-{language}")).await?;
        let (waits, est) = bring_a_key(driver).await?;
        est.split("/.well-known").next().unwrap_or_default().clone_into(&mut enrol);
        let waits = format!("{public}/console/terminals/{waits}");
        shoot(driver, out, public, &format!("router-key-waits-{family}"), &waits).await?;
    }
    shoot(driver, out, public, "routers", &list).await?;
    driver.goto(&list).await?;
    let link = driver.query(By::Css("main tbody th a")).first().await?;
    let path = link.attr("href").await?.context("the list names no router")?;
    shoot(driver, out, public, "router", &format!("{public}{path}")).await?;
    certify(driver, out, public, &format!("{public}{path}/certify")).await?;
    let bundle = format!("{public}{}/bundle", path.replace("/terminals/", "/routers/"));
    shoot(driver, out, public, "router-bundle", &bundle).await?;
    groups(driver, out, public).await?;
    shoot(driver, out, public, "router-bundle-tunnel", &bundle).await?;

    let keys = format!("{public}{}/psk", path.replace("/terminals/", "/routers/"));
    shoot(driver, out, public, "router-psk-none", &keys).await?;
    let mut code = String::new();
    for (form, language) in ["/psk", "/psk/replace"].into_iter().zip(LANGUAGES) {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        driver.goto(&keys).await?;
        send(driver, &format!("form[action$='{form}']"), ".code-line").await?;
        code = driver.find(By::Css(".code-line")).await?.value().await?.context("no code")?;
        capture(driver, out, &format!("router-psk-codes-{language}")).await?;
    }
    shoot(driver, out, public, "router-psk", &keys).await?;
    shoot(driver, out, public, "router-bundle-psk", &bundle).await?;
    let own = path.rsplit('/').next().unwrap_or_default();
    driver.goto(&format!("{public}/console/routers/{own}/setup")).await?;
    let peer = driver.query(By::Css("input[name='tunnel']")).first().await?;
    let peer = peer.attr("value").await?.context("there is no router at the other end")?;
    let told = Told { own, code: &code, peer: &peer, enrol: &enrol };
    setup(driver, out, public, told).await
}

/// The technician's link at the console and its sheet; what a telephone shows before, by and after it.
async fn setup(driver: &WebDriver, out: &Path, public: &str, told: Told<'_>) -> anyhow::Result<()> {
    let page = &format!("{public}/console/routers/{}/setup", told.own);
    let phone = format!("{public}/setup");
    shoot(driver, out, public, "router-setup-none", page).await?;
    shoot(driver, out, public, "setup-form", &phone).await?;
    let mut code = String::new();
    for language in LANGUAGES {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        driver.goto(page).await?;
        driver.find(By::Css("input[name='tunnel']")).await?.click().await?;
        send(driver, "form[action$='/setup']", "#errors").await?;
        capture(driver, out, &format!("router-setup-refused-{language}")).await?;
        driver.goto(page).await?;
        send(driver, "form[action$='/setup']", ".qr").await?;
        capture(driver, out, &format!("router-setup-sheet-{language}")).await?;
        code = driver.find(By::Id("setup-code")).await?.text().await?;
        driver.goto(&format!("{phone}?code={code}")).await?;
        capture(driver, out, &format!("setup-page-{language}")).await?;
    }
    told.tell().await?;
    shoot(driver, out, public, "setup-page-up", &phone).await?;
    shoot(driver, out, public, "router-setup", page).await?;
    driver.goto(page).await?;
    send(driver, "form[action$='/setup/end']", ".notice-good").await?;
    shoot(driver, out, public, "setup-over", &format!("{phone}?code={code}")).await
}

/// Groups of routers: none, a form that does not fit, a new one, and one in which both routers take part.
async fn groups(driver: &WebDriver, out: &Path, public: &str) -> anyhow::Result<()> {
    let list = format!("{public}/console/groups");
    shoot(driver, out, public, "groups-none", &list).await?;
    for language in LANGUAGES {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        driver.goto(&list).await?;
        type_into(driver, "name", "本院と分院").await?;
        driver.find(By::Id("transit")).await?.click().await?;
        send(driver, "form[action='/console/groups']", "#errors").await?;
        capture(driver, out, &format!("groups-refused-{language}")).await?;
    }
    driver.find(By::Id("transit")).await?.click().await?;
    send(driver, "form[action='/console/groups']", "#invited").await?;
    let group = driver.current_url().await?.to_string();
    shoot(driver, out, public, "group-none", &group).await?;
    driver.goto(&group).await?;
    send(driver, "form[action$='/ask']", ".notice-good").await?;
    send(driver, "form[action$='/router']", ".notice-good").await?;
    shoot(driver, out, public, "group", &group).await?;
    shoot(driver, out, public, "groups", &list).await
}

/// The register of models: nothing in it, taken in, certified and withdrawn, for everybody and for a facility.
pub(super) async fn models(
    driver: &WebDriver,
    out: &Path,
    public: &str,
    operator: &ConsoleUser,
    administrator: &ConsoleUser,
) -> anyhow::Result<()> {
    let list = format!("{public}/console/router-models");
    become_user(driver, operator, public).await?;
    shoot(driver, out, public, "router-models-none", &list).await?;
    for language in LANGUAGES {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        driver.goto(&list).await?;
        type_into(driver, "file", "format = 1").await?;
        send(driver, "form[action='/console/router-models'][method='post']", "#errors").await?;
        capture(driver, out, &format!("router-models-refused-{language}")).await?;
    }
    driver.goto(&list).await?;
    let shipped = "form[action='/console/router-models-shipped']";
    send(driver, shipped, ".notice-good").await?;
    shoot(driver, out, public, "router-models-kept", &list).await?;
    let model = driver.query(By::Css("main h2 a")).first().await?;
    let path = model.attr("href").await?.context("the list names no model")?;
    let model = format!("{public}{path}");
    for (language, proof) in LANGUAGES.into_iter().zip(["p256", "psk"]) {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        driver.goto(&model).await?;
        send(driver, "form[action$='/certify']", "#errors").await?;
        capture(driver, out, &format!("router-model-refused-{language}")).await?;
        let choice = format!("#proof option[value='{proof}']");
        driver.find(By::Css(&choice)).await?.click().await?;
        // A field for days takes them in the browser's own order: the value is set.
        let until = driver.find(By::Id("until")).await?;
        driver.execute("arguments[0].value = '2028-03-31'", vec![until.to_json()?]).await?;
        type_into(driver, "reason", "2026年度の接続試験に合格した。").await?;
        send(driver, "form[action$='/certify']", ".notice-good").await?;
    }
    driver.goto(&model).await?;
    type_into(driver, "ended_reason", "新しい版で接続が切れる。").await?;
    driver.find(By::Id("sure")).await?.click().await?;
    send(driver, "form[action$='/withdraw']", ".notice-good").await?;
    shoot(driver, out, public, "router-model-kept", &model).await?;

    become_user(driver, administrator, public).await?;
    let mine = format!("{list}?with=mine&proof=psk");
    shoot(driver, out, public, "router-models", &mine).await?;
    driver.goto(&format!("{public}/console/routers")).await?;
    let choose = driver.query(By::Css("main a[href$='/model']")).first().await?;
    let choose = choose.attr("href").await?.context("no product can be chosen")?;
    shoot(driver, out, public, "router-choose-model", &format!("{public}{choose}")).await?;
    driver.goto(&format!("{public}{choose}")).await?;
    driver.find(By::Css("#model option:last-child")).await?.click().await?;
    send(driver, "form[action$='/model']", "#facility").await?;
    shoot(driver, out, public, "routers-with-models", &format!("{public}/console/routers")).await?;
    shoot(driver, out, public, "router-models-public", &format!("{public}/routers")).await?;
    let read = model.replace("/console/router-models/", "/routers/");
    shoot(driver, out, public, "router-model-public", &read).await
}
