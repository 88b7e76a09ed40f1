//! Groups of routers: who is a member by two persons' words, asked once, ended once.
use sekisho_store::{
    StoreError, Tx,
    router::{self, Router},
    sql, terminal,
    vpn_group::{self, NewGroup, Purpose, Topology},
    vpn_membership::{self, End, NewMembership, Side},
    vpn_peers, vpn_place,
};

use crate::{FACILITY, NOW, count, databases::Databases, once, race};

/// Facilities, each with the router of its letter.
pub const B: &str = "223456789007";
pub const C: &str = "323456789007";
pub const D: &str = "423456789007";
pub const ROUTERS: [(&str, &str, u8); 4] = [
    (FACILITY, "TA111111111", 1),
    (B, "TB111111111", 2),
    (C, "TC111111111", 3),
    (D, "TD111111111", 4),
];

on_both! { prepared:
    a_member_is_whom_two_persons_agreed_upon_and_one_of_many_agrees
    a_facility_is_asked_once_and_a_name_is_one_groups
    an_end_fits_how_a_membership_stands_and_comes_once
}

pub async fn prepared(databases: Databases) -> Databases {
    let databases = once::prepared(databases).await;
    change!(databases.one, |tx| {
        for (facility, id, number) in ROUTERS {
            if facility != FACILITY {
                enter_facility(tx, facility).await?;
            }
            enter_router(tx, facility, id, number).await?;
        }
    });
    databases
}

async fn enter_facility(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO application (id, receipt, kind, name, name_kana, prefecture, postal_code,
                 address, contact_name, contact_phone, contact_email, created_at)
             VALUES ($1, $1, 'hospital', 'n', 'k', 13, '1', 'a', 'c', 'p', 'e', 0)")
        .bind(id),
    )
    .await?;
    tx.execute(
        sql("INSERT INTO organisation
                 (id, application_id, kind, prefecture, postal_code, address, created_at)
             VALUES ($1, $1, 'hospital', 13, '1', 'a', 0)")
        .bind(id),
    )
    .await?;
    tx.execute(
        sql("INSERT INTO organisation_event (id, organisation_id, at, kind, reason)
             VALUES ($1, $2, 0, 'activated', '')")
        .bind(format!("00000000-0000-7000-8000-{id}"))
        .bind(id),
    )
    .await?;
    Ok(())
}

pub async fn enter_router(
    tx: &mut Tx,
    facility: &str,
    id: &str,
    number: u8,
) -> Result<(), StoreError> {
    terminal::create(tx, id, facility, id, "p", NOW).await?;
    let router = Router {
        terminal_id: id.to_owned(),
        family: "router_libreswan".to_owned(),
        dns_name: format!("{}.router.example", id.to_lowercase()),
        address: None,
        address_certified: false,
        network: format!("10.{number}.0.0/16").parse().unwrap(),
    };
    router::create(tx, &router).await
}

/// A group of the first facility.
pub async fn group(databases: &Databases, name: &str, topology: Topology, transit: bool) -> String {
    let new = NewGroup {
        owner_id: FACILITY,
        name_ja: name,
        name_en: "",
        purpose: Purpose::RegionalCooperation,
        topology,
        transit,
        created_by: "owner",
        at: NOW,
    };
    change!(databases.one, |tx| vpn_group::create(tx, new).await?).unwrap()
}

pub fn asked<'a>(group_id: &'a str, organisation_id: &'a str, side: Side) -> NewMembership<'a> {
    NewMembership {
        group_id,
        organisation_id,
        is_hub: false,
        side,
        asked_by: "owner",
        at: NOW,
        ends_at: None,
    }
}

/// A member at once, with its router.
pub async fn admit(databases: &Databases, new: NewMembership<'_>) -> String {
    let new = NewMembership { side: Side::Both, ..new };
    let router = ROUTERS.iter().find(|(facility, ..)| *facility == new.organisation_id).unwrap().1;
    change!(databases.one, |tx| {
        let id = vpn_membership::ask(tx, new).await?.unwrap();
        assert!(vpn_place::enter(tx, &id, router, "p", NOW).await?);
        assert!(!vpn_place::enter(tx, &id, router, "p", NOW).await?);
        id
    })
}

/// First letters after the T of a router's peers.
pub async fn peers(databases: &Databases, id: &str) -> String {
    peers_at(databases, id, NOW).await
}

pub async fn peers_at(databases: &Databases, id: &str, at: time::OffsetDateTime) -> String {
    let mut reader = databases.two.read();
    let peers = vpn_peers::of_router(&mut reader, id, at).await.unwrap();
    for (_, other, _) in ROUTERS {
        let listed = peers.iter().any(|peer| peer.router.terminal_id == other);
        assert_eq!(vpn_peers::are(&mut reader, id, other, at).await.unwrap(), listed);
    }
    peers.iter().map(|peer| &peer.router.terminal_id[1..2]).collect()
}

async fn a_member_is_whom_two_persons_agreed_upon_and_one_of_many_agrees(databases: Databases) {
    let id = group(&databases, "東", Topology::Mesh, false).await;
    admit(&databases, asked(&id, FACILITY, Side::Both)).await;
    for (facility, side) in [(B, Side::Owner), (C, Side::Facility)] {
        let membership = change!(databases.one, |tx| {
            let membership = vpn_membership::ask(tx, asked(&id, facility, side)).await?.unwrap();
            let router = ROUTERS.iter().find(|one| one.0 == facility).unwrap().1;
            vpn_place::enter(tx, &membership, router, "p", NOW).await?;
            membership
        });
        let before = peers(&databases, "TA111111111").await;
        let found =
            vpn_membership::find(&mut databases.two.read(), &membership).await.unwrap().unwrap();
        assert_eq!((found.side, found.counts(NOW), found.is_hub), (side, false, false));
        assert_eq!(found.asked_by_hands, ["owner"]);
        let same = change!(databases.one, |tx| {
            vpn_membership::agree(tx, &membership, "owner", NOW).await?
        });
        assert!(!same, "who asked is no second person");
        assert_eq!(peers(&databases, "TA111111111").await, before);
        let outcomes = race(&databases, |_, store| {
            let membership = membership.clone();
            async move {
                change!(store, |tx| vpn_membership::agree(tx, &membership, "other", NOW).await?)
            }
        })
        .await;
        assert_eq!(count(&outcomes, |agreed| *agreed), 1);
        let found =
            vpn_membership::find(&mut databases.two.read(), &membership).await.unwrap().unwrap();
        assert!(found.counts(NOW));
    }
    assert_eq!(peers(&databases, "TA111111111").await, "BC");
    assert_eq!(peers(&databases, "TB111111111").await, "AC");
    assert_eq!(peers(&databases, "TD111111111").await, "", "nobody asked it");
    let around = vpn_place::around(&mut databases.two.read(), "TB111111111", NOW).await.unwrap();
    assert_eq!(around.len(), 3);
    assert!(around.iter().all(|place| place.group_id == id && place.topology == Topology::Mesh));
}

async fn a_facility_is_asked_once_and_a_name_is_one_groups(databases: Databases) {
    let id = group(&databases, "東", Topology::Mesh, false).await;
    let outcomes = race(&databases, |racer, store| {
        let id = id.clone();
        let side = if racer % 4 < 2 { Side::Owner } else { Side::Facility };
        async move { change!(store, |tx| vpn_membership::ask(tx, asked(&id, B, side)).await?) }
    })
    .await;
    assert_eq!(count(&outcomes, Option::is_some), 1);
    // Of one side or the other, for that facility, up to a day later.
    let mut reader = databases.two.read();
    let mut asked_by = [0, 0];
    for (by, side) in asked_by.iter_mut().zip([Side::Owner, Side::Facility]) {
        for (of, after, this) in [
            (B, NOW - time::Duration::SECOND, true),
            (B, NOW, false),
            ("x", NOW - time::Duration::SECOND, false),
        ] {
            let asked =
                vpn_membership::asked_since(&mut reader, &id, of, side, after).await.unwrap();
            assert!(asked.of_this <= asked.of_all && (this || asked.of_this == 0), "{asked:?}");
            *by += asked.of_this;
        }
    }
    assert_eq!(asked_by.iter().sum::<u64>(), 1);
    let new = NewGroup {
        owner_id: FACILITY,
        name_ja: "西",
        name_en: "West",
        purpose: Purpose::RemoteMaintenance,
        topology: Topology::Hub,
        transit: true,
        created_by: "owner",
        at: NOW,
    };
    let outcomes = race(&databases, |_, store| async move {
        change!(store, |tx| vpn_group::create(tx, new).await?)
    })
    .await;
    assert_eq!(count(&outcomes, Option::is_some), 1);
    // Another owner's may be called the same.
    let of_other =
        change!(databases.one, |tx| vpn_group::create(tx, NewGroup { owner_id: B, ..new }).await?);
    let mut reader = databases.two.read();
    let west = vpn_group::find(&mut reader, &of_other.clone().unwrap()).await.unwrap().unwrap();
    assert_eq!((west.name_ja.as_str(), west.name_en.as_str()), ("西", "West"));
    assert_eq!((west.purpose, west.topology), (Purpose::RemoteMaintenance, Topology::Hub));
    assert!(west.transit && west.closed_at.is_none());
    let ids = |found: Vec<vpn_group::VpnGroup>| {
        found.into_iter().map(|group| group.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(vpn_group::of_owner(&mut reader, FACILITY, 9).await.unwrap()).len(), 2);
    let of_b = ids(vpn_group::of_owner(&mut reader, B, 9).await.unwrap());
    assert_eq!(of_b.join(" "), west.id);
    let with_b = ids(vpn_group::of_member(&mut reader, B, 9).await.unwrap());
    assert_eq!(with_b.join(" "), id);
    let all = ids(vpn_group::list(&mut reader, "", 9).await.unwrap());
    assert_eq!(all.len(), 3);
    assert_eq!(ids(vpn_group::list(&mut reader, &all[0], 9).await.unwrap()), all[1..]);
}

async fn an_end_fits_how_a_membership_stands_and_comes_once(databases: Databases) {
    let id = group(&databases, "東", Topology::Mesh, false).await;
    let end = async |membership: &str, reason| {
        change!(databases.one, |tx| {
            vpn_membership::end(tx, membership, reason, Some("p"), NOW).await?
        })
    };
    for (agreed, fits) in [(false, End::Declined), (false, End::Withdrawn), (true, End::Left)] {
        let side = if agreed { Side::Both } else { Side::Owner };
        let membership = change!(databases.one, |tx| {
            vpn_membership::ask(tx, asked(&id, B, side)).await?.unwrap()
        });
        for wrong in
            if agreed { [End::Declined, End::Withdrawn] } else { [End::Left, End::Removed] }
        {
            assert!(!end(&membership, wrong).await, "{wrong:?}");
        }
        assert!(end(&membership, fits).await && !end(&membership, fits).await, "{fits:?}");
        let agreed = change!(databases.one, |tx| {
            vpn_membership::agree(tx, &membership, "other", NOW).await?
        });
        assert!(!agreed, "it ended");
        let mut reader = databases.two.read();
        assert_eq!(vpn_membership::find(&mut reader, &membership).await.unwrap(), None);
    }
    // Agreed and ended at once: one of both comes first, and what is left is an end.
    for _ in 0..3 {
        let membership = change!(databases.one, |tx| {
            vpn_membership::ask(tx, asked(&id, B, Side::Owner)).await?.unwrap()
        });
        let outcomes = race(&databases, |racer, store| {
            let membership = membership.clone();
            async move {
                change!(store, |tx| if racer < 4 {
                    vpn_membership::agree(tx, &membership, "other", NOW).await?
                } else {
                    vpn_membership::end(tx, &membership, End::Over, None, NOW).await?
                })
            }
        })
        .await;
        assert_eq!(count(&outcomes[4..], |ended| *ended), 1);
        assert!(count(&outcomes[..4], |agreed| *agreed) < 2);
        let mut reader = databases.two.read();
        assert_eq!(vpn_membership::of_group(&mut reader, &id, 9).await.unwrap(), []);
    }
}
