//! Requests that wait for a person: one key for each code, decided once.

use sekisho_store::{
    enrolment_code::{self, Attempt, Claim, ClaimPolicy, CodeRefusal, NewCode},
    waiting_enrolment::{self, Decision, Parked, Poll, Request},
};
use time::{Duration, OffsetDateTime};

use crate::{FACILITY, NOW, TERMINAL, databases::Databases, once::prepared};

const CODE: [u8; 32] = [40; 32];
const KEY: [u8; 32] = [41; 32];
const OTHER: [u8; 32] = [42; 32];
const POLICY: ClaimPolicy =
    ClaimPolicy { same_key_grace: Duration::minutes(15), issuance_limit: Duration::seconds(10) };

on_both! { prepared:
    a_key_waits_until_a_person_approves_it_and_is_the_only_one_that_uses_the_code
    a_refusal_ends_the_code
    two_processes_let_one_key_wait
}

fn attempt(key: &[u8; 32], at: OffsetDateTime) -> Attempt<'_> {
    Attempt { terminal_id: TERMINAL, code_hash: &CODE, spki_sha256: key, at }
}

fn request(key: &[u8; 32]) -> Request<'_> {
    Request {
        attempt: attempt(key, NOW),
        key_kind: "P-256",
        door: "scep",
        poll: Some(Poll { transaction_id: "t-1", sealed_request: b"sealed" }),
        address: "192.0.2.1",
        until: NOW + Duration::days(7),
    }
}

async fn code_to_approve(databases: &Databases) {
    let code = NewCode {
        code_hash: &CODE,
        terminal_id: TERMINAL,
        tries: 5,
        person_id: "p",
        created_at: NOW,
        expires_at: NOW + Duration::DAY,
        needs_approval: true,
    };
    change!(databases.one, |tx| enrolment_code::issue(tx, code).await?);
}

async fn a_key_waits_until_a_person_approves_it_and_is_the_only_one_that_uses_the_code(
    databases: Databases,
) {
    let store = &databases.one;
    code_to_approve(&databases).await;
    let bring = async |key, at| {
        change!(store, |tx| enrolment_code::claim(tx, attempt(key, at), POLICY).await?)
    };
    assert!(matches!(bring(&KEY, NOW).await, Claim::NeedsApproval(_)));
    let park = async |key| change!(store, |tx| waiting_enrolment::park(tx, request(key)).await?);
    assert_eq!(park(&KEY).await, Parked::First);
    assert_eq!(park(&KEY).await, Parked::Again);
    assert_eq!(park(&OTHER).await, Parked::OtherKey { first: true });
    assert_eq!(park(&OTHER).await, Parked::OtherKey { first: false });

    let mut reader = databases.two.read();
    let waits = async |reader: &mut _, key, transaction| {
        waiting_enrolment::waits(reader, attempt(key, NOW), transaction).await.unwrap()
    };
    assert!(waits(&mut reader, &KEY, Some("t-1")).await);
    assert!(!waits(&mut reader, &KEY, Some("t-2")).await);
    assert!(waits(&mut reader, &KEY, None).await);
    // A door without transactions takes none away.
    let by_est = Request { door: "est", poll: None, ..request(&KEY) };
    let again = change!(store, |tx| waiting_enrolment::park(tx, by_est).await?);
    assert_eq!(again, Parked::Again);
    // Guessing is worth nothing once a key came, and does not end what waits.
    for _ in 0..9 {
        change!(store, |tx| enrolment_code::count_wrong(tx, TERMINAL, NOW).await?);
    }
    assert!(!waits(&mut reader, &OTHER, Some("t-1")).await);
    let day = NOW + Duration::days(3);
    let waiting =
        waiting_enrolment::of_terminal(&mut reader, TERMINAL, day).await.unwrap().unwrap();
    assert_eq!((waiting.spki_sha256, waiting.until), (KEY, NOW + Duration::days(7)));
    assert!(waiting.other_key_came);
    let all = waiting_enrolment::of_facility(&mut reader, FACILITY, 10, day).await.unwrap();
    assert_eq!(all, [waiting]);
    let polled = waiting_enrolment::of_transaction(&mut reader, "scep", "t-1", &KEY).await.unwrap();
    assert_eq!(polled.unwrap().sealed_request, b"sealed");
    for (door, transaction, key) in
        [("cmp", "t-1", KEY), ("scep", "t-2", KEY), ("scep", "t-1", OTHER)]
    {
        let nothing = waiting_enrolment::of_transaction(&mut reader, door, transaction, &key).await;
        assert_eq!(nothing.unwrap(), None, "{door} {transaction}");
    }
    drop(reader);

    let until = day + Duration::days(7);
    let decide = async |key, at| {
        let decision = Decision::Approve { until };
        change!(store, |tx| {
            waiting_enrolment::decide(tx, (TERMINAL, key), decision, "p", at).await?
        })
    };
    assert!(!decide(&OTHER, day).await);
    assert!(!decide(&KEY, NOW + Duration::days(7)).await, "its time is over");
    assert!(decide(&KEY, day).await);
    assert!(!decide(&KEY, day).await, "it was decided");
    assert!(matches!(bring(&OTHER, day).await, Claim::NeedsApproval(_)));
    assert_eq!(park(&OTHER).await, Parked::OtherKey { first: false });
    let late = until - Duration::SECOND;
    assert!(matches!(bring(&KEY, late).await, Claim::Won(_)));
}

async fn a_refusal_ends_the_code(databases: Databases) {
    let store = &databases.one;
    code_to_approve(&databases).await;
    change!(store, |tx| waiting_enrolment::park(tx, request(&KEY)).await?);
    let decision = Decision::Refuse { reason: "違う機器" };
    assert!(change!(store, |tx| {
        waiting_enrolment::decide(tx, (TERMINAL, &KEY), decision, "p", NOW).await?
    }));
    // Nobody was shown the other one's key.
    for (key, refused) in [(KEY, CodeRefusal::NotApproved), (OTHER, CodeRefusal::Withdrawn)] {
        let claim =
            change!(store, |tx| enrolment_code::claim(tx, attempt(&key, NOW), POLICY).await?);
        assert_eq!(claim, Claim::Refused(refused));
    }
    let mut reader = store.read();
    let waiting = waiting_enrolment::of_terminal(&mut reader, TERMINAL, NOW).await.unwrap();
    assert_eq!(waiting, None);
}

async fn two_processes_let_one_key_wait(databases: Databases) {
    code_to_approve(&databases).await;
    let park = async |store: &sekisho_store::Store, key: [u8; 32]| {
        change!(store, |tx| waiting_enrolment::park(tx, request(&key)).await?)
    };
    let (one, two) = tokio::join!(park(&databases.one, KEY), park(&databases.two, OTHER));
    let first = [one, two].iter().filter(|parked| **parked == Parked::First).count();
    assert_eq!(first, 1, "{one:?} {two:?}");
}
