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

/// A refresh token that counts now, with what it is of.
pub struct LiveGrant {
    /// The token.
    pub token: RefreshToken,
    /// What was granted.
    pub grant: Grant,
    /// In which login.
    pub session: Session,
}

/// The refresh token of this service, if it counts now: not used up, in time, its grant not withdrawn, its
/// session alive. Nothing is used up by asking.
///
/// # Errors
/// [`StoreError`]: not known, and not knowing refuses.
pub async fn of_refresh_token(
    queries: &mut impl Queries,
    service_id: &str,
    token: &str,
    now: OffsetDateTime,
) -> Result<Option<LiveGrant>, StoreError> {
    let hash: [u8; 32] = Sha256::digest(token).into();
    let Some(token) = refresh_token::find(queries, &hash).await? else { return Ok(None) };
    if token.used_at.is_some() || token.expires_at <= now {
        return Ok(None);
    }
    let Some(grant) = token_grant::live(queries, &token.grant_id).await? else { return Ok(None) };
    if grant.service_id != service_id {
        return Ok(None);
    }
    let session = liveness::session(queries, &grant.session_hash, now).await?;
    Ok(session.map(|session| LiveGrant { token, grant, session }))
}
