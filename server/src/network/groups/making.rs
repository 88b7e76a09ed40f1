//! A group is made, and closed.

use std::collections::BTreeSet;

use sekisho_store::{
    StoreError, Tx,
    audit::Audited,
    organisation,
    vpn_group::{self, NewGroup, VpnGroup},
    vpn_membership::Side,
};
use time::OffsetDateTime;

use super::{By, Entity, MOST_GROUPS, Refusal, open_group, tell};
use crate::notice::VpnGroupNews;

/// Makes a group without members; its owner is none before it takes part, and is told of one made at the host.
///
/// # Errors
/// [`StoreError`].
pub async fn make(
    tx: &mut Tx,
    by: &By<'_>,
    new: NewGroup<'_>,
) -> Result<Audited<Result<VpnGroup, Refusal>>, StoreError> {
    const ACT: &str = "vpn_group.make";
    let about = Entity::default().facility(new.owner_id);
    let refused = |refusal| Ok(by.refused(ACT, new.at, (refusal, about)));
    if !organisation::is_active(tx, new.owner_id).await? {
        return refused(Refusal::FacilityNotActive);
    }
    if vpn_group::of_owner(tx, new.owner_id, i64::MAX).await?.len() >= MOST_GROUPS {
        return refused(Refusal::TooManyGroups);
    }
    let Some(id) = vpn_group::create(tx, new).await? else {
        return refused(Refusal::NameInUse);
    };
    let Some(group) = open_group(tx, &id).await? else { return refused(Refusal::NoGroup) };
    for to in by.to_tell(Side::Owner, &group, new.owner_id) {
        tell(tx, to, &group, new.owner_id, VpnGroupNews::Made, new.at).await?;
    }
    let entry = by
        .done(ACT, new.at)
        .fact("purpose", group.purpose.as_str())
        .fact("topology", group.topology.as_str())
        .fact("transit", i64::from(group.transit));
    Ok(Entity::of(&group).recorded(group.clone(), entry))
}

/// Closes a group: every membership ends with it, what waits too. A record of it stands in the trail of each, and each
/// is told; so is the owner of what was done at the host.
///
/// # Errors
/// [`StoreError`].
pub async fn close(
    tx: &mut Tx,
    by: &By<'_>,
    group_id: &str,
    now: OffsetDateTime,
) -> Result<Audited<Result<(), Refusal>>, StoreError> {
    const ACT: &str = "vpn_group.close";
    let refused = |about| Ok(by.refused(ACT, now, (Refusal::NoGroup, about)));
    let Some(group) = open_group(tx, group_id).await? else { return refused(Entity::default()) };
    let about = Entity::of(&group);
    let Some(members) = vpn_group::close(tx, group_id, by.id(), now).await? else {
        return refused(about);
    };
    let owner = group.owner_id.as_str();
    let mut told: BTreeSet<&str> = by.to_tell(Side::Owner, &group, owner).into_iter().collect();
    told.extend(
        members.iter().map(|member| member.organisation_id.as_str()).filter(|id| *id != owner),
    );
    for to in told {
        tell(tx, to, &group, owner, VpnGroupNews::Closed, now).await?;
    }
    let entry = by.done(ACT, now).fact("members", members.len());
    let owners = about.recorded((), entry.clone());
    let others = members.iter().filter(|member| member.organisation_id != owner);
    Ok(others.fold(owners, |records, member| {
        let entry = about.membership(member).complete(entry.clone());
        records.and(entry.at_organisation(&member.organisation_id))
    }))
}
