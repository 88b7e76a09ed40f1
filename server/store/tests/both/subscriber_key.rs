//! Whose key it is, decided by the table's key.

use sekisho_store::{Store, subscriber_key, terminal};

use crate::{FACILITY, NOW, RACERS, TERMINAL, count, databases::Databases, once::prepared, race};

const KEY: [u8; 32] = [7; 32];

on_both! { prepared:
    a_key_stays_with_the_first_device_that_claimed_it
    of_many_devices_with_one_key_at_once_one_has_it
    a_claim_whose_transaction_fails_leaves_the_key_free
}

async fn claim(store: &Store, terminal_id: &str) -> String {
    change!(store, |tx| subscriber_key::claim(tx, &KEY, terminal_id, NOW).await?)
}

async fn enter(store: &Store, terminal_id: &str) {
    change!(store, |tx| {
        terminal::create(tx, terminal_id, FACILITY, "受付", "p", NOW).await?;
    });
}

async fn a_key_stays_with_the_first_device_that_claimed_it(databases: Databases) {
    enter(&databases.one, "T2222222222").await;
    assert_eq!(claim(&databases.one, TERMINAL).await, TERMINAL);
    assert_eq!(claim(&databases.two, "T2222222222").await, TERMINAL);
    // It may come again for its own.
    assert_eq!(claim(&databases.two, TERMINAL).await, TERMINAL);
    let other = change!(databases.two, |tx| {
        subscriber_key::claim(tx, &[8; 32], "T2222222222", NOW).await?
    });
    assert_eq!(other, "T2222222222");
}

async fn of_many_devices_with_one_key_at_once_one_has_it(databases: Databases) {
    let id = |number: u8| format!("T000000000{number}");
    for number in 0..RACERS {
        enter(&databases.one, &id(number)).await;
    }
    let claims = race(&databases, |number, store| async move {
        let mine = id(number);
        let holder = claim(&store, &mine).await;
        (mine, holder)
    })
    .await;
    assert_eq!(count(&claims, |(mine, holder)| mine == holder), 1, "{claims:?}");
    let (_, winner) = &claims[0];
    assert!(claims.iter().all(|(_, holder)| holder == winner), "{claims:?}");
}

async fn a_claim_whose_transaction_fails_leaves_the_key_free(databases: Databases) {
    enter(&databases.one, "T2222222222").await;
    let failed = attempt!(databases.one, |tx| {
        subscriber_key::claim(tx, &KEY, "T2222222222", NOW).await?;
        // A device that is not in the register.
        subscriber_key::claim(tx, &[9; 32], "T9999999999", NOW).await?
    });
    assert!(failed.is_err());
    assert_eq!(claim(&databases.two, TERMINAL).await, TERMINAL);
}
