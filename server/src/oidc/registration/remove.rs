//! `DELETE /register/{client_id}`: a service takes its registration back (RFC 7592 §2.3).

use axum::{
    extract::{Extension, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sekisho_store::{
    audit::{Actor, Audited, Entry},
    service_change, transaction,
};

use super::{RegistrationRefused, own};
use crate::{app::App, error::oauth::OAuthError, form::PathId, listener::Peer};

/// `DELETE /register/{client_id}`. All that it was granted ends, its tokens of registration, too; its
/// identifier is never given again.
///
/// # Errors
/// [`OAuthError`] `invalid_token`.
pub async fn delete(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    PathId(client_id): PathId,
    headers: HeaderMap,
) -> Result<Response, OAuthError> {
    let service = own(&app, &peer, &headers, &client_id).await?;
    let now = app.now();
    let record = Entry::done("client.deregister", Actor::Service(service.id.clone()), now)
        .on("service", &service.id)
        .fact("live", service.live_at.is_some())
        .from_address(peer.addr.ip());
    transaction!(app.store(), RegistrationRefused, |tx| {
        let Some(certificates) = service_change::withdraw(tx, &service.id, now).await? else {
            return Err(RegistrationRefused::Token);
        };
        Ok(Audited::new((), record.clone().fact("certificates", certificates)))
    })?;
    let uncached = HeaderValue::from_static("no-store");
    Ok((StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, uncached)]).into_response())
}
