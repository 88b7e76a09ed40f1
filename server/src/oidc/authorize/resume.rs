//! `GET /authorize/resume?request=…`: back from the login page.

use axum::{
    extract::{Extension, State},
    response::Response,
};
use http::{HeaderMap, StatusCode, Uri};
use sekisho_store::{
    MayConflict, StoreError,
    audit::{Audited, Entry},
    parked_request, transaction,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Origin, Resumed, answer};
use crate::{
    app::App,
    error::page::PageError,
    form::StrictQuery,
    listener::{FacilityConnection, Peer, note_refusal},
    page::PageFrame,
};

pub(super) const ACT: &str = "authorization.resume";

/// The query: ours, written by [`super::get`].
#[derive(Deserialize)]
pub struct ResumeQuery {
    /// The identifier of the parked request.
    request: String,
}

/// Why nothing is resumed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResumeError {
    /// Unknown, used, expired, or another terminal's. Nothing was changed.
    #[error("no such request waits at this terminal")]
    NotParked,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for ResumeError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

/// Consumes the parked request, then runs the whole table again.
///
/// # Errors
/// [`PageError`]: unknown, used, expired, or another terminal's; or as [`super::get`].
pub async fn get(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    (uri, headers): (Uri, HeaderMap),
    page: PageFrame,
    StrictQuery(query): StrictQuery<ResumeQuery>,
) -> Result<Response, PageError> {
    let id_hash: [u8; 32] = Sha256::digest(query.request).into();
    let now = app.now();
    let resumed = transaction!(app.store(), ResumeError, |tx| {
        let parked = parked_request::resume(tx, &id_hash, &facility.fingerprint, now).await?;
        let parked = parked.ok_or(ResumeError::NotParked)?;
        Ok(Audited::new(parked, facility.place(Entry::done(ACT, facility.actor(), now), &peer)))
    });
    let parked = match resumed {
        Ok(parked) => parked,
        Err(ResumeError::NotParked) => {
            let told = (ACT, "not_parked");
            note_refusal(&app, &peer, &facility, told, |entry| entry).await?;
            return Err(gone());
        }
        Err(ResumeError::Store(error)) => return Err(error.into()),
    };
    answer(Origin {
        app: &app,
        peer: &peer,
        facility: &facility,
        headers: &headers,
        uri: &uri,
        preferred: None,
        // The address of this page is spent: no language switch on it.
        page: without_address(page),
        query: &parked.parameters,
        resumed: Some(Resumed::of(&parked)),
        decided: None,
    })
    .await
}

/// A page at an address that is spent: without a language switch.
pub(super) fn without_address(mut page: PageFrame) -> PageFrame {
    page.path.clear();
    page
}

pub(super) fn gone() -> PageError {
    PageError::new(StatusCode::GONE, "oidc-resume-title", "oidc-resume-text", "oidc-resume-help")
}
