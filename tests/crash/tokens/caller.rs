//! A service and a person's browser, as the provider sees them.

use std::sync::Arc;

use anyhow::Context;
use http::{Request, StatusCode, header};
use sekisho::demo::{
    at_work::Terminal,
    connection::{Connection, Door},
    stage::Origins,
};
use sekisho_key::{Randomness, SigningKey, SoftwareKey, SystemRandomness};
use sekisho_protocol::{Jwk, octets::encode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use url::form_urlencoded::Serializer;

use super::super::rig::Rig;

const CLIENT: &str = "crashed";
const CALLBACK: &str = "https://crashed.example/callback";
const RESOURCE: &str = "https://crashed.example/api";
/// The challenge of every request (RFC 7636, appendix B); what is tried here is not PKCE.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// How long an assertion counts, in seconds: longer than a crash takes.
const ASSERTION_SECS: i64 = 300;

/// A form, as pairs.
pub type Form = Vec<(&'static str, String)>;

/// The service with its key.
pub struct Service {
    key: SoftwareKey,
}

impl Service {
    /// With a fresh key.
    ///
    /// # Errors
    /// The cryptographic library.
    pub fn make() -> anyhow::Result<Self> {
        Ok(Self { key: SoftwareKey::generate_p256()? })
    }

    /// Its registration.
    ///
    /// # Errors
    /// When the key does not read.
    pub fn file(&self) -> anyhow::Result<String> {
        let jwk = serde_json::to_value(Jwk::from_spki_der(self.key.public_key_der())?)?;
        let members = jwk.as_object().context("a key is an object")?;
        // JSON's texts are TOML's.
        let members: Vec<_> =
            members.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        Ok(format!(
            r#"
id = "{CLIENT}"
name = {{ ja = "{CLIENT}", en = "{CLIENT}" }}
description = {{ ja = "停電の試験", en = "What is crashed" }}
home_url = "https://crashed.example/"
redirect_uris = ["{CALLBACK}"]
authentication = "private_key_jwt"
scopes = ["openid"]

[[jwks.keys]]
{}

[protocol]
grant_types = ["authorization_code", "refresh_token", "client_credentials"]
resources = ["{RESOURCE}"]

[[rules]]
id = "physicians"
roles = ["Medical Doctor"]
"#,
            members.join("\n")
        ))
    }

    /// A fresh assertion for the provider (RFC 7523 §3).
    fn assertion(&self, issuer: &str) -> anyhow::Result<String> {
        let mut jti = [0; 16];
        SystemRandomness.fill(&mut jti)?;
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let claims = json!({
            "iss": CLIENT, "sub": CLIENT, "aud": issuer, "jti": encode(jti),
            "iat": now, "exp": now + ASSERTION_SECS,
        });
        let header = json!({ "alg": "ES256" });
        let input = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.key.sign_fixed_now(input.as_bytes())?;
        Ok(format!("{input}.{}", encode(signature)))
    }
}

/// What an endpoint said.
#[derive(Debug)]
pub enum Told {
    /// Done.
    Done(Value),
    /// Refused, for good.
    Refused(String),
    /// Not now: a failure of the provider's.
    Later,
}

/// One person's browser, and the service's program for them.
pub struct Caller {
    service: Arc<Service>,
    issuer: String,
    public: Door,
    portal: Door,
    terminal: Terminal,
    cookie: String,
    program: Option<Connection>,
    browser: Option<Connection>,
}

impl Caller {
    /// At the doors of a rig.
    ///
    /// # Errors
    /// When an address does not read.
    pub fn new(
        origins: &Origins,
        rig: &Rig,
        service: &Arc<Service>,
        terminal: &Terminal,
        cookie: &str,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            service: Arc::clone(service),
            issuer: origins.public.clone(),
            public: rig.door(&origins.public)?,
            portal: rig.door(&origins.terminal)?,
            terminal: terminal.clone(),
            cookie: cookie.to_owned(),
            program: None,
            browser: None,
        })
    }

    /// A fresh assertion.
    ///
    /// # Errors
    /// The cryptographic library.
    pub fn assertion(&self) -> anyhow::Result<String> {
        self.service.assertion(&self.issuer)
    }

    /// The form that sends a request ahead.
    pub fn request() -> Form {
        [
            ("response_type", "code"),
            ("client_id", CLIENT),
            ("redirect_uri", CALLBACK),
            ("scope", "openid"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec()
    }

    /// The form that exchanges a code.
    pub fn exchange(code: &str) -> Form {
        [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec()
    }

    /// The form that refreshes.
    pub fn refresh(token: &str) -> Form {
        vec![("grant_type", "refresh_token".to_owned()), ("refresh_token", token.to_owned())]
    }

    /// The form of a token of the service's own.
    pub fn own_token() -> Form {
        let resource = ("resource", RESOURCE.to_owned());
        vec![("grant_type", "client_credentials".to_owned()), resource]
    }

    /// Posts a form with this assertion.
    ///
    /// # Errors
    /// The connection broke: whether it was carried out is not known.
    pub async fn post(&mut self, path: &str, form: &Form, assertion: &str) -> anyhow::Result<Told> {
        let mut connection = match self.program.take() {
            Some(connection) => connection,
            None => self.public.connect(None).await?,
        };
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let body = Serializer::new(String::new())
            .extend_pairs(form.iter().map(|(name, value)| (*name, value.as_str())))
            .append_pair("client_assertion_type", kind)
            .append_pair("client_assertion", assertion)
            .finish();
        let request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = connection.ask(request, body).await?;
        self.program = Some(connection);
        Ok(match answer.status() {
            status if status.is_success() => Told::Done(serde_json::from_slice(answer.body())?),
            status if refuses(status) => {
                Told::Refused(String::from_utf8_lossy(answer.body()).into_owned())
            }
            _ => Told::Later,
        })
    }

    /// Opens the authorization endpoint with a request that was sent ahead: the code.
    ///
    /// # Errors
    /// As [`Self::post`].
    pub async fn authorize(&mut self, request_uri: &str) -> anyhow::Result<Told> {
        let mut connection = match self.browser.take() {
            Some(connection) => connection,
            None => {
                let Terminal { certificate, key, .. } = &self.terminal;
                self.portal.connect(Some((certificate, key))).await?
            }
        };
        let query = Serializer::new(String::new())
            .append_pair("client_id", CLIENT)
            .append_pair("request_uri", request_uri)
            .finish();
        let request = Request::get(format!("/authorize?{query}"))
            .header(header::COOKIE, &self.cookie)
            .header(header::ACCEPT, "text/html");
        let answer = connection.ask(request, "").await?;
        self.browser = Some(connection);
        let location = answer.headers().get(header::LOCATION);
        let location = location.map(|value| value.to_str()).transpose()?.unwrap_or_default();
        let code = url::Url::parse(location).ok().and_then(|url| {
            let mut pairs = url.query_pairs();
            pairs.find(|(name, _)| name == "code").map(|(_, code)| code.into_owned())
        });
        Ok(match code {
            Some(code) => Told::Done(code.into()),
            None if answer.status().is_server_error() => Told::Later,
            None if FAILURES.iter().any(|failure| location.contains(failure)) => Told::Later,
            None => Told::Refused(format!("{} {location}", answer.status())),
        })
    }
}

/// What a client is told of a failure of the provider's (RFC 6749 §4.1.2.1).
const FAILURES: [&str; 2] = ["error=server_error", "error=temporarily_unavailable"];

/// Not one that asks to come again.
fn refuses(status: StatusCode) -> bool {
    let later = [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT];
    status.is_client_error() && !later.contains(&status)
}
