//! What a provider is to the modules: an address, registered clients, and people with browsers.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use async_trait::async_trait;
use sekisho::demo::browser::{Answer as Page, Browser};
use serde_json::Value;
use url::Url;

use crate::{client::Client, flow::RelyingParty};

/// How the parts of a provider's world are reached that no standard describes.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The issuer's metadata.
    fn metadata(&self) -> &Value;

    /// A registered client.
    fn client(&self, id: &str) -> anyhow::Result<&Client>;

    /// What a program of this client sends requests with: with its certificate, or without one.
    fn http(&self, certificate_of: Option<&Client>) -> anyhow::Result<reqwest::Client>;

    /// How long a code lives.
    fn code_lifetime(&self) -> Duration;

    /// What lets a module register clients (RFC 7591 §1.2).
    fn initial_access_token(&self) -> &str;

    /// Has the operator follow the key that signs with another, once for all modules. The keys as they
    /// were published before.
    async fn keys_before_rotation(&self) -> anyhow::Result<&Value>;

    /// Where back-channel logout tokens arrive.
    fn logout_tokens(&self) -> &crate::backchannel::Listener;

    /// Somebody's browser, and where they sit.
    async fn browser(&self, of: Whom) -> anyhow::Result<(Browser, usize)>;

    /// Does what a page asks of a person who wants to get in, or, refused, to get back. `None` where the
    /// page asks for nothing that leads to the client.
    async fn obey(&self, person: &Person<'_>, page: &Page) -> anyhow::Result<Option<Step>>;

    /// Agrees to a logout on the provider's page; the answer may lead elsewhere.
    async fn agree_to_logout(&self, person: &Person<'_>, page: &Page) -> anyhow::Result<Page>;
}

/// Who opens an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Somebody who has an account and is not logged in.
    Fresh,
    /// Somebody who has an account and may well be logged in.
    Anybody,
    /// Somebody whose login ends with a refusal, theirs or the provider's.
    Refused,
    /// Somebody for whom clients are there that registered themselves, and who may well be logged in.
    Tester,
    /// The same, not logged in.
    FreshTester,
}

/// What a person did at a page.
pub enum Step {
    /// Proved who they are; the browser goes there next.
    LoggedIn(Url),
    /// Something else; the browser goes there next.
    Went(Url),
}

/// A value of the metadata that is text.
pub fn named<'p>(provider: &'p dyn Provider, name: &str) -> anyhow::Result<&'p str> {
    provider.metadata()[name].as_str().with_context(|| format!("the metadata names no {name}"))
}

/// A person with a browser.
pub struct Person<'p> {
    provider: &'p dyn Provider,
    pub browser: Browser,
    /// Where the provider's world has them sit.
    pub seat: usize,
    /// Goes no further where the provider asks for a login.
    pub stays_out: bool,
}

/// Where a browser came to.
pub struct Landing {
    /// How often the person proved who they are on the way.
    pub logins: usize,
    pub end: End,
}

/// What a browser shows in the end.
pub enum End {
    /// An address of a client's, which nobody opens.
    Client(Url),
    /// A page of the provider's.
    Page(Page),
}

impl<'p> Person<'p> {
    pub async fn of(provider: &'p dyn Provider, whom: Whom) -> anyhow::Result<Self> {
        let (browser, seat) = provider.browser(whom).await?;
        Ok(Self { provider, browser, seat, stays_out: false })
    }

    /// Opens an address of the provider's and does what its pages ask.
    pub async fn visit(&self, url: &Url) -> anyhow::Result<Landing> {
        let page = self.browser.open_once(url.as_str()).await?;
        self.go_on(page).await
    }

    /// Posts a form as a page of another site does, and does what the pages ask that follow.
    pub async fn post(&self, url: &Url, form: &[(String, String)]) -> anyhow::Result<Landing> {
        let page = self.submit(url, form, "https://basic.client.example").await?;
        self.go_on(page).await
    }

    /// Goes on from an answer of the provider's.
    pub async fn go_on(&self, mut page: Page) -> anyhow::Result<Landing> {
        let provider = page.url.origin();
        let mut logins = 0;
        for _ in 0..20 {
            let next = if page.status.is_redirection() {
                let location = page.location.as_deref().context("a redirect without Location")?;
                page.url.join(location)?
            } else if self.stays_out {
                return Ok(Landing { logins, end: End::Page(page) });
            } else {
                match self.provider.obey(self, &page).await? {
                    None => return Ok(Landing { logins, end: End::Page(page) }),
                    Some(Step::Went(next)) => next,
                    Some(Step::LoggedIn(next)) => {
                        logins += 1;
                        next
                    }
                }
            };
            if next.origin() != provider {
                return Ok(Landing { logins, end: End::Client(next) });
            }
            page = self.browser.open_once(next.as_str()).await?;
        }
        bail!("{} leads nowhere", page.url)
    }

    /// Submits a form as a page of `origin`, and stays at the answer.
    pub async fn submit(
        &self,
        url: &Url,
        form: &[(String, String)],
        origin: &str,
    ) -> anyhow::Result<Page> {
        let request = self.browser.client().post(url.clone()).header("Origin", origin).form(form);
        let response = request.send().await?;
        let location = response.headers().get("location");
        Ok(Page {
            location: location.map(|value| value.to_str().map(str::to_owned)).transpose()?,
            url: response.url().clone(),
            status: response.status(),
            body: response.text().await?,
        })
    }
}

impl Landing {
    /// What the client is told, in the query of its address.
    pub fn at_client(&self, client: &Client) -> anyhow::Result<Reply> {
        match &self.end {
            End::Client(url) => {
                let expected = Url::parse(&client.redirect_uri)?;
                ensure!(
                    url[..url::Position::AfterPath] == expected[..url::Position::AfterPath],
                    "the browser was sent to {url}"
                );
                Ok(Reply { parameters: pairs(url)? })
            }
            End::Page(page) => bail!("a page instead of an answer: {} {}", page.status, seen(page)),
        }
    }

    /// A page of the provider's that is an error, and not the client's.
    pub fn error_page(&self) -> anyhow::Result<()> {
        match &self.end {
            End::Client(url) => bail!("the browser was sent to {url}"),
            End::Page(page) => {
                ensure!(page.status.is_client_error(), "{} {}", page.status, seen(page));
                Ok(())
            }
        }
    }
}

/// Address and heading of a page.
pub fn seen(page: &Page) -> String {
    format!("{}: {}", page.url, page.summary())
}

/// What came to a client by way of the browser.
#[derive(Debug)]
pub struct Reply {
    parameters: Vec<(String, String)>,
}

impl Reply {
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.parameters.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }

    pub fn code(&self) -> anyhow::Result<&str> {
        self.get("code").with_context(|| format!("no code: {self:?}"))
    }

    /// It is an error, one of these.
    pub fn is_error(&self, codes: &[&str]) -> anyhow::Result<()> {
        let code = self.get("error").with_context(|| format!("no error: {self:?}"))?;
        ensure!(codes.contains(&code), "the error is none of {codes:?}: {self:?}");
        ensure!(self.get("code").is_none(), "an error and a code: {self:?}");
        Ok(())
    }

    /// The members of the signed answer, whose signature and recipient hold (JARM §2.4).
    pub async fn opened(&self, party: &RelyingParty<'_>) -> anyhow::Result<Self> {
        let [(name, response)] = self.parameters.as_slice() else { bail!("not alone: {self:?}") };
        ensure!(name == "response", "{self:?}");
        let (_, claims) = crate::jose::verified(response, &party.keys().await?, "ES256")?;
        ensure!(claims["iss"] == party.issuer()?, "{claims}");
        ensure!(claims["aud"] == party.client.id, "{claims}");
        let exp = claims["exp"].as_i64().context("the answer has no exp")?;
        let now = crate::flow::now();
        ensure!(exp > now && exp <= now + 600, "exp is not within ten minutes: {claims}");
        let members = claims.as_object().context("no object")?;
        let texts = members.iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
        let parameters = texts.map(|(name, value)| (name.clone(), value.to_owned())).collect();
        Ok(Self { parameters })
    }
}

fn pairs(url: &Url) -> anyhow::Result<Vec<(String, String)>> {
    ensure!(url.fragment().is_none(), "the answer stands in the fragment: {url}");
    let parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    for (name, _) in &parameters {
        let times = parameters.iter().filter(|(other, _)| other == name).count();
        ensure!(times == 1, "{name} stands {times} times in {url}");
    }
    Ok(parameters)
}
