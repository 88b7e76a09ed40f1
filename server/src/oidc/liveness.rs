//! Whether what was once given out still counts: asked at every use, answered from the database.

use sekisho_store::{
    Queries, StoreError, facility_connection, membership,
    session::{self, Ground, Realm, Session},
};
use time::OffsetDateTime;

use crate::{app::App, emergency, login::vouching};

/// The session, if it is alive now: not ended, expired or locked; its terminal and that terminal's
/// certificate not revoked; its facility active; its HPKI card, if that opened it, neither revoked nor expired; its
/// person still a member there, or a visitor whose emergency access is in force. Its roles are those that count now.
///
/// # Errors
/// [`StoreError`]: not known, and not knowing refuses.
pub async fn session(
    app: &App,
    queries: &mut impl Queries,
    session_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<Session>, StoreError> {
    let Some(found) = before_emergency(app, queries, session_hash, now).await? else {
        return Ok(None);
    };
    let visit = found.at_terminal.as_ref().is_some_and(|at| at.ground.is_visit());
    if visit && emergency::of_session(queries, &found, now).await?.is_none() {
        return Ok(None);
    }
    Ok(Some(found))
}

/// The same for whoever is about to begin an emergency access: a visitor's session is alive before it, and opens
/// nothing else.
///
/// # Errors
/// [`StoreError`]: not known, and not knowing refuses.
pub async fn before_emergency(
    app: &App,
    queries: &mut impl Queries,
    session_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<Session>, StoreError> {
    let Some(found) = session::find(queries, Realm::Portal, session_hash).await? else {
        return Ok(None);
    };
    if found.ended.is_some() || found.locked_at.is_some() || found.expires_at <= now {
        return Ok(None);
    }
    let Some(at) = &found.at_terminal else { return Ok(None) };
    let Some(terminal) = facility_connection::find(queries, &at.fingerprint).await? else {
        return Ok(None);
    };
    if terminal.certificate_revoked || terminal.terminal_revoked || !terminal.organisation_active()
    {
        return Ok(None);
    }
    match &at.ground {
        Ground::Membership(_) => {
            let person_id = &found.person_id;
            if membership::in_force(queries, person_id, &at.organisation_id).await?.is_none() {
                return Ok(None);
            }
        }
        Ground::Emergency if app.config().emergency().visitors() => {}
        Ground::Emergency => return Ok(None),
    }
    let (hc_roles, profession) = vouching::now(app, queries, &found).await?;
    if vouching::end_of(&found, profession).is_some() {
        return Ok(None);
    }
    Ok(Some(Session { hc_roles, ..found }))
}
