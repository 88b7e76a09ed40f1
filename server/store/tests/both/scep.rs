//! The SCEP door: its registration authority, and which transaction a certificate is told to again.

use sekisho_store::{
    StoreError,
    expiry::Expiring,
    scep_message,
    scep_ra::{self, ScepRa},
    scep_transaction::{self, ScepTransaction},
};
use time::Duration;

use crate::{NOW, count, databases::Databases, race};

on_both! { prepared:
    the_newest_registration_authority_comes_first_and_the_ended_ones_are_gone
    a_certificate_is_bound_to_one_transaction_whoever_comes
    a_transaction_is_found_by_identifier_and_signer_together
    a_message_is_answered_for_the_first_time_once
}

async fn prepared(databases: Databases) -> Databases {
    databases
}

fn ra(number: u8, made_after: Duration) -> ScepRa {
    ScepRa {
        door: "scep".into(),
        certificate_sha256: [number; 32],
        issuer_id: "routers".into(),
        certificate_der: vec![0x30, number],
        sealed_key: vec![1, 2, 3],
        made_at: NOW + made_after,
        not_after: NOW + made_after + Duration::DAY,
    }
}

fn transaction(number: u8, id: &str, signer: u8) -> ScepTransaction {
    ScepTransaction {
        certificate_sha256: [number; 32],
        transaction_id: id.into(),
        signer_sha256: [signer; 32],
        begun_at: NOW + Duration::seconds(number.into()),
        expires_at: NOW + Duration::DAY,
    }
}

async fn the_newest_registration_authority_comes_first_and_the_ended_ones_are_gone(
    databases: Databases,
) {
    let (first, second) = (ra(1, Duration::ZERO), ra(2, Duration::HOUR));
    change!(databases.one, |tx| {
        scep_ra::add(tx, &first).await?;
        scep_ra::add(tx, &second).await?;
    });
    let again = attempt!(databases.two, |tx| scep_ra::add(tx, &first).await?);
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })), "{again:?}");
    let at = async |now| scep_ra::in_force(&mut databases.two.read(), "scep", now).await.unwrap();
    assert_eq!(at(NOW).await, [second.clone(), first.clone()]);
    let after_first = first.not_after + Duration::SECOND;
    assert_eq!(at(after_first).await, std::slice::from_ref(&second));
    let forget = async |before| {
        databases.one.forget_expired(Expiring::ScepAuthorities, before, 100).await.unwrap()
    };
    assert_eq!(forget(first.not_after).await, 0);
    assert_eq!(forget(after_first).await, 1);
    assert_eq!(at(NOW).await, [second]);
}

async fn a_certificate_is_bound_to_one_transaction_whoever_comes(databases: Databases) {
    let bound = race(&databases, |number, store| async move {
        let mine = transaction(9, &format!("t{number}"), number);
        let found = change!(store, |tx| scep_transaction::bind(tx, &mine).await?);
        (mine, found)
    })
    .await;
    assert_eq!(count(&bound, |(mine, found)| mine == found), 1, "{bound:?}");
    assert!(bound.iter().all(|(_, found)| *found == bound[0].1), "{bound:?}");
    let forget = async |before| {
        databases.one.forget_expired(Expiring::ScepTransactions, before, 100).await.unwrap()
    };
    assert_eq!(forget(NOW + Duration::DAY).await, 0);
    assert_eq!(forget(NOW + Duration::DAY + Duration::SECOND).await, 1);
}

async fn a_message_is_answered_for_the_first_time_once(databases: Databases) {
    let answered =
        async || scep_message::answered_at(&mut databases.two.read(), &[7; 32]).await.unwrap();
    assert_eq!(answered().await, None);
    for hours in [1, 2] {
        let (at, until) = (NOW + Duration::hours(hours), NOW + Duration::days(hours));
        change!(databases.one, |tx| scep_message::note(tx, &[7; 32], at, until).await?);
        assert_eq!(answered().await, Some(NOW + Duration::HOUR));
    }
    let forget = async |before| {
        databases.one.forget_expired(Expiring::ScepMessages, before, 100).await.unwrap()
    };
    assert_eq!(forget(NOW + Duration::DAY).await, 0);
    assert_eq!(forget(NOW + Duration::DAY + Duration::SECOND).await, 1);
    assert_eq!(answered().await, None);
}

async fn a_transaction_is_found_by_identifier_and_signer_together(databases: Databases) {
    let (older, newer) = (transaction(1, "a", 7), transaction(2, "a", 7));
    change!(databases.one, |tx| {
        for one in [&newer, &older, &transaction(3, "a", 8), &transaction(4, "b", 7)] {
            scep_transaction::bind(tx, one).await?;
        }
    });
    let find = async |id, signer: u8| {
        let mut reader = databases.two.read();
        scep_transaction::find(&mut reader, id, &[signer; 32]).await.unwrap()
    };
    assert_eq!(find("a", 7).await, Some(newer));
    assert_eq!(find("b", 7).await.map(|found| found.certificate_sha256), Some([4; 32]));
    assert_eq!(find("b", 8).await, None);
    assert_eq!(find("A", 7).await, None);
}
