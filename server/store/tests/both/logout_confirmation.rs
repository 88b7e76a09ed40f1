//! Services that have not confirmed a logout, by the browser profile in which it was.

use sekisho_store::{
    Store,
    logout_confirmation::{self, Unconfirmed},
    service::{self, Service},
    session,
    token_grant::{self, Grant},
};
use time::Duration;

use crate::{
    NOW,
    databases::Databases,
    exchange::{grant, referral},
    jpki_link::colleague,
    login::{self, card_holder, open_session, start},
};

on_both! { login::prepared:
    what_did_not_confirm_is_known_to_the_next_person_in_the_profile
    a_service_is_asked_again_after_a_while_and_in_place_of_the_notice_before
    what_else_stood_in_a_profile_ends_and_tells
}

const PROFILE: [u8; 32] = [9; 32];

/// Sessions of two people, 0 and 1, in one profile, and one of the second in another; `records` and `silent`, which is
/// told of nothing, were given something by the first.
async fn two(store: &Store) {
    let (first, second) = (card_holder(store).await, colleague(store).await);
    let (of_first, of_second) = (start(store, &first).await, start(store, &second).await);
    for (number, person, membership, profile) in [
        (0, &first, &of_first, PROFILE),
        (1, &second, &of_second, PROFILE),
        (2, &second, &of_second, [8; 32]),
    ] {
        open_session(store, number, person, membership).await;
        change!(store, |tx| session::note_profile(tx, &[number; 32], &profile).await?);
    }
    change!(store, |tx| {
        for name in ["records", "silent"] {
            let address = (name == "records").then(|| "https://records.example/told".to_owned());
            let new = Service { id: name.into(), backchannel_logout_uri: address, ..referral() };
            service::add(tx, &new).await?;
            let given = Grant {
                service_id: name.into(),
                session_hash: [0; 32],
                code_hash: None,
                ..grant(name)
            };
            token_grant::add(tx, &given).await?;
        }
    });
}

async fn unconfirmed(store: &Store, session: u8) -> Vec<Unconfirmed> {
    logout_confirmation::unconfirmed(&mut store.read(), &[session; 32]).await.unwrap()
}

async fn what_did_not_confirm_is_known_to_the_next_person_in_the_profile(databases: Databases) {
    let (store, other) = (&databases.one, &databases.two);
    two(store).await;
    assert_eq!(unconfirmed(other, 1).await, []);
    change!(store, |tx| session::end(tx, &[0; 32], "logout", NOW).await?);
    let waits = unconfirmed(other, 1).await;
    assert_eq!(waits.len(), 1, "{waits:?}");
    assert_eq!((waits[0].service_id.as_str(), waits[0].session_hash), ("records", [0; 32]));
    assert_eq!(unconfirmed(other, 0).await, [], "it was theirs");
    assert_eq!(unconfirmed(other, 2).await, [], "another browser");
    // Its notice is claimed by name, once.
    let claim = async |store: &Store| {
        store.claim_message(&waits[0].message_id, NOW, Duration::MINUTE).await.unwrap()
    };
    assert_eq!(claim(store).await.map(|message| message.attempts), Some(0));
    assert!(claim(other).await.is_none());
    store.note_logout_confirmed(&[0; 32], "another", NOW).await.unwrap();
    assert_eq!(unconfirmed(other, 1).await.len(), 1);
    store.note_logout_confirmed(&[0; 32], "records", NOW).await.unwrap();
    assert_eq!(unconfirmed(other, 1).await, []);
}

async fn a_service_is_asked_again_after_a_while_and_in_place_of_the_notice_before(
    databases: Databases,
) {
    let (store, other) = (&databases.one, &databases.two);
    two(store).await;
    change!(store, |tx| session::end(tx, &[0; 32], "logout", NOW).await?);
    let waits = unconfirmed(store, 1).await.remove(0);
    let later = NOW + Duration::seconds(9);
    let ask = async |store: &Store, before, at| {
        change!(store, |tx| logout_confirmation::ask_again(tx, &waits, before, at).await?)
    };
    assert!(!ask(store, NOW - Duration::SECOND, NOW).await, "it was asked just now");
    assert!(ask(store, NOW, later).await);
    assert!(!ask(other, NOW, later).await, "somebody did");
    let now_waits = unconfirmed(other, 1).await.remove(0);
    assert_ne!(now_waits.message_id, waits.message_id);
    let due = other.claim_outbox("backchannel_logout", later, Duration::MINUTE, 9).await.unwrap();
    let due: Vec<_> = due.into_iter().map(|message| message.id).collect();
    assert_eq!(due, [now_waits.message_id], "the one before is over");
    store.note_logout_confirmed(&[0; 32], "records", later).await.unwrap();
    assert!(!ask(store, later, later).await, "it confirmed");
}

async fn what_else_stood_in_a_profile_ends_and_tells(databases: Databases) {
    let (store, other) = (&databases.one, &databases.two);
    two(store).await;
    let ended = change!(store, |tx| {
        session::end_others_of_profile(tx, &PROFILE, &[1; 32], "replaced", NOW).await?
    });
    assert_eq!(ended.iter().map(|session| session.id_hash).collect::<Vec<_>>(), [[0; 32]]);
    assert_eq!(unconfirmed(other, 1).await.len(), 1);
    let again = change!(other, |tx| {
        session::end_others_of_profile(tx, &PROFILE, &[1; 32], "replaced", NOW).await?
    });
    assert_eq!(again, []);
}
