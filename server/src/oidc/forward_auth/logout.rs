//! `POST /forward-auth/logout`, on the service's host `/.sso/logout`: ends the login at the portal too.

use axum::{body::Bytes, extract::rejection::BytesRejection, response::Response};
use http::{StatusCode, header};
use url::form_urlencoded;

use super::{Asked, COOKIE, Refused, origin, pass, redirect, timed};
use crate::{
    cookie,
    error::oauth::OAuthError,
    oidc::{parameters::Parameters, token::issue::ID_TOKEN_TYP},
    token_keys::TokenKeys,
};

/// How long the hint for the portal counts, in seconds.
const HINT_SECS: i64 = 60;

/// `POST /forward-auth/logout`: takes the cookie away and leads to the portal's logout (OIDC RP-Initiated
/// Logout 1.0). Only a form of the service's own pages may.
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
    let hint = match pass(app, &client, headers).await? {
        Some(claims) => {
            let algorithm = client.metadata.id_token_signed_response_alg;
            let claims = timed(app, claims, HINT_SECS);
            let hint = TokenKeys::sign(app, algorithm, ID_TOKEN_TYP, &claims).await;
            Some(hint.map_err(|error| Refused::internal(&error))?)
        }
        None => None,
    };
    let service = &client.service;
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &service.id)
        .extend_pairs(service.logout_uris.first().map(|uri| ("post_logout_redirect_uri", uri)))
        .extend_pairs(hint.map(|hint| ("id_token_hint", hint)))
        .finish();
    let address = format!("{}/end-session?{query}", app.names().terminal);
    redirect(&address, [cookie::clear(COOKIE)])
}
