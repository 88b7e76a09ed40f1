//! Files with a key that was made here: made once a form, fetched by one person, gone in time.

use sekisho_store::{
    key_delivery::{self, Delivery, Ended, NewDelivery},
    revocation::{self, Act, Scope, Status},
    terminal,
};
use time::{Duration, OffsetDateTime};

use crate::{
    NOW, TERMINAL, count,
    current_certificate::{ISSUER, certify, status},
    databases::Databases,
    once::{person_id, prepared},
    race,
};

/// The key of the certificates that [`certify`] makes.
const KEY: [u8; 32] = [9; 32];
const ID: &str = "00112233445566778899aabbccddeeff";
const END: OffsetDateTime = NOW.saturating_add(Duration::minutes(15));

on_both! { prepared:
    of_many_that_send_one_form_one_begins
    the_file_is_fetched_by_who_had_it_made_until_its_time_is_over
    what_nobody_fetched_ends_with_its_certificate_and_what_somebody_did_without
    what_is_on_hold_when_nobody_fetched_it_is_never_released
    a_fetch_and_the_end_at_once_never_both_count
    a_certificate_is_noted_since_when_it_was
}

async fn begin(databases: &Databases, id: &str) -> bool {
    let person_id = person_id(&databases.one).await;
    let new = NewDelivery {
        id,
        terminal_id: TERMINAL,
        spki_sha256: &KEY,
        person_id: &person_id,
        at: NOW,
        expires_at: END,
    };
    change!(databases.one, |tx| key_delivery::begin(tx, new).await?)
}

async fn found(databases: &Databases) -> Option<Delivery> {
    key_delivery::find(&mut databases.two.read(), ID).await.unwrap()
}

async fn of_many_that_send_one_form_one_begins(databases: Databases) {
    let person_id = person_id(&databases.one).await;
    let outcomes = race(&databases, |number, store| {
        let person_id = person_id.clone();
        async move {
            let new = NewDelivery {
                id: ID,
                terminal_id: TERMINAL,
                spki_sha256: &[number; 32],
                person_id: &person_id,
                at: NOW,
                expires_at: END,
            };
            change!(store, |tx| key_delivery::begin(tx, new).await?)
        }
    })
    .await;
    assert_eq!(count(&outcomes, |begun| *begun), 1);
    let all = key_delivery::of_terminal(&mut databases.two.read(), TERMINAL).await.unwrap();
    assert_eq!(all.len(), 1);
    assert!(!all[0].has_file && all[0].fetched_at.is_none());
}

async fn the_file_is_fetched_by_who_had_it_made_until_its_time_is_over(databases: Databases) {
    assert!(begin(&databases, ID).await && !begin(&databases, ID).await);
    let person_id = person_id(&databases.one).await;
    let fetch = async |person: &str, at| {
        change!(databases.two, |tx| key_delivery::fetch(tx, ID, person, at).await?)
    };
    assert_eq!(fetch(&person_id, NOW).await, None, "it is not there yet");
    let keep = async |file: &[u8]| {
        change!(databases.one, |tx| key_delivery::keep_file(tx, ID, file).await?)
    };
    assert!(keep(b"file").await && !keep(b"another").await);
    assert_eq!(fetch(&person_id, NOW).await, None, "there is no certificate");
    certify(&databases.one, 1, NOW, NOW + Duration::days(365)).await;
    assert_eq!(fetch("somebody else", NOW).await, None);
    assert_eq!(found(&databases).await.unwrap().fetched_at, None);
    let later = NOW + Duration::MINUTE;
    assert_eq!(fetch(&person_id, later).await.as_deref(), Some(&b"file"[..]));
    assert_eq!(fetch(&person_id, END - Duration::SECOND).await.as_deref(), Some(&b"file"[..]));
    let delivery = found(&databases).await.unwrap();
    assert_eq!((delivery.fetched_at, delivery.has_file), (Some(later), true), "the first time");
    assert_eq!((delivery.spki_sha256, delivery.made_by), (KEY, person_id.clone()));
    assert_eq!(fetch(&person_id, END).await, None);
    change!(databases.one, |tx| {
        revocation::revoke(tx, ISSUER, &[1], revocation::SUPERSEDED, NOW).await?
    });
    assert_eq!(fetch(&person_id, later).await, None, "its certificate is good no longer");
}

async fn what_is_on_hold_when_nobody_fetched_it_is_never_released(databases: Databases) {
    begin(&databases, ID).await;
    certify(&databases.one, 1, NOW, NOW + Duration::days(365)).await;
    change!(databases.one, |tx| key_delivery::keep_file(tx, ID, b"file").await?);
    let held = change!(databases.one, |tx| {
        let scope = Scope::Certificate { issuer_id: ISSUER, serial: &[1] };
        revocation::carry_out(tx, scope, Act::hold(NOW)).await?
    });
    assert_eq!(held.len(), 1);
    let delivery = found(&databases).await.unwrap();
    let ended = change!(databases.one, |tx| key_delivery::end(tx, &delivery, END).await?);
    assert_eq!(ended, Ended::TakenBack(vec![(ISSUER.to_owned(), vec![1])]));
    assert!(status(&databases, 1).await.is_final());
}

async fn what_nobody_fetched_ends_with_its_certificate_and_what_somebody_did_without(
    databases: Databases,
) {
    let person_id = person_id(&databases.one).await;
    let end = async |delivery: &Delivery| {
        change!(databases.one, |tx| key_delivery::end(tx, delivery, END).await?)
    };
    for (serial, fetched) in [(1, true), (2, false)] {
        begin(&databases, ID).await;
        certify(&databases.one, serial, NOW, NOW + Duration::days(365)).await;
        change!(databases.one, |tx| key_delivery::keep_file(tx, ID, b"file").await?);
        let unfetched = found(&databases).await.unwrap();
        if fetched {
            change!(databases.one, |tx| key_delivery::fetch(tx, ID, &person_id, NOW).await?);
            assert_eq!(end(&unfetched).await, Ended::Changed, "it was fetched meanwhile");
        }
        let over = key_delivery::over(&mut databases.two.read(), END, 10).await.unwrap();
        assert!(
            key_delivery::over(&mut databases.two.read(), END - Duration::SECOND, 10)
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(over, [found(&databases).await.unwrap()]);
        match (fetched, end(&over[0]).await) {
            (true, Ended::Forgotten) => assert_eq!(status(&databases, 1).await, Status::Good),
            (false, Ended::TakenBack(certificates)) => {
                let both = [2, 1].map(|serial| (ISSUER.to_owned(), vec![serial]));
                assert_eq!(certificates, both, "every one of the key, not the last alone");
                assert!(matches!(status(&databases, 2).await, Status::Revoked { .. }));
            }
            (_, other) => panic!("{other:?}"),
        }
        assert_eq!(found(&databases).await, None);
        assert_eq!(end(&over[0]).await, Ended::Changed, "it is gone");
    }
}

async fn a_fetch_and_the_end_at_once_never_both_count(databases: Databases) {
    begin(&databases, ID).await;
    certify(&databases.one, 1, NOW, NOW + Duration::days(365)).await;
    change!(databases.one, |tx| key_delivery::keep_file(tx, ID, b"file").await?);
    let person_id = person_id(&databases.one).await;
    let outcomes = race(&databases, |number, store| {
        let person_id = person_id.clone();
        async move {
            if number < 4 {
                let at = END - Duration::SECOND;
                let file = change!(store, |tx| key_delivery::fetch(tx, ID, &person_id, at).await?);
                return (file.is_some(), false);
            }
            let delivery = key_delivery::find(&mut store.read(), ID).await.unwrap();
            let Some(delivery) = delivery.filter(|one| one.fetched_at.is_none()) else {
                return (false, false);
            };
            let ended = change!(store, |tx| key_delivery::end(tx, &delivery, END).await?);
            (false, matches!(ended, Ended::TakenBack(_)))
        }
    })
    .await;
    let (fetched, taken) =
        (count(&outcomes, |(fetched, _)| *fetched), count(&outcomes, |(_, taken)| *taken));
    assert!((fetched > 0) != (taken > 0), "{outcomes:?}");
    assert_eq!(taken > 0, status(&databases, 1).await != Status::Good);
}

async fn a_certificate_is_noted_since_when_it_was(databases: Databases) {
    let since = async |at| {
        terminal::was_certified_since(&mut databases.two.read(), TERMINAL, at).await.unwrap()
    };
    assert!(!since(NOW - Duration::DAY).await);
    certify(&databases.one, 1, NOW, NOW + Duration::DAY).await;
    assert!(since(NOW).await && !since(NOW + Duration::SECOND).await);
}
