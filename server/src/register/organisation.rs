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
    audit::Audited,
    facility_prefix,
    organisation::{self, OrganisationStatus},
    organisation_kind::CodeScheme,
    party, transaction,
};
use serde::Deserialize;
use time::OffsetDateTime;

use super::{
    apply::{Choice, kind_name},
    approval::{Refusal, RegisterError},
    form::MOST_NAME,
    letter::{self, Purpose},
    letter_page,
    officer::scheme_name,
    typed,
};
use crate::{
    app::App,
    catalogue::Text,
    error::{page::PageError, register::words},
    form::{NoFields, PathId, StrictForm},
    page::{Page, PageFrame},
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
    portal::when,
};

/// The longest reason of a letter, in characters.
pub const MOST_REASON: usize = 200;
/// What the fields are called on this page.
pub(super) const LABELS: &[(&str, &str)] = &[
    ("name", "register-organisation-new-name"),
    ("name_kana", "register-field-kana"),
    ("reason", "register-letter-reason"),
];
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
    /// Whether it was to end, and the tick is missing.
    unticked: bool,
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
    /// Its IPv6 prefix, and since when.
    prefix: Option<(String, String)>,
    names: Vec<NameLine>,
    codes: Vec<CodeLine>,
    schemes: Vec<Choice>,
    administrators: Vec<String>,
    letters: Vec<LetterLine>,
    may_change: bool,
    may_send: bool,
    /// Why this officer would get no letter, and what would help.
    no_letter: Option<(&'static str, &'static str)>,
    typed: TypedForms,
    errors: FieldErrors,
}

/// What was typed in the page's forms, to be put right.
#[derive(Default)]
pub(super) struct TypedForms {
    pub(super) reason: String,
    pub(super) name: String,
    pub(super) name_kana: String,
    pub(super) scheme: String,
    pub(super) value: String,
    /// Scheme and value of the code that was to end without the tick.
    pub(super) ending: Option<(String, String)>,
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
pub(super) async fn correct(
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
    mut errors: FieldErrors,
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
    let codes: Vec<_> = organisation::codes(&mut reader, id)
        .await?
        .into_iter()
        .map(|code| CodeLine {
            scheme: code.value.scheme.as_str(),
            scheme_name: scheme_name(code.value.scheme, &text),
            unticked: code.until.is_none()
                && typed.ending.as_ref().is_some_and(|(scheme, value)| {
                    (scheme.as_str(), value) == (code.value.scheme.as_str(), &code.value.value)
                }),
            value: code.value.value,
            from: shown(code.from),
            until: code.until.map(shown),
        })
        .collect();
    if let Some(line) = codes.iter().find(|line| line.unticked) {
        let label = text.t1("register-organisation-end-code-sure", "code", &line.value);
        errors.name("sure", label);
    }
    let administrators = party::administrators(&mut reader, id).await?;
    let purpose = match administrators.as_slice() {
        [] => Purpose::First,
        _ => Purpose::Further { reason: "" },
    };
    // By the very rule that would refuse the form.
    let refusal = match may_send {
        true => letter::refusal(&mut reader, &session.person_id, id, purpose).await?,
        false => None,
    };
    let prefix = facility_prefix::of_facility(&mut reader, id).await?;
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
        prefix: prefix.map(|one| (one.prefix.to_string(), shown(one.assigned_at))),
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
        no_letter: refusal.map(words),
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
    let mut errors = FieldErrors::of_form(LABELS);
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
    let mut errors = FieldErrors::of_form(LABELS);
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
            let entry = acting.refused(act, now, refusal.code()).on("organisation", &id);
            return Ok(Audited::new(Err(refusal), entry));
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
