//! `GET` and `POST /userinfo` (OIDC Core §5.3): the claims once more, while they still count.

use axum::{
    extract::{Extension, State},
    response::Response,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value};

use super::{
    access_token::{self, Live},
    claims,
    client_authentication::Client,
    confirmation::Confirmation,
    dpop,
    grant::Details,
    presented_token::{Scheme, presented},
    self_check, token,
};
use crate::{app::App, error::oauth::OAuthError, listener::Peer};

/// `GET /userinfo` and `POST /userinfo`.
///
/// The token comes in the `Authorization` header only: an address ends up in logs (RFC 6750 §5.3), and
/// one with a query was refused before (`router.rs`).
///
/// # Errors
/// [`OAuthError`] `invalid_request`, `invalid_token`, `invalid_dpop_proof`.
pub async fn get(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, OAuthError> {
    let (scheme, token) = presented(&headers)?;
    let now = app.now();
    let live = access_token::live(&app, token, now).await?.ok_or_else(|| scheme.invalid())?;
    if !live.claims.aud.names(&app.names().public) {
        return Err(scheme.invalid());
    }
    possessed(&app, &peer, &method, &headers, scheme, token, &live).await?;
    let Some((grant, session)) = &live.of_person else { return Err(scheme.invalid()) };
    let told: Map<String, Value> =
        serde_json::from_str(&grant.claims).map_err(|error| OAuthError::internal(&error))?;
    let scope: Vec<&str> = live.claims.scope.as_deref().unwrap_or_default().split(' ').collect();
    let details = Details::of(grant).map_err(|error| OAuthError::internal(&error))?;
    let by_name: &[String] = if seeded!(ClaimsByNameForgotten) { &[] } else { &details.claims };
    // What this token says of an emergency, not what the first one of the grant said.
    let told = claims::marked(told, live.claims.break_glass_id.as_deref());
    let mut told = claims::narrowed(claims::of_now(told, session), &scope, by_name);
    let client =
        Client::find(&app, &live.claims.client_id).await?.ok_or_else(|| scheme.invalid())?;
    self_check::token_used(&app, &client.service, &grant.id).await?;
    if seeded!(UserinfoOfAnother) {
        told.insert("sub".into(), client.service.id.as_str().into());
    }
    let algorithm = client.metadata.userinfo_signed_response_alg;
    let Some(algorithm) = algorithm.filter(|_| !seeded!(UserinfoUnsigned)) else {
        return Ok(token::uncached(&Value::Object(told)));
    };
    // OIDC Core §5.3.2.
    told.insert("iss".into(), app.names().public.as_str().into());
    let aud = if seeded!(UserinfoForAnother) { "another" } else { client.service.id.as_str() };
    told.insert("aud".into(), aud.into());
    let typ = token::issue::ID_TOKEN_TYP;
    let signed = app.token_keys().sign(&app, algorithm, typ, &Value::Object(told)).await?;
    Ok(token::unkept(HeaderValue::from_static("application/jwt"), signed))
}

/// Whoever sends a token holds what it is bound to (RFC 9449 §7, RFC 8705 §3).
async fn possessed(
    app: &App,
    peer: &Peer,
    method: &Method,
    headers: &HeaderMap,
    scheme: Scheme,
    token: &str,
    live: &Live,
) -> Result<(), OAuthError> {
    match &live.claims.cnf {
        _ if seeded!(BoundTokenAlone) => Ok(()),
        None if scheme == Scheme::Bearer => Ok(()),
        Some(bound @ Confirmation::Certificate(_)) if scheme == Scheme::Bearer => {
            let shown = Confirmation::of_connection(peer);
            if shown.as_ref() == Some(bound) { Ok(()) } else { Err(scheme.invalid()) }
        }
        Some(Confirmation::Key(thumbprint)) if scheme == Scheme::Dpop => {
            let url = format!("{}/userinfo", app.names().origin(peer.role));
            let method = method.as_str();
            let request = dpop::Request { method, url: &url, access_token: Some(token) };
            let proof = dpop::read(headers, request, app.now()).map_err(at_resource)?;
            let fits =
                |proof: &dpop::Proof| proof.thumbprint == *thumbprint || seeded!(ProofByAnyKey);
            let proof = proof.filter(fits);
            let proof = proof.ok_or_else(|| scheme.invalid())?;
            if app.store().accept_dpop_proof(&proof.hash, proof.expires_at).await?
                || seeded!(ProofReplayed)
            {
                return Ok(());
            }
            Err(at_resource(dpop::refused("the proof was used before; make a new one")))
        }
        _ => Err(scheme.invalid()),
    }
}

/// RFC 9449 §7.1: at a resource the error stands in the challenge as well.
fn at_resource(error: OAuthError) -> OAuthError {
    OAuthError {
        status: StatusCode::UNAUTHORIZED,
        challenge: Some(HeaderValue::from_static(
            "DPoP error=\"invalid_dpop_proof\", algs=\"ES256 PS256\"",
        )),
        ..error
    }
}
