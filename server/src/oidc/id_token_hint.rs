//! An ID token of ours that a client sends back, to say whom or which session it means
//! (OIDC Core §3.1.2.1, RP-Initiated Logout §2).

use serde::Deserialize;

use super::token::issue::ID_TOKEN_TYP;
use crate::{app::App, own_keys::OwnKeyError};

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
/// [`OwnKeyError`]: our own keys cannot be read.
pub async fn read(app: &App, token: &str) -> Result<Option<Hint>, OwnKeyError> {
    let hint: Option<Hint> = app.token_keys().verified(app, token, ID_TOKEN_TYP).await?;
    #[cfg(seeded_faults)]
    let hint =
        hint.or_else(|| seeded!(HintUnverified).then(|| crate::seeded::unverified(token))?);
    Ok(hint.filter(|hint| hint.iss == app.names().public))
}
