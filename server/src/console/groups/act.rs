//! What both sides do in a group: ask, agree, end; and which routers take part.
//!
//! Who owns the group and who administers the facility each act for their side alone. To others a membership does not
//! exist.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use sekisho_store::{
    Queries, StoreError, transaction,
    vpn_group::{self, VpnGroup},
    vpn_membership::{self, Side, VpnMembership},
};
use serde::Deserialize;
use time::OffsetDateTime;

use super::{path_of, refused, show};
use crate::{
    app::App,
    error::page::PageError,
    form::{NoFields, PathId, StrictForm, Sure},
    network::{
        groups::{self, Asking, By, Refusal},
        models::certifying::day_after,
    },
    page::PageFrame,
    people::{
        field::FieldErrors,
        role::{Acting, Role, RoleMissing},
        session::ConsoleSession,
    },
    register::typed::FieldError,
};

/// How the fields of the forms are called.
const LABELS: [(&str, &str); 8] = [
    ("invited", "groups-invited-facility"),
    ("part", "groups-part"),
    ("until", "groups-until"),
    ("facility", "terminals-facility"),
    ("router", "groups-router"),
    ("own_part", "groups-part"),
    ("own_until", "groups-until"),
    ("sure", "groups-close-sure"),
];

/// The owner asks a facility.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Invitation {
    /// Identifier of the facility, twelve digits.
    pub(super) invited: String,
    /// `hub` or `spoke`; of a mesh it is not there.
    pub(super) part: Option<String>,
    /// Last day, `2027-04-01`.
    pub(super) until: Option<String>,
}

/// A facility asks the owner, or takes part where it is the owner.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Request {
    /// The facility.
    pub(super) facility: String,
    /// Its router.
    pub(super) router: String,
    /// `hub` or `spoke`.
    pub(super) own_part: Option<String>,
    /// Last day.
    pub(super) own_until: Option<String>,
}

/// One router, where the facility is to name one.
#[derive(Debug, Default, Deserialize)]
pub struct Named {
    router: Option<String>,
}

/// One router.
#[derive(Debug, Deserialize)]
pub struct OneRouter {
    router: String,
}

/// The end of a group.
#[derive(Debug, Deserialize)]
pub struct Closing {
    sure: Option<Sure>,
}

/// What was typed into the forms of a group's page.
#[derive(Debug, Clone, Default)]
pub(super) struct Typed {
    pub(super) invitation: Invitation,
    pub(super) request: Request,
}

async fn group(queries: &mut impl Queries, id: &str) -> Result<VpnGroup, PageError> {
    let found = vpn_group::find(queries, id).await?;
    found.filter(|group| group.closed_at.is_none()).ok_or_else(PageError::not_found)
}

fn acting_for(session: &ConsoleSession, facility: &str) -> Result<Acting, PageError> {
    let role = Role::FacilityAdministrator(facility.to_owned());
    session.require(&role).map_err(RoleMissing::hidden)
}

/// Which part, and until when.
fn read(
    page: &PageFrame,
    errors: &mut FieldErrors,
    (part_field, part): (&'static str, Option<&str>),
    (until_field, until): (&'static str, Option<&str>),
) -> (bool, Option<OffsetDateTime>) {
    if !matches!(part, None | Some("hub" | "spoke")) {
        errors.keep::<()>(part_field, Err(FieldError::Choice), &page.text);
    }
    let until = until.and_then(|typed| {
        day_after(typed).map_err(|_| errors.add(until_field, page.t("models-error-day"))).ok()
    });
    (part == Some("hub"), until)
}

/// `POST /console/groups/{id}/invite`.
///
/// # Errors
/// 404 for everybody but the owner's administrators. A field that does not fit is the page again.
pub async fn invite(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    page: PageFrame,
    StrictForm(form): StrictForm<Invitation>,
) -> Result<Response, PageError> {
    let group = group(&mut app.store().read(), &id).await?;
    let acting = acting_for(&session, &group.owner_id)?;
    let mut errors = FieldErrors::of_form(&LABELS);
    let (part, until) = (("part", form.part.as_deref()), ("until", form.until.as_deref()));
    let (is_hub, ends_at) = read(&page, &mut errors, part, until);
    if form.invited == group.owner_id {
        errors.add("invited", page.t("groups-invite-own"));
    }
    let typed = Typed { invitation: form.clone(), ..Typed::default() };
    if errors.is_empty() {
        let facility = form.invited.as_str();
        let asking = Asking { group_id: &id, facility, is_hub, router: None, ends_at };
        let (by, now) = (By::Person(&acting), app.now());
        let asked = transaction!(app.store(), StoreError, |tx| {
            groups::ask(tx, &by, asking, Side::Owner, now).await
        })?;
        match asked {
            Ok(_) => return Ok(done(&id, "invited")),
            Err(refusal @ Refusal::Over) => errors.add("until", page.t(refusal.key())),
            Err(
                refusal @ (Refusal::FacilityNotActive
                | Refusal::AlreadyIn
                | Refusal::TooManyInvited
                | Refusal::TooManyOfLate),
            ) => {
                errors.add("invited", page.t(refusal.key()));
            }
            Err(refusal) => return Err(refused(refusal)),
        }
    }
    show::again(&app, &session, page, &id, (typed, errors)).await
}

/// `POST /console/groups/{id}/ask`.
///
/// # Errors
/// 404 for a facility that the person does not administer. A field that does not fit is the page again.
pub async fn ask(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    page: PageFrame,
    StrictForm(form): StrictForm<Request>,
) -> Result<Response, PageError> {
    let group = group(&mut app.store().read(), &id).await?;
    let acting = acting_for(&session, &form.facility)?;
    let mut errors = FieldErrors::of_form(&LABELS);
    let part = ("own_part", form.own_part.as_deref());
    let until = ("own_until", form.own_until.as_deref());
    let (is_hub, ends_at) = read(&page, &mut errors, part, until);
    let typed = Typed { request: form.clone(), ..Typed::default() };
    if errors.is_empty() {
        let (facility, router) = (form.facility.as_str(), Some(form.router.as_str()));
        let asking = Asking { group_id: &id, facility, is_hub, router, ends_at };
        let own = group.owner_id == facility;
        let side = if own { Side::Both } else { Side::Facility };
        let (by, now) = (By::Person(&acting), app.now());
        let asked = transaction!(app.store(), StoreError, |tx| {
            groups::ask(tx, &by, asking, side, now).await
        })?;
        match asked {
            Ok(_) => return Ok(done(&id, if own { "agreed" } else { "asked" })),
            Err(refusal @ Refusal::Over) => errors.add("own_until", page.t(refusal.key())),
            Err(
                refusal @ (Refusal::AlreadyIn | Refusal::TooManyAsking | Refusal::TooManyOfLate),
            ) => errors.add("facility", page.t(refusal.key())),
            Err(
                refusal @ (Refusal::NoRouter
                | Refusal::RouterMissing
                | Refusal::RouterIn
                | Refusal::Networks
                | Refusal::Full),
            ) => errors.add("router", page.t(refusal.key())),
            Err(refusal) => return Err(refused(refusal)),
        }
    }
    show::again(&app, &session, page, &id, (typed, errors)).await
}

/// A membership of an open group, which one of its sides may see.
async fn membership(
    queries: &mut impl Queries,
    id: &str,
) -> Result<(VpnMembership, VpnGroup), PageError> {
    let found = vpn_membership::find(queries, id).await?.ok_or_else(PageError::not_found)?;
    let group = group(queries, &found.group_id).await?;
    Ok((found, group))
}

/// `POST /console/group-memberships/{id}/agree`: by the side that was asked.
///
/// # Errors
/// 404 for everybody else, 409 where something stands against it.
pub async fn agree(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<Named>,
) -> Result<Response, PageError> {
    let (membership, group) = membership(&mut app.store().read(), &id).await?;
    let by_facility = membership.side == Side::Owner;
    let side = if by_facility { &membership.organisation_id } else { &group.owner_id };
    let acting = acting_for(&session, side)?;
    // The owner does not choose among another's routers.
    let router = form.router.filter(|_| by_facility);
    let (by, now) = (By::Person(&acting), app.now());
    let agreed = transaction!(app.store(), StoreError, |tx| {
        groups::agree(tx, &by, &membership, router.as_deref(), now).await
    })?;
    agreed.map_err(refused)?;
    Ok(done(&group.id, "agreed"))
}

/// `POST /console/group-memberships/{id}/end`: by either side; whoever has both acts for the one that asked, and for
/// the facility of a member.
///
/// # Errors
/// 404 for everybody else, 409 where it ended meanwhile.
pub async fn end(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    _: NoFields,
) -> Result<Response, PageError> {
    let (membership, group) = membership(&mut app.store().read(), &id).await?;
    let facility = &membership.organisation_id;
    // Whose facility is suspended is told so.
    let side = side_of(&session, &membership, &group).unwrap_or(Side::Facility);
    let acts_for = if side == Side::Owner { &group.owner_id } else { facility };
    let acting = acting_for(&session, acts_for)?;
    let (by, now) = (By::Person(&acting), app.now());
    let ended = transaction!(app.store(), StoreError, |tx| {
        groups::end(tx, &by, &membership, side, now).await
    })?;
    ended.map_err(refused)?;
    Ok(done(&group.id, "ended"))
}

/// For which side a person ends a membership.
pub(super) fn side_of(
    session: &ConsoleSession,
    membership: &VpnMembership,
    group: &VpnGroup,
) -> Option<Side> {
    let has = |facility: &str| session.facilities().any(|own| own == facility);
    let (owner, facility) = (has(&group.owner_id), has(&membership.organisation_id));
    match (owner, facility) {
        (false, false) => None,
        (true, false) => Some(Side::Owner),
        (false, true) => Some(Side::Facility),
        (true, true) if membership.agreed_at.is_none() && membership.side == Side::Owner => {
            Some(Side::Owner)
        }
        (true, true) => Some(Side::Facility),
    }
}

/// `POST /console/group-memberships/{id}/router`: a further router of the facility.
///
/// # Errors
/// 404 for everybody but the facility's administrators, 409 where something stands against it.
pub async fn enter_router(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<OneRouter>,
) -> Result<Response, PageError> {
    let (membership, group) = membership(&mut app.store().read(), &id).await?;
    let acting = acting_for(&session, &membership.organisation_id)?;
    let (by, now) = (By::Person(&acting), app.now());
    let entered = transaction!(app.store(), StoreError, |tx| {
        groups::enter_router(tx, &by, &membership, &form.router, now).await
    })?;
    entered.map_err(refused)?;
    Ok(done(&group.id, "router"))
}

/// `POST /console/group-memberships/{id}/router/end`: a router takes part no more.
///
/// # Errors
/// As [`enter_router`].
pub async fn take_out_router(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<OneRouter>,
) -> Result<Response, PageError> {
    let (membership, group) = membership(&mut app.store().read(), &id).await?;
    let acting = acting_for(&session, &membership.organisation_id)?;
    let (by, now) = (By::Person(&acting), app.now());
    let left = transaction!(app.store(), StoreError, |tx| {
        groups::take_out_router(tx, &by, &membership, &form.router, now).await
    })?;
    left.map_err(refused)?;
    Ok(done(&group.id, "router"))
}

/// `POST /console/groups/{id}/close`: for good.
///
/// # Errors
/// 404 for everybody but the owner's administrators. Without the tick, the page again.
pub async fn close(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    page: PageFrame,
    StrictForm(form): StrictForm<Closing>,
) -> Result<Response, PageError> {
    let group = group(&mut app.store().read(), &id).await?;
    let acting = acting_for(&session, &group.owner_id)?;
    if form.sure.is_none() {
        let mut errors = FieldErrors::of_form(&LABELS);
        errors.add("sure", page.t("error-not-ticked"));
        return show::again(&app, &session, page, &id, (Typed::default(), errors)).await;
    }
    let (by, now) = (By::Person(&acting), app.now());
    let closed =
        transaction!(app.store(), StoreError, |tx| groups::close(tx, &by, &id, now).await)?;
    closed.map_err(refused)?;
    Ok(Redirect::to(super::PATH).into_response())
}

fn done(id: &str, what: &str) -> Response {
    Redirect::to(&format!("{}?notice={what}", path_of(id))).into_response()
}
