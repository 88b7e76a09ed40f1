//! The end of a root, and what still lives under it, on both databases.

use sekisho_store::{
    audit::Actor,
    certificate::{self, Intention, Signed},
    issuer,
    revocation::{self, Act, Scope},
};
use time::{Duration, OffsetDateTime};

use crate::{NOW, databases::Databases, once::prepared};

const ISSUER: &str = "terminals";

on_both! { prepared:
    what_is_in_force_or_on_hold_counts_and_nothing_else
    a_root_ends_once
}

async fn certify(databases: &Databases, serial: u8, profile: &str, not_after: OffsetDateTime) {
    let octets = [0x4b, serial];
    databases.one.reserve_serial(ISSUER, &octets, NOW).await.unwrap();
    let intention = Intention {
        issuer_id: ISSUER,
        serial: &octets,
        profile,
        tbs_der: &[0x30, serial],
        organisation_id: None,
        terminal_id: None,
    };
    databases.one.record_intention(intention, NOW).await.unwrap();
    let signed = Signed {
        issuer_id: ISSUER,
        serial: &octets,
        fingerprint: &[serial; 32],
        spki_sha256: &[serial; 32],
        not_before: NOW,
        not_after,
        der: &[0x30, serial],
    };
    databases.one.record_certificate(signed, NOW).await.unwrap();
}

async fn what_is_in_force_or_on_hold_counts_and_nothing_else(databases: Databases) {
    let living = async |at| certificate::living(&mut databases.two.read(), ISSUER, at).await;
    assert_eq!(living(NOW).await.unwrap(), None);
    let ends = |days| NOW + Duration::days(days);
    for (serial, profile, days) in [
        (1, "terminal", 10),
        (2, "terminal", 20),
        (3, "server", 30),
        (4, "terminal", 40),
        (5, "ocsp_responder", 50),
    ] {
        certify(&databases, serial, profile, ends(days)).await;
    }
    assert_eq!(living(NOW).await.unwrap(), Some((4, ends(40))));
    let take = async |serial: u8, act: Act| {
        let serial = [0x4b, serial];
        let scope = Scope::Certificate { issuer_id: ISSUER, serial: &serial };
        change!(databases.one, |tx| revocation::carry_out(tx, scope, act).await?);
    };
    take(4, Act::revoke(4, NOW)).await;
    take(2, Act::hold(NOW)).await;
    assert_eq!(living(NOW).await.unwrap(), Some((3, ends(30))));
    assert_eq!(living(ends(15)).await.unwrap(), Some((2, ends(30))));
    assert_eq!(living(ends(30)).await.unwrap(), Some((1, ends(30))), "to its last second");
    assert_eq!(living(ends(31)).await.unwrap(), None);
    // Nothing that a revoked authority signed counts.
    change!(databases.one, |tx| revocation::revoke_issuer(tx, ISSUER, 4, NOW).await?);
    assert_eq!(living(NOW).await.unwrap(), None);
}

async fn a_root_ends_once(databases: Databases) {
    change!(databases.one, |tx| {
        issuer::add(tx, "root-9", &[0x30], NOW, Actor::System, NOW).await?
    });
    let end = async |id: &'static str| {
        change!(databases.two, |tx| issuer::end(tx, id, Actor::System, NOW).await?)
    };
    assert!(end("root-8").await.is_none());
    assert!(end("root-9").await.is_some());
    assert!(end("root-9").await.is_none());
    for one in issuer::list(&mut databases.one.read()).await.unwrap() {
        let ended = (one.id == "root-9").then_some(NOW);
        assert_eq!(one.ended_at, ended, "{}", one.id);
    }
}
