//! A renewed terminal: its certificates of before go with the first use of the new one, and never come back.

use sekisho_store::{
    Store,
    certificate::{Intention, Signed},
    current_certificate, facility_connection,
    revocation::{self, Act, Scope, Status},
    terminal::{self, TerminalStatus},
};
use time::{Duration, OffsetDateTime};

use crate::{FACILITY, NOW, TERMINAL, databases::Databases, once::prepared, race};

pub const ISSUER: &str = "terminals";

on_both! { prepared:
    what_a_certificate_took_the_place_of_is_taken_back_once
    of_many_first_uses_at_once_one_takes_the_older_back
    an_older_certificate_is_not_let_in_while_the_newest_is_revoked_or_held
    an_older_certificate_on_hold_goes_with_the_others_and_is_not_released
    of_two_certificates_of_one_second_the_later_counts
}

pub async fn certify(store: &Store, serial: u8, at: OffsetDateTime, not_after: OffsetDateTime) {
    let octets = [serial];
    store.reserve_serial(ISSUER, &octets, at).await.unwrap();
    let intention = Intention {
        issuer_id: ISSUER,
        serial: &octets,
        profile: "terminal",
        tbs_der: &[0x30],
        organisation_id: Some(FACILITY),
        terminal_id: Some(TERMINAL),
    };
    store.record_intention(intention, at).await.unwrap();
    let signed = Signed {
        issuer_id: ISSUER,
        serial: &octets,
        fingerprint: &[serial; 32],
        spki_sha256: &[9; 32],
        not_before: at,
        not_after,
        der: &octets,
    };
    store.record_certificate(signed, at).await.unwrap();
    let renewed = serial > 1;
    change!(store, |tx| terminal::note_certificate(tx, TERMINAL, renewed, at).await?);
}

/// Certificates 1, 2, 3 of a terminal, a day between; the first ends soon.
async fn renewed_twice(databases: &Databases) {
    let (store, year) = (&databases.one, Duration::days(365));
    certify(store, 1, NOW, NOW + Duration::days(10)).await;
    certify(store, 2, NOW + Duration::DAY, NOW + year).await;
    certify(store, 3, NOW + Duration::days(2), NOW + year).await;
}

pub async fn status(databases: &Databases, serial: u8) -> Status {
    revocation::status(&mut databases.two.read(), ISSUER, &[serial]).await.unwrap().unwrap()
}

pub async fn connection(databases: &Databases, serial: u8) -> facility_connection::FacilityRow {
    let mut reader = databases.two.read();
    facility_connection::find(&mut reader, &[serial; 32]).await.unwrap().unwrap()
}

pub async fn standing(databases: &Databases) -> TerminalStatus {
    terminal::find(&mut databases.two.read(), TERMINAL).await.unwrap().unwrap().status
}

pub async fn use_of(store: &Store, serial: u8, at: OffsetDateTime) -> Vec<u8> {
    let taken = change!(store, |tx| {
        current_certificate::supersede_older(tx, ISSUER, &[serial], at).await?
    });
    taken.into_iter().map(|(_, serial)| serial[0]).collect()
}

async fn what_a_certificate_took_the_place_of_is_taken_back_once(databases: Databases) {
    renewed_twice(&databases).await;
    let store = &databases.one;
    let soon = NOW + Duration::days(3);
    assert_eq!(connection(&databases, 1).await.older_until, None);
    assert_eq!(connection(&databases, 2).await.older_until, Some(NOW + Duration::days(10)));
    assert_eq!(connection(&databases, 3).await.older_until, Some(NOW + Duration::days(365)));
    // The newest was never received: the one in use ends only what was before it.
    assert_eq!(use_of(store, 2, soon).await, [1]);
    assert_eq!(status(&databases, 1).await, Status::Revoked { reason: 4, at: soon });
    assert_eq!(status(&databases, 3).await, Status::Good);
    assert_eq!(use_of(store, 3, soon).await, [2]);
    assert!(use_of(store, 3, soon).await.is_empty());
    assert_eq!(connection(&databases, 3).await.older_until, None);
    assert_eq!(standing(&databases).await, TerminalStatus::Enrolled);
    // One that has ended of itself is no matter for a list.
    certify(store, 4, NOW + Duration::days(4), NOW + Duration::days(5)).await;
    let late = NOW + Duration::days(365);
    certify(store, 5, late, late + Duration::DAY).await;
    assert_eq!(use_of(store, 5, late).await, [3]);
    assert_eq!(status(&databases, 4).await, Status::Good);
    // The history tells of each renewal, and of what it took the place of when that went.
    let events = terminal::events(&mut databases.two.read(), TERMINAL, 20).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    let gone = "certificate_superseded";
    assert_eq!(
        kinds,
        [gone, "renewed", "renewed", gone, gone, "renewed", "renewed", "enrolled", "created"]
    );
}

async fn of_many_first_uses_at_once_one_takes_the_older_back(databases: Databases) {
    renewed_twice(&databases).await;
    let outcomes = race(&databases, |_, store| async move { use_of(&store, 3, NOW).await }).await;
    assert_eq!(outcomes.iter().filter(|taken| !taken.is_empty()).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.concat(), [1, 2]);
}

async fn an_older_certificate_is_not_let_in_while_the_newest_is_revoked_or_held(
    databases: Databases,
) {
    renewed_twice(&databases).await;
    let act = async |serial: u8, act| {
        let scope = Scope::Certificate { issuer_id: ISSUER, serial: &[serial] };
        change!(&databases.one, |tx| revocation::carry_out(tx, scope, act).await?);
    };
    let admitted = async |serial| {
        let row = connection(&databases, serial).await;
        (row.certificate_revoked, row.certificate_on_hold)
    };
    assert_eq!(admitted(2).await, (false, false));
    act(3, Act::hold(NOW)).await;
    assert_eq!(admitted(2).await, (true, true));
    act(3, Act::release(NOW)).await;
    assert_eq!(admitted(2).await, (false, false));
    act(3, Act::revoke(1, NOW)).await;
    assert_eq!((admitted(2).await, admitted(1).await), ((true, false), (true, false)));
    assert_eq!(standing(&databases).await, TerminalStatus::CertificateRevoked);
    // A new enrolment is let in again.
    let later = NOW + Duration::days(3);
    certify(&databases.one, 4, later, later + Duration::DAY).await;
    assert_eq!(admitted(4).await, (false, false));
    assert_eq!(standing(&databases).await, TerminalStatus::Enrolled);
}

async fn an_older_certificate_on_hold_goes_with_the_others_and_is_not_released(
    databases: Databases,
) {
    renewed_twice(&databases).await;
    let act = async |serial: u8, act| {
        let scope = Scope::Certificate { issuer_id: ISSUER, serial: &[serial] };
        change!(&databases.one, |tx| revocation::carry_out(tx, scope, act).await?)
    };
    let (held, used) = (NOW + Duration::days(2), NOW + Duration::days(3));
    act(2, Act::hold(held)).await;
    assert_eq!(connection(&databases, 3).await.older_until, Some(NOW + Duration::days(365)));
    assert_eq!(use_of(&databases.one, 3, used).await, [1, 2]);
    // A hold that becomes final dates from its beginning.
    assert_eq!(status(&databases, 2).await, Status::Revoked { reason: 4, at: held });
    assert!(act(2, Act::release(used)).await.is_empty());
    assert!(connection(&databases, 2).await.certificate_revoked);
}

async fn of_two_certificates_of_one_second_the_later_counts(databases: Databases) {
    let year = NOW + Duration::days(365);
    change!(&databases.one, |tx| terminal::note_certificate(tx, TERMINAL, false, NOW).await?);
    // By its number the first would be the newer one.
    for serial in [9, 3, 5] {
        certify(&databases.one, serial, NOW, year).await;
    }
    let act = async |serial: u8| {
        let scope = Scope::Certificate { issuer_id: ISSUER, serial: &[serial] };
        change!(&databases.one, |tx| revocation::carry_out(tx, scope, Act::hold(NOW)).await?);
    };
    for older in [9, 3] {
        act(older).await;
        assert_eq!(standing(&databases).await, TerminalStatus::Enrolled);
        assert!(!connection(&databases, 5).await.certificate_revoked);
    }
    let mut taken = use_of(&databases.one, 5, NOW + Duration::MINUTE).await;
    taken.sort_unstable();
    assert_eq!(taken, [3, 9]);
    act(5).await;
    assert_eq!(standing(&databases).await, TerminalStatus::Held);
}
