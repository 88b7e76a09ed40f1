//! A refused act of somebody who is logged in is part of the trail (who tried what).

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    transaction,
};
use sha2::{Digest, Sha256};

use crate::{app::App, error::page::PageError};

/// The longest path that a record keeps, in characters.
const MOST_PATH: usize = 200;

/// Audits that somebody lacked the role for an act.
///
/// Once a minute for each person, role and kind of act on this node: one record tells of it, and a
/// page that reloads itself does not fill the trail. Strangers never come so far: without a session
/// they are led to the sign-in page and nothing is written.
pub(super) async fn note(State(app): State<App>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(MOST_PATH).collect();
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let response = next.run(request).await;
    let missing =
        response.extensions().get::<PageError>().and_then(|error| error.role.as_deref()).cloned();
    let (Some(missing), Some(matched)) = (missing, matched) else { return response };
    let now = app.now();
    let key = Sha256::digest(format!("{} {method} {matched}", missing.person_id)).into();
    if !app.refusals().is_due((key, missing.needed), now) {
        return response;
    }
    let actor = Actor::Person(missing.person_id.clone());
    let mut entry = Entry::refused("console.act", actor, now, "role_missing")
        .from_address(&missing.address)
        .fact("needed", missing.needed)
        .fact("method", method.as_str())
        .fact("act", matched)
        .fact("path", path);
    if let Some(organisation_id) = &missing.organisation_id {
        entry = entry.on("organisation", organisation_id);
    }
    let written: Result<(), StoreError> =
        transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone())));
    if let Err(failure) = written {
        // The act stays refused all the same.
        tracing::error!(%failure, needed = missing.needed, "refusal could not be audited");
    }
    response
}
