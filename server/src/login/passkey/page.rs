//! `GET /passkeys`: which passkeys a person has, and the way to enrol one or to remove it.

use askama::Template;
use axum::{
    extract::{Extension, State},
    response::{IntoResponse, Redirect, Response},
};
use http::HeaderMap;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    passkey::{self, Passkey},
    session::{self as sessions, SessionOf},
    transaction,
};
use serde::Deserialize;

use super::{
    REMOVED,
    enrolment::{MOST_NAME, MOST_PASSKEYS},
};
use crate::{
    app::App,
    catalogue::Text,
    error::page::PageError,
    form::{StrictForm, StrictQuery, Sure},
    listener::{FacilityConnection, Peer},
    login::{Least, page::give_browser_cookie, session::PortalSession, vouching},
    page::{Page, PageFrame},
    portal::when,
};

/// Where the page is.
pub const PATH: &str = "/passkeys";
/// Where a page goes that has enrolled a passkey.
pub(super) const ENROLLED: &str = "/passkeys?notice=enrolled";

/// The query of the page.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    #[serde(default)]
    notice: Option<Notice>,
}

/// What was done just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Notice {
    Enrolled,
    Removed,
    Unticked,
}

/// What differs between the page of passkeys that take a card's place and of those that take a one-time password's.
pub(super) struct About {
    /// Where the page is, and its forms below it.
    pub(super) path: &'static str,
    /// Keys of its words.
    pub(super) title: &'static str,
    pub(super) lead: &'static str,
    /// By what the person has to prove themself first, and the link there.
    pub(super) first: &'static str,
    pub(super) first_open: &'static str,
}

const ABOUT: About = About {
    path: PATH,
    title: "passkey-title",
    lead: "passkey-lead",
    first: "passkey-card-first",
    first_open: "passkey-card-first-open",
};

pub(super) struct Row {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) enrolled: String,
    pub(super) last_used: Option<String>,
    /// Last day of the HPKI certificate that vouches, where one does.
    pub(super) vouched_until: Option<String>,
    /// Why it vouches no more.
    pub(super) lapsed: Option<String>,
    pub(super) held: bool,
}

/// What can be done about enrolling.
#[derive(PartialEq, Eq)]
pub(super) enum Way {
    /// No passkey counts here.
    Closed,
    /// The person has to prove themself first, at this address.
    ProveFirst(String),
    /// There are as many as there may be.
    Full,
    /// One can be enrolled.
    Open,
}

#[derive(Template)]
#[template(path = "passkeys.html")]
struct PasskeysPage<'a> {
    page: PageFrame,
    about: &'a About,
    notice: Option<String>,
    unticked: bool,
    rows: Vec<Row>,
    way: Way,
    most_name: usize,
}

/// `GET /passkeys`.
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
    let passkeys = passkey::of_person(&mut app.store().read(), &session.person_id).await?;
    let way = if !app.config().card_login().passkeys() {
        Way::Closed
    } else if passkeys.len() >= MOST_PASSKEYS {
        Way::Full
    } else if vouching::may_vouch(&session, app.now()) {
        Way::Open
    } else {
        Way::ProveFirst(Least::HPKI_CARD.address(PATH))
    };
    let rows = passkeys.iter().map(|passkey| row(&app, &facility, passkey, &page.text)).collect();
    let page = session.frame(page, &facility);
    show(&app, &headers, page, (&ABOUT, query, rows, way))
}

/// The page of these passkeys.
///
/// # Errors
/// [`PageError`]: no randomness.
pub(super) fn show(
    app: &App,
    headers: &HeaderMap,
    page: PageFrame,
    (about, query, rows, way): (&About, PageQuery, Vec<Row>, Way),
) -> Result<Response, PageError> {
    let notice = match query.notice {
        Some(Notice::Enrolled) => Some(page.text.t("passkey-notice-enrolled")),
        Some(Notice::Removed) => Some(page.text.t("passkey-notice-removed")),
        Some(Notice::Unticked) | None => None,
    };
    let unticked = query.notice == Some(Notice::Unticked);
    let body = PasskeysPage { page, about, notice, unticked, rows, way, most_name: MOST_NAME };
    let mut response = Page(body).into_response();
    give_browser_cookie(app, headers, &mut response)?;
    Ok(response)
}

/// Where a form leads that removed a passkey, and by that ended these sessions.
///
/// # Errors
/// 404: it was none of the person's.
pub(super) fn removed(
    path: &str,
    session: &PortalSession,
    ended: Option<Vec<SessionOf>>,
) -> Result<Redirect, PageError> {
    let ended = ended.ok_or_else(PageError::not_found)?;
    let here = ended.iter().any(|ended| ended.id_hash == session.id_hash);
    let next = match here {
        true => "/login?notice=passkey-removed".to_owned(),
        false => format!("{path}?notice=removed"),
    };
    Ok(Redirect::to(&next))
}

fn row(app: &App, facility: &FacilityConnection, passkey: &Passkey, text: &Text) -> Row {
    let trust = app.card_trust().at(&facility.organisation_id);
    let lapsed = vouching::judge(&trust, &passkey.voucher.certificate_der, app.now()).err();
    Row {
        id: passkey.id.clone(),
        name: passkey.name.clone(),
        enrolled: when::shown(passkey.enrolled_at, text.lang()),
        last_used: passkey.last_used_at.map(|at| when::shown(at, text.lang())),
        vouched_until: Some(when::day(passkey.voucher.not_after, text.lang())),
        lapsed: lapsed.map(|lapse| text.t(&lapse.key())),
        held: passkey.held_at.is_some(),
    }
}

/// The form that removes a passkey.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    pub(super) passkey: String,
    #[serde(default)]
    pub(super) sure: Option<Sure>,
}

/// `POST /passkeys/remove`: nobody is logged in by it any more.
///
/// # Errors
/// [`PageError`]: nobody is logged in, the passkey is none of theirs, or the database does not answer;
/// then nothing has changed.
pub async fn remove(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    session: PortalSession,
    StrictForm(form): StrictForm<Remove>,
) -> Result<Response, PageError> {
    if form.sure.is_none() {
        return Ok(Redirect::to(&format!("{PATH}?notice=unticked")).into_response());
    }
    let (now, person_id) = (app.now(), &session.person_id);
    let ended = transaction!(app.store(), StoreError, |tx| {
        let person = Actor::Person(person_id.clone());
        let (outcome, record) = if passkey::remove(tx, person_id, &form.passkey, now).await? {
            let ended = sessions::end_of_passkey(tx, &form.passkey, REMOVED, now).await?;
            let record = Entry::done("passkey.remove", person, now)
                .on("passkey", &form.passkey)
                .fact("sessions_ended", ended.len());
            (Some(ended), record)
        } else {
            (None, Entry::refused("passkey.remove", person, now, "not-theirs"))
        };
        let record = record.on("session", hex::encode(session.id_hash));
        Ok(Audited::new(outcome, facility.place(record, &peer)))
    })?;
    Ok(removed(PATH, &session, ended)?.into_response())
}
