//! An agent that counts, sites of many names, and one Chromium for all cases.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context;
use sekisho::demo::chromium::Profile;
use sekisho_agent::door::http::Bounds;
use sekisho_protocol::request::LoginRequest;
use sekisho_software_card::Layout;
use sekisho_tests::Chromium;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cases::{Act, Case, Reach};
use crate::pages;
use crate::spy::Spy;
use crate::world::{ORIGIN, STRANGER, World};

/// How long a request may take that a page does not wait for.
const ARRIVAL: Duration = Duration::from_secs(10);

pub struct Stage {
    world: World,
    spy: Spy,
    chromium: Chromium,
    _folder: TempDir,
}

impl Stage {
    pub async fn set() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let world = World::without_card(Layout::Observed, Bounds::default()).await;
        let door = world.port;
        let spy = Spy::before((Ipv4Addr::LOCALHOST, door).into()).await?;
        let tls = pages::certificate(folder.path())?;
        // Of the sites with TLS and of those without: one on the internet, one in the same network.
        let public = pages::serve(Some(tls.clone()), door).await?;
        let local = pages::serve(Some(tls), door).await?;
        let plain_public = pages::serve(None, door).await?;
        let plain_local = pages::serve(None, door).await?;

        let mut rules: Vec<String> = Vec::new();
        let mut name = |name: &str, port: u16| rules.push(format!("MAP {name} 127.0.0.1:{port}"));
        name("terminal.example:443", public);
        name("evil.example:443", public);
        name("terminal.example:8443", local);
        for near in ["near", "evil.terminal", "terminal.example.evil", "evil-terminal"] {
            name(&format!("{near}.example:443"), local);
        }
        name("evil.example:80", plain_public);
        name("near.example:80", plain_local);
        name("terminal.example:80", plain_local);
        for called in
            ["127.0.0.1", "[::1]", "0.0.0.0", "localhost", "rebound.example", "door.localhost"]
        {
            name(&format!("{called}:{door}"), spy.port);
        }
        let spaces = [
            (public, "public"),
            (plain_public, "public"),
            (local, "local"),
            (plain_local, "local"),
        ]
        .map(|(port, space)| format!("127.0.0.1:{port}={space}"));
        let arguments = [
            format!("--host-resolver-rules={}", rules.join(",")),
            format!("--ip-address-space-overrides={}", spaces.join(",")),
            "--ignore-certificate-errors".to_owned(),
        ];
        // As the agent's own policy has it: the portal's pages, and no others.
        let policy = json!({ "LoopbackNetworkAllowedForUrls": [ORIGIN] }).to_string();
        let profile = Profile::prepare(&folder.path().join("profile"), &policy)?;
        let chromium = Chromium::start(&profile, &arguments, folder.path()).await?;
        Ok(Self { world, spy, chromium, _folder: folder })
    }

    pub async fn clear(self) -> anyhow::Result<()> {
        self.chromium.quit().await
    }

    /// The case with the card out of the reader and with the card in.
    pub async fn play(&self, case: &Case) -> anyhow::Result<()> {
        self.pull().await?;
        let without_card = self.once(case).await?;
        self.insert().await?;
        let with_card = self.once(case).await?;
        anyhow::ensure!(
            without_card == with_card,
            "the page hears {without_card:?} without a card and {with_card:?} with one"
        );
        anyhow::ensure!(
            with_card == case.hears,
            "the page hears {with_card:?}, not {:?}",
            case.hears
        );
        Ok(())
    }

    async fn once(&self, case: &Case) -> anyhow::Result<String> {
        let page = case.page.replace("PORT", &self.world.port.to_string());
        let driver = &self.chromium.driver;
        driver.goto(&page).await?;
        self.spy.forget();
        let touched = (self.world.shown.get(), self.world.opened.get());
        let heard = match case.act {
            Act::Script(script) => self.run(script).await?,
            Act::Leave(script) => {
                self.run(&format!("setTimeout(() => {{ {script} }}); return 'left';")).await?
            }
        };
        match case.reach {
            Reach::Door => {
                anyhow::ensure!(self.spy.arrived(ARRIVAL).await, "nothing reached the door");
            }
            Reach::Browser => {
                let came = self.spy.answers();
                anyhow::ensure!(came.is_empty(), "the browser lets it through: {came:?}");
            }
        }
        for answer in self.spy.answers() {
            anyhow::ensure!(answer == STRANGER, "the door answers {answer:?}");
        }
        let touches = (self.world.shown.get(), self.world.opened.get());
        anyhow::ensure!(touches == touched, "windows and cards: {touched:?}, then {touches:?}");
        let begun = self.world.agent.exchange.lock().unwrap().take().is_some();
        anyhow::ensure!(!begun, "an exchange was begun");
        Ok(heard)
    }

    /// A script of the page, with a fresh request that the portal signed.
    async fn run(&self, script: &str) -> anyhow::Result<String> {
        let return_address = Some(format!("{ORIGIN}/login/return"));
        let request = LoginRequest { return_address, ..self.world.request() };
        let door = format!("http://127.0.0.1:{}", self.world.port);
        let arguments: Vec<Value> = vec![door.into(), self.world.sign(&request).into()];
        let whole = format!(
            "{}\n(async () => {{ {script} }})().then(done, (e) => done(`threw ${{e}}`));",
            include_str!("prelude.js")
        );
        let said = self.chromium.driver.execute_async(whole, arguments).await?;
        said.json().as_str().map(str::to_owned).context("the page says nothing")
    }

    /// The portal's own page, in the same browser at the same door: what shows that the others could
    /// have been served.
    pub async fn log_in(&self) -> anyhow::Result<()> {
        self.insert().await?;
        self.chromium.driver.goto(&format!("{ORIGIN}/")).await?;
        self.spy.forget();
        let shown = self.world.shown.get();
        let said = self.run(include_str!("login.js")).await?;
        anyhow::ensure!(said == "done", "the portal's page hears {said:?}");
        anyhow::ensure!(self.world.shown.get() == shown + 1, "there was no window");
        *self.world.agent.exchange.lock().unwrap() = None;
        Ok(())
    }

    async fn pull(&self) -> anyhow::Result<()> {
        let mut seen = self.world.agent.watcher.seen();
        if !seen.borrow().cards.is_empty() {
            self.world.pull();
        }
        seen.wait_for(|seen| seen.ready && seen.cards.is_empty()).await?;
        Ok(())
    }

    async fn insert(&self) -> anyhow::Result<()> {
        let mut seen = self.world.agent.watcher.seen();
        if seen.borrow().cards.is_empty() {
            self.world.insert();
        }
        seen.wait_for(|seen| seen.cards.len() == 1).await?;
        Ok(())
    }
}
