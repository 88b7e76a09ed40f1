//! People without a card at the console: first use of a link, sign-in, one-time passwords.

use anyhow::Context;
use time::OffsetDateTime;

use super::browser::{Answer, Browser};
use crate::people::totp::TotpSecret;

/// Everybody's password here; each has a one-time password of their own.
pub const PASSWORD: &str = "demo-passphrase-2026";

/// Somebody with an account, in a browser of their own.
pub struct ConsoleUser {
    /// Their browser.
    pub browser: Browser,
    /// Login name.
    pub login_name: String,
    public: String,
    secret: TotpSecret,
}

impl ConsoleUser {
    /// Opens a one-time link and sets both factors.
    ///
    /// # Errors
    /// When the page does not show what it should, or refuses.
    pub async fn first_use(
        browser: Browser,
        public: &str,
        link: &str,
        login_name: &str,
    ) -> anyhow::Result<Self> {
        let page = browser.open(link).await?.expect_success()?;
        let secret = secret_on(&page)?;
        let code = code_now(&secret)?;
        browser
            .submit(
                &format!("{public}/first-use"),
                &[
                    ("token", &page.value_of("token")?),
                    ("setup", &page.value_of("setup")?),
                    ("password", PASSWORD),
                    ("password_again", PASSWORD),
                    ("totp_code", &code),
                ],
            )
            .await?
            .expect_success()?;
        Ok(Self { browser, login_name: login_name.to_owned(), public: public.to_owned(), secret })
    }

    /// Somebody whose account was made elsewhere, signed in with this browser.
    #[must_use]
    pub fn known(browser: Browser, public: &str, login_name: &str, secret: TotpSecret) -> Self {
        Self { browser, login_name: login_name.to_owned(), public: public.to_owned(), secret }
    }

    /// Redeems an activation code: the facility's administrator gets an account.
    ///
    /// # Errors
    /// When the page does not show what it should, or refuses.
    pub async fn activate(
        browser: Browser,
        public: &str,
        code: &str,
        login_name: &str,
        name: &str,
        name_kana: &str,
    ) -> anyhow::Result<Self> {
        let activate = format!("{public}/activate");
        browser.open(&activate).await?.expect_success()?;
        let page = browser.submit(&activate, &[("code", code)]).await?.expect_success()?;
        let secret = secret_on(&page)?;
        let totp_code = code_now(&secret)?;
        browser
            .submit(
                &format!("{public}/activate/account"),
                &[
                    ("code", code),
                    ("setup", &page.value_of("setup")?),
                    ("login_name", login_name),
                    ("name", name),
                    ("name_kana", name_kana),
                    ("email", &format!("{login_name}@example.jp")),
                    ("password", PASSWORD),
                    ("password_again", PASSWORD),
                    ("totp_code", &totp_code),
                ],
            )
            .await?
            .expect_success()?;
        Ok(Self { browser, login_name: login_name.to_owned(), public: public.to_owned(), secret })
    }

    /// Submits a form of the console.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<Answer> {
        self.browser.submit(&format!("{}{path}", self.public), fields).await
    }

    /// Opens a page of the console.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn open(&self, path: &str) -> anyhow::Result<Answer> {
        self.browser.open(&format!("{}{path}", self.public)).await
    }

    /// The account's one-time-password secret, for people who want to log in by hand.
    ///
    /// # Errors
    /// When it has no text form.
    pub fn secret_text(&self) -> anyhow::Result<String> {
        Ok(self.secret.as_text()?)
    }
}

fn secret_on(page: &Answer) -> anyhow::Result<TotpSecret> {
    let text = page.text_of("totp-secret")?;
    TotpSecret::from_text(&text).context("the page's one-time-password secret does not read")
}

fn code_now(secret: &TotpSecret) -> anyhow::Result<String> {
    secret.code_at(OffsetDateTime::now_utc()).context("no one-time password can be made")
}
