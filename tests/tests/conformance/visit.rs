//! People who log in at the clients of OpenID Connect's plans, once and again.

use std::time::Duration;

use anyhow::ensure;
use serde_json::Value;

use crate::{
    catalogue::Trial,
    client::BASIC,
    flow::{Answer, RelyingParty, Request, Tokens},
    provider::{Person, Whom},
};

impl Trial {
    pub fn basic(&self) -> anyhow::Result<RelyingParty<'_>> {
        self.party(BASIC)
    }

    /// Somebody logs in at the first client, with this request of it.
    pub async fn logs_in<'t>(
        &'t self,
        whom: Whom,
        change: impl FnOnce(Request<'static>) -> Request<'static>,
    ) -> anyhow::Result<LoggedIn<'t>> {
        let (party, person) = (self.basic()?, self.person(whom).await?);
        let tokens = party.tokens(&person, &change(party.request()?)).await?;
        Ok(LoggedIn { party, person, tokens })
    }

    pub async fn succeeds(
        &self,
        change: impl FnOnce(Request<'static>) -> Request<'static>,
    ) -> anyhow::Result<()> {
        self.logs_in(Whom::Anybody, change).await.map(drop)
    }

    /// The same with a fresh login page.
    pub async fn succeeds_from_login_page(
        &self,
        change: impl FnOnce(Request<'static>) -> Request<'static>,
    ) -> anyhow::Result<()> {
        self.logs_in(Whom::Fresh, change).await.map(drop)
    }

    pub fn supports(&self, list: &str, value: &str) -> bool {
        let listed = self.provider.metadata()[list].as_array();
        listed.is_some_and(|values| values.iter().any(|one| one == value))
    }
}

/// A person who came in, and what the client had of it.
pub struct LoggedIn<'t> {
    pub party: RelyingParty<'t>,
    pub person: Person<'t>,
    pub tokens: Tokens,
}

impl LoggedIn<'_> {
    /// Sends the person again. Returns how often they had to log in, and the new tokens.
    pub async fn again(
        &self,
        change: impl FnOnce(Request<'static>) -> Request<'static>,
    ) -> anyhow::Result<(usize, Tokens)> {
        let request = change(self.party.request()?);
        let landing = self.party.sent(&self.person, &request).await?;
        let code = self.party.code(&landing, &request).await?;
        let answer = self.party.exchanged(&code, &request).await?;
        Ok((landing.logins, self.party.good(&answer, request.get("nonce")).await?))
    }

    /// Without a login: the same person, logged in at the same time.
    pub async fn again_silently(
        &self,
        change: impl FnOnce(Request<'static>) -> Request<'static>,
    ) -> anyhow::Result<()> {
        let (logins, tokens) = self.again(change).await?;
        ensure!(logins == 0, "a login was asked for");
        for name in ["sub", "auth_time"] {
            let (before, after) = (&self.tokens.id_token[name], &tokens.id_token[name]);
            ensure!(before == after, "{name} was {before} and is {after}");
        }
        Ok(())
    }

    /// With another login, later than the first.
    pub async fn again_with_login(
        &self,
        change: impl FnOnce(Request<'static>) -> Request<'static>,
    ) -> anyhow::Result<Tokens> {
        // `auth_time` counts seconds.
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        let (logins, tokens) = self.again(change).await?;
        ensure!(logins == 1, "the person logged in {logins} times");
        ensure!(self.tokens.id_token["sub"] == tokens.id_token["sub"], "somebody else");
        let time = |tokens: &Tokens| tokens.id_token["auth_time"].as_i64();
        ensure!(
            time(&tokens).is_none_or(|after| time(&self.tokens).is_none_or(|first| first < after)),
            "auth_time is not later: {} {}",
            self.tokens.id_token,
            tokens.id_token
        );
        Ok(tokens)
    }

    pub async fn told(&self) -> anyhow::Result<Value> {
        claims_of(&self.party.userinfo(&self.tokens.access_token).await?, &self.tokens)
    }
}

/// A good answer of the userinfo endpoint, about the person of the ID token (OIDC Core §5.3.4).
pub fn claims_of(answer: &Answer, tokens: &Tokens) -> anyhow::Result<Value> {
    answer.is(200)?;
    let kind = answer.headers.get("content-type").and_then(|value| value.to_str().ok());
    ensure!(kind.is_some_and(|kind| kind.starts_with("application/json")), "{answer:?}");
    let told = answer.json()?;
    ensure!(told["sub"] == tokens.id_token["sub"], "another sub: {told}");
    Ok(told)
}
