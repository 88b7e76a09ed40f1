//! Pre-shared keys of routers: one in force for each pair, fetched once by each end, gone with the second.
use sekisho_store::{
    Queries, StoreError, organisation,
    organisation::StatusChange,
    router::{self, Router},
    router_psk::{self, NewPsk, PskEnd, RouterPsk, Standing},
    sql,
    terminal::{self, Revocation},
    terminal_hold,
};
use time::Duration;
use uuid::Uuid;

use crate::{FACILITY, NOW, count, databases::Databases, once, race};

pub const A: &str = "T1111111111";
pub const B: &str = "T2222222222";
pub const C: &str = "T3333333333";

on_both! { prepared:
    a_key_is_fetched_once_by_each_end_and_gone_with_the_second
    of_many_that_fetch_at_once_one_is_each_end
    a_pair_has_one_key_in_force_and_no_key_comes_twice
    a_replaced_key_is_told_until_its_successor_ends
    what_a_key_that_expired_was_to_replace_counts_again
    what_takes_a_routers_right_ends_its_keys
    what_was_not_fetched_in_time_is_found
}

/// Three routers of the facility.
pub async fn prepared(databases: Databases) -> Databases {
    let databases = once::prepared(databases).await;
    change!(databases.one, |tx| {
        for id in [A, B, C] {
            terminal::create(tx, id, FACILITY, id, "p", NOW).await?;
            let router = Router {
                terminal_id: id.to_owned(),
                family: "router_libreswan".to_owned(),
                dns_name: format!("{}.router.example", id.to_lowercase()),
                address: None,
                address_certified: false,
                network: "10.1.0.0/16".parse().unwrap(),
            };
            router::create(tx, &router).await?;
        }
    });
    databases
}

/// The code by which an end fetches the key of this number.
fn code(number: u8, id: &str) -> [u8; 32] {
    let mut hash = [number; 32];
    hash[0] = id.as_bytes()[1];
    hash
}

/// The hash of a code by which an end reports: nobody else's.
fn report() -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(Uuid::now_v7().as_bytes());
    hash
}

async fn pair(
    databases: &Databases,
    number: u8,
    one: &str,
    other: &str,
) -> Result<Uuid, StoreError> {
    let id = Uuid::now_v7();
    let (of_one, of_other) = (code(number, one), code(number, other));
    let new = NewPsk {
        id,
        ends: [(one, &of_one), (other, &of_other)],
        fingerprint: &[number; 32],
        sealed: b"wrapped",
        created_by: "p",
        created_at: NOW,
        expires_at: NOW + Duration::DAY,
    };
    attempt!(databases.one, |tx| router_psk::create(tx, new).await?).map(|()| id)
}

/// What the database still has of the key itself.
async fn sealed(databases: &Databases, id: Uuid) -> Option<Vec<u8>> {
    let query = sql("SELECT sealed FROM router_psk WHERE id = $1").bind(id.to_string());
    let (sealed,): (Option<Vec<u8>>,) = databases.two.read().fetch_one(query).await.unwrap();
    sealed
}

async fn found(databases: &Databases, number: u8, id: &str) -> RouterPsk {
    let mut reader = databases.two.read();
    router_psk::find_by_code(&mut reader, id, &code(number, id)).await.unwrap().unwrap()
}

async fn in_force(databases: &Databases, one: &str, other: &str) -> Option<RouterPsk> {
    router_psk::in_force(&mut databases.two.read(), one, other).await.unwrap()
}

async fn ended(databases: &Databases, router: &str) -> Vec<Option<PskEnd>> {
    let latest = router_psk::latest_of(&mut databases.two.read(), router, 9).await.unwrap();
    latest.into_iter().map(|psk| psk.ended.map(|(_, reason)| reason)).collect()
}

async fn a_key_is_fetched_once_by_each_end_and_gone_with_the_second(databases: Databases) {
    // Named in the other order than it is kept.
    let id = pair(&databases, 1, B, A).await.unwrap();
    let psk = found(&databases, 1, B).await;
    assert_eq!((psk.other(B).router_id.as_str(), psk.other(A).router_id.as_str()), (A, B));
    let wrong = router_psk::find_by_code(&mut databases.two.read(), A, &code(1, B)).await.unwrap();
    assert_eq!(wrong, None, "the other end's code");
    let late = change!(databases.one, |tx| {
        router_psk::fetch(tx, &psk, A, &[1; 32], NOW + Duration::DAY).await?
    });
    assert_eq!(late, None, "its time is over");
    let fetched =
        change!(databases.one, |tx| router_psk::fetch(tx, &psk, B, &report(), NOW).await?);
    assert_eq!(fetched.as_deref(), Some(&b"wrapped"[..]));
    let again = change!(databases.one, |tx| router_psk::fetch(tx, &psk, B, &report(), NOW).await?);
    let stranger =
        change!(databases.one, |tx| router_psk::fetch(tx, &psk, C, &report(), NOW).await?);
    assert_eq!((again, stranger), (None, None));
    assert!(sealed(&databases, id).await.is_some() && !found(&databases, 1, B).await.is_fetched());
    let fetched =
        change!(databases.one, |tx| router_psk::fetch(tx, &psk, A, &report(), NOW).await?);
    assert_eq!(fetched.as_deref(), Some(&b"wrapped"[..]));
    assert_eq!(sealed(&databases, id).await, None);
    let psk = in_force(&databases, A, B).await.unwrap();
    assert!(psk.is_fetched() && psk.ended.is_none());
}

async fn of_many_that_fetch_at_once_one_is_each_end(databases: Databases) {
    for number in 1..=5 {
        let id = pair(&databases, number, A, B).await.unwrap();
        let psk = found(&databases, number, A).await;
        let outcomes = race(&databases, |racer, store| {
            let psk = psk.clone();
            async move {
                let router = if racer % 4 < 2 { A } else { B };
                let fetched =
                    change!(store, |tx| router_psk::fetch(tx, &psk, router, &report(), NOW)
                        .await?);
                (router, fetched.is_some())
            }
        })
        .await;
        for router in [A, B] {
            assert_eq!(count(&outcomes, |outcome| *outcome == (router, true)), 1, "{router}");
        }
        assert_eq!(sealed(&databases, id).await, None, "whoever was second");
        change!(databases.one, |tx| {
            router_psk::end(tx, &psk.id, PskEnd::Withdrawn, NOW).await?
        });
    }
}

async fn a_pair_has_one_key_in_force_and_no_key_comes_twice(databases: Databases) {
    let id = pair(&databases, 1, A, B).await.unwrap();
    let second = pair(&databases, 2, B, A).await.unwrap_err();
    assert!(matches!(second, StoreError::AlreadyExists { .. }), "{second}");
    let same = pair(&databases, 1, A, C).await.unwrap_err();
    assert!(matches!(same, StoreError::AlreadyExists { .. }), "{same}");
    let end = async || {
        change!(databases.one, |tx| {
            router_psk::end(tx, &id.to_string(), PskEnd::Withdrawn, NOW).await?
        })
    };
    assert!(end().await && !end().await);
    assert_eq!((sealed(&databases, id).await, in_force(&databases, A, B).await), (None, None));
    let psk = found(&databases, 1, A).await;
    let late = change!(databases.one, |tx| router_psk::fetch(tx, &psk, A, &report(), NOW).await?);
    assert_eq!(late, None, "it ended");
    let same = pair(&databases, 1, A, C).await.unwrap_err();
    assert!(matches!(same, StoreError::AlreadyExists { .. }), "also one that ended: {same}");
    pair(&databases, 3, A, B).await.unwrap();
}

async fn a_replaced_key_is_told_until_its_successor_ends(databases: Databases) {
    let standing = async |id: Uuid| {
        router_psk::standing(&mut databases.two.read(), &id.to_string()).await.unwrap()
    };
    let first = pair(&databases, 1, A, B).await.unwrap();
    assert_eq!(standing(first).await, Some(Standing::Waiting));
    change!(databases.one, |tx| {
        router_psk::end(tx, &first.to_string(), PskEnd::Replaced, NOW).await?
    });
    let second = pair(&databases, 2, A, B).await.unwrap();
    let other = pair(&databases, 3, A, C).await.unwrap();
    assert_eq!(standing(first).await, Some(Standing::Replaced));
    change!(databases.one, |tx| {
        router_psk::end(tx, &second.to_string(), PskEnd::Withdrawn, NOW).await?
    });
    assert_eq!(
        (standing(first).await, standing(second).await),
        (Some(Standing::Ended), Some(Standing::Ended))
    );
    assert_eq!(standing(other).await, Some(Standing::Waiting));
    assert_eq!(standing(Uuid::now_v7()).await, None);
    assert_eq!(ended(&databases, A).await, [None, Some(PskEnd::Withdrawn)]);
    // What was ended for good stays so, and what it had replaced as well, whatever comes after.
    let third = pair(&databases, 4, A, B).await.unwrap();
    assert_eq!(standing(third).await, Some(Standing::Waiting));
    for old in [first, second] {
        assert_eq!(standing(old).await, Some(Standing::Ended));
    }
}

async fn what_a_key_that_expired_was_to_replace_counts_again(databases: Databases) {
    let replace = async |old: Uuid, number| {
        change!(databases.one, |tx| {
            router_psk::end(tx, &old.to_string(), PskEnd::Replaced, NOW).await?
        });
        pair(&databases, number, A, B).await.unwrap()
    };
    let expire = async |number| {
        let psk = found(&databases, number, A).await;
        change!(databases.one, |tx| router_psk::expire(tx, &psk, NOW).await?)
    };
    let first = pair(&databases, 1, A, B).await.unwrap();
    for router in [A, B] {
        let psk = found(&databases, 1, router).await;
        change!(databases.one, |tx| router_psk::fetch(tx, &psk, router, &report(), NOW).await?);
    }
    replace(first, 2).await;
    assert!(expire(2).await && !expire(2).await);
    assert_eq!(in_force(&databases, A, B).await.unwrap().id, first.to_string());
    assert_eq!(
        ended(&databases, A).await,
        [None],
        "the one in force is told, not the one that expired"
    );
    let standing = async |id: Uuid| {
        router_psk::standing(&mut databases.two.read(), &id.to_string()).await.unwrap()
    };
    assert_eq!(standing(first).await, Some(Standing::InForce));
    // One that not both ends had is no key to go back to.
    let third = replace(first, 3).await;
    assert_eq!(standing(first).await, Some(Standing::Replaced), "it still works at both ends");
    replace(third, 4).await;
    assert!(expire(4).await);
    assert_eq!(in_force(&databases, A, B).await, None);
    // Nor one that was ended for another reason.
    pair(&databases, 5, A, C).await.unwrap();
    change!(databases.one, |tx| {
        let psk = router_psk::in_force(tx, A, C).await?.unwrap();
        router_psk::end(tx, &psk.id, PskEnd::Withdrawn, NOW).await?
    });
    pair(&databases, 6, A, C).await.unwrap();
    assert!(expire(6).await);
    assert_eq!(in_force(&databases, A, C).await, None);
}

async fn what_takes_a_routers_right_ends_its_keys(databases: Databases) {
    let of_both = pair(&databases, 1, A, B).await.unwrap();
    pair(&databases, 2, B, C).await.unwrap();
    change!(databases.one, |tx| terminal_hold::begin(tx, A, "", NOW).await?);
    assert_eq!(ended(&databases, A).await, [Some(PskEnd::RouterHeld)]);
    assert_eq!(sealed(&databases, of_both).await, None);
    assert!(in_force(&databases, B, C).await.is_some(), "no pair of that router");
    let revocation =
        Revocation { crl_reason: 5, cause: "retired", note: "", person_id: Some("p"), at: NOW };
    change!(databases.one, |tx| terminal::revoke(tx, B, FACILITY, revocation).await?);
    assert_eq!(ended(&databases, C).await, [Some(PskEnd::RouterRevoked)]);
    // A hold that is released and a suspension that is over bring no key back.
    change!(databases.one, |tx| terminal_hold::end(tx, A, "", NOW).await?);
    for (number, change, reason) in [
        (3, StatusChange::Suspend, PskEnd::FacilitySuspended),
        (4, StatusChange::Close, PskEnd::FacilityClosed),
    ] {
        pair(&databases, number, A, C).await.unwrap();
        change!(databases.one, |tx| {
            organisation::change_status(tx, FACILITY, change, "p", "", NOW).await?
        });
        assert_eq!(ended(&databases, C).await.first(), Some(&Some(reason)));
        change!(databases.one, |tx| {
            organisation::change_status(tx, FACILITY, StatusChange::Resume, "p", "", NOW).await?
        });
        assert_eq!(in_force(&databases, A, C).await, None);
    }
}

async fn what_was_not_fetched_in_time_is_found(databases: Databases) {
    let half = pair(&databases, 1, A, B).await.unwrap();
    pair(&databases, 2, A, C).await.unwrap();
    for (number, router) in [(1, A), (2, A), (2, C)] {
        let psk = found(&databases, number, router).await;
        change!(databases.one, |tx| router_psk::fetch(tx, &psk, router, &report(), NOW).await?);
    }
    let expired = async |at| {
        let expired = router_psk::expired(&mut databases.two.read(), at, 9).await.unwrap();
        expired.into_iter().map(|psk| psk.id).collect::<Vec<_>>()
    };
    assert_eq!(expired(NOW + Duration::DAY - Duration::SECOND).await, [""; 0]);
    assert_eq!(expired(NOW + Duration::DAY).await, [half.to_string()]);
}
