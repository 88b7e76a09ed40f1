//! `POST /forward-auth/logout`, on the service's host `/.sso/logout`: ends the login at the service, and
//! leads to where it ends at the portal.

use axum::{body::Bytes, extract::rejection::BytesRejection, response::Response};
use http::{StatusCode, header};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    token_grant, transaction,
};
use url::form_urlencoded;

use super::{Asked, COOKIE, Refused, origin, pass, redirect, timed};
use crate::{
    cookie,
    error::oauth::OAuthError,
    oidc::{
        client_authentication::Client, live_grant, parameters::Parameters,
        token::issue::ID_TOKEN_TYP,
    },
};

/// How long the hint for the portal counts, in seconds.
const HINT_SECS: i64 = 60;

/// `POST /forward-auth/logout`: ends what the cookie stands for, takes it away and leads to the portal's
/// logout (OIDC RP-Initiated Logout 1.0). Only a form of the service's own pages may.
pub async fn post(asked: Asked, body: Result<Bytes, BytesRejection>) -> Response {
    let answered = match Parameters::of_body(body) {
        Ok(_) => answer(&asked).await,
        Err(error) => {
            Err(Refused::Told(OAuthError::from(error).status, "oidc-forward-auth-malformed"))
        }
    };
    asked.told(answered)
}

async fn answer(asked: &Asked) -> Result<Response, Refused> {
    let Asked { app, headers, .. } = asked;
    let client = asked.client().await?;
    let from = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    if from != Some(origin(&client)?.as_str()) {
        return Err(Refused::Told(StatusCode::FORBIDDEN, "oidc-forward-auth-foreign"));
    }
    let token = cookie::read(headers, COOKIE);
    let hint = match pass(app, &client, token).await? {
        Some(claims) => {
            let algorithm = client.metadata.id_token_signed_response_alg;
            let claims = timed(app, claims, HINT_SECS);
            Some(app.token_keys().sign(app, algorithm, ID_TOKEN_TYP, &claims).await?)
        }
        None => None,
    };
    if let Some(token) = token {
        end(asked, &client, token).await?;
    }
    let service = &client.service;
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &service.id)
        .extend_pairs(service.logout_uris.first().map(|uri| ("post_logout_redirect_uri", uri)))
        .extend_pairs(hint.map(|hint| ("id_token_hint", hint)))
        .finish();
    let address = format!("{}/end-session?{query}", app.names().terminal);
    redirect(&address, [cookie::clear(COOKIE)])
}

/// Ends what the service was given in the login of its cookie, whether or not it would pass now: a session
/// that is locked may be opened again, and a browser need not follow to where it ends.
async fn end(asked: &Asked, client: &Client, token: &str) -> Result<(), Refused> {
    let (store, now, id) = (asked.app.store(), asked.app.now(), &client.service.id);
    let Some((_, grant)) = live_grant::find(&mut store.read(), id, token).await? else {
        return Ok(());
    };
    let record = Entry::done("token.revoke", Actor::Service(id.clone()), now)
        .on("service", id)
        .on("session", hex::encode(grant.session_hash))
        .from_address(asked.peer.addr.ip());
    Ok(transaction!(store, StoreError, |tx| {
        token_grant::withdraw_of_service(tx, id, &grant.session_hash, now).await?;
        Ok(Audited::new((), record.clone()))
    })?)
}
