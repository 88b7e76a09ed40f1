//! Clients that a module registers by itself (RFC 7591), and what is theirs to change (RFC 7592).

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::{
    catalogue::Trial,
    client::{Authentication, BASIC, Binding, Client, Profile},
    flow::{Answer, RelyingParty, Tokens},
    jose::{self, Key},
    provider::{Person, Whom, named},
};

/// Where those clients live.
pub const ORIGIN: &str = "https://itself.client.example";

/// A client that registered itself.
pub struct Registered {
    pub client: Client,
    /// What the provider said is registered.
    pub told: Value,
}

/// The members of a registration, with `more` in their place or beside them.
pub fn metadata(more: &Value) -> Value {
    let mut metadata = json!({
        "client_name": "Itself",
        "redirect_uris": [format!("{ORIGIN}/callback")],
        "post_logout_redirect_uris": [format!("{ORIGIN}/post_logout_redirect")],
        "token_endpoint_auth_method": Authentication::SecretBasic.method(),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        metadata[name] = value.clone();
    }
    metadata
}

impl Trial {
    /// Sends a registration, with this token.
    pub async fn registration(
        &self,
        token: Option<&str>,
        metadata: &Value,
    ) -> anyhow::Result<Answer> {
        let url = named(&*self.provider, "registration_endpoint")?;
        let mut request = self.provider.http(None)?.post(url).json(metadata);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        Answer::of(request).await
    }

    /// Registers a client with `more` members than the least. Nobody does without the token.
    pub async fn registers(&self, more: &Value) -> anyhow::Result<Registered> {
        self.registers_with(Key::generate()?, more).await
    }

    /// The same with this key, for a client that signs its assertions.
    pub async fn registers_with(&self, key: Key, more: &Value) -> anyhow::Result<Registered> {
        let metadata = metadata(more);
        for token in [None, Some("nonsense")] {
            let answer = self.registration(token, &metadata).await?;
            ensure!(answer.status == 401, "registered with the token {token:?}: {answer:?}");
        }
        let token = self.provider.initial_access_token();
        let answer = self.registration(Some(token), &metadata).await?;
        answer.is(201)?;
        let told = answer.json()?;
        // RFC 7591 §3.2.1: what is registered is told, and that is what was asked for.
        for (name, asked) in metadata.as_object().into_iter().flatten() {
            let is = &told[name];
            ensure!(is.is_null() || is == asked, "{name} is {is} instead of {asked}");
        }
        let text =
            |name: &str| told[name].as_str().with_context(|| format!("no {name} is told: {told}"));
        let authentication = match text("token_endpoint_auth_method")? {
            "client_secret_basic" => Authentication::SecretBasic,
            "private_key_jwt" => Authentication::PrivateKeyJwt,
            other => bail!("registered for {other}"),
        };
        let secret = match authentication {
            Authentication::SecretBasic => {
                ensure!(told["client_secret_expires_at"].is_i64(), "does the secret end? {told}");
                text("client_secret")?.to_owned()
            }
            _ => String::new(),
        };
        let id_token_algorithm = match told["id_token_signed_response_alg"].as_str() {
            Some("ES256") => "ES256",
            // OIDC Registration §2: what is not told.
            Some("RS256") | None => "RS256",
            Some(other) => bail!("ID tokens would be signed with {other}"),
        };
        let client = Client {
            id: text("client_id")?.to_owned(),
            profile: Profile::Openid,
            authentication,
            binding: Binding::Nothing,
            redirect_uri: told["redirect_uris"][0].as_str().context("no address")?.to_owned(),
            post_logout_redirect_uri: format!("{ORIGIN}/post_logout_redirect"),
            pkce: true,
            id_token_algorithm,
            secret,
            key,
            rsa: Arc::clone(&self.provider.client(BASIC)?.rsa),
            certificate_der: Vec::new(),
            identity_pem: Vec::new(),
        };
        Ok(Registered { client, told })
    }
}

impl Registered {
    pub fn party<'t>(&'t self, trial: &'t Trial) -> anyhow::Result<RelyingParty<'t>> {
        RelyingParty::new(&*trial.provider, &self.client)
    }

    /// Somebody logs in at it.
    pub async fn logs_in<'t>(
        &'t self,
        trial: &'t Trial,
    ) -> anyhow::Result<(RelyingParty<'t>, Person<'t>, Tokens)> {
        let (party, person) = (self.party(trial)?, trial.person(Whom::Tester).await?);
        let tokens = party.tokens(&person, &party.request()?).await?;
        Ok((party, person, tokens))
    }

    /// Its own access token, for its registration.
    pub fn access_token(&self) -> anyhow::Result<&str> {
        let token = self.told["registration_access_token"].as_str();
        token.context("no registration_access_token")
    }

    /// Replaces its registration: as it is told, but for one member (RFC 7592 §2.2).
    pub async fn replaces(
        &self,
        trial: &Trial,
        token: &str,
        (name, value): (&str, Value),
    ) -> anyhow::Result<Answer> {
        let url = self.told["registration_client_uri"].as_str();
        let url = url.context("no registration_client_uri")?;
        let mut metadata = self.told.clone();
        metadata[name] = value;
        let members = metadata.as_object_mut().context("no object")?;
        for given in [
            "registration_access_token",
            "registration_client_uri",
            "client_secret_expires_at",
            "client_id_issued_at",
        ] {
            members.remove(given);
        }
        let request = trial.provider.http(None)?.put(url).bearer_auth(token).json(&metadata);
        Answer::of(request).await
    }
}

/// The public half of a client's key, as it is registered.
pub fn jwks(key: &Key) -> Value {
    let mut jwk = key.jwk();
    jwk["kid"] = "ec".into();
    json!({ "keys": [jwk] })
}

/// What a registration is refused with (RFC 7591 §3.2.2).
pub fn is_refused(answer: &Answer, codes: &[&str]) -> anyhow::Result<()> {
    answer.is(400)?;
    let kind = answer.headers.get("content-type").and_then(|value| value.to_str().ok());
    ensure!(kind.is_some_and(|kind| kind.starts_with("application/json")), "{answer:?}");
    answer.is_error(codes)
}

/// A signed userinfo (OIDC Core §5.3.2): its claims.
pub async fn signed_userinfo(
    party: &RelyingParty<'_>,
    tokens: &Tokens,
    algorithm: &str,
) -> anyhow::Result<Value> {
    let answer = party.userinfo(&tokens.access_token).await?;
    answer.is(200)?;
    let kind = answer.headers.get("content-type").and_then(|value| value.to_str().ok());
    ensure!(kind.is_some_and(|kind| kind.starts_with("application/jwt")), "{answer:?}");
    let (_, told) = jose::verified(&answer.body, &party.keys().await?, algorithm)?;
    Ok(told)
}
