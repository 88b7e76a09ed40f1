//! How a facility becomes a member: one side asks, the other agrees, by two persons. Where both sides are one
//! facility, or the operating body acts at the host, it is one act.

use sekisho_store::{
    StoreError, Tx,
    audit::Audited,
    organisation,
    vpn_group::{Topology, VpnGroup},
    vpn_membership::{self, NewMembership, Side, VpnMembership},
    vpn_place,
};
use time::{Duration, OffsetDateTime};

use super::{
    By, Entity, MOST_A_DAY, MOST_OF_ONE_A_DAY, MOST_WAITING, Refusal, against_router, open_group,
    tell,
};
use crate::{notice::VpnGroupNews, people::hands};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The group.
    pub group_id: &'a str,
    /// Which facility is to be a member.
    pub facility: &'a str,
    /// Whether its routers are to be hubs; of a mesh it counts for nothing.
    pub is_hub: bool,
    /// The router with which it takes part, where the facility says so.
    pub router: Option<&'a str>,
    /// Until when at most.
    pub ends_at: Option<OffsetDateTime>,
}

/// One side asks the other. The owner for itself is a member at once.
///
/// # Errors
/// [`StoreError`].
pub async fn ask(
    tx: &mut Tx,
    by: &By<'_>,
    asking: Asking<'_>,
    side: Side,
    now: OffsetDateTime,
) -> Result<Audited<Result<String, Refusal>>, StoreError> {
    let act = match side {
        Side::Owner => "vpn_group.invite",
        Side::Facility => "vpn_group.ask",
        Side::Both => "vpn_group.admit",
    };
    let Some(group) = open_group(tx, asking.group_id).await? else {
        let about = Entity::default().facility(asking.facility);
        return Ok(by.refused(act, now, (Refusal::NoGroup, about)));
    };
    let about = Entity { router: asking.router, ..Entity::of(&group).facility(asking.facility) };
    if let Some(refusal) = against_asking(tx, &group, asking, side, now).await? {
        return Ok(by.refused(act, now, (refusal, about)));
    }
    let new = NewMembership {
        group_id: &group.id,
        organisation_id: asking.facility,
        is_hub: is_hub(&group, asking),
        side,
        asked_by: by.id(),
        at: now,
        ends_at: asking.ends_at,
    };
    let Some(id) = vpn_membership::ask(tx, new).await? else {
        return Ok(by.refused(act, now, (Refusal::AlreadyIn, about)));
    };
    if let Some(router) = asking.router {
        vpn_place::enter(tx, &id, router, by.id(), now).await?;
    }
    match side {
        Side::Owner => {
            let to = asking.facility;
            tell(tx, to, &group, asking.facility, VpnGroupNews::Invited, now).await?;
        }
        Side::Facility => {
            let to = group.owner_id.as_str();
            tell(tx, to, &group, asking.facility, VpnGroupNews::Asked, now).await?;
        }
        Side::Both => {}
    }
    let about = Entity { membership_id: Some(&id), ..about };
    let mut entry = by.done(act, now).fact("hub", i64::from(new.is_hub));
    if let Some(ends_at) = asking.ends_at {
        entry = entry.fact("ends_at", ends_at.unix_timestamp());
    }
    Ok(about.recorded(id.clone(), entry))
}

fn is_hub(group: &VpnGroup, asking: Asking<'_>) -> bool {
    group.topology == Topology::Hub && asking.is_hub
}

async fn against_asking(
    tx: &mut Tx,
    group: &VpnGroup,
    asking: Asking<'_>,
    side: Side,
    now: OffsetDateTime,
) -> Result<Option<Refusal>, StoreError> {
    if !organisation::is_active(tx, asking.facility).await? {
        return Ok(Some(Refusal::FacilityNotActive));
    }
    if asking.ends_at.is_some_and(|ends_at| ends_at <= now) {
        return Ok(Some(Refusal::Over));
    }
    let members = vpn_membership::of_group(tx, &group.id, i64::MAX).await?;
    if members.iter().any(|member| member.organisation_id == asking.facility) {
        return Ok(Some(Refusal::AlreadyIn));
    }
    let waiting = members.iter().filter(|one| one.agreed_at.is_none() && one.side == side).count();
    match side {
        Side::Owner if waiting >= MOST_WAITING => return Ok(Some(Refusal::TooManyInvited)),
        Side::Facility if waiting >= MOST_WAITING => return Ok(Some(Refusal::TooManyAsking)),
        Side::Owner | Side::Facility | Side::Both => {}
    }
    let yesterday = now - Duration::DAY;
    let of_late =
        vpn_membership::asked_since(tx, &group.id, asking.facility, side, yesterday).await?;
    let often = of_late.of_this >= MOST_OF_ONE_A_DAY || of_late.of_all >= MOST_A_DAY;
    // Both sides at once tell nobody to answer.
    if often && side != Side::Both {
        return Ok(Some(Refusal::TooManyOfLate));
    }
    match (side, asking.router) {
        (Side::Owner, _) => Ok(None),
        (Side::Facility | Side::Both, None) => Ok(Some(Refusal::RouterMissing)),
        (Side::Facility | Side::Both, Some(router)) => {
            against_router(tx, &group.id, asking.facility, router).await
        }
    }
}

/// The other side agrees to what waits. `router`: with which the facility takes part, where it is the facility that
/// agrees.
///
/// # Errors
/// [`StoreError`].
pub async fn agree(
    tx: &mut Tx,
    by: &By<'_>,
    membership: &VpnMembership,
    router: Option<&str>,
    now: OffsetDateTime,
) -> Result<Audited<Result<(), Refusal>>, StoreError> {
    const ACT: &str = "vpn_group.agree";
    let Some(group) = open_group(tx, &membership.group_id).await? else {
        let about = Entity::default().membership(membership);
        return Ok(by.refused(ACT, now, (Refusal::NoGroup, about)));
    };
    let about = Entity { router, ..Entity::of(&group).membership(membership) };
    // Nobody is admitted while the owner is suspended, whoever asked before.
    if !organisation::is_active(tx, &group.owner_id).await? {
        return Ok(by.refused(ACT, now, (Refusal::FacilityNotActive, about)));
    }
    if let Some(refusal) = against_agreeing(tx, by, membership, router, now).await? {
        return Ok(by.refused(ACT, now, (refusal, about)));
    }
    if !vpn_membership::agree(tx, &membership.id, by.id(), now).await? {
        return Ok(by.refused(ACT, now, (Refusal::NotOpen, about)));
    }
    if let Some(router) = router {
        vpn_place::enter(tx, &membership.id, router, by.id(), now).await?;
    }
    let facility = membership.organisation_id.as_str();
    let told = match membership.side {
        Side::Owner => group.owner_id.as_str(),
        Side::Facility | Side::Both => facility,
    };
    tell(tx, told, &group, facility, VpnGroupNews::Agreed, now).await?;
    Ok(about.recorded((), by.done(ACT, now)))
}

async fn against_agreeing(
    tx: &mut Tx,
    by: &By<'_>,
    membership: &VpnMembership,
    router: Option<&str>,
    now: OffsetDateTime,
) -> Result<Option<Refusal>, StoreError> {
    let found = vpn_membership::find(tx, &membership.id).await?;
    if found.is_none_or(|found| found.agreed_at.is_some()) {
        return Ok(Some(Refusal::NotOpen));
    }
    if membership.asked_by == by.id() {
        return Ok(Some(Refusal::OwnRequest));
    }
    if hands::are_shared(tx, &membership.asked_by, &membership.asked_by_hands, by.id()).await? {
        return Ok(Some(Refusal::OneHand));
    }
    if !organisation::is_active(tx, &membership.organisation_id).await? {
        return Ok(Some(Refusal::FacilityNotActive));
    }
    if membership.ends_at.is_some_and(|ends_at| ends_at <= now) {
        return Ok(Some(Refusal::Over));
    }
    let (group, facility) = (&membership.group_id, &membership.organisation_id);
    // What the facility named when it asked may not fit any more.
    let named = match router {
        Some(router) => vec![router.to_owned()],
        None => vpn_place::routers_of(tx, &membership.id).await?,
    };
    if named.is_empty() {
        return Ok(Some(Refusal::RouterMissing));
    }
    for router in named {
        if let Some(refusal) = against_router(tx, group, facility, &router).await? {
            return Ok(Some(refusal));
        }
    }
    Ok(None)
}

/// Makes a facility a member for both sides, at the host: what they agreed upon on paper. Both are told. One that is
/// a member takes part with one router more.
///
/// # Errors
/// [`StoreError`].
pub async fn admit(
    tx: &mut Tx,
    by: &By<'_>,
    asking: Asking<'_>,
    now: OffsetDateTime,
) -> Result<Audited<Result<String, Refusal>>, StoreError> {
    let members = vpn_membership::of_group(tx, asking.group_id, i64::MAX).await?;
    let member = members.into_iter().find(|member| member.organisation_id == asking.facility);
    if let (Some(member), Some(router)) = (&member, asking.router)
        && member.counts(now)
    {
        let other_hub = asking.is_hub && !member.is_hub;
        if other_hub || asking.ends_at.is_some_and(|ends_at| member.ends_at != Some(ends_at)) {
            let about = Entity { router: asking.router, ..Entity::default().membership(member) };
            return Ok(by.refused("vpn_group.enter_router", now, (Refusal::OtherTerms, about)));
        }
        let entered = super::enter_router(tx, by, member, router, now).await?;
        return Ok(entered.map(|outcome| outcome.map(|()| member.id.clone())));
    }
    let admitted = ask(tx, by, asking, Side::Both, now).await?;
    if let Some(group) = open_group(tx, asking.group_id).await?
        && admitted.value().is_ok()
    {
        for side in by.to_tell(Side::Both, &group, asking.facility) {
            tell(tx, side, &group, asking.facility, VpnGroupNews::Admitted, now).await?;
        }
    }
    Ok(admitted)
}
