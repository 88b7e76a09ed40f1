//! Services behind a proxy that asks about each request before it lets it through: nginx with
//! `auth_request`, Traefik, Envoy. `docs/forward-auth.md` has the configuration.
//!
//! The proxy is the client: it authenticates with the service's secret and hands the paths below
//! [`PREFIX`] of the service's host on to us. So the code comes to the service's own host, and the cookie
//! there is a refresh token of the grant: of no use to anybody without the proxy's secret, and over with
//! the login. Nothing is kept between two requests; each is asked of the database.

mod callback;
mod flow;
mod logout;
mod start;
mod verify;

use axum::{
    extract::{Extension, FromRequestParts, RawQuery, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sekisho_store::StoreError;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use url::Url;

use super::{
    claims,
    client_authentication::{self, Client},
    live_grant,
    parameters::Parameters,
    subject, token,
};
use crate::{
    app::App,
    catalogue::{Language, Text},
    error::{RETRY_SECS, oauth::OAuthError, page::Chain},
    listener::Peer,
    own_keys::OwnKeyError,
};

pub use callback::get as callback;
pub use logout::post as logout;
pub use start::get as start;
pub use verify::get as verify;

/// Where the paths for browsers lie on the host of the service.
pub const PREFIX: &str = "/.sso/";
/// The only redirect URI of such a service, below its origin.
pub const CALLBACK: &str = "/.sso/callback";
/// The cookie on the service's host that stands for the grant.
const COOKIE: &str = "__Host-sso";

/// Why the proxy gets no answer that lets anybody through.
#[derive(Debug)]
enum Refused {
    /// Not the proxy of such a service. Never 401: the proxy would send people to log in.
    Proxy(OAuthError),
    /// The person reads this.
    Told(StatusCode, &'static str),
    /// The database does not answer.
    Unavailable,
    /// We failed.
    Internal,
}

impl Refused {
    fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(error), "a proxy's question was not answered");
        Self::Internal
    }

    /// As plain text: our pages' style sheets do not lie on the service's host.
    fn answer(self, text: &Text) -> Response {
        let failed = "oidc-forward-auth-failed";
        let (status, said) = match &self {
            Self::Proxy(error) if error.status.is_server_error() => (error.status, failed),
            Self::Proxy(error) if error.status == StatusCode::TOO_MANY_REQUESTS => {
                (error.status, "oidc-forward-auth-proxy")
            }
            Self::Proxy(_) => (StatusCode::FORBIDDEN, "oidc-forward-auth-proxy"),
            Self::Told(status, said) => (*status, *said),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, failed),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, failed),
        };
        let mut response = (status, format!("{}\n", text.t(said))).into_response();
        let again = match self {
            Self::Proxy(error) => error.retry_after_secs,
            Self::Unavailable => Some(RETRY_SECS),
            Self::Told(..) | Self::Internal => None,
        };
        if let Some(seconds) = again {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<OAuthError> for Refused {
    fn from(error: OAuthError) -> Self {
        match error.status {
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            _ => Self::Internal,
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        OAuthError::from(error).into()
    }
}

impl From<OwnKeyError> for Refused {
    fn from(error: OwnKeyError) -> Self {
        OAuthError::from(error).into()
    }
}

/// An address that somebody has changed or cut off.
const MALFORMED: Refused = Refused::Told(StatusCode::BAD_REQUEST, "oidc-forward-auth-malformed");

/// What a proxy asks, with the fields and the query of the browser's request.
#[derive(FromRequestParts)]
#[from_request(state(App))]
pub struct Asked {
    #[from_request(via(State))]
    app: App,
    language: Language,
    #[from_request(via(Extension))]
    peer: Peer,
    headers: HeaderMap,
    query: RawQuery,
}

impl Asked {
    /// The service whose proxy asks.
    async fn client(&self) -> Result<Client, Refused> {
        let nothing = Parameters::default();
        let Self { app, headers, peer, .. } = self;
        let client = client_authentication::authenticate(app, headers, &nothing, peer).await;
        let client = client.map_err(Refused::Proxy)?;
        if client.metadata.forward_auth {
            return Ok(client);
        }
        let description = "the client is not registered for forward-auth";
        Err(Refused::Proxy(OAuthError::bad_request("unauthorized_client", description)))
    }

    /// The query of the browser's address, nothing in it twice.
    fn parameters(&self) -> Result<Parameters, Refused> {
        let query = self.query.0.as_deref().unwrap_or_default();
        let parameters = Parameters::parse(query.as_bytes()).map_err(|_| MALFORMED)?;
        if parameters.repeated().is_some() { Err(MALFORMED) } else { Ok(parameters) }
    }

    fn told(&self, answered: Result<Response, Refused>) -> Response {
        answered.unwrap_or_else(|refused| refused.answer(&self.language.0))
    }
}

/// Scheme, host and port of the service.
fn origin(client: &Client) -> Result<String, Refused> {
    let uri = client.service.redirect_uris.first().and_then(|uri| Url::parse(uri).ok());
    uri.map(|uri| uri.origin().ascii_serialization()).ok_or(Refused::Internal)
}

/// What the service is told, and the end of the emergency access that it is owed to.
struct Passed {
    claims: Map<String, Value>,
    until: Option<OffsetDateTime>,
}

/// What the service is told of the person that the cookie on its host stands for, if they may use it at
/// this moment.
async fn pass(app: &App, client: &Client, token: Option<&str>) -> Result<Option<Passed>, Refused> {
    let Some(token) = token else { return Ok(None) };
    let mut reader = app.store().read();
    let service = &client.service;
    let live =
        live_grant::of_refresh_token(app, &mut reader, &service.id, token, app.now()).await?;
    let Some(live) = live else { return Ok(None) };
    let (decision, emergency) =
        token::decision(&mut reader, app, &service.id, &live.session, app.now()).await?;
    if !decision.allowed {
        return Ok(None);
    }
    let claims = serde_json::from_str(&live.grant.claims);
    let claims: Map<String, Value> = claims.map_err(|error| Refused::internal(&error))?;
    let claims = claims::released(claims::of_now(claims, &live.session), &decision.release);
    let emergency_id = emergency.as_ref().map(|emergency| emergency.id.as_str());
    let mut claims = claims::marked(claims, emergency_id);
    let sid = subject::session(app, &service.sector, &live.grant.session_hash);
    claims.insert("iss".to_owned(), app.names().public.as_str().into());
    claims.insert("aud".to_owned(), service.id.as_str().into());
    claims.insert("sid".to_owned(), sid.into());
    Ok(Some(Passed { claims, until: emergency.map(|emergency| emergency.ends_at) }))
}

/// These claims from now for `seconds`, but no longer than what they are owed to.
fn timed(app: &App, passed: Passed, seconds: i64) -> Value {
    let now = app.now().unix_timestamp();
    let Passed { mut claims, until } = passed;
    let left = until.map(|until| until.unix_timestamp() - now);
    let seconds = left.into_iter().fold(seconds, i64::min);
    claims.insert("iat".to_owned(), now.into());
    claims.insert("exp".to_owned(), (now + seconds).into());
    Value::Object(claims)
}

/// A redirect that a browser follows with GET, with cookies of the service's host.
fn redirect<const N: usize>(
    address: &str,
    cookies: [Option<http::HeaderValue>; N],
) -> Result<Response, Refused> {
    let mut response = axum::response::Redirect::to(address).into_response();
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie.ok_or(Refused::Internal)?);
    }
    Ok(response)
}
