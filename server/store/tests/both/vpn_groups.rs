//! Groups of routers: who is a member by two persons' words, who is whose peer, and what ends with it.
use std::collections::BTreeSet;

use sekisho_store::{
    StoreError, Tx, organisation,
    organisation::StatusChange,
    router::{self, Router},
    router_psk::{self, NewPsk, PskEnd},
    router_text, sql,
    terminal::{self, Revocation},
    vpn_group::{self, NewGroup, Purpose, Topology},
    vpn_membership::{self, End, NewMembership, Side},
    vpn_peers, vpn_place,
};
use time::Duration;
use uuid::Uuid;

use crate::{FACILITY, NOW, count, databases::Databases, once, race};

/// Facilities, each with the router of its letter.
const B: &str = "223456789007";
const C: &str = "323456789007";
const D: &str = "423456789007";
const ROUTERS: [(&str, &str, u8); 4] = [
    (FACILITY, "TA111111111", 1),
    (B, "TB111111111", 2),
    (C, "TC111111111", 3),
    (D, "TD111111111", 4),
];

on_both! { prepared:
    a_member_is_whom_two_persons_agreed_upon_and_one_of_many_agrees
    a_facility_is_asked_once_and_a_name_is_one_groups
    an_end_fits_how_a_membership_stands_and_comes_once
    spokes_list_hubs_alone_unless_a_group_lets_them_through
    a_suspended_facility_a_revoked_router_and_a_time_that_is_over_leave_no_peer
    what_ends_a_place_ends_the_keys_with_strangers_and_no_others
    a_closed_group_has_no_members_and_takes_none
    the_texts_that_were_taken_last_are_told
}

async fn prepared(databases: Databases) -> Databases {
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

async fn enter_router(tx: &mut Tx, facility: &str, id: &str, number: u8) -> Result<(), StoreError> {
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
async fn group(databases: &Databases, name: &str, topology: Topology, transit: bool) -> String {
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

fn asked<'a>(group_id: &'a str, organisation_id: &'a str, side: Side) -> NewMembership<'a> {
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
async fn admit(databases: &Databases, new: NewMembership<'_>) -> String {
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
async fn peers(databases: &Databases, id: &str) -> String {
    peers_at(databases, id, NOW).await
}

async fn peers_at(databases: &Databases, id: &str, at: time::OffsetDateTime) -> String {
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
    assert_eq!(ids(vpn_group::of_owner(&mut reader, B, 9).await.unwrap()), [west.id.clone()]);
    assert_eq!(ids(vpn_group::of_member(&mut reader, B, 9).await.unwrap()), [id.clone()]);
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

async fn spokes_list_hubs_alone_unless_a_group_lets_them_through(databases: Databases) {
    for (name, transit) in [("通さない", false), ("通す", true)] {
        let id = group(&databases, name, Topology::Hub, transit).await;
        for (facility, ..) in &ROUTERS[..3] {
            let is_hub = *facility == FACILITY;
            admit(&databases, NewMembership { is_hub, ..asked(&id, facility, Side::Both) }).await;
        }
        assert_eq!(peers(&databases, "TA111111111").await, "BC");
        for spoke in ["TB111111111", "TC111111111"] {
            assert_eq!(peers(&databases, spoke).await, "A", "{name}");
        }
        let networks = async |id: &str, far: fn(&vpn_peers::VpnPeer) -> &Vec<Router>| {
            let peers = vpn_peers::of_router(&mut databases.two.read(), id, NOW).await.unwrap();
            let of = |peer: &vpn_peers::VpnPeer| {
                let far: Vec<_> = far(peer).iter().map(|one| one.network.to_string()).collect();
                (peer.router.terminal_id.clone(), far.join(" "))
            };
            peers.iter().map(of).filter(|(_, far)| !far.is_empty()).collect::<BTreeSet<_>>()
        };
        let said = |lines: &[(&str, &str)]| {
            let line = |(id, far): &(&str, &str)| ((*id).to_owned(), (*far).to_owned());
            lines.iter().filter(|_| transit).map(line).collect::<BTreeSet<_>>()
        };
        let (b, c) = ("10.2.0.0/16", "10.3.0.0/16");
        assert_eq!(networks("TB111111111", |peer| &peer.beyond).await, said(&[("TA111111111", c)]));
        assert_eq!(
            networks("TA111111111", |peer| &peer.behind).await,
            said(&[("TB111111111", c), ("TC111111111", b)])
        );
        assert_eq!(networks("TB111111111", |peer| &peer.behind).await, BTreeSet::new());
        change!(databases.one, |tx| vpn_group::close(tx, &id, "owner", NOW).await?);
    }
}

async fn a_suspended_facility_a_revoked_router_and_a_time_that_is_over_leave_no_peer(
    databases: Databases,
) {
    let id = group(&databases, "東", Topology::Mesh, false).await;
    let ends_at = NOW + Duration::DAY;
    let mut passing = String::new();
    for (facility, ..) in ROUTERS {
        let new = asked(&id, facility, Side::Both);
        if facility == D {
            passing = admit(&databases, NewMembership { ends_at: Some(ends_at), ..new }).await;
        } else {
            admit(&databases, new).await;
        }
    }
    assert_eq!(peers(&databases, "TA111111111").await, "BCD");
    let change = async |change| {
        change!(databases.one, |tx| {
            organisation::change_status(tx, B, change, "p", "", NOW).await?
        })
    };
    change(StatusChange::Suspend).await;
    assert_eq!(peers(&databases, "TA111111111").await, "CD");
    assert_eq!(peers(&databases, "TB111111111").await, "", "nor has it any itself");
    change(StatusChange::Resume).await;
    assert_eq!(peers(&databases, "TA111111111").await, "BCD");
    let revocation =
        Revocation { crl_reason: 5, cause: "retired", note: "", person_id: Some("p"), at: NOW };
    change!(databases.one, |tx| terminal::revoke(tx, "TC111111111", C, revocation).await?);
    assert_eq!(peers(&databases, "TA111111111").await, "BD");
    assert_eq!(peers_at(&databases, "TA111111111", ends_at).await, "B");
    let over = async |at| {
        let over = vpn_membership::over(&mut databases.two.read(), at, 9).await.unwrap();
        over.into_iter().map(|membership| membership.id).collect::<Vec<_>>()
    };
    assert_eq!(over(ends_at - Duration::SECOND).await, [""; 0]);
    assert_eq!(over(ends_at).await, [passing.clone()]);
    let noted = change!(databases.one, |tx| {
        vpn_membership::end(tx, &passing, End::Over, None, ends_at).await?
    });
    assert!(noted && over(ends_at).await.is_empty());
    // Too late for the other side.
    let late = change!(databases.one, |tx| {
        let new = NewMembership { ends_at: Some(ends_at), ..asked(&id, D, Side::Owner) };
        let late = vpn_membership::ask(tx, new).await?.unwrap();
        vpn_membership::agree(tx, &late, "other", ends_at).await?
    });
    assert!(!late);
}

async fn pair(databases: &Databases, number: u8, one: &str, other: &str) {
    let (of_one, of_other) = ([number; 32], [number + 100; 32]);
    let new = NewPsk {
        id: Uuid::now_v7(),
        ends: [(one, &of_one), (other, &of_other)],
        fingerprint: &[number; 32],
        sealed: b"wrapped",
        created_by: "p",
        created_at: NOW,
        expires_at: NOW + Duration::DAY,
    };
    change!(databases.one, |tx| router_psk::create(tx, new).await?);
}

async fn what_ends_a_place_ends_the_keys_with_strangers_and_no_others(databases: Databases) {
    let [a, b, c, d] = ROUTERS.map(|(_, id, _)| id);
    let east = group(&databases, "東", Topology::Mesh, false).await;
    let west = group(&databases, "西", Topology::Mesh, false).await;
    let mut of_east = Vec::new();
    for (facility, ..) in ROUTERS {
        of_east.push(admit(&databases, asked(&east, facility, Side::Both)).await);
    }
    for facility in [FACILITY, B] {
        admit(&databases, asked(&west, facility, Side::Both)).await;
    }
    for (number, one, other) in [(1, a, b), (2, a, c), (3, b, c), (4, c, d), (5, b, d)] {
        pair(&databases, number, one, other).await;
    }
    let ended = async |one: &str| {
        let all = router_psk::latest_of(&mut databases.two.read(), one, 9).await.unwrap();
        let ended = all.into_iter().filter(|psk| {
            psk.ended.as_ref().is_some_and(|(_, reason)| *reason == PskEnd::NotPeers)
        });
        let others: BTreeSet<_> =
            ended.map(|psk| psk.other(one).router_id[1..2].to_owned()).collect();
        others.into_iter().collect::<String>()
    };
    // A router that does not take part any more loses its keys, but for whom it meets elsewhere.
    let left = async |membership: &str, id: &str| {
        change!(databases.one, |tx| vpn_place::leave(tx, membership, id, "p", NOW).await?)
    };
    assert!(left(&of_east[1], b).await && !left(&of_east[1], b).await);
    assert_eq!(
        [ended(b).await, ended(a).await, ended(c).await, ended(d).await],
        ["CD", "", "B", "B"]
    );
    let removed = change!(databases.one, |tx| {
        vpn_membership::end(tx, &of_east[2], End::Removed, Some("owner"), NOW).await?
    });
    assert!(removed);
    assert_eq!([ended(a).await, ended(c).await, ended(d).await], ["C", "ABD", "BC"]);
    let mut reader = databases.two.read();
    assert!(router_psk::in_force(&mut reader, a, b).await.unwrap().is_some(), "the other group");
}

async fn a_closed_group_has_no_members_and_takes_none(databases: Databases) {
    let id = group(&databases, "東", Topology::Mesh, false).await;
    for facility in [FACILITY, B] {
        admit(&databases, asked(&id, facility, Side::Both)).await;
    }
    change!(databases.one, |tx| vpn_membership::ask(tx, asked(&id, C, Side::Owner)).await?);
    pair(&databases, 1, "TA111111111", "TB111111111").await;
    let outcomes = race(&databases, |_, store| {
        let id = id.clone();
        async move { change!(store, |tx| vpn_group::close(tx, &id, "owner", NOW).await?) }
    })
    .await;
    let closed: Vec<_> = outcomes.into_iter().flatten().collect();
    assert_eq!(closed, [[FACILITY, B, C]]);
    assert_eq!(peers(&databases, "TA111111111").await, "");
    let mut reader = databases.two.read();
    let key = router_psk::in_force(&mut reader, "TA111111111", "TB111111111").await.unwrap();
    assert_eq!(key, None);
    assert!(vpn_group::find(&mut reader, &id).await.unwrap().unwrap().closed_at.is_some());
    assert_eq!(vpn_group::of_owner(&mut reader, FACILITY, 9).await.unwrap(), []);
    assert_eq!(vpn_group::of_member(&mut reader, B, 9).await.unwrap(), []);
    drop(reader);
    // Its name is free again.
    group(&databases, "東", Topology::Mesh, false).await;
}

async fn the_texts_that_were_taken_last_are_told(databases: Databases) {
    let latest =
        async || router_text::latest(&mut databases.two.read(), "TA111111111").await.unwrap();
    assert_eq!(latest().await, None);
    for number in [1, 2] {
        change!(databases.one, |tx| {
            router_text::take(tx, "TA111111111", &[number; 32], "p", NOW).await?
        });
        let found = latest().await.unwrap();
        assert_eq!((found.fingerprint, found.taken_at), ([number; 32], NOW));
    }
    let routers = change!(databases.one, |tx| {
        let group = vpn_group::create(
            tx,
            NewGroup {
                owner_id: FACILITY,
                name_ja: "東",
                name_en: "",
                purpose: Purpose::Conference,
                topology: Topology::Mesh,
                transit: false,
                created_by: "p",
                at: NOW,
            },
        )
        .await?
        .unwrap();
        let member = vpn_membership::ask(tx, asked(&group, FACILITY, Side::Both)).await?.unwrap();
        vpn_place::enter(tx, &member, "TA111111111", "p", NOW).await?;
        vpn_place::routers_of(tx, &member).await?
    });
    assert_eq!(routers, ["TA111111111"]);
}
