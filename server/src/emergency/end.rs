//! The end of an emergency access: `POST /emergency/end`, and what is noted when it ended by itself.

use axum::{
    extract::{Extension, State},
    response::{IntoResponse, Redirect, Response},
};
use sekisho_store::{
    StoreError, Tx,
    audit::{Actor, Audited, Entry},
    emergency_access::{self, EmergencyAccess},
    session::{self, Realm, SessionOf},
    transaction,
};
use time::OffsetDateTime;

use crate::{
    app::App,
    error::page::PageError,
    form::NoFields,
    listener::{FacilityConnection, Peer},
    login::session::Present,
    oidc::logout::frontchannel,
    page::PageFrame,
};

/// Where a visitor goes whose emergency is over.
const LEFT: &str = "/login?notice=visit-over";

/// The act that the trail tells of.
pub const ACT: &str = "emergency.end";
/// Why a visitor's session ended: what it was for is over.
pub const VISIT_OVER: &str = "visit_over";

/// `POST /emergency/end`, no fields: the person ends the one of this login. Where none runs any more nothing
/// is to be done.
///
/// # Errors
/// [`PageError`]: nobody is logged in, or the database does not answer.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    Present(session): Present,
    page: PageFrame,
    _: NoFields,
) -> Result<Response, PageError> {
    let now = app.now();
    let left = transaction!(app.store(), StoreError, |tx| {
        let person = || Actor::Person(session.person_id.clone());
        let place = |entry| facility.place(entry, &peer);
        let running = emergency_access::in_force(tx, &session.id_hash, now).await?;
        let (record, visit) = match running {
            Some(running) => {
                let by = ("person", Some(session.person_id.as_str()));
                let closed = close(tx, &running, by, now).await?;
                let record = Entry::done(ACT, person(), now)
                    .on("emergency_access", running.id)
                    .fact("reason", "person");
                (record, closed.and_then(|closed| closed.visit))
            }
            None => (Entry::refused(ACT, person(), now, "none_runs"), None),
        };
        let record = place(record.on("session", hex::encode(session.id_hash)));
        let visit = visit.map(|ended| place(visit_over(&ended, person(), now)));
        let audited = Audited::new(visit.is_some(), record);
        Ok(visit.into_iter().fold(audited, Audited::and))
    })?;
    if !left {
        return Ok(Redirect::to("/").into_response());
    }
    // Services that are told by the browser hear of it as of any logout.
    let found = session::find(&mut app.store().read(), Realm::Portal, &session.id_hash).await?;
    Ok(frontchannel::leave(&app, page, found.as_ref(), LEFT).await?)
}

/// What ended.
#[derive(Debug)]
pub struct Closed {
    /// The visitor's session that ended with it.
    pub visit: Option<SessionOf>,
}

/// The record of a visitor's session that ended with its emergency access; it names no place yet.
#[must_use]
pub fn visit_over(ended: &SessionOf, by: Actor, now: OffsetDateTime) -> Entry {
    Entry::done("session.end", by, now)
        .on("session", hex::encode(ended.id_hash))
        .on("person", &ended.person_id)
        .fact("reason", VISIT_OVER)
}

/// Ends one, or notes that it is over, for a reason and by somebody: in the same transaction what is owed to
/// it is withdrawn and the services that it opened are told, and a visitor's session ends. `None` where that was
/// done before.
///
/// # Errors
/// [`StoreError`].
pub async fn close(
    tx: &mut Tx,
    found: &EmergencyAccess,
    (reason, by): (&str, Option<&str>),
    now: OffsetDateTime,
) -> Result<Option<Closed>, StoreError> {
    let at = found.over_at().min(now);
    if !emergency_access::end(tx, &found.id, reason, by, at).await? {
        return Ok(None);
    }
    // First the session, which tells all its services: none is told twice.
    let visit = match found.visiting {
        true => session::end(tx, &found.session_hash, VISIT_OVER, now).await?,
        false => None,
    };
    session::withdraw_tokens_of_emergency(tx, &found.id, now).await?;
    Ok(Some(Closed { visit }))
}

/// Notes that one is over by itself; its records, none where that was noted before.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn note(
    tx: &mut Tx,
    over: &EmergencyAccess,
    now: OffsetDateTime,
) -> Result<Vec<Entry>, StoreError> {
    let by_logout = over.session_ended_at.is_some_and(|ended| ended < over.ends_at);
    let reason = if by_logout { "session_ended" } else { "lapsed" };
    let Some(closed) = close(tx, over, (reason, None), now).await? else { return Ok(Vec::new()) };
    let noted = Entry::done(ACT, Actor::System, now)
        .at_organisation(&over.organisation_id)
        .on("emergency_access", &over.id)
        .on("person", &over.person_id)
        .on("session", hex::encode(over.session_hash))
        .fact("reason", reason)
        .fact("ended_at", over.over_at().unix_timestamp());
    let visit = closed
        .visit
        .map(|ended| visit_over(&ended, Actor::System, now).at_organisation(&over.organisation_id));
    Ok([noted].into_iter().chain(visit).collect())
}
