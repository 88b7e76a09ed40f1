//! Links of a router's technician, and what routers say of their tunnels.
use sekisho_store::{
    Queries, StoreError,
    organisation::{self, StatusChange},
    router_psk::{self, NewPsk, PskEnd},
    router_setup::{self, NewSetup, Setup},
    router_tunnel::{self, ToTell},
    sql,
    terminal::{self, Revocation},
    terminal_hold,
};
use time::Duration;
use uuid::Uuid;

use crate::{
    FACILITY, NOW, count,
    databases::Databases,
    race,
    router_psks::{self, A, B, C},
};

on_both! { router_psks::prepared:
    a_router_has_one_living_link_and_a_new_one_ends_it
    of_many_links_made_at_once_one_lives
    a_link_is_first_opened_once_and_not_after_its_end
    what_takes_a_routers_right_ends_its_link
    what_the_technician_saw_is_kept_once_and_of_the_links_tunnels_alone
    a_router_may_tell_of_its_peers_by_link_or_key_and_of_nobody_else
    a_change_is_kept_once_also_of_many_at_once_and_what_is_said_again_is_heard
    changes_within_a_minute_of_a_record_are_counted_and_the_next_record_tells_them
    the_word_of_an_older_report_leaves_a_newer_one_alone
    what_was_counted_is_found_when_a_record_is_due_and_no_more_after_it
    the_code_that_came_with_a_key_reports_until_the_key_ends
}

async fn make(
    databases: &Databases,
    number: u8,
    router: &str,
    peers: &[&str],
) -> Result<Uuid, StoreError> {
    let id = Uuid::now_v7();
    let peers: Vec<_> = peers.iter().map(|peer| (*peer).to_owned()).collect();
    let new = NewSetup {
        id,
        router_id: router,
        code_hash: &[number; 32],
        key_kind: "p256",
        peers: &peers,
        created_by: "p",
        created_at: NOW,
        expires_at: NOW + Duration::DAY,
    };
    attempt!(databases.one, |tx| router_setup::create(tx, new).await?).map(|()| id)
}

async fn of_code(databases: &Databases, number: u8) -> Option<Setup> {
    router_setup::find_by_code(&mut databases.two.read(), &[number; 32]).await.unwrap()
}

async fn a_router_has_one_living_link_and_a_new_one_ends_it(databases: Databases) {
    let first = make(&databases, 1, A, &[B, C]).await.unwrap();
    let kept = of_code(&databases, 1).await.unwrap();
    assert_eq!((kept.id, kept.router_id.as_str()), (first.to_string(), A));
    let peers = router_setup::peers(&mut databases.two.read(), &first.to_string()).await.unwrap();
    let peers: Vec<_> = peers.iter().map(|peer| peer.router_id.as_str()).collect();
    assert_eq!(peers, [B, C]);
    let second = make(&databases, 2, A, &[B]).await.unwrap();
    let other = make(&databases, 3, B, &[A]).await.unwrap();
    let (first, third) =
        (of_code(&databases, 1).await.unwrap(), of_code(&databases, 3).await.unwrap());
    assert!(!first.lives_at(NOW) && third.lives_at(NOW) && third.id == other.to_string());
    let latest = router_setup::latest_of(&mut databases.two.read(), A).await.unwrap().unwrap();
    assert_eq!(latest.id, second.to_string());
    assert!(latest.lives_at(NOW) && !latest.lives_at(NOW + Duration::DAY));
    let again = make(&databases, 2, C, &[A]).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })), "a code is one link's");
    let stranger = make(&databases, 4, "T9999999999", &[A]).await;
    assert!(stranger.is_err() && of_code(&databases, 4).await.is_none());
    let end =
        attempt!(databases.one, |tx| router_setup::end(tx, A, PskEnd::Withdrawn, NOW).await?);
    let twice =
        attempt!(databases.one, |tx| router_setup::end(tx, A, PskEnd::Withdrawn, NOW).await?);
    assert_eq!((end.unwrap(), twice.unwrap()), (true, false));
}

async fn of_many_links_made_at_once_one_lives(databases: Databases) {
    let outcomes = race(&databases, |number, store| async move {
        let hash = [number; 32];
        let new = NewSetup {
            id: Uuid::now_v7(),
            router_id: A,
            code_hash: &hash,
            key_kind: "rsa3072",
            peers: &[],
            created_by: "p",
            created_at: NOW,
            expires_at: NOW + Duration::DAY,
        };
        attempt!(store, |tx| router_setup::create(tx, new).await?)
    })
    .await;
    let made = count(&outcomes, |outcome| outcome.is_ok());
    assert!(made >= 1, "{outcomes:?}");
    let query = sql("SELECT COUNT(*) FROM router_setup WHERE router_id = $1 AND ended_at IS NULL");
    let (living,): (i64,) = databases.one.read().fetch_one(query.bind(A)).await.unwrap();
    assert_eq!(living, 1);
}

async fn a_link_is_first_opened_once_and_not_after_its_end(databases: Databases) {
    let id = make(&databases, 1, A, &[B]).await.unwrap().to_string();
    let open =
        async |at| attempt!(databases.one, |tx| router_setup::open(tx, &id, at).await?).unwrap();
    assert!(!open(NOW + Duration::DAY).await, "its time is over");
    assert!(open(NOW).await && !open(NOW).await);
    assert_eq!(of_code(&databases, 1).await.unwrap().opened_at, Some(NOW));
    let id = make(&databases, 2, A, &[B]).await.unwrap().to_string();
    change!(databases.one, |tx| router_setup::end(tx, A, PskEnd::Withdrawn, NOW).await?);
    assert!(!change!(databases.one, |tx| router_setup::open(tx, &id, NOW).await?));
}

async fn what_takes_a_routers_right_ends_its_link(databases: Databases) {
    let living = async |number| of_code(&databases, number).await.unwrap().lives_at(NOW);
    for (number, router) in [(1, A), (2, B), (3, C)] {
        make(&databases, number, router, &[]).await.unwrap();
    }
    change!(databases.one, |tx| terminal_hold::begin(tx, A, "", NOW).await?);
    assert!(!living(1).await && living(2).await);
    let revocation =
        Revocation { crl_reason: 1, cause: "lost", note: "", person_id: Some("p"), at: NOW };
    change!(databases.one, |tx| terminal::revoke(tx, B, FACILITY, revocation).await?);
    assert!(!living(2).await && living(3).await);
    for (number, change) in [(3, StatusChange::Suspend), (4, StatusChange::Close)] {
        change!(databases.one, |tx| {
            organisation::change_status(tx, FACILITY, change, "p", "", NOW).await?
        });
        assert!(!living(number).await, "{change:?}");
        change!(databases.one, |tx| {
            organisation::change_status(tx, FACILITY, StatusChange::Resume, "p", "", NOW).await?
        });
        make(&databases, 4, C, &[]).await.ok();
    }
}

async fn what_the_technician_saw_is_kept_once_and_of_the_links_tunnels_alone(databases: Databases) {
    let id = make(&databases, 1, A, &[B]).await.unwrap().to_string();
    let saw = async |peer: &str, at| {
        attempt!(databases.one, |tx| router_setup::saw(tx, &id, peer, at).await?).unwrap()
    };
    assert!(!saw(C, NOW).await && !saw(B, NOW + Duration::DAY).await);
    assert!(saw(B, NOW).await && !saw(B, NOW + Duration::HOUR).await);
    let peers = router_setup::peers(&mut databases.two.read(), &id).await.unwrap();
    assert_eq!(peers[0].seen_at, Some(NOW));
}

async fn pair(databases: &Databases, one: &str, other: &str) -> String {
    let id = Uuid::now_v7();
    let new = NewPsk {
        id,
        ends: [(one, &[7; 32]), (other, &[8; 32])],
        fingerprint: &[9; 32],
        sealed: b"wrapped",
        created_by: "p",
        created_at: NOW,
        expires_at: NOW + Duration::DAY,
    };
    change!(databases.one, |tx| router_psk::create(tx, new).await?);
    id.to_string()
}

async fn a_router_may_tell_of_its_peers_by_link_or_key_and_of_nobody_else(databases: Databases) {
    let peers = async |router| {
        let mut peers = router_tunnel::peers_of(&mut databases.two.read(), router).await.unwrap();
        peers.sort();
        peers
    };
    assert!(peers(A).await.is_empty());
    make(&databases, 1, A, &[B]).await.unwrap();
    // Also after its end: the tunnel goes on.
    change!(databases.one, |tx| router_setup::end(tx, A, PskEnd::Withdrawn, NOW).await?);
    assert_eq!((peers(A).await, peers(B).await), (vec![B.to_owned()], vec![A.to_owned()]));
    let key = pair(&databases, C, B).await;
    assert_eq!(
        (peers(B).await, peers(C).await),
        (vec![A.to_owned(), C.to_owned()], vec![B.to_owned()])
    );
    change!(databases.one, |tx| router_psk::end(tx, &key, PskEnd::Withdrawn, NOW).await?);
    assert!(peers(C).await.is_empty());
}

async fn a_change_is_kept_once_also_of_many_at_once_and_what_is_said_again_is_heard(
    databases: Databases,
) {
    let told = async || router_tunnel::at(&mut databases.two.read(), A).await.unwrap();
    let outcomes = race(&databases, |_, store| async move {
        attempt!(store, |tx| router_tunnel::tell(tx, A, B, false, NOW).await?)
    })
    .await;
    let first = Some(ToTell { changes: 1, since: NOW });
    let tells = |outcome: &Result<_, StoreError>| matches!(outcome, Ok(told) if *told == first);
    assert_eq!(count(&outcomes, tells), 1, "{outcomes:?}");
    let later = NOW + Duration::MINUTE;
    let tell = async |router: &str, peer: &str, up, at| {
        let told =
            attempt!(databases.one, |tx| router_tunnel::tell(tx, router, peer, up, at).await?);
        told.unwrap().is_some()
    };
    assert!(told().await[0].first_up_at.is_none());
    assert!(tell(A, B, true, later).await && !tell(A, B, true, later + Duration::MINUTE).await);
    // What the other end says is its own.
    assert!(tell(B, A, false, later).await);
    let same = [(B.to_owned(), true), (C.to_owned(), true)];
    databases.two.hear_tunnels(A, &same, later + Duration::HOUR).await.unwrap();
    databases.two.hear_tunnels(A, &[(B.to_owned(), false)], later + Duration::DAY).await.unwrap();
    let both = told().await;
    assert_eq!(both.len(), 2, "what nobody told of is not heard: {both:?}");
    assert_eq!((both[0].since, both[0].heard_at), (later, later + Duration::HOUR));
    assert_eq!((both[1].router_id.as_str(), both[1].up, both[1].heard_at), (B, false, later));
    assert!(tell(A, B, false, later + Duration::DAY).await);
    assert!(tell(A, B, true, later + 2 * Duration::DAY).await);
    assert_eq!(told().await[0].first_up_at, Some(later), "the first time stays");
}

async fn changes_within_a_minute_of_a_record_are_counted_and_the_next_record_tells_them(
    databases: Databases,
) {
    let now = async || router_tunnel::at(&mut databases.two.read(), A).await.unwrap().remove(0);
    let tell =
        async |up, at| change!(databases.one, |tx| router_tunnel::tell(tx, A, B, up, at).await?);
    let after = |secs| NOW + Duration::seconds(secs);
    let told = |changes, secs| Some(ToTell { changes, since: after(secs) });
    let note = async |up, at| {
        databases.two.note_tunnels(A, &[(B.to_owned(), up)], at).await.unwrap();
    };
    note(true, NOW).await;
    let none = router_tunnel::at(&mut databases.two.read(), A).await.unwrap();
    assert!(none.is_empty(), "the first one is a record");
    assert_eq!(tell(false, NOW).await, told(1, 0));
    // Nothing is written beside the count, and the state is the one that was said last.
    for (secs, up, unrecorded) in [(10, true, 1), (20, true, 1), (30, false, 2), (59, true, 3)] {
        assert_eq!(tell(up, after(secs)).await, None, "{secs}");
        note(up, after(secs)).await;
        let last = now().await;
        assert_eq!((last.up, last.unrecorded, last.recorded_at), (up, unrecorded, NOW), "{secs}");
    }
    assert_eq!((now().await.since, now().await.first_up_at), (after(59), Some(after(10))));
    // Due: only a record may change it now, and one of many at once tells all.
    note(false, after(60)).await;
    assert!(now().await.up);
    let outcomes = race(&databases, |_, store| async move {
        let at = NOW + Duration::MINUTE;
        attempt!(store, |tx| router_tunnel::tell(tx, A, B, false, at).await?)
    })
    .await;
    let all = ToTell { changes: 4, since: after(60) };
    assert_eq!(count(&outcomes, |outcome| matches!(outcome, Ok(Some(told)) if *told == all)), 1);
    assert_eq!(count(&outcomes, |outcome| matches!(outcome, Ok(None))), outcomes.len() - 1);
    let last = now().await;
    assert_eq!((last.up, last.unrecorded, last.since), (false, 0, after(60)));
    // It was up and is down again: what is said again tells it, and leaves since when alone.
    for (secs, up) in [(70, true), (80, false)] {
        note(up, after(secs)).await;
    }
    assert_eq!(tell(false, after(100)).await, None);
    assert_eq!(tell(false, after(120)).await, told(2, 80), "not since the record");
    assert_eq!((now().await.since, now().await.recorded_at), (after(80), after(120)));
    assert_eq!(tell(false, after(9_999)).await, None, "nothing changed");
    // A clock that was set back holds no record up.
    assert_eq!(tell(true, after(50)).await, told(1, 50));
}

async fn the_word_of_an_older_report_leaves_a_newer_one_alone(databases: Databases) {
    let now = async || router_tunnel::at(&mut databases.two.read(), A).await.unwrap().remove(0);
    let tell = async |up, at| {
        let told = change!(databases.one, |tx| router_tunnel::tell(tx, A, B, up, at).await?);
        told.is_some()
    };
    let note = async |up, at| {
        databases.two.note_tunnels(A, &[(B.to_owned(), up)], at).await.unwrap();
    };
    let after = |secs| NOW + Duration::seconds(secs);
    assert!(tell(true, after(60)).await);
    // Of a record, of a change that is counted, and of what was said again.
    for secs in [0, 59] {
        assert!(!tell(false, after(secs)).await, "{secs}");
        note(false, after(secs)).await;
    }
    assert!(now().await.up);
    note(false, after(80)).await;
    note(true, after(79)).await;
    assert_eq!((now().await.up, now().await.unrecorded), (false, 1));
    databases.one.hear_tunnels(A, &[(B.to_owned(), false)], after(150)).await.unwrap();
    assert!(!tell(true, after(149)).await);
    assert_eq!((now().await.up, now().await.since), (false, after(80)));
    assert!(tell(true, after(150)).await);
    // A clock that was set back is followed by what is said again, too.
    databases.one.hear_tunnels(A, &[(B.to_owned(), true)], after(90)).await.unwrap();
    assert_eq!(now().await.heard_at, after(150));
    databases.one.hear_tunnels(A, &[(B.to_owned(), true)], after(80)).await.unwrap();
    assert_eq!(now().await.heard_at, after(80));
}

async fn what_was_counted_is_found_when_a_record_is_due_and_no_more_after_it(databases: Databases) {
    let after = |secs| NOW + Duration::seconds(secs);
    let untold =
        async |at, most| router_tunnel::untold(&mut databases.two.read(), at, most).await.unwrap();
    for (router, peer, at) in [(A, B, after(1)), (B, A, NOW), (C, A, NOW)] {
        change!(databases.one, |tx| router_tunnel::tell(tx, router, peer, true, at).await?);
    }
    for (router, peer) in [(A, B), (B, A)] {
        databases.one.note_tunnels(router, &[(peer.to_owned(), false)], after(30)).await.unwrap();
    }
    assert!(untold(after(59), 9).await.is_empty());
    let due = async |at, most| {
        let found = untold(at, most).await;
        found.into_iter().map(|told| told.router_id).collect::<Vec<_>>()
    };
    assert_eq!(due(after(60), 9).await, [B], "each when it is due");
    assert_eq!(due(after(61), 9).await, [B, A], "and no other");
    assert_eq!(due(after(61), 1).await, [B]);
    // A clock that was set back holds none up.
    assert_eq!(due(after(-90), 9).await, [B, A]);
    let first = untold(after(61), 1).await.remove(0);
    change!(databases.one, |tx| router_tunnel::recorded(tx, &first, after(61)).await?);
    assert_eq!(due(after(999), 9).await, [A]);
    let all = router_tunnel::at(&mut databases.two.read(), B).await.unwrap();
    let told = all.into_iter().find(|told| told.router_id == B).unwrap();
    assert_eq!((told.up, told.since, told.heard_at), (false, after(30), after(30)));
    assert_eq!((told.recorded_at, told.unrecorded), (after(61), 0));
}

async fn the_code_that_came_with_a_key_reports_until_the_key_ends(databases: Databases) {
    let key = pair(&databases, B, A).await;
    let psk = router_psk::in_force(&mut databases.two.read(), A, B).await.unwrap().unwrap();
    let reporting = async |router, hash: u8| {
        router_psk::reporting(&mut databases.two.read(), router, &[hash; 32]).await.unwrap()
    };
    assert_eq!(reporting(A, 1).await, None, "not fetched");
    for (router, hash) in [(A, 1), (B, 2)] {
        change!(databases.one, |tx| router_psk::fetch(tx, &psk, router, &[hash; 32], NOW).await?);
    }
    // Who has fetched it gets no second code.
    change!(databases.one, |tx| router_psk::fetch(tx, &psk, A, &[3; 32], NOW).await?);
    assert_eq!((reporting(A, 1).await, reporting(B, 2).await), (Some(true), Some(true)));
    assert_eq!(
        (reporting(B, 1).await, reporting(A, 2).await, reporting(A, 3).await),
        (None, None, None)
    );
    change!(databases.one, |tx| router_psk::end(tx, &key, PskEnd::Withdrawn, NOW).await?);
    assert_eq!((reporting(A, 1).await, reporting(B, 2).await), (Some(false), Some(false)));
}
