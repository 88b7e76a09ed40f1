//! A request that waits until the person has logged in.

use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderValue, StatusCode, header};
use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    parked_request, transaction,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{Origin, Refusal};
use crate::{
    error::page::PageError,
    listener::note_refusal,
    login::{Least, login_address},
    oidc::{token::issue::random_text, ui_locales},
};

/// Requests that one terminal may set aside in a minute. A person who opens a folder of bookmarks
/// makes a dozen; a page that reloads itself without end must fill neither table nor trail.
const MOST_PARKED: i64 = 60;

/// Sets the request aside and sends the person to log in.
pub(super) async fn park(origin: &Origin<'_>, least: Option<Least>) -> Result<Response, Refusal> {
    let resume = set_aside(origin, origin.app.now()).await?;
    let resume = resume.ok_or_else(|| Refusal::Page(too_many_parked()))?;
    let mut response = Redirect::to(&login_address(&resume, least)).into_response();
    ui_locales::remember(&mut response, origin.preferred);
    Ok(response)
}

/// Sets the request aside; the path at which it continues ([`super::resume`]). A login since `login_since` will count
/// as one for this request. `None` where this terminal has set aside as many as it may.
pub(super) async fn set_aside(
    origin: &Origin<'_>,
    login_since: OffsetDateTime,
) -> Result<Option<String>, Refusal> {
    let id = set_aside_as(origin, login_since).await?;
    Ok(id.map(|id| format!("/authorize/resume?request={id}")))
}

/// The same; the identifier of the request that waits.
pub(super) async fn set_aside_as(
    origin: &Origin<'_>,
    login_since: OffsetDateTime,
) -> Result<Option<String>, Refusal> {
    const ACT: &str = "authorization.park";
    let Origin { app, peer, facility, .. } = origin;
    let now = app.now();
    let since = now - time::Duration::MINUTE;
    let fingerprint = &facility.fingerprint;
    if parked_request::parked(&mut app.store().read(), fingerprint, since).await? >= MOST_PARKED {
        note_refusal(app, peer, facility, (ACT, "too_many_parked"), |entry| entry).await?;
        return Ok(None);
    }
    let id = random_text(app)?;
    let id_hash: [u8; 32] = Sha256::digest(&id).into();
    let parked = parked_request::Parked {
        parameters: origin.query.to_owned(),
        // A request that waits anew came when it came.
        created_at: origin.resumed.map_or(now, |from| from.came),
        login_since,
    };
    let expires_at = now + app.config().oidc().parked_request_lifetime();
    let record = facility.place(Entry::done(ACT, facility.actor(), now), peer);
    transaction!(app.store(), StoreError, |tx| {
        parked_request::park(tx, &id_hash, fingerprint, &parked, expires_at).await?;
        Ok(Audited::new((), record.clone()))
    })?;
    Ok(Some(id))
}

pub(super) fn too_many_parked() -> PageError {
    PageError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "oidc-parked-title",
        "oidc-parked-text",
        "oidc-parked-help",
    )
    .header(header::RETRY_AFTER, HeaderValue::from_static("60"))
}
