//! Groups for tests.

use sekisho_store::{
    StoreError, Tx,
    audit::{Actor, Audited, Entry},
    terminal, transaction,
    vpn_group::{self, NewGroup, Purpose, Topology},
    vpn_membership::{self, NewMembership, Side},
    vpn_place,
};

use crate::app::App;

/// Makes a mesh of these routers, whosever they are, of the first one's facility; its identifier.
pub(crate) async fn meet(app: &App, routers: &[&str]) -> String {
    let now = app.now();
    transaction!(app.store(), StoreError, |tx| {
        let id = mesh(tx, routers, now).await?;
        Ok(Audited::new(id, Entry::done("test", Actor::System, now)))
    })
    .unwrap()
}

async fn mesh(
    tx: &mut Tx,
    routers: &[&str],
    at: time::OffsetDateTime,
) -> Result<String, StoreError> {
    let mut group: Option<String> = None;
    for router in routers {
        let facility = terminal::find(tx, router).await?.unwrap().organisation_id;
        if group.is_none() {
            let name = format!("試験 {}", uuid::Uuid::now_v7());
            let new = NewGroup {
                owner_id: &facility,
                name_ja: &name,
                name_en: "",
                purpose: Purpose::SameCorporation,
                topology: Topology::Mesh,
                transit: false,
                created_by: "p",
                at,
            };
            group = vpn_group::create(tx, new).await?;
        }
        let id = group.as_deref().unwrap();
        let members = vpn_membership::of_group(tx, id, 99).await?;
        let member = members.into_iter().find(|member| member.organisation_id == facility);
        let membership = match member {
            Some(member) => member.id,
            None => {
                let new = NewMembership {
                    group_id: id,
                    organisation_id: &facility,
                    is_hub: false,
                    side: Side::Both,
                    asked_by: "p",
                    at,
                    ends_at: None,
                };
                vpn_membership::ask(tx, new).await?.unwrap()
            }
        };
        vpn_place::enter(tx, &membership, router, "p", at).await?;
    }
    Ok(group.unwrap())
}

/// Closes it again.
pub(crate) async fn part(app: &App, group: &str) {
    let now = app.now();
    transaction!(app.store(), StoreError, |tx| {
        vpn_group::close(tx, group, "p", now).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
}
