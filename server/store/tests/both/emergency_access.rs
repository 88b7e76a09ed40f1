//! Emergency accesses, as the database sees them.

use sekisho_store::{
    Store, StoreError,
    emergency_access::{self, Asked, Begun, EmergencyAccess, Review},
    session,
};
use sekisho_wire::acr;
use time::{Duration, OffsetDateTime};

use crate::{
    FACILITY, NOW, count,
    databases::Databases,
    jpki_link::colleague,
    login::{self, card_holder, open_session, start},
    race,
};

on_both! { login::prepared:
    one_that_began_is_in_force_until_its_hour_or_its_login_is_over
    one_runs_in_a_login_and_a_day_has_so_many_however_many_ask
    an_end_is_noted_once
    it_is_listed_until_somebody_else_reviews_it_once
    what_nobody_reviewed_in_time_is_escalated_once
}

const HOUR: Duration = Duration::HOUR;

pub fn asked<'a>(session_hash: &'a [u8; 32], person_id: &'a str, at: OffsetDateTime) -> Asked<'a> {
    Asked {
        session_hash,
        person_id,
        organisation_id: FACILITY,
        terminal_id: "T123456789007",
        acr: acr::HPKI_CARD,
        visiting: false,
        reason: "disaster",
        words: "地震のため",
        day: "2026-11-21",
        a_day: 3,
        at,
        ends_at: at + HOUR,
        due_at: at + HOUR * 72,
    }
}

/// The physician with as many logins as asked for.
pub async fn logins(store: &Store, many: u8) -> String {
    let person_id = card_holder(store).await;
    let membership_id = start(store, &person_id).await;
    for number in 0..many {
        open_session(store, number, &person_id, &membership_id).await;
    }
    person_id
}

pub async fn begun(store: &Store, session: u8, person_id: &str, at: OffsetDateTime) -> String {
    let begun = change!(store, |tx| {
        emergency_access::begin(tx, asked(&[session; 32], person_id, at)).await?
    });
    match begun {
        Begun::Now { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

pub async fn find(store: &Store, id: &str) -> EmergencyAccess {
    emergency_access::find(&mut store.read(), id).await.unwrap().unwrap()
}

async fn one_that_began_is_in_force_until_its_hour_or_its_login_is_over(databases: Databases) {
    let person_id = logins(&databases.one, 2).await;
    let id = begun(&databases.one, 0, &person_id, NOW).await;
    let mut reader = databases.two.read();
    let last = NOW + HOUR - Duration::SECOND;
    let found = emergency_access::in_force(&mut reader, &[0; 32], last).await.unwrap().unwrap();
    assert_eq!((&found.id, &found.person_id), (&id, &person_id));
    assert_eq!((found.started_at, found.ends_at), (NOW, NOW + HOUR));
    assert_eq!((found.reason.as_str(), found.words.as_str()), ("disaster", "地震のため"));
    assert_eq!((found.organisation_id.as_str(), found.acr.as_str()), (FACILITY, acr::HPKI_CARD));
    assert!(found.runs(last) && !found.runs(NOW + HOUR));
    let over = emergency_access::in_force(&mut reader, &[0; 32], NOW + HOUR).await.unwrap();
    assert_eq!(over, None);
    let other_login = emergency_access::in_force(&mut reader, &[1; 32], NOW).await.unwrap();
    assert_eq!(other_login, None);
    assert_eq!(emergency_access::find(&mut reader, "another").await.unwrap(), None);
    change!(databases.one, |tx| session::end(tx, &[0; 32], "logout", NOW + HOUR / 2).await?);
    assert_eq!(emergency_access::in_force(&mut reader, &[0; 32], last).await.unwrap(), None);
    assert_eq!(find(&databases.two, &id).await.over_at(), NOW + HOUR / 2);
}

async fn one_runs_in_a_login_and_a_day_has_so_many_however_many_ask(databases: Databases) {
    let person_id = logins(&databases.one, 8).await;
    let outcomes = race(&databases, |_, store| {
        let person_id = person_id.clone();
        async move {
            attempt!(store, |tx| {
                emergency_access::begin(tx, asked(&[0; 32], &person_id, NOW)).await?
            })
        }
    })
    .await;
    assert_eq!(count(&outcomes, |one| matches!(one, Ok(Begun::Now { .. }))), 1, "{outcomes:?}");
    let refused = |one: &Result<_, _>| {
        matches!(one, Ok(Begun::Running(_)) | Err(StoreError::AlreadyExists { .. }))
    };
    assert_eq!(count(&outcomes, refused), 7, "{outcomes:?}");
    // The others each in a login of their own.
    let outcomes = race(&databases, |number, store| {
        let person_id = person_id.clone();
        async move {
            let session = [number; 32];
            attempt!(store, |tx| {
                emergency_access::begin(tx, asked(&session, &person_id, NOW)).await?
            })
        }
    })
    .await;
    let made =
        emergency_access::of_person(&mut databases.two.read(), &person_id, 99).await.unwrap();
    assert!((2..=3).contains(&made.len()), "{outcomes:?}");
    for number in 0..8 {
        let session = [number; 32];
        change!(databases.two, |tx| {
            emergency_access::begin(tx, asked(&session, &person_id, NOW)).await?
        });
    }
    let made =
        emergency_access::of_person(&mut databases.two.read(), &person_id, 99).await.unwrap();
    assert_eq!(made.len(), 3);
    let limited = change!(databases.one, |tx| {
        let free = (0..8).find(|number| made.iter().all(|one| one.session_hash != [*number; 32]));
        emergency_access::begin(tx, asked(&[free.unwrap(); 32], &person_id, NOW)).await?
    });
    assert_eq!(limited, Begun::LimitReached);
    // Another day, and another person, has its own.
    let next = change!(databases.one, |tx| {
        let free = (0..8).find(|number| made.iter().all(|one| one.session_hash != [*number; 32]));
        let session = [free.unwrap(); 32];
        let tomorrow = Asked { day: "2026-11-22", ..asked(&session, &person_id, NOW) };
        emergency_access::begin(tx, tomorrow).await?
    });
    assert!(matches!(next, Begun::Now { number: 1, .. }), "{next:?}");
}

async fn an_end_is_noted_once(databases: Databases) {
    let person_id = logins(&databases.one, 3).await;
    let ids = [
        begun(&databases.one, 0, &person_id, NOW).await,
        begun(&databases.one, 1, &person_id, NOW).await,
        begun(&databases.one, 2, &person_id, NOW + Duration::MINUTE).await,
    ];
    let over = async |now| {
        let found = emergency_access::over(&mut databases.two.read(), now, 9).await.unwrap();
        found.into_iter().map(|found| found.id).collect::<Vec<_>>()
    };
    assert!(over(NOW).await.is_empty());
    change!(databases.one, |tx| session::end(tx, &[1; 32], "logout", NOW).await?);
    assert_eq!(over(NOW).await, [ids[1].clone()]);
    let mut at_the_hour = over(NOW + HOUR).await;
    at_the_hour.sort();
    assert_eq!(at_the_hour, [ids[0].clone(), ids[1].clone()]);
    let in_session = async |number: u8, now| {
        let mut reader = databases.two.read();
        emergency_access::over_in_session(&mut reader, &[number; 32], now).await.unwrap().len()
    };
    assert_eq!((in_session(0, NOW).await, in_session(0, NOW + HOUR).await), (0, 1));
    let ended = race(&databases, |_, store| {
        let (id, by) = (ids[0].clone(), person_id.clone());
        async move {
            attempt!(store, |tx| {
                emergency_access::end(tx, &id, "person", Some(&by), NOW + Duration::MINUTE).await?
            })
        }
    })
    .await;
    assert_eq!(count(&ended, |one| *one.as_ref().unwrap()), 1);
    let found = find(&databases.one, &ids[0]).await;
    assert_eq!(found.ended, Some((NOW + Duration::MINUTE, "person".to_owned())));
    assert!(!found.runs(NOW + Duration::MINUTE));
    assert_eq!(in_session(0, NOW + HOUR).await, 0);
    assert_eq!(over(NOW + HOUR * 2).await, [ids[1].clone(), ids[2].clone()]);
}

fn justified(reviewer_id: &str) -> Review {
    Review {
        reviewer_id: reviewer_id.to_owned(),
        at: NOW + HOUR,
        verdict: "justified".to_owned(),
        words: "必要だった".to_owned(),
    }
}

async fn it_is_listed_until_somebody_else_reviews_it_once(databases: Databases) {
    let person_id = logins(&databases.one, 2).await;
    let other = colleague(&databases.one).await;
    let first = begun(&databases.one, 0, &person_id, NOW).await;
    let second = begun(&databases.one, 1, &person_id, NOW + Duration::MINUTE).await;
    let listed = async || {
        let mut reader = databases.two.read();
        let found = emergency_access::of_organisation(&mut reader, FACILITY, 9).await.unwrap();
        let open = emergency_access::count_unreviewed(&mut reader, FACILITY, &other).await.unwrap();
        (found.into_iter().map(|found| found.id).collect::<Vec<_>>(), open)
    };
    // What is due first comes first.
    assert_eq!(listed().await, (vec![first.clone(), second.clone()], 2));
    let mut reader = databases.one.read();
    let own = emergency_access::count_unreviewed(&mut reader, FACILITY, &person_id).await.unwrap();
    assert_eq!(own, 0, "nobody reviews their own");
    let day = NOW.date().to_string();
    let of_day = emergency_access::of_day(&mut reader, &person_id, &day).await.unwrap();
    assert_eq!(of_day, 2);
    assert_eq!(emergency_access::of_day(&mut reader, &other, &day).await.unwrap(), 0);
    drop(reader);
    let own: Result<bool, _> = attempt!(databases.one, |tx| {
        emergency_access::review(tx, &second, &justified(&person_id)).await?
    });
    assert!(own.is_err(), "the database as well keeps them apart: {own:?}");
    let said =
        race(&databases, |_, store| {
            let (id, other) = (second.clone(), other.clone());
            async move {
                attempt!(store, |tx| emergency_access::review(tx, &id, &justified(&other)).await?)
            }
        })
        .await;
    assert_eq!(count(&said, |one| *one.as_ref().unwrap()), 1, "{said:?}");
    assert_eq!(find(&databases.two, &second).await.review, Some(justified(&other)));
    // What is open comes first.
    assert_eq!(listed().await, (vec![first, second], 1));
    let mut reader = databases.one.read();
    let elsewhere = emergency_access::of_organisation(&mut reader, "223456789005", 9).await;
    assert_eq!(elsewhere.unwrap(), []);
    assert_eq!(emergency_access::of_person(&mut reader, &other, 9).await.unwrap(), []);
}

async fn what_nobody_reviewed_in_time_is_escalated_once(databases: Databases) {
    let person_id = logins(&databases.one, 2).await;
    let other = colleague(&databases.one).await;
    let id = begun(&databases.one, 0, &person_id, NOW).await;
    let reviewed = begun(&databases.one, 1, &person_id, NOW).await;
    change!(databases.one, |tx| {
        emergency_access::review(tx, &reviewed, &justified(&other)).await?
    });
    let due = NOW + HOUR * 72;
    let mut reader = databases.two.read();
    let early = emergency_access::overdue(&mut reader, due - Duration::SECOND, 9).await.unwrap();
    assert_eq!(early, []);
    let overdue = emergency_access::overdue(&mut reader, due, 9).await.unwrap();
    assert_eq!(overdue.iter().map(|one| &one.id).collect::<Vec<_>>(), [&id]);
    let escalated = race(&databases, |_, store| {
        let id = id.clone();
        async move { attempt!(store, |tx| emergency_access::escalate(tx, &id, due).await?) }
    })
    .await;
    assert_eq!(count(&escalated, |one| *one.as_ref().unwrap()), 1);
    assert_eq!(emergency_access::overdue(&mut reader, due, 9).await.unwrap(), []);
    let shown = emergency_access::escalated(&mut reader, 9).await.unwrap();
    assert_eq!((shown.len(), shown[0].escalated_at), (1, Some(due)));
    assert_eq!(emergency_access::count_escalated(&mut reader).await.unwrap(), 1);
    let of_reviewed =
        change!(databases.one, |tx| { emergency_access::escalate(tx, &reviewed, due).await? });
    assert!(!of_reviewed);
    change!(databases.one, |tx| emergency_access::review(tx, &id, &justified(&other)).await?);
    assert_eq!(emergency_access::count_escalated(&mut reader).await.unwrap(), 0);
    assert_eq!(emergency_access::escalated(&mut reader, 9).await.unwrap(), []);
}
