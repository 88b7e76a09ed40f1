//! What a client does: asks for an authorization, exchanges the code, uses the token. Every step can be
//! made wrong on purpose.

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};
use url::Url;

use crate::{
    client::{Binding, Client, Profile},
    jose::{self, Changes, Key},
    provider::{Landing, Person, Provider, Reply, named},
};

/// Seconds since 1970.
pub fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

/// An answer to a program.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: String,
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> anyhow::Result<Self> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, body: response.text().await? })
    }

    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("no JSON: {self:?}"))
    }

    pub fn is(&self, status: u16) -> anyhow::Result<()> {
        ensure!(self.status == status, "{status} was expected: {self:?}");
        Ok(())
    }

    /// 400 or 401 with one of these errors (RFC 6749 §5.2).
    pub fn is_error(&self, codes: &[&str]) -> anyhow::Result<()> {
        ensure!(matches!(self.status, 400 | 401), "400 or 401 was expected: {self:?}");
        let error = self.json()?;
        let code = error["error"].as_str().unwrap_or_default();
        ensure!(codes.contains(&code), "one of {codes:?} was expected: {self:?}");
        Ok(())
    }
}

/// An authorization request.
#[derive(Clone)]
pub struct Request<'k> {
    pub parameters: Vec<(String, String)>,
    pub verifier: String,
    /// How the signed form of it differs from a good one.
    pub object: Changes<'k>,
}

impl Request<'_> {
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.parameters.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// The same with one parameter set.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.parameters.retain(|(key, _)| key != name);
        self.parameters.push((name.to_owned(), value.into()));
        self
    }

    /// The same without one parameter.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.parameters.retain(|(key, _)| key != name);
        self
    }
}

/// One client at one provider, with the key that its tokens are bound to.
pub struct RelyingParty<'t> {
    pub provider: &'t dyn Provider,
    pub client: &'t Client,
    pub proof_key: Key,
}

/// The tokens of a good answer.
#[derive(Debug)]
pub struct Tokens {
    pub access_token: String,
    pub refresh_token: Option<String>,
    /// The claims of the ID token, which hold.
    pub id_token: Value,
    /// The ID token as it came.
    pub id_token_jws: String,
}

impl<'t> RelyingParty<'t> {
    pub fn new(provider: &'t dyn Provider, client: &'t Client) -> anyhow::Result<Self> {
        Ok(Self { provider, client, proof_key: Key::generate()? })
    }

    pub fn issuer(&self) -> anyhow::Result<&'t str> {
        named(self.provider, "issuer")
    }

    /// The provider's public keys, as they are now: it may follow one with another.
    pub async fn keys(&self) -> anyhow::Result<Value> {
        let answer = Answer::of(self.http(false)?.get(named(self.provider, "jwks_uri")?)).await?;
        answer.is(200)?;
        answer.json()
    }

    /// A good request: as few parameters as its rules let it have.
    pub fn request(&self) -> anyhow::Result<Request<'static>> {
        let verifier = jose::random()?;
        let mut parameters = vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.client.id.clone()),
            ("redirect_uri", self.client.redirect_uri.clone()),
            ("scope", "openid".to_owned()),
            ("state", jose::random()?),
            ("nonce", jose::random()?),
        ];
        if self.client.pkce {
            parameters.push(("code_challenge", jose::hashed(&verifier)));
            parameters.push(("code_challenge_method", "S256".to_owned()));
        }
        if self.client.profile == Profile::Fapi2MessageSigning {
            parameters.push(("response_mode", "jwt".to_owned()));
        }
        let parameters = parameters.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
        Ok(Request { parameters, verifier, object: Changes::none() })
    }

    /// An address of the authorization endpoint.
    pub fn authorization(&self, parameters: &[(String, String)]) -> anyhow::Result<Url> {
        Ok(Url::parse_with_params(named(self.provider, "authorization_endpoint")?, parameters)?)
    }

    /// The form of a request that is sent ahead: signed where the client signs.
    pub fn pushed_form(&self, request: &Request<'_>) -> anyhow::Result<Vec<(String, String)>> {
        if self.client.profile != Profile::Fapi2MessageSigning {
            return Ok(request.parameters.clone());
        }
        let object = self.request_object(request)?;
        Ok(vec![("client_id".to_owned(), self.client.id.clone()), ("request".to_owned(), object)])
    }

    fn request_object(&self, request: &Request<'_>) -> anyhow::Result<String> {
        let mut claims: Map<String, Value> = Map::new();
        for (name, value) in &request.parameters {
            // RFC 9101 §4: what is JSON stands there as JSON.
            let value =
                if name == "claims" { serde_json::from_str(value)? } else { value.as_str().into() };
            claims.insert(name.clone(), value);
        }
        claims.insert("iss".to_owned(), self.client.id.as_str().into());
        claims.insert("aud".to_owned(), self.issuer()?.into());
        claims.insert("iat".to_owned(), now().into());
        claims.insert("nbf".to_owned(), now().into());
        claims.insert("exp".to_owned(), (now() + 300).into());
        let header = json!({ "typ": "oauth-authz-req+jwt", "kid": "ec" });
        jose::signed(&self.client.key, header, Value::Object(claims), &request.object)
    }

    /// Sends a request ahead (RFC 9126).
    pub async fn push(&self, request: &Request<'_>) -> anyhow::Result<Answer> {
        let form = self.pushed_form(request)?;
        self.call("pushed_authorization_request_endpoint", form).send().await
    }

    /// A reference to a good request that was sent ahead.
    pub async fn pushed(&self, request: &Request<'_>) -> anyhow::Result<String> {
        let answer = self.push(request).await?;
        self.reference(&answer)
    }

    /// The reference of a good answer.
    pub fn reference(&self, answer: &Answer) -> anyhow::Result<String> {
        answer.is(201)?;
        let pushed = answer.json()?;
        let lifetime = pushed["expires_in"].as_i64().context("no expires_in")?;
        // FAPI 2.0 Security Profile §5.3.2.2.
        ensure!((1..600).contains(&lifetime), "expires_in is {lifetime}");
        let reference = pushed["request_uri"].as_str().context("no request_uri")?;
        Ok(reference.to_owned())
    }

    /// The address that refers to a request which was sent ahead.
    pub fn referring(&self, reference: &str) -> anyhow::Result<Url> {
        self.authorization(&[
            ("client_id".to_owned(), self.client.id.clone()),
            ("request_uri".to_owned(), reference.to_owned()),
        ])
    }

    /// Sends the person the way that the client's rules prescribe.
    pub async fn sent(
        &self,
        person: &Person<'_>,
        request: &Request<'_>,
    ) -> anyhow::Result<Landing> {
        let url = if self.client.is_fapi() {
            self.referring(&self.pushed(request).await?)?
        } else {
            self.authorization(&request.parameters)?
        };
        person.visit(&url).await
    }

    /// What the client is told, signed or not.
    pub async fn reply(&self, landing: &Landing) -> anyhow::Result<Reply> {
        let reply = landing.at_client(self.client)?;
        if self.client.profile == Profile::Fapi2MessageSigning {
            return reply.opened(self).await;
        }
        Ok(reply)
    }

    /// A good authorization: state and issuer come back (RFC 9207), and a code.
    pub async fn authorized(
        &self,
        person: &Person<'_>,
        request: &Request<'_>,
    ) -> anyhow::Result<String> {
        let landing = self.sent(person, request).await?;
        self.code(&landing, request).await
    }

    /// The code of a good answer.
    pub async fn code(&self, landing: &Landing, request: &Request<'_>) -> anyhow::Result<String> {
        let reply = self.reply(landing).await?;
        let code = reply.code()?;
        ensure!(reply.get("state") == request.get("state"), "another state: {reply:?}");
        ensure!(reply.get("iss") == Some(self.issuer()?), "another iss: {reply:?}");
        for name in ["access_token", "id_token", "token_type", "error"] {
            ensure!(reply.get(name).is_none(), "{name} beside a code: {reply:?}");
        }
        Ok(code.to_owned())
    }

    /// The form that exchanges a code.
    pub fn exchange(&self, code: &str, request: &Request<'_>) -> Vec<(String, String)> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.client.redirect_uri),
        ];
        if request.get("code_challenge").is_some() {
            form.push(("code_verifier", &request.verifier));
        }
        form.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Exchanges a code as it should be.
    pub async fn exchanged(&self, code: &str, request: &Request<'_>) -> anyhow::Result<Answer> {
        self.call("token_endpoint", self.exchange(code, request)).send().await
    }

    /// From the request to the tokens, all of which hold.
    pub async fn tokens(
        &self,
        person: &Person<'_>,
        request: &Request<'_>,
    ) -> anyhow::Result<Tokens> {
        let code = self.authorized(person, request).await?;
        let answer = self.exchanged(&code, request).await?;
        self.good(&answer, request.get("nonce")).await
    }

    /// The tokens of an answer that must be good.
    pub async fn good(&self, answer: &Answer, nonce: Option<&str>) -> anyhow::Result<Tokens> {
        crate::id_token::tokens(self, answer, &[nonce]).await
    }

    /// A proof of possession for a request (RFC 9449 §4.2).
    pub fn proof(
        &self,
        method: &str,
        url: &str,
        access_token: Option<&str>,
        changes: &Changes<'_>,
    ) -> anyhow::Result<String> {
        let key = match changes.signer {
            jose::Signer::Other(key) => key,
            _ => &self.proof_key,
        };
        let header = json!({ "typ": "dpop+jwt", "jwk": key.jwk() });
        let mut claims = json!({ "jti": jose::random()?, "htm": method, "htu": url, "iat": now() });
        if let Some(token) = access_token {
            claims["ath"] = jose::hashed(token).into();
        }
        jose::signed(&self.proof_key, header, claims, changes)
    }

    /// The address of an endpoint: its alias for who shows a certificate (RFC 8705 §5).
    pub fn endpoint(&self, name: &str, certificate: bool) -> anyhow::Result<&'t str> {
        let alias = self.provider.metadata()["mtls_endpoint_aliases"][name].as_str();
        match alias.filter(|_| certificate) {
            Some(alias) => Ok(alias),
            None => named(self.provider, name),
        }
    }

    /// Asks for the userinfo with a token, bound as the client's tokens are.
    pub async fn userinfo(&self, access_token: &str) -> anyhow::Result<Answer> {
        let url = self.endpoint("userinfo_endpoint", self.client.shows_certificate())?;
        let http = self.http(self.client.shows_certificate())?;
        let request = http.get(url);
        let request = if self.client.binding == Binding::Dpop {
            let proof = self.proof("GET", url, Some(access_token), &Changes::none())?;
            request.header("Authorization", format!("DPoP {access_token}")).header("DPoP", proof)
        } else {
            request.bearer_auth(access_token)
        };
        Answer::of(request).await
    }

    pub fn http(&self, certificate: bool) -> anyhow::Result<reqwest::Client> {
        self.provider.http(certificate.then_some(self.client))
    }
}
