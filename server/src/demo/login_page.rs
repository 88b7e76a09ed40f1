//! What the login page's script does, done here: a page key, the portal's challenge, the agent's
//! loopback door, the page's proof. Nothing is taken from anywhere but these doors.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use reqwest::StatusCode;
use sekisho_protocol::{
    ChallengeNonce,
    answer::{LoginSubmission, PageProof, TerminalProof},
    door::{self, BeginBody, BeginReply, ErrorBody, ExchangeState, FinishBody, FinishReply},
    jwk::Jwk,
    octets::Sha256Digest,
    request::ConfirmationCode,
};
use serde::Deserialize;
use serde_json::json;

use super::browser::{Answer, Browser};

/// `POST /login/challenge` answers this.
#[derive(Debug, Deserialize)]
pub struct Challenge {
    /// The portal's signed request.
    pub request: String,
    nonce: ChallengeNonce,
    confirmation_code: ConfirmationCode,
    terminal_key: Jwk,
}

/// One opened login page.
pub struct LoginPage<'b> {
    browser: &'b Browser,
    portal: String,
    key: EcdsaKeyPair,
    jwk: Jwk,
}

impl<'b> LoginPage<'b> {
    /// Opens the page and makes its own key.
    ///
    /// # Errors
    /// When the portal does not show the page.
    pub async fn open(browser: &'b Browser, portal: &str) -> anyhow::Result<Self> {
        browser.open(&format!("{portal}/login")).await?.expect_success()?;
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let jwk = Jwk::from_point(key.public_key().as_ref())?;
        Ok(Self { browser, portal: portal.to_owned(), key, jwk })
    }

    /// Asks the portal for a challenge.
    ///
    /// # Errors
    /// When the portal refuses.
    pub async fn challenge(
        &self,
        invitation: bool,
        return_to: Option<&str>,
    ) -> anyhow::Result<Challenge> {
        let body =
            json!({ "page_key": self.jwk, "invitation": invitation, "return_to": return_to });
        let url = format!("{}/login/challenge", self.portal);
        let answer = self.browser.post_json(&url, &body).await?.expect_success()?;
        serde_json::from_str(&answer.body).context("the challenge does not read")
    }

    /// Takes the challenge to the agent and waits until the card has signed.
    ///
    /// # Errors
    /// What the agent refuses, in its own words; a proof by another key than the terminal's.
    pub async fn ask_agent(
        &self,
        challenge: &Challenge,
        agent: SocketAddr,
    ) -> anyhow::Result<LoginSubmission> {
        let begin = BeginBody { request: challenge.request.clone() };
        let begun: BeginReply =
            self.call_agent(agent, door::BEGIN_PATH, &serde_json::to_value(begin)?).await?;
        let request = Sha256Digest::of(&challenge.request);
        // As the real page: no word of a PIN before the terminal's key has spoken.
        TerminalProof::verify(
            &begun.terminal_proof,
            &challenge.terminal_key,
            request,
            challenge.confirmation_code,
        )?;
        let mut seen: Option<ExchangeState> = None;
        let answer = loop {
            let body = serde_json::to_value(FinishBody { exchange: begun.exchange, seen })?;
            let reply: FinishReply = self.call_agent(agent, door::FINISH_PATH, &body).await?;
            if let Some(answer) = reply.answer {
                break answer;
            }
            seen = Some(reply.state);
        };
        let proof =
            PageProof { request, answer: Sha256Digest::of(&answer), nonce: challenge.nonce };
        let unsigned = proof.prepare(&self.jwk)?;
        let signature = self.key.sign(&SystemRandom::new(), unsigned.signing_input())?;
        let signature: [u8; 64] =
            signature.as_ref().try_into().context("a P-256 signature has 64 octets")?;
        Ok(LoginSubmission {
            terminal_proof: begun.terminal_proof,
            answer,
            page_proof: unsigned.attach(signature),
            times: None,
        })
    }

    /// Hands the card's answer to the portal and stays at its reply.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn submit(&self, submission: &LoginSubmission) -> anyhow::Result<Answer> {
        self.browser.post_json(&format!("{}/login/card", self.portal), submission).await
    }

    /// Hands the card's answer in and returns the session's cookie instead of keeping it.
    ///
    /// # Errors
    /// When the portal refuses or sets no cookie.
    pub async fn submit_for_cookie(&self, submission: &LoginSubmission) -> anyhow::Result<String> {
        let response = self
            .browser
            .client()
            .post(format!("{}/login/card", self.portal))
            .header(reqwest::header::ORIGIN, &self.portal)
            .json(submission)
            .send()
            .await?
            .error_for_status()?;
        response
            .headers()
            .get_all(reqwest::header::SET_COOKIE)
            .iter()
            .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
            .find(|cookie| cookie.starts_with("__Host-session="))
            .map(str::to_owned)
            .context("the portal set no session cookie")
    }

    async fn call_agent<T: serde::de::DeserializeOwned>(
        &self,
        agent: SocketAddr,
        path: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<T> {
        let response = self
            .browser
            .client()
            .post(format!("http://{agent}{path}"))
            // As the browser of that PC names it.
            .header(reqwest::header::HOST, format!("127.0.0.1:{}", agent.port()))
            .header(reqwest::header::ORIGIN, &self.portal)
            .header(door::HEADER, door::HEADER_VALUE)
            .header("Sec-Fetch-Site", "cross-site")
            .header("Sec-Fetch-Mode", "cors")
            .header("Sec-Fetch-Dest", "empty")
            .json(body)
            .send()
            .await
            .context("the agent does not answer")?;
        match response.status() {
            StatusCode::OK => Ok(response.json().await?),
            status => {
                let text = response.text().await?;
                match serde_json::from_str::<ErrorBody>(&text) {
                    Ok(refusal) => bail!(
                        "the agent refuses ({}): {}",
                        serde_json::to_value(refusal.error.code)?.as_str().unwrap_or_default(),
                        refusal.error.message
                    ),
                    Err(_) => bail!("the agent answers {status}"),
                }
            }
        }
    }
}

/// A whole login at one terminal; returns where the portal sends the browser next.
///
/// # Errors
/// With the refusal of agent or portal.
pub async fn log_in(
    browser: &Browser,
    portal: &str,
    agent: SocketAddr,
    invitation: bool,
    return_to: Option<&str>,
) -> anyhow::Result<String> {
    let page = LoginPage::open(browser, portal).await?;
    let challenge = page.challenge(invitation, return_to).await?;
    let submission = page.ask_agent(&challenge, agent).await?;
    let answer = page.submit(&submission).await?.expect_success()?;
    let reply: serde_json::Value = serde_json::from_str(&answer.body)?;
    reply["redirect"].as_str().map(str::to_owned).context("the portal names no next page")
}
