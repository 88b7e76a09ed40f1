//! Identifiers that mean nothing outside one sector.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sekisho_wire::domain;

use crate::app::App;

/// `sub` of a person towards the services of one sector (OIDC Core §8.1): HMAC-SHA256 under the
/// instance's salt, 43 characters. Two sectors cannot compare theirs.
#[must_use]
pub fn pairwise(app: &App, sector: &str, person_id: &str) -> String {
    keyed(app, &[domain::PAIRWISE, sector.as_bytes(), person_id.as_bytes()])
}

/// `sid` of a session towards the services of one sector (OIDC Back-Channel Logout 1.0 §2.1):
/// derived, so that the session's own hash never leaves us.
#[must_use]
pub fn session(app: &App, sector: &str, session_hash: &[u8; 32]) -> String {
    keyed(app, &[domain::PAIRWISE_SESSION, sector.as_bytes(), session_hash])
}

fn keyed(app: &App, parts: &[&[u8]]) -> String {
    URL_SAFE_NO_PAD.encode(app.keys().keyed_hash(parts))
}
