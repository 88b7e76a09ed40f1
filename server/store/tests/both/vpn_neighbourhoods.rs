//! Peers and texts of many routers are asked for by as many statements as those of few.
use std::collections::BTreeMap;

use sekisho_store::{
    DbRow, Queries, Reader, Statement, StoreError,
    router::{self, Router},
    router_text::{self, TakenText},
    terminal,
    vpn_group::Topology,
    vpn_membership::{self, NewMembership, Side},
    vpn_neighbourhood,
    vpn_peers::{self, VpnPeer},
    vpn_place::{self, Scope},
};

use crate::{
    FACILITY, NOW,
    databases::Databases,
    vpn_groups::{B, C, D, ROUTERS, admit, asked, group, prepared},
};

on_both! { prepared:
    a_hub_with_500_peers_is_asked_for_by_two_statements_and_all_ends_say_the_same
    texts_of_a_group_and_of_a_facility_are_those_of_each_router
}

/// Counts what it asks.
struct Counting {
    reader: Reader,
    statements: usize,
}

impl Counting {
    fn of(databases: &Databases) -> Self {
        Self { reader: databases.two.read(), statements: 0 }
    }
}

impl Queries for Counting {
    async fn fetch_all<T: DbRow>(&mut self, statement: Statement) -> Result<Vec<T>, StoreError> {
        self.statements += 1;
        self.reader.fetch_all(statement).await
    }

    async fn fetch_optional<T: DbRow>(
        &mut self,
        statement: Statement,
    ) -> Result<Option<T>, StoreError> {
        self.statements += 1;
        self.reader.fetch_optional(statement).await
    }
}

/// Routers of a facility beside the one of its letter, each with its place in the group.
async fn spokes(
    databases: &Databases,
    facility: &str,
    membership: &str,
    numbers: std::ops::Range<u16>,
) {
    change!(databases.one, |tx| {
        for number in numbers.clone() {
            let id = format!("T{number:010}");
            terminal::create(tx, &id, facility, &id, "p", NOW).await?;
            let [high, low] = number.to_be_bytes();
            let router = Router {
                dns_name: format!("{}.router.example", id.to_lowercase()),
                terminal_id: id.clone(),
                family: "router_libreswan".to_owned(),
                address: None,
                address_certified: false,
                network: format!("172.{}.{low}.0/24", 16 + high).parse().unwrap(),
            };
            router::create(tx, &router).await?;
            assert!(vpn_place::enter(tx, membership, &id, "p", NOW).await?);
        }
    });
}

async fn a_hub_with_500_peers_is_asked_for_by_two_statements_and_all_ends_say_the_same(
    databases: Databases,
) {
    // Three groups that lead on: 166 spokes each beside the router of a letter, one less in the last.
    let mut groups = Vec::new();
    for (index, facility) in (0..).zip([B, C, D]) {
        let id = group(&databases, facility, Topology::Hub, true).await;
        admit(&databases, NewMembership { is_hub: true, ..asked(&id, FACILITY, Side::Both) }).await;
        let member = admit(&databases, asked(&id, facility, Side::Both)).await;
        let numbers = index * 166..(index + 1) * 166 - u16::from(index == 2);
        spokes(&databases, facility, &member, numbers).await;
        groups.push(id);
    }
    let mut counting = Counting::of(&databases);
    let peers = vpn_peers::of_router(&mut counting, "TA111111111", NOW).await.unwrap();
    assert_eq!((peers.len(), counting.statements), (500, 2));
    for peer in &peers {
        let expected = if peer.organisation_id == D { 165 } else { 166 };
        assert_eq!(peer.behind.len(), expected, "the other spokes of its group");
    }
    // A spoke leads nobody on.
    let mut counting = Counting::of(&databases);
    let of_spoke = vpn_peers::of_router(&mut counting, "TB111111111", NOW).await.unwrap();
    assert_eq!((of_spoke.len(), counting.statements), (1, 1));
    assert_eq!(of_spoke[0].beyond.len(), 166);

    // A spoke of two groups is reached by the other one directly, and the hub knows.
    let mesh = group(&databases, "直結", Topology::Mesh, false).await;
    admit(&databases, asked(&mesh, B, Side::Both)).await;
    let with = admit(&databases, asked(&mesh, C, Side::Both)).await;
    change!(databases.one, |tx| {
        let members = vpn_membership::of_group(tx, &mesh, 9).await?;
        assert!(vpn_place::enter(tx, &members[0].id, "T0000000007", "p", NOW).await?);
    });
    let behind = async |id: &str| {
        let hub =
            vpn_peers::of_router(&mut databases.two.read(), "TA111111111", NOW).await.unwrap();
        hub.into_iter().find(|peer| peer.router.terminal_id == id).unwrap().behind.len()
    };
    assert_eq!(behind("TB111111111").await, 165, "T0000000007 is its peer itself");
    assert_eq!(behind("T0000000008").await, 166);

    // Every scope says of each of its routers what it is told alone, by as many statements.
    let places = vpn_place::around_all(&mut databases.two.read(), Scope::Group(&mesh), NOW).await;
    assert!(places.unwrap().iter().any(|place| place.group_id == groups[0]), "around, not in it");
    let hub = Scope::Router("TA111111111");
    let led = vpn_place::around_led_on(&mut databases.two.read(), hub, NOW).await.unwrap();
    assert!(led.iter().any(|place| place.group_id == mesh));
    for (scope, most, routers) in [
        (Scope::Group(&mesh), 2, vec!["TB111111111", "TC111111111", "T0000000007"]),
        (Scope::Group(&groups[0]), 2, vec!["TA111111111", "TB111111111", "T0000000011"]),
        (Scope::Facility(FACILITY), 2, vec!["TA111111111"]),
        (Scope::Facility(B), 1, vec!["TB111111111", "T0000000011"]),
    ] {
        let mut counting = Counting::of(&databases);
        let found = vpn_neighbourhood::of(&mut counting, scope, NOW).await.unwrap();
        assert_eq!(counting.statements, most, "{scope:?}");
        for id in routers {
            let alone = vpn_peers::of_router(&mut databases.two.read(), id, NOW).await.unwrap();
            assert!(!alone.is_empty() && found.peers(id) == alone, "{scope:?} {id}");
        }
    }
    assert!(
        vpn_neighbourhood::of(&mut Counting::of(&databases), Scope::Router("T"), NOW)
            .await
            .unwrap()
            .peers("T")
            .is_empty()
    );
    change!(databases.one, |tx| {
        vpn_membership::end(tx, &with, vpn_membership::End::Left, Some("p"), NOW).await?
    });
    let mut reader = databases.two.read();
    let left = vpn_neighbourhood::of(&mut reader, Scope::Group(&mesh), NOW).await.unwrap();
    let left = left.peers("TB111111111");
    let ids: Vec<_> = left.iter().map(|peer| peer.router.terminal_id.as_str()).collect();
    assert_eq!(ids, ["T0000000007", "TA111111111"]);
}

async fn texts_of_a_group_and_of_a_facility_are_those_of_each_router(databases: Databases) {
    let id = group(&databases, "東", Topology::Mesh, false).await;
    for facility in [FACILITY, B] {
        admit(&databases, asked(&id, facility, Side::Both)).await;
    }
    let peers = async |id: &str| -> Vec<VpnPeer> {
        vpn_peers::of_router(&mut databases.two.read(), id, NOW).await.unwrap()
    };
    let take = async |id: &str, chosen: &BTreeMap<String, bool>| {
        let mut peers = peers(id).await;
        let chosen = vpn_peers::choose(&mut peers, chosen);
        let fingerprint = vpn_peers::fingerprint(&peers);
        let taken = TakenText {
            router_id: id,
            fingerprint: &fingerprint,
            chosen: &chosen,
            by: "p",
            at: NOW,
        };
        change!(databases.one, |tx| router_text::take(tx, taken).await?);
        chosen.len()
    };
    let (a, b) = ("TA111111111", "TB111111111");
    // By the rule A opens; what is chosen as the rule has it is nothing chosen.
    let direction = |opens| BTreeMap::from([(b.to_owned(), opens)]);
    assert_eq!(take(a, &direction(false)).await, 1);
    assert_eq!(take(b, &BTreeMap::new()).await, 0);
    let latest =
        async |scope| router_text::latest_of(&mut databases.two.read(), scope).await.unwrap();
    let of_group = latest(Scope::Group(&id)).await;
    assert_eq!(of_group.keys().collect::<Vec<_>>(), [a, b]);
    assert_eq!(latest(Scope::Facility(FACILITY)).await.keys().collect::<Vec<_>>(), [a]);
    assert_eq!(latest(Scope::Router(a)).await[a], of_group[a]);
    assert!(latest(Scope::Router("TC111111111")).await.is_empty());
    // The other direction is as it was chosen: such a text is older by another peer, and by nothing else.
    assert!(of_group[a].has(&peers(a).await) && of_group[b].has(&peers(b).await));
    assert_ne!(of_group[a].fingerprint, vpn_peers::fingerprint(&peers(a).await));
    admit(&databases, asked(&id, C, Side::Both)).await;
    assert!(!of_group[a].has(&peers(a).await) && !of_group[b].has(&peers(b).await));
    assert_eq!(take(a, &direction(true)).await, 0);
    let of_group = latest(Scope::Group(&id)).await;
    assert!(of_group[a].has(&peers(a).await), "the last one counts");
    assert!(!of_group.contains_key(ROUTERS[2].1));
    change!(databases.one, |tx| {
        let members = vpn_membership::of_group(tx, &id, 9).await?;
        let member = members.iter().find(|member| member.organisation_id == B).unwrap();
        vpn_membership::end(tx, &member.id, vpn_membership::End::Left, Some("p"), NOW).await?
    });
    assert_eq!(latest(Scope::Group(&id)).await.keys().collect::<Vec<_>>(), [a]);
    assert!(!of_group[a].has(&peers(a).await), "the peer that was chosen is gone");
}
