//! The plans `oidcc-rp-initiated-logout-certification-test-plan` and
//! `oidcc-backchannel-rp-initiated-logout-certification-test-plan`.

use anyhow::{Context, bail, ensure};
use sekisho::demo::browser::Answer as Page;
use serde_json::{Value, json};
use url::Url;

use crate::{
    catalogue::Trial,
    client::{BASIC, Client},
    flow::{RelyingParty, Tokens, now},
    id_token::is_for,
    jose::{self, Changes, Key},
    provider::{End, Landing, Person, Whom, named, seen},
};

/// Somebody who is logged in at a client.
pub struct Visit<'t> {
    trial: &'t Trial,
    pub party: RelyingParty<'t>,
    pub person: Person<'t>,
    pub tokens: Tokens,
    /// What came beside the code (OIDC Session Management §2).
    pub session_state: Option<String>,
}

impl<'t> Visit<'t> {
    pub async fn begun(trial: &'t Trial, client: &'t Client, whom: Whom) -> anyhow::Result<Self> {
        let party = RelyingParty::new(&*trial.provider, client)?;
        let (person, request) = (trial.person(whom).await?, party.request()?);
        let landing = party.sent(&person, &request).await?;
        let session_state = party.reply(&landing).await?.get("session_state").map(str::to_owned);
        let code = party.code(&landing, &request).await?;
        let answer = party.exchanged(&code, &request).await?;
        let tokens = party.good(&answer, request.get("nonce")).await?;
        Ok(Self { trial, party, person, tokens, session_state })
    }

    async fn at_basic(trial: &'t Trial) -> anyhow::Result<Self> {
        Self::begun(trial, trial.provider.client(BASIC)?, Whom::Fresh).await
    }

    pub fn registered(&self) -> (&'static str, String) {
        ("post_logout_redirect_uri", self.party.client.post_logout_redirect_uri.clone())
    }

    pub fn hint(&self) -> (&'static str, String) {
        ("id_token_hint", self.tokens.id_token_jws.clone())
    }

    /// Sends the person to the end of the session. They do nothing there that the provider asks.
    pub async fn leaves(&self, parameters: &[(&str, String)]) -> anyhow::Result<Landing> {
        let endpoint = named(&*self.trial.provider, "end_session_endpoint")?;
        self.person.visit(&Url::parse_with_params(endpoint, parameters)?).await
    }

    /// The same, and they agree where they are asked.
    pub async fn leaves_and_agrees(
        &self,
        parameters: &[(&str, String)],
    ) -> anyhow::Result<Landing> {
        let landing = self.leaves(parameters).await?;
        match landing.end {
            End::Page(page) if page.status.is_success() && page.body.contains("<form") => {
                let answer = self.trial.provider.agree_to_logout(&self.person, &page).await?;
                self.person.go_on(answer).await
            }
            _ => Ok(landing),
        }
    }

    /// Whether the provider still knows the person, without asking them.
    pub async fn is_over(&self) -> anyhow::Result<()> {
        let request = self.party.request()?.with("prompt", "none");
        let landing = self.party.sent(&self.person, &request).await?;
        let reply = landing.at_client(self.party.client)?;
        reply.is_error(&["login_required", "interaction_required"])
    }

    async fn goes_on(&self) -> anyhow::Result<()> {
        let request = self.party.request()?.with("prompt", "none");
        self.party.authorized(&self.person, &request).await.map(drop)
    }
}

/// Where the person was led.
fn led(landing: &Landing) -> anyhow::Result<&Url> {
    match &landing.end {
        End::Client(url) => Ok(url),
        End::Page(page) => bail!("the person was not led back: {}", seen(page)),
    }
}

/// It is the registered address, with this state and nothing else.
pub fn led_back(url: &Url, visit: &Visit<'_>, state: Option<&str>) -> anyhow::Result<()> {
    let mut expected = Url::parse(&visit.party.client.post_logout_redirect_uri)?;
    if let Some(state) = state {
        expected.query_pairs_mut().append_pair("state", state);
    }
    ensure!(*url == expected, "led to {url}, not to {expected}");
    Ok(())
}

/// The person is not led away: a page says what is wrong, or asks.
pub fn kept(landing: Landing) -> anyhow::Result<Page> {
    match landing.end {
        End::Client(url) => bail!("the person was led to {url}"),
        End::Page(page) => Ok(page),
    }
}

/// The page says what is wrong, or asks the person; so far nothing has happened.
async fn refused_or_asked(visit: &Visit<'_>, landing: Landing) -> anyhow::Result<()> {
    let page = kept(landing)?;
    let asks = page.status.is_success() && page.body.contains("<form");
    ensure!(page.status.is_client_error() || asks, "{} {}", page.status, seen(&page));
    visit.goes_on().await
}

pub async fn rp_initiated(trial: &Trial) -> anyhow::Result<()> {
    let visit = Visit::at_basic(trial).await?;
    let state = jose::random()?;
    let parameters = [visit.hint(), visit.registered(), ("state", state.clone())];
    led_back(led(&visit.leaves_and_agrees(&parameters).await?)?, &visit, Some(&state))?;
    visit.is_over().await
}

pub async fn no_state(trial: &Trial) -> anyhow::Result<()> {
    let visit = Visit::at_basic(trial).await?;
    let landing = visit.leaves_and_agrees(&[visit.hint(), visit.registered()]).await?;
    led_back(led(&landing)?, &visit, None)?;
    visit.is_over().await
}

async fn with_address(trial: &Trial, change: impl Fn(&str) -> String) -> anyhow::Result<()> {
    let visit = Visit::at_basic(trial).await?;
    let (name, registered) = visit.registered();
    let parameters = [visit.hint(), (name, change(&registered)), ("state", jose::random()?)];
    let landing = visit.leaves(&parameters).await?;
    refused_or_asked(&visit, landing).await
}

pub async fn bad_address(trial: &Trial) -> anyhow::Result<()> {
    with_address(trial, |registered| format!("{registered}/other")).await
}

pub async fn query_added(trial: &Trial) -> anyhow::Result<()> {
    with_address(trial, |registered| format!("{registered}?foo=bar")).await
}

async fn with_hint(
    trial: &Trial,
    hint: impl Fn(&Visit<'_>) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    let visit = Visit::at_basic(trial).await?;
    let parameters =
        [("id_token_hint", hint(&visit)?), visit.registered(), ("state", jose::random()?)];
    let landing = visit.leaves(&parameters).await?;
    refused_or_asked(&visit, landing).await
}

/// The header says `none`, and there is no signature.
pub async fn modified_hint(trial: &Trial) -> anyhow::Result<()> {
    with_hint(trial, |visit| {
        let payload = visit.tokens.id_token_jws.split('.').nth(1).context("no claims")?;
        Ok(format!("{}.{payload}.", jose::encode(json!({ "alg": "none" }).to_string())))
    })
    .await
}

/// All that an ID token of this session says, under a key of our own.
pub async fn bad_hint(trial: &Trial) -> anyhow::Result<()> {
    with_hint(trial, |visit| {
        let (header, claims) = jose::read(&visit.tokens.id_token_jws)?;
        jose::signed(&Key::generate()?, header, claims, &Changes::none())
    })
    .await
}

pub async fn no_hint(trial: &Trial) -> anyhow::Result<()> {
    let visit = Visit::at_basic(trial).await?;
    let landing = visit.leaves(&[visit.registered(), ("state", jose::random()?)]).await?;
    refused_or_asked(&visit, landing).await
}

/// The session ends, once the person agreed, and a page says so.
async fn ends_here(trial: &Trial, with_hint: bool, with_state: bool) -> anyhow::Result<()> {
    let visit = Visit::at_basic(trial).await?;
    let mut parameters = Vec::new();
    if with_hint {
        parameters.push(visit.hint());
    }
    if with_state {
        parameters.push(("state", jose::random()?));
    }
    let page = kept(visit.leaves_and_agrees(&parameters).await?)?;
    ensure!(page.status.is_success(), "{} {}", page.status, seen(&page));
    visit.is_over().await
}

pub async fn no_parameters(trial: &Trial) -> anyhow::Result<()> {
    ends_here(trial, false, false).await
}

pub async fn no_address(trial: &Trial) -> anyhow::Result<()> {
    ends_here(trial, true, true).await
}

pub async fn only_state(trial: &Trial) -> anyhow::Result<()> {
    ends_here(trial, false, true).await
}

/// Back-Channel Logout 1.0 §2.4.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

pub async fn backchannel(trial: &Trial) -> anyhow::Result<()> {
    let visit = Visit::at_basic(trial).await?;
    let sid = visit.tokens.id_token["sid"].clone();
    ensure!(sid.is_string(), "the ID token has no sid: {}", visit.tokens.id_token);
    let state = jose::random()?;
    let parameters = [visit.hint(), visit.registered(), ("state", state.clone())];
    led_back(led(&visit.leaves_and_agrees(&parameters).await?)?, &visit, Some(&state))?;
    let (client, id_token) = (visit.party.client, &visit.tokens.id_token);
    // Other modules end other sessions of the same client at the same time.
    let ours = |token: &str| {
        let Ok((_, claims)) = jose::read(token) else { return false };
        claims["sid"] == sid || (claims["sid"].is_null() && claims["sub"] == id_token["sub"])
    };
    let token = trial.provider.logout_tokens().first(&client.id, ours).await?;
    let (header, claims) =
        jose::verified(&token, &visit.party.keys().await?, client.id_token_algorithm)?;
    if let Some(typ) = header["typ"].as_str() {
        ensure!(["logout+jwt", "JWT"].contains(&typ), "typ is {typ}");
    }
    ensure!(claims["iss"] == visit.party.issuer()?, "another issuer: {claims}");
    is_for(client, &claims)?;
    ensure!(claims["sid"] == sid, "no sid: {claims}");
    ensure!(claims["sub"].is_null() || claims["sub"] == id_token["sub"], "of another: {claims}");
    ensure!(claims["events"][EVENT].is_object(), "not a logout: {claims}");
    ensure!(claims["jti"].is_string(), "no jti: {claims}");
    ensure!(claims.get("nonce").is_none(), "a nonce is forbidden: {claims}");
    let iat = claims["iat"].as_i64().context("no iat")?;
    ensure!((iat - now()).abs() < 60, "made at another time: {claims}");
    let ends = claims.get("exp").map(Value::as_i64);
    ensure!(ends.is_none_or(|exp| exp.is_some_and(|exp| exp > now())), "over: {claims}");
    visit.is_over().await
}
