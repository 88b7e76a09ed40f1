//! `/console/organisations/{id}`: one entry of the register, with its history.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_store::{
    StoreError,
    activation_code::{self, Letter},
    application::Code,
    audit::Audited,
    organisation::{self, OrganisationStatus},
    organisation_kind::CodeScheme,
    party, transaction,
};
use serde::Deserialize;
use time::OffsetDateTime;

use super::{
    apply::{Choice, kind_name},
    approval::{Refusal, RegisterError},
    form::{MOST_NAME, strictness},
    letter::{self, Purpose},
    letter_page,
    officer::scheme_name,
    typed::{self, FieldError},
};
use crate::{
    app::App,
    catalogue::Text,
    error::page::PageError,
    form::{FormError, LineError, NoFields, PathId, StrictForm, Sure},
    page::{Page, PageFrame},
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
    portal::when,
};

/// The longest reason of a letter, in characters.
pub const MOST_REASON: usize = 200;
/// The longest code, in characters.
const MOST_CODE: usize = 20;
/// The most letters that a page lists.
pub const MOST_LETTERS: i64 = 50;

struct NameLine {
    name: String,
    from: String,
    until: Option<String>,
}

struct CodeLine {
    scheme: &'static str,
    scheme_name: String,
    value: String,
    from: String,
    until: Option<String>,
}

/// A letter as pages show it.
pub struct LetterLine {
    /// When it was made.
    pub at: String,
    /// The officer's name, for the operating body only.
    pub issued_by: String,
    /// Why, where there was an administrator already.
    pub reason: String,
    /// What became of its code.
    pub state: String,
}

impl LetterLine {
    /// In words, as things stand at `now`.
    #[must_use]
    pub fn of(letter: Letter, now: OffsetDateTime, text: &Text) -> Self {
        let shown = |at| when::shown(at, text.lang());
        let state = match letter {
            Letter { used_at: Some(at), ref used_by, .. } => text.with(
                "register-letter-used",
                [("at", shown(at)), ("name", used_by.clone().unwrap_or_default())].as_slice(),
            ),
            Letter { withdrawn_at: Some(at), .. } => {
                text.t1("register-letter-withdrawn", "at", shown(at))
            }
            Letter { expires_at, .. } if expires_at <= now => {
                text.t1("register-letter-expired", "at", shown(expires_at))
            }
            Letter { expires_at, .. } => {
                text.t1("register-letter-open", "until", shown(expires_at))
            }
        };
        Self {
            at: shown(letter.at),
            issued_by: letter.issued_by.unwrap_or_default(),
            reason: letter.reason,
            state,
        }
    }
}

#[derive(Template)]
#[template(path = "register-organisation.html")]
struct OrganisationPage {
    page: PageFrame,
    id: String,
    name: String,
    name_kana: String,
    kind: String,
    status: String,
    postal_code: String,
    address: String,
    names: Vec<NameLine>,
    codes: Vec<CodeLine>,
    schemes: Vec<Choice>,
    administrators: Vec<String>,
    letters: Vec<LetterLine>,
    may_change: bool,
    may_send: bool,
    typed: TypedForms,
    errors: FieldErrors,
}

/// What was typed in the page's forms, to be put right.
#[derive(Default)]
struct TypedForms {
    reason: String,
    name: String,
    name_kana: String,
    scheme: String,
    value: String,
}

/// A status as pages of the register show it.
#[must_use]
pub fn status_name(status: OrganisationStatus, text: &Text) -> String {
    match status {
        OrganisationStatus::Approved => text.t("register-organisation-approved"),
        OrganisationStatus::Active => text.t("register-organisation-active"),
        OrganisationStatus::Suspended => text.t("register-organisation-suspended"),
        OrganisationStatus::Closed => text.t("register-organisation-closed"),
    }
}

/// `GET /console/organisations/{id}`, for officers and administrators of the operating body.
///
/// # Errors
/// [`PageError`]: neither of them, no such organisation, or the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
) -> Result<Response, PageError> {
    show(&app, &session, page, &id, TypedForms::default(), FieldErrors::default()).await
}

/// The page again, with what was typed and what is wrong with it.
async fn correct(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    id: &str,
    typed: TypedForms,
    errors: FieldErrors,
) -> Result<Response, PageError> {
    let page = page.switching_at(&format!("/console/organisations/{id}"));
    show(app, session, page, id, typed, errors).await
}

async fn show(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    id: &str,
    typed: TypedForms,
    errors: FieldErrors,
) -> Result<Response, PageError> {
    let may_change = session.require(&Role::OperatingAdministrator).is_ok();
    let officer = session.require(&Role::AccreditationOfficer);
    let may_send = officer.is_ok();
    if !may_change {
        officer?;
    }
    let mut reader = app.store().read();
    let found = organisation::find(&mut reader, id).await?.ok_or_else(PageError::not_found)?;
    let text = page.text.clone();
    let shown = |at| when::shown(at, text.lang());
    let names = organisation::names(&mut reader, id)
        .await?
        .into_iter()
        .map(|name| NameLine {
            name: name.value,
            from: shown(name.from),
            until: name.until.map(shown),
        })
        .collect();
    let codes = organisation::codes(&mut reader, id)
        .await?
        .into_iter()
        .map(|code| CodeLine {
            scheme: code.value.scheme.as_str(),
            scheme_name: scheme_name(code.value.scheme, &text),
            value: code.value.value,
            from: shown(code.from),
            until: code.until.map(shown),
        })
        .collect();
    let administrators = party::administrators(&mut reader, id).await?;
    let letters = activation_code::list(&mut reader, id, MOST_LETTERS).await?;
    let schemes = CodeScheme::ALL
        .into_iter()
        .map(|scheme| Choice {
            value: scheme.as_str().to_owned(),
            label: scheme_name(scheme, &text),
            chosen: scheme.as_str() == typed.scheme,
        })
        .collect();
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = OrganisationPage {
        kind: kind_name(found.kind, &text),
        status: status_name(found.status, &text),
        id: found.id,
        name: found.name,
        name_kana: found.name_kana,
        postal_code: found.postal_code,
        address: found.address,
        names,
        codes,
        schemes,
        administrators: administrators.into_iter().map(|party| party.name).collect(),
        letters: letters
            .into_iter()
            .map(|letter| LetterLine::of(letter, app.now(), &text))
            .collect(),
        may_change,
        may_send,
        page: session.frame(page),
        typed,
        errors,
    };
    Ok((status, Page(page)).into_response())
}

/// `POST /console/organisations/{id}/letter`, no fields: a new letter to an organisation without
/// administrator, which ends earlier codes.
///
/// # Errors
/// [`PageError`]: refused, or the database does not answer.
pub async fn first_letter(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    _: NoFields,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::AccreditationOfficer)?;
    let letter = letter::issue(&app, &acting, &id, Purpose::First).await?;
    letter_page::answer(&app, &session, page, letter).await
}

/// The form of a letter beside an administrator.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FurtherLetterForm {
    reason: String,
}

/// `POST /console/organisations/{id}/further-letter`, field `reason`: a letter to an organisation
/// that has an administrator, who is told so with the reason.
///
/// # Errors
/// [`PageError`]: refused, or the database does not answer. A reason that does not fit is the page
/// again.
pub async fn further_letter(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<FurtherLetterForm>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::AccreditationOfficer)?;
    let mut errors = FieldErrors::default();
    let reason = errors.keep("reason", typed::line(&form.reason, MOST_REASON), &page.text);
    let Some(reason) = reason else {
        let typed = TypedForms { reason: form.reason, ..TypedForms::default() };
        return correct(&app, &session, page, &id, typed, errors).await;
    };
    let letter = letter::issue(&app, &acting, &id, Purpose::Further { reason: &reason }).await?;
    letter_page::answer(&app, &session, page, letter).await
}

/// The form of a change of name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameForm {
    name: String,
    name_kana: String,
}

/// `POST /console/organisations/{id}/name`, fields `name` and `name_kana`.
///
/// # Errors
/// [`PageError`]: not the operating body's administrator, no such organisation, or the database does
/// not answer. A field that does not fit is the page again.
pub async fn rename(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<NameForm>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::OperatingAdministrator)?;
    let mut errors = FieldErrors::default();
    let name = errors.keep("name", typed::line(&form.name, MOST_NAME), &page.text);
    let kana = errors.keep("name_kana", typed::kana(&form.name_kana, MOST_NAME), &page.text);
    let (Some(name), Some(name_kana)) = (name, kana) else {
        let typed =
            TypedForms { name: form.name, name_kana: form.name_kana, ..TypedForms::default() };
        return correct(&app, &session, page, &id, typed, errors).await;
    };
    let (now, act) = (app.now(), "organisation.rename");
    let outcome = transaction!(app.store(), StoreError, |tx| {
        if organisation::find(tx, &id).await?.is_none() {
            let refusal = Refusal::NotFound;
            return Ok(Audited::new(Err(refusal), acting.refused(act, now, refusal.code())));
        }
        organisation::rename(tx, &id, &name, &name_kana, now).await?;
        let entry = acting.done(act, now).at_organisation(&id).on("organisation", &id);
        Ok(Audited::new(Ok(()), entry.fact("name", name.as_str())))
    });
    match outcome {
        Ok(outcome) => outcome.map_err(RegisterError::Refused)?,
        // Renamed in this very second by somebody else: what both wanted cannot hold at once.
        Err(StoreError::AlreadyExists { .. }) => {
            return Err(RegisterError::Refused(Refusal::Decided).into());
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Redirect::to(&format!("/console/organisations/{id}")).into_response())
}

/// What happens to a code.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodeChange {
    /// It holds from now on.
    Add,
    /// It ends now.
    End,
}

/// The form of a change of code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeForm {
    scheme: String,
    value: String,
    change: CodeChange,
    /// Ticked, where a code is to end.
    sure: Option<Sure>,
}

/// `POST /console/organisations/{id}/codes`, fields `scheme`, `value`, `change` (`add` or `end`), and
/// `sure` to end one.
///
/// # Errors
/// [`PageError`]: not the operating body's administrator, the code is somebody's, or the database
/// does not answer. A field that does not fit is the page again.
pub async fn change_code(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<CodeForm>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::OperatingAdministrator)?;
    if matches!(form.change, CodeChange::End) && form.sure.is_none() {
        return Err(FormError::Missing { field: "sure" }.into());
    }
    let mut errors = FieldErrors::default();
    let scheme = CodeScheme::parse(&form.scheme).ok_or(FieldError::Choice);
    let scheme = errors.keep("scheme", scheme, &page.text);
    let how = strictness(app.config().register().code_check());
    let value = scheme.and_then(|scheme| {
        let value = match scheme {
            _ if form.value.trim().is_empty() => Err(LineError::Required.into()),
            // The code to be ended stands in the register, under whatever rule it was entered.
            _ if matches!(form.change, CodeChange::End) => typed::line(&form.value, MOST_CODE),
            CodeScheme::MedicalInstitution => {
                typed::medical_institution_code(&form.value, None, how)
            }
            CodeScheme::CareProvider => typed::care_provider_code(&form.value),
            CodeScheme::OperatorAssigned => typed::operator_assigned_code(&form.value),
        };
        errors.keep("value", value, &page.text)
    });
    let (Some(scheme), Some(value)) = (scheme, value) else {
        let typed = TypedForms { scheme: form.scheme, value: form.value, ..TypedForms::default() };
        return correct(&app, &session, page, &id, typed, errors).await;
    };
    let code = Code { scheme, value };
    let now = app.now();
    let act = match form.change {
        CodeChange::Add => "organisation.add_code",
        CodeChange::End => "organisation.end_code",
    };
    let outcome = transaction!(app.store(), StoreError, |tx| {
        let known = organisation::find(tx, &id).await?.is_some();
        let refusal = match form.change {
            _ if !known => Some(Refusal::NotFound),
            CodeChange::Add if organisation::holder_of(tx, &code).await?.is_some() => {
                Some(Refusal::CodeTaken)
            }
            CodeChange::Add => {
                organisation::add_code(tx, &id, &code, now).await?;
                None
            }
            CodeChange::End => {
                (!organisation::end_code(tx, &id, &code, now).await?).then_some(Refusal::NotFound)
            }
        };
        let entry = match refusal {
            Some(refusal) => acting.refused(act, now, refusal.code()),
            None => acting.done(act, now),
        };
        // What was refused is among the acts at the organisation as well, if there is one.
        let entry = if known { entry.at_organisation(&id) } else { entry };
        let entry = entry
            .on("organisation", &id)
            .fact("scheme", code.scheme.as_str())
            .fact("value", code.value.as_str());
        Ok(Audited::new(refusal.map_or(Ok(()), Err), entry))
    })?;
    outcome.map_err(RegisterError::Refused)?;
    Ok(Redirect::to(&format!("/console/organisations/{id}")).into_response())
}
