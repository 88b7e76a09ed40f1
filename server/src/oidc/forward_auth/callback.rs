//! `GET /forward-auth/callback`, on the service's host `/.sso/callback`: back from logging in.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value};

use super::{Asked, COOKIE, MALFORMED, Refused, flow::Flow, redirect};
use crate::{
    app::App,
    cookie::{self, SameSite},
    listener::Peer,
    oidc::{client_authentication::Client, parameters::Parameters, token},
};

/// `GET /forward-auth/callback`: takes the code, sets the cookie of the service's host, and leads to where
/// the person wanted to go.
pub async fn get(asked: Asked) -> Response {
    asked.told(answer(&asked).await)
}

async fn answer(asked: &Asked) -> Result<Response, Refused> {
    let Asked { app, peer, headers, .. } = asked;
    let client = asked.client().await?;
    let parameters = asked.parameters()?;
    let state = parameters.get("state").ok_or(MALFORMED)?;
    let flow = Flow::resume(app, headers, &client.service.id, state)
        .ok_or(Refused::Told(StatusCode::BAD_REQUEST, "oidc-forward-auth-other-browser"))?;
    // RFC 9207 §2.4: the answer of another provider is none of ours.
    if parameters.get("iss") != Some(app.names().public.as_str()) {
        return Err(MALFORMED);
    }
    if let Some(error) = parameters.get("error") {
        return Err(refused(error));
    }
    let code = parameters.get("code").ok_or(MALFORMED)?;
    match redeemed(app, peer, client, code, &flow).await? {
        Some(token) => {
            let cookie = cookie::set(COOKIE, &token, None, SameSite::Lax);
            redirect(&flow.to, [cookie])
        }
        // Somebody went back, or waited too long: where they wanted to go asks for the next login.
        None => redirect(&flow.to, []),
    }
}

/// What the portal's answer means to the person who is sent back with it.
fn refused(error: &str) -> Refused {
    match error {
        "temporarily_unavailable" => Refused::Unavailable,
        "server_error" => Refused::Internal,
        _ => Refused::Told(StatusCode::FORBIDDEN, "oidc-forward-auth-denied"),
    }
}

/// The refresh token that the code leads to; none where it leads nowhere any more.
async fn redeemed(
    app: &App,
    peer: &Peer,
    client: Client,
    code: &str,
    flow: &Flow,
) -> Result<Option<String>, Refused> {
    let redirect_uri = client.service.redirect_uris.first().cloned().ok_or(Refused::Internal)?;
    let sent = [
        ("code", code.to_owned()),
        ("redirect_uri", redirect_uri),
        ("code_verifier", flow.verifier.clone()),
    ];
    let sent: Map<String, Value> =
        sent.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    match token::redeem(app, peer, client, &Parameters::of_claims(sent)).await {
        Ok(tokens) => Ok(tokens["refresh_token"].as_str().map(str::to_owned)),
        Err(error) if error.error == "invalid_grant" => Ok(None),
        Err(error) => Err(error.into()),
    }
}
