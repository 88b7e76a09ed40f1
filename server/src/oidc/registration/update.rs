//! `PUT /register/{client_id}`: a service replaces its registration (RFC 7592 §2.2).

use axum::{
    body::Bytes,
    extract::{Extension, State, rejection::BytesRejection},
    response::Response,
};
use http::HeaderMap;
use secrecy::SecretString;
use sekisho_store::{
    audit::{Actor, Audited, Entry},
    service::{self, Service},
    service_change, transaction,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{RegistrationRefused, document, information, own, token};
use crate::{
    app::App,
    error::oauth::OAuthError,
    form::PathId,
    listener::Peer,
    oidc::{
        client::{Document, RegistrationError, Whose, give_secret},
        token::uncached,
    },
};

/// `PUT /register/{client_id}`. What the document leaves out takes its default. A secret stays as
/// long as the way of authentication has one; a new one is drawn when it comes to have one.
///
/// # Errors
/// [`OAuthError`]: RFC 7591 §3.2.2, or `invalid_token`.
pub async fn put(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    PathId(client_id): PathId,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, OAuthError> {
    own(&app, &peer, &headers, &client_id).await?;
    let (_, token) = token(&headers)?;
    let document = document(&headers, body)?;
    let now = app.now();
    let record = Entry::done("client.update", Actor::Service(client_id.clone()), now)
        .on("service", &client_id)
        .from_address(peer.addr.ip());
    let (service, secret) = transaction!(app.store(), RegistrationRefused, |tx| {
        // As it is in this transaction: the rules for a live one are not the sandbox's.
        let before = service::find(tx, &client_id).await?.ok_or(RegistrationRefused::Token)?;
        let (after, secret) = replaced(&app, &before, document.clone())?;
        if before.live_at.is_some() {
            stays_within(&before, &after)?;
        }
        service_change::replace(tx, &after).await?;
        let record = record
            .clone()
            .fact("scopes", after.scopes.join(" "))
            .fact("redirect_uris", after.redirect_uris.join(" "))
            .fact("authentication", after.auth_method.as_str());
        Ok(Audited::new((after, secret), record))
    })?;
    Ok(uncached(&information(&app, &service, secret.as_ref(), token)?))
}

/// What the document makes of a service, and the secret if it gets one.
fn replaced(
    app: &App,
    before: &Service,
    document: Document,
) -> Result<(Service, Option<SecretString>), RegistrationRefused> {
    let own = |key, holds| {
        let fault = "is the one that the service has".to_owned();
        if holds { Ok(()) } else { Err(RegistrationError::Invalid { key, fault }) }
    };
    own("client_id", document.client_id.as_deref() == Some(&before.id))?;
    if let Some(secret) = &document.client_secret {
        let given: [u8; 32] = Sha256::digest(secret).into();
        let same = before.secret_hash.is_some_and(|expected| given.ct_eq(&expected).into());
        own("client_secret", same)?;
    }
    let whose = Whose {
        client_id: &before.id,
        organisation_id: before.organisation_id.as_deref(),
        before: Some(before),
    };
    let mut after = document.into_service(app.config(), whose, before.created_at)?;
    after.live_at = before.live_at;
    if seeded!(ClientKeysKept) {
        after.jwks.clone_from(&before.jwks);
    }
    if after.auth_method.has_secret() && before.secret_hash.is_some() {
        after.secret_hash = before.secret_hash;
        return Ok((after, None));
    }
    let secret = give_secret(&mut after, app.random())?;
    Ok((after, secret))
}

/// A live service takes back, or exchanges its keys, by its own token; anything else was approved and
/// would have to be approved anew.
fn stays_within(before: &Service, after: &Service) -> Result<(), RegistrationRefused> {
    let among = |few: &[String], all: &[String]| few.iter().all(|one| all.contains(one));
    let checks = [
        ("redirect_uris", among(&after.redirect_uris, &before.redirect_uris)),
        ("post_logout_redirect_uris", among(&after.logout_uris, &before.logout_uris)),
        ("scope", among(&after.scopes, &before.scopes)),
        (
            "backchannel_logout_uri",
            after.backchannel_logout_uri.is_none()
                || after.backchannel_logout_uri == before.backchannel_logout_uri,
        ),
        ("client_name", (&after.name_ja, &after.name_en) == (&before.name_ja, &before.name_en)),
        ("client_uri", after.home_url == before.home_url),
        ("token_endpoint_auth_method", after.auth_method == before.auth_method),
        // It names people: another one would be another service's.
        ("subject_type", after.sector == before.sector),
        ("personal_data", after.personal_data == before.personal_data),
        ("a member of the protocol", after.metadata == before.metadata),
    ];
    match checks.into_iter().find(|(_, within)| !within) {
        Some((member, _)) => Err(RegistrationRefused::Widened(member)),
        None => Ok(()),
    }
}
