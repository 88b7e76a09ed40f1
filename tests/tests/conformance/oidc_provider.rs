//! An independent provider: node-oidc-provider, as it comes from npm, in `tests/conformance/provider.mjs`.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, bail, ensure};
use async_trait::async_trait;
use sekisho::demo::{
    browser::{Answer as Page, Browser, Resolution},
    process::Program,
    stage::free_port,
};
use sekisho_tests::loopback_tls::LoopbackTls;
use serde_json::{Value, json};
use tokio::process::Command;
use url::Url;

use crate::{
    backchannel::Listener,
    client::{self, Binding, Client, Profile, Programs},
    flow::Answer,
    jose,
    node::node,
    provider::{Person, Provider, Step, Whom, named},
    registration::ORIGIN,
};

/// How long a code lives here unless it is told otherwise.
const CODE_LIFETIME: Duration = Duration::from_secs(60);
/// Where those sit who refuse to log in.
const REFUSED: usize = 1;

/// The running provider.
pub struct OidcProvider {
    /// Ends with this.
    _program: Program,
    root_pem: Vec<u8>,
    metadata: Value,
    initial_access_token: String,
    clients: Vec<Client>,
    programs: Programs,
    tokens: Listener,
}

impl OidcProvider {
    /// Starts it with the clients registered; its files go to `folder`.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let (node, libraries) = node().await?;
        let tls = LoopbackTls::make(folder).await?;
        let root_pem = std::fs::read(&tls.certificate)?;
        let tokens = Listener::start().await?;
        let clients = client::all(folder).await?;
        let port = free_port()?;
        let issuer = format!("https://localhost:{port}");
        let initial_access_token = jose::random()?;
        let told = json!({
            "issuer": issuer,
            "port": port,
            "tls": tls.told()?,
            "cookieKey": jose::random()?,
            "initialAccessToken": initial_access_token,
            "documents": { format!("{ORIGIN}/other_redirect_uris.json"): [format!("{ORIGIN}/other")] },
            "clients": clients.iter().map(|c| registration(c, &tokens)).collect::<Vec<_>>(),
            "profiles": clients.iter().map(profile).collect::<BTreeMap<_, _>>(),
        });
        let file = folder.join("told.json");
        std::fs::write(&file, told.to_string())?;
        let mut command = Command::new(node);
        command.arg("provider.mjs").arg(&file).current_dir(libraries);
        command.env("NODE_NO_WARNINGS", "1");
        let (program, _) = Program::start("oidc-provider", command, folder).await?;
        let programs = Programs::make(&clients, |identity| {
            Ok(browser(&root_pem, identity)?.client().clone())
        })?;
        let metadata = Value::Null;
        let mut started = Self {
            _program: program,
            root_pem,
            metadata,
            initial_access_token,
            clients,
            programs,
            tokens,
        };
        let at = format!("{issuer}/.well-known/openid-configuration");
        started.metadata = Answer::of(started.http(None)?.get(at)).await?.json()?;
        Ok(started)
    }
}

fn browser(root_pem: &[u8], identity: Option<&[u8]>) -> anyhow::Result<Browser> {
    Browser::new(root_pem, identity, &Resolution { hosts: vec!["localhost".to_owned()] })
}

fn profile(client: &Client) -> (String, &'static str) {
    let profile = match client.profile {
        Profile::Openid => "openid",
        Profile::Fapi2Security | Profile::Fapi2MessageSigning => "fapi2",
    };
    (client.id.clone(), profile)
}

/// As RFC 7591 names it.
fn registration(client: &Client, tokens: &Listener) -> Value {
    let mut registered = json!({
        "client_id": client.id,
        "redirect_uris": [client.redirect_uri],
        "post_logout_redirect_uris": [client.post_logout_redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": client.authentication.method(),
        "backchannel_logout_uri": tokens.address(&client.id),
        "backchannel_logout_session_required": true,
        "scope": "openid profile email",
    });
    if !client.is_fapi() {
        registered["client_secret"] = client.secret.as_str().into();
        return registered;
    }
    registered["jwks"] = client.jwks();
    registered["require_pushed_authorization_requests"] = true.into();
    if client.profile == Profile::Fapi2MessageSigning {
        registered["require_signed_request_object"] = true.into();
        registered["request_object_signing_alg"] = "ES256".into();
    }
    match client.binding {
        Binding::Nothing => {}
        Binding::Dpop => registered["dpop_bound_access_tokens"] = true.into(),
        Binding::Certificate => {
            registered["tls_client_certificate_bound_access_tokens"] = true.into();
        }
    }
    registered
}

#[async_trait]
impl Provider for OidcProvider {
    fn metadata(&self) -> &Value {
        &self.metadata
    }

    fn client(&self, id: &str) -> anyhow::Result<&Client> {
        let found = self.clients.iter().find(|client| client.id == id);
        found.with_context(|| format!("{id} is not registered"))
    }

    fn http(&self, certificate_of: Option<&Client>) -> anyhow::Result<reqwest::Client> {
        self.programs.of(certificate_of)
    }

    fn code_lifetime(&self) -> Duration {
        CODE_LIFETIME
    }

    fn initial_access_token(&self) -> &str {
        &self.initial_access_token
    }

    async fn keys_before_rotation(&self) -> anyhow::Result<&Value> {
        bail!("its keys are given at its start")
    }

    fn logout_tokens(&self) -> &Listener {
        &self.tokens
    }

    async fn browser(&self, of: Whom) -> anyhow::Result<(Browser, usize)> {
        // A login is two forms: nothing would be won by sharing one.
        Ok((browser(&self.root_pem, None)?, if of == Whom::Refused { REFUSED } else { 0 }))
    }

    async fn obey(&self, person: &Person<'_>, page: &Page) -> anyhow::Result<Option<Step>> {
        let interaction = page.url.path().starts_with("/interaction/");
        if !(interaction && page.status.is_success()) {
            return Ok(None);
        }
        if person.seat == REFUSED {
            return Ok(Some(Step::Went(page.url.join(&format!("{}/abort", page.url.path()))?)));
        }
        let prompt = page.value_of("prompt")?;
        let mut form = vec![("prompt".to_owned(), prompt.clone())];
        if prompt == "login" {
            form.push(("login".to_owned(), "yamada".to_owned()));
            form.push(("password".to_owned(), "any".to_owned()));
        }
        let origin = page.url.origin().ascii_serialization();
        let answer = person.submit(&page.url, &form, &origin).await?;
        ensure!(answer.status.is_redirection(), "{} {}", answer.status, answer.summary());
        let next = page.url.join(answer.location.as_deref().unwrap_or_default())?;
        Ok(Some(if prompt == "login" { Step::LoggedIn(next) } else { Step::Went(next) }))
    }

    async fn agree_to_logout(&self, person: &Person<'_>, page: &Page) -> anyhow::Result<Page> {
        let form = vec![
            ("xsrf".to_owned(), page.value_of("xsrf")?),
            ("logout".to_owned(), "yes".to_owned()),
        ];
        let origin = page.url.origin().ascii_serialization();
        let confirm = format!("{}/confirm", named(self, "end_session_endpoint")?);
        person.submit(&Url::parse(&confirm)?, &form, &origin).await
    }
}
