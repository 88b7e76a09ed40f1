//! Another key for an account, to which both keys agree (RFC 8555 §7.3.5).

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use sekisho_store::{acme_account, audit::Audited, transaction};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::door::{self, Aborted, Request};
use crate::{app::App, error::acme::AcmeError, jose::PublicKey};

#[derive(Deserialize)]
struct Change {
    account: String,
    #[serde(rename = "oldKey")]
    old_key: Map<String, Value>,
}

/// `POST /acme/key-change`.
pub async fn post(State(app): State<App>, request: Request) -> Response {
    door::answered(&app, changed(&app, request).await)
}

async fn changed(app: &App, request: Request) -> Result<Response, AcmeError> {
    let (peer, url) = (request.peer.clone(), door::url(app, &request.path));
    let asked = door::of_account(app, request).await?;
    let holder = &asked.signer;
    let inner = door::Flattened::compact(&asked.payload::<Value>()?)?;
    let inner = door::parsed(&inner)?;
    if inner.url() != Some(url.as_str()) || inner.nonce().is_some() || inner.kid().is_some() {
        let detail = "the inner JWS has `jwk` and the same `url`, and neither `kid` nor `nonce`";
        return Err(AcmeError::malformed(detail));
    }
    let bare = door::bare_key(inner.jwk())?;
    let Ok(payload) = inner.payload_verified_by(&bare.key) else {
        let detail = "the inner JWS is not signed by the new key";
        return Err(AcmeError::malformed(detail));
    };
    let change: Change = serde_json::from_slice(payload)
        .map_err(|error| AcmeError::malformed(format!("the inner payload: {error}")))?;
    let old = PublicKey::of_jwk(&change.old_key).map(|key| key.thumbprint());
    let account = &holder.account;
    let location = door::account_url(app, &account.id);
    if change.account != location || old.as_ref() != Ok(&account.thumbprint) {
        let detail = "the inner payload names another account or another present key";
        return Err(AcmeError::malformed(detail));
    }
    let thumbprint = bare.key.thumbprint();
    let location = HeaderValue::from_str(&location).map_err(|error| AcmeError::internal(&error))?;
    transaction!(app.store(), Aborted, |tx| {
        if let Some(other) = acme_account::of_key(tx, &thumbprint).await? {
            // §7.3.5: the address of the account that has it is told.
            let detail = "the new key has an account already";
            let error = AcmeError::new(StatusCode::CONFLICT, "malformed", detail);
            let location = Some(door::account_url(app, &other.id));
            return Err(AcmeError { location, ..error }.into());
        }
        let new = (thumbprint.as_str(), bare.jwk.as_str());
        if !acme_account::set_key(tx, &account.id, &account.thumbprint, new).await? {
            return Err(AcmeError::unauthorized("the account has another key by now").into());
        }
        let entry = door::record("acme.change_key", holder, (app, &peer))
            .fact("old_key", account.thumbprint.as_str())
            .fact("key", thumbprint.as_str());
        Ok(Audited::new((), entry))
    })?;
    Ok((StatusCode::OK, [(header::LOCATION, location)]).into_response())
}
