//! `GET /console/groups`: the groups of the facilities that the person administers, what waits for an answer, and
//! which routers' texts are older than their groups. For the operating body, all groups.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sekisho_store::{
    Queries, Reader, StoreError, router, router_text, terminal,
    vpn_group::{self, Purpose, Topology, VpnGroup},
    vpn_membership::{self, Side},
    vpn_neighbourhood,
    vpn_place::Scope,
};
use serde::Deserialize;

use super::{make::Form, name_of, purpose_key, topology_key};
use crate::{
    app::App,
    console::{routers::text_standing::Standing, terminals::facility_name},
    error::page::PageError,
    form::StrictQuery,
    network::groups::LONGEST_NAME,
    page::{Page, PageFrame},
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
};

/// Groups and routers of one facility that are shown.
const MOST: i64 = 200;
/// Groups a page, for the operating body.
const PAGE: i64 = 50;

/// Where the list begins.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    /// After the group of this identifier.
    after: Option<String>,
}

struct Facility {
    id: String,
    name: String,
    rows: Vec<Row>,
    texts: Vec<Texts>,
}

struct Row {
    id: String,
    name: String,
    owner: String,
    purpose: &'static str,
    topology: &'static str,
    /// Message key and class of how the facility stands in it.
    state: (&'static str, &'static str),
}

/// A router whose texts are to be taken anew.
struct Texts {
    id: String,
    name: String,
    standing: Standing,
}

struct Choice {
    value: &'static str,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "groups/list.html")]
struct ListPage {
    page: PageFrame,
    facilities: Vec<Facility>,
    runs: bool,
    all: Vec<Row>,
    on: Option<String>,
    purposes: Vec<Choice>,
    topologies: Vec<Choice>,
    longest_name: usize,
    typed: Form,
    errors: FieldErrors,
}

/// Shows them.
///
/// # Errors
/// 403 for somebody who administers neither a facility nor the operating body.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    StrictQuery(asked): StrictQuery<Asked>,
    page: PageFrame,
) -> Result<Response, PageError> {
    show(&app, &session, page, asked, Form::default(), FieldErrors::default()).await
}

/// The page, after a form was refused with what was typed.
pub(super) async fn show(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    asked: Asked,
    typed: Form,
    errors: FieldErrors,
) -> Result<Response, PageError> {
    let runs = session.roles.contains(&Role::OperatingAdministrator);
    if !runs && session.facilities().next().is_none() {
        return Err(session.no_facility().into());
    }
    let mut reader = app.store().read();
    let mut facilities = Vec::new();
    for id in session.facilities() {
        facilities.push(facility(app, &mut reader, &page, id).await?);
    }
    let (mut all, mut on) = (Vec::new(), None);
    if runs {
        let after = asked.after.unwrap_or_default();
        let groups = vpn_group::list(&mut reader, &after, PAGE).await?;
        let full = i64::try_from(groups.len()).is_ok_and(|found| found == PAGE);
        on = groups.last().filter(|_| full).map(|last| last.id.clone());
        for group in groups {
            all.push(row(&mut reader, &page, &group, ("groups-state-open", "tag")).await?);
        }
    }
    let choice = |value, key, chosen| Choice { value, label: page.t(key), chosen };
    let purposes = Purpose::ALL.map(|purpose| {
        let chosen = typed.purpose == purpose.as_str();
        choice(purpose.as_str(), purpose_key(purpose), chosen)
    });
    let topologies = Topology::ALL.map(|topology| {
        let chosen = typed.topology == topology.as_str();
        choice(topology.as_str(), topology_key(topology, false), chosen)
    });
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = ListPage {
        page: session.frame(page),
        facilities,
        runs,
        all,
        on,
        purposes: purposes.into(),
        topologies: topologies.into(),
        longest_name: LONGEST_NAME,
        typed,
        errors,
    };
    Ok((status, Page(page)).into_response())
}

async fn facility(
    app: &App,
    reader: &mut Reader,
    page: &PageFrame,
    id: &str,
) -> Result<Facility, StoreError> {
    let mut rows = Vec::new();
    for group in vpn_group::of_owner(reader, id, MOST).await? {
        rows.push(row(reader, page, &group, ("groups-state-owner", "tag tag-good")).await?);
    }
    for group in vpn_group::of_member(reader, id, MOST).await? {
        if group.owner_id == id {
            continue;
        }
        let members = vpn_membership::of_group(reader, &group.id, i64::MAX).await?;
        let own = members.into_iter().find(|member| member.organisation_id == id);
        let Some(own) = own else { continue };
        let state = match (own.agreed_at, own.side) {
            (Some(_), _) if own.counts(app.now()) => ("groups-state-member", "tag tag-good"),
            (Some(_), _) => ("groups-state-over", "tag tag-error"),
            (None, Side::Owner) => ("groups-state-invited", "tag"),
            (None, _) => ("groups-state-asked", "tag"),
        };
        rows.push(row(reader, page, &group, state).await?);
    }
    let neighbourhood = vpn_neighbourhood::of(reader, Scope::Facility(id), app.now()).await?;
    let latest = router_text::latest_of(reader, Scope::Facility(id)).await?;
    let mut texts = Vec::new();
    for router in router::of_facility(reader, id, MOST).await? {
        let id = router.terminal_id;
        let peers = neighbourhood.peers(&id);
        let standing = Standing::of(latest.get(&id), &peers, page.text.lang());
        let of_interest = match standing {
            Standing::Unknown => !peers.is_empty(),
            Standing::Current(_) => false,
            Standing::Older(_) => true,
        };
        if of_interest {
            let terminal = terminal::find(reader, &id).await?;
            let name = terminal.map(|terminal| terminal.name).unwrap_or_default();
            texts.push(Texts { id, name, standing });
        }
    }
    Ok(Facility { name: facility_name(reader, id).await?, id: id.to_owned(), rows, texts })
}

async fn row(
    queries: &mut impl Queries,
    page: &PageFrame,
    group: &VpnGroup,
    state: (&'static str, &'static str),
) -> Result<Row, StoreError> {
    Ok(Row {
        id: group.id.clone(),
        name: name_of(group, &page.text),
        owner: facility_name(queries, &group.owner_id).await?,
        purpose: purpose_key(group.purpose),
        topology: topology_key(group.topology, group.transit),
        state,
    })
}
