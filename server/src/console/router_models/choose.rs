//! `/console/routers/{id}/model`: which model of the register a facility's router is.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_store::{
    StoreError, audit::Audited, router, router_certification, router_model,
    terminal::TerminalStatus, transaction,
};
use serde::Deserialize;

use super::words;
use crate::{
    app::App,
    console::terminals::{administered, already_revoked},
    error::page::PageError,
    form::{PathId, StrictForm},
    network::models::MOST_MODELS,
    page::{Page, PageFrame},
    people::{field::FieldErrors, session::ConsoleSession},
};

/// In the audit trail.
const ACT: &str = "router.choose_model";

/// The form.
#[derive(Debug, Default, Deserialize)]
pub struct Form {
    /// Identifier of the model; empty: none of the register.
    model: Option<String>,
}

struct Choice {
    id: String,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "routers/choose_model.html")]
struct ChoosePage {
    page: PageFrame,
    id: String,
    name: String,
    family: String,
    choices: Vec<Choice>,
    errors: FieldErrors,
}

/// Shows the models of the router's family.
///
/// # Errors
/// 404 for somebody else's router, 409 for a revoked one.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    page: PageFrame,
) -> Result<Response, PageError> {
    show(&app, &session, page, &id, FieldErrors::default()).await
}

async fn show(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    id: &str,
    errors: FieldErrors,
) -> Result<Response, PageError> {
    let mut reader = app.store().read();
    let (terminal, _) = administered(&mut reader, session, id).await?;
    let router = router::find(&mut reader, id).await?.ok_or_else(PageError::not_found)?;
    if terminal.status == TerminalStatus::Revoked {
        return Err(already_revoked());
    }
    let chosen = router_model::of_router(&mut reader, id).await?.map(|model| model.id);
    let latest = router_certification::latest(&mut reader).await?;
    let most = i64::try_from(MOST_MODELS).unwrap_or(i64::MAX);
    let mut choices = Vec::new();
    for model in router_model::all(&mut reader, most).await? {
        if model.is.family != router.family && chosen.as_ref() != Some(&model.id) {
            continue;
        }
        let certified = words::certified_today(&latest, &model.id, app.now(), &page.text);
        let state = match certified.is_empty() {
            true => page.t("models-not-certified"),
            false => certified
                .into_iter()
                .map(|tag| tag.label)
                .collect::<Vec<_>>()
                .join(&page.t("models-comma")),
        };
        choices.push(Choice {
            label: format!("{} — {state}", model.is.title()),
            chosen: chosen.as_ref() == Some(&model.id),
            id: model.id,
        });
    }
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let shown = ChoosePage {
        page: session.frame(page),
        id: id.to_owned(),
        name: terminal.name,
        family: words::family_name(&router.family),
        choices,
        errors,
    };
    Ok((status, Page(shown)).into_response())
}

/// Notes it.
///
/// # Errors
/// As [`get`]; a model that is not there, or of another family, is the page again.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    page: PageFrame,
    StrictForm(form): StrictForm<Form>,
) -> Result<Response, PageError> {
    let mut reader = app.store().read();
    let (terminal, acting) = administered(&mut reader, &session, &id).await?;
    let router = router::find(&mut reader, &id).await?.ok_or_else(PageError::not_found)?;
    if terminal.status == TerminalStatus::Revoked {
        return Err(already_revoked());
    }
    let model = match &form.model {
        None => None,
        Some(model) => {
            let found = router_model::find(&mut reader, model).await?;
            let Some(found) = found.filter(|found| found.is.family == router.family) else {
                let mut errors = FieldErrors::of_form(&[("model", "models-product")]);
                errors.add("model", page.t("models-choose-error"));
                let page = page.switching_at(&format!("/console/routers/{id}/model"));
                return show(&app, &session, page, &id, errors).await;
            };
            Some(found)
        }
    };
    drop(reader);
    let (now, model_id) = (app.now(), model.as_ref().map(|model| model.id.as_str()));
    let title = model.as_ref().map(|model| model.is.title()).unwrap_or_default();
    transaction!(app.store(), StoreError, |tx| {
        router_model::choose(tx, &id, model_id, acting.person_id(), now).await?;
        let mut entry = acting.done(ACT, now).on("terminal", id.as_str());
        if let Some(model_id) = model_id {
            entry = entry.on("router_model", model_id);
        }
        Ok(Audited::new((), entry.fact("model", title.as_str())))
    })?;
    Ok(Redirect::to("/console/routers").into_response())
}
