//! Where the parameters of a request stand: in the address, sent ahead (RFC 9126), or in an object that
//! the client signed (RFC 9101).

use sekisho_store::pushed_request::{self, Pushed};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::reply::RequestError;
use crate::{
    app::App,
    error::page::PageError,
    jose::{ClientKeys, Signed},
    oidc::{
        access_token::Audience, client::ClientProfile, client_authentication::Client,
        grant::Details, parameters::Parameters,
    },
};

/// What stands before the random part of a reference (RFC 9126 §2.2).
pub const REFERENCE: &str = "urn:ietf:params:oauth:request_uri:";
/// How long an object may live at most, and how far `nbf` may lie back, in seconds (FAPI 2.0 Message
/// Signing §5.3.1).
const MOST_SECS: i64 = 3_600;
/// How far a client's clock may run ahead of ours, in seconds.
const LEEWAY_SECS: i64 = 30;

/// A request with its parameters, wherever they stood.
#[derive(Debug)]
pub(super) struct Requested {
    pub(super) parameters: Parameters,
    /// The one that was sent ahead, to be used up with the code that answers it.
    pub(super) pushed: Option<Pushed>,
}

/// Why the parameters are not had.
pub(super) enum Unresolved {
    /// The client's fault.
    Request(RequestError),
    /// Ours.
    Page(PageError),
}

impl From<RequestError> for Unresolved {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

/// The parameters that count. What else stands in the address beside a reference or an object does not
/// (RFC 9101 §6.3, RFC 9126 §4).
pub(super) async fn resolve(
    app: &App,
    sent: Parameters,
    client: &Client,
    parked_at: Option<OffsetDateTime>,
) -> Result<Requested, Unresolved> {
    if sent.is_repeated("request") || sent.is_repeated("request_uri") {
        let description = "request and request_uri must not be repeated";
        return Err(RequestError::new("invalid_request", description).into());
    }
    let counts =
        |named: &&str| named.starts_with(REFERENCE) || !seeded!(ForeignReferencePassedOver);
    if let Some(reference) = sent.get("request_uri").filter(counts) {
        let pushed = pushed(app, client, reference, parked_at).await?;
        let parameters = Parameters::parse(pushed.parameters.as_bytes())
            .map_err(|error| Unresolved::Page(PageError::internal(&error)))?;
        return Ok(Requested { parameters, pushed: Some(pushed) });
    }
    if client.metadata.requires_pushed_requests() && !seeded!(PushedRequestOptional) {
        let description = "this client sends its requests ahead, to the endpoint for it";
        return Err(RequestError::new("invalid_request", description).into());
    }
    // A person who logged in meanwhile came in time.
    let came = parked_at.unwrap_or_else(|| app.now());
    Ok(Requested { parameters: signed_or_plain(app, sent, client, came)?, pushed: None })
}

/// The parameters of a request that came at `came`, taken out of its object if it brings one.
///
/// # Errors
/// [`RequestError`] `invalid_request_object`, `invalid_request`.
pub fn signed_or_plain(
    app: &App,
    sent: Parameters,
    client: &Client,
    came: OffsetDateTime,
) -> Result<Parameters, RequestError> {
    let Some(object) = sent.get("request").filter(|_| !seeded!(ObjectPassedOver)) else {
        if client.metadata.require_signed_request_object && !seeded!(UnsignedRequestTaken) {
            let description = "this client signs its requests: the parameter request is missing";
            return Err(RequestError::new("invalid_request", description));
        }
        return Ok(sent);
    };
    opened(app, client, object, came)
        .map_err(|fault| RequestError::new("invalid_request_object", fault))
}

async fn pushed(
    app: &App,
    client: &Client,
    reference: &str,
    parked_at: Option<OffsetDateTime>,
) -> Result<Pushed, Unresolved> {
    let Some(random) = reference.strip_prefix(REFERENCE) else {
        // Nothing that a stranger names is fetched.
        let description = "request_uri must be one that was given out for a request sent ahead";
        return Err(RequestError::new("request_uri_not_supported", description).into());
    };
    let hash: [u8; 32] = Sha256::digest(random).into();
    let found = pushed_request::unused(&mut app.store().read(), &hash, &client.service.id).await;
    let found = found.map_err(|error| Unresolved::Page(error.into()))?;
    // A person who logged in meanwhile came in time.
    let came = parked_at.unwrap_or_else(|| app.now());
    let in_time = |pushed: &Pushed| came < pushed.expires_at || seeded!(PushedRequestNeverExpires);
    found.filter(in_time).ok_or_else(|| {
        let description = "the request that was sent ahead is unknown, used or expired";
        RequestError::new("invalid_request_uri", description).into()
    })
}

#[derive(Deserialize)]
struct Frame {
    iss: String,
    aud: Audience,
    #[serde(default)]
    exp: Option<i64>,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(flatten)]
    parameters: Map<String, Value>,
}

/// The parameters in an object that the client signed for us, in time (RFC 9101 §6).
fn opened(
    app: &App,
    client: &Client,
    object: &str,
    came: OffsetDateTime,
) -> Result<Parameters, String> {
    let set = client.service.jwks.as_deref().and_then(|set| serde_json::from_str(set).ok());
    let keys = set.and_then(|set| ClientKeys::read(&set).ok());
    let keys = keys.ok_or("the client has no registered keys")?;
    #[cfg(seeded_faults)]
    if seeded!(UnsignedObjectTaken) && object.ends_with('.') {
        let claims = crate::seeded::unverified(object).unwrap_or_default();
        return Ok(Parameters::of_claims(claims));
    }
    let signed = Signed::parse(object).map_err(|error| error.to_string())?;
    // `typ` is optional in RFC 9101 §10.8; an object for another purpose is none for this one.
    if !matches!(signed.typ().as_deref(), None | Some("jwt" | "oauth-authz-req+jwt")) {
        return Err("typ must be oauth-authz-req+jwt".to_owned());
    }
    if !client.metadata.accepts(signed.algorithm(), client.metadata.request_object_signing_alg) {
        return Err("the client is not registered for this algorithm".to_owned());
    }
    let mut frame: Frame = signed.verified(&keys).map_err(|error| error.to_string())?;
    let id = &client.service.id;
    if frame.iss != *id || frame.client_id.as_ref().is_some_and(|named| named != id) {
        return Err("iss and client_id must be the client's".to_owned());
    }
    if !frame.aud.names(&app.names().public) && !seeded!(ObjectAudienceUnchecked) {
        return Err("aud must name this issuer".to_owned());
    }
    in_time(&frame, client, came.unix_timestamp())?;
    for name in ["request", "request_uri"] {
        if frame.parameters.contains_key(name) && !seeded!(ReferenceWithinObject) {
            return Err(format!("{name} must not stand within the object"));
        }
    }
    frame.parameters.insert("client_id".to_owned(), id.as_str().into());
    Ok(Parameters::of_claims(frame.parameters))
}

fn in_time(frame: &Frame, client: &Client, now: i64) -> Result<(), String> {
    let leeway = if seeded!(ObjectLeewayMissing) { 0 } else { LEEWAY_SECS };
    if frame.exp.is_some_and(|exp| exp <= now) && !seeded!(ObjectExpiryUnchecked) {
        return Err("the object has expired".to_owned());
    }
    if frame.nbf.is_some_and(|nbf| nbf > now + leeway) {
        return Err("the object is not valid yet".to_owned());
    }
    if client.metadata.profile != ClientProfile::Fapi2MessageSigning {
        return Ok(());
    }
    let young = |nbf| nbf >= now - MOST_SECS;
    let short = |nbf, exp| exp - nbf <= MOST_SECS || seeded!(ObjectLifetimeUnbounded);
    match (frame.nbf, frame.exp) {
        (Some(nbf), Some(exp)) if young(nbf) && short(nbf, exp) => Ok(()),
        _ if seeded!(ObjectTimesOptional) => Ok(()),
        _ => {
            Err("nbf and exp must be there, an hour apart at most, nbf within the last hour".into())
        }
    }
}

impl Requested {
    /// What was kept with the request that was sent ahead.
    pub(super) fn details(&self) -> Result<Details, serde_json::Error> {
        self.pushed
            .as_ref()
            .map_or_else(|| Ok(Details::default()), |pushed| serde_json::from_str(&pushed.details))
    }
}
