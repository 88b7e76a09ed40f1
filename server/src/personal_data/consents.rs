//! `GET /consents`: what a person agreed that services are told of them, and the way to take it back.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Extension, State},
    response::Redirect,
};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    consent, service, transaction,
};
use serde::Deserialize;

use super::{Notices, claim_words};
use crate::{
    app::App,
    catalogue::Lang,
    error::page::PageError,
    form::{StrictForm, StrictQuery},
    listener::{FacilityConnection, Peer},
    login::session::PortalSession,
    page::{Page, PageFrame},
    portal::when,
};

/// Where the page is.
pub const PATH: &str = "/consents";

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    #[serde(default)]
    notice: Option<Notice>,
}

/// What was done just before.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notice {
    /// A consent was withdrawn.
    Withdrawn,
}

struct Row {
    service_id: String,
    service: String,
    notices: Notices,
    claims: Vec<String>,
    given: String,
}

#[derive(Template)]
#[template(path = "consents.html")]
struct ConsentsPage {
    page: PageFrame,
    withdrawn: bool,
    rows: Vec<Row>,
}

/// `GET /consents`.
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
    let lang = page.text.lang();
    let mut reader = app.store().read();
    let given = consent::of_person(&mut reader, &session.person_id).await?;
    let names = service::names(&mut reader).await?.into_iter();
    let names: BTreeMap<_, _> =
        names.map(|of| (of.id, if lang == Lang::Ja { of.name_ja } else { of.name_en })).collect();
    let rows = given.into_iter().map(|consent| {
        Ok(Row {
            service: names.get(&consent.service_id).cloned().unwrap_or_default(),
            notices: Notices::of_consent(&consent, lang)?,
            claims: claim_words(&consent.claims, &page.text),
            given: when::shown(consent.given_at, lang),
            service_id: consent.service_id,
        })
    });
    let rows = rows.collect::<Result<_, StoreError>>()?;
    let withdrawn = matches!(query.notice, Some(Notice::Withdrawn));
    Ok(Page(ConsentsPage { withdrawn, rows, page: session.frame(page, &facility) }))
}

/// Which consent is taken back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdraw {
    service: String,
}

/// `POST /consents/withdraw`, field `service`: a `client_id`. What the service was granted in the person's living
/// sessions ends with it, and the service is told that they are over.
///
/// # Errors
/// [`PageError`]: nobody is logged in; nothing was agreed for this service; or the database does not answer. Then
/// nothing has changed.
pub async fn withdraw(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    session: PortalSession,
    StrictForm(form): StrictForm<Withdraw>,
) -> Result<Redirect, PageError> {
    const ACT: &str = "consent.withdraw";
    let (now, person_id) = (app.now(), &session.person_id);
    let ended = transaction!(app.store(), StoreError, |tx| {
        let ended = consent::withdraw(tx, person_id, &form.service, now).await?;
        let person = Actor::Person(person_id.clone());
        let record = match ended {
            Some(grants) => Entry::done(ACT, person, now)
                .on("service", &form.service)
                .fact("grants", i64::try_from(grants).unwrap_or(i64::MAX)),
            // A name that a form brought stays out of the trail.
            None => Entry::refused(ACT, person, now, "none_given"),
        };
        Ok(Audited::new(ended, facility.place(record.on("person", person_id), &peer)))
    })?;
    match ended {
        Some(_) => Ok(Redirect::to(&format!("{PATH}?notice=withdrawn"))),
        None => Err(PageError::not_found()),
    }
}
