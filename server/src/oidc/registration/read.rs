//! `GET /register/{client_id}`: a service reads its own registration (RFC 7592 §2.1).

use axum::{
    extract::{Extension, State},
    response::Response,
};
use http::HeaderMap;

use super::{information, own, token};
use crate::{
    app::App, error::oauth::OAuthError, form::PathId, listener::Peer, oidc::token::uncached,
};

/// `GET /register/{client_id}`. The secret is not in it: we keep its hash.
///
/// # Errors
/// [`OAuthError`] `invalid_token`.
pub async fn get(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    PathId(client_id): PathId,
    headers: HeaderMap,
) -> Result<Response, OAuthError> {
    let service = own(&app, &peer, &headers, &client_id).await?;
    let (_, token) = token(&headers)?;
    Ok(uncached(&information(&app, &service, None, token)?))
}
