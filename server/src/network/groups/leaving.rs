//! How a membership ends, by either side alone and at once, and which of a member's routers take part.

use std::collections::BTreeSet;

use sekisho_store::{
    StoreError, Tx,
    audit::{Actor, Audited, Entry},
    transaction,
    vpn_group::{self, Topology, VpnGroup},
    vpn_membership::{self, End, Side, VpnMembership},
    vpn_place,
};
use time::OffsetDateTime;

use super::{By, Entity, Refusal, against_router, open_group, tell};
use crate::{app::App, notice::VpnGroupNews};

/// Ends a membership, or what waits, for one side: the owner's or the facility's. At the host neither of them acts:
/// the operating body does.
///
/// # Errors
/// [`StoreError`].
pub async fn end(
    tx: &mut Tx,
    by: &By<'_>,
    membership: &VpnMembership,
    side: Side,
    now: OffsetDateTime,
) -> Result<Audited<Result<(), Refusal>>, StoreError> {
    let (reason, act, news) = match (membership.agreed_at, side) {
        (None, _) if by.is_host() => (End::Declined, "vpn_group.end", VpnGroupNews::Ended),
        (Some(_), _) if by.is_host() => (End::Removed, "vpn_group.end", VpnGroupNews::Ended),
        (None, side) if side == membership.side => {
            (End::Withdrawn, "vpn_group.withdraw", VpnGroupNews::Withdrawn)
        }
        (None, _) => (End::Declined, "vpn_group.decline", VpnGroupNews::Declined),
        (Some(_), Side::Owner) => (End::Removed, "vpn_group.remove", VpnGroupNews::Removed),
        (Some(_), Side::Facility | Side::Both) => {
            (End::Left, "vpn_group.leave", VpnGroupNews::Left)
        }
    };
    let Some(group) = open_group(tx, &membership.group_id).await? else {
        let about = Entity::default().membership(membership);
        return Ok(by.refused(act, now, (Refusal::NoGroup, about)));
    };
    let about = Entity::of(&group).membership(membership);
    if !vpn_membership::end(tx, &membership.id, reason, Some(by.id()), now).await? {
        return Ok(by.refused(act, now, (Refusal::NotOpen, about)));
    }
    let facility = membership.organisation_id.as_str();
    for to in by.to_tell(side, &group, facility) {
        tell(tx, to, &group, facility, news, now).await?;
    }
    Ok(about.recorded((), by.done(act, now)))
}

/// A further router of a member takes part; the side that did not say so is told, and every other member whose
/// routers have a new peer.
///
/// # Errors
/// [`StoreError`].
pub async fn enter_router(
    tx: &mut Tx,
    by: &By<'_>,
    membership: &VpnMembership,
    router: &str,
    now: OffsetDateTime,
) -> Result<Audited<Result<(), Refusal>>, StoreError> {
    const ACT: &str = "vpn_group.enter_router";
    let Some(group) = open_group(tx, &membership.group_id).await? else {
        let about = Entity::default().membership(membership);
        return Ok(by.refused(ACT, now, (Refusal::NoGroup, about)));
    };
    let about = Entity { router: Some(router), ..Entity::of(&group).membership(membership) };
    let found = vpn_membership::find(tx, &membership.id).await?;
    let refusal = match found.filter(|found| found.counts(now)) {
        None => Some(Refusal::NotOpen),
        Some(found) => against_router(tx, &group.id, &found.organisation_id, router).await?,
    };
    if let Some(refusal) = refusal {
        return Ok(by.refused(ACT, now, (refusal, about)));
    }
    if !vpn_place::enter(tx, &membership.id, router, by.id(), now).await? {
        return Ok(by.refused(ACT, now, (Refusal::RouterIn, about)));
    }
    tell_peers(tx, by, &group, membership, VpnGroupNews::RouterEntered, now).await?;
    Ok(about.recorded((), by.done(ACT, now)))
}

/// A router of a member takes part no more; who is told of one that enters is told. The membership stays, also
/// without a router.
///
/// # Errors
/// [`StoreError`].
pub async fn take_out_router(
    tx: &mut Tx,
    by: &By<'_>,
    membership: &VpnMembership,
    router: &str,
    now: OffsetDateTime,
) -> Result<Audited<Result<(), Refusal>>, StoreError> {
    const ACT: &str = "vpn_group.take_out_router";
    let Some(group) = open_group(tx, &membership.group_id).await? else {
        let about = Entity::default().membership(membership);
        return Ok(by.refused(ACT, now, (Refusal::NoGroup, about)));
    };
    let about = Entity { router: Some(router), ..Entity::of(&group).membership(membership) };
    let found = vpn_membership::find(tx, &membership.id).await?;
    if found.is_none() {
        return Ok(by.refused(ACT, now, (Refusal::NotOpen, about)));
    }
    if !vpn_place::leave(tx, &membership.id, router, by.id(), now).await? {
        return Ok(by.refused(ACT, now, (Refusal::NoRouter, about)));
    }
    tell_peers(tx, by, &group, membership, VpnGroupNews::RouterLeft, now).await?;
    Ok(about.recorded((), by.done(ACT, now)))
}

/// Tells of a member's routers whoever else has other peers by them: the side that did not act, and other members.
async fn tell_peers(
    tx: &mut Tx,
    by: &By<'_>,
    group: &VpnGroup,
    membership: &VpnMembership,
    news: VpnGroupNews,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let facility = membership.organisation_id.as_str();
    let mut told: BTreeSet<String> =
        by.to_tell(Side::Facility, group, facility).into_iter().map(str::to_owned).collect();
    // Spokes have other peers by hubs alone, and by each other's networks where those are let through.
    let all = group.topology == Topology::Mesh || group.transit || membership.is_hub;
    let others = vpn_membership::of_group(tx, &group.id, i64::MAX).await?.into_iter();
    told.extend(
        others
            .filter(|other| other.counts(now) && (all || other.is_hub))
            .map(|other| other.organisation_id)
            // Of the owner and the facility it is said above.
            .filter(|other| *other != facility && *other != group.owner_id),
    );
    for to in told {
        tell(tx, &to, group, facility, news, now).await?;
    }
    Ok(())
}

/// Memberships a turn; what is left waits for the next.
const BATCH: i64 = 100;

/// Scheduled: notes that the time of memberships is over, ends the keys with those who are no peers any more, and
/// tells both sides. That it is over counts without this, for everything but the keys.
///
/// # Errors
/// [`StoreError`]: the rest waits for the next turn.
pub async fn end_over(app: &App) -> Result<(), StoreError> {
    const ACT: &str = "vpn_group.expire";
    let now = app.now();
    for membership in vpn_membership::over(&mut app.store().read(), now, BATCH).await? {
        transaction!(app.store(), StoreError, |tx| {
            let ended = vpn_membership::end(tx, &membership.id, End::Over, None, now).await?;
            let group = vpn_group::find(tx, &membership.group_id).await?;
            let Some(group) = group.filter(|_| ended) else {
                let entry = Entry::refused(ACT, Actor::System, now, "ended_before");
                return Ok(Audited::new(
                    (),
                    Entity::default().membership(&membership).complete(entry),
                ));
            };
            let facility = membership.organisation_id.as_str();
            let mut sides = vec![facility, &group.owner_id];
            sides.dedup();
            for to in sides {
                tell(tx, to, &group, facility, VpnGroupNews::Over, now).await?;
            }
            let about = Entity::of(&group).membership(&membership);
            let recorded = about.recorded((), Entry::done(ACT, Actor::System, now));
            Ok(recorded.map(|_| ()))
        })?;
    }
    Ok(())
}
