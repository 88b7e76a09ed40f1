//! `GET /forward-auth/start?to=…`, on the service's host `/.sso/start`: off to log in.

use axum::{
    extract::{Extension, RawQuery, State},
    response::Response,
};
use http::HeaderMap;
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::{
    Refused, client,
    flow::{BROWSER_COOKIE, Flow},
    redirect,
};
use crate::{
    app::App,
    catalogue::Language,
    cookie::{self, SameSite},
    listener::Peer,
};

/// `GET /forward-auth/start`: to the authorization endpoint, with PKCE and a `state` of this browser.
pub async fn get(
    State(app): State<App>,
    Language(text): Language,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    answer(&app, &peer, &headers, &query.unwrap_or_default())
        .await
        .unwrap_or_else(|refused| refused.answer(&text))
}

async fn answer(
    app: &App,
    peer: &Peer,
    headers: &HeaderMap,
    query: &str,
) -> Result<Response, Refused> {
    let client = client(app, peer, headers).await?;
    let parameters = super::parameters(query)?;
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
