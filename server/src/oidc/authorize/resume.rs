//! `GET /authorize/resume?request=…`: back from the login page.

use axum::{
    extract::{Extension, RawQuery, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    parked_request, transaction,
};
use sha2::{Digest, Sha256};

use super::{Origin, answer};
use crate::{
    app::App,
    error::page::PageError,
    listener::{FacilityConnection, Peer},
    oidc::parameters::Parameters,
    page::PageFrame,
};

/// Consumes the parked request, then runs the whole table again.
///
/// # Errors
/// [`PageError`]: unknown, used, expired, or another terminal's; or as [`super::get`].
pub async fn get(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    headers: HeaderMap,
    page: PageFrame,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = query.unwrap_or_default();
    let parameters = Parameters::parse(query.as_bytes()).map_err(|_| gone())?;
    let id_hash: [u8; 32] = Sha256::digest(parameters.get("request").ok_or_else(gone)?).into();
    let now = app.now();
    let actor = Actor::Terminal(facility.terminal_id.clone());
    let parked = transaction!(app.store(), StoreError, |tx| {
        let parked = parked_request::resume(tx, &id_hash, &facility.fingerprint, now).await?;
        let act = "authorization.resume";
        let entry = match &parked {
            Some(_) => Entry::done(act, actor.clone(), now),
            None => Entry::refused(act, actor.clone(), now, "not_parked"),
        };
        let entry = entry
            .from_address(peer.addr.ip())
            .from_terminal(&facility.terminal_id)
            .at_organisation(&facility.organisation_id);
        Ok(Audited::new(parked, entry))
    })?;
    let parked = parked.ok_or_else(gone)?;
    answer(Origin {
        app: &app,
        peer: &peer,
        facility: &facility,
        headers: &headers,
        // The address of this page is spent: no language switch on it.
        page: without_address(page),
        query: &parked.parameters,
        parked_at: Some(parked.created_at),
    })
    .await
}

fn without_address(mut page: PageFrame) -> PageFrame {
    page.path.clear();
    page
}

fn gone() -> PageError {
    PageError::new(StatusCode::GONE, "oidc-resume-title", "oidc-resume-text", "oidc-resume-help")
}
