//! `GET` and `POST /userinfo` (OIDC Core §5.3): the claims once more, while they still count.

use axum::{
    extract::{Extension, State},
    response::Response,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sekisho_protocol::{JwkSet, jws};
use sekisho_store::access_token;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{liveness, token};
use crate::{app::App, error::oauth::OAuthError, keys, listener::Peer};

#[derive(Deserialize)]
struct AccessClaims {
    iss: String,
    aud: String,
    exp: i64,
    jti: String,
}

/// `GET /userinfo` and `POST /userinfo`.
///
/// The token comes in the `Authorization` header only: an address ends up in logs (RFC 6750 §5.3), and
/// one with a query was refused before (`router.rs`).
///
/// # Errors
/// [`OAuthError`] `invalid_request`, `invalid_token`.
pub async fn get(
    State(app): State<App>,
    Extension(_): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Response, OAuthError> {
    let bearer = bearer(&headers)?;
    let invalid = || OAuthError::invalid_token("the token is not valid here and now");
    let published = keys::jwks(&app.keys().oidc).map_err(|error| OAuthError::internal(&error))?;
    let keys: JwkSet =
        serde_json::from_value(published).map_err(|error| OAuthError::internal(&error))?;
    let claims: AccessClaims =
        jws::verify(bearer, token::issue::ACCESS_TOKEN_TYP, &keys).map_err(|_| invalid())?;
    let (now, issuer) = (app.now(), &app.names().public);
    if claims.iss != *issuer || claims.aud != *issuer || claims.exp <= now.unix_timestamp() {
        return Err(invalid());
    }
    let mut reader = app.store().read();
    let live = access_token::live(&mut reader, &claims.jti, now).await?.ok_or_else(invalid)?;
    if liveness::session(&mut reader, &live.session_hash, now).await?.is_none() {
        return Err(invalid());
    }
    let told: Map<String, Value> =
        serde_json::from_str(&live.claims).map_err(|error| OAuthError::internal(&error))?;
    Ok(token::uncached(&Value::Object(told)))
}

fn bearer(headers: &HeaderMap) -> Result<&str, OAuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(OAuthError::bad_request("invalid_request", "Authorization is repeated"));
    }
    value
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| OAuthError {
            // RFC 6750 §3.1: without a token no error code, only the challenge.
            challenge: Some(HeaderValue::from_static("Bearer")),
            status: StatusCode::UNAUTHORIZED,
            error: "invalid_token",
            description: "a bearer token is required".to_owned(),
            retry_after_secs: None,
        })
}
