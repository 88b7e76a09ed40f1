//! `GET /sessions`: where a person is logged in now, and the way to end it from here.

use askama::Template;
use axum::{
    extract::{Extension, State},
    response::{IntoResponse, Redirect, Response},
};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    session::{self as sessions, Live, SessionOf},
    transaction,
};
use serde::Deserialize;
use time::OffsetDateTime;

use super::{proof, when};
use crate::{
    app::App,
    catalogue::Text,
    error::page::PageError,
    form::{NoFields, StrictForm, StrictQuery},
    listener::{FacilityConnection, Peer},
    login::session::{ENDED_FROM_ELSEWHERE, PortalSession},
    page::{Page, PageFrame},
};

/// Where the page is.
pub const PATH: &str = "/sessions";
/// The most sessions that are shown: nobody has as many.
const MOST: i64 = 100;

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
    Ended,
    OthersEnded,
}

impl Notice {
    const fn key(self) -> &'static str {
        match self {
            Self::Ended => "sessions-notice-ended",
            Self::OthersEnded => "sessions-notice-others-ended",
        }
    }
}

struct Row {
    id: String,
    here: bool,
    facility_name: String,
    facility_id: String,
    terminal_name: String,
    terminal_id: String,
    proof: String,
    since: String,
    last_seen: String,
    until: String,
    locked: bool,
    services: i64,
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    page: PageFrame,
    /// Key of what was done just now.
    notice: Option<&'static str>,
    rows: Vec<Row>,
    /// Whether there is one besides that of this browser.
    others: bool,
    jpki: bool,
    passkeys: bool,
}

/// `GET /sessions`.
///
/// # Errors
/// [`PageError`]: nobody is logged in, or the database does not answer.
pub async fn get(
    State(app): State<App>,
    facility: FacilityConnection,
    session: PortalSession,
    page: PageFrame,
    StrictQuery(query): StrictQuery<PageQuery>,
) -> Result<Page<impl Template>, PageError> {
    let now = app.now();
    let mut reader = app.store().read();
    let live = sessions::live_of_person(&mut reader, &session.person_id, now, MOST).await?;
    let rows: Vec<Row> = live.into_iter().map(|live| row(live, &session, &page.text)).collect();
    Ok(Page(SessionsPage {
        notice: query.notice.map(Notice::key),
        others: rows.iter().any(|row| !row.here),
        rows,
        jpki: app.card_trust().at(&facility.organisation_id).jpki().is_some(),
        passkeys: app.config().card_login().passkeys(),
        page: session.frame(page, &facility),
    }))
}

fn row(live: Live, session: &PortalSession, text: &Text) -> Row {
    let shown = |at: OffsetDateTime| when::shown(at, text.lang());
    Row {
        id: hex::encode(live.id_hash),
        here: live.id_hash == session.id_hash,
        facility_name: live.organisation_name,
        facility_id: live.organisation_id,
        terminal_name: live.terminal_name,
        terminal_id: live.terminal_id,
        proof: proof(&live.acr, &live.amr, text),
        since: shown(live.auth_time),
        last_seen: shown(live.last_seen_at),
        until: shown(live.expires_at),
        locked: live.locked,
        services: live.services,
    }
}

/// Which session is to end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    session: String,
}

/// `POST /sessions/end`, field `session`: ends another session of this person, and tells its services.
///
/// # Errors
/// [`PageError`]: nobody is logged in, it is none of theirs or has ended, or the database does not answer; then
/// nothing has changed.
pub async fn end(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    session: PortalSession,
    StrictForm(form): StrictForm<End>,
) -> Result<Response, PageError> {
    let mut named = [0; 32];
    hex::decode_to_slice(&form.session, &mut named).map_err(|_| PageError::not_found())?;
    let ended = end_those(&app, &peer, &facility, &session, |live| live.id_hash == named).await?;
    if ended.is_empty() {
        return Err(PageError::not_found());
    }
    Ok(Redirect::to(&format!("{PATH}?notice=ended")).into_response())
}

/// `POST /sessions/end-others`: ends all sessions of this person but that of this browser.
///
/// # Errors
/// [`PageError`]: nobody is logged in, or the database does not answer; then nothing has changed.
pub async fn end_others(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    session: PortalSession,
    _: NoFields,
) -> Result<Redirect, PageError> {
    end_those(&app, &peer, &facility, &session, |live| live.id_hash != session.id_hash).await?;
    Ok(Redirect::to(&format!("{PATH}?notice=others-ended")))
}

/// Ends those of the person's sessions; of none it is a refusal that the trail tells.
async fn end_those(
    app: &App,
    peer: &Peer,
    facility: &FacilityConnection,
    session: &PortalSession,
    which: impl Fn(&Live) -> bool,
) -> Result<Vec<SessionOf>, StoreError> {
    const ACT: &str = "session.end";
    let (now, person_id) = (app.now(), &session.person_id);
    transaction!(app.store(), StoreError, |tx| {
        let person = || Actor::Person(person_id.clone());
        let mut ended = Vec::new();
        for live in
            sessions::live_of_person(tx, person_id, now, MOST).await?.iter().filter(|l| which(l))
        {
            ended.extend(sessions::end(tx, &live.id_hash, ENDED_FROM_ELSEWHERE, now).await?);
        }
        let records = ended.iter().map(|of| {
            let record = Entry::done(ACT, person(), now)
                .on("session", hex::encode(of.id_hash))
                .on("person", person_id)
                .fact("reason", ENDED_FROM_ELSEWHERE);
            facility.place(record, peer)
        });
        let mut records = records.collect::<Vec<_>>().into_iter();
        let first = records.next().unwrap_or_else(|| {
            let refused = Entry::refused(ACT, person(), now, "none_of_theirs");
            facility.place(refused.on("person", person_id), peer)
        });
        Ok(records.fold(Audited::new(ended, first), Audited::and))
    })
}
