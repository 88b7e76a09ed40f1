//! Telling services that a session ended (OIDC Back-Channel Logout 1.0), from the outbox.

use std::{sync::Arc, time::Duration};

use http::header;
use sekisho_store::{
    outbox::Message,
    service::{self, Service},
    session::{self, Realm},
};
use serde::Deserialize;
use serde_json::json;
use url::Url;
use uuid::Uuid;

use crate::{
    app::App,
    error::page::Chain,
    http_date,
    oidc::{client::Metadata, subject},
    outbound::{self, PlaceError},
    outbox::Delivery,
    own_keys::OwnKeyError,
};

/// Kind of message in the outbox.
pub const KIND: &str = "backchannel_logout";
/// `typ` of a logout token (§2.4).
pub const LOGOUT_TOKEN_TYP: &str = "logout+jwt";
/// A service that does not answer in this time is asked again later.
const PATIENCE: Duration = Duration::from_secs(5);
/// Lifetime of a logout token, in seconds (§2.4 recommends two minutes at most).
const LIFETIME_SECS: i64 = 120;

#[derive(Deserialize)]
struct Payload {
    service_id: String,
    session: String,
}

/// Delivers one message of kind [`KIND`].
pub async fn deliver(app: App, message: Message) -> Delivery {
    match attempt(&app, &message.payload).await {
        Ok(()) => Delivery::Delivered,
        Err(Undelivered::Later(cause)) => Delivery::Failed(Chain(&*cause).to_string()),
        Err(Undelivered::Never(cause)) => Delivery::Hopeless(Chain(&*cause).to_string()),
    }
}

/// What became of an attempt that did not deliver.
pub(crate) enum Undelivered {
    /// Worth trying again: no connection, a 5xx.
    Later(Cause),
    /// Never worth trying again.
    Never(Cause),
}

pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Makes a fresh token and posts it.
async fn attempt(app: &App, payload: &str) -> Result<(), Undelivered> {
    let payload: Payload = serde_json::from_str(payload).map_err(never)?;
    let hash: [u8; 32] = hex::decode(&payload.session)
        .ok()
        .and_then(|octets| octets.try_into().ok())
        .ok_or_else(|| never("the session is not a hash"))?;
    let mut reader = app.store().read();
    let client = service::find(&mut reader, &payload.service_id).await.map_err(later)?;
    // A service that was withdrawn since, or no longer wants to hear, is not told.
    let Some(client) = client else { return Ok(()) };
    let uri = client.backchannel_logout_uri.as_ref().filter(|_| !seeded!(LogoutNotTold));
    let Some(uri) = uri else { return Ok(()) };
    let ended = session::find(&mut reader, Realm::Portal, &hash)
        .await
        .map_err(later)?
        .ok_or_else(|| never("the session is not known"))?;
    let metadata = Metadata::of(&client).map_err(later)?;
    let sub = subject::pairwise(app, &client.sector, &ended.person_id);
    let sid = subject::session(app, &client.sector, &hash);
    let token = token(app, &client, &metadata, &sub, &sid).await.map_err(later)?;
    match send(app, uri, &token).await?.status {
        200..=299 => {
            let (store, service_id) = (app.store(), &payload.service_id);
            store.note_logout_confirmed(&hash, service_id, app.now()).await.map_err(later)
        }
        // §2.8: 400 means that the token was understood and refused; saying it again won't help.
        400 => Err(never("the service refused the logout token")),
        status => Err(later(format!("the service answered {status}"))),
    }
}

/// A logout token (§2.4) for a client, about this `sub` and `sid`.
///
/// # Errors
/// [`OwnKeyError`]: no key signed.
pub(crate) async fn token(
    app: &App,
    client: &Service,
    metadata: &Metadata,
    sub: &str,
    sid: &str,
) -> Result<String, OwnKeyError> {
    let iat = app.now().unix_timestamp();
    let claims = json!({
        "iss": app.names().public,
        "aud": client.id,
        "iat": iat,
        "exp": iat + LIFETIME_SECS,
        "jti": Uuid::now_v7().to_string(),
        "sub": sub,
        "sid": sid,
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    #[cfg(seeded_faults)]
    let claims = crate::seeded::spoiled_logout_token(claims);
    // §2.4: as the ID tokens of the same client.
    let algorithm = metadata.id_token_signed_response_alg;
    app.token_keys().sign(app, algorithm, LOGOUT_TOKEN_TYP, &claims).await
}

/// What a service answered to a logout token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answered {
    /// HTTP status.
    pub(crate) status: u16,
    /// By how many seconds its `Date` (RFC 9110 §6.6.1) is ahead of our clock, if it has one.
    pub(crate) ahead: Option<i64>,
}

/// One request: no redirect, no proxy, bounded time, to an address that was looked at first.
///
/// # Errors
/// [`Undelivered`]: no answer came.
pub(crate) async fn send(
    app: &App,
    uri: &str,
    logout_token: &str,
) -> Result<Answered, Undelivered> {
    let url = Url::parse(uri).map_err(never)?;
    let host = url.host_str().ok_or_else(|| never("the address has no host"))?.to_owned();
    let port = url.port_or_known_default().ok_or_else(|| never("the address has no port"))?;
    let loopback_allowed = app.config().oidc().allow_loopback_clients();
    let place = url.host().ok_or_else(|| never("the address has no host"))?;
    let allowed =
        outbound::places(&place, port, loopback_allowed).await.map_err(|error| match error {
            PlaceError::Unresolved(_) => later(error),
            PlaceError::Forbidden => never(error),
        })?;
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .tls_backend_preconfigured(tls(app).map_err(later)?)
        .resolve_to_addrs(&host, &allowed)
        .build()
        .map_err(later)?;
    let response =
        client.post(url).form(&[("logout_token", logout_token)]).send().await.map_err(later)?;
    let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok());
    let ahead = date.and_then(http_date::read).map(|date| (date - app.now()).whole_seconds());
    Ok(Answered { status: response.status().as_u16(), ahead })
}

/// Services on this network have certificates of its own authority.
fn tls(app: &App) -> Result<rustls::ClientConfig, rustls::Error> {
    let mut anchors = rustls::RootCertStore::empty();
    for root in app.authority().roots().in_force() {
        anchors.add(rustls_pki_types::CertificateDer::from(root.certificate_der.as_slice()))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(anchors)
        .with_no_client_auth())
}

fn never(cause: impl Into<Cause>) -> Undelivered {
    Undelivered::Never(cause.into())
}

fn later(cause: impl Into<Cause>) -> Undelivered {
    Undelivered::Later(cause.into())
}
