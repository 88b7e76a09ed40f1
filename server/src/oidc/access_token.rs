//! Access tokens that come back to us: whether they count, and under what.

use sekisho_store::{
    session::Session,
    token_grant::{self, Grant},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{confirmation::Confirmation, grant::Details, liveness, token};
use crate::{app::App, emergency, error::oauth::OAuthError};

/// What an access token of ours says (RFC 9068 §2.2).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    /// Whom it is for.
    pub aud: Audience,
    /// When it ends.
    pub exp: i64,
    /// When it was made.
    pub iat: i64,
    /// Names it.
    pub jti: String,
    /// To whom it was issued.
    pub client_id: String,
    /// Whom it is about.
    #[serde(default)]
    pub sub: Option<String>,
    /// Granted scope.
    #[serde(default)]
    pub scope: Option<String>,
    /// What it is bound to.
    #[serde(default)]
    pub cnf: Option<Confirmation>,
    /// When the person logged in.
    #[serde(default)]
    pub auth_time: Option<i64>,
    /// How strongly.
    #[serde(default)]
    pub acr: Option<String>,
    /// Whether it comes of an emergency access: that alone opened what it is for, or what it was exchanged from.
    #[serde(default)]
    pub break_glass: Option<bool>,
    /// Which one.
    #[serde(default)]
    pub break_glass_id: Option<String>,
    /// `false` of somebody who is no member of the facility.
    #[serde(default)]
    pub facility_member: Option<bool>,
    /// By what. Introspection does not tell it.
    #[serde(default, skip_serializing)]
    pub amr: Option<Vec<String>>,
}

/// `aud` (RFC 7519 §4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// As a string.
    One(String),
    /// As a list.
    Many(Vec<String>),
}

impl Audience {
    /// Whether it names `identifier`.
    #[must_use]
    pub fn names(&self, identifier: &str) -> bool {
        match self {
            Self::One(one) => one == identifier,
            Self::Many(many) => many.iter().any(|one| one == identifier),
        }
    }
}

/// A token that counts now.
#[derive(Debug)]
pub struct Live {
    /// What it says.
    pub claims: Claims,
    /// The person's grant and session; none for a client's own token.
    pub of_person: Option<(Grant, Session)>,
}

/// Whether a text is an access token of ours whose signature holds, in time or not.
///
/// # Errors
/// [`OAuthError`]: our own keys cannot be read.
pub async fn read(app: &App, token: &str) -> Result<Option<Claims>, OAuthError> {
    let claims =
        app.token_keys().verified::<Claims>(app, token, token::issue::ACCESS_TOKEN_TYP).await?;
    Ok(claims.filter(|claims| claims.iss == app.names().public))
}

/// The token, if it counts now: in time, not revoked, its grant and what that was exchanged from not
/// withdrawn, its client approved, its session alive, the emergency access that it is owed to not over.
///
/// # Errors
/// [`OAuthError`]: not known, and not knowing refuses.
pub async fn live(app: &App, token: &str, now: OffsetDateTime) -> Result<Option<Live>, OAuthError> {
    let Some(claims) = read(app, token).await? else { return Ok(None) };
    if claims.exp <= now.unix_timestamp() {
        return Ok(None);
    }
    let mut reader = app.store().read();
    if token_grant::is_token_revoked(&mut reader, &claims.jti).await? {
        return Ok(None);
    }
    let Some(grant) = token::issue::grant_of(&claims.jti) else {
        let client = sekisho_store::service::find(&mut reader, &claims.client_id).await?;
        return Ok(client.map(|_| Live { claims, of_person: None }));
    };
    let Some(grant) = token_grant::live(&mut reader, grant).await? else { return Ok(None) };
    let details = Details::of(&grant).map_err(|error| OAuthError::internal(&error))?;
    if let Some(origin) = &details.exchanged_from
        && token_grant::live(&mut reader, origin).await?.is_none()
    {
        return Ok(None);
    }
    let session = liveness::session(app, &mut reader, &grant.session_hash, now).await?;
    let Some(session) = session else { return Ok(None) };
    if let Some(owed_to) = &claims.break_glass_id {
        // It may have been ended before its hour was over.
        let emergency = emergency::of_session(&mut reader, &session, now).await?;
        if emergency.is_none_or(|emergency| emergency.id != *owed_to) {
            return Ok(None);
        }
    }
    Ok(Some(Live { claims, of_person: Some((grant, session)) }))
}
