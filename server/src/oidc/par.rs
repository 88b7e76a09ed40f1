//! `POST /par`: an authorization request that the client sends ahead (RFC 9126).

use axum::{
    body::Bytes,
    extract::{Extension, State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    pushed_request::{self, Pushed},
    transaction,
};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    authorize::{REFERENCE, RequestError, Wanted, signed_or_plain},
    client_authentication::{self, Client},
    confirmation::Confirmation,
    dpop,
    grant::Details,
    parameters::Parameters,
    resource, token,
};
use crate::{app::App, error::oauth::OAuthError, listener::Peer};

/// What authenticates the client is not part of the request that is kept.
const NOT_KEPT: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

impl From<RequestError> for OAuthError {
    fn from(error: RequestError) -> Self {
        Self::bad_request(error.code, error.description)
    }
}

/// `POST /par`.
///
/// # Errors
/// [`OAuthError`]: client authentication fails, or the authorization endpoint would refuse the request
/// (RFC 9126 §2.3).
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, OAuthError> {
    let sent = token::read(&headers, body)?;
    let client = client_authentication::authenticate(&app, &headers, &sent, &peer).await?;
    if sent.has("request_uri") && !seeded!(ReferenceInPushedForm) {
        // §2.1, item 2.
        let description = "request_uri must not stand in a request that is sent ahead";
        return Err(OAuthError::bad_request("invalid_request", description));
    }
    let now = app.now();
    let parameters = signed_or_plain(&app, sent, &client, now)?;
    let details = judged(&app, &client, &parameters, &headers, &peer).await?;
    let reference =
        token::issue::random_text(&app).map_err(|error| OAuthError::internal(&error))?;
    let lifetime = app.config().oidc().pushed_request_lifetime();
    let pushed = Pushed {
        id_hash: Sha256::digest(&reference).into(),
        service_id: client.service.id.clone(),
        parameters: parameters.encoded_without(&NOT_KEPT),
        details: details.to_column().map_err(|error| OAuthError::internal(&error))?,
        created_at: now,
        expires_at: now + lifetime,
    };
    let id = &client.service.id;
    let record = Entry::done("authorization.push", Actor::Service(id.clone()), now)
        .on("service", id)
        .from_address(peer.addr.ip());
    transaction!(app.store(), StoreError, |tx| {
        pushed_request::add(tx, &pushed).await?;
        Ok(Audited::new((), record.clone()))
    })?;
    let answer = json!({
        "request_uri": format!("{REFERENCE}{reference}"),
        "expires_in": lifetime.whole_seconds(),
    });
    Ok((StatusCode::CREATED, token::uncached(&answer)).into_response())
}

/// The request keeps the rules of the authorization endpoint, as far as they need no browser.
async fn judged(
    app: &App,
    client: &Client,
    parameters: &Parameters,
    headers: &HeaderMap,
    peer: &Peer,
) -> Result<Details, OAuthError> {
    let invalid = |text: &str| OAuthError::bad_request("invalid_request", text);
    if parameters.get("client_id").is_some_and(|id| id != client.service.id) {
        return Err(invalid("client_id is not that of the authenticated client"));
    }
    let uri = parameters.get("redirect_uri").ok_or_else(|| invalid("redirect_uri is missing"))?;
    if !client.service.redirect_uris.iter().any(|registered| registered == uri) {
        return Err(invalid("redirect_uri is not registered"));
    }
    let wanted = Wanted::of(parameters, &client.service, &client.metadata)?;
    resource::check(app, client, &wanted.resources).await?;
    let url = format!("{}/par", app.names().origin(peer.role));
    let request = dpop::Request { method: "POST", url: &url, access_token: None };
    let Some(proof) = dpop::read(headers, request, app.now())? else {
        return Ok(Details::default());
    };
    // RFC 9449 §10.1: the field binds the code as the parameter does; both must say the same.
    let other = wanted.dpop_jkt.is_some_and(|named| named != proof.thumbprint);
    if other && !seeded!(DpopJktAgainstProofUnchecked) {
        return Err(dpop::refused("dpop_jkt names another key than the proof"));
    }
    if !app.store().accept_dpop_proof(&proof.hash, proof.expires_at).await? {
        return Err(dpop::refused("the proof was used before; make a new one"));
    }
    let bound_to =
        Some(Confirmation::Key(proof.thumbprint)).filter(|_| !seeded!(ProofAtParIgnored));
    Ok(Details { bound_to, ..Details::default() })
}
