//! A physician at one PC with one reader, with an HPKI card and a My Number card.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use sekisho::demo::cast::CARD_HOLDERS;
use serde_json::Value;
use thirtyfour::{error::WebDriverErrorInner, prelude::*};

use crate::Desktop;

/// A folder of lists is read again within half a minute.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The PC of the first physician.
pub struct PhysiciansDesk<'d>(pub &'d Desktop);

impl PhysiciansDesk<'_> {
    /// The browser.
    #[must_use]
    pub fn driver(&self) -> &WebDriver {
        &self.0.chromium.driver
    }

    /// An address of the portal.
    #[must_use]
    pub fn portal(&self, path: &str) -> String {
        format!("{}{path}", self.0.scene.stage.origins.terminal)
    }

    /// Puts a card into the reader; whichever was in comes out.
    ///
    /// # Errors
    /// When its folder cannot be changed.
    pub fn insert(&self, card: &str) -> anyhow::Result<()> {
        self.0.scene.desks[0].desk.reader().insert(card)
    }

    /// Opens a page of the portal.
    ///
    /// # Errors
    /// When the browser does not.
    pub async fn open(&self, path: &str) -> anyhow::Result<()> {
        Ok(self.driver().goto(&self.portal(path)).await?)
    }

    /// What the page says.
    ///
    /// # Errors
    /// When the browser does not tell.
    pub async fn body(&self) -> anyhow::Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.driver().find(By::Tag("body")).await?.text().await {
                // The page led on between the two.
                Err(error)
                    if matches!(*error, WebDriverErrorInner::StaleElementReference(_))
                        && Instant::now() < deadline => {}
                told => return Ok(told?),
            }
        }
    }

    /// Waits for these words.
    ///
    /// # Errors
    /// When they do not come; the page is quoted.
    pub async fn reads(&self, words: &str) -> anyhow::Result<()> {
        let said = By::XPath(format!("//main//*[not(@hidden)][contains(., '{words}')]"));
        match self.driver().query(said).wait(PATIENCE, LOOK_EVERY).first().await {
            Ok(_) => Ok(()),
            Err(_) => bail!("{words} is not said: {}", self.body().await?),
        }
    }

    /// Logs out by the button of the frame.
    ///
    /// # Errors
    /// When the login page does not say so.
    pub async fn log_out(&self) -> anyhow::Result<()> {
        self.driver().find(By::Css(".site-end form button")).await?.click().await?;
        self.reads("ログアウトしました").await
    }

    /// Presses the button of the login page until the portal is there, or it says these words. The agent
    /// may still see the card of before.
    ///
    /// # Errors
    /// When it ends otherwise; the page is quoted.
    pub async fn log_in(&self, refused: Option<&str>) -> anyhow::Result<()> {
        self.open("/login").await?;
        self.press_login(refused).await
    }

    /// The same on a login page that is open.
    ///
    /// # Errors
    /// When it ends otherwise; the page is quoted.
    pub async fn press_login(&self, refused: Option<&str>) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        self.driver().query(By::Id("login-start")).first().await?.click().await?;
        loop {
            ensure!(Instant::now() < deadline, "no login: {}", self.body().await?);
            let failed = self.driver().query(By::Css("#login-error:not([hidden])")).nowait();
            let portal = self.driver().query(By::Id("services-title")).nowait();
            if portal.exists().await? {
                ensure!(refused.is_none(), "a login that had to be refused");
                return Ok(());
            }
            if failed.exists().await? {
                let body = self.body().await?;
                match refused {
                    Some(words) if body.contains(words) => return Ok(()),
                    _ if body.contains("取り外されました") => {
                        self.driver().find(By::Id("login-start")).await?.click().await?;
                    }
                    _ => bail!("the login failed: {body}"),
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What a service is told by which somebody logs in, or did.
    ///
    /// # Errors
    /// When the service is not reached.
    pub async fn claims(&self, origin: &str) -> anyhow::Result<Value> {
        self.driver().query(By::Id("hc_role")).wait(PATIENCE, LOOK_EVERY).first().await?;
        self.driver().goto(&format!("{origin}/claims")).await?;
        let text = self.driver().find(By::Tag("body")).await?.text().await?;
        serde_json::from_str(&text).with_context(|| text)
    }

    /// Opens the portal until it says these words.
    ///
    /// # Errors
    /// When it does not say them; the page is quoted.
    pub async fn portal_says(&self, words: &str) -> anyhow::Result<()> {
        self.portal_comes_to(words, true).await
    }

    /// Opens the portal again and again until it no longer says this.
    ///
    /// # Errors
    /// When it goes on saying it; the page is quoted.
    pub async fn portal_says_no_more(&self, words: &str) -> anyhow::Result<()> {
        self.portal_comes_to(words, false).await
    }

    async fn portal_comes_to(&self, words: &str, said: bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.open("/").await?;
            let body = self.body().await?;
            if body.contains(words) == said {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{words} (to be said: {said}): {body}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Takes the first physician's HPKI card for this one while the page asks, and waits until it is linked.
    ///
    /// # Errors
    /// When it is not; the page is quoted.
    pub async fn link(&self, card: &str) -> anyhow::Result<()> {
        self.insert(CARD_HOLDERS[0].key)?;
        self.log_in(None).await?;
        self.open("/my-number-card").await?;
        self.driver().query(By::Id("login-start")).first().await?.click().await?;
        self.driver().query(By::Css("#login-code:not([hidden])")).first().await?;
        self.insert(card)?;
        self.reads("マイナンバーカードを紐付けました").await
    }
}
