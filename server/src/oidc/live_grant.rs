//! What a refresh token stands for while it counts, for whoever only asks.

use sekisho_store::{
    Queries, StoreError,
    refresh_token::{self, RefreshToken},
    session::Session,
    token_grant::{self, Grant},
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::liveness;
use crate::app::App;

/// A refresh token that counts now, with what it is of.
pub struct LiveGrant {
    /// The token.
    pub token: RefreshToken,
    /// What was granted.
    pub grant: Grant,
    /// In which login.
    pub session: Session,
}

/// A refresh token of this service with its grant, unless that was withdrawn; the token may be used up or
/// too old, the session over.
///
/// # Errors
/// [`StoreError`].
pub async fn find(
    queries: &mut impl Queries,
    service_id: &str,
    token: &str,
) -> Result<Option<(RefreshToken, Grant)>, StoreError> {
    let hash: [u8; 32] = Sha256::digest(token).into();
    let Some(token) = refresh_token::find(queries, &hash).await? else { return Ok(None) };
    let grant = token_grant::live(queries, &token.grant_id).await?;
    let own = grant.filter(|grant| grant.service_id == service_id);
    Ok(own.map(|grant| (token, grant)))
}

/// The refresh token of this service, if it counts now: not used up, in time, its grant not withdrawn, its
/// session alive. Nothing is used up by asking.
///
/// # Errors
/// [`StoreError`]: not known, and not knowing refuses.
pub async fn of_refresh_token(
    app: &App,
    queries: &mut impl Queries,
    service_id: &str,
    token: &str,
    now: OffsetDateTime,
) -> Result<Option<LiveGrant>, StoreError> {
    let Some((token, grant)) = find(queries, service_id, token).await? else { return Ok(None) };
    if token.used_at.is_some() || token.expires_at <= now {
        return Ok(None);
    }
    let session = liveness::session(app, queries, &grant.session_hash, now).await?;
    Ok(session.map(|session| LiveGrant { token, grant, session }))
}
