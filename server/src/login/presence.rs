//! `POST /agent/presence`: the agent of a terminal says that a card is still there, or gone.
//!
//! The agent comes over its own TLS connection with the terminal's key, so that no page can forge a
//! report. Silence counts as removal; [`judge_silence`] is a scheduled job.

use axum::{
    body::Bytes,
    extract::{Extension, State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use http::HeaderMap;
use sekisho_protocol::presence::{PresenceEvent, PresenceReply, PresenceReport, SILENCE};
use sekisho_store::{
    MayConflict, StoreError, Tx,
    audit::{Audited, Entry},
    challenge,
    presence::{self as presences, Gone},
    service,
    session::{self as sessions, SessionOf},
    token_grant, transaction,
};
use time::OffsetDateTime;

use super::{call::read_json, refusal::LoginError, session, upkeep::job_record};
use crate::{
    app::App,
    catalogue::Language,
    config::RemovalPolicy,
    error::login::problem,
    listener::{AgentConnection, FacilityConnection, Peer},
    oidc::client::Metadata,
};

/// The card left its reader.
pub(super) const CARD_REMOVED: &str = "card_removed";
/// How many sessions one run of a job ends; the rest waits for the next run.
const BATCH: i64 = 500;

/// `POST /agent/presence`.
pub async fn post(
    State(app): State<App>,
    Language(text): Language,
    Extension(peer): Extension<Peer>,
    AgentConnection(facility): AgentConnection,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match report(&app, &peer, &facility, &headers, body).await {
        Ok(watched) => axum::Json(PresenceReply { watched }).into_response(),
        Err(error) => problem(error, &text),
    }
}

async fn report(
    app: &App,
    peer: &Peer,
    facility: &FacilityConnection,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<bool, LoginError> {
    let report: PresenceReport = read_json(headers, body)?;
    let presence_id = report.presence.to_string();
    let now = app.now();
    let terminal_id = &facility.terminal_id;
    let sequence = i64::try_from(report.sequence).unwrap_or(i64::MAX);
    let fresh = app.store().note_presence(terminal_id, &presence_id, sequence, now).await?;
    let reason = match report.event {
        PresenceEvent::Present => return Ok(fresh),
        PresenceEvent::Removed => CARD_REMOVED,
        PresenceEvent::AgentStopped => "agent_stopped",
    };
    if !fresh {
        // No session hangs on it, or a newer report came first.
        return Ok(false);
    }
    let mut reader = app.store().read();
    let affected = presences::of_presence(&mut reader, terminal_id, &presence_id).await?;
    let by = Gone::Reported { presence_id: &presence_id, sequence };
    for gone in affected {
        let record = Entry::done("card.leave", facility.actor(), now);
        apply(app, &gone, by, facility.place(record, peer), reason, now).await?;
    }
    Ok(false)
}

/// Why nothing is done to a session whose card seemed to be gone.
#[derive(Debug, thiserror::Error)]
enum NotApplied {
    /// Something else came first.
    #[error("the session ended, hangs on another card, or its card was heard of again")]
    Overtaken,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for NotApplied {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

/// Applies the facility's policy to one session whose card left, unless it is gone no more.
pub(super) async fn apply(
    app: &App,
    gone: &SessionOf,
    by: Gone<'_>,
    record: Entry,
    reason: &'static str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let applied = transaction!(app.store(), NotApplied, |tx| {
        if !presences::is_still_gone(tx, &gone.id_hash, by).await? {
            return Err(NotApplied::Overtaken);
        }
        let policy = policy(app, tx, gone).await?;
        // The session's own page asks for another card, for which this one makes room in the reader. If
        // none answers, the agent is silent about this one from now on, and that counts as removal.
        let awaited =
            reason == CARD_REMOVED && challenge::is_awaited(tx, &gone.id_hash, now).await?;
        let effect = match policy {
            _ if awaited => {
                presences::make_room(tx, &gone.id_hash, now).await?;
                "another_card_awaited"
            }
            RemovalPolicy::Logout => {
                sessions::end(tx, &gone.id_hash, reason, now).await?;
                "logout"
            }
            RemovalPolicy::Lock => {
                presences::lock(tx, &gone.id_hash, now).await?;
                "lock"
            }
            RemovalPolicy::Keep => {
                presences::forget_presence(tx, &gone.id_hash).await?;
                "keep"
            }
        };
        let record = record
            .clone()
            .on("session", hex::encode(gone.id_hash))
            .on("person", &gone.person_id)
            .fact("reason", reason)
            .fact("effect", effect);
        let left = match policy {
            RemovalPolicy::Lock | RemovalPolicy::Keep if !awaited => {
                leave_services(tx, &gone.id_hash, now).await?
            }
            // They were told with the session, or the card makes room for one moment.
            _ => Vec::new(),
        };
        let record = if left.is_empty() { record } else { record.fact("services_left", left) };
        Ok(Audited::new((), record))
    });
    match applied {
        Ok(()) | Err(NotApplied::Overtaken) => Ok(()),
        Err(NotApplied::Store(error)) => Err(error),
    }
}

/// Ends the session at those services that want it to end with the card; answers which these are.
async fn leave_services(
    tx: &mut Tx,
    session_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<Vec<String>, StoreError> {
    let mut left = Vec::new();
    for id in token_grant::services(tx, session_hash).await? {
        let Some(service) = service::find(tx, &id).await? else { continue };
        if Metadata::of(&service)?.logout_on_card_removal
            && sessions::leave_service(tx, &id, session_hash, at).await? > 0
        {
            left.push(id);
        }
    }
    Ok(left)
}

async fn policy(app: &App, tx: &mut Tx, gone: &SessionOf) -> Result<RemovalPolicy, StoreError> {
    match &gone.organisation_id {
        Some(organisation_id) => session::card_removal(app, tx, organisation_id).await,
        None => Ok(RemovalPolicy::Logout),
    }
}

/// Scheduled: takes the silence of an agent for the removal of its card.
///
/// # Errors
/// [`StoreError`].
pub async fn judge_silence(app: &App) -> Result<(), StoreError> {
    let now = app.now();
    let since = now - SILENCE;
    let silent = presences::silent(&mut app.store().read(), since, BATCH).await?;
    for gone in silent {
        let record = job_record("card.leave", &gone, now);
        apply(app, &gone, Gone::SilentSince(since), record, "agent_silent", now).await?;
    }
    Ok(())
}
