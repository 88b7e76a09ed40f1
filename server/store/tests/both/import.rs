//! What another system's authority had issued, on both databases.

use sekisho_ca::record::{IssuedCertificate, Subscriber};
use sekisho_pki::encoding::serial::Serial;
use sekisho_store::{
    StoreError, certificate, crl, import, issuer,
    revocation::{self, Status},
};
use time::Duration;

use crate::{NOW, databases::Databases, once::prepared};

const ISSUER: &str = "imported-1";

on_both! { prepared:
    many_are_taken_at_once_and_each_is_known
    one_that_is_on_record_takes_none
    numbers_go_on_after_the_other_systems_last
}

/// An object whose first member is as long as its number: all that the register reads of it.
fn issued(number: u16) -> IssuedCertificate {
    let serial = Serial::from_octets(&number.to_be_bytes()).unwrap();
    let [high, low] = number.to_be_bytes();
    let fingerprint = std::array::from_fn(|index| if index % 2 == 0 { high } else { low });
    IssuedCertificate {
        issuer_id: ISSUER.to_owned(),
        serial,
        profile: "imported".to_owned(),
        subscriber: Subscriber::default(),
        // SEQUENCE { SEQUENCE { INTEGER }, SEQUENCE { OID 1.2 }, BIT STRING }
        der: vec![0x30, 14, 0x30, 4, 0x02, 2, high, low, 0x30, 3, 0x06, 1, 0x2a, 0x03, 1, 0],
        fingerprint,
        public_key_sha256: [7; 32],
        not_before: NOW - Duration::days(90),
        not_after: NOW + Duration::days(90),
        issued_at: NOW - Duration::days(90),
    }
}

async fn enter_issuer(databases: &Databases) {
    change!(databases.one, |tx| {
        issuer::add(tx, ISSUER, &[0x30], NOW, sekisho_store::audit::Actor::System, NOW).await?
    });
}

async fn many_are_taken_at_once_and_each_is_known(databases: Databases) {
    enter_issuer(&databases).await;
    // More than one statement takes.
    let all: Vec<_> = (1..=1203).map(issued).collect();
    let all: Vec<&IssuedCertificate> = all.iter().collect();
    change!(databases.one, |tx| import::take(tx, &all, NOW).await?);
    let known = import::known(&mut databases.two.read(), ISSUER).await.unwrap();
    assert_eq!(known.len(), all.len());
    for one in &all {
        assert_eq!(known[one.serial.as_octets()], one.fingerprint);
    }
    let serial = all[1202].serial.as_octets();
    let found = certificate::find(&mut databases.two.read(), ISSUER, serial).await.unwrap();
    let found = found.unwrap();
    assert_eq!((found.profile.as_str(), found.status), ("imported", Status::Good));
    assert_eq!((found.terminal_id, found.not_after), (None, all[1202].not_after));
    let intended = certificate::intention(&mut databases.two.read(), ISSUER, serial).await.unwrap();
    assert_eq!(intended.unwrap(), all[1202].der[2..8]);
    assert!(certificate::without_intention(&mut databases.two.read()).await.unwrap().is_empty());
    let status = revocation::status(&mut databases.two.read(), ISSUER, &[0x7f, 0xff]).await;
    assert_eq!(status.unwrap(), None);
    let again = databases.two.reserve_serial(ISSUER, serial, NOW).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })), "{again:?}");
}

async fn one_that_is_on_record_takes_none(databases: Databases) {
    enter_issuer(&databases).await;
    let (first, second) = (issued(1), issued(2));
    databases.one.reserve_serial(ISSUER, second.serial.as_octets(), NOW).await.unwrap();
    let refused = attempt!(databases.one, |tx| import::take(tx, &[&first, &second], NOW).await?);
    assert!(matches!(refused, Err(StoreError::AlreadyExists { .. })), "{refused:?}");
    assert!(import::known(&mut databases.two.read(), ISSUER).await.unwrap().is_empty());
    databases.two.reserve_serial(ISSUER, first.serial.as_octets(), NOW).await.unwrap();
    // Of an issuer that is not there, nothing.
    let mut stranger = issued(3);
    stranger.issuer_id = "imported-9".to_owned();
    assert!(attempt!(databases.one, |tx| import::take(tx, &[&stranger], NOW).await?).is_err());
}

async fn numbers_go_on_after_the_other_systems_last(databases: Databases) {
    enter_issuer(&databases).await;
    for (number, passed) in [(500, true), (500, false), (499, false), (501, true)] {
        let outcome =
            change!(databases.one, |tx| crl::pass_number(tx, ISSUER, number, NOW).await?);
        assert_eq!(outcome, passed, "{number}");
    }
    assert_eq!(crl::next_number(&mut databases.two.read(), ISSUER).await.unwrap(), 502);
    assert_eq!(crl::latest(&mut databases.two.read(), ISSUER).await.unwrap(), None);
}
