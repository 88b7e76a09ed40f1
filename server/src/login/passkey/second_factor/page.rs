//! `GET /second-factor`: which passkeys stand for somebody's one-time password, and the way to enrol one or to
//! remove it.

use axum::{
    extract::{Extension, State},
    response::{IntoResponse, Redirect, Response},
};
use http::HeaderMap;
use sekisho_store::{
    StoreError,
    account_passkey::{self, AccountPasskey},
    audit::{Actor, Audited, Entry},
    session as sessions, transaction,
};
use sekisho_wire::acr;

use super::{allowed, may_enrol};
use crate::{
    app::App,
    catalogue::Text,
    error::page::PageError,
    form::{StrictForm, StrictQuery},
    listener::{FacilityConnection, Peer},
    login::{
        Least,
        passkey::{
            REMOVED,
            enrolment::MOST_PASSKEYS,
            page::{self as passkeys, About, PageQuery, Remove, Row, Way},
        },
        session::PortalSession,
        vouching::Profession,
    },
    page::PageFrame,
    portal::when,
};

/// Where the page is.
pub const PATH: &str = "/second-factor";
/// Where a page goes that has enrolled a passkey.
pub(super) const ENROLLED: &str = "/second-factor?notice=enrolled";

const ABOUT: About = About {
    path: PATH,
    title: "second-factor-title",
    lead: "second-factor-lead",
    first: "second-factor-first",
    first_open: "second-factor-first-open",
};

/// `GET /second-factor`.
///
/// # Errors
/// [`PageError`]: nobody is logged in, or the database does not answer. Whoever logs in by card is led to the
/// passkeys that take its place.
pub async fn get(
    State(app): State<App>,
    facility: FacilityConnection,
    session: PortalSession,
    page: PageFrame,
    StrictQuery(query): StrictQuery<PageQuery>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if session.profession != Profession::None {
        return Ok(Redirect::to(passkeys::PATH).into_response());
    }
    let own = account_passkey::of_person(&mut app.store().read(), &session.person_id).await?;
    let way = if !allowed(app.config()) {
        Way::Closed
    } else if own.len() >= MOST_PASSKEYS {
        Way::Full
    } else if may_enrol(&session, app.now()) {
        Way::Open
    } else {
        let both = Least::of(app.config(), acr::PASSWORD_TOTP);
        Way::ProveFirst(crate::login::login_address(PATH, both))
    };
    let rows = own.iter().map(|passkey| row(passkey, &page.text)).collect();
    let page = session.frame(page, &facility);
    passkeys::show(&app, &headers, page, (&ABOUT, query, rows, way))
}

fn row(passkey: &AccountPasskey, text: &Text) -> Row {
    Row {
        id: passkey.id.clone(),
        name: passkey.name.clone(),
        enrolled: when::shown(passkey.enrolled_at, text.lang()),
        last_used: passkey.last_used_at.map(|at| when::shown(at, text.lang())),
        vouched_until: None,
        lapsed: None,
        held: passkey.held_at.is_some(),
    }
}

/// `POST /second-factor/remove`: it stands for nothing any more, and what it opened ends.
///
/// # Errors
/// [`PageError`]: nobody is logged in, the passkey is none of theirs, or the database does not answer; then nothing
/// has changed.
pub async fn remove(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    session: PortalSession,
    StrictForm(form): StrictForm<Remove>,
) -> Result<Response, PageError> {
    const ACT: &str = "second_factor.remove";
    if form.sure.is_none() {
        return Ok(Redirect::to(&format!("{PATH}?notice=unticked")).into_response());
    }
    let (now, person_id) = (app.now(), &session.person_id);
    let ended = transaction!(app.store(), StoreError, |tx| {
        let person = Actor::Person(person_id.clone());
        let removed = account_passkey::remove(tx, person_id, &form.passkey, now).await?;
        let (outcome, record) = if removed {
            let ended = sessions::end_of_second_factor(tx, &form.passkey, REMOVED, now).await?;
            let record = Entry::done(ACT, person, now)
                .on("account_passkey", &form.passkey)
                .fact("sessions_ended", ended.len());
            (Some(ended), record)
        } else {
            (None, Entry::refused(ACT, person, now, "not-theirs"))
        };
        let record = record.on("session", hex::encode(session.id_hash));
        Ok(Audited::new(outcome, facility.place(record, &peer)))
    })?;
    Ok(passkeys::removed(PATH, &session, ended)?.into_response())
}
