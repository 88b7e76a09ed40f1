//! What a facility's administrator decides on `/console/members`: invitations are withdrawn, claims
//! accepted or refused, memberships ended, and what a card's removal does is chosen.
//!
//! Every act names the facility it is for and holds the right to administer that very one.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_store::{
    StoreError,
    audit::Audited,
    facility_policy::{self, CardRemoval, FacilityPolicy, UntoldServices},
    invitation::{self, ClaimDecision},
    membership, session as sessions, transaction,
};
use serde::Deserialize;

use super::members::{self, Typed, acting};
use crate::{
    app::App,
    error::page::PageError,
    form::{FormError, PathId, StrictForm, Sure},
    page::PageFrame,
    people::{field::FieldErrors, session::ConsoleSession},
};

/// A form that only says for which facility.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FacilityForm {
    pub(super) organisation: String,
}

/// `POST /console/members/invitations/{id}/withdraw`.
///
/// # Errors
/// [`PageError`].
pub async fn withdraw(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<FacilityForm>,
) -> Result<Response, PageError> {
    let (acting, facility_id) = acting(&session, Some(&form.organisation))?;
    let now = app.now();
    let done = transaction!(app.store(), StoreError, |tx| {
        let done = invitation::withdraw(tx, &id, &facility_id, now).await?;
        let act = "invitation.withdraw";
        let record =
            if done { acting.done(act, now) } else { acting.refused(act, now, "not_open") };
        Ok(Audited::new(done, record.on("invitation", &id)))
    })?;
    back(done, &facility_id, "withdrawn")
}

/// Form of [`decide`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionForm {
    organisation: String,
    decision: Decision,
}

/// What the administrator says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It is the expected person.
    Accepted,
    /// It is not.
    Refused,
}

/// `POST /console/members/claims/{id}`.
///
/// # Errors
/// [`PageError`].
pub async fn decide(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<DecisionForm>,
) -> Result<Response, PageError> {
    let (acting, facility_id) = acting(&session, Some(&form.organisation))?;
    let now = app.now();
    let (decision, notice) = match form.decision {
        Decision::Accepted => (ClaimDecision::Accepted, "accepted"),
        Decision::Refused => (ClaimDecision::Refused, "refused"),
    };
    let done = transaction!(app.store(), StoreError, |tx| {
        let by = acting.person_id();
        let person = invitation::decide(tx, &id, &facility_id, decision, by, now).await?;
        let Some(person) = person else {
            let record = acting.refused("invitation.decide", now, "not_pending").on("claim", &id);
            return Ok(Audited::new(false, record));
        };
        let record = acting
            .done("invitation.decide", now)
            .on("claim", &id)
            .on("person", &person)
            .fact("decision", decision.as_str());
        if decision == ClaimDecision::Refused {
            return Ok(Audited::new(true, record));
        }
        let reason = "claim accepted by the administrator";
        let started = membership::start(tx, &person, &facility_id, Some(by), reason, now).await?;
        let start =
            acting.done("membership.start", now).on("membership", started).on("person", &person);
        Ok(Audited::new(true, record).and(start))
    })?;
    back(done, &facility_id, notice)
}

/// Form of [`end`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndForm {
    organisation: String,
    sure: Option<Sure>,
}

/// `POST /console/members/{id}/end`: ends a membership and its sessions. Without the tick it is the
/// page again.
///
/// # Errors
/// [`PageError`].
pub async fn end(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<EndForm>,
) -> Result<Response, PageError> {
    let (acting, facility_id) = acting(&session, Some(&form.organisation))?;
    if form.sure.is_none() {
        let mut errors = FieldErrors::default();
        errors.add("sure", page.t("error-not-ticked"));
        let page = session.frame(page.switching_at("/console/members"));
        let typed = Typed { unticked: &id, ..Typed::default() };
        return members::show(&app, page, facility_id, None, typed, errors).await;
    }
    let now = app.now();
    let done = transaction!(app.store(), StoreError, |tx| {
        let by = acting.person_id();
        let reason = "ended by the administrator";
        let person = membership::end(tx, &id, &facility_id, by, reason, now).await?;
        let Some(person) = person else {
            let record = acting.refused("membership.end", now, "not_in_force");
            return Ok(Audited::new(false, record.on("membership", &id)));
        };
        let ended = sessions::end_of_membership(tx, &id, "membership_ended", now).await?;
        let record = acting
            .done("membership.end", now)
            .on("membership", &id)
            .on("person", person)
            .fact("sessions_ended", ended.len());
        Ok(Audited::new(true, record))
    })?;
    back(done, &facility_id, "ended")
}

/// Form of [`card_removal`] and [`untold_services`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyForm {
    organisation: String,
    policy: String,
}

/// `POST /console/members/card-removal`.
///
/// # Errors
/// [`PageError`].
pub async fn card_removal(
    State(app): State<App>,
    session: ConsoleSession,
    StrictForm(form): StrictForm<PolicyForm>,
) -> Result<Response, PageError> {
    choose::<CardRemoval>(&app, &session, &form, "facility.card_removal").await
}

/// `POST /console/members/untold-services`: whether services that are not told of logouts are open at the facility's
/// shared terminals.
///
/// # Errors
/// [`PageError`].
pub async fn untold_services(
    State(app): State<App>,
    session: ConsoleSession,
    StrictForm(form): StrictForm<PolicyForm>,
) -> Result<Response, PageError> {
    choose::<UntoldServices>(&app, &session, &form, "facility.untold_services").await
}

async fn choose<P: FacilityPolicy>(
    app: &App,
    session: &ConsoleSession,
    form: &PolicyForm,
    act: &'static str,
) -> Result<Response, PageError> {
    let (acting, facility_id) = acting(session, Some(&form.organisation))?;
    let Some(policy) = P::parse(&form.policy) else {
        let words: Vec<_> = P::ALL.iter().map(|policy| policy.as_str()).collect();
        let detail = format!("one of {}", words.join(", "));
        return Err(FormError::Unfit { field: "policy".to_owned(), detail }.into());
    };
    let now = app.now();
    transaction!(app.store(), StoreError, |tx| {
        facility_policy::choose(tx, &facility_id, policy, acting.person_id(), now).await?;
        let record = acting.done(act, now).fact("policy", policy.as_str());
        Ok(Audited::new((), record))
    })?;
    back(true, &facility_id, "policy")
}

/// Back to the list with a notice, or a page that says that nothing was done.
pub(super) fn back(done: bool, facility_id: &str, notice: &str) -> Result<Response, PageError> {
    if !done {
        return Err(PageError::new(
            StatusCode::CONFLICT,
            "members-gone-title",
            "members-gone-text",
            "members-gone-help",
        ));
    }
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("organisation", facility_id)
        .append_pair("notice", notice)
        .finish();
    Ok(Redirect::to(&format!("/console/members?{query}")).into_response())
}
