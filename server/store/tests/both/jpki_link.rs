//! Linked My Number cards, as the database sees them.

use sekisho_store::{
    Store, StoreError,
    card::{self, CardCertificate, CardSubject, PersonNames},
    challenge::{self, Challenge},
    evidence::{self, Evidence},
    jpki_link::{self, NewLink},
    presence,
    session::{self, Realm},
    world::World,
};
use sekisho_wire::acr;
use time::Duration;

use crate::{
    FACILITY, NOW,
    databases::Databases,
    login::{self, card_holder, open_session, start},
    race,
};

on_both! { login::prepared:
    a_link_is_found_by_its_certificate_its_person_and_its_login
    one_certificate_is_linked_to_one_person_and_one_person_to_one_certificate
    a_link_that_ended_is_known_by_nothing_but_its_key
    sessions_of_one_level_end_together
    a_session_waits_for_another_card_until_its_challenge_is_over
    a_card_that_made_room_gives_its_place_and_no_other_does
}

pub(crate) const VOUCHER: [u8; 32] = [4; 32];
const KEY: &[u8] = &[5, 5];

/// The physician with the certificate that vouches.
pub(crate) async fn vouched(store: &Store) -> String {
    let person_id = card_holder(store).await;
    let subject = CardSubject { issuer_hash: &[3; 32], issuer: "CN=CA", serial_number: "Test1" };
    let identity = card::find(&mut store.read(), subject).await.unwrap().unwrap();
    let certificate =
        CardCertificate { fingerprint: &VOUCHER, der: &[1], not_after: NOW + Duration::days(9) };
    change!(store, |tx| card::note_certificate(tx, &identity.id, certificate, NOW).await?);
    person_id
}

pub(crate) async fn colleague(store: &Store) -> String {
    change!(store, |tx| {
        let subject = CardSubject { issuer_hash: &[3; 32], issuer: "CN=CA", serial_number: "T2" };
        let names = PersonNames { name: "佐藤　花子", name_kana: "", name_romaji: "" };
        card::enter_person(tx, subject, names, World::Real, NOW).await?
    })
    .person_id
}

pub(crate) fn link<'a>(person_id: &'a str, serial_hash: &'a [u8; 32]) -> NewLink<'a> {
    NewLink {
        person_id,
        serial_hash,
        fingerprint: serial_hash,
        public_key: KEY,
        not_after: NOW + Duration::days(5),
        voucher_fingerprint: &VOUCHER,
        voucher_evidence_id: "e1",
        evidence_id: "e2",
        at: NOW,
    }
}

async fn a_link_is_found_by_its_certificate_its_person_and_its_login(databases: Databases) {
    let store = &databases.one;
    let person_id = vouched(store).await;
    let id = change!(store, |tx| jpki_link::make(tx, &link(&person_id, &[7; 32])).await?);
    let proof = Evidence {
        at: NOW,
        card_fingerprint: [7; 32],
        terminal_fingerprint: [2; 32],
        request_jws: "a.b.c".into(),
        signed_input: vec![1],
        algorithm: "RS256".into(),
        signature: vec![2],
        page_proof: "d.e.f".into(),
    };
    let other = Evidence { card_fingerprint: VOUCHER, ..proof.clone() };
    let login = change!(store, |tx| evidence::keep(tx, &proof).await?);
    let login_by_hpki = change!(store, |tx| evidence::keep(tx, &other).await?);
    let mut reader = databases.two.read();
    let found = jpki_link::of_serial(&mut reader, &[7; 32]).await.unwrap().unwrap();
    assert_eq!((&found.id, &found.person_id, found.fingerprint), (&id, &person_id, [7; 32]));
    assert_eq!((found.not_after, found.linked_at), (NOW + Duration::days(5), NOW));
    assert_eq!(
        (found.voucher.certificate_der.as_slice(), found.voucher.issuer_hash),
        (&[1][..], [3; 32])
    );
    assert_eq!(found.voucher.serial_number, "Test1");
    assert_eq!(found.voucher.not_after, NOW + Duration::days(9));
    let of_person = jpki_link::of_person(&mut reader, &person_id).await.unwrap();
    assert_eq!(of_person.as_ref(), Some(&found));
    let of_login = jpki_link::of_evidence(&mut reader, &login).await.unwrap();
    assert_eq!(of_login.as_ref(), Some(&found));
    assert_eq!(jpki_link::of_evidence(&mut reader, &login_by_hpki).await.unwrap(), None);
    assert_eq!(jpki_link::of_serial(&mut reader, &[8; 32]).await.unwrap(), None);
    let until = card::expiry_of_evidence(&mut reader, &login_by_hpki).await.unwrap();
    assert_eq!(until, Some(NOW + Duration::days(9)));
    assert_eq!(card::expiry_of_evidence(&mut reader, &login).await.unwrap(), None);
}

async fn one_certificate_is_linked_to_one_person_and_one_person_to_one_certificate(
    databases: Databases,
) {
    let people = [vouched(&databases.one).await, colleague(&databases.one).await];
    // Everybody at once, for two people and two certificates.
    let outcomes = race(&databases, |number, store| {
        let person_id = people[usize::from(number % 2)].clone();
        async move {
            let serial = [number / 2 % 2; 32];
            attempt!(store, |tx| jpki_link::make(tx, &link(&person_id, &serial)).await?).map(drop)
        }
    })
    .await;
    let made = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!((1..=2).contains(&made), "{outcomes:?}");
    let exists = |outcome: &Result<(), StoreError>| {
        matches!(outcome, Ok(()) | Err(StoreError::AlreadyExists { .. }))
    };
    assert!(outcomes.iter().all(exists), "{outcomes:?}");
    let mut reader = databases.one.read();
    let mut linked = Vec::new();
    for serial in [0, 1] {
        let found = jpki_link::of_serial(&mut reader, &[serial; 32]).await.unwrap();
        linked.extend(found.map(|link| link.person_id));
    }
    assert_eq!(linked.len(), made);
    linked.dedup();
    assert_eq!(linked.len(), made, "nobody has two");
}

async fn a_link_that_ended_is_known_by_nothing_but_its_key(databases: Databases) {
    let store = &databases.one;
    let person_id = vouched(store).await;
    change!(store, |tx| jpki_link::make(tx, &link(&person_id, &[7; 32])).await?);
    let ended = change!(store, |tx| jpki_link::end(tx, &person_id, "unlinked", NOW).await?);
    assert!(ended.is_some());
    let again = change!(databases.two, |tx| jpki_link::end(tx, &person_id, "x", NOW).await?);
    assert_eq!(again, None);
    let mut reader = databases.two.read();
    assert_eq!(jpki_link::of_serial(&mut reader, &[7; 32]).await.unwrap(), None);
    assert_eq!(jpki_link::of_person(&mut reader, &person_id).await.unwrap(), None);
    let key = jpki_link::public_key(&mut reader, &[7; 32]).await.unwrap();
    assert_eq!(key.as_deref(), Some(KEY));
    assert_eq!(jpki_link::public_key(&mut reader, &[8; 32]).await.unwrap(), None);
    // And may be made again, by anybody.
    let colleague = colleague(store).await;
    change!(store, |tx| jpki_link::make(tx, &link(&colleague, &[7; 32])).await?);
}

async fn sessions_of_one_level_end_together(databases: Databases) {
    let store = &databases.one;
    let person_id = card_holder(store).await;
    let membership_id = start(store, &person_id).await;
    for id in [1, 2] {
        open_session(store, id, &person_id, &membership_id).await;
    }
    let end = async |person: &str, level: &str| {
        change!(store, |tx| session::end_of_level(tx, person, level, "why", NOW).await?).len()
    };
    assert_eq!((end(&person_id, "urn:y").await, end("another", acr::HPKI_CARD).await), (0, 0));
    assert_eq!(
        (end(&person_id, acr::HPKI_CARD).await, end(&person_id, acr::HPKI_CARD).await),
        (2, 0)
    );
    let found = session::find(&mut store.read(), Realm::Portal, &[1; 32]).await.unwrap().unwrap();
    assert_eq!(found.ended, Some((NOW, "why".to_owned())));
}

async fn a_session_waits_for_another_card_until_its_challenge_is_over(databases: Databases) {
    let store = &databases.one;
    let person_id = card_holder(store).await;
    let membership_id = start(store, &person_id).await;
    open_session(store, 1, &person_id, &membership_id).await;
    let asked = Challenge { session_hash: Some([1; 32]), ..login::challenge() };
    change!(databases.one, |tx| challenge::remember(tx, &asked).await?);
    let waits = async |session: u8, at| {
        let mut reader = databases.two.read();
        challenge::is_awaited(&mut reader, &[session; 32], at).await.unwrap()
    };
    assert!(waits(1, NOW).await);
    assert!(!waits(2, NOW).await && !waits(1, asked.expires_at).await);
    change!(databases.one, |tx| challenge::consume(tx, &asked.nonce_hash, NOW).await?);
    assert!(!waits(1, NOW).await);
    // A card that made room before stays away until the time is over.
    change!(databases.one, |tx| presence::make_room(tx, &[1; 32], NOW).await?);
    assert!(waits(1, NOW).await && !waits(1, asked.expires_at).await);
}

async fn a_card_that_made_room_gives_its_place_and_no_other_does(databases: Databases) {
    let store = &databases.one;
    let person_id = card_holder(store).await;
    let membership_id = start(store, &person_id).await;
    open_session(store, 1, &person_id, &membership_id).await;
    let watched = async |presence_id: &str| {
        let terminal = format!("T{FACILITY}");
        let found = presence::of_presence(&mut databases.two.read(), &terminal, presence_id).await;
        found.unwrap().len()
    };
    change!(store, |tx| presence::watch_instead(tx, &[1; 32], "other", NOW).await?);
    assert_eq!((watched("presence").await, watched("other").await), (1, 0));
    change!(store, |tx| presence::make_room(tx, &[1; 32], NOW).await?);
    change!(store, |tx| presence::watch_instead(tx, &[1; 32], "other", NOW).await?);
    assert_eq!((watched("presence").await, watched("other").await), (0, 1));
    change!(store, |tx| presence::watch_instead(tx, &[1; 32], "third", NOW).await?);
    assert_eq!(watched("other").await, 1, "room is made once");
}
