//! Telling services that a session ended by way of the browser (OIDC Front-Channel Logout 1.0): the page
//! that the person sees loads an address of each.
//!
//! It reaches only services whose cookies the browser sends within a frame of ours; the notice from
//! server to server ([`super::backchannel`]) reaches all that want one, also when no page is open.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderValue, header};
use sekisho_store::{StoreError, service, session::Session, token_grant};
use url::Url;

use crate::{
    app::App,
    cookie,
    login::session,
    middleware::ContentPolicy,
    oidc::{client::Metadata, session_state, subject},
    page::{Page, PageFrame},
};

/// How long the page waits for the services before it leads on, in seconds.
const PATIENCE_SECS: u8 = 3;

#[derive(Template)]
#[template(path = "logged-out.html")]
struct LoggedOutPage {
    page: PageFrame,
    frames: Vec<String>,
    address: String,
}

/// Where the person goes once the session has ended: to `address`, past the services that hear of it by
/// the browser. Takes the cookie of the session away.
///
/// # Errors
/// [`StoreError`]: whom to tell is not known; the session has ended nevertheless.
pub async fn leave(
    app: &App,
    page: PageFrame,
    ended: Option<&Session>,
    address: &str,
) -> Result<Response, StoreError> {
    let frames = match ended {
        Some(session) if !seeded!(FrameNotLoaded) => frames(app, session).await?,
        Some(_) | None => Vec::new(),
    };
    let mut response = if frames.is_empty() {
        Redirect::to(address).into_response()
    } else {
        let policy = frames
            .iter()
            .filter_map(|frame| Url::parse(frame).ok())
            .fold(ContentPolicy::strict(), |policy, frame| {
                policy.frame(&frame.origin().ascii_serialization())
            });
        let refresh = HeaderValue::from_str(&format!("{PATIENCE_SECS}; url={address}"));
        let shown = Page(LoggedOutPage { page, frames, address: address.to_owned() });
        let mut response =
            ([(header::CONTENT_SECURITY_POLICY, policy.header())], shown).into_response();
        // Leads on without a script. An address that is no header value is a link on the page.
        if let Ok(refresh) = refresh {
            response.headers_mut().insert(header::REFRESH, refresh);
        }
        response
    };
    if seeded!(SessionSurvivesLogout) {
        return Ok(response);
    }
    let cookies = [cookie::clear(session::COOKIE), session_state::logged_out()];
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The address of each service that was given something in this session and wants to hear.
async fn frames(app: &App, ended: &Session) -> Result<Vec<String>, StoreError> {
    let mut reader = app.store().read();
    let mut frames = Vec::new();
    for id in token_grant::services(&mut reader, &ended.id_hash).await? {
        let Some(client) = service::find(&mut reader, &id).await? else { continue };
        let Some(uri) = Metadata::of(&client)?.frontchannel_logout_uri else { continue };
        let Ok(mut address) = Url::parse(&uri) else { continue };
        // §3: both, so that the service knows which of its sessions is meant.
        let sector = if seeded!(FrameOfAnother) { "another" } else { &client.sector };
        let sid = subject::session(app, sector, &ended.id_hash);
        let iss = Some(app.names().public.as_str()).filter(|_| !seeded!(FrameWithoutIss));
        let sid = Some(sid.as_str()).filter(|_| !seeded!(FrameWithoutSession));
        let told = [("iss", iss), ("sid", sid)];
        let told = told.into_iter().filter_map(|(name, value)| Some((name, value?)));
        address.query_pairs_mut().extend_pairs(told);
        frames.push(address.into());
    }
    Ok(frames)
}
