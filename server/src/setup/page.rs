//! `GET /setup`: the technician's page, or the form that asks for the code.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sekisho_store::{Queries, facility_prefix, router, router_setup, terminal};
use serde::Deserialize;

use super::{
    COOKIE, ShownTunnel,
    link::{self, Found},
    steps::Steps,
};
use crate::{
    app::App,
    cookie,
    error::page::PageError,
    form::StrictQuery,
    names::NameRole,
    network::{
        bundle::{self, Authorities, Common, Other, Others},
        family,
        setup::{PATH, key_of, tunnels},
    },
    page::{Page, PageFrame},
    people::session::Address,
    portal::when,
};

/// Seconds after which the browser looks again by itself, while a tick is missing.
const AGAIN: HeaderValue = HeaderValue::from_static("10");
const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// What the address may hold.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// The code, in the address of the picture alone.
    code: Option<String>,
    /// `off`: the page stays as it is until it is asked for again.
    refresh: Option<Refresh>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Refresh {
    Off,
}

#[derive(Template)]
#[template(path = "setup/form.html")]
struct FormPage {
    page: PageFrame,
    refused: bool,
}

#[derive(Template)]
#[template(path = "setup/over.html")]
struct OverPage {
    page: PageFrame,
}

#[derive(Template)]
#[template(path = "setup/page.html")]
struct SetupPage {
    page: PageFrame,
    name: String,
    family: String,
    tunnels: Vec<ShownTunnel>,
    /// Whether every tunnel stands.
    all_up: bool,
    /// Whether the browser looks again by itself.
    refreshes: bool,
    /// Whether it would, had nobody switched that off.
    may_refresh: bool,
    /// Message key of why there are no texts.
    none: Option<&'static str>,
    steps: Steps,
    until: String,
    now: String,
}

/// Shows it; by the address of the picture, leads to where its code is in no address.
///
/// # Errors
/// 429 where too many wrong codes came from there.
pub async fn get(
    State(app): State<App>,
    Address(address): Address,
    headers: HeaderMap,
    page: PageFrame,
    StrictQuery(asked): StrictQuery<Asked>,
) -> Result<Response, PageError> {
    if let Some(code) = asked.code {
        return link::enter(&app, &address, page.switching_at(PATH), &code).await;
    }
    let Some(code) = link::remembered(&headers) else {
        return Ok(form(page, StatusCode::OK, false));
    };
    let setup = match link::find(&app, &address, code).await? {
        Found::Living(setup) => setup,
        Found::Over => return Ok(over(page)),
        Found::Nothing => {
            return Ok(forgetting(form(page, StatusCode::UNPROCESSABLE_ENTITY, true)));
        }
    };
    let now = app.now();
    let mut reader = app.store().read();
    let own =
        router::find(&mut reader, &setup.router_id).await?.ok_or_else(PageError::not_found)?;
    let terminal = terminal::find(&mut reader, &setup.router_id).await?;
    let terminal = terminal.ok_or_else(PageError::not_found)?;
    let (key, peers) =
        (key_of(&setup.key_kind), router_setup::peers(&mut reader, &setup.id).await?);
    let tunnels = tunnels(&mut reader, &own, peers, now).await?;
    // The texts are for all peers, whichever the link follows.
    let others = Others::find(&mut reader, &own.terminal_id, key, now).await?.list;
    let enrol = app.names().origin(NameRole::Enrol);
    let mut steps = Steps::of(&own, &others, key, enrol, false);
    let none = match files(&app, &mut reader, &own, &terminal, &others).await? {
        Ok(files) => {
            steps.files = files;
            None
        }
        Err(none) => Some(none),
    };
    drop(reader);
    let tunnels: Vec<_> = tunnels
        .into_iter()
        .map(|tunnel| ShownTunnel::of(&own.family, tunnel, &page, now))
        .collect();
    let mut awaited = tunnels.iter().filter(|tunnel| !tunnel.gone).peekable();
    let none_awaited = awaited.peek().is_none();
    let all_up = awaited.all(|tunnel| tunnel.is_up);
    let (may_refresh, off) = (!all_up, asked.refresh.is_some());
    let all_up = all_up && !none_awaited;
    let shown = SetupPage {
        name: terminal.name,
        family: family::find(&own.family).map_or(own.family, |family| family.name.clone()),
        until: when::shown(setup.expires_at, page.text.lang()),
        now: when::shown_to_the_second(now, page.text.lang()),
        all_up,
        refreshes: may_refresh && !off,
        may_refresh,
        none,
        steps,
        tunnels,
        page,
    };
    let refreshes = shown.refreshes;
    let mut response = Page(shown).into_response();
    if refreshes {
        response.headers_mut().insert(REFRESH, AGAIN);
    }
    Ok(response)
}

/// The names of the files that there are for this router, or the message key of why there are none. What stands in
/// them is not on this page.
async fn files(
    app: &App,
    queries: &mut impl Queries,
    own: &router::Router,
    terminal: &terminal::Terminal,
    others: &[Other],
) -> Result<Result<Vec<String>, &'static str>, PageError> {
    let authorities = Authorities::find(queries, app.now()).await?;
    let prefix = facility_prefix::of_facility(queries, &terminal.organisation_id).await?;
    let names = app.names();
    let common = Common {
        enrol: names.origin(NameRole::Enrol),
        plain: names.origin(NameRole::Plain),
        reauthentication_seconds: app.config().routers().reauthentication_seconds(),
        prefix: prefix.map(|one| one.prefix),
    };
    let written = bundle::write(own, &terminal.name, others, &authorities, common);
    Ok(match written {
        Ok(texts) => Ok(texts.into_iter().map(|text| text.file).collect()),
        Err(error) => Err(error.shown().ok_or_else(|| PageError::internal(&error))?),
    })
}

/// The form that asks for the code.
pub(super) fn form(page: PageFrame, status: StatusCode, refused: bool) -> Response {
    (status, Page(FormPage { page, refused })).into_response()
}

/// What is said of a link that is over. The browser forgets it.
pub(super) fn over(page: PageFrame) -> Response {
    forgetting((StatusCode::GONE, Page(OverPage { page })).into_response())
}

fn forgetting(mut response: Response) -> Response {
    if let Some(cleared) = cookie::clear(COOKIE) {
        response.headers_mut().insert(header::SET_COOKIE, cleared);
    }
    response
}
