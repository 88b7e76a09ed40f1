//! `POST /console/terminals/{id}/key/approve` and `…/key/refuse`: whether the key that came with a code is the
//! device's (decision 0042).

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_store::{
    StoreError,
    audit::Audited,
    transaction,
    waiting_enrolment::{self, Decision},
};
use serde::Deserialize;

use super::administered;
use crate::{
    app::App,
    error::page::PageError,
    form::{self, PathId, StrictForm, Sure},
    people::session::ConsoleSession,
};

/// Most characters of the reason of a refusal.
pub(super) const MOST_REASON: usize = 200;

/// What the form of an approval holds.
#[derive(Debug, Deserialize)]
pub struct Approval {
    /// SHA-256 of the key that the person saw, in hexadecimal.
    key: Key,
    /// That they compared it.
    #[expect(dead_code, reason = "a form without it is refused")]
    sure: Sure,
}

/// What the form of a refusal holds.
#[derive(Debug, Deserialize)]
pub struct Refusal {
    /// SHA-256 of the key that the person saw, in hexadecimal.
    key: Key,
    /// Why, for the record.
    reason: String,
}

/// SHA-256 of a key, as the page wrote it into its form.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Key([u8; 32]);

impl TryFrom<String> for Key {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let octets = hex::decode(text).ok().and_then(|octets| octets.try_into().ok());
        octets.map(Self).ok_or("no SHA-256 in hexadecimal")
    }
}

/// Approves the key: the device gets its certificate when it asks again.
///
/// # Errors
/// 404 for somebody else's terminal; 409 where no such key waits any more.
pub async fn approve(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<Approval>,
) -> Result<Response, PageError> {
    let until = app.now() + app.config().enrolment().approval_time();
    let decision = Decision::Approve { until };
    decide(&app, &session, (&id, &form.key.0), decision).await
}

/// Refuses the key: nothing is issued, and the code ends.
///
/// # Errors
/// As [`approve`]; 400 for a reason that is none.
pub async fn refuse(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<Refusal>,
) -> Result<Response, PageError> {
    let reason = form::line(&form.reason, MOST_REASON).map_err(|_| {
        PageError::new(
            StatusCode::BAD_REQUEST,
            "terminals-key-reason-title",
            "terminals-key-reason-text",
            "terminals-key-reason-help",
        )
    })?;
    decide(&app, &session, (&id, &form.key.0), Decision::Refuse { reason: &reason }).await
}

async fn decide(
    app: &App,
    session: &ConsoleSession,
    (id, key): (&str, &[u8; 32]),
    decision: Decision<'_>,
) -> Result<Response, PageError> {
    let (terminal, acting) = administered(&mut app.store().read(), session, id).await?;
    let now = app.now();
    let (act, notice, reason) = match decision {
        Decision::Approve { .. } => ("terminal.approve_key", "key-approved", None),
        Decision::Refuse { reason } => ("terminal.refuse_key", "key-refused", Some(reason)),
    };
    let decided = transaction!(app.store(), StoreError, |tx| {
        let decided = waiting_enrolment::decide(tx, (id, key), decision, acting.person_id(), now);
        let decided = decided.await?;
        let entry = match decided {
            true => acting.done(act, now),
            false => acting.refused(act, now, "no_such_key_waits"),
        };
        let entry = entry
            .on("terminal", id)
            .fact("terminal_name", terminal.name.as_str())
            .fact("key_sha256", hex::encode(key));
        let entry = match reason {
            Some(reason) => entry.fact("reason", reason),
            None => entry,
        };
        Ok(Audited::new(decided, entry))
    })?;
    if !decided {
        return Err(PageError::new(
            StatusCode::CONFLICT,
            "terminals-key-over-title",
            "terminals-key-over-text",
            "terminals-key-over-help",
        ));
    }
    Ok(Redirect::to(&format!("/console/terminals/{id}?notice={notice}")).into_response())
}
