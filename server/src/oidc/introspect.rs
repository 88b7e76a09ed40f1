//! `POST /introspect` (RFC 7662), signed on request (RFC 9701).

use axum::{
    body::Bytes,
    extract::{Extension, State, rejection::BytesRejection},
    response::Response,
};
use http::{HeaderMap, HeaderValue, header};
use sekisho_store::service::AuthMethod;
use serde_json::{Value, json};

use super::{
    access_token::{self, Live},
    client_authentication::{self, Client},
    confirmation::Confirmation,
    live_grant::{self, LiveGrant},
    token,
};
use crate::{app::App, error::oauth::OAuthError, listener::Peer, personal_data};

/// Media type and `typ` of a signed answer (RFC 9701 §5).
const SIGNED: &str = "application/token-introspection+jwt";
const SIGNED_TYP: &str = "token-introspection+jwt";

/// `POST /introspect`.
///
/// A client learns about its own tokens and about those that are for it as a resource. Of anything
/// else, also of what is no token at all, it learns that it is not active (§2.2).
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
    if client.service.auth_method == AuthMethod::None {
        // §2.1: whoever asks must prove themself, or tokens could be tried out.
        return Err(OAuthError::invalid_client("introspection needs client authentication"));
    }
    let presented = parameters
        .get("token")
        .ok_or_else(|| OAuthError::bad_request("invalid_request", "token is missing"))?;
    let told = match access(&app, &client, presented).await? {
        Some(told) => told,
        None => refresh(&app, &client, presented).await?.unwrap_or(json!({ "active": false })),
    };
    if !wants_signed(&headers) {
        return Ok(token::uncached(&told));
    }
    let claims = json!({
        "iss": app.names().public,
        "aud": client.service.id,
        "iat": app.now().unix_timestamp(),
        "token_introspection": told,
    });
    let algorithm = client.metadata.introspection_signed_response_alg;
    let signed = app.token_keys().sign(&app, algorithm, SIGNED_TYP, &claims).await?;
    Ok(token::unkept(HeaderValue::from_static(SIGNED), signed))
}

/// RFC 9701 §4: asked for by `Accept`.
fn wants_signed(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|value| value.split(','))
        .any(|range| range.split(';').next().unwrap_or_default().trim() == SIGNED)
}

async fn access(app: &App, client: &Client, token: &str) -> Result<Option<Value>, OAuthError> {
    let Some(live) = access_token::live(app, token, app.now()).await? else { return Ok(None) };
    let Live { claims, of_person } = live;
    let own = claims.client_id == client.service.id;
    let for_it = client.metadata.resources.iter().any(|resource| claims.aud.names(resource));
    if !own && !for_it {
        return Ok(None);
    }
    if let Some((_, session)) = &of_person {
        // Somebody else's token for this service: what the person agreed to may have been withdrawn since.
        let (mut reader, service) = (app.store().read(), &client.service);
        let settled = personal_data::is_settled_for_calls(&mut reader, service, &session.person_id);
        if !own && !settled.await? {
            return Ok(None);
        }
    }
    let mut told = serde_json::to_value(&claims).map_err(|error| OAuthError::internal(&error))?;
    if let Value::Object(members) = &mut told {
        members.retain(|_, value| !value.is_null());
        members.insert("active".into(), true.into());
        let token_type = Confirmation::token_type(claims.cnf.as_ref());
        members.insert("token_type".into(), token_type.into());
    }
    Ok(Some(told))
}

/// A refresh token is its client's own affair.
async fn refresh(app: &App, client: &Client, token: &str) -> Result<Option<Value>, OAuthError> {
    let (mut reader, service) = (app.store().read(), &client.service.id);
    let live = live_grant::of_refresh_token(app, &mut reader, service, token, app.now()).await?;
    let Some(LiveGrant { token, grant, .. }) = live else { return Ok(None) };
    Ok(Some(json!({
        "active": true,
        "iss": app.names().public,
        "client_id": grant.service_id,
        "scope": grant.scope,
        "iat": token.issued_at.unix_timestamp(),
        "exp": token.expires_at.unix_timestamp(),
    })))
}
