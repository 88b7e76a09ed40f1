//! `GET /emergency`: what an emergency access is, the form that opens one, and the person's own so far.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sekisho_store::emergency_access::{self, EmergencyAccess};
use serde::Deserialize;

use super::{
    Reason, Unfit,
    begin::{LEAST_WORDS, MOST_WORDS},
    day_of, fit, reason_key, review_words,
};
use crate::{
    app::App,
    catalogue::Text,
    error::page::PageError,
    form::StrictQuery,
    listener::FacilityConnection,
    login::{
        TIME_TO_SAY_WHY,
        page::return_to,
        session::{PortalSession, Present},
    },
    page::{Page, PageFrame},
    people::field::FieldErrors,
    portal::when,
};

/// What this form calls its fields.
pub(super) const LABELS: [(&str, &str); 2] =
    [("reason", "emergency-reason"), ("words", "emergency-words")];

/// The person's own that the page lists.
const MOST_LISTED: i64 = 20;

/// What was typed, to be put right.
#[derive(Default)]
pub(super) struct Typed {
    pub(super) reason: Option<Reason>,
    pub(super) words: String,
    /// What it is opened for: where the way goes on.
    pub(super) return_to: Option<String>,
}

/// What the page is opened with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmergencyQuery {
    return_to: Option<String>,
}

struct Choice {
    value: &'static str,
    label: String,
    chosen: bool,
}

/// What can be done.
enum Way {
    /// It runs: the frame says until when.
    Runs,
    /// One can be opened.
    Open { choices: Vec<Choice> },
    /// None can: why, and what would help.
    Closed { why: String, help: String },
}

struct Line {
    from: String,
    until: String,
    reason: String,
    words: String,
    review: String,
}

#[derive(Template)]
#[template(path = "emergency.html")]
struct EmergencyPage {
    page: PageFrame,
    /// The facility, to somebody who is no member of it.
    visiting: Option<String>,
    /// How long they have to begin one.
    minutes: i64,
    way: Way,
    own: Vec<Line>,
    typed: Typed,
    errors: FieldErrors,
    least: usize,
    most: usize,
}

/// `GET /emergency`.
///
/// # Errors
/// [`PageError`]: nobody is logged in, another place to go on at, or the database does not answer.
pub async fn get(
    State(app): State<App>,
    facility: FacilityConnection,
    Present(session): Present,
    page: PageFrame,
    StrictQuery(query): StrictQuery<EmergencyQuery>,
) -> Result<Response, PageError> {
    let errors = FieldErrors::of_form(&LABELS);
    let return_to = return_to(query.return_to, "emergency-title")?;
    let typed = Typed { return_to, ..Typed::default() };
    show(&app, &facility, &session, page, typed, errors).await
}

pub(super) async fn show(
    app: &App,
    facility: &FacilityConnection,
    session: &PortalSession,
    page: PageFrame,
    typed: Typed,
    errors: FieldErrors,
) -> Result<Response, PageError> {
    let (now, text) = (app.now(), &page.text);
    let mut reader = app.store().read();
    let own = emergency_access::of_person(&mut reader, &session.person_id, MOST_LISTED).await?;
    let had = emergency_access::of_day(&mut reader, &session.person_id, &day_of(now)).await?;
    let a_day = app.config().emergency().a_day();
    let closed = |why: String, help: &str| Way::Closed { why, help: text.t(help) };
    let way = match (fit(&session.roles, &session.acr), session.emergency.is_some()) {
        (Err(Unfit::NotLicensed), _) => {
            closed(text.t("emergency-not-licensed"), "emergency-not-licensed-help")
        }
        (Err(Unfit::NotTwoFactor), _) => {
            closed(text.t("emergency-too-weak"), "emergency-too-weak-help")
        }
        (Ok(()), true) => Way::Runs,
        (Ok(()), false) if had >= a_day => {
            closed(text.t1("emergency-limit", "most", a_day), "emergency-limit-help")
        }
        (Ok(()), false) => Way::Open {
            choices: Reason::ALL
                .into_iter()
                .map(|reason| Choice {
                    value: reason.code(),
                    label: text.t(&reason_key(reason.code())),
                    chosen: typed.reason == Some(reason),
                })
                .collect(),
        },
    };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let own = own.iter().map(|found| line(found, text)).collect();
    let page = session.frame(page, facility);
    let (least, most) = (LEAST_WORDS, MOST_WORDS);
    let visiting = session.ground.is_visit().then(|| facility.organisation_name.clone());
    let minutes = TIME_TO_SAY_WHY.whole_minutes();
    let page = EmergencyPage { page, visiting, minutes, way, own, typed, errors, least, most };
    Ok((status, Page(page)).into_response())
}

fn line(found: &EmergencyAccess, text: &Text) -> Line {
    Line {
        from: when::shown(found.started_at, text.lang()),
        until: when::shown(found.over_at(), text.lang()),
        reason: text.t(&reason_key(&found.reason)),
        words: found.words.clone(),
        review: review_words(found, text),
    }
}
