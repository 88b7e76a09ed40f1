//! Who asks: so many browsers of people who are logged in, each with the program of the service behind
//! it, over kept connections.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::try_join_all;
use http::{Request, Response, StatusCode, header};
use hyper::body::Bytes;
use serde::{Deserialize, Serialize};
use url::{Position, Url, form_urlencoded};

use super::target::Target;
use crate::{
    cli::bench::usage::CpuTime,
    demo::connection::{Connection, Door},
};

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// What is asked before anything counts: statements are prepared, code is warm.
const WARM: Duration = Duration::from_millis(500);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Operation {
    /// Authorization request, then the exchange of its code.
    Login,
    /// A refresh token for new tokens.
    Refresh,
    /// What is known about a person.
    Userinfo,
    /// Tokens for the service itself.
    ClientCredentials,
    /// The keys.
    Jwks,
    /// The document of the provider.
    Discovery,
}

impl Operation {
    /// In this order: a store in memory may keep the newest tokens only, and those of a service push
    /// people's out.
    pub(super) const ALL: [Self; 6] = [
        Self::Login,
        Self::Refresh,
        Self::Userinfo,
        Self::ClientCredentials,
        Self::Jwks,
        Self::Discovery,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Refresh => "refresh",
            Self::ClientCredentials => "client_credentials",
            Self::Userinfo => "userinfo",
            Self::Jwks => "jwks",
            Self::Discovery => "discovery",
        }
    }

    pub(super) const fn goal(self) -> &'static str {
        match self {
            Self::Login => "(goal 1500/s, 0.6 ms)",
            Self::Refresh => "(goal 6000/s, 0.2 ms)",
            Self::ClientCredentials => "(goal 8000/s, 0.15 ms)",
            Self::Userinfo => "(goal 10000/s)",
            Self::Jwks | Self::Discovery => "(goal 30000/s)",
        }
    }
}

/// One operation at one provider.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Run {
    pub(super) operation: Operation,
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// The serving process's own CPU time, user and system, for each.
    pub(super) server_cpu_ms: f64,
}

#[derive(Debug, Default, Deserialize)]
struct Tokens {
    access_token: String,
    #[serde(default)]
    refresh_token: Option<String>,
}

/// A person's browser and the service that they use.
pub(super) struct Visitor {
    target: Arc<Target>,
    cookie: String,
    basic: String,
    browser: Connection,
    program: Connection,
    tokens: Tokens,
}

/// One for each person, connected and logged in at the service.
pub(super) async fn visitors(target: Target) -> anyhow::Result<Vec<Visitor>> {
    let root = std::fs::read(&target.root)
        .with_context(|| format!("cannot read {}", target.root.display()))?;
    let origin = |url: &Url| url[..Position::BeforePath].to_owned();
    let front = Door::new(&origin(&target.authorization_endpoint), &root)?;
    let back = Door::new(&origin(&target.token_endpoint), &root)?;
    let target = Arc::new(target);
    let identity = target.identity.as_ref();
    let identity = identity.map(|(certificate, key)| (certificate.as_slice(), key.as_slice()));
    let secret = format!("{}:{}", target.client_id, target.client_secret);
    let basic = format!("Basic {}", STANDARD.encode(secret));
    let mut visitors = Vec::new();
    for cookie in &target.cookies {
        let mut visitor = Visitor {
            target: Arc::clone(&target),
            cookie: cookie.clone(),
            basic: basic.clone(),
            browser: front.connect(identity).await?,
            program: back.connect(None).await?,
            tokens: Tokens::default(),
        };
        visitor.login().await?;
        visitors.push(visitor);
    }
    Ok(visitors)
}

/// Everybody does it again and again, so long.
pub(super) async fn run(
    visitors: Vec<Visitor>,
    process: u32,
    operation: Operation,
    seconds: u32,
) -> anyhow::Result<(Vec<Visitor>, Run)> {
    let (visitors, _) = all(visitors, operation, Instant::now() + WARM).await?;
    let (before, began) = (CpuTime::of(process)?, Instant::now());
    let until = began + Duration::from_secs(seconds.into());
    let (visitors, mut latencies) = all(visitors, operation, until).await?;
    let (took, cpu) = (began.elapsed(), CpuTime::of(process)?.since(&before));
    ensure!(!latencies.is_empty(), "nothing was answered in time");
    latencies.sort_unstable();
    let at = |share: usize| latencies[(latencies.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    #[allow(clippy::cast_precision_loss, reason = "numbers far below 2^52")]
    let number = latencies.len() as f64;
    let run = Run {
        operation,
        per_second: number / took.as_secs_f64(),
        p50_ms: at(50),
        p99_ms: at(99),
        server_cpu_ms: cpu.as_secs_f64() * 1000.0 / number,
    };
    Ok((visitors, run))
}

async fn all(
    visitors: Vec<Visitor>,
    operation: Operation,
    until: Instant,
) -> anyhow::Result<(Vec<Visitor>, Vec<Duration>)> {
    let work = visitors.into_iter().map(|visitor| {
        let work = tokio::spawn(visitor.keep_on(operation, until));
        async move { work.await? }
    });
    let mut latencies = Vec::new();
    let mut visitors = Vec::new();
    for (visitor, took) in try_join_all(work).await? {
        visitors.push(visitor);
        latencies.extend(took);
    }
    Ok((visitors, latencies))
}

impl Visitor {
    async fn keep_on(
        mut self,
        operation: Operation,
        until: Instant,
    ) -> anyhow::Result<(Self, Vec<Duration>)> {
        let mut latencies = Vec::new();
        let mut began = Instant::now();
        while began < until {
            self.once(operation).await?;
            let now = Instant::now();
            latencies.push(now - began);
            began = now;
        }
        Ok((self, latencies))
    }

    async fn once(&mut self, operation: Operation) -> anyhow::Result<()> {
        match operation {
            Operation::Login => self.login().await,
            Operation::Refresh => self.refresh().await,
            Operation::ClientCredentials => self.client_credentials().await,
            Operation::Userinfo => self.userinfo().await,
            Operation::Jwks => self.document(|target| &target.jwks_uri).await,
            Operation::Discovery => self.document(|target| &target.discovery).await,
        }
    }

    async fn login(&mut self) -> anyhow::Result<()> {
        let target = Arc::clone(&self.target);
        let mut address = target.authorization_endpoint.clone();
        address
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &target.client_id)
            .append_pair("redirect_uri", &target.redirect_uri)
            .append_pair("scope", &target.scope)
            .append_pair("state", "af0ifjsldkj")
            .append_pair("nonce", "n-0S6_WzA2Mj")
            .append_pair("code_challenge", CHALLENGE)
            .append_pair("code_challenge_method", "S256");
        let request = Request::get(path(&address)).header(header::COOKIE, &self.cookie);
        let answer = self.browser.ask(request, Bytes::new()).await?;
        let location = answer.headers().get(header::LOCATION);
        let location = location.with_context(|| told("no way back to the service", &answer))?;
        let location = Url::parse(location.to_str()?)?;
        let code = location.query_pairs().find(|(name, _)| name == "code");
        let (_, code) = code.with_context(|| told("no code", &answer))?;
        let exchange = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &target.redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        self.tokens = self.token(&exchange).await?;
        Ok(())
    }

    async fn refresh(&mut self) -> anyhow::Result<()> {
        let token = self.tokens.refresh_token.take().context("there is no refresh token")?;
        let grant = [("grant_type", "refresh_token"), ("refresh_token", &token)];
        self.tokens = self.token(&grant).await?;
        // One that does not rotate stays as it is (RFC 6749 §6).
        self.tokens.refresh_token.get_or_insert(token);
        Ok(())
    }

    async fn client_credentials(&mut self) -> anyhow::Result<()> {
        let target = Arc::clone(&self.target);
        let mut grant = vec![("grant_type", "client_credentials")];
        grant.extend(target.resource.as_deref().map(|resource| ("resource", resource)));
        self.token(&grant).await.map(drop)
    }

    async fn token(&mut self, form: &[(&str, &str)]) -> anyhow::Result<Tokens> {
        let request = Request::post(path(&self.target.token_endpoint))
            .header(header::AUTHORIZATION, &self.basic)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let answer = self.program.ask(request, body).await?;
        ensure!(answer.status() == StatusCode::OK, told("no tokens", &answer));
        Ok(serde_json::from_slice(answer.body())?)
    }

    async fn userinfo(&mut self) -> anyhow::Result<()> {
        let bearer = format!("Bearer {}", self.tokens.access_token);
        let request = Request::get(path(&self.target.userinfo_endpoint))
            .header(header::AUTHORIZATION, bearer);
        let answer = self.program.ask(request, Bytes::new()).await?;
        ensure!(answer.status() == StatusCode::OK, told("nothing about the person", &answer));
        Ok(())
    }

    async fn document(&mut self, which: impl Fn(&Target) -> &Url) -> anyhow::Result<()> {
        let request = Request::get(path(which(&self.target)));
        let answer = self.program.ask(request, Bytes::new()).await?;
        ensure!(answer.status() == StatusCode::OK, told("no document", &answer));
        Ok(())
    }
}

fn path(address: &Url) -> &str {
    &address[Position::BeforePath..Position::AfterQuery]
}

fn told(what: &str, answer: &Response<Bytes>) -> String {
    format!("{what}: {} {}", answer.status(), String::from_utf8_lossy(answer.body()).trim())
}
