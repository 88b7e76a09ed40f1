//! `GET /forward-auth/start?to=…`, on the service's host `/.sso/start`: off to log in.

use axum::response::Response;
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::{
    Asked, Refused,
    flow::{BROWSER_COOKIE, Flow},
    redirect,
};
use crate::cookie::{self, SameSite};

/// `GET /forward-auth/start`: to the authorization endpoint, with PKCE and a `state` of this browser.
pub async fn get(asked: Asked) -> Response {
    asked.told(answer(&asked).await)
}

async fn answer(asked: &Asked) -> Result<Response, Refused> {
    let Asked { app, headers, .. } = asked;
    let client = asked.client().await?;
    let parameters = asked.parameters()?;
    let flow = Flow::begin(app, headers, parameters.get("to").unwrap_or("/"))?;
    let service = &client.service;
    let challenge = sekisho_protocol::octets::encode(Sha256::digest(&flow.verifier));
    let redirect_uri = service.redirect_uris.first().ok_or(Refused::Internal)?;
    let wanted = form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", &service.id)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("scope", &service.scopes.join(" "))
        .append_pair("state", &flow.seal(app, &service.id)?)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256")
        .finish();
    let browser = cookie::set(BROWSER_COOKIE, &flow.browser, None, SameSite::Lax);
    redirect(&format!("{}/authorize?{wanted}", app.names().terminal), [browser])
}
