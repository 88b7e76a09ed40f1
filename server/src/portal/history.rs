//! `GET /history`: what was done in a person's name, when and where, from the audit trail.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::extract::State;
use sekisho_store::{
    audit::Record,
    audit_page::{self, Filter, Key},
    service,
    terminal::{self, Place},
};
use serde::Deserialize;
use time::OffsetDateTime;

use super::when;
use crate::{
    app::App,
    audit::{act, form},
    catalogue::{Lang, Text},
    error::page::PageError,
    form::{FormError, StrictQuery},
    listener::FacilityConnection,
    login::session::PortalSession,
    page::{Page, PageFrame},
};

/// Where the page is.
pub const PATH: &str = "/history";
/// Records a page.
const PAGE: usize = 50;

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Where the page before ended.
    #[serde(default)]
    before: String,
}

struct Line {
    at: String,
    at_iso: String,
    act: String,
    refused: bool,
    /// Which service, where it was about one.
    service: Option<String>,
    /// Facility and terminal, as they are called now.
    place: Option<Place>,
    /// Address, where the record names one.
    address: String,
}

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    page: PageFrame,
    lines: Vec<Line>,
    /// Address of what is older, if anything is.
    older: Option<String>,
    /// Whether this is not the newest page.
    is_older: bool,
}

/// `GET /history?before=`.
///
/// # Errors
/// [`PageError`]: nobody is logged in, `before` is none that a page of ours linked to, or the database does not
/// answer.
pub async fn get(
    State(app): State<App>,
    facility: FacilityConnection,
    session: PortalSession,
    page: PageFrame,
    StrictQuery(query): StrictQuery<PageQuery>,
) -> Result<Page<impl Template>, PageError> {
    let before = match query.before.as_str() {
        "" => None,
        key => Some(key.parse::<Key>().map_err(|error| FormError::no_place(error).in_address())?),
    };
    let mut reader = app.store().read();
    let filter = Filter { actor_id: Some(session.person_id.clone()), ..Filter::default() };
    // One more than is shown tells whether there are more.
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let mut found = audit_page::newest(&mut reader, &filter, before.as_ref(), limit).await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let older = found.last().filter(|_| more);
    let older = older.map(|last| format!("{PATH}?before={}", Key::of(last)));
    let forms: Vec<_> = found.iter().map(form::of).collect();
    let named = |form: &serde_json::Value| form["terminal"].as_str().map(str::to_owned);
    let terminals: Vec<String> = forms.iter().filter_map(named).collect();
    let places = terminal::places(
        &mut reader,
        &terminals.iter().map(String::as_str).collect::<BTreeSet<_>>(),
    )
    .await?;
    let services = service::names(&mut reader).await?;
    let lang = page.text.lang();
    let services: BTreeMap<String, String> = services
        .into_iter()
        .map(|of| (of.id, if lang == Lang::Ja { of.name_ja } else { of.name_en }))
        .collect();
    let lines = found
        .iter()
        .zip(&forms)
        .map(|(record, form)| line(record, form, (&places, &services), &page.text))
        .collect();
    Ok(Page(HistoryPage {
        page: session.frame(page, &facility),
        lines,
        older,
        is_older: before.is_some(),
    }))
}

fn line(
    record: &Record,
    form: &serde_json::Value,
    (places, services): (&BTreeMap<String, Place>, &BTreeMap<String, String>),
    text: &Text,
) -> Line {
    let at = OffsetDateTime::from_unix_timestamp(record.columns.at);
    let at = at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let act_name = &record.columns.act;
    let service = form["on"]["service"].as_str();
    Line {
        at: when::shown_to_the_second(at, text.lang()),
        at_iso: when::iso(at),
        act: act::phrase(act_name, text).unwrap_or_else(|| act_name.clone()),
        refused: record.columns.outcome != "done",
        service: service.map(|id| services.get(id).cloned().unwrap_or_else(|| id.to_owned())),
        place: form["terminal"].as_str().and_then(|id| places.get(id)).cloned(),
        address: form["address"].as_str().unwrap_or_default().to_owned(),
    }
}
