//! `POST /logout`.

use axum::{
    extract::{Extension, State},
    response::Response,
};
use http::HeaderMap;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    session::{self as sessions, Session},
    transaction,
};

use super::session;
use crate::{
    app::App,
    error::page::PageError,
    form::NoFields,
    listener::{FacilityConnection, Peer, note_refusal},
    oidc::logout::frontchannel,
    page::PageFrame,
};

/// Where somebody goes who left the portal itself.
pub const LOGGED_OUT: &str = "/login?notice=logged-out";

/// `POST /logout`: ends the session of this browser and tells every service.
///
/// # Errors
/// [`PageError`]: the database does not answer; the session is not ended then.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    headers: HeaderMap,
    page: PageFrame,
    _: NoFields,
) -> Result<Response, PageError> {
    let mut found = None;
    if session::cookie_hash(&headers).is_some() {
        found = session::of_cookie(&mut app.store().read(), &headers).await?;
        end(&app, &peer, &facility, found.as_ref()).await?;
    }
    Ok(frontchannel::leave(&app, page, found.as_ref(), LOGGED_OUT).await?)
}

/// Ends what a cookie opened because its holder asked for it, with a record of it.
///
/// A cookie of no living session is told of as any refusal is ([`note_refusal`]): whoever has one
/// could send it without end.
///
/// # Errors
/// [`StoreError`]; the session is not ended then.
pub async fn end(
    app: &App,
    peer: &Peer,
    facility: &FacilityConnection,
    session: Option<&Session>,
) -> Result<(), StoreError> {
    const ACT: &str = "session.logout";
    if seeded!(SessionSurvivesLogout) {
        return Ok(());
    }
    let on = |entry: Entry| match session {
        Some(session) => entry.on("session", hex::encode(session.id_hash)),
        None => entry,
    };
    let Some(session) = session.filter(|session| session.ended.is_none()) else {
        return note_refusal(app, peer, facility, (ACT, "no_session"), on).await;
    };
    let now = app.now();
    transaction!(app.store(), StoreError, |tx| {
        let ended = sessions::end(tx, &session.id_hash, "logout", now).await?;
        let entry = match ended {
            Some(ended) => Entry::done(ACT, Actor::Person(ended.person_id), now),
            // Somebody else ended it in this moment, which happens once to a session.
            None => Entry::refused(ACT, facility.actor(), now, "no_session"),
        };
        Ok(Audited::new((), facility.place(on(entry), peer)))
    })
}
