//! Making the tokens: ID token (OIDC Core §2) and access token (RFC 9068).

use sekisho_store::{authorization_code::Code, service::Service, session::Session};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::{app::App, keys, oidc::subject};

/// `typ` of an access token (RFC 9068 §2.1).
pub const ACCESS_TOKEN_TYP: &str = "at+jwt";
/// `typ` of an ID token.
pub const ID_TOKEN_TYP: &str = "JWT";

/// Why no token was made. The code is used up then, and the access token that was noted will never
/// be shown to anybody.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The instance has no key for tokens.
    #[error("there is no key that signs tokens")]
    NoKey,
    /// The key did not sign.
    #[error("the token was not signed")]
    Key(#[from] sekisho_key::KeyError),
    /// The snapshot in the database is not an object.
    #[error("the stored claims do not read back")]
    Claims(#[from] serde_json::Error),
}

/// The answer of the token endpoint (OIDC Core §3.1.3.3).
///
/// # Errors
/// [`IssueError`].
pub async fn tokens(
    app: &App,
    client: &Service,
    code: &Code,
    session: &Session,
    token_id: &str,
    now: OffsetDateTime,
) -> Result<Value, IssueError> {
    let key = app.keys().oidc.first().ok_or(IssueError::NoKey)?;
    let lifetimes = app.config().oidc();
    let (iss, iat) = (app.names().public.as_str(), now.unix_timestamp());
    let claims: Map<String, Value> = serde_json::from_str(&code.claims)?;
    let access = json!({
        "iss": iss,
        // For our own userinfo; no other resource accepts it.
        "aud": iss,
        "sub": claims.get("sub"),
        "client_id": client.id,
        "jti": token_id,
        "iat": iat,
        "exp": iat + lifetimes.access_token_lifetime().whole_seconds(),
        "scope": code.scope,
        "auth_time": session.auth_time.unix_timestamp(),
        "acr": session.acr,
        "amr": session.amr,
    });
    let access_token = keys::sign_jws(key, ACCESS_TOKEN_TYP, &access).await?;
    let mut id = claims;
    id.insert("iss".into(), iss.into());
    id.insert("aud".into(), client.id.as_str().into());
    id.insert("iat".into(), iat.into());
    id.insert("exp".into(), (iat + lifetimes.id_token_lifetime().whole_seconds()).into());
    id.insert("at_hash".into(), half_hash(&access_token).into());
    id.insert("sid".into(), subject::session(app, &client.sector, &code.session_hash).into());
    if let Some(nonce) = &code.nonce {
        id.insert("nonce".into(), nonce.as_str().into());
    }
    let id_token = keys::sign_jws(key, ID_TOKEN_TYP, &Value::Object(id)).await?;
    Ok(json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": lifetimes.access_token_lifetime().whole_seconds(),
        "scope": code.scope,
        "id_token": id_token,
    }))
}

/// `at_hash` (OIDC Core §3.1.3.6): the left half of the SHA-256.
fn half_hash(token: &str) -> String {
    sekisho_protocol::octets::encode(&Sha256::digest(token)[..16])
}
