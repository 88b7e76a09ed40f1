//! `POST /console/router-models/{id}/certify` and `/withdraw`: the operating body's decision about a model.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use sekisho_store::{StoreError, audit::Audited, router_model, router_test::Proof, transaction};
use serde::Deserialize;
use time::OffsetDateTime;

use super::{PATH, show};
use crate::{
    app::App,
    error::page::PageError,
    form::{self, PathId, StrictForm, Sure},
    network::models::certifying::{Asked, MOST_REASON, Refusal, day_after, first_of_day},
    page::PageFrame,
    people::{
        field::FieldErrors,
        role::{Acting, Role},
        session::ConsoleSession,
    },
    register::typed::FieldError,
};

/// How the fields of both forms are called.
const LABELS: [(&str, &str); 7] = [
    ("proof", "models-proof"),
    ("from", "models-certify-from"),
    ("until", "models-certify-until"),
    ("reason", "models-certify-reason"),
    ("ended_proof", "models-proof"),
    ("ended_reason", "models-withdraw-reason"),
    ("sure", "models-withdraw-sure"),
];

/// What was typed into both forms.
#[derive(Debug, Clone, Default)]
pub(super) struct Typed {
    pub(super) proof: String,
    pub(super) from: String,
    pub(super) until: String,
    pub(super) reason: String,
    pub(super) ended_proof: String,
    pub(super) ended_reason: String,
}

/// A certification.
#[derive(Debug, Deserialize)]
pub struct Certification {
    proof: String,
    /// First day, `2027-04-01`; today unless it is given.
    from: Option<String>,
    /// Last day.
    until: String,
    reason: String,
}

/// The end of one.
#[derive(Debug, Deserialize)]
pub struct Withdrawal {
    ended_proof: String,
    ended_reason: String,
    sure: Option<Sure>,
}

/// Certifies the model.
///
/// # Errors
/// 403 for everybody but the operating body's administrators, 404 for a model that is not there. A field that does
/// not fit is the page again, with what was typed.
pub async fn certify(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    page: PageFrame,
    StrictForm(form): StrictForm<Certification>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::OperatingAdministrator)?;
    let mut errors = FieldErrors::of_form(&LABELS);
    let proof = Proof::parse(&form.proof).ok_or(FieldError::Choice);
    let proof = errors.keep("proof", proof, &page.text);
    let mut day = |field, typed: &str, read: fn(&str) -> Result<OffsetDateTime, String>| {
        read(typed).map_err(|_| errors.add(field, page.t("models-error-day"))).ok()
    };
    let from = form.from.as_deref();
    let from = from.map_or(Some(app.now()), |typed| day("from", typed, first_of_day));
    let until = day("until", &form.until, day_after);
    let reason = errors.keep("reason", form::line(&form.reason, MOST_REASON), &page.text);
    let typed = Typed {
        proof: form.proof,
        from: form.from.unwrap_or_default(),
        until: form.until,
        reason: form.reason,
        ..Typed::default()
    };
    let (Some(proof), Some(from), Some(until), Some(reason)) = (proof, from, until, reason) else {
        return again(&app, &session, page, &id, typed, errors).await;
    };
    let asked = Asked { model_id: id.clone(), proof, valid: Some((from, until)), reason };
    match decide(&app, &acting, &asked).await? {
        None => Ok(Redirect::to(&format!("{PATH}/{id}?notice=certified")).into_response()),
        Some(refusal) => {
            let field = match refusal {
                Refusal::Over | Refusal::TooLong => "until",
                Refusal::Proof | Refusal::NotTested | Refusal::NotCertified => "proof",
            };
            errors.add(field, page.t(refusal.key()));
            again(&app, &session, page, &id, typed, errors).await
        }
    }
}

/// Takes the certification back.
///
/// # Errors
/// As [`certify`].
pub async fn withdraw(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    page: PageFrame,
    StrictForm(form): StrictForm<Withdrawal>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::OperatingAdministrator)?;
    let mut errors = FieldErrors::of_form(&LABELS);
    let proof = Proof::parse(&form.ended_proof).ok_or(FieldError::Choice);
    let proof = errors.keep("ended_proof", proof, &page.text);
    let reason = form::line(&form.ended_reason, MOST_REASON);
    let reason = errors.keep("ended_reason", reason, &page.text);
    if form.sure.is_none() {
        errors.add("sure", page.t("error-not-ticked"));
    }
    let typed = Typed {
        ended_proof: form.ended_proof,
        ended_reason: form.ended_reason,
        ..Typed::default()
    };
    let (Some(proof), Some(reason), true) = (proof, reason, errors.is_empty()) else {
        return again(&app, &session, page, &id, typed, errors).await;
    };
    let asked = Asked { model_id: id.clone(), proof, valid: None, reason };
    match decide(&app, &acting, &asked).await? {
        None => Ok(Redirect::to(&format!("{PATH}/{id}?notice=withdrawn")).into_response()),
        Some(refusal) => {
            errors.add("ended_proof", page.t(refusal.key()));
            again(&app, &session, page, &id, typed, errors).await
        }
    }
}

async fn again(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    id: &str,
    typed: Typed,
    errors: FieldErrors,
) -> Result<Response, PageError> {
    let page = page.switching_at(&format!("{PATH}/{id}"));
    show::page_of(app, Some(session), page, id, None, typed, errors).await
}

async fn decide(app: &App, acting: &Acting, asked: &Asked) -> Result<Option<Refusal>, PageError> {
    let mut reader = app.store().read();
    router_model::find(&mut reader, &asked.model_id).await?.ok_or_else(PageError::not_found)?;
    let now = app.now();
    Ok(transaction!(app.store(), StoreError, |tx| {
        let refusal = asked.decide(tx, acting.person_id(), now).await?;
        let entry = match refusal {
            None => acting.done(asked.act(), now),
            Some(refusal) => acting.refused(asked.act(), now, refusal.as_str()),
        };
        Ok(Audited::new(refusal, asked.recorded(entry)))
    })?)
}
