//! `POST /setup/seen`: the technician saw a tunnel up, of which nobody tells. It is kept and shown as their word.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::HeaderMap;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    router_setup, terminal, transaction,
};
use serde::Deserialize;

use super::{
    link::{self, Found},
    page,
};
use crate::{
    app::App, error::page::PageError, form::StrictForm, network::setup::PATH, page::PageFrame,
    people::session::Address,
};

/// In the audit trail.
const ACT: &str = "router.setup.seen";

/// The form.
#[derive(Deserialize)]
pub struct Form {
    /// The router at the other end.
    peer: String,
}

/// Keeps it, once for each tunnel of the link.
///
/// # Errors
/// 404 for a tunnel that is none of the link's, and for nobody who brings a link.
pub async fn post(
    State(app): State<App>,
    Address(address): Address,
    headers: HeaderMap,
    page: PageFrame,
    StrictForm(form): StrictForm<Form>,
) -> Result<Response, PageError> {
    let code = link::remembered(&headers).ok_or_else(PageError::not_found)?;
    let setup = match link::find(&app, &address, code).await? {
        Found::Living(setup) => setup,
        Found::Over => return Ok(page::over(page.switching_at(PATH))),
        Found::Nothing => return Err(PageError::not_found()),
    };
    let peers = router_setup::peers(&mut app.store().read(), &setup.id).await?;
    let peer = peers.into_iter().find(|peer| peer.router_id == form.peer);
    if peer.ok_or_else(PageError::not_found)?.seen_at.is_some() {
        // Said before; whoever presses again and again fills no trail.
        return Ok(Redirect::to(PATH).into_response());
    }
    let now = app.now();
    transaction!(app.store(), StoreError, |tx| {
        let entry = if router_setup::saw(tx, &setup.id, &form.peer, now).await? {
            Entry::done(ACT, Actor::Stranger, now)
        } else {
            Entry::refused(ACT, Actor::Stranger, now, "said_before")
        };
        let terminal = terminal::find(tx, &setup.router_id).await?;
        let entry = entry.from_address(&address).fact("peer", form.peer.as_str());
        Ok(Audited::new((), link::about(entry, &setup, terminal.as_ref())))
    })?;
    Ok(Redirect::to(PATH).into_response())
}
