//! The OpenID provider as this service sees it: discovery, login, verified tokens.

use std::{net::SocketAddr, pin::Pin};

use anyhow::{Context, bail, ensure};
use openidconnect::{
    AccessTokenHash, AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EndSessionUrl, HttpRequest, HttpResponse, IssuerUrl, JsonWebKeySet, LogoutRequest, Nonce,
    NonceVerifier, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl,
    ProviderMetadataWithLogout, RedirectUrl, RefreshToken, Scope, TokenResponse as _,
    core::{CoreAuthenticationFlow, CoreJsonWebKeySet},
};
use url::Url;

use crate::claims::{Claims, NetworkIdToken, ServiceClient, TokenResponse};

/// A login under way, remembered between the redirect and the callback.
pub struct PendingLogin {
    /// Guards against forged callbacks.
    pub state: CsrfToken,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

/// Somebody whom the provider vouched for.
#[derive(Clone)]
pub struct Person {
    /// What the ID token says.
    pub claims: Claims,
    /// The token itself, to log out with.
    pub id_token: NetworkIdToken,
    /// What the next tokens come for, where the registration has it.
    pub refresh_token: Option<RefreshToken>,
}

/// The provider, discovered once at the start.
pub struct Provider {
    client: ServiceClient,
    metadata: ProviderMetadataWithLogout,
    end_session: EndSessionUrl,
    home: PostLogoutRedirectUrl,
    http: Transport,
    scopes: Vec<Scope>,
}

/// How this service is registered at the provider.
pub struct Registration {
    /// Issuer identifier, exactly as registered.
    pub issuer: String,
    /// `client_id`.
    pub client_id: String,
    /// Secret, for `client_secret_basic`.
    pub client_secret: String,
    /// Where the provider sends people back to.
    pub redirect_uri: String,
    /// Where it sends them after a logout.
    pub home: String,
    /// Scopes to ask for beside `openid`.
    pub scopes: Vec<String>,
}

/// An HTTP client that trusts the network's root and follows no redirects: a redirect from the
/// provider's endpoints would be an attack (openidconnect's documentation asks for this, too).
///
/// # Errors
/// When the root certificate does not read.
pub fn http_client(root_pem: &[u8], issuer: &Url) -> anyhow::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(root_pem)?])
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(std::time::Duration::from_secs(10));
    if let Some(host) = issuer.host_str().filter(|host| host.ends_with(".localhost")) {
        // RFC 6761 §6.3: such names mean this machine; not every resolver knows. Port 0: the URL's.
        builder = builder.resolve_to_addrs(host, &[SocketAddr::from(([127, 0, 0, 1], 0))]);
    }
    Ok(builder.build()?)
}

/// Carries the library's requests over reqwest.
struct Transport(reqwest::Client);

impl<'c> AsyncHttpClient<'c> for Transport {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let response = self.0.execute(request.try_into()?).await?;
            let mut reply = axum::http::Response::builder().status(response.status());
            if let Some(headers) = reply.headers_mut() {
                headers.extend(response.headers().clone());
            }
            Ok(reply.body(response.bytes().await?.to_vec())?)
        })
    }
}

/// What can go wrong on the way to the provider.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nothing answered, or not in time.
    #[error("the provider was not reached")]
    Unreachable(#[from] reqwest::Error),
    /// The answer is not HTTP as the library wants it.
    #[error("the provider's answer is malformed")]
    Malformed(#[from] axum::http::Error),
}

impl Provider {
    /// Discovers the provider (OIDC Discovery §4) and fetches its keys.
    ///
    /// # Errors
    /// When it does not answer, or its metadata name another issuer.
    pub async fn discover(
        http: reqwest::Client,
        registration: Registration,
    ) -> anyhow::Result<Self> {
        let issuer = IssuerUrl::new(registration.issuer)?;
        let http = Transport(http);
        let metadata = ProviderMetadataWithLogout::discover_async(issuer, &http)
            .await
            .context("discovery failed")?;
        let end_session = metadata.additional_metadata().end_session_endpoint.clone();
        let end_session = end_session.context("the provider has no end_session_endpoint")?;
        let client = ServiceClient::from_provider_metadata(
            metadata.clone(),
            ClientId::new(registration.client_id),
            Some(ClientSecret::new(registration.client_secret)),
        )
        .set_redirect_uri(RedirectUrl::new(registration.redirect_uri)?);
        let scopes = registration.scopes.into_iter().map(Scope::new).collect();
        let home = PostLogoutRedirectUrl::new(registration.home)?;
        Ok(Self { client, metadata, end_session, home, http, scopes })
    }

    /// Where to send the browser, and what to remember until it comes back.
    #[must_use]
    pub fn begin(&self) -> (Url, PendingLogin) {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = self
            .client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scopes(self.scopes.iter().cloned())
            .set_pkce_challenge(challenge)
            .url();
        (url, PendingLogin { state, nonce, verifier })
    }

    /// Exchanges the code and verifies the ID token: signature, issuer, audience, expiry, nonce,
    /// and that it belongs to the access token (`at_hash`).
    ///
    /// # Errors
    /// When the provider refuses the code, or the token does not verify.
    pub async fn finish(&self, code: String, pending: PendingLogin) -> anyhow::Result<Person> {
        let response = self
            .client
            .exchange_code(AuthorizationCode::new(code))?
            .set_pkce_verifier(pending.verifier)
            .request_async(&self.http)
            .await
            .context("the provider refused the code")?;
        self.verify(&response, &pending.nonce)
    }

    /// New tokens without the person (RFC 6749 §6, OIDC Core §12.2): of the same person and login.
    ///
    /// # Errors
    /// When the provider refuses, or tells of somebody else.
    pub async fn refresh(&self, person: &Person) -> anyhow::Result<Person> {
        let refresh_token = person.refresh_token.as_ref().context("there is no refresh token")?;
        let response = self
            .client
            .exchange_refresh_token(refresh_token)?
            .request_async(&self.http)
            .await
            .context("the provider refused the refresh token")?;
        // The nonce is of the request that began the login: the same again, or none.
        let known = person.claims.nonce().map(Nonce::secret);
        let nonce = |given: Option<&Nonce>| match given.map(Nonce::secret) {
            Some(given) if Some(given) != known => Err("another nonce".to_owned()),
            _ => Ok(()),
        };
        let mut fresh = self.verify(&response, nonce)?;
        let (old, new) = (&person.claims, &fresh.claims);
        ensure!(new.subject() == old.subject(), "the new tokens are of somebody else");
        ensure!(new.auth_time() == old.auth_time(), "the new tokens are of another login");
        fresh.refresh_token = fresh.refresh_token.or_else(|| person.refresh_token.clone());
        Ok(fresh)
    }

    fn verify(
        &self,
        response: &TokenResponse,
        nonce: impl NonceVerifier,
    ) -> anyhow::Result<Person> {
        let id_token = response.id_token().context("the answer holds no ID token")?;
        let verifier = self.client.id_token_verifier();
        let claims = id_token.claims(&verifier, nonce).context("ID token refused")?;
        if let Some(expected) = claims.access_token_hash() {
            let actual = AccessTokenHash::from_token(
                response.access_token(),
                id_token.signing_alg()?,
                id_token.signing_key(&verifier)?,
            )?;
            if actual != *expected {
                bail!("the access token is not the one that the ID token speaks of");
            }
        }
        Ok(Person {
            claims: claims.clone(),
            id_token: id_token.clone(),
            refresh_token: response.refresh_token().cloned(),
        })
    }

    /// Where to send the browser to log out of the network as well (OIDC RP-Initiated Logout 1.0); it comes
    /// back to the service's first page.
    #[must_use]
    pub fn end_session(&self, id_token: &NetworkIdToken) -> Url {
        LogoutRequest::from(self.end_session.clone())
            .set_id_token_hint(id_token)
            .set_post_logout_redirect_uri(self.home.clone())
            .http_get_url()
    }

    /// The provider's issuer identifier.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.metadata.issuer().as_str()
    }

    /// The provider's keys now: they may have been rotated since the start.
    ///
    /// # Errors
    /// When they cannot be fetched.
    pub async fn keys(&self) -> anyhow::Result<CoreJsonWebKeySet> {
        JsonWebKeySet::fetch_async(self.metadata.jwks_uri(), &self.http)
            .await
            .context("the provider's keys cannot be fetched")
    }
}
