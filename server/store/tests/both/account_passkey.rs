//! Passkeys in place of an account's one-time password, as the database sees them.

use sekisho_store::{
    Store, StoreError,
    account_passkey::{self, NewAccountPasskey, Use},
    passkey_challenge::{self, PasskeyChallenge, Purpose},
    password_login::{self, NewLogin, SecondFactor},
    session::{self, AtTerminal, Session},
};
use sekisho_wire::acr;
use time::Duration;

use crate::{
    NOW, count,
    databases::Databases,
    jpki_link::colleague,
    login::{self, card_holder, open_session, start},
    race,
};

on_both! { login::prepared:
    one_is_found_by_its_credential_and_its_person_until_it_is_removed
    one_credential_is_enrolled_by_exactly_one_of_many
    it_is_held_once
    only_the_sessions_that_it_opened_end_with_it
    with_the_factors_all_of_a_person_are_void_and_nobody_else_s
    a_question_keeps_its_purpose
}

fn new<'a>(person_id: &'a str, credential_id: &'a [u8]) -> NewAccountPasskey<'a> {
    NewAccountPasskey {
        person_id,
        credential_id,
        credential: "{}",
        name: "赤い鍵",
        enrolled_by: "l1",
        at: NOW,
    }
}

async fn enrolled(store: &Store, person_id: &str, credential_id: &[u8]) -> String {
    change!(store, |tx| account_passkey::enrol(tx, &new(person_id, credential_id)).await?)
}

async fn one_is_found_by_its_credential_and_its_person_until_it_is_removed(databases: Databases) {
    let store = &databases.one;
    let (person_id, other) = (card_holder(store).await, colleague(store).await);
    let id = enrolled(store, &person_id, &[7; 20]).await;
    let mut reader = databases.two.read();
    let found = account_passkey::of_credential(&mut reader, &[7; 20]).await.unwrap().unwrap();
    assert_eq!((&found.id, &found.person_id), (&id, &person_id));
    assert_eq!((found.credential.as_str(), found.name.as_str()), ("{}", "赤い鍵"));
    assert_eq!((found.enrolled_at, found.last_used_at, found.held_at), (NOW, None, None));
    assert_eq!(account_passkey::of_person(&mut reader, &person_id).await.unwrap(), [found]);
    assert!(account_passkey::of_person(&mut reader, &other).await.unwrap().is_empty());
    assert_eq!(account_passkey::of_credential(&mut reader, &[8; 20]).await.unwrap(), None);
    assert!(!change!(store, |tx| account_passkey::remove(tx, &other, &id, NOW).await?));
    assert!(change!(store, |tx| account_passkey::remove(tx, &person_id, &id, NOW).await?));
    assert!(!change!(store, |tx| account_passkey::remove(tx, &person_id, &id, NOW).await?));
    assert_eq!(account_passkey::of_credential(&mut reader, &[7; 20]).await.unwrap(), None);
    let again =
        attempt!(store, |tx| { account_passkey::enrol(tx, &new(&person_id, &[7; 20])).await? });
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })), "{again:?}");
}

async fn one_credential_is_enrolled_by_exactly_one_of_many(databases: Databases) {
    let (one, two) = (card_holder(&databases.one).await, colleague(&databases.one).await);
    let outcomes = race(&databases, |number, store| {
        let person_id = if number % 2 == 0 { one.clone() } else { two.clone() };
        async move {
            attempt!(store, |tx| account_passkey::enrol(tx, &new(&person_id, &[7; 20])).await?)
        }
    })
    .await;
    assert_eq!(count(&outcomes, Result::is_ok), 1, "{outcomes:?}");
}

async fn it_is_held_once(databases: Databases) {
    let person_id = card_holder(&databases.one).await;
    let id = enrolled(&databases.one, &person_id, &[7; 20]).await;
    let outcomes = race(&databases, |_, store| {
        let id = id.clone();
        async move { change!(store, |tx| account_passkey::hold(tx, &id, NOW).await?) }
    })
    .await;
    assert_eq!(count(&outcomes, |held| *held), 1);
    let found = account_passkey::of_credential(&mut databases.two.read(), &[7; 20]).await.unwrap();
    assert_eq!(found.unwrap().held_at, Some(NOW));
}

async fn only_the_sessions_that_it_opened_end_with_it(databases: Databases) {
    let store = &databases.one;
    let person_id = card_holder(store).await;
    let membership_id = start(store, &person_id).await;
    let by = open_session(store, 1, &person_id, &membership_id).await;
    let (one, two) =
        (enrolled(store, &person_id, &[1]).await, enrolled(store, &person_id, &[2]).await);
    let later = NOW + Duration::MINUTE;
    for (number, id) in [(2, &one), (3, &two)] {
        change!(store, |tx| {
            let login = NewLogin {
                person_id: &person_id,
                at: later,
                terminal_fingerprint: &[2; 32],
                second_factor: SecondFactor::Passkey,
            };
            let login_id = password_login::keep(tx, login).await?;
            let used = Use {
                account_passkey_id: id,
                login_id: &login_id,
                at: later,
                client_data: b"{}",
                authenticator_data: &[1],
                signature: &[2],
            };
            account_passkey::note_use(tx, used, "{\"counter\":1}").await?;
            let at = by.at_terminal.clone().unwrap();
            let opened = Session {
                id_hash: [number; 32],
                at_terminal: Some(AtTerminal { evidence_id: login_id, ..at }),
                acr: acr::PASSWORD_TOTP.into(),
                ..by.clone()
            };
            session::open(tx, &opened).await?;
        });
    }
    let found = account_passkey::of_credential(&mut databases.two.read(), &[1]).await.unwrap();
    let found = found.unwrap();
    assert_eq!((found.credential.as_str(), found.last_used_at), ("{\"counter\":1}", Some(later)));
    let ended = change!(store, |tx| {
        session::end_of_second_factor(tx, &one, "passkey_removed", later).await?
    });
    let ended: Vec<_> = ended.into_iter().map(|ended| ended.id_hash).collect();
    assert_eq!(ended, [[2; 32]]);
}

async fn with_the_factors_all_of_a_person_are_void_and_nobody_else_s(databases: Databases) {
    let store = &databases.one;
    let (person_id, other) = (card_holder(store).await, colleague(store).await);
    for number in 1..=3 {
        enrolled(store, &person_id, &[number]).await;
    }
    enrolled(store, &other, &[9]).await;
    assert_eq!(change!(store, |tx| account_passkey::void(tx, &person_id, NOW).await?), 3);
    assert_eq!(change!(store, |tx| account_passkey::void(tx, &person_id, NOW).await?), 0);
    let mut reader = databases.two.read();
    assert!(account_passkey::of_person(&mut reader, &person_id).await.unwrap().is_empty());
    assert_eq!(account_passkey::of_person(&mut reader, &other).await.unwrap().len(), 1);
}

async fn a_question_keeps_its_purpose(databases: Databases) {
    for (number, purpose) in
        [(1, Purpose::SecondFactor), (2, Purpose::EnrolSecondFactor), (3, Purpose::Login)]
    {
        let asked = PasskeyChallenge {
            challenge_hash: [number; 32],
            browser_hash: [1; 32],
            terminal_fingerprint: [2; 32],
            purpose,
            state: "{}".into(),
            session_hash: None,
            session_evidence_id: None,
            return_to: None,
            created_at: NOW,
            expires_at: NOW + Duration::minutes(3),
        };
        change!(databases.one, |tx| passkey_challenge::remember(tx, &asked).await?);
        let found = change!(databases.two, |tx| {
            passkey_challenge::consume(tx, &[number; 32], NOW).await?
        });
        let sekisho_store::challenge::Consumption::Consumed(found) = found else {
            panic!("it was remembered")
        };
        assert_eq!(found.purpose, purpose);
    }
}
