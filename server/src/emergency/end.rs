//! The end of an emergency access: `POST /emergency/end`, and what is noted when it ended by itself.

use axum::{
    extract::{Extension, State},
    response::Redirect,
};
use sekisho_store::{
    StoreError, Tx,
    audit::{Actor, Audited, Entry},
    emergency_access::{self, EmergencyAccess},
    session, transaction,
};
use time::OffsetDateTime;

use crate::{
    app::App,
    error::page::PageError,
    form::NoFields,
    listener::{FacilityConnection, Peer},
    login::session::PortalSession,
};

/// The act that the trail tells of.
pub const ACT: &str = "emergency.end";

/// `POST /emergency/end`, no fields: the person ends the one of this login. Where none runs any more nothing
/// is to be done.
///
/// # Errors
/// [`PageError`]: nobody is logged in, or the database does not answer.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    session: PortalSession,
    _: NoFields,
) -> Result<Redirect, PageError> {
    let now = app.now();
    transaction!(app.store(), StoreError, |tx| {
        let person = Actor::Person(session.person_id.clone());
        let running = emergency_access::in_force(tx, &session.id_hash, now).await?;
        let record = match running {
            Some(running) => {
                close(tx, &running, ("person", Some(&session.person_id)), now).await?;
                Entry::done(ACT, person, now)
                    .on("emergency_access", running.id)
                    .fact("reason", "person")
            }
            None => Entry::refused(ACT, person, now, "none_runs"),
        };
        let record = record.on("session", hex::encode(session.id_hash));
        Ok(Audited::new((), facility.place(record, &peer)))
    })?;
    Ok(Redirect::to("/"))
}

/// Ends one, or notes that it is over, for a reason and by somebody: in the same transaction what is owed to
/// it is withdrawn and the services that it opened are told. `false` where that was done before.
///
/// # Errors
/// [`StoreError`].
pub async fn close(
    tx: &mut Tx,
    found: &EmergencyAccess,
    (reason, by): (&str, Option<&str>),
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let at = found.over_at().min(now);
    let closed = emergency_access::end(tx, &found.id, reason, by, at).await?;
    if closed {
        session::withdraw_tokens_of_emergency(tx, &found.id, now).await?;
    }
    Ok(closed)
}

/// Notes that one is over by itself; its record, or `None` where that was noted before.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn note(
    tx: &mut Tx,
    over: &EmergencyAccess,
    now: OffsetDateTime,
) -> Result<Option<Entry>, StoreError> {
    let by_logout = over.session_ended_at.is_some_and(|ended| ended < over.ends_at);
    let reason = if by_logout { "session_ended" } else { "lapsed" };
    let noted = close(tx, over, (reason, None), now).await?;
    Ok(noted.then(|| {
        Entry::done(ACT, Actor::System, now)
            .at_organisation(&over.organisation_id)
            .on("emergency_access", &over.id)
            .on("person", &over.person_id)
            .on("session", hex::encode(over.session_hash))
            .fact("reason", reason)
            .fact("ended_at", over.over_at().unix_timestamp())
    }))
}
