//! Grants that are owed to an emergency access, and end with it.

use sekisho_store::{
    Store,
    emergency_access::EmergencyAccess,
    service::{self, Service},
    session,
    token_grant::{self, Grant},
};
use time::Duration;

use crate::{
    NOW,
    databases::Databases,
    emergency_access::{begun, find, logins},
    exchange::{grant, referral},
    login,
};

on_both! { login::prepared:
    what_is_owed_is_withdrawn_and_who_was_opened_by_it_is_told
    a_grant_is_owed_to_what_it_was_said_last
    where_the_login_ended_too_nobody_is_told_twice
}

const SESSION: [u8; 32] = [0; 32];

/// An emergency access in a login, and services of which all but `silent` want to hear.
async fn running(store: &Store) -> EmergencyAccess {
    let person_id = logins(store, 1).await;
    let id = begun(store, 0, &person_id, NOW).await;
    change!(store, |tx| {
        for name in ["opened", "near", "caller", "silent"] {
            let address = format!("https://{name}.example/told");
            let backchannel_logout_uri = (name != "silent").then_some(address);
            let named = Service { id: name.into(), backchannel_logout_uri, ..referral() };
            service::add(tx, &named).await?;
        }
    });
    find(store, &id).await
}

/// A grant to a service: of a code of this number, or of an exchange.
async fn granted(store: &Store, service_id: &str, code: Option<u8>, owed_to: Option<&str>) {
    let new = Grant {
        service_id: service_id.into(),
        session_hash: SESSION,
        code_hash: code.map(|number| [number; 32]),
        emergency_id: owed_to.map(str::to_owned),
        ..grant(service_id)
    };
    change!(store, |tx| token_grant::add(tx, &new).await?);
}

async fn owed_to(store: &Store, grant: &str) -> Option<Option<String>> {
    let found = token_grant::live(&mut store.read(), grant).await.unwrap();
    found.map(|grant| grant.emergency_id)
}

/// Payloads of the notices that are due.
async fn told(store: &Store) -> Vec<String> {
    let due = store.claim_outbox("backchannel_logout", NOW, Duration::MINUTE, 9).await.unwrap();
    due.into_iter().map(|message| message.payload).collect()
}

async fn what_is_owed_is_withdrawn_and_who_was_opened_by_it_is_told(databases: Databases) {
    let (store, other) = (&databases.one, &databases.two);
    let running = running(store).await;
    granted(store, "opened", Some(1), Some(&running.id)).await;
    granted(store, "near", Some(2), None).await;
    granted(store, "silent", Some(3), Some(&running.id)).await;
    granted(store, "caller", None, Some(&running.id)).await;
    assert_eq!(owed_to(other, "opened").await, Some(Some(running.id.clone())));
    assert_eq!(owed_to(other, "near").await, Some(None));
    change!(store, |tx| session::withdraw_tokens_of_emergency(tx, &running.id, NOW).await?);
    for gone in ["opened", "silent", "caller"] {
        assert_eq!(owed_to(other, gone).await, None, "{gone}");
    }
    assert_eq!(owed_to(other, "near").await, Some(None));
    let told = told(other).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("opened") && told[0].contains(&hex::encode(SESSION)), "{told:?}");
}

async fn a_grant_is_owed_to_what_it_was_said_last(databases: Databases) {
    let (store, other) = (&databases.one, &databases.two);
    let running = running(store).await;
    granted(store, "opened", Some(1), None).await;
    granted(store, "near", Some(2), Some(&running.id)).await;
    change!(store, |tx| {
        token_grant::owe(tx, "opened", Some(&running.id)).await?;
        token_grant::owe(tx, "near", None).await?;
    });
    assert!(attempt!(store, |tx| token_grant::owe(tx, "opened", Some("nobody's")).await?).is_err());
    assert_eq!(owed_to(other, "opened").await, Some(Some(running.id.clone())));
    change!(store, |tx| session::withdraw_tokens_of_emergency(tx, &running.id, NOW).await?);
    assert_eq!(owed_to(other, "opened").await, None);
    assert_eq!(owed_to(other, "near").await, Some(None));
    assert_eq!(told(other).await.len(), 1);
}

async fn where_the_login_ended_too_nobody_is_told_twice(databases: Databases) {
    let store = &databases.one;
    let running = running(store).await;
    granted(store, "opened", Some(1), Some(&running.id)).await;
    change!(store, |tx| session::end(tx, &SESSION, "logout", NOW).await?);
    assert_eq!(told(store).await.len(), 1);
    change!(store, |tx| session::withdraw_tokens_of_emergency(tx, &running.id, NOW).await?);
    assert!(told(&databases.two).await.is_empty());
}
