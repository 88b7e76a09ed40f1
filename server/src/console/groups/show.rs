//! `GET /console/groups/{id}`: a group, as its owner, its members, the operating body and whoever was given the
//! address each see it.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sekisho_store::{
    Queries, Reader, StoreError, organisation, router,
    router_text::{self, RouterText},
    terminal,
    vpn_group::{self, Topology, VpnGroup},
    vpn_membership::{self, Side, VpnMembership},
    vpn_neighbourhood::{self, Neighbourhood},
    vpn_place::{self, Scope, VpnEntry},
};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use super::{
    act::{Typed, side_of},
    name_of, path_of, purpose_key, topology_key,
};
use crate::{
    app::App,
    console::{routers::text_standing::Standing, terminals::facility_name},
    error::page::PageError,
    form::{PathId, StrictQuery},
    page::{Page, PageFrame},
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
    portal::when,
};

/// Routers of one facility among which is chosen.
const MOST: i64 = 200;

/// What has just been done.
#[derive(Debug, Default, Deserialize)]
pub struct Done {
    notice: Option<String>,
}

struct Choice {
    id: String,
    label: String,
    chosen: bool,
}

struct RouterRow {
    id: String,
    name: String,
    network: String,
    revoked: bool,
    /// How its texts stand, for those whom that concerns.
    standing: Option<Standing>,
}

struct Member {
    id: String,
    facility: String,
    facility_id: String,
    is_hub: bool,
    /// Message key and class of how it stands.
    state: (&'static str, &'static str),
    until: Option<String>,
    routers: Vec<RouterRow>,
    /// Whether the viewer's side is to answer.
    may_agree: bool,
    /// Whether the viewer asked, so that somebody else has to agree.
    own_request: bool,
    /// Whether whoever agrees names a router.
    names_router: bool,
    /// Message key of what ends it, for whoever may.
    end: Option<&'static str>,
    /// Whether the viewer says which routers take part.
    may_choose: bool,
    /// Routers of the facility that take no part.
    choices: Vec<Choice>,
}

/// A facility of the viewer's that is no member.
struct Outsider {
    id: String,
    name: String,
    chosen: bool,
    routers: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "groups/show.html")]
struct ShowPage {
    page: PageFrame,
    id: String,
    name: String,
    owner: String,
    purpose: &'static str,
    topology: &'static str,
    is_hub_group: bool,
    ends_by_itself: bool,
    made: String,
    address: String,
    owns: bool,
    members: Vec<Member>,
    /// Whether others are members whom the viewer does not see.
    in_part: bool,
    outsiders: Vec<Outsider>,
    /// Message keys of what is to be done next.
    next: Vec<&'static str>,
    notice: Option<&'static str>,
    typed: Typed,
    errors: FieldErrors,
}

/// Shows it.
///
/// # Errors
/// 404 for a group that is not there or closed, and for somebody who administers neither a facility nor the
/// operating body.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictQuery(done): StrictQuery<Done>,
    page: PageFrame,
) -> Result<Response, PageError> {
    let notice = match done.notice.as_deref() {
        Some("invited") => Some("groups-done-invited"),
        Some("asked") => Some("groups-done-asked"),
        Some("agreed") => Some("groups-done-agreed"),
        Some("ended") => Some("groups-done-ended"),
        Some("router") => Some("groups-done-router"),
        _ => None,
    };
    render(&app, &session, page, &id, (notice, Typed::default(), FieldErrors::default())).await
}

/// The page again, after a form was refused with what was typed.
pub(super) async fn again(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    id: &str,
    (typed, errors): (Typed, FieldErrors),
) -> Result<Response, PageError> {
    render(app, session, page.switching_at(&path_of(id)), id, (None, typed, errors)).await
}

async fn render(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    id: &str,
    (notice, typed, errors): (Option<&'static str>, Typed, FieldErrors),
) -> Result<Response, PageError> {
    let (mut reader, now) = (app.store().read(), app.now());
    let group = vpn_group::find(&mut reader, id).await?.filter(|group| group.closed_at.is_none());
    let runs = session.roles.contains(&Role::OperatingAdministrator);
    let own: BTreeSet<&str> = session.facilities().collect();
    let group = group.filter(|_| runs || !own.is_empty()).ok_or_else(PageError::not_found)?;
    let owns = own.contains(group.owner_id.as_str());
    let memberships = vpn_membership::of_group(&mut reader, id, i64::MAX).await?;
    let entries = vpn_place::of_group(&mut reader, id).await?;
    let mine = |member: &VpnMembership| own.contains(member.organisation_id.as_str());
    // Spokes know the hubs alone: they have no other peers.
    let counts = |member: &VpnMembership| member.counts(now);
    let is_member = memberships.iter().any(|member| mine(member) && counts(member));
    let meets_all = memberships.iter().any(|member| {
        mine(member) && counts(member) && (member.is_hub || group.topology == Topology::Mesh)
    });
    let sees = |member: &VpnMembership| {
        owns || runs || mine(member) || counts(member) && (meets_all || is_member && member.is_hub)
    };
    let all = match owns || runs {
        true => Some(Around::of(&mut reader, Scope::Group(&group.id), now).await?),
        false => None,
    };
    let viewer = Viewer { session, group: &group, own: &own, all, now };
    let mut members = Vec::new();
    for member in memberships.iter().filter(|member| sees(member)) {
        members.push(viewer.member(&mut reader, &page, member, &entries).await?);
    }
    let is_in = |facility: &str| memberships.iter().any(|one| one.organisation_id == facility);
    let mut outsiders = Vec::new();
    for facility in own.iter().copied().filter(|facility| !is_in(facility)) {
        outsiders.push(Outsider {
            name: facility_name(&mut reader, facility).await?,
            routers: choices(&mut reader, facility, &entries, &typed.request.router).await?,
            chosen: typed.request.facility == facility,
            id: facility.to_owned(),
        });
    }
    let next = next(&members, owns);
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let lang = page.text.lang();
    let page = ShowPage {
        name: name_of(&group, &page.text),
        owner: facility_name(&mut reader, &group.owner_id).await?,
        purpose: purpose_key(group.purpose),
        topology: topology_key(group.topology, group.transit),
        is_hub_group: group.topology == Topology::Hub,
        ends_by_itself: group.purpose == vpn_group::Purpose::RemoteMaintenance,
        made: when::shown(group.created_at, lang),
        address: format!("{}{}", app.names().origin(crate::names::NameRole::Public), path_of(id)),
        owns,
        in_part: members.len() < memberships.len(),
        members,
        outsiders,
        next,
        notice,
        typed,
        errors,
        id: group.id.clone(),
        page: session.frame(page),
    };
    Ok((status, Page(page)).into_response())
}

/// Who looks at a group.
struct Viewer<'a> {
    session: &'a ConsoleSession,
    group: &'a VpnGroup,
    own: &'a BTreeSet<&'a str>,
    /// Around the group's routers, where the texts of all concern the viewer.
    all: Option<Around>,
    now: OffsetDateTime,
}

/// What the standing of texts follows from.
struct Around {
    neighbourhood: Neighbourhood,
    /// Texts that were taken last.
    latest: BTreeMap<String, RouterText>,
}

impl Around {
    async fn of(
        reader: &mut Reader,
        scope: Scope<'_>,
        now: OffsetDateTime,
    ) -> Result<Self, StoreError> {
        let neighbourhood = vpn_neighbourhood::of(reader, scope, now).await?;
        Ok(Self { neighbourhood, latest: router_text::latest_of(reader, scope).await? })
    }
}

impl Viewer<'_> {
    async fn member(
        &self,
        reader: &mut Reader,
        page: &PageFrame,
        member: &VpnMembership,
        entries: &[VpnEntry],
    ) -> Result<Member, StoreError> {
        let facility_id = member.organisation_id.as_str();
        let (counts, mine) = (member.counts(self.now), self.own.contains(facility_id));
        let active = organisation::is_active(reader, facility_id).await?;
        let state = match (member.agreed_at, member.side) {
            (Some(_), _) if !active => ("groups-state-halted", "tag tag-error"),
            (Some(_), _) if counts => ("groups-state-member", "tag tag-good"),
            (Some(_), _) => ("groups-state-over", "tag tag-error"),
            (None, Side::Owner) => ("groups-state-invited", "tag"),
            (None, _) => ("groups-state-asked", "tag"),
        };
        let lang = page.text.lang();
        // A member is asked about its own routers, whoever else is in the group.
        let own = match counts && mine && self.all.is_none() {
            true => Some(Around::of(reader, Scope::Facility(facility_id), self.now).await?),
            false => None,
        };
        let around = self.all.as_ref().or(own.as_ref()).filter(|_| counts);
        let mut routers = Vec::new();
        for entry in entries.iter().filter(|entry| entry.membership_id == member.id) {
            let id = entry.router.terminal_id.clone();
            let standing = around.filter(|_| !entry.revoked).map(|around| {
                Standing::of(around.latest.get(&id), &around.neighbourhood.peers(&id), lang)
            });
            let (name, network) = (entry.name.clone(), entry.router.network.to_string());
            routers.push(RouterRow { id, name, network, revoked: entry.revoked, standing });
        }
        let waits = member.agreed_at.is_none();
        let (asked, answers) = match member.side {
            Side::Owner => (self.group.owner_id.as_str(), facility_id),
            Side::Facility | Side::Both => (facility_id, self.group.owner_id.as_str()),
        };
        let may_answer = waits && self.own.contains(answers);
        let own_request = may_answer && member.asked_by == self.session.person_id;
        let end = side_of(self.session, member, self.group).map(|side| match (waits, side) {
            (true, Side::Owner) if asked == self.group.owner_id => "groups-withdraw",
            (true, Side::Facility) if asked == facility_id => "groups-withdraw",
            (true, _) => "groups-decline",
            (false, Side::Owner) => "groups-remove",
            (false, _) => "groups-leave",
        });
        let names_router = member.side == Side::Owner;
        let may_choose = counts && mine;
        let choices = match may_choose || may_answer && names_router {
            true => choices(reader, facility_id, entries, "").await?,
            false => Vec::new(),
        };
        Ok(Member {
            facility: facility_name(reader, facility_id).await?,
            facility_id: facility_id.to_owned(),
            is_hub: member.is_hub,
            // The last day, not the moment after it.
            until: member.ends_at.map(|ends| when::day(ends - Duration::SECOND, lang)),
            id: member.id.clone(),
            state,
            routers,
            may_agree: may_answer && !own_request,
            own_request,
            names_router,
            end,
            may_choose,
            choices,
        })
    }
}

/// Routers of a facility in force that take no part.
async fn choices(
    queries: &mut impl Queries,
    facility: &str,
    entries: &[VpnEntry],
    chosen: &str,
) -> Result<Vec<Choice>, StoreError> {
    let mut choices = Vec::new();
    for router in router::of_facility(queries, facility, MOST).await? {
        let id = router.terminal_id;
        if entries.iter().any(|entry| entry.router.terminal_id == id) {
            continue;
        }
        let terminal = terminal::find(queries, &id).await?;
        let name = terminal.map(|terminal| terminal.name).unwrap_or_default();
        let label = format!("{name} ({id}, {})", router.network);
        choices.push(Choice { chosen: id == chosen, id, label });
    }
    Ok(choices)
}

/// What the viewer is to do, most pressing first.
fn next(members: &[Member], owns: bool) -> Vec<&'static str> {
    let mut next = Vec::new();
    if members.iter().any(|member| member.may_agree) {
        next.push("groups-next-answer");
    }
    if members.iter().any(|member| member.own_request) {
        next.push("groups-next-other-person");
    }
    let older = |member: &Member| {
        let mut standings = member.routers.iter().filter_map(|router| router.standing.as_ref());
        standings.any(|standing| !matches!(standing, Standing::Current(_)))
    };
    if members.iter().any(older) {
        next.push("groups-next-texts");
    }
    if owns && members.is_empty() {
        next.push("groups-next-invite");
    }
    next
}
