//! Passkeys and their challenges, as the database sees them.

use sekisho_store::{
    Store, StoreError,
    challenge::Consumption,
    expiry::Expiring,
    jpki_link, news,
    passkey::{self, Login, NewPasskey},
    passkey_challenge::{self, PasskeyChallenge, Purpose},
    session::{self, AtTerminal, Realm, Session},
};
use time::Duration;

use crate::{
    NOW,
    databases::Databases,
    jpki_link::{VOUCHER, colleague, link, vouched},
    login::{self, open_session, start},
    race,
};

on_both! { login::prepared:
    a_passkey_is_found_by_its_credential_its_person_and_its_login
    one_credential_is_enrolled_by_exactly_one_of_many
    a_removed_passkey_is_found_by_nothing_and_only_its_own_sessions_end
    a_passkey_is_held_once
    what_began_or_ended_lately_is_news_also_when_it_is_over
    a_challenge_for_a_passkey_is_consumed_by_exactly_one_of_many
    challenges_for_passkeys_are_counted_while_they_wait_and_go_when_they_are_over
}

fn new<'a>(person_id: &'a str, credential_id: &'a [u8]) -> NewPasskey<'a> {
    NewPasskey {
        person_id,
        credential_id,
        credential: "{}",
        name: "青い鍵",
        voucher_fingerprint: &VOUCHER,
        voucher_evidence_id: "e1",
        at: NOW,
    }
}

async fn enrolled(store: &Store, person_id: &str, credential_id: &[u8]) -> String {
    change!(store, |tx| passkey::enrol(tx, &new(person_id, credential_id)).await?)
}

async fn what_began_or_ended_lately_is_news_also_when_it_is_over(databases: Databases) {
    let store = &databases.one;
    let person_id = vouched(store).await;
    let id = enrolled(store, &person_id, &[7; 20]).await;
    change!(store, |tx| jpki_link::make(tx, &link(&person_id, &[7; 32])).await?);
    let day = NOW + Duration::DAY;
    assert!(change!(store, |tx| passkey::remove(tx, &person_id, &id, day).await?));
    change!(store, |tx| jpki_link::end(tx, &person_id, "unlinked", day).await?);
    let mut reader = databases.two.read();
    let before = NOW - Duration::SECOND;
    let all = news::of_person(&mut reader, &person_id, before).await.unwrap();
    let mut passkeys: Vec<_> = all.iter().map(|news| news.passkey.as_deref()).collect();
    passkeys.sort_unstable();
    assert_eq!(passkeys, [None, Some("青い鍵")]);
    assert!(all.iter().all(|news| news.began == NOW && news.ended == Some(day)));
    let ended = news::of_person(&mut reader, &person_id, NOW).await.unwrap();
    assert_eq!(ended.len(), 2, "their end is later");
    assert!(news::of_person(&mut reader, &person_id, day).await.unwrap().is_empty());
    let colleague = colleague(store).await;
    assert!(news::of_person(&mut reader, &colleague, before).await.unwrap().is_empty());
}

async fn note_login(store: &Store, passkey_id: &str, credential: &str) -> String {
    let login = Login {
        passkey_id,
        at: NOW + Duration::HOUR,
        terminal_fingerprint: &[2; 32],
        client_data: b"{}",
        authenticator_data: &[1],
        signature: &[2],
    };
    change!(store, |tx| passkey::note_login(tx, &login, credential).await?)
}

async fn a_passkey_is_found_by_its_credential_its_person_and_its_login(databases: Databases) {
    let store = &databases.one;
    let person_id = vouched(store).await;
    let id = enrolled(store, &person_id, &[7; 20]).await;
    let second = enrolled(store, &person_id, &[8; 64]).await;
    let mut reader = databases.two.read();
    let found = passkey::of_credential(&mut reader, &[7; 20]).await.unwrap().unwrap();
    assert_eq!((&found.id, &found.person_id, found.name.as_str()), (&id, &person_id, "青い鍵"));
    assert_eq!((found.credential_id.as_slice(), found.credential.as_str()), (&[7; 20][..], "{}"));
    assert_eq!((found.enrolled_at, found.last_used_at, found.held_at), (NOW, None, None));
    assert_eq!(found.voucher.certificate_der, [1]);
    assert_eq!(found.voucher.not_after, NOW + Duration::days(9));
    assert_eq!(
        (found.voucher.issuer_hash, found.voucher.serial_number.as_str()),
        ([3; 32], "Test1")
    );
    assert_eq!(passkey::of_credential(&mut reader, &[9; 20]).await.unwrap(), None);
    let all = passkey::of_person(&mut reader, &person_id).await.unwrap();
    let ids: Vec<_> = all.into_iter().map(|passkey| passkey.id).collect();
    assert_eq!(ids, [id.as_str(), second.as_str()]);

    let login = note_login(store, &id, r#"{"counter":1}"#).await;
    let used = passkey::of_login(&mut reader, &login).await.unwrap().unwrap();
    assert_eq!((&used.id, used.last_used_at), (&id, Some(NOW + Duration::HOUR)));
    assert_eq!(used.credential, r#"{"counter":1}"#);
    assert_eq!(passkey::of_login(&mut reader, "another").await.unwrap(), None);
    let other = passkey::of_credential(&mut reader, &[8; 64]).await.unwrap().unwrap();
    assert_eq!((other.credential.as_str(), other.last_used_at), ("{}", None));
}

async fn one_credential_is_enrolled_by_exactly_one_of_many(databases: Databases) {
    let people = [vouched(&databases.one).await, colleague(&databases.one).await];
    let outcomes = race(&databases, |number, store| {
        let person_id = people[usize::from(number % 2)].clone();
        async move {
            attempt!(store, |tx| passkey::enrol(tx, &new(&person_id, &[7; 20])).await?).map(drop)
        }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    let exists = |outcome: &Result<(), StoreError>| {
        matches!(outcome, Ok(()) | Err(StoreError::AlreadyExists { .. }))
    };
    assert!(outcomes.iter().all(exists), "{outcomes:?}");
}

async fn a_removed_passkey_is_found_by_nothing_and_only_its_own_sessions_end(databases: Databases) {
    let store = &databases.one;
    let person_id = vouched(store).await;
    let membership_id = start(store, &person_id).await;
    let kept = enrolled(store, &person_id, &[8; 20]).await;
    let id = enrolled(store, &person_id, &[7; 20]).await;
    for (number, passkey_id) in [(1, &id), (2, &kept)] {
        let by = open_session(store, number, &person_id, &membership_id).await;
        let evidence_id = note_login(store, passkey_id, "{}").await;
        let at = by.at_terminal.clone().unwrap();
        let proved = Session {
            id_hash: [number + 10; 32],
            at_terminal: Some(AtTerminal { evidence_id, ..at }),
            ..by
        };
        assert!(change!(store, |tx| session::renew(tx, &[number; 32], &proved).await?));
    }
    let remove = async |person: &str| {
        change!(databases.two, |tx| passkey::remove(tx, person, &id, NOW).await?)
    };
    assert!(!remove("another").await);
    assert!(remove(&person_id).await && !remove(&person_id).await);
    let ended = change!(store, |tx| session::end_of_passkey(tx, &id, "why", NOW).await?);
    assert_eq!(ended.iter().map(|ended| ended.id_hash).collect::<Vec<_>>(), [[1; 32]]);
    let mut reader = databases.two.read();
    let other = session::find(&mut reader, Realm::Portal, &[2; 32]).await.unwrap().unwrap();
    assert_eq!(other.ended, None);
    assert_eq!(passkey::of_credential(&mut reader, &[7; 20]).await.unwrap(), None);
    assert_eq!(passkey::of_person(&mut reader, &person_id).await.unwrap().len(), 1);
    // Its credential is never enrolled again: what it signed stays its own.
    let again = attempt!(store, |tx| passkey::enrol(tx, &new(&person_id, &[7; 20])).await?);
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })), "{again:?}");
}

async fn a_passkey_is_held_once(databases: Databases) {
    let store = &databases.one;
    let person_id = vouched(store).await;
    let id = enrolled(store, &person_id, &[7; 20]).await;
    let held = race(&databases, |_, store| {
        let id = id.clone();
        async move { change!(store, |tx| passkey::hold(tx, &id, NOW).await?) }
    })
    .await;
    assert_eq!(held.into_iter().filter(|held| *held).count(), 1);
    let found = passkey::of_credential(&mut store.read(), &[7; 20]).await.unwrap().unwrap();
    assert_eq!(found.held_at, Some(NOW));
}

fn challenge() -> PasskeyChallenge {
    PasskeyChallenge {
        challenge_hash: [1; 32],
        browser_hash: [9; 32],
        terminal_fingerprint: [2; 32],
        purpose: Purpose::Enrol,
        state: r#"{"a":1}"#.into(),
        session_hash: Some([4; 32]),
        session_evidence_id: Some("e1".into()),
        return_to: Some("/".into()),
        created_at: NOW,
        expires_at: NOW + Duration::minutes(3),
    }
}

async fn a_challenge_for_a_passkey_is_consumed_by_exactly_one_of_many(databases: Databases) {
    change!(databases.one, |tx| passkey_challenge::remember(tx, &challenge()).await?);
    let outcomes = race(&databases, |_, store| async move {
        change!(store, |tx| passkey_challenge::consume(tx, &[1; 32], NOW).await?)
    })
    .await;
    let (won, lost): (Vec<_>, Vec<_>) =
        outcomes.into_iter().partition(|outcome| matches!(outcome, Consumption::Consumed(_)));
    assert_eq!(won, [Consumption::Consumed(Box::new(challenge()))]);
    assert!(lost.iter().all(|outcome| *outcome == Consumption::Replayed), "{lost:?}");
    let unknown =
        change!(databases.two, |tx| { passkey_challenge::consume(tx, &[2; 32], NOW).await? });
    assert_eq!(unknown, Consumption::Unknown);
}

async fn challenges_for_passkeys_are_counted_while_they_wait_and_go_when_they_are_over(
    databases: Databases,
) {
    let login = PasskeyChallenge {
        challenge_hash: [2; 32],
        purpose: Purpose::Login,
        session_hash: None,
        session_evidence_id: None,
        return_to: None,
        ..challenge()
    };
    for challenge in [&challenge(), &login] {
        change!(databases.one, |tx| passkey_challenge::remember(tx, challenge).await?);
    }
    let waiting = async |terminal: u8, since| {
        let mut reader = databases.two.read();
        passkey_challenge::unanswered(&mut reader, &[terminal; 32], since).await.unwrap()
    };
    assert_eq!((waiting(2, NOW).await, waiting(3, NOW).await), (2, 0));
    assert_eq!(waiting(2, NOW + Duration::SECOND).await, 0);
    change!(databases.one, |tx| passkey_challenge::consume(tx, &[2; 32], NOW).await?);
    assert_eq!(waiting(2, NOW).await, 1);
    let forget = async |before| {
        databases.one.forget_expired(Expiring::PasskeyChallenges, before, 100).await.unwrap()
    };
    let end = challenge().expires_at;
    assert_eq!((forget(end).await, forget(end + Duration::SECOND).await), (0, 2));
}
