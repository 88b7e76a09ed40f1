//! An authority of OpenSSL's, taken over and answered for.

use sekisho_ca::{
    ceremony::{JudgedList, verify_import_transcript},
    revocation::RevocationReason,
};
use sekisho_key::SystemRandomness;
use sekisho_pki::encoding::serial::Serial;
use sekisho_store::{crl, issuer};
use time::Duration;

use super::{
    super::world::{World, get, status},
    old_authority::{OldAuthority, PASSPHRASE},
    *,
};
use crate::{
    authority::Line,
    clock::Clock,
    listener::{FacilityConnection, FacilityError},
    names::NameRole,
    repository::publish,
    revocation::{Measure, Order, Target, carry_out},
    testing,
};

/// An instance a minute later than the archive, whose times are the machine's.
async fn world() -> World {
    let world = World::new().await;
    world.clock.advance(Duration::MINUTE);
    world
}

fn judged(world: &World, old: &OldAuthority) -> Result<Import, PapersError> {
    ImportPapers::read(
        &old.path("ca.crt"),
        &[old.path("root.crt")],
        &[old.path("newcerts")],
        &old.path("last.crl"),
    )?
    .judge("imported-1", world.clock.now())
}

fn key(old: &OldAuthority, import: &Import) -> SoftwareKey {
    let passphrase = PASSPHRASE.to_owned().into();
    read_key(&old.path("ca.p8"), Some(&passphrase), &import.public_key_der).unwrap()
}

async fn take(
    world: &World,
    import: &Import,
    key: &SoftwareKey,
) -> Result<TakenOver, TakeOverError> {
    let folder = world.instance();
    let take_over = TakeOver {
        import,
        key: Some(key),
        folder: &folder,
        publication_base: &world.base(),
        operator: ("u".to_owned(), "h".to_owned()),
        now: world.clock.now(),
    };
    take_over.carry_out(&world.store, &world.ca_keys(), &SystemRandomness).await
}

/// What the judge of lists says of a certificate by the list that is published.
fn accepted(world: &World, leaf: &str) -> bool {
    let at = world.clock.now().unix_timestamp().to_string();
    let (ok, said) = world.openssl(&[
        "verify",
        "-attime",
        &at,
        "-trusted",
        "root.pem",
        "-untrusted",
        "imported-1.pem",
        "-crl_check",
        "-CRLfile",
        "list.pem",
        leaf,
    ]);
    assert!(ok || said.contains("certificate revoked"), "{said}");
    ok
}

#[tokio::test]
async fn what_was_taken_over_is_answered_for_and_nothing_is_forgotten() {
    let old = OldAuthority::p256();
    let world = world().await;
    let import = judged(&world, &old).unwrap();
    let key = key(&old, &import);
    let taken = take(&world, &import, &key).await.unwrap();
    assert_eq!((taken.certificates, taken.revoked), (4, 2));
    let told =
        verify_import_transcript(taken.transcript.as_bytes(), &import.certificate_der).unwrap();
    assert_eq!(told.import_sha256, hex::encode(import.hash()));
    assert_eq!((told.certificates, told.revoked, told.crl_number), (4, 2, 500));

    let app = world.process().await;
    // New certificates are of this instance's own line, which the other authority is not of.
    assert_eq!(testing::terminal(&app, 1).await.certificate.issuer_id, "terminals");
    assert_eq!(app.authority().of(Line::Terminals).count(), 1);
    std::fs::copy(old.path("root.crt"), world.folder.path().join("root.pem")).unwrap();
    world.keep("imported-1.pem", "CERTIFICATE", &get(&app, "/ca/imported-1.crt").await);
    for name in ["a", "b", "c", "d"] {
        let name = format!("{name}.crt");
        std::fs::copy(old.path(&name), world.folder.path().join(&name)).unwrap();
    }
    // The other system's own list, until there is a newer one.
    assert_eq!(get(&app, "/crl/imported-1.crl").await, import.list.der);
    let before = [("a", "good"), ("b", "revoked"), ("c", "revoked"), ("d", "good")];
    let judge = async |expected: [(&str, &str); 4]| {
        publish::publish_due(&app).await.unwrap();
        let list = get(&app, "/crl/imported-1.crl").await;
        world.keep("list.pem", "X509 CRL", &list);
        for (name, expected) in expected {
            let leaf = format!("{name}.crt");
            assert_eq!(status(&world, &app, "imported-1", &leaf).await, expected, "{name}");
            assert_eq!(accepted(&world, &leaf), expected == "good", "{name}");
        }
        JudgedList::judge(&list, &import.certificate_der, world.clock.now()).unwrap()
    };
    let list = judge(before).await;
    assert_eq!(list.number, 501);
    let mut entries = list.entries;
    entries.sort_by(|one, other| one.serial.cmp(&other.serial));
    let mut as_before = import.list.entries.clone();
    as_before.sort_by(|one, other| one.serial.cmp(&other.serial));
    assert_eq!(entries, as_before, "since when and why, too");

    // A number that was never given is not good, and one that was is not given again.
    let never = Serial::from_hex("2000").unwrap();
    let status_of = async |serial: &Serial| {
        let mut reader = world.store.read();
        sekisho_store::revocation::status(&mut reader, "imported-1", serial.as_octets())
            .await
            .unwrap()
    };
    assert_eq!(status_of(&never).await, None);
    for one in &import.issued {
        let again =
            world.store.reserve_serial("imported-1", one.serial.as_octets(), world.clock.now());
        assert!(matches!(again.await, Err(StoreError::AlreadyExists { .. })));
    }
    // Whoever has such a certificate is no terminal of this network.
    let peer = testing::peer(NameRole::Terminal, &[&import.issued[0].der]);
    let refused = FacilityConnection::judge(&app, &peer).await;
    assert!(matches!(refused, Err(FacilityError::NotOurs)), "{refused:?}");

    // From now on it is taken back here.
    world.clock.advance(Duration::MINUTE);
    let order = Order {
        target: Target::Certificate {
            issuer_id: "imported-1".to_owned(),
            serial: import.issued[0].serial.as_octets().to_vec(),
        },
        measure: Measure::Revoke(RevocationReason::Superseded),
        invalidity_at: None,
        note: String::new(),
        actor: Actor::System,
        at: world.clock.now(),
    };
    assert!(carry_out(app.store(), &order).await.unwrap().changed);
    app.ocsp().follow(app.store(), &["imported-1"]).await.unwrap();
    let after = [("a", "revoked"), ("b", "revoked"), ("c", "revoked"), ("d", "good")];
    assert_eq!(judge(after).await.number, 502);

    // Once more, and nothing changes: no number goes back, nothing revoked comes back.
    let again = take(&world, &import, &key).await.unwrap();
    assert_eq!((again.certificates, again.revoked), (0, 0));
    let newest = crl::last_edition(&mut world.store.read(), "imported-1").await.unwrap();
    assert_eq!(newest.unwrap().0, 502);
    judge(after).await;
    // The other system went on, and does not know what was taken back here.
    old.issue("e");
    old.revoke("d", "superseded");
    for _ in 501..=510 {
        old.list("list", "last.crl");
    }
    let more = judged(&world, &old).unwrap();
    assert_eq!(more.list.number, 510);
    let again = take(&world, &more, &key).await.unwrap();
    assert_eq!((again.certificates, again.revoked), (1, 1));
    app.ocsp().follow(app.store(), &["imported-1"]).await.unwrap();
    let all = [("a", "revoked"), ("b", "revoked"), ("c", "revoked"), ("d", "revoked")];
    assert_eq!(judge(all).await.number, 511);
    let imports = "SELECT COUNT(*) FROM audit_record WHERE act = 'authority.import'";
    assert_eq!(world.count(imports).await, 3);
}

#[tokio::test]
async fn what_stopped_half_way_left_nothing_half_and_goes_on() {
    let old = OldAuthority::p256();
    let world = world().await;
    let import = judged(&world, &old).unwrap();
    let key = key(&old, &import);
    // At each table of the one transaction, and at its record.
    for stop in [
        "CREATE TRIGGER stop BEFORE INSERT ON issuer BEGIN SELECT RAISE(ABORT, 'x'); END",
        "CREATE TRIGGER stop BEFORE INSERT ON certificate BEGIN SELECT RAISE(ABORT, 'x'); END",
        "CREATE TRIGGER stop BEFORE INSERT ON revocation_event BEGIN SELECT RAISE(ABORT, 'x'); END",
        "CREATE TRIGGER stop BEFORE INSERT ON crl_list BEGIN SELECT RAISE(ABORT, 'x'); END",
        "CREATE TRIGGER stop BEFORE INSERT ON audit_record
             WHEN NEW.act = 'authority.import' BEGIN SELECT RAISE(ABORT, 'x'); END",
    ] {
        world.alter(stop).await;
        let stopped = take(&world, &import, &key).await;
        assert!(matches!(stopped, Err(TakeOverError::Store(_))), "{stop}");
        world.alter("DROP TRIGGER stop").await;
        for empty in [
            "SELECT COUNT(*) FROM issuer WHERE id = 'imported-1'",
            "SELECT COUNT(*) FROM serial_number WHERE issuer_id = 'imported-1'",
            "SELECT COUNT(*) FROM revocation_event WHERE issuer_id = 'imported-1'",
            "SELECT COUNT(*) FROM crl_edition WHERE issuer_id = 'imported-1'",
        ] {
            assert_eq!(world.count(empty).await, 0, "{stop}: {empty}");
        }
        // Key and certificate lie in the folder, and nothing reads them.
        assert!(world.process().await.authority().find("imported-1").is_none());
    }
    assert_eq!(take(&world, &import, &key).await.unwrap().certificates, 4);
    // After the commit, before there was a responder or a transcript.
    for file in
        [world.instance().certificate("ocsp-imported-1"), world.instance().key("ocsp-imported-1")]
    {
        std::fs::remove_file(file).unwrap();
    }
    let again = take(&world, &import, &key).await.unwrap();
    assert_eq!((again.certificates, again.revoked), (0, 0));
    verify_import_transcript(again.transcript.as_bytes(), &import.certificate_der).unwrap();
    assert!(world.process().await.authority().find("imported-1").is_some());
}

#[tokio::test]
async fn an_identifier_a_name_a_key_and_a_serial_number_are_taken_once() {
    let old = OldAuthority::p256();
    let world = world().await;
    let import = judged(&world, &old).unwrap();
    let key = key(&old, &import);
    // A key that is not the certificate's.
    let stranger = SoftwareKey::generate_p256().unwrap();
    let refused = take(&world, &import, &stranger).await;
    assert!(matches!(refused, Err(TakeOverError::OtherKey)), "{refused:?}");
    assert!(!world.instance().key("imported-1").exists());
    take(&world, &import, &key).await.unwrap();
    // The same authority once more.
    let twice = Import { id: "imported-2".to_owned(), ..import.clone() };
    let refused = take(&world, &twice, &key).await;
    assert!(matches!(&refused, Err(TakeOverError::Known(id)) if id == "imported-1"), "{refused:?}");
    // Another one of the same identifier, and of the same name.
    let other = OldAuthority::p256();
    let theirs = judged(&world, &other).unwrap();
    let their_key = self::key(&other, &theirs);
    let refused = take(&world, &theirs, &their_key).await;
    assert!(matches!(refused, Err(TakeOverError::Other(_))), "{refused:?}");
    let theirs = Import { id: "imported-2".to_owned(), ..theirs };
    let refused = take(&world, &theirs, &their_key).await;
    assert!(matches!(refused, Err(TakeOverError::Known(_))), "{refused:?}");
    // A serial number that is on record for another certificate.
    let mut collision = import.clone();
    collision.issued[0].fingerprint[0] ^= 1;
    let refused = take(&world, &collision, &key).await;
    assert!(matches!(refused, Err(TakeOverError::SerialTaken(_))), "{refused:?}");
    assert_eq!(issuer::list(&mut world.store.read()).await.unwrap().len(), 5);
    let second = "imported-2";
    assert!(
        !world.instance().certificate(second).exists() && !world.instance().key(second).exists()
    );
}
