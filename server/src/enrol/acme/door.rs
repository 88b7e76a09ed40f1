//! What every request of ACME goes through: form, address, signature, nonce, account (RFC 8555 §6).

use axum::{
    body::Body,
    extract::{Extension, FromRequest, FromRequestParts},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use sekisho_store::{
    MayConflict, Queries, StoreError,
    acme_account::{self, Account},
    attempt::Subject,
    audit::{Actor, Audited, Entry},
    organisation,
    service::{self, Service},
    transaction,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{directory, nonce};
use crate::{
    app::App,
    error::acme::AcmeError,
    jose::{ObjectError, PublicKey, Signed},
    keys::bare_jwk,
    listener::Peer,
    media_type,
    people::tries::{self, Door},
};

/// A request for a certificate with an RSA-4096 key, in base64 twice, has under 8 KiB.
const MOST_OCTETS: usize = 16 * 1024;
/// Of RFC 8555 §6.5.1.
const REPLAY_NONCE: HeaderName = HeaderName::from_static("replay-nonce");

/// A request as it comes.
pub struct Request {
    pub(super) peer: Peer,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    /// Path at which it came.
    pub(super) path: String,
}

impl FromRequest<App> for Request {
    type Rejection = <Extension<Peer> as FromRequestParts<App>>::Rejection;

    async fn from_request(
        request: axum::extract::Request,
        app: &App,
    ) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let Extension(peer) = Extension::from_request_parts(&mut parts, app).await?;
        Ok(Self { peer, path: parts.uri.path().to_owned(), headers: parts.headers, body })
    }
}

/// A request that somebody signed.
pub(super) struct Opened<S> {
    pub(super) signer: S,
    /// The payload; empty where something is only fetched (§6.3).
    payload: Vec<u8>,
}

/// A new key, as whoever wants an account brings it.
pub(super) struct BareKey {
    pub(super) key: PublicKey,
    /// Its public members (RFC 7517).
    pub(super) jwk: String,
}

/// An account in force, of a service that may have certificates.
pub(super) struct Holder {
    pub(super) account: Account,
    pub(super) service: Service,
}

/// Whoever signed, where both are allowed (§7.6).
pub(super) enum Signer {
    Account(Box<Holder>),
    Key(BareKey),
}

impl<S> Opened<S> {
    /// What is asked for.
    ///
    /// # Errors
    /// `malformed`.
    pub(super) fn payload<P: DeserializeOwned>(&self) -> Result<P, AcmeError> {
        serde_json::from_slice(&self.payload)
            .map_err(|error| AcmeError::malformed(format!("the payload cannot be read: {error}")))
    }

    /// Whether something is only fetched.
    pub(super) fn is_fetch(&self) -> bool {
        self.payload.is_empty()
    }

    /// Nothing is sent where something is fetched (§6.3).
    ///
    /// # Errors
    /// `malformed`.
    pub(super) fn fetches(&self) -> Result<(), AcmeError> {
        if self.is_fetch() {
            return Ok(());
        }
        Err(AcmeError::malformed("fetch this by POST with an empty payload (RFC 8555 section 6.3)"))
    }
}

/// Flattened JSON (RFC 7515 §7.2.2), without the unprotected header (RFC 8555 §6.2).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flattened {
    pub(super) protected: String,
    pub(super) payload: String,
    pub(super) signature: String,
}

impl Flattened {
    /// The same as one text, of which [`parsed`] reads.
    ///
    /// # Errors
    /// `malformed`.
    pub(super) fn compact(body: &Value) -> Result<String, AcmeError> {
        let Self { protected, payload, signature } = Self::deserialize(body).map_err(|_| {
            AcmeError::malformed("this is no JWS in flattened JSON (RFC 8555 section 6.2)")
        })?;
        Ok(format!("{protected}.{payload}.{signature}"))
    }
}

/// A JWS taken apart.
///
/// # Errors
/// `malformed`, `badSignatureAlgorithm`.
pub(super) fn parsed(compact: &str) -> Result<Signed<'_>, AcmeError> {
    Signed::parse(compact).map_err(|error| match error {
        ObjectError::Algorithm => AcmeError::bad_request(
            "badSignatureAlgorithm",
            "sign by ES256, RS256 or PS256, with a P-256 or RSA key",
        ),
        ObjectError::Form
        | ObjectError::Critical
        | ObjectError::NoKey
        | ObjectError::Signature
        | ObjectError::Claims => AcmeError::malformed(error.to_string()),
    })
}

/// The key that a header brings.
///
/// # Errors
/// `badPublicKey`, `malformed`.
pub(super) fn bare_key(jwk: Option<&Map<String, Value>>) -> Result<BareKey, AcmeError> {
    let jwk = jwk.ok_or_else(|| AcmeError::malformed("the protected header has no `jwk`"))?;
    let key = PublicKey::of_jwk(jwk)
        .map_err(|fault| AcmeError::bad_request("badPublicKey", fault.to_string()))?;
    Ok(BareKey { key, jwk: public_members(jwk) })
}

/// 404 where the door is closed.
pub(super) fn enabled(app: &App) -> Result<(), AcmeError> {
    if app.config().acme().is_enabled() {
        return Ok(());
    }
    let detail = "ACME is switched off here (acme.enabled); ask the operating body";
    Err(AcmeError::new(StatusCode::NOT_FOUND, "malformed", detail))
}

/// The address of one of our paths.
pub(super) fn url(app: &App, path: &str) -> String {
    format!("{}{path}", app.names().enrol)
}

/// The address of an account, by which its requests name it.
pub(super) fn account_url(app: &App, id: &str) -> String {
    url(app, &format!("/acme/account/{id}"))
}

/// An answer with what every answer has: a nonce and the way to the directory (§7.1).
pub(super) fn with_nonce(app: &App, mut response: Response) -> Result<Response, AcmeError> {
    let nonce = nonce::draw(app).map_err(|error| AcmeError::internal(&error))?;
    let index = format!("<{}>;rel=\"index\"", url(app, directory::PATH));
    let index = HeaderValue::from_str(&index).map_err(|error| AcmeError::internal(&error))?;
    let headers = response.headers_mut();
    headers.insert(REPLAY_NONCE, nonce);
    headers.append(header::LINK, index);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The same of an outcome: who was refused needs the next nonce most.
pub(super) fn answered(app: &App, outcome: Result<Response, AcmeError>) -> Response {
    let response = outcome.unwrap_or_else(IntoResponse::into_response);
    with_nonce(app, response).unwrap_or_else(IntoResponse::into_response)
}

/// What an account in force signed.
///
/// # Errors
/// [`AcmeError`].
pub(super) async fn of_account(app: &App, request: Request) -> Result<Opened<Holder>, AcmeError> {
    let opened = open(app, request).await?;
    match opened.signer {
        Signer::Account(holder) => Ok(Opened { signer: *holder, payload: opened.payload }),
        Signer::Key(_) => {
            Err(AcmeError::malformed("name the account by `kid` (RFC 8555 section 6.2)"))
        }
    }
}

/// What a key signed that the request brings.
///
/// # Errors
/// [`AcmeError`].
pub(super) async fn of_key(app: &App, request: Request) -> Result<Opened<BareKey>, AcmeError> {
    let opened = open(app, request).await?;
    match opened.signer {
        Signer::Key(key) => Ok(Opened { signer: key, payload: opened.payload }),
        Signer::Account(_) => {
            Err(AcmeError::malformed("bring the key as `jwk` (RFC 8555 section 6.2)"))
        }
    }
}

/// Whose key it is, before anything is known of the signature.
enum Known {
    Account((PublicKey, Account)),
    Key(BareKey),
}

/// What somebody signed.
///
/// 1. form and size;
/// 2. for this address (§6.4), with a nonce of ours (§6.5);
/// 3. by an account's key or by one that it brings, which holds;
/// 4. not seen before: the nonce is used up;
/// 5. the account and its service are in force.
///
/// # Errors
/// [`AcmeError`].
pub(super) async fn open(app: &App, request: Request) -> Result<Opened<Signer>, AcmeError> {
    // 1
    let octets = read(request.body).await?;
    enabled(app)?;
    let named = media_type::announced(&request.headers)
        .map_err(|_| AcmeError::malformed("Content-Type is repeated; send it once"))?;
    if !named.eq_ignore_ascii_case("application/jose+json") {
        let detail = "announce the body as application/jose+json (RFC 8555 section 6.2)";
        return Err(AcmeError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "malformed", detail));
    }
    let body: Value = serde_json::from_slice(&octets)
        .map_err(|_| AcmeError::malformed("the body is no JSON (RFC 8555 section 6.2)"))?;
    let compact = Flattened::compact(&body)?;
    let signed = parsed(&compact)?;
    // 2
    if signed.url() != Some(url(app, &request.path).as_str()) {
        let detail = "`url` in the protected header is not the address of this request";
        return Err(AcmeError::new(StatusCode::UNAUTHORIZED, "unauthorized", detail));
    }
    let nonce = signed.nonce().and_then(|text| nonce::read(app, text)).ok_or_else(bad_nonce)?;
    // 3
    let known = match (signed.kid(), signed.jwk()) {
        (Some(kid), None) => Known::Account(account_of(app, kid).await?),
        (None, jwk @ Some(_)) => Known::Key(bare_key(jwk)?),
        _ => {
            let detail = "the protected header must have either `kid` or `jwk`, and not both";
            return Err(AcmeError::malformed(detail));
        }
    };
    let (key, service) = match &known {
        Known::Account((key, account)) => (key, Some(account.service_id.as_str())),
        Known::Key(bare) => (&bare.key, None),
    };
    let Ok(payload) = signed.payload_verified_by(key) else {
        refused(app, &request.peer, "acme.request", "signature", service).await?;
        let detail = "the signature does not verify by the key that the request names";
        return Err(AcmeError::malformed(detail));
    };
    // 4
    if !app.store().use_acme_nonce(&nonce.unique, nonce.expires_at).await? {
        return Err(bad_nonce());
    }
    // 5
    let signer = match known {
        Known::Account((_, account)) => {
            let service = in_force(&mut app.store().read(), &account).await?;
            Signer::Account(Box::new(Holder { account, service }))
        }
        Known::Key(bare) => Signer::Key(bare),
    };
    Ok(Opened { signer, payload: payload.to_vec() })
}

/// Whatever the answer will be: a refusal sent while the client still writes does not reach it.
async fn read(body: Body) -> Result<Vec<u8>, AcmeError> {
    let collected = Limited::new(body, MOST_OCTETS).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let detail = "the request is longer than 16 KiB";
            AcmeError::new(StatusCode::PAYLOAD_TOO_LARGE, "malformed", detail)
        } else {
            AcmeError::malformed("the body did not arrive whole; send it again")
        }
    })?;
    Ok(collected.to_bytes().to_vec())
}

fn bad_nonce() -> AcmeError {
    AcmeError::bad_request(
        "badNonce",
        "the nonce is not ours, too old or was used; send the request again with the one of this answer",
    )
}

async fn account_of(app: &App, kid: &str) -> Result<(PublicKey, Account), AcmeError> {
    let unknown = || {
        AcmeError::bad_request(
            "accountDoesNotExist",
            "`kid` names no account here; open one with a key that the service's page gives",
        )
    };
    let id = kid.strip_prefix(&account_url(app, "")).ok_or_else(unknown)?;
    let account = acme_account::find(&mut app.store().read(), id).await?.ok_or_else(unknown)?;
    let jwk: Option<Map<String, Value>> = serde_json::from_str(&account.jwk).ok();
    let key = jwk.and_then(|jwk| PublicKey::of_jwk(&jwk).ok()).ok_or_else(|| {
        let corrupt = StoreError::Corrupt {
            what: "ACME account",
            detail: format!("the key of {} does not read back", account.id),
        };
        AcmeError::from(corrupt)
    })?;
    Ok((key, account))
}

/// The service of an account, both as they are in this transaction.
///
/// # Errors
/// `unauthorized`.
pub(super) async fn still_in_force(
    queries: &mut impl Queries,
    account: &Account,
) -> Result<Service, Aborted> {
    let account = acme_account::find(queries, &account.id).await?.ok_or(StoreError::Corrupt {
        what: "ACME account",
        detail: "it is no longer there".to_owned(),
    })?;
    in_force(queries, &account).await
}

/// The service of an account in force.
///
/// # Errors
/// `unauthorized`: the account or the service has ended, or rests.
pub(super) async fn in_force(
    queries: &mut impl Queries,
    account: &Account,
) -> Result<Service, Aborted> {
    if account.deactivated_at.is_some() {
        let detail = "this account was deactivated, for ever; open another with a new key";
        return Err(AcmeError::new(StatusCode::UNAUTHORIZED, "unauthorized", detail).into());
    }
    standing(queries, &account.service_id).await
}

/// The service of this identifier, if its servers may have certificates.
///
/// # Errors
/// `unauthorized`.
pub(super) async fn standing(
    queries: &mut impl Queries,
    service_id: &str,
) -> Result<Service, Aborted> {
    let found = service::find(queries, service_id).await?;
    let Some(service) = found.filter(|service| service.withdrawn_at.is_none()) else {
        let detail = format!(
            "there is no service {service_id}, or it was withdrawn; ask the operating body"
        );
        return Err(AcmeError::unauthorized(detail).into());
    };
    if service.live_at.is_none() {
        let detail = "the service is in the sandbox: its names count once it is approved";
        return Err(AcmeError::unauthorized(detail).into());
    }
    if let Some(id) = &service.organisation_id
        && !organisation::is_active(queries, id).await?
    {
        let detail =
            "the organisation that runs the service is not in operation; ask the operating body";
        return Err(AcmeError::unauthorized(detail).into());
    }
    Ok(service)
}

/// The members of a JWK that are the key (RFC 7638 §3.2): what else stands beside them is nobody's.
fn public_members(jwk: &Map<String, Value>) -> String {
    let kept = ["kty", "crv", "x", "y", "n", "e"];
    let members = jwk.iter().filter(|(name, _)| kept.contains(&name.as_str()));
    let members: Map<_, _> = members.map(|(name, value)| (name.clone(), value.clone())).collect();
    Value::Object(members).to_string()
}

/// The thumbprint that a key would have as that of an account; `None` for one of a kind that signs nothing
/// here.
pub(super) fn thumbprint_of(spki_der: &[u8]) -> Option<String> {
    let jwk = bare_jwk(spki_der).ok()?;
    PublicKey::of_jwk(jwk.as_object()?).ok().map(|key| key.thumbprint())
}

/// What is charged for refusals to strangers: it bounds how much of the trail a network fills.
fn refusals(app: &App, peer: &Peer) -> Subject {
    tries::network(app.config(), Door::Acme, &peer.addr.ip().to_string())
}

/// Charges and records a refusal to a stranger, unless this network rests already.
///
/// # Errors
/// `rateLimited`, or the database.
pub(super) async fn refused(
    app: &App,
    peer: &Peer,
    act: &'static str,
    reason: &'static str,
    service_id: Option<&str>,
) -> Result<(), AcmeError> {
    tries::charge(app, refusals(app, peer)).await??;
    let entry =
        Entry::refused(act, Actor::Stranger, app.now(), reason).from_address(peer.addr.ip());
    let service = match service_id {
        Some(id) => service::find(&mut app.store().read(), id).await?,
        None => None,
    };
    let entry = match &service {
        Some(service) => of_service(entry, service),
        None => entry,
    };
    transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone())))?;
    Ok(())
}

/// Records what an account was refused, as long as its network does not rest: it bounds what a client that
/// goes round in circles writes. The refusal is told in any case.
pub(super) async fn refused_to(
    app: &App,
    (holder, peer): (&Holder, &Peer),
    act: &'static str,
    error: AcmeError,
) -> AcmeError {
    if error.status.is_server_error() {
        return error;
    }
    match tries::charge(app, refusals(app, peer)).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return error,
        Err(unavailable) => return unavailable.into(),
    }
    let actor = Actor::Service(holder.service.id.clone());
    let entry = about(Entry::refused(act, actor, app.now(), error.kind), holder, peer);
    let recorded: Result<(), StoreError> =
        transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone())));
    match recorded {
        Ok(()) => error,
        Err(unavailable) => unavailable.into(),
    }
}

/// The record of what an account did.
pub(super) fn record(act: &'static str, holder: &Holder, (app, peer): (&App, &Peer)) -> Entry {
    about(Entry::done(act, Actor::Service(holder.service.id.clone()), app.now()), holder, peer)
}

/// What every record of an account says.
pub(super) fn about(entry: Entry, holder: &Holder, peer: &Peer) -> Entry {
    of_service(entry, &holder.service)
        .from_address(peer.addr.ip())
        .fact("account", holder.account.id.as_str())
}

/// What every record about a service says, so that its organisation's trail shows it.
pub(super) fn of_service(entry: Entry, service: &Service) -> Entry {
    let entry = entry.on("service", &service.id);
    match &service.organisation_id {
        Some(id) => entry.at_organisation(id),
        None => entry,
    }
}

/// Why a transaction ended without effect.
#[derive(Debug, thiserror::Error)]
pub(super) enum Aborted {
    /// The request is refused; nothing was written.
    #[error("refused: {}", .0.detail)]
    Refused(Box<AcmeError>),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AcmeError> for Aborted {
    fn from(error: AcmeError) -> Self {
        Self::Refused(Box::new(error))
    }
}

impl MayConflict for Aborted {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

impl From<Aborted> for AcmeError {
    fn from(aborted: Aborted) -> Self {
        match aborted {
            Aborted::Refused(error) => *error,
            Aborted::Store(error) => error.into(),
        }
    }
}
