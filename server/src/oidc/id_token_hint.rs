//! An ID token of ours that a client sends back, to say whom or which session it means
//! (OIDC Core §3.1.2.1, RP-Initiated Logout §2).

use sekisho_protocol::{JwkSet, jws};
use serde::Deserialize;

use super::token::issue::ID_TOKEN_TYP;
use crate::{app::App, keys};

/// What an ID token must say to be a hint.
#[derive(Debug, Deserialize)]
pub struct Hint {
    iss: String,
    /// The client that it was issued to.
    pub aud: String,
    /// The person, by that client's name for them.
    pub sub: String,
    /// The session, likewise.
    pub sid: String,
}

/// The hint, if we signed it; that it has expired does not matter.
///
/// # Errors
/// [`sekisho_key::KeyError`]: a key of the instance is not of the kind that is published.
pub fn read(app: &App, token: &str) -> Result<Option<Hint>, sekisho_key::KeyError> {
    let published = keys::jwks(&app.keys().oidc)?;
    let Ok(keys) = serde_json::from_value::<JwkSet>(published) else { return Ok(None) };
    let hint = jws::verify::<Hint>(token, ID_TOKEN_TYP, &keys).ok();
    Ok(hint.filter(|hint| hint.iss == app.names().public))
}
