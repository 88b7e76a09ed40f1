//! `sekisho signer` and `sekisho serve` as two processes: what is signed through the socket, what is
//! refused there, and what becomes of either when the other is away.
#![allow(clippy::unwrap_used, missing_docs)]

mod folder;
mod house;
#[path = "../../src/ceremony/import/old_authority.rs"]
mod old_authority;

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    process::Command,
    time::Duration,
};

use der::Decode;
use futures_util::future::join_all;
use house::{House, PATIENCE, configure, done, fails_to_serve, text, to_be_signed};
use reqwest::StatusCode;
use sekisho::demo::stage::SigningProgram;
use sekisho_key::{KeyError, SigningKey, signer_process::SignerProcess};
use sekisho_pki::encoding::{ocsp::OcspQuery, serial::Serial};
use sekisho_store::{Store, certificate, crl};
use time::OffsetDateTime;
use x509_cert::Certificate;

fn serial(certificate_der: &[u8]) -> Serial {
    let certificate = Certificate::from_der(certificate_der).unwrap();
    Serial::from_x509(certificate.tbs_certificate().serial_number()).unwrap()
}

/// Asks a key for a signature that it must refuse, for a reason that names this.
async fn refuses(house: &House, key: &str, message: &[u8], why: &str) {
    match house.key(key).await.sign(message).await {
        Err(KeyError::SignerRefused { reason }) => assert!(reason.contains(why), "{reason}"),
        other => panic!("{why}: {other:?}"),
    }
}

/// The newest complete list of terminals, once it is newer than `number`.
async fn list_after(store: &Store, number: i64) -> (i64, Vec<u8>) {
    let published = async {
        loop {
            let mut reader = store.read();
            let list = crl::newest(&mut reader, "terminals", "complete").await.unwrap();
            if let Some(list) = list.filter(|list| list.number > number) {
                return (
                    list.number,
                    crl::whole(&mut reader, "terminals", &list).await.unwrap().unwrap(),
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, published).await.unwrap()
}

/// The whole story, over this database.
async fn the_service_signs_through_the_socket(
    database: Option<String>,
    prepare: impl FnOnce(&std::path::Path),
) {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::build(folder.path(), database, prepare).await;
    let keys = std::fs::read_dir(house.stage.instance.join("keys")).unwrap();
    let left: Vec<_> = keys.map(|key| key.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| name.contains("terminals")), "{left:?}");

    // Certificates, lists, OCSP answers.
    let first = house.enrol_one().await;
    house.assert_signed("terminals", &first);
    let (number, old_list) = list_after(&house.store, 0).await;
    house.assert_signed("terminals", &old_list);
    let issuer = house.issuer_name("terminals").await;
    let nonce = Some(&[7; 32]);
    let key = house.public_key("terminals");
    let ask = OcspQuery::request(&issuer, &key, &serial(&first), nonce).unwrap();
    let answer = house.post_ocsp(ask.clone()).await;
    let answer = sekisho_pki::encoding::ocsp::OcspResponse::from_der(&answer).unwrap();
    let answer = answer.response_bytes.unwrap().response;
    house.assert_signed("ocsp-terminals", answer.as_bytes());

    what_is_not_on_record_is_refused(&house, &first).await;
    let hex = hex::encode(serial(&first).as_octets());
    let dir = text(&house.stage.instance);
    done(&["revoke", "certificate", dir, "--serial", &hex, "--reason", "superseded"]);
    let (_, new_list) = list_after(&house.store, number).await;
    house.assert_signed("terminals", &new_list);
    refuses(&house, "terminals", &to_be_signed(&old_list), "behind the newest published").await;

    // Every refusal is in the trail, which the serving process chains.
    let mut refusals = house.refusals().await;
    refusals.sort();
    let expected = [
        "already_issued",
        "lint",
        "list_number",
        "no_intention",
        "other_issuer",
        "other_octets",
        "unknown_key",
        "unknown_message",
        "unknown_message",
    ];
    assert_eq!(refusals, expected);
    house.close().await;
}

async fn what_is_not_on_record_is_refused(house: &House, issued: &[u8]) {
    let tbs = to_be_signed(issued);
    refuses(house, "terminals", &tbs, "has its certificate already").await;
    let mut changed = tbs.clone();
    *changed.last_mut().unwrap() ^= 1;
    refuses(house, "terminals", &changed, "other octets are on record").await;
    refuses(house, "servers", &tbs, "names another issuer").await;
    refuses(house, "ocsp-terminals", &tbs, "not a TBSCertificate").await;
    refuses(house, "terminals", b"garbage", "not a TBSCertificate").await;
    refuses(house, "root", &tbs, "no key of that name").await;

    // The same under another serial number, first as nobody's intention, then on record.
    let old = serial(issued);
    let mut number = old.as_octets().to_vec();
    *number.last_mut().unwrap() ^= 1;
    let at = tbs.windows(16).position(|window| window == old.as_octets()).unwrap();
    let mut renumbered = tbs;
    renumbered[at..at + 16].copy_from_slice(&number);
    refuses(house, "terminals", &renumbered, "no intention is on record").await;
    for (profile, signs) in [("ocsp_responder", false), ("terminal", true)] {
        *number.last_mut().unwrap() ^= 2;
        renumbered[at..at + 16].copy_from_slice(&number);
        let now = OffsetDateTime::now_utc();
        house.store.reserve_serial("terminals", &number, now).await.unwrap();
        let intention = certificate::Intention {
            issuer_id: "terminals",
            serial: &number,
            profile,
            tbs_der: &renumbered,
            organisation_id: None,
            terminal_id: None,
        };
        house.store.record_intention(intention, now).await.unwrap();
        if signs {
            house.key("terminals").await.sign(&renumbered).await.unwrap();
        } else {
            refuses(house, "terminals", &renumbered, "it breaks a rule").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_signs_through_the_socket_on_sqlite() {
    the_service_signs_through_the_socket(None, |_| ()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_signs_through_the_socket_on_postgres_whose_signing_role_has_few_rights() {
    let url = sekisho_test_database::postgres_url();
    // As docs/operations.md says.
    let grants = include_str!("../../../docs/signer-role.sql");
    let (admin, own) =
        (url.clone(), url.replace("postgres://postgres@", "postgres://sekisho_signer@"));
    the_service_signs_through_the_socket(Some(url), |signer| {
        let granted = Command::new("psql")
            .args([&admin, "-v", "ON_ERROR_STOP=1", "-c", grants])
            .output()
            .unwrap();
        assert!(granted.status.success(), "{}", String::from_utf8_lossy(&granted.stderr));
        configure(signer, "database", own);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signing_process_that_is_killed_and_comes_back_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::build(folder.path(), None, |_| ()).await;
    let newcomers: Vec<_> = (0..40)
        .map(|_| {
            let newcomer = house.newcomer();
            let request = House::request(&newcomer);
            (newcomer, request)
        })
        .collect();
    // Killed in the middle of each dozen.
    let mut serials = BTreeSet::new();
    for part in newcomers.chunks(12) {
        let asking = join_all(part.iter().map(|(one, request)| house.enrol(one, request)));
        let restart = async {
            house.kill_signer().await;
            house.start_signer().await;
        };
        let (certificates, ()) = tokio::join!(asking, restart);
        for der in certificates {
            house.assert_signed("terminals", &der);
            assert!(serials.insert(serial(&der).as_octets().to_vec()));
        }
    }
    assert_eq!(serials.len(), newcomers.len());
    let mut reader = house.store.read();
    assert!(certificate::without_intention(&mut reader).await.unwrap().is_empty());
    drop(reader);
    assert_eq!(house.refusals().await, Vec::<String>::new());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_signing_process_an_instance_tells_what_it_knows_and_issues_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::build(folder.path(), None, |_| ()).await;
    let issued = house.enrol_one().await;
    let issuer = house.issuer_name("terminals").await;
    let key = house.public_key("terminals");
    let ask = OcspQuery::request(&issuer, &key, &serial(&issued), None).unwrap();
    let answer = house.post_ocsp(ask.clone()).await;
    let (_, list) = list_after(&house.store, 0).await;

    house.kill_signer().await;
    let newcomer = house.newcomer();
    let request = House::request(&newcomer);
    let refused = house.ask(&newcomer, &request).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("Retry-After"));
    let all = certificate::of_terminal(&mut house.store.read(), &newcomer.terminal_id).await;
    assert!(all.unwrap().is_empty());
    assert_eq!(house.get("/crl/terminals.crl").await.bytes().await.unwrap(), list);
    assert_eq!(house.post_ocsp(ask).await, answer);

    // It comes back by itself, and the same line works.
    house.start_signer().await;
    let issued = house.enrol(&newcomer, &request).await;
    house.assert_signed("terminals", &issued);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_does_not_start_without_the_signing_process_that_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::build(folder.path(), None, |_| ()).await;
    let instance = house.stage.instance.clone();
    let socket = house.socket();
    let key = house.signer_folder.join("keys/terminals.p8");
    let kept = house.signer_folder.clone();
    let logs = house.stage.logs();

    // A frame longer than any, and a stranger's octets, end the connection and nothing else.
    for octets in [&[0xff; 8][..], &[0, 0, 0, 1, 9]] {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        stream.write_all(octets).unwrap();
        let mut said = Vec::new();
        // What was not read of ours may end the stream by a reset, after the answer.
        let _ = stream.read_to_end(&mut said);
        assert!(!said.is_empty());
    }
    assert!(!SignerProcess::new(&socket).keys().await.unwrap().is_empty());
    house.close().await;

    fails_to_serve(&instance, "is `sekisho signer` running?");
    // Of another user than those that are named.
    let own = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&kept).unwrap());
    configure(&kept, "users", vec![i64::from(own) + 1]);
    let signing = SigningProgram::start(kept.clone(), &logs).await.unwrap();
    fails_to_serve(&instance, "may not ask here");
    signing.program.stop().await.unwrap();
    configure(&kept, "users", vec![i64::from(own)]);
    // A key of another certificate, and a socket in a folder that everybody may write.
    let responder = std::fs::read(kept.join("keys/ocsp-terminals.p8")).unwrap();
    let right = std::fs::read(&key).unwrap();
    std::fs::write(&key, responder).unwrap();
    let refused = SigningProgram::start(kept.clone(), &logs).await;
    assert!(format!("{:#}", refused.err().unwrap()).contains("does not belong to its certificate"));
    std::fs::write(&key, right).unwrap();
    let run = kept.join("run");
    std::fs::set_permissions(&run, PermissionsExt::from_mode(0o757)).unwrap();
    let refused = SigningProgram::start(kept, &logs).await;
    assert!(format!("{:#}", refused.err().unwrap()).contains("may be written by everybody"));
}
