//! `POST /revoke` (RFC 7009).

use axum::{
    body::Bytes,
    extract::{Extension, State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    token_grant, transaction,
};
use time::OffsetDateTime;

use super::{access_token, client_authentication, live_grant, token};
use crate::{app::App, error::oauth::OAuthError, listener::Peer};

/// What is revoked.
enum Found {
    /// A refresh token: its grant goes, and with it the access tokens (§2.1).
    Grant(String),
    /// An access token alone.
    Token(String, OffsetDateTime),
}

/// `POST /revoke`. What is no token of this client is answered like one that was revoked before
/// (§2.2): nobody learns whether it exists.
///
/// # Errors
/// [`OAuthError`] `invalid_request`, `invalid_client`.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, OAuthError> {
    let parameters = token::read(&headers, body)?;
    let client = client_authentication::authenticate(&app, &headers, &parameters, &peer).await?;
    let presented = parameters
        .get("token")
        .ok_or_else(|| OAuthError::bad_request("invalid_request", "token is missing"))?;
    let id = &client.service.id;
    if let Some(found) = found(&app, id, presented).await? {
        let now = app.now();
        let record = Entry::done("token.revoke", Actor::Service(id.clone()), now)
            .on("service", id)
            .from_address(peer.addr.ip());
        let record = match &found {
            Found::Grant(grant) => record.on("grant", grant),
            Found::Token(token, _) => record.on("token", token),
        };
        transaction!(app.store(), StoreError, |tx| {
            match &found {
                Found::Grant(grant) => {
                    token_grant::withdraw(tx, grant, now).await?;
                }
                Found::Token(token, expires_at) => {
                    token_grant::revoke_token(tx, token, *expires_at).await?;
                }
            }
            Ok(Audited::new((), record.clone()))
        })?;
    }
    let uncached = HeaderValue::from_static("no-store");
    Ok((StatusCode::OK, [(header::CACHE_CONTROL, uncached)]).into_response())
}

/// The client's own token that this text is. Its hint is not needed: each kind is told by its form.
async fn found(app: &App, client_id: &str, text: &str) -> Result<Option<Found>, OAuthError> {
    if let Some(claims) = access_token::read(app, text).await? {
        let expires_at = OffsetDateTime::from_unix_timestamp(claims.exp)
            .map_err(|error| OAuthError::internal(&error))?;
        let own = claims.client_id == client_id;
        return Ok(own.then_some(Found::Token(claims.jti, expires_at)));
    }
    let own = live_grant::find(&mut app.store().read(), client_id, text).await?;
    Ok(own.map(|(_, grant)| Found::Grant(grant.id)))
}
