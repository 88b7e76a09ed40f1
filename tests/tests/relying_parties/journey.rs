//! What a person does at the services, in one Chromium at a PC with an agent and a card.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sekisho::demo::cast::{CARD_HOLDERS, FACILITIES};
use sekisho_tests::{Desktop, Door};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{error::WebDriverErrorInner, prelude::*};

use crate::{
    clients::{CLIENTS, Client, Refresh},
    service::Service,
};

/// How long a page may take to come, and a service to hear.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a client is to do. Each begins where it finds the person, so that each can be played alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    LogIn,
    Refresh,
    LogOut,
    HearOfLogout,
    NoticeLogout,
    LoseAccess,
}

impl Act {
    pub const ALL: [Self; 6] = [
        Self::LogIn,
        Self::Refresh,
        Self::LogOut,
        Self::HearOfLogout,
        Self::NoticeLogout,
        Self::LoseAccess,
    ];

    pub fn sentence(self) -> &'static str {
        match self {
            Self::LogIn => "a_person_logs_in_with_the_card_and_is_known",
            Self::Refresh => "tokens_are_refreshed_without_the_person_and_still_tell_of_them",
            Self::LogOut => "a_logout_here_ends_the_session_at_the_portal_and_leads_back",
            Self::HearOfLogout => "a_logout_at_the_portal_ends_the_session_here",
            Self::LoseAccess => "nobody_forges_who_they_are_or_passes_after_a_logout_at_the_portal",
            Self::NoticeLogout => {
                "an_open_page_notices_a_logout_at_the_portal_and_is_told_in_a_frame"
            }
        }
    }
}

/// The stage and the services that were started on it.
pub struct Journey {
    desktop: Desktop,
    services: BTreeMap<&'static str, Service>,
    _folder: TempDir,
}

impl Journey {
    pub async fn set() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let desktop = Desktop::set_up(folder.path(), Door::Script).await?;
        Ok(Self { desktop, services: BTreeMap::new(), _folder: folder })
    }

    pub async fn clear(self) -> anyhow::Result<()> {
        self.desktop.chromium.quit().await?;
        self.desktop.scene.stage.server.stop().await?;
        Ok(())
    }

    /// One act of one client, whose program is started first if it does not run.
    pub async fn play(&mut self, client: &'static Client, act: Act) -> anyhow::Result<()> {
        self.start(client).await?;
        let service = &self.services[client.id];
        match act {
            Act::LogIn => self.log_in_with_card(service).await,
            Act::Refresh => self.refresh(service).await,
            Act::LogOut => self.log_out(service).await,
            Act::HearOfLogout => self.hear_of_logout(service).await,
            Act::NoticeLogout => self.notice_logout(service).await,
            Act::LoseAccess => self.lose_access(service).await,
        }
        .with_context(|| format!("what the service says: {}", service.log_end()))
    }

    async fn start(&mut self, client: &'static Client) -> anyhow::Result<()> {
        if !self.services.contains_key(client.id) {
            let service = Service::start(&self.desktop.scene, client).await?;
            self.services.insert(client.id, service);
        }
        Ok(())
    }

    fn driver(&self) -> &WebDriver {
        &self.desktop.chromium.driver
    }

    /// From the service to the portal's login page, the card, and back, with no click; then who is shown.
    async fn log_in_with_card(&self, service: &Service) -> anyhow::Result<()> {
        self.log_out_at_portal().await?;
        let cards = self.visits("/login/card")?;
        let claims = self.log_in(service).await?;
        ensure!(self.visits("/login/card")? == cards + 1, "the card was not asked just once");
        let holder = &CARD_HOLDERS[0];
        ensure!(claims["name"] == holder.name, "{claims}");
        ensure!(claims["hc_role"] == json!(["Medical Doctor"]), "{claims}");
        ensure!(claims["facility_name"] == FACILITIES[holder.facility].name, "{claims}");
        let sub = claims["sub"].as_str().context("no sub")?;
        ensure!(sub.len() >= 32, "{sub} can be guessed");
        Ok(())
    }

    /// The service has new tokens, of the same person, and asked userinfo with them; the portal was not
    /// visited.
    async fn refresh(&self, service: &Service) -> anyhow::Result<()> {
        let claims = self.log_in(service).await?;
        let visits = self.visits("/authorize")?;
        let token = async |path| {
            let said = self.said(service, path).await?.context("the session is gone")?;
            said.pointer(service.client.token).cloned().context("no token is told of")
        };
        let before = token(service.client.claims).await?;
        let path = match service.client.refresh {
            Refresh::Button => {
                self.driver().goto(service.at(service.client.home)).await?;
                let button = self.arrive(service, "refresh").await?;
                button.click().await?;
                // The page of before has one as well: leaving it too early would break the request off.
                button.wait_until().wait(PATIENCE, LOOK_EVERY).stale().await?;
                self.arrive(service, "refresh").await?;
                service.client.claims
            }
            Refresh::Page(path) => path,
            Refresh::Never => bail!("{} cannot refresh", service.client.id),
        };
        let deadline = Instant::now() + PATIENCE;
        while token(path).await? == before {
            ensure!(Instant::now() < deadline, "the access token stays what it was");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let after = self.claims(service).await?.context("the session is gone")?;
        for name in ["sub", "name", "hc_role", "facility_name"] {
            ensure!(after[name] == claims[name], "{name}: {} became {}", claims[name], after[name]);
        }
        ensure!(self.visits("/authorize")? == visits, "the portal was asked");
        Ok(())
    }

    /// The service's own logout, by way of the provider (OIDC RP-Initiated Logout 1.0).
    async fn log_out(&self, service: &Service) -> anyhow::Result<()> {
        self.log_in(service).await?;
        self.driver().goto(service.at(service.client.home)).await?;
        self.arrive(service, "logout").await?.click().await?;
        self.arrive(service, "login").await?;
        let cards = self.visits("/login/card")?;
        ensure!(self.claims(service).await?.is_none(), "the service still knows the person");
        self.driver().goto(self.portal()).await?;
        let path = self.driver().current_url().await?.path().to_owned();
        // A service behind a proxy leads to the login page at once, and the card in the reader may have
        // logged the person in again by now.
        let asked = path == "/login" || self.visits("/login/card")? > cards;
        ensure!(asked, "the portal still knows the person: {path}");
        Ok(())
    }

    /// A forged logout token does nothing; one of the provider ends the session.
    async fn hear_of_logout(&self, service: &Service) -> anyhow::Result<()> {
        let claims = self.log_in(service).await?;
        let forged = forged(&claims, service, &self.key_id().await?);
        let status = self.post_logout_token(service, &forged).await?;
        ensure!((400..500).contains(&status), "a forged logout token was answered {status}");
        ensure!(self.claims(service).await?.is_some(), "a forged logout token ended the session");
        self.log_out_at_portal().await?;
        self.forgotten(service).await
    }

    /// A page that stays open asks the portal's frame (OIDC Session Management 1.0); its server is told in
    /// a frame of the portal's page (OIDC Front-Channel Logout 1.0).
    async fn notice_logout(&self, service: &Service) -> anyhow::Result<()> {
        let path = service.client.frontchannel_logout.context("it is not told in a frame")?;
        let claims = self.log_in(service).await?;
        let driver = self.driver();
        driver.goto(service.at(service.client.home)).await?;
        self.arrive(service, "logout").await?;
        let open = driver.window().await?;
        let other = driver.new_tab().await?;
        driver.switch_to_window(other).await?;
        self.log_out_at_portal().await?;
        driver.close_window().await?;
        driver.switch_to_window(open).await?;
        // The page asks every two seconds, and nobody reloads it.
        self.arrive(service, "login").await?;
        let told = self.said(service, path).await?.context("nobody told the service")?;
        for name in ["iss", "sid"] {
            ensure!(told[name] == claims[name], "{name}: {told} is not of {claims}");
        }
        Ok(())
    }

    /// What a browser says of itself does not reach the service; a logout is known at the next request.
    async fn lose_access(&self, service: &Service) -> anyhow::Result<()> {
        self.log_in(service).await?;
        let script = r#"
            const [done] = arguments;
            const headers = { "X-Sso-Name": "forged", "x_sso_name": "forged" };
            fetch("/name", { headers }).then((answer) => answer.text()).then(done);
        "#;
        let said = self.driver().execute_async(script, vec![]).await?;
        let said = said.json().as_str().context("no name")?.to_owned();
        ensure!(!said.is_empty() && !said.contains("forged"), "the service is told {said:?}");
        self.log_out_at_portal().await?;
        ensure!(self.claims(service).await?.is_none(), "the service is still open");
        Ok(())
    }

    /// One session for all services, each of which knows the person by another name; ended at one of
    /// them.
    pub async fn log_out_of_all(&mut self) -> anyhow::Result<()> {
        for client in CLIENTS {
            self.start(client).await?;
        }
        self.log_out_at_portal().await?;
        let cards = self.visits("/login/card")?;
        let mut subjects = BTreeMap::new();
        for service in self.services.values() {
            let claims = self.log_in(service).await?;
            if let Some(other) = subjects.insert(claims["sub"].to_string(), service.client.id) {
                bail!("{other} and {} are told the same sub", service.client.id);
            }
        }
        ensure!(self.visits("/login/card")? == cards + 1, "the card was asked more than once");
        let (first, others) = CLIENTS.split_first().context("no clients")?;
        self.log_out(&self.services[first.id]).await?;
        for client in others.iter().filter(|client| client.backchannel_logout.is_some()) {
            self.forgotten(&self.services[client.id]).await?;
        }
        Ok(())
    }

    /// Begins a login at the service and waits until the person is back, by card if the portal asks.
    async fn log_in(&self, service: &Service) -> anyhow::Result<Value> {
        self.driver().goto(service.at(service.client.login)).await?;
        if let Some(button) = service.client.login_button {
            let shown = self.driver().query(By::Css(format!("#{button}, pre"))).first().await?;
            if shown.id().await?.as_deref() == Some(button) {
                shown.click().await?;
            }
        }
        self.arrive(service, "logout").await?;
        self.claims(service).await?.context("the service does not say who is logged in")
    }

    /// Waits for an element of a page of the service.
    async fn arrive(&self, service: &Service, id: &'static str) -> anyhow::Result<WebElement> {
        let wait = self.driver().query(By::Id(id)).wait(PATIENCE, LOOK_EVERY);
        let found = wait.first().await;
        let address = self.driver().current_url().await?;
        match found {
            Ok(element) if address.as_str().starts_with(&service.at("/")) => Ok(element),
            _ => {
                let body = self.driver().find(By::Tag("body")).await?.text().await?;
                bail!("{id} is not on the page of {}: {address}: {body}", service.client.id)
            }
        }
    }

    /// Who is logged in there, as the page says.
    async fn claims(&self, service: &Service) -> anyhow::Result<Option<Value>> {
        let Some(said) = self.said(service, service.client.claims).await? else { return Ok(None) };
        Ok(Some(said.pointer(service.client.at).context("no claims in it")?.clone()))
    }

    /// What a page of the service says of whoever is logged in.
    async fn said(&self, service: &Service, path: &str) -> anyhow::Result<Option<Value>> {
        self.driver().goto(service.at(path)).await?;
        // Claims; the offer to log in; Apache's refusal; the browser's own page of a refusal without words.
        let shown = By::Css("pre, #login, h1, #main-frame-error");
        let element = self.driver().query(shown).wait(PATIENCE, LOOK_EVERY).first().await?;
        match element.tag_name().await {
            Ok(tag) if tag == "pre" => Ok(Some(serde_json::from_str(&element.text().await?)?)),
            Ok(_) => Ok(None),
            // A page that led on by itself is that of a login; claims stay.
            Err(error) if matches!(*error, WebDriverErrorInner::StaleElementReference(_)) => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the service has heard that the session ended: the browser's cookie is what it was.
    async fn forgotten(&self, service: &Service) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.claims(service).await?.is_some() {
            ensure!(Instant::now() < deadline, "{} did not hear of it", service.client.id);
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    fn portal(&self) -> String {
        format!("{}/", self.desktop.scene.stage.origins.terminal)
    }

    /// By the portal's own button, if somebody is logged in.
    async fn log_out_at_portal(&self) -> anyhow::Result<()> {
        let driver = self.driver();
        driver.goto(self.portal()).await?;
        if driver.current_url().await?.path() != "/login" {
            driver.find(By::Css(".site-end form button")).await?.click().await?;
            driver.query(By::Id("login-start")).first().await?;
        }
        Ok(())
    }

    /// How many requests for this path the server's log tells of.
    fn visits(&self, path: &str) -> anyhow::Result<usize> {
        let log = self.desktop.scene.stage.logs().join("sekisho.log");
        Ok(std::fs::read_to_string(log)?.matches(path).count())
    }

    /// The name of the key that signs tokens, as any page may read it.
    async fn key_id(&self) -> anyhow::Result<String> {
        let script = r#"
            const [jwks, done] = arguments;
            fetch(jwks).then((answer) => answer.json()).then(({ keys }) => done(keys[0].kid));
        "#;
        let jwks = format!("{}/jwks", self.desktop.scene.stage.origins.public);
        let said = self.driver().execute_async(script, vec![jwks.into()]).await?;
        said.json().as_str().map(str::to_owned).context("no key has a name")
    }

    /// Posts it as the provider would, without any cookie. Returns the status.
    async fn post_logout_token(&self, service: &Service, token: &str) -> anyhow::Result<i64> {
        let script = r#"
            const [path, logout_token, done] = arguments;
            const body = new URLSearchParams({ logout_token });
            fetch(path, { method: "POST", body, credentials: "omit" }).then((answer) => done(answer.status));
        "#;
        let path = service.client.backchannel_logout.context("it takes no logout tokens")?;
        let said = self.driver().execute_async(script, vec![path.into(), token.into()]).await?;
        said.json().as_i64().context("no status")
    }
}

/// A logout token about this very session, right in everything but its signature.
fn forged(claims: &Value, service: &Service, kid: &str) -> String {
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let header = json!({ "alg": "ES256", "typ": "logout+jwt", "kid": kid });
    let payload = json!({
        "iss": claims["iss"],
        "aud": service.client.id,
        "sub": claims["sub"],
        "sid": claims["sid"],
        "iat": now,
        "exp": now + 120,
        "jti": "forged",
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
    let signed = [header, payload].map(|part| encode(part.to_string().as_bytes())).join(".");
    format!("{signed}.{}", encode(&[1; 64]))
}
