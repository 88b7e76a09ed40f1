//! `POST /register`: a service registers itself (RFC 7591 §3).

use axum::{
    body::Bytes,
    extract::{Extension, State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use secrecy::ExposeSecret;
use sekisho_store::{
    audit::{Actor, Audited, Entry},
    client_registration::{self, InitialToken},
    organisation, service, transaction,
};

use super::{RegistrationRefused, document, information, strange_token, token};
use crate::{
    app::App,
    error::oauth::OAuthError,
    listener::Peer,
    oidc::{
        client::{Drawn, Whose, draw_identifier, give_secret},
        token::uncached,
    },
};

/// `POST /register`. The service is in the sandbox.
///
/// # Errors
/// [`OAuthError`]: RFC 7591 §3.2.2, or `invalid_token` (RFC 6750 §3.1).
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, OAuthError> {
    let (hash, _) = token(&headers)?;
    let Some(initial) = usable(&app, &hash).await? else {
        return Err(strange_token(&app, &peer).await?);
    };
    let document = document(&headers, body)?;
    let now = app.now();
    let client_id = draw_identifier(app.random()).map_err(RegistrationRefused::from)?;
    let whose = Whose {
        client_id: &client_id,
        organisation_id: initial.organisation_id.as_deref(),
        before: None,
    };
    let mut service =
        document.into_service(app.config(), whose, now).map_err(RegistrationRefused::from)?;
    let secret = give_secret(&mut service, app.random()).map_err(RegistrationRefused::from)?;
    let access = Drawn::draw(app.random()).map_err(RegistrationRefused::from)?;
    let record = Entry::done("client.register", Actor::Stranger, now)
        .on("service", &client_id)
        .on("initial_access_token", &initial.id)
        .fact("scopes", service.scopes.join(" "))
        .fact("authentication", service.auth_method.as_str())
        .from_address(peer.addr.ip());
    let record = match &initial.organisation_id {
        Some(id) => record.at_organisation(id),
        None => record,
    };
    transaction!(app.store(), RegistrationRefused, |tx| {
        let counts = client_registration::consume_initial(tx, &initial.id, now).await?;
        if !counts && !seeded!(AnybodyRegisters) {
            return Err(RegistrationRefused::Token);
        }
        service::add(tx, &service).await?;
        client_registration::add_access(tx, &access.hash, &client_id, now).await?;
        Ok(Audited::new((), record.clone()))
    })?;
    let answer = information(&app, &service, secret.as_ref(), access.text.expose_secret())?;
    Ok((StatusCode::CREATED, uncached(&answer)).into_response())
}

/// The initial access token of this hash, if it registers now and its organisation is in operation.
async fn usable(app: &App, hash: &[u8; 32]) -> Result<Option<InitialToken>, OAuthError> {
    #[cfg(seeded_faults)]
    if seeded!(AnybodyRegisters) {
        return Ok(Some(InitialToken { id: String::new(), organisation_id: None }));
    }
    let mut reader = app.store().read();
    let Some(found) = client_registration::find_initial(&mut reader, hash, app.now()).await? else {
        return Ok(None);
    };
    let active = match &found.organisation_id {
        Some(id) => organisation::is_active(&mut reader, id).await?,
        None => true,
    };
    Ok(active.then_some(found))
}
