//! Making the tokens: ID token (OIDC Core §2) and access token (RFC 9068).

use sekisho_key::RandomnessError;
use sekisho_store::token_grant::Grant;
use sekisho_wire::claim;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Caller;
use crate::{
    app::App,
    error::oauth::OAuthError,
    jose::Algorithm,
    oidc::{confirmation::Confirmation, subject},
    own_keys::OwnKeyError,
};

/// `typ` of an access token (RFC 9068 §2.1).
pub const ACCESS_TOKEN_TYP: &str = "at+jwt";
/// `typ` of an ID token.
pub const ID_TOKEN_TYP: &str = "JWT";

/// Why no token was made. What was consumed stays consumed, and the grant's tokens will never be
/// shown to anybody.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// No key signed.
    #[error("the token was not signed")]
    Key(#[from] OwnKeyError),
    /// What stands in the database is not what this program writes there.
    #[error("what was stored does not read back")]
    Stored(#[from] serde_json::Error),
}

impl From<IssueError> for OAuthError {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Key(error) => error.into(),
            IssueError::Stored(_) => Self::internal(&error),
        }
    }
}

/// A `jti`: which grant the token is of, and which token of it. That of a client's own stands alone.
pub(super) fn token_id(grant: Option<&str>) -> String {
    let own = Uuid::now_v7();
    match grant {
        Some(grant) => format!("{grant}.{own}"),
        None => own.to_string(),
    }
}

/// The grant that a `jti` names.
pub(crate) fn grant_of(token_id: &str) -> Option<&str> {
    token_id.split_once('.').map(|(grant, _)| grant)
}

/// What an access token says, besides who it is for.
pub(super) struct Access<'a> {
    pub(super) id: &'a str,
    pub(super) resources: &'a [String],
    pub(super) scope: &'a str,
    pub(super) confirmation: Option<&'a Confirmation>,
    pub(super) now: OffsetDateTime,
    /// The end of the emergency access that it is owed to: it counts no longer.
    pub(super) until: Option<OffsetDateTime>,
}

impl Access<'_> {
    /// How long what is issued now counts that otherwise would for `lifetime`, in seconds.
    fn seconds(&self, lifetime: Duration) -> i64 {
        let left = self.until.map(|until| until.unix_timestamp() - self.now.unix_timestamp());
        left.into_iter().fold(lifetime.whole_seconds(), i64::min)
    }
}

/// The answer of the token endpoint (OIDC Core §3.1.3.3) for a person's grant. `nonce` is that of the
/// request whose code is exchanged.
///
/// # Errors
/// [`IssueError`].
pub(super) async fn tokens(
    caller: &Caller<'_>,
    grant: &Grant,
    access: &Access<'_>,
    nonce: Option<&str>,
) -> Result<Map<String, Value>, IssueError> {
    let app = caller.app;
    let client = &caller.client.service;
    let claims: Map<String, Value> = serde_json::from_str(&grant.claims)?;
    // What proved the person when the request was answered, whatever proved them since (RFC 9068 §2.2.1).
    let mut about = json!({
        "sub": claims.get("sub"),
        "auth_time": claims.get("auth_time"),
        "acr": claims.get("acr"),
        "amr": claims.get("amr"),
    });
    for name in [claim::BREAK_GLASS, claim::BREAK_GLASS_ID, claim::FACILITY_MEMBER] {
        if let Some(value) = claims.get(name) {
            about[name] = value.clone();
        }
    }
    let mut answer = access_token(caller, access, about).await?;
    let (iss, iat) = (app.names().public.as_str(), access.now.unix_timestamp());
    let lifetime = access.seconds(app.config().oidc().id_token_lifetime());
    let mut id = claims;
    id.insert("iss".into(), iss.into());
    id.insert("aud".into(), client.id.as_str().into());
    id.insert("iat".into(), iat.into());
    id.insert("exp".into(), (iat + lifetime).into());
    if let Some(Value::String(token)) = answer.get("access_token") {
        id.insert("at_hash".into(), half_hash(token).into());
    }
    id.insert("sid".into(), subject::session(app, &client.sector, &grant.session_hash).into());
    if let Some(nonce) = nonce {
        id.insert("nonce".into(), nonce.into());
    }
    #[cfg(seeded_faults)]
    crate::seeded::spoil_id_token(&mut id);
    let registered = caller.client.metadata.id_token_signed_response_alg;
    let algorithm = if seeded!(OneAlgorithmForAll) { Algorithm::Es256 } else { registered };
    let id_token = app.token_keys().sign(app, algorithm, ID_TOKEN_TYP, &Value::Object(id)).await?;
    answer.insert("id_token".into(), id_token.into());
    Ok(answer)
}

/// The answer with an access token alone; `about` says whom it is about.
///
/// # Errors
/// [`IssueError`].
pub(super) async fn access_token(
    caller: &Caller<'_>,
    access: &Access<'_>,
    about: Value,
) -> Result<Map<String, Value>, IssueError> {
    let app = caller.app;
    let iat = access.now.unix_timestamp();
    let lifetime = access.seconds(app.config().oidc().access_token_lifetime());
    let iss = app.names().public.as_str();
    let mut claims = json!({
        "iss": iss,
        "client_id": caller.client.service.id,
        "jti": access.id,
        "iat": iat,
        "exp": iat + lifetime,
        "scope": access.scope,
        "aud": match access.resources {
            // For our own userinfo; no other resource accepts it.
            [] => json!(iss),
            [one] => json!(one),
            many => json!(many),
        },
    });
    if let (Value::Object(claims), Value::Object(about)) = (&mut claims, about) {
        claims.extend(about);
        if let Some(confirmation) = access.confirmation.filter(|_| !seeded!(TokenUnbound)) {
            claims.insert("cnf".into(), serde_json::to_value(confirmation)?);
        }
        if access.scope.is_empty() {
            claims.remove("scope");
        }
    }
    let token = app.token_keys().sign(app, Algorithm::Es256, ACCESS_TOKEN_TYP, &claims).await?;
    let mut answer = Map::new();
    answer.insert("access_token".into(), token.into());
    answer.insert("token_type".into(), Confirmation::token_type(access.confirmation).into());
    answer.insert("expires_in".into(), lifetime.into());
    if !access.scope.is_empty() {
        answer.insert("scope".into(), access.scope.into());
    }
    Ok(answer)
}

/// 32 random octets as text: a code, a refresh token, or a reference.
///
/// # Errors
/// [`RandomnessError`].
pub(crate) fn random_text(app: &App) -> Result<String, RandomnessError> {
    let mut octets = [0; 32];
    app.random().fill(&mut octets)?;
    Ok(sekisho_protocol::octets::encode(octets))
}

/// `at_hash` (OIDC Core §3.1.3.6): the left half of the SHA-256.
fn half_hash(token: &str) -> String {
    sekisho_protocol::octets::encode(&Sha256::digest(token)[..16])
}
