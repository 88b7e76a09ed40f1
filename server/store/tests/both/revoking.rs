//! Revocations, holds and releases under several processes, whose clocks differ.

use sekisho_store::{
    Store,
    certificate::{Intention, Signed},
    facility_connection,
    organisation::{self, StatusChange},
    revocation::{self, Act, CERTIFICATE_HOLD, Scope, Status},
};
use time::{Duration, OffsetDateTime};

use crate::{FACILITY, NOW, RACERS, TERMINAL, count, databases::Databases, once::prepared, race};

const ISSUER: &str = "terminals";

on_both! { prepared:
    a_certificate_is_revoked_once_by_many
    a_hold_is_told_from_a_revocation_at_the_connection
    a_hold_and_a_release_at_once_leave_one_order_of_events
    a_skewed_clock_never_turns_revoked_into_good
    a_quarantine_takes_everything_and_gives_back_only_what_it_took
    what_was_issued_during_a_quarantine_is_held_too
    a_key_takes_all_its_certificates_and_is_listed
    an_issuer_takes_everything_that_it_signed
}

async fn certify(store: &Store, serial: u8, key: u8) {
    let serial = [serial];
    store.reserve_serial(ISSUER, &serial, NOW).await.unwrap();
    let intention = Intention {
        issuer_id: ISSUER,
        serial: &serial,
        profile: "terminal",
        tbs_der: &[0x30],
        organisation_id: Some(FACILITY),
        terminal_id: Some(TERMINAL),
    };
    store.record_intention(intention, NOW).await.unwrap();
    let signed = Signed {
        issuer_id: ISSUER,
        serial: &serial,
        fingerprint: &[serial[0]; 32],
        spki_sha256: &[key; 32],
        not_before: NOW,
        not_after: NOW + Duration::days(365),
        der: &serial,
    };
    store.record_certificate(signed, NOW).await.unwrap();
}

fn one(serial: &[u8]) -> Scope<'_> {
    Scope::Certificate { issuer_id: ISSUER, serial }
}

async fn act(store: &Store, scope: Scope<'_>, act: Act) -> Vec<u8> {
    let changed = change!(store, |tx| revocation::carry_out(tx, scope, act).await?);
    changed.into_iter().map(|(_, serial)| serial[0]).collect()
}

async fn status(store: &Store, serial: u8) -> Status {
    revocation::status(&mut store.read(), ISSUER, &[serial]).await.unwrap().unwrap()
}

async fn turn(store: &Store, change: StatusChange, at: OffsetDateTime) -> bool {
    let ended = change!(store, |tx| {
        organisation::change_status_by(tx, FACILITY, change, None, "", at).await?
    });
    ended.is_some()
}

fn held(at: OffsetDateTime) -> Status {
    Status::Revoked { reason: CERTIFICATE_HOLD, at }
}

async fn a_hold_is_told_from_a_revocation_at_the_connection(databases: Databases) {
    certify(&databases.one, 1, 7).await;
    for (done, revoked, on_hold) in [
        (Act::hold(NOW), true, true),
        (Act::release(NOW), false, false),
        (Act::hold(NOW), true, true),
        (Act::revoke(1, NOW), true, false),
    ] {
        act(&databases.one, one(&[1]), done).await;
        let mut reader = databases.two.read();
        let row = facility_connection::find(&mut reader, &[1; 32]).await.unwrap().unwrap();
        assert_eq!((row.certificate_revoked, row.certificate_on_hold), (revoked, on_hold));
    }
    // Taken back with its issuer, whatever its own last event says.
    certify(&databases.one, 2, 8).await;
    act(&databases.one, one(&[2]), Act::hold(NOW)).await;
    change!(databases.one, |tx| revocation::revoke_issuer(tx, ISSUER, 2, NOW).await?);
    let mut reader = databases.two.read();
    let row = facility_connection::find(&mut reader, &[2; 32]).await.unwrap().unwrap();
    assert!(row.certificate_revoked && !row.certificate_on_hold);
}

async fn a_certificate_is_revoked_once_by_many(databases: Databases) {
    certify(&databases.one, 1, 7).await;
    let outcomes = race(&databases, |number, store| async move {
        let at = NOW + Duration::seconds(i64::from(number));
        act(&store, one(&[1]), Act::revoke(1, at)).await
    })
    .await;
    assert_eq!(count(&outcomes, |changed| changed == &[1]), 1);
    assert_eq!(count(&outcomes, Vec::is_empty), usize::from(RACERS) - 1);
    let first = status(&databases.two, 1).await;
    assert!(act(&databases.two, one(&[1]), Act::hold(NOW)).await.is_empty());
    assert!(act(&databases.two, one(&[1]), Act::release(NOW)).await.is_empty());
    assert_eq!(status(&databases.one, 1).await, first);
    assert!(act(&databases.one, one(&[9]), Act::revoke(1, NOW)).await.is_empty());
}

async fn a_hold_and_a_release_at_once_leave_one_order_of_events(databases: Databases) {
    certify(&databases.one, 1, 7).await;
    let outcomes = race(&databases, |number, store| async move {
        let kind = if number % 4 < 2 { Act::hold(NOW) } else { Act::release(NOW) };
        (kind, !act(&store, one(&[1]), kind).await.is_empty())
    })
    .await;
    let holds = count(&outcomes, |(kind, changed)| *changed && *kind == Act::hold(NOW));
    let releases = count(&outcomes, |(kind, changed)| *changed && *kind == Act::release(NOW));
    // They alternate, beginning with a hold; the status is what the last of them said.
    assert!(holds == releases || holds == releases + 1, "{outcomes:?}");
    let expected = if holds > releases { held(NOW) } else { Status::Good };
    assert_eq!(status(&databases.two, 1).await, expected);
}

async fn a_skewed_clock_never_turns_revoked_into_good(databases: Databases) {
    certify(&databases.one, 1, 7).await;
    let (ahead, behind) = (NOW + Duration::seconds(5), NOW - Duration::seconds(5));
    act(&databases.one, one(&[1]), Act::hold(ahead)).await;
    act(&databases.one, one(&[1]), Act::release(ahead)).await;
    assert_eq!(status(&databases.two, 1).await, Status::Good);
    // Later, but by a clock that is ten seconds behind.
    act(&databases.two, one(&[1]), Act::hold(behind)).await;
    assert_eq!(status(&databases.one, 1).await, held(behind));
    act(&databases.one, one(&[1]), Act::revoke(4, ahead)).await;
    // It dates from the hold that preceded it.
    let taken = Status::Revoked { reason: 4, at: behind };
    assert_eq!(status(&databases.two, 1).await, taken);
    assert!(act(&databases.two, one(&[1]), Act::release(behind)).await.is_empty());
    assert_eq!(status(&databases.two, 1).await, taken);
    // The same of a facility: suspended by the clock ahead, resumed and suspended by the other.
    assert!(turn(&databases.one, StatusChange::Suspend, ahead).await);
    assert!(turn(&databases.two, StatusChange::Resume, behind).await);
    assert!(turn(&databases.two, StatusChange::Suspend, behind).await);
    assert!(!turn(&databases.one, StatusChange::Suspend, ahead).await);
    assert!(!organisation::is_active(&mut databases.one.read(), FACILITY).await.unwrap());
}

async fn a_quarantine_takes_everything_and_gives_back_only_what_it_took(databases: Databases) {
    for serial in 1..=4 {
        certify(&databases.one, serial, serial).await;
    }
    act(&databases.one, one(&[1]), Act::revoke(4, NOW)).await;
    act(&databases.one, one(&[2]), Act::hold(NOW)).await;
    let later = NOW + Duration::HOUR;
    let outcomes = race(&databases, |_, store| async move {
        act(&store, Scope::Facility(FACILITY), Act::hold(later)).await
    })
    .await;
    assert_eq!(count(&outcomes, |changed| changed == &[3, 4]), 1);
    assert_eq!(count(&outcomes, Vec::is_empty), usize::from(RACERS) - 1);
    assert!(turn(&databases.one, StatusChange::Suspend, later).await);
    // Held for its own reasons too: that outlasts the quarantine, and dates from it.
    assert_eq!(act(&databases.two, one(&[3]), Act::hold(later + Duration::HOUR)).await, [3]);
    assert_eq!(status(&databases.two, 3).await, held(later));
    for serial in 2..=4 {
        let released = act(&databases.two, one(&[serial]), Act::release(later)).await;
        assert!(released.is_empty(), "{serial} is released while the facility is suspended");
    }
    assert!(turn(&databases.one, StatusChange::Resume, later).await);
    let back = act(&databases.one, Scope::Facility(FACILITY), Act::release(later)).await;
    assert_eq!(back, [4]);
    assert_eq!(act(&databases.one, one(&[3]), Act::release(later)).await, [3]);
    assert_eq!(status(&databases.one, 2).await, held(NOW));
    assert_eq!(status(&databases.one, 4).await, Status::Good);
}

async fn what_was_issued_during_a_quarantine_is_held_too(databases: Databases) {
    assert!(turn(&databases.one, StatusChange::Suspend, NOW).await);
    let differs =
        async || revocation::differs_from_facility(&mut databases.two.read(), NOW).await.unwrap();
    assert!(!differs().await);
    certify(&databases.one, 1, 7).await;
    assert!(differs().await);
    let outcomes = race(&databases, |_, store| async move {
        act(&store, Scope::SuspendedFacilities, Act::hold(NOW)).await
    })
    .await;
    assert_eq!(count(&outcomes, |changed| changed == &[1]), 1);
    assert!(!differs().await);
    assert!(act(&databases.one, Scope::ActiveFacilities, Act::release(NOW)).await.is_empty());
    assert!(turn(&databases.one, StatusChange::Resume, NOW).await);
    assert!(differs().await);
    assert_eq!(act(&databases.one, Scope::ActiveFacilities, Act::release(NOW)).await, [1]);
    assert!(!differs().await);
    assert!(act(&databases.one, Scope::SuspendedFacilities, Act::hold(NOW)).await.is_empty());
    assert_eq!(status(&databases.two, 1).await, Status::Good);
}

async fn a_key_takes_all_its_certificates_and_is_listed(databases: Databases) {
    for (serial, key) in [(1, 7), (2, 7), (3, 8)] {
        certify(&databases.one, serial, key).await;
    }
    let listed =
        async |key: u8| revocation::is_compromised_key(&mut databases.two.read(), &[key; 32]).await;
    assert!(!listed(7).await.unwrap());
    let outcomes = race(&databases, |_, store| async move {
        change!(store, |tx| {
            let listed = revocation::note_compromised_key(tx, &[7; 32], "", NOW).await?;
            let scope = Scope::Key(&[7; 32]);
            (listed, revocation::carry_out(tx, scope, Act::revoke(1, NOW)).await?.len())
        })
    })
    .await;
    assert_eq!(count(&outcomes, |outcome| *outcome == (true, 2)), 1);
    assert_eq!(count(&outcomes, |outcome| *outcome == (false, 0)), usize::from(RACERS) - 1);
    assert!(listed(7).await.unwrap() && !listed(8).await.unwrap());
    assert_eq!(status(&databases.one, 3).await, Status::Good);
}

async fn an_issuer_takes_everything_that_it_signed(databases: Databases) {
    certify(&databases.one, 1, 7).await;
    certify(&databases.one, 2, 8).await;
    act(&databases.one, one(&[2]), Act::revoke(4, NOW)).await;
    let outcomes = race(&databases, |_, store| async move {
        change!(store, |tx| revocation::revoke_issuer(tx, ISSUER, 2, NOW + Duration::HOUR).await?)
    })
    .await;
    assert_eq!(count(&outcomes, |taken| *taken), 1);
    let taken = Status::Revoked { reason: 2, at: NOW + Duration::HOUR };
    assert_eq!(status(&databases.two, 1).await, taken);
    assert_eq!(status(&databases.two, 2).await, Status::Revoked { reason: 4, at: NOW });
    assert_eq!(revocation::status(&mut databases.two.read(), ISSUER, &[9]).await.unwrap(), None);
}
