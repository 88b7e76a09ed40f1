//! Passes for a day, as the database sees them.

use sekisho_store::{
    Store, StoreError,
    card::{self, CardSubject, PersonNames},
    day_pass::{self, Asked, Given, TRIES},
    session::{self, AtTerminal, Realm, Session},
    world::World,
};
use sekisho_wire::acr;
use time::Duration;

use crate::{
    FACILITY, NOW,
    databases::Databases,
    jpki_link::{VOUCHER, colleague, vouched},
    login::{self, open_session, start},
    race,
};

on_both! { login::prepared:
    a_pass_waits_at_its_terminal_until_it_is_given_or_late
    neither_who_asked_nor_whom_it_is_for_gives_it
    a_pass_is_given_by_exactly_one_of_many
    tries_are_taken_before_and_given_back_after
    a_pass_that_ended_logs_nobody_in_and_only_its_own_sessions_end
    what_a_person_has_ends_but_for_one
    passes_are_listed_where_they_were_given_and_counted_for_whom
}

const CODE: [u8; 32] = [6; 32];
const UNTIL: Duration = Duration::hours(24);

fn terminal() -> String {
    format!("T{FACILITY}")
}

/// Asks for a pass for `person_id`.
async fn ask(store: &Store, person_id: &str, asked_by: &str) -> String {
    let terminal_id = terminal();
    let asked = Asked {
        organisation_id: FACILITY,
        terminal_id: &terminal_id,
        person_id,
        voucher_fingerprint: &VOUCHER,
        asked_by,
        at: NOW,
        confirm_by: NOW + Duration::minutes(10),
    };
    change!(store, |tx| day_pass::ask(tx, asked).await?)
}

/// How `given_by` gives it.
fn given<'a>(
    id: &'a str,
    terminal_id: &'a str,
    given_by: &'a str,
    code_hash: &'a [u8; 32],
) -> Given<'a> {
    Given {
        id,
        terminal_id,
        given_by,
        code_hash,
        pin_phc: "$argon2id$",
        at: NOW,
        valid_until: NOW + UNTIL,
    }
}

/// A third person beside the one with a card and the colleague.
async fn third(store: &Store) -> String {
    of_card(store, "T3").await
}

async fn of_card(store: &Store, serial_number: &str) -> String {
    change!(store, |tx| {
        let subject = CardSubject { issuer_hash: &[3; 32], issuer: "CN=CA", serial_number };
        let names = PersonNames { name: "鈴木", name_kana: "", name_romaji: "" };
        card::enter_person(tx, subject, names, World::Real, NOW).await?
    })
    .person_id
}

/// A pass that was given: of whom, and which.
async fn pass(store: &Store) -> (String, String) {
    let (person_id, asked_by) = (vouched(store).await, colleague(store).await);
    let (id, given_by) = (ask(store, &person_id, &asked_by).await, third(store).await);
    let terminal = terminal();
    assert!(change!(store, |tx| {
        day_pass::give(tx, given(&id, &terminal, &given_by, &CODE)).await?
    }));
    (person_id, id)
}

async fn a_pass_waits_at_its_terminal_until_it_is_given_or_late(databases: Databases) {
    let store = &databases.one;
    let (person_id, asked_by) = (vouched(store).await, colleague(store).await);
    let first = ask(store, &person_id, &asked_by).await;
    let id = ask(store, &person_id, &asked_by).await;
    assert_ne!(first, id);
    let mut reader = databases.two.read();
    let here = terminal();
    let waiting = day_pass::waiting_at(&mut reader, &here, NOW).await.unwrap();
    assert_eq!(waiting.len(), 1, "the later one takes the earlier one's place: {waiting:?}");
    assert_eq!((&waiting[0].id, &waiting[0].person_id), (&id, &person_id));
    assert_eq!(waiting[0].name, "山田　太郎");
    assert_eq!(
        (&waiting[0].asked_by, waiting[0].asked_by_name.as_str()),
        (&asked_by, "佐藤　花子")
    );
    assert!(day_pass::waiting_at(&mut reader, "another", NOW).await.unwrap().is_empty());
    let late = NOW + Duration::minutes(10);
    assert!(day_pass::waiting_at(&mut reader, &here, late).await.unwrap().is_empty());
    let third = third(store).await;
    let tried = Given { at: late, ..given(&id, &here, &third, &CODE) };
    assert!(!change!(store, |tx| day_pass::give(tx, tried).await?), "too late");
    let tried = given(&id, "another", &third, &CODE);
    assert!(!change!(store, |tx| day_pass::give(tx, tried).await?), "at another terminal");
    let tried = given(&first, &here, &third, &CODE);
    assert!(!change!(store, |tx| day_pass::give(tx, tried).await?), "replaced");
    assert!(day_pass::of_code(&mut reader, &CODE).await.unwrap().is_none());
    let tried = given(&id, &here, &third, &CODE);
    assert!(change!(store, |tx| day_pass::give(tx, tried).await?));
    assert!(day_pass::waiting_at(&mut reader, &here, NOW).await.unwrap().is_empty());
}

async fn neither_who_asked_nor_whom_it_is_for_gives_it(databases: Databases) {
    let store = &databases.one;
    let (person_id, asked_by) = (vouched(store).await, colleague(store).await);
    let (id, here) = (ask(store, &person_id, &asked_by).await, terminal());
    for by in [&asked_by, &person_id] {
        let tried = given(&id, &here, by, &CODE);
        assert!(!change!(store, |tx| day_pass::give(tx, tried).await?), "{by}");
    }
    assert_eq!(day_pass::given_since(&mut store.read(), &person_id, NOW - UNTIL).await.unwrap(), 0);
}

async fn a_pass_is_given_by_exactly_one_of_many(databases: Databases) {
    let store = &databases.one;
    let (person_id, asked_by) = (vouched(store).await, colleague(store).await);
    let id = ask(store, &person_id, &asked_by).await;
    let third = third(store).await;
    let outcomes = race(&databases, |number, store| {
        let (id, third, here) = (id.clone(), third.clone(), terminal());
        async move {
            let code = [number; 32];
            change!(store, |tx| day_pass::give(tx, given(&id, &here, &third, &code)).await?)
        }
    })
    .await;
    assert_eq!(outcomes.into_iter().filter(|given| *given).count(), 1);
}

async fn tries_are_taken_before_and_given_back_after(databases: Databases) {
    let (store, two) = (&databases.one, &databases.two);
    let (_, id) = pass(store).await;
    let take = async |at| change!(two, |tx| day_pass::take_try(tx, &id, at).await?);
    assert!(take(NOW).await);
    let login = change!(store, |tx| day_pass::note_login(tx, &id, &[2; 32], NOW).await?);
    let found = day_pass::of_login(&mut two.read(), &login.unwrap()).await.unwrap().unwrap();
    assert_eq!(found.id, id);
    assert!(!take(NOW + UNTIL).await, "its day is over");
    // Many at once guess no more than they may.
    let outcomes = race(&databases, |_, store| {
        let id = id.clone();
        async move { change!(store, |tx| day_pass::take_try(tx, &id, NOW).await?) }
    })
    .await;
    let taken = i64::try_from(outcomes.iter().filter(|taken| **taken).count()).unwrap();
    assert_eq!(taken, TRIES.min(i64::try_from(outcomes.len()).unwrap()));
    for _ in taken..TRIES {
        assert!(take(NOW).await);
    }
    assert!(!take(NOW).await);
}

async fn a_pass_that_ended_logs_nobody_in_and_only_its_own_sessions_end(databases: Databases) {
    let store = &databases.one;
    let (person_id, id) = pass(store).await;
    let membership_id = start(store, &person_id).await;
    let by = open_session(store, 1, &person_id, &membership_id).await;
    let evidence_id = change!(store, |tx| day_pass::note_login(tx, &id, &[2; 32], NOW).await?);
    let at = by.at_terminal.clone().unwrap();
    let at = AtTerminal { evidence_id: evidence_id.clone().unwrap(), ..at };
    let proved =
        Session { id_hash: [2; 32], at_terminal: Some(at), acr: acr::DAY_PASS.into(), ..by };
    change!(store, |tx| session::open(tx, &proved).await?);
    let end = async |facility: &str, at| {
        change!(databases.two, |tx| day_pass::end(tx, &id, facility, "why", at).await?)
    };
    assert_eq!(end("another", NOW).await, None);
    assert_eq!(end(FACILITY, NOW + UNTIL).await, None, "it is over by itself");
    let found = day_pass::of_code(&mut store.read(), &CODE).await.unwrap().unwrap();
    assert!(found.lives_at(NOW + UNTIL - Duration::SECOND) && !found.lives_at(NOW + UNTIL));
    assert_eq!((&found.person_id, found.organisation_id.as_str()), (&person_id, FACILITY));
    assert_eq!((found.pin_phc.as_str(), found.valid_until), ("$argon2id$", NOW + UNTIL));
    assert_eq!((found.voucher.certificate_der.as_slice(), found.ended), (&[1][..], false));
    assert_eq!(end(FACILITY, NOW).await.as_deref(), Some(person_id.as_str()));
    assert_eq!(end(FACILITY, NOW).await, None);
    let ended = change!(store, |tx| session::end_of_day_pass(tx, &id, "why", NOW).await?);
    assert_eq!(ended.iter().map(|ended| ended.id_hash).collect::<Vec<_>>(), [[2; 32]]);
    let mut reader = store.read();
    let other = session::find(&mut reader, Realm::Portal, &[1; 32]).await.unwrap().unwrap();
    assert_eq!(other.ended, None);
    assert!(!day_pass::of_code(&mut reader, &CODE).await.unwrap().unwrap().lives_at(NOW));
    assert!(!change!(store, |tx| day_pass::take_try(tx, &id, NOW).await?));
    let again = change!(store, |tx| day_pass::note_login(tx, &id, &[2; 32], NOW).await?);
    assert_eq!(again, None);
}

async fn what_a_person_has_ends_but_for_one(databases: Databases) {
    let store = &databases.one;
    let (person_id, id) = pass(store).await;
    let asked_by = of_card(store, "T6").await;
    let waiting = ask(store, &person_id, &asked_by).await;
    let end = async |except: &str| {
        change!(databases.two, |tx| {
            day_pass::end_of_person(tx, &person_id, except, "card_back", NOW).await?
        })
    };
    assert_eq!(end(&id).await, [waiting]);
    assert_eq!(end("").await, [id]);
    assert!(end("").await.is_empty());
    let other = colleague_again(store, &person_id).await;
    assert!(matches!(other, Err(StoreError::AlreadyExists { .. })), "{other:?}");
}

/// A second pass with the same code, which no two have.
async fn colleague_again(store: &Store, person_id: &str) -> Result<(), StoreError> {
    let (asked_by, given_by) = (of_card(store, "T4").await, of_card(store, "T5").await);
    let here = terminal();
    let id = ask(store, person_id, &asked_by).await;
    attempt!(store, |tx| day_pass::give(tx, given(&id, &here, &given_by, &CODE)).await?).map(drop)
}

async fn passes_are_listed_where_they_were_given_and_counted_for_whom(databases: Databases) {
    let store = &databases.one;
    let (person_id, id) = pass(store).await;
    let mut reader = databases.two.read();
    let before = NOW - Duration::SECOND;
    assert_eq!(day_pass::given_since(&mut reader, &person_id, before).await.unwrap(), 1);
    assert_eq!(day_pass::given_since(&mut reader, &person_id, NOW).await.unwrap(), 0);
    let listed = day_pass::list(&mut reader, FACILITY, before, 9).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].id, &listed[0].person_id), (&id, &person_id));
    assert_eq!(
        [&listed[0].name, &listed[0].asked_by_name, &listed[0].given_by_name],
        ["山田　太郎", "佐藤　花子", "鈴木"]
    );
    assert_eq!((listed[0].given_at, listed[0].valid_until), (NOW, NOW + UNTIL));
    assert_eq!((listed[0].tries_left, &listed[0].ended), (TRIES, &None));
    assert!(day_pass::list(&mut reader, FACILITY, NOW, 9).await.unwrap().is_empty());
    assert!(day_pass::list(&mut reader, "another", before, 9).await.unwrap().is_empty());
    change!(store, |tx| day_pass::end(tx, &id, FACILITY, "why", NOW).await?);
    let listed = day_pass::list(&mut reader, FACILITY, before, 9).await.unwrap();
    assert_eq!(listed[0].ended, Some((NOW, "why".to_owned())));
    let (fingerprint, voucher) =
        day_pass::card_at_home(&mut reader, &person_id).await.unwrap().unwrap();
    assert_eq!((fingerprint, voucher.serial_number.as_str()), (VOUCHER, "Test1"));
    assert_eq!(day_pass::card_at_home(&mut reader, "another").await.unwrap(), None);
}
