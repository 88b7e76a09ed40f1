//! `/console/service/{id}/maintenance`: what a service's tile in the portal says about its maintenance.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_store::{
    StoreError,
    audit::Audited,
    maintenance::{self, NewMaintenance},
    service::Service,
    transaction,
};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use super::{acting, path_of, seen};
use crate::{
    app::App,
    catalogue::Lang,
    error::page::PageError,
    form::{self, PathId, StrictForm},
    page::{Page, PageFrame},
    people::{field::FieldErrors, session::ConsoleSession},
    portal::when,
};

/// Most characters of a text.
const MOST_TEXT: usize = 200;
/// The most notices of a service that are not over.
const MOST: i64 = 10;
/// How far ahead one may lie.
const AHEAD: Duration = Duration::days(366);
/// The longest maintenance.
const LONGEST: Duration = Duration::days(31);

const LABELS: [(&str, &str); 4] = [
    ("text_ja", "maintenance-text-ja"),
    ("text_en", "maintenance-text-en"),
    ("from", "maintenance-from"),
    ("until", "maintenance-until"),
];

struct Row {
    id: String,
    text_ja: String,
    text_en: String,
    from: String,
    until: String,
}

#[derive(Template)]
#[template(path = "console/service-maintenance.html")]
struct MaintenancePage {
    page: PageFrame,
    name: String,
    back: String,
    here: String,
    rows: Vec<Row>,
    typed: Typed,
    longest: usize,
    errors: FieldErrors,
}

/// The form.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Typed {
    text_ja: String,
    text_en: String,
    /// Japan Standard Time, `2026-11-21T09:00`.
    from: String,
    until: String,
}

fn here(id: &str) -> String {
    format!("{}/maintenance", path_of(id))
}

/// `GET /console/service/{id}/maintenance`.
///
/// # Errors
/// [`PageError`]: no such service, or another's; the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
) -> Result<Page<impl Template>, PageError> {
    let service = seen(&mut app.store().read(), &session, &id).await?;
    let shown = show(&app, &session, page, &service, Typed::default(), FieldErrors::default());
    Ok(Page(shown.await?))
}

async fn show(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    service: &Service,
    typed: Typed,
    errors: FieldErrors,
) -> Result<MaintenancePage, PageError> {
    let lang = page.text.lang();
    let notices = maintenance::of_service(&mut app.store().read(), &service.id, app.now()).await?;
    let rows = notices.into_iter().map(|notice| Row {
        id: notice.id,
        text_ja: notice.text_ja,
        text_en: notice.text_en,
        from: when::shown(notice.begins_at, lang),
        until: when::shown(notice.ends_at, lang),
    });
    Ok(MaintenancePage {
        name: match lang {
            Lang::Ja => service.name_ja.clone(),
            Lang::En => service.name_en.clone(),
        },
        back: path_of(&service.id),
        here: here(&service.id),
        rows: rows.collect(),
        typed,
        longest: MOST_TEXT,
        errors,
        page: session.frame(page),
    })
}

/// A notice that was typed.
struct Entered {
    text_ja: String,
    text_en: String,
    begins_at: OffsetDateTime,
    ends_at: OffsetDateTime,
}

/// What was typed; `None` with an error at each field that does not fit.
fn read(
    typed: &Typed,
    now: OffsetDateTime,
    page: &PageFrame,
    errors: &mut FieldErrors,
) -> Option<Entered> {
    let text_ja = errors.keep("text_ja", form::line(&typed.text_ja, MOST_TEXT), &page.text);
    let text_en = errors.keep("text_en", form::line(&typed.text_en, MOST_TEXT), &page.text);
    let mut time = |field: &'static str, text: &str| {
        let read = when::typed(text);
        if read.is_none() {
            errors.add(field, page.t("audit-error-time"));
        }
        read
    };
    let (begins_at, ends_at) = (time("from", &typed.from), time("until", &typed.until));
    let (begins_at, ends_at) = (begins_at?, ends_at?);
    if begins_at > now + AHEAD {
        errors.add("from", page.t("maintenance-error-far"));
    }
    if ends_at <= now {
        errors.add("until", page.t("maintenance-error-over"));
    } else if ends_at <= begins_at || ends_at - begins_at > LONGEST {
        errors.add("until", page.t1("maintenance-error-length", "days", LONGEST.whole_days()));
    }
    let entered = Entered { text_ja: text_ja?, text_en: text_en?, begins_at, ends_at };
    errors.is_empty().then_some(entered)
}

/// `POST /console/service/{id}/maintenance`: enters a notice.
///
/// # Errors
/// [`PageError`]: no such service, or another's; 409 where it has as many as it may; the database does not answer. A
/// field that does not fit is the page again, with what was typed.
pub async fn enter(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(typed): StrictForm<Typed>,
) -> Result<Response, PageError> {
    const ACT: &str = "maintenance.enter";
    let (acting, service) = acting(&mut app.store().read(), &session, &id).await?;
    let now = app.now();
    let mut errors = FieldErrors::of_form(&LABELS);
    let Some(entered) = read(&typed, now, &page, &mut errors) else {
        let page = page.switching_at(&here(&id));
        let shown = show(&app, &session, page, &service, typed, errors).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(shown)).into_response());
    };
    let entered = transaction!(app.store(), StoreError, |tx| {
        let new = NewMaintenance {
            service_id: &id,
            text_ja: &entered.text_ja,
            text_en: &entered.text_en,
            begins_at: entered.begins_at,
            ends_at: entered.ends_at,
            entered_at: now,
        };
        let notice = maintenance::enter(tx, new, MOST).await?;
        let record = match &notice {
            Some(notice) => acting
                .done(ACT, now)
                .on("maintenance", notice)
                .fact("begins_at", entered.begins_at.unix_timestamp())
                .fact("ends_at", entered.ends_at.unix_timestamp()),
            None => acting.refused(ACT, now, "too_many"),
        };
        Ok(Audited::new(notice.is_some(), record.on("service", &id)))
    })?;
    if entered {
        return Ok(Redirect::to(&here(&id)).into_response());
    }
    Err(PageError::new(
        StatusCode::CONFLICT,
        "maintenance-full-title",
        "maintenance-full",
        "maintenance-full-help",
    ))
}

/// Which notice is to be withdrawn.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdraw {
    notice: String,
}

/// `POST /console/service/{id}/maintenance/withdraw`, field `notice`.
///
/// # Errors
/// [`PageError`]: no such service, or another's; none of its notices, or withdrawn before; the database does not
/// answer.
pub async fn withdraw(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<Withdraw>,
) -> Result<Redirect, PageError> {
    const ACT: &str = "maintenance.withdraw";
    let (acting, _) = acting(&mut app.store().read(), &session, &id).await?;
    let now = app.now();
    let withdrawn = transaction!(app.store(), StoreError, |tx| {
        let withdrawn = maintenance::withdraw(tx, &id, &form.notice, now).await?;
        let record = match withdrawn {
            true => acting.done(ACT, now).on("maintenance", &form.notice),
            false => acting.refused(ACT, now, "none"),
        };
        Ok(Audited::new(withdrawn, record.on("service", &id)))
    })?;
    if withdrawn { Ok(Redirect::to(&here(&id))) } else { Err(PageError::not_found()) }
}
