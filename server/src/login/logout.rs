//! `POST /logout`, and what every ending of a session has in common.

use axum::{
    extract::{Extension, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, header};
use sekisho_store::{
    StoreError, Tx,
    audit::{Actor, Audited, Entry},
    session::{self as sessions, SessionOf},
    transaction,
};
use time::OffsetDateTime;

use super::{challenge::entry, session};
use crate::{
    app::App,
    cookie,
    error::page::PageError,
    form::NoFields,
    listener::{FacilityConnection, Peer},
};

/// `POST /logout`: ends the session of this browser and tells every service.
///
/// # Errors
/// [`PageError`]: the database does not answer; the session is not ended then.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    headers: HeaderMap,
    _: NoFields,
) -> Result<Response, PageError> {
    if session::cookie_hash(&headers).is_some() {
        let now = app.now();
        transaction!(app.store(), StoreError, |tx| {
            let ended = match session::of_cookie(tx, &headers).await? {
                Some(found) => sessions::end(tx, &found.id_hash, "logout", now).await?,
                None => None,
            };
            fan_out(tx, ended.as_slice(), now).await?;
            let record = match ended {
                Some(ended) => Entry::done("session.logout", Actor::Person(ended.person_id), now)
                    .on("session", hex::encode(ended.id_hash)),
                None => Entry::refused(
                    "session.logout",
                    Actor::Terminal(facility.terminal_id.clone()),
                    now,
                    "no_session",
                ),
            };
            Ok(Audited::new((), entry(record, &peer, &facility)))
        })?;
    }
    let mut response = Redirect::to("/login?notice=logged-out").into_response();
    if let Some(cleared) = cookie::clear(session::COOKIE) {
        response.headers_mut().append(header::SET_COOKIE, cleared);
    }
    Ok(response)
}

/// Withdraws what ended sessions gave out and queues the notice to every service, in the
/// transaction that ended them.
///
/// # Errors
/// [`StoreError`].
pub async fn fan_out(
    tx: &mut Tx,
    ended: &[SessionOf],
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    for session in ended {
        sessions::withdraw_tokens(tx, &session.id_hash, at).await?;
    }
    Ok(())
}
