//! Places of routers in groups: who is whose peer, and what ends with a place.
use std::collections::{BTreeMap, BTreeSet};

use sekisho_store::{
    organisation,
    organisation::StatusChange,
    router::Router,
    router_psk::{self, NewPsk, PskEnd},
    router_text::{self, TakenText},
    terminal::{self, Revocation},
    vpn_group::{self, NewGroup, Purpose, Topology},
    vpn_membership::{self, End, NewMembership, Side, VpnMembership},
    vpn_peers, vpn_place,
};
use time::Duration;
use uuid::Uuid;

use crate::{
    FACILITY, NOW,
    databases::Databases,
    race,
    vpn_groups::{B, C, D, ROUTERS, admit, asked, group, peers, peers_at, prepared},
};

on_both! { prepared:
    spokes_list_hubs_alone_unless_a_group_lets_them_through
    a_suspended_facility_a_revoked_router_and_a_time_that_is_over_leave_no_peer
    what_ends_a_place_ends_the_keys_with_strangers_and_no_others
    a_closed_group_has_no_members_and_takes_none
    the_texts_that_were_taken_last_are_told
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
    let [closed] = &closed[..] else { panic!("one of them closes it: {closed:?}") };
    let as_they_stood =
        |one: &VpnMembership| (one.organisation_id.clone(), one.agreed_at.is_some());
    let as_they_stood: Vec<_> = closed.iter().map(as_they_stood).collect();
    assert_eq!(as_they_stood, [(FACILITY.into(), true), (B.into(), true), (C.into(), false)]);
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
            let taken = TakenText {
                router_id: "TA111111111",
                fingerprint: &[number; 32],
                chosen: &BTreeMap::from([("TB111111111".to_owned(), number == 2)]),
                by: "p",
                at: NOW,
            };
            router_text::take(tx, taken).await?
        });
        let found = latest().await.unwrap();
        assert_eq!((found.fingerprint, found.taken_at), ([number; 32], NOW));
        assert_eq!(
            found.chosen.into_iter().collect::<Vec<_>>(),
            [("TB111111111".into(), number == 2)]
        );
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
    let mut reader = databases.two.read();
    let groups = vpn_group::of_owner(&mut reader, FACILITY, 1).await.unwrap();
    let entries = vpn_place::of_group(&mut reader, &groups[0].id).await.unwrap();
    let said = |entry: &vpn_place::VpnEntry| (entry.name.clone(), entry.agreed, entry.revoked);
    assert_eq!(entries.iter().map(said).collect::<Vec<_>>(), [("TA111111111".into(), true, false)]);
}
