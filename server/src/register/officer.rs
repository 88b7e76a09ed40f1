//! `/console/applications`: what an officer sees and does.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_pki::national::facility_code::{MedicalInstitutionCode, Strictness};
use sekisho_store::{
    Queries,
    application::{self, Application, Code},
    organisation::{self, RegisteredAddress},
    organisation_kind::CodeScheme,
};
use serde::Deserialize;

use super::{
    apply::{kind_name, status_name},
    approval,
    form::MOST_ADDRESS,
    letter_page, organisation as organisation_page, prefecture, separation, typed,
};
use crate::{
    app::App,
    catalogue::Text,
    error::page::PageError,
    form::{PathId, StrictForm, StrictQuery},
    page::{Page, PageFrame},
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
    portal::when,
};

const PAGE_LENGTH: i64 = 50;
const MOST_NOTE: usize = 2000;
const MOST_SOURCE: usize = 200;
/// What the fields are called on the page of an application.
const LABELS: &[(&str, &str)] = &[
    ("note", "register-check-note"),
    ("reason", "register-reject-reason"),
    ("letter_postal_code", "register-field-postal-code"),
    ("letter_address", "register-approve-address"),
];

/// Name of a code's scheme, in words.
#[must_use]
pub fn scheme_name(scheme: CodeScheme, text: &Text) -> String {
    match scheme {
        CodeScheme::MedicalInstitution => text.t("register-scheme-medical-institution"),
        CodeScheme::CareProvider => text.t("register-scheme-care-provider"),
        CodeScheme::OperatorAssigned => text.t("register-scheme-operator-assigned"),
    }
}

/// The query of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    #[serde(default)]
    from: Option<u32>,
}

struct Line {
    id: String,
    name: String,
    kind: String,
    prefecture: &'static str,
    applied_at: String,
    status: String,
    token: &'static str,
}

#[derive(Template)]
#[template(path = "register-applications.html")]
struct ListPage {
    page: PageFrame,
    lines: Vec<Line>,
    newer: Option<u32>,
    older: Option<u32>,
}

/// `GET /console/applications`.
///
/// # Errors
/// [`PageError`]: not an officer, or the database does not answer.
pub async fn list(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictQuery(query): StrictQuery<ListQuery>,
) -> Result<Response, PageError> {
    session.require(&Role::AccreditationOfficer)?;
    let from = query.from.unwrap_or(0);
    let mut found =
        application::list(&mut app.store().read(), i64::from(from), PAGE_LENGTH + 1).await?;
    let more = found.len() as i64 > PAGE_LENGTH;
    found.truncate(PAGE_LENGTH as usize);
    let text = page.text.clone();
    let lines = found
        .into_iter()
        .map(|line| Line {
            kind: kind_name(line.kind, &text),
            prefecture: prefecture::name(line.prefecture, text.lang()),
            applied_at: when::shown(line.created_at, text.lang()),
            status: status_name(line.status, &text),
            token: line.status.as_str(),
            id: line.id,
            name: line.name,
        })
        .collect();
    let step = PAGE_LENGTH as u32;
    Ok(Page(ListPage {
        page: session.frame(page),
        lines,
        newer: (from > 0).then(|| from.saturating_sub(step)),
        older: more.then(|| from.saturating_add(step)),
    })
    .into_response())
}

/// A code as the officer sees it.
struct CodeLine {
    scheme: String,
    value: String,
    findings: Vec<String>,
    holder: Option<Holder>,
    /// Undecided applications that carry it, too.
    shared_by: Vec<Holder>,
}

/// An organisation or another application that has a code.
struct Holder {
    id: String,
    name: String,
    status: String,
}

struct Happening {
    at: String,
    what: String,
    who: String,
    note: String,
}

#[derive(Template)]
#[template(path = "register-application.html")]
struct DetailPage {
    page: PageFrame,
    application: Application,
    kind: String,
    prefecture: &'static str,
    status: String,
    codes: Vec<CodeLine>,
    events: Vec<Happening>,
    organisation_id: Option<String>,
    conflict: Option<String>,
    /// A code is another organisation's: nobody can approve.
    taken: bool,
    /// A code stands in another open application: of both, one at most is approved.
    shared: bool,
    checked: bool,
    typed: TypedForms,
    errors: FieldErrors,
}

/// What was typed in the page's forms, to be put right.
#[derive(Default)]
struct TypedForms {
    source: String,
    note: String,
    reason: String,
    letter_postal_code: String,
    letter_address: String,
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
    let page = page.switching_at(&path_of(id));
    let body = DetailPage { typed, errors, ..detail_page(app, session, page, id).await? };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(body)).into_response())
}

async fn detail_page(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    id: &str,
) -> Result<DetailPage, PageError> {
    let mut reader = app.store().read();
    let found = application::find(&mut reader, id).await?.ok_or_else(PageError::not_found)?;
    let text = page.text.clone();
    let organisation = organisation::of_application(&mut reader, id).await?;
    let own = organisation.as_ref().map(|organisation| organisation.id.as_str());
    let sharing = if found.status.is_decided() {
        Vec::new()
    } else {
        application::sharing_codes(&mut reader, id).await?
    };
    let mut codes = Vec::new();
    for code in &found.particulars.codes {
        codes.push(CodeLine {
            scheme: scheme_name(code.scheme, &text),
            value: code.value.clone(),
            findings: findings(code, found.particulars.prefecture, &text),
            holder: holder(&mut reader, code, own, &text).await?,
            shared_by: sharing
                .iter()
                .filter(|other| other.code == *code)
                .map(|other| Holder {
                    id: other.id.clone(),
                    name: other.name.clone(),
                    status: status_name(other.status, &text),
                })
                .collect(),
        });
    }
    let events = application::events(&mut reader, id)
        .await?
        .into_iter()
        .map(|event| Happening {
            at: when::shown(event.at, text.lang()),
            what: event_name(&event.kind, &text),
            who: event.person_name.unwrap_or_default(),
            note: event.note,
        })
        .collect();
    let conflict = separation::of_application(&mut reader, &found, &session.person_id).await?;
    Ok(DetailPage {
        page: session.frame(page),
        kind: kind_name(found.particulars.kind, &text),
        prefecture: prefecture::name(found.particulars.prefecture, text.lang()),
        status: status_name(found.status, &text),
        taken: codes.iter().any(|code| code.holder.is_some()),
        shared: codes.iter().any(|code| !code.shared_by.is_empty()),
        codes,
        events,
        organisation_id: organisation.map(|organisation| organisation.id),
        conflict: conflict.map(|refusal| {
            text.t(match refusal {
                approval::Refusal::Namesake => "register-detail-namesake",
                _ => "register-detail-conflict",
            })
        }),
        checked: found.status == application::ApplicationStatus::Checked,
        application: found,
        typed: TypedForms::default(),
        errors: FieldErrors::default(),
    })
}

/// Who has this code now, but for the organisation that this application itself became.
async fn holder(
    queries: &mut impl Queries,
    code: &Code,
    own: Option<&str>,
    text: &Text,
) -> Result<Option<Holder>, PageError> {
    let holder = organisation::holder_of(queries, code).await?;
    let Some(id) = holder.filter(|id| Some(id.as_str()) != own) else { return Ok(None) };
    let found = organisation::find(queries, &id).await?;
    Ok(found.map(|found| Holder {
        status: organisation_page::status_name(found.status, text),
        name: found.name,
        id,
    }))
}

fn event_name(kind: &str, text: &Text) -> String {
    match kind {
        "applied" => text.t("register-event-applied"),
        "checked" => text.t("register-event-checked"),
        "approved" => text.t("register-event-approved"),
        "rejected" => text.t("register-event-rejected"),
        other => other.to_owned(),
    }
}

fn findings(code: &Code, prefecture: u8, text: &Text) -> Vec<String> {
    if code.scheme != CodeScheme::MedicalInstitution {
        return Vec::new();
    }
    let Ok((read, found)) = MedicalInstitutionCode::parse(&code.value, Strictness::Warn) else {
        return vec![text.t("register-error-ten-digits")];
    };
    let mut words: Vec<String> =
        found.into_iter().map(|finding| typed::finding_words(finding, text)).collect();
    if read.prefecture() != prefecture {
        words.push(text.t("register-finding-elsewhere"));
    }
    words
}

fn path_of(id: &str) -> String {
    format!("/console/applications/{id}")
}

/// `GET /console/applications/{id}`.
///
/// # Errors
/// [`PageError`]: not an officer, no such application, or the database does not answer.
pub async fn detail(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
) -> Result<Response, PageError> {
    session.require(&Role::AccreditationOfficer)?;
    Ok(Page(detail_page(&app, &session, page, &id).await?).into_response())
}

/// The form of a check.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckForm {
    source: String,
    #[serde(default)]
    note: String,
}

/// `POST /console/applications/{id}/checks`, fields `source` and `note`.
///
/// # Errors
/// [`PageError`]: refused, or the database does not answer. A field that does not fit is the page
/// again.
pub async fn check(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<CheckForm>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::AccreditationOfficer)?;
    let mut errors = FieldErrors::of_form(LABELS);
    let source = errors.keep("source", typed::line(&form.source, MOST_SOURCE), &page.text);
    let note = match form.note.trim() {
        "" => Ok(String::new()),
        note => typed::lines(note, MOST_NOTE),
    };
    let (Some(source), Some(note)) = (source, errors.keep("note", note, &page.text)) else {
        let typed = TypedForms { source: form.source, note: form.note, ..TypedForms::default() };
        return correct(&app, &session, page, &id, typed, errors).await;
    };
    let note = if note.is_empty() { source } else { format!("{source}\n{note}") };
    approval::record_check(&app, &acting, &id, &note).await?;
    Ok(Redirect::to(&path_of(&id)).into_response())
}

/// The form of a rejection.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejectForm {
    reason: String,
}

/// `POST /console/applications/{id}/reject`, field `reason`.
///
/// # Errors
/// [`PageError`]: refused, or the database does not answer. A reason that does not fit is the page
/// again.
pub async fn reject(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<RejectForm>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::AccreditationOfficer)?;
    let mut errors = FieldErrors::of_form(LABELS);
    let reason = errors.keep("reason", typed::lines(&form.reason, MOST_NOTE), &page.text);
    let Some(reason) = reason else {
        let typed = TypedForms { reason: form.reason, ..TypedForms::default() };
        return correct(&app, &session, page, &id, typed, errors).await;
    };
    approval::reject(&app, &acting, &id, &reason).await?;
    Ok(Redirect::to(&path_of(&id)).into_response())
}

/// The form of an approval: where the official register says that the organisation is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveForm {
    letter_postal_code: String,
    letter_address: String,
}

/// `POST /console/applications/{id}/approve`, fields `letter_postal_code` and `letter_address`:
/// answers the letter, the only place where the activation code is ever shown.
///
/// # Errors
/// [`PageError`]: refused, or the database does not answer. A wrong address is the page again.
pub async fn approve(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<ApproveForm>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::AccreditationOfficer)?;
    let mut errors = FieldErrors::of_form(LABELS);
    let postal_code = typed::postal_code(&form.letter_postal_code);
    let postal_code = errors.keep("letter_postal_code", postal_code, &page.text);
    let address = typed::line(&form.letter_address, MOST_ADDRESS);
    let address = errors.keep("letter_address", address, &page.text);
    let (Some(postal_code), Some(address)) = (postal_code, address) else {
        let ApproveForm { letter_postal_code, letter_address } = form;
        let typed = TypedForms { letter_postal_code, letter_address, ..TypedForms::default() };
        return correct(&app, &session, page, &id, typed, errors).await;
    };
    let address = RegisteredAddress { postal_code: &postal_code, address: &address };
    let letter = approval::approve(&app, &acting, &id, address).await?;
    letter_page::answer(&app, &session, page, letter).await
}
