//! Passes are taken back: by a facility's administrator on `/console/members`, who sees there who was given one.

use axum::{extract::State, response::Response};
use sekisho_store::{
    Queries, StoreError,
    audit::Audited,
    day_pass::{self, Listed},
    session as sessions, transaction,
};

use super::{CARD_BACK, COUNTED, TAKEN_BACK};
use crate::{
    app::App,
    catalogue::Text,
    error::page::PageError,
    form::{PathId, StrictForm},
    login::{
        member_acts::{self, FacilityForm},
        members::{self, MOST_ROWS},
    },
    people::session::ConsoleSession,
    portal::when,
};

/// A pass on the page of members.
pub(in crate::login) struct Row {
    pub(in crate::login) id: String,
    pub(in crate::login) name: String,
    /// Both colleagues.
    pub(in crate::login) colleagues: String,
    pub(in crate::login) given_at: String,
    pub(in crate::login) state: String,
    /// Whether it can be taken back.
    pub(in crate::login) counts: bool,
}

/// The passes of the last thirty days at a facility, the latest first.
pub(in crate::login) async fn rows(
    app: &App,
    queries: &mut impl Queries,
    organisation_id: &str,
    text: &Text,
) -> Result<Vec<Row>, StoreError> {
    let now = app.now();
    let listed = day_pass::list(queries, organisation_id, now - COUNTED, MOST_ROWS).await?;
    let row = |pass: Listed| {
        let until = when::shown(pass.valid_until, text.lang());
        let lives = pass.ended.is_none() && now < pass.valid_until;
        let state = match &pass.ended {
            Some((_, reason)) => text.t(match reason.as_str() {
                CARD_BACK => "day-pass-state-card-back",
                day_pass::REPLACED => "day-pass-state-replaced",
                _ => "day-pass-state-taken-back",
            }),
            None if !lives => text.t("day-pass-state-over"),
            None if pass.tries_left <= 0 => text.t("day-pass-state-overused"),
            None => text.t1("day-pass-state-counts", "until", until),
        };
        Row {
            id: pass.id,
            name: pass.name,
            colleagues: format!("{} / {}", pass.asked_by_name, pass.given_by_name),
            given_at: when::shown(pass.given_at, text.lang()),
            state,
            counts: lives,
        }
    };
    Ok(listed.into_iter().map(row).collect())
}

/// `POST /console/members/day-passes/{id}/end`: nobody is logged in by it any more.
///
/// # Errors
/// [`PageError`]: not an administrator of the facility, it is over or none of the facility's, or the database does
/// not answer.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<FacilityForm>,
) -> Result<Response, PageError> {
    let (acting, facility_id) = members::acting(&session, Some(&form.organisation))?;
    let now = app.now();
    let done = transaction!(app.store(), StoreError, |tx| {
        let person = day_pass::end(tx, &id, &facility_id, TAKEN_BACK, now).await?;
        let Some(person) = person else {
            let record = acting.refused("day_pass.end", now, "not_in_force");
            return Ok(Audited::new(false, record.on("day_pass", &id)));
        };
        let ended = sessions::end_of_day_pass(tx, &id, TAKEN_BACK, now).await?;
        let record = acting
            .done("day_pass.end", now)
            .on("day_pass", &id)
            .on("person", person)
            .fact("reason", TAKEN_BACK)
            .fact("sessions_ended", ended.len());
        Ok(Audited::new(true, record))
    })?;
    member_acts::back(done, &facility_id, "pass")
}
