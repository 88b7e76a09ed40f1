//! `/day-pass`: a colleague asks for a pass, and sees what waits for a second one.

use askama::Template;
use axum::{
    extract::{Extension, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    day_pass::{self, Asked, Waiting},
    membership, transaction,
};
use serde::Deserialize;

use super::{CONFIRM_WITHIN, PATH, Unfit, alike, fitness, login_first, may_stand_up, pin};
use crate::{
    app::App,
    catalogue::Text,
    error::page::PageError,
    form::{self, StrictForm, StrictQuery, Sure},
    listener::{FacilityConnection, Peer},
    login::{page::give_browser_cookie, session::PortalSession},
    oidc::liveness,
    page::{Page, PageFrame},
    people::field::FieldErrors,
    portal::when,
};

/// The most people of one name that are shown.
const MOST_FOUND: i64 = 20;
/// The longest name that is looked for, in characters.
const MOST_NAME: usize = 60;
/// What the fields are called.
const LABELS: [(&str, &str); 5] = [
    ("name", "day-pass-name"),
    ("person", "day-pass-person"),
    ("pin", "day-pass-pin"),
    ("pin_again", "day-pass-pin-again"),
    ("sure", "day-pass-sure-label"),
];

/// The query of the page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Who is looked for.
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    notice: Option<Notice>,
}

/// What was done just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Notice {
    Asked,
}

/// Somebody who might get a pass.
struct FoundRow {
    id: String,
    name: String,
    name_kana: String,
}

/// What waits at this terminal.
struct WaitingRow {
    id: String,
    name: String,
    /// Who asks for whom.
    said: String,
    confirm_by: String,
    /// Whether whoever is at work asked for it: another one has to confirm it.
    own: bool,
    /// Whether its form is shown: that of one at a time.
    form: bool,
}

/// What a colleague can do here.
#[derive(PartialEq, Eq)]
enum Way {
    /// No pass counts here.
    Closed,
    /// They have to prove themself first, at this address.
    LoginFirst(String),
    /// Ask and give.
    Open,
}

#[derive(Template)]
#[template(path = "day-pass.html")]
struct DayPassPage {
    page: PageFrame,
    way: Way,
    notice: Option<String>,
    /// Why nothing was done.
    unfit: Option<String>,
    waiting: Vec<WaitingRow>,
    /// Who was looked for.
    name: String,
    /// Who was found; absent where nobody was looked for.
    found: Option<Vec<FoundRow>>,
    /// Whether more were found than are shown.
    more: bool,
    most_name: usize,
    pin_least: usize,
    pin_most: usize,
    hours: i64,
    errors: FieldErrors,
}

/// What differs from one showing of the page to another.
#[derive(Default)]
pub(super) struct Shown {
    name: Option<String>,
    unfit: Option<Unfit>,
    errors: FieldErrors,
    notice: Option<Notice>,
}

impl Shown {
    /// Fields of the form that gives a pass which do not fit.
    pub(super) fn unfit_fields(errors: FieldErrors) -> Self {
        Self { errors, ..Self::default() }
    }

    /// Nothing was done; `name` is who was looked for.
    pub(super) fn unfit(unfit: Unfit, name: Option<String>) -> Self {
        Self { unfit: Some(unfit), name, errors: field_errors(), notice: None }
    }
}

/// Errors at the fields of this page.
pub(super) fn field_errors() -> FieldErrors {
    FieldErrors::of_form(&LABELS)
}

/// What is said of what waits at this terminal for a second colleague, where whoever is at work may be that one.
///
/// # Errors
/// [`StoreError`].
pub async fn to_confirm(
    app: &App,
    session: &PortalSession,
    text: &Text,
) -> Result<Option<String>, StoreError> {
    if !app.config().card_login().day_passes() {
        return Ok(None);
    }
    let mut reader = app.store().read();
    let waiting = day_pass::waiting_at(&mut reader, &session.terminal_id, app.now()).await?;
    let waiting = waiting.into_iter().find(|waiting| concerns(waiting, session));
    Ok(waiting.map(|waiting| said(&waiting, text)))
}

/// Who asks for whom.
fn said(waiting: &Waiting, text: &Text) -> String {
    let names = [("name", &waiting.name), ("asked_by", &waiting.asked_by_name)];
    text.with("day-pass-waiting-for", &names)
}

/// Whether somebody may confirm what waits: neither who asked, nor whom it is for.
fn concerns(waiting: &Waiting, session: &PortalSession) -> bool {
    ![&waiting.asked_by, &waiting.person_id].contains(&&session.person_id)
}

/// `GET /day-pass`.
///
/// # Errors
/// [`PageError`]: nobody is logged in, or the database does not answer.
pub async fn get(
    State(app): State<App>,
    facility: FacilityConnection,
    session: PortalSession,
    page: PageFrame,
    StrictQuery(query): StrictQuery<PageQuery>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let shown =
        Shown { name: query.name, notice: query.notice, errors: field_errors(), unfit: None };
    let mut response = show(&app, &facility, &session, page, shown).await?;
    // The login that may come first needs it.
    give_browser_cookie(&app, &headers, &mut response)?;
    Ok(response)
}

/// The page.
pub(super) async fn show(
    app: &App,
    facility: &FacilityConnection,
    session: &PortalSession,
    page: PageFrame,
    shown: Shown,
) -> Result<Response, PageError> {
    let Shown { name, unfit, mut errors, notice } = shown;
    let card_login = app.config().card_login();
    let way = if !card_login.day_passes() {
        Way::Closed
    } else if may_stand_up(session, app.now()) {
        Way::Open
    } else {
        Way::LoginFirst(login_first(app))
    };
    let mut reader = app.store().read();
    let lang = page.text.lang();
    let mut waiting = Vec::new();
    if way != Way::Closed {
        let found = day_pass::waiting_at(&mut reader, &facility.terminal_id, app.now()).await?;
        waiting.extend(found.into_iter().filter(|row| row.person_id != session.person_id).map(
            |row| WaitingRow {
                own: row.asked_by == session.person_id,
                form: false,
                said: said(&row, &page.text),
                confirm_by: when::shown(row.confirm_by, lang),
                id: row.id,
                name: row.name,
            },
        ));
    }
    if let Some(row) = waiting.iter_mut().find(|row| !row.own) {
        row.form = true;
    }
    let (mut found, mut more) = (None, false);
    if let (Way::Open, Some(typed)) = (&way, &name)
        && let Some(sought) = errors.keep("name", form::line(typed, MOST_NAME), &page.text)
    {
        let here = Some(facility.organisation_id.as_str());
        let mut members = membership::search(&mut reader, &sought, here, MOST_FOUND + 1).await?;
        members.retain(|member| member.person_id != session.person_id);
        let most = usize::try_from(MOST_FOUND).unwrap_or(usize::MAX);
        more = members.len() > most;
        members.truncate(most);
        let rows = members.into_iter().map(|member| FoundRow {
            id: member.person_id,
            name: member.name,
            name_kana: member.name_kana,
        });
        found = Some(rows.collect());
    }
    let fit = errors.is_empty() && unfit.is_none();
    let body = DayPassPage {
        notice: notice.map(|Notice::Asked| page.t("day-pass-notice-asked")),
        unfit: unfit.map(|unfit| page.t(&unfit.key())),
        page: session.frame(page, facility),
        way,
        waiting,
        name: name.unwrap_or_default(),
        found,
        more,
        most_name: MOST_NAME,
        pin_least: pin::LEAST,
        pin_most: pin::MOST,
        hours: card_login.day_pass_length().whole_hours(),
        errors,
    };
    let status = if fit { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok((status, Page(body)).into_response())
}

/// The form that asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskForm {
    /// By what they were found, for the page that comes back.
    name: String,
    #[serde(default)]
    person: String,
    sure: Option<Sure>,
}

/// `POST /day-pass`, fields `person`, `sure` and the `name` that was looked for: asks for a pass.
///
/// # Errors
/// [`PageError`]: nobody is logged in, or the database does not answer. What does not fit is the page again.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    session: PortalSession,
    page: PageFrame,
    StrictForm(form): StrictForm<AskForm>,
) -> Result<Response, PageError> {
    let now = app.now();
    if !app.config().card_login().day_passes() || !may_stand_up(&session, now) {
        // The page says what is missing.
        return Ok(Redirect::to(PATH).into_response());
    }
    let page = page.switching_at(PATH);
    let mut errors = field_errors();
    if form.person.is_empty() {
        errors.add("person", page.t("error-choose-one"));
    }
    if form.sure.is_none() {
        errors.add("sure", page.t("error-not-ticked"));
    }
    if !errors.is_empty() {
        let shown = Shown { name: Some(form.name), errors, ..Shown::default() };
        return show(&app, &facility, &session, page, shown).await;
    }
    let asked: Result<(), Unfit> = transaction!(app.store(), StoreError, |tx| {
        let here = facility.organisation_id.as_str();
        let fit = if form.person == session.person_id {
            Err(Unfit::Oneself)
        } else if liveness::session(&app, tx, &session.id_hash, now).await?.is_none() {
            Err(Unfit::SessionOver)
        } else if alike(tx, &[&session.person_id, &form.person]).await? {
            Err(Unfit::Alike)
        } else {
            fitness(&app, tx, &form.person, here, now).await?
        };
        let person = || Actor::Person(session.person_id.clone());
        let (outcome, record) = match fit {
            Ok(voucher_fingerprint) => {
                let asked = Asked {
                    organisation_id: here,
                    terminal_id: &facility.terminal_id,
                    person_id: &form.person,
                    voucher_fingerprint: &voucher_fingerprint,
                    asked_by: &session.person_id,
                    at: now,
                    confirm_by: now + CONFIRM_WITHIN,
                };
                let id = day_pass::ask(tx, asked).await?;
                let record = Entry::done("day_pass.ask", person(), now)
                    .on("day_pass", id)
                    .on("person", &form.person)
                    .fact("acr", session.acr.clone());
                (Ok(()), record)
            }
            Err(unfit) => {
                let record = Entry::refused("day_pass.ask", person(), now, unfit.code());
                (Err(unfit), record)
            }
        };
        let record = record.on("session", hex::encode(session.id_hash));
        Ok(Audited::new(outcome, facility.place(record, &peer)))
    })?;
    match asked {
        Ok(()) => Ok(Redirect::to(&format!("{PATH}?notice=asked")).into_response()),
        Err(unfit) => {
            let shown = Shown::unfit(unfit, Some(form.name));
            show(&app, &facility, &session, page, shown).await
        }
    }
}
