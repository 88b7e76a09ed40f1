//! Both ways to a certificate at the console, through the router of the public name, with real sessions.

use std::process::Command;

use http::StatusCode;
use sekisho_key::{RsaSize, SigningKey as _, SoftwareKey};
use sekisho_pki::encoding::{key_identifier::public_key_sha256, pkcs12};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    certificate::{self, Certificate},
    facility_connection,
    organisation::{self, StatusChange},
    revocation::{self, Status},
    router::{self, Router},
    terminal::{self, Revocation},
    transaction,
};
use sha2::{Digest, Sha256};
use time::Duration;

use crate::{
    config::{ServerMadeKeys, Settings},
    console::scene::{self, Answer, acts, form},
    enrol::key_file,
    notice,
    outbox::{Deliverers, deliver_due},
    people::role::Role,
    testing::{self, TestApp, request_of},
};

const FACILITY: &str = "123456789007";
const ELSEWHERE: &str = "234567890101";
const OURS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const COLLEAGUE: &str = "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC";
const THEIRS: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";
const ROUTER: &str = "T1111111111";
const OTHER: &str = "T2222222222";
const PC: &str = "T3333333333";
const ONCE: &str = "00112233445566778899aabbccddeeff";

/// Two facilities with their administrators, two of them at ours; two routers and a PC of ours.
async fn instance_with(settings: Settings) -> TestApp {
    let test = testing::app_with(settings).await;
    for (facility, cookie) in [(FACILITY, OURS), (ELSEWHERE, THEIRS)] {
        scene::facility(&test.app, facility).await;
        let role = Role::FacilityAdministrator(facility.to_owned());
        scene::signed_in(&test.app, "管理　花子", &[role], cookie).await;
    }
    let role = Role::FacilityAdministrator(FACILITY.to_owned());
    scene::signed_in(&test.app, "同僚　次郎", &[role], COLLEAGUE).await;
    let at = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        for (id, family) in [(ROUTER, "router_strongswan"), (OTHER, "router_yamaha_rtx")] {
            terminal::create(tx, id, FACILITY, id, "p", at).await?;
            let router = Router {
                terminal_id: id.to_owned(),
                family: family.to_owned(),
                dns_name: test.app.config().host_names().of_router(id),
                address: None,
                address_certified: false,
                network: "10.1.0.0/24".parse().unwrap(),
            };
            router::create(tx, &router).await?;
        }
        terminal::create(tx, PC, FACILITY, "外来1号機", "p", at).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    test
}

async fn instance() -> TestApp {
    instance_with(Settings::default()).await
}

async fn send(test: &TestApp, method: &str, path: &str, cookie: &str, form: &str) -> Answer {
    scene::send(&test.app, method, path, cookie, form).await
}

async fn certificates(test: &TestApp, id: &str) -> Vec<Certificate> {
    certificate::of_terminal(&mut test.app.store().read(), id).await.unwrap()
}

async fn good(test: &TestApp, id: &str) -> Vec<Vec<u8>> {
    let all = certificates(test, id).await.into_iter();
    all.filter(|one| one.status == Status::Good).map(|one| one.der).collect()
}

fn page(id: &str) -> String {
    format!("/console/terminals/{id}/certify")
}

fn pem(label: &str, der: &[u8]) -> String {
    der::pem::encode_string(label, der::pem::LineEnding::CRLF, der).unwrap()
}

/// Hands in the request of this key.
async fn certify(test: &TestApp, id: &str, key: &SoftwareKey) -> Answer {
    let request = pem("CERTIFICATE REQUEST", &request_of(key, id));
    send(test, "POST", &page(id), OURS, &form(&[("request", &request)])).await
}

fn file_form(once: &str, key: &str, protection: &str) -> String {
    form(&[("once", once), ("key", key), ("protection", protection)])
}

async fn make_file(test: &TestApp, id: &str, once: &str) -> Answer {
    let path = format!("/console/terminals/{id}/key-file");
    send(test, "POST", &path, OURS, &file_form(once, "p256", "aes256")).await
}

/// What the page shows once.
fn passphrase(page: &str) -> String {
    let (_, rest) = page.split_once("id=\"passphrase\">").unwrap();
    let (shown, _) = rest.split_once("</code>").unwrap();
    shown.replace("<span>", "").replace("</span>", "")
}

async fn fetch(test: &TestApp, once: &str, cookie: &str) -> Answer {
    send(test, "POST", &format!("/console/key-files/{once}"), cookie, "").await
}

#[tokio::test]
async fn a_request_is_certified_under_the_names_of_the_register() {
    let test = instance().await;
    let shown = send(&test, "GET", &page(ROUTER), OURS, "").await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    assert!(shown.text.contains("name=\"request\"") && !shown.text.contains("/chain"));
    let key = SoftwareKey::generate_p256().unwrap();
    let made = certify(&test, ROUTER, &key).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    assert_eq!(made.location, format!("{}?notice=issued", page(ROUTER)));
    let [certificate] = &certificates(&test, ROUTER).await[..] else { panic!() };
    assert_eq!(certificate.spki_sha256, public_key_sha256(key.public_key_der()));
    assert_eq!(certificate.profile, "router_strongswan");
    let text = String::from_utf8_lossy(&certificate.der).into_owned();
    assert!(text.contains("t1111111111.router."), "the name that its peers know it by");
    let shown = send(&test, "GET", &made.location, OURS, "").await.text;
    for part in ["発行しました", "/chain", &hex::encode(&certificate.serial)] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let chain = send(&test, "GET", &format!("/console/terminals/{ROUTER}/chain"), OURS, "").await;
    assert_eq!(chain.text.matches("BEGIN CERTIFICATE").count(), 3, "{}", chain.text);
    assert!(chain.text.starts_with(&pem("CERTIFICATE", &certificate.der).replace('\r', "")));
    let acts = acts(&test.app).await;
    for act in ["terminal.approve_certificate", "terminal.certify"] {
        let done = format!("{act} done facility_administrator");
        assert_eq!(acts.iter().filter(|found| **found == done).count(), 1, "{acts:?}");
    }
    let detail = send(&test, "GET", &format!("/console/terminals/{ROUTER}"), OURS, "").await.text;
    assert!(detail.contains("登録済み") && detail.contains(&page(ROUTER)), "{detail}");
}

#[tokio::test]
async fn the_same_key_gets_the_same_for_a_while_and_the_present_one_lives_until_it_is_ended() {
    let test = instance().await;
    let keys = [(); 3].map(|()| SoftwareKey::generate_p256().unwrap());
    for _ in 0..3 {
        assert_eq!(certify(&test, ROUTER, &keys[0]).await.status, StatusCode::SEE_OTHER);
    }
    let first = good(&test, ROUTER).await;
    assert_eq!(first.len(), 1, "the answer was lost");
    test.clock.advance(Duration::MINUTE);
    certify(&test, ROUTER, &keys[1]).await;
    assert_eq!(good(&test, ROUTER).await.len(), 2, "nobody has carried the new one there yet");
    test.clock.advance(Duration::MINUTE);
    let stale = send(&test, "GET", &page(ROUTER), OURS, "").await.text;
    certify(&test, ROUTER, &keys[2]).await;
    let left = good(&test, ROUTER).await;
    assert_eq!(left.len(), 3, "which of them the device has, nobody here knows");
    assert_eq!(left[2], first[0]);

    // What is ended is what was seen.
    let newest = |text: &str| {
        let (_, rest) = text.split_once("name=\"newest\" value=\"").unwrap();
        rest[..64].to_owned()
    };
    let path = format!("/console/terminals/{ROUTER}/older/end");
    let old = send(&test, "POST", &path, OURS, &form(&[("newest", &newest(&stale))])).await;
    assert_eq!(old.status, StatusCode::CONFLICT, "{}", old.text);
    assert_eq!(good(&test, ROUTER).await.len(), 3);
    let seen = newest(&send(&test, "GET", &page(ROUTER), OURS, "").await.text);
    let ended = send(&test, "POST", &path, OURS, &form(&[("newest", &seen)])).await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER, "{}", ended.text);
    assert_eq!(good(&test, ROUTER).await, left[..1]);
    let again = send(&test, "POST", &path, OURS, &form(&[("newest", &seen)])).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(!send(&test, "GET", &page(ROUTER), OURS, "").await.text.contains("older/end"));
}

#[tokio::test]
async fn so_many_are_in_force_at_once_and_so_many_are_issued_a_day() {
    let test = instance().await;
    let made = async || certify(&test, ROUTER, &SoftwareKey::generate_p256().unwrap()).await.status;
    for _ in 0..4 {
        assert_eq!(made().await, StatusCode::SEE_OTHER);
    }
    assert_eq!(made().await, StatusCode::CONFLICT, "end those before first");
    let at = test.app.now();
    let end_all = async || {
        transaction!(test.app.store(), StoreError, |tx| {
            for one in certificate::of_terminal(tx, ROUTER).await? {
                revocation::revoke(tx, &one.issuer_id, &one.serial, 4, at).await?;
            }
            Ok(Audited::new((), Entry::done("test", Actor::System, at)))
        })
        .unwrap();
    };
    for _ in 4..20 {
        end_all().await;
        assert_eq!(made().await, StatusCode::SEE_OTHER);
    }
    end_all().await;
    assert_eq!(made().await, StatusCode::CONFLICT, "each stands in a list until its end");
    assert_eq!(certificates(&test, ROUTER).await.len(), 20);
}

#[tokio::test]
async fn a_second_file_or_request_takes_no_certificate_that_a_device_may_have() {
    let test = instance().await;
    certify(&test, ROUTER, &SoftwareKey::generate_p256().unwrap()).await;
    let present = good(&test, ROUTER).await[0].clone();
    test.clock.advance(Duration::MINUTE);
    // Saved, and the device cannot open it; another one, not saved; then a request.
    make_file(&test, ROUTER, ONCE).await;
    assert_eq!(fetch(&test, ONCE, OURS).await.status, StatusCode::OK);
    test.clock.advance(Duration::MINUTE);
    make_file(&test, ROUTER, &ONCE.replace('0', "1")).await;
    test.clock.advance(Duration::MINUTE);
    certify(&test, ROUTER, &SoftwareKey::generate_p256().unwrap()).await;
    assert!(good(&test, ROUTER).await.contains(&present));
    test.clock.advance(Duration::minutes(15));
    key_file::end_expired(&test.app).await.unwrap();
    let left = good(&test, ROUTER).await;
    assert!(left.contains(&present) && left.len() == 3, "only what nobody saved ended");
}

#[tokio::test]
async fn what_nobody_has_saved_is_not_shown_as_the_devices_and_ends_nothing() {
    let test = instance().await;
    certify(&test, ROUTER, &SoftwareKey::generate_p256().unwrap()).await;
    let present = certificates(&test, ROUTER).await.remove(0);
    test.clock.advance(Duration::MINUTE);
    make_file(&test, ROUTER, ONCE).await;
    let unsaved = certificates(&test, ROUTER).await.remove(0);
    let shown = send(&test, "GET", &page(ROUTER), COLLEAGUE, "").await.text;
    assert!(shown.contains(&hex::encode(&present.serial)) && !shown.contains("older/end"));
    let path = format!("/console/terminals/{ROUTER}/older/end");
    for newest in [&unsaved, &present] {
        let form = form(&[("newest", &hex::encode(newest.fingerprint))]);
        let refused = send(&test, "POST", &path, OURS, &form).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    }
    assert_eq!(good(&test, ROUTER).await.len(), 2);
    fetch(&test, ONCE, OURS).await;
    assert!(send(&test, "GET", &page(ROUTER), OURS, "").await.text.contains("older/end"));
}

#[tokio::test]
async fn what_cannot_be_certified_is_told_in_words_and_nothing_is_issued() {
    let test = instance().await;
    let key = SoftwareKey::generate_p256().unwrap();
    let weak = SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap();
    let of = |key: &SoftwareKey, name: &str| {
        form(&[("request", &pem("CERTIFICATE REQUEST", &request_of(key, name)))])
    };
    let secret = pem("PRIVATE KEY", &key.pkcs8_der().unwrap());
    for (typed, says) in [
        (form(&[("request", " ")]), "貼り付けてください"),
        (form(&[("request", "abc")]), "読み取れません"),
        (form(&[("request", &secret)]), "秘密鍵が貼り付けられています"),
        (of(&weak, ROUTER), "使えない種類の鍵"),
        (of(&key, OTHER), "別の機器のもの"),
    ] {
        let refused = send(&test, "POST", &page(ROUTER), OURS, &typed).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{says}");
        assert!(refused.text.contains(says), "{says}: {}", refused.text);
        assert!(!refused.text.contains("PRIVATE KEY"), "a secret does not come back");
    }
    // A key of another device.
    certify(&test, OTHER, &key).await;
    let refused = certify(&test, ROUTER, &key).await;
    assert!(refused.text.contains("別の機器のものとして登録"), "{}", refused.text);
    assert!(certificates(&test, ROUTER).await.is_empty());
    let refusal = "terminal.approve_certificate refused facility_administrator registration";
    assert_eq!(acts(&test.app).await.iter().filter(|act| *act == refusal).count(), 3);
}

#[tokio::test]
async fn the_file_opens_by_the_passphrase_alone_that_is_shown_once() {
    let test = instance().await;
    let shown = send(&test, "GET", &page(ROUTER), OURS, "").await.text;
    assert!(shown.contains("AES-256") && !shown.contains("3DES"), "{shown}");
    let made = make_file(&test, ROUTER, ONCE).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let passphrase = passphrase(&made.text);
    assert_eq!(passphrase.len(), 26, "130 bits");
    let file = fetch(&test, ONCE, OURS).await;
    assert_eq!(file.status, StatusCode::OK, "{}", file.text);
    assert_eq!(fetch(&test, ONCE, OURS).await.octets, file.octets, "the download broke off");
    assert!(pkcs12::Pfx::parse(&file.octets).is_ok());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("device.p12");
    std::fs::write(&path, &file.octets).unwrap();
    let open = |passphrase: &str| {
        let out = Command::new("openssl")
            .args(["pkcs12", "-nodes", "-passin", &format!("pass:{passphrase}"), "-in"])
            .arg(&path)
            .output()
            .unwrap();
        (out.status.success(), String::from_utf8(out.stdout).unwrap())
    };
    let (opens, text) = open(&passphrase);
    assert!(opens && text.matches("BEGIN CERTIFICATE").count() == 3, "{text}");
    assert!(!open(&passphrase.to_lowercase()).0);
    let blocks = sekisho_pki::path::files::pem_blocks(text.as_bytes()).unwrap();
    let key = blocks.iter().find(|block| block.label == "PRIVATE KEY").unwrap();
    let key = SoftwareKey::from_pkcs8_der(&key.der).unwrap();
    let [certificate] = &certificates(&test, ROUTER).await[..] else { panic!() };
    assert_eq!(certificate.spki_sha256, public_key_sha256(key.public_key_der()));
    assert!(blocks.iter().any(|block| block.der == certificate.der));
    // Neither page nor trail tells it again.
    let shown = send(&test, "GET", &page(ROUTER), OURS, "").await.text;
    assert!(shown.contains(ONCE) && !shown.contains(&passphrase), "{shown}");
    assert!(shown.contains("保存済み"));
}

#[tokio::test]
async fn a_file_is_made_once_a_form_and_fetched_by_whoever_made_it_in_time() {
    let test = instance().await;
    let ask = make_file(&test, ROUTER, ONCE);
    let (one, other) = tokio::join!(ask, make_file(&test, ROUTER, ONCE));
    let mut statuses = [one.status, other.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT], "{} {}", one.text, other.text);
    assert_eq!(good(&test, ROUTER).await.len(), 1);
    for stranger in [COLLEAGUE, THEIRS] {
        assert_eq!(fetch(&test, ONCE, stranger).await.status, StatusCode::NOT_FOUND);
    }
    let of_colleague = send(&test, "GET", &page(ROUTER), COLLEAGUE, "").await.text;
    assert!(of_colleague.contains("作成した人だけ") && !of_colleague.contains("key-files"));
    assert_eq!(fetch(&test, &ONCE.replace('0', "1"), OURS).await.status, StatusCode::NOT_FOUND);
    test.clock.advance(Duration::minutes(15) - Duration::SECOND);
    assert_eq!(fetch(&test, ONCE, OURS).await.status, StatusCode::OK);
    test.clock.advance(Duration::SECOND);
    let over = fetch(&test, ONCE, OURS).await;
    assert_eq!(over.status, StatusCode::CONFLICT, "{}", over.text);
    for reason in ["over", "of_somebody_else"] {
        let refusal = format!("terminal.fetch_key_file refused facility_administrator {reason}");
        assert_eq!(acts(&test.app).await.iter().filter(|act| **act == refusal).count(), 1);
    }
    key_file::end_expired(&test.app).await.unwrap();
    assert_eq!(good(&test, ROUTER).await.len(), 1, "it was fetched: the device has it");
    let made = make_file(&test, ROUTER, ONCE).await;
    assert_eq!(made.status, StatusCode::OK, "the row is gone: {}", made.text);
}

#[tokio::test]
async fn what_nobody_fetched_goes_with_its_certificate_and_the_present_one_stays_current() {
    let test = instance().await;
    certify(&test, ROUTER, &SoftwareKey::generate_p256().unwrap()).await;
    let present = good(&test, ROUTER).await;
    test.clock.advance(Duration::MINUTE);
    make_file(&test, ROUTER, ONCE).await;
    assert_eq!(good(&test, ROUTER).await.len(), 2);
    // Another one takes the place of what nobody fetched, at once.
    let second = ONCE.replace('0', "1");
    make_file(&test, ROUTER, &second).await;
    let two = good(&test, ROUTER).await;
    assert!(two.len() == 2 && two.contains(&present[0]));
    assert_eq!(fetch(&test, ONCE, OURS).await.status, StatusCode::NOT_FOUND);
    test.clock.advance(Duration::minutes(15));
    key_file::end_expired(&test.app).await.unwrap();
    key_file::end_expired(&test.app).await.unwrap();
    assert_eq!(good(&test, ROUTER).await, present);
    let acts = acts(&test.app).await;
    let taken_back = |act: &&String| act.starts_with("terminal.take_back_key_file done");
    assert_eq!(acts.iter().filter(taken_back).count(), 1, "{acts:?}");
    // Who had it made is told, once, where to make another; of one that they replaced themself they know.
    let deliverers = Deliverers::new().with(notice::KIND, notice::deliver);
    for _ in 0..3 {
        deliver_due(&test.app, &deliverers).await.unwrap();
    }
    let told = async |cookie| send(&test, "GET", "/console/notices", cookie, "").await.text;
    let ours = told(OURS).await;
    assert_eq!(ours.matches("の鍵ファイルが、時間内に保存されなかったか").count(), 1, "{ours}");
    assert!(ours.contains(&format!("/console/terminals/{ROUTER}/certify")), "{ours}");
    for other in [COLLEAGUE, THEIRS] {
        assert!(!told(other).await.contains("鍵ファイル"));
    }
    let mut reader = test.app.store().read();
    let fingerprint = Sha256::digest(&present[0]).into();
    let row = facility_connection::find_router(&mut reader, &fingerprint).await.unwrap();
    assert!(!row.unwrap().certificate_revoked, "its tunnels go on");
}

#[tokio::test]
async fn only_what_the_profile_has_is_made_and_only_where_the_operating_body_allows_it() {
    let test = instance().await;
    let path = |id: &str| format!("/console/terminals/{id}/key-file");
    for (key, protection) in [("p256", "triple_des"), ("rsa2048", "aes256"), ("p256", "rc4")] {
        let form = file_form(ONCE, key, protection);
        let refused = send(&test, "POST", &path(ROUTER), OURS, &form).await;
        assert!(refused.status.is_client_error(), "{key} {protection}: {}", refused.status);
    }
    for once in ["", "00", &ONCE.to_uppercase(), &format!("{ONCE}0"), "../../etc/passwd"] {
        let form = file_form(once, "p256", "aes256");
        let refused = send(&test, "POST", &path(ROUTER), OURS, &form).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{once}");
    }
    assert!(certificates(&test, ROUTER).await.is_empty());
    // Of a family whose manual nobody has read, the old cipher is there, and not the first choice.
    let shown = send(&test, "GET", &page(OTHER), OURS, "").await.text;
    assert!(shown.find("AES-256") < shown.find("3DES"), "{shown}");
    let old = file_form(ONCE, "rsa3072", "triple_des");
    let made = send(&test, "POST", &path(OTHER), OURS, &old).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let file = fetch(&test, ONCE, OURS).await.octets;
    assert!(pkcs12::Pfx::parse(&file).is_ok());

    // A PC makes its key itself, unless the operating body says otherwise.
    let shown = send(&test, "GET", &page(PC), OURS, "").await.text;
    assert!(shown.contains("name=\"request\"") && !shown.contains("key-file"), "{shown}");
    assert_eq!(make_file(&test, PC, ONCE).await.status, StatusCode::FORBIDDEN);
    let mut settings = Settings::default();
    settings.enrolment.server_made_keys = ServerMadeKeys::All;
    let all = instance_with(settings).await;
    assert_eq!(make_file(&all, PC, ONCE).await.status, StatusCode::OK);
    assert_eq!(certificates(&all, PC).await[0].profile, "terminal");
}

#[tokio::test]
async fn somebody_elses_device_does_not_exist_and_a_stopped_one_gets_nothing() {
    let test = instance().await;
    let key = SoftwareKey::generate_p256().unwrap();
    let request = form(&[("request", &pem("CERTIFICATE REQUEST", &request_of(&key, ROUTER)))]);
    let chain = format!("/console/terminals/{ROUTER}/chain");
    let file = format!("/console/terminals/{ROUTER}/key-file");
    let asks = [
        ("GET", page(ROUTER), String::new()),
        ("POST", page(ROUTER), request),
        ("POST", file, file_form(ONCE, "p256", "aes256")),
    ];
    for (method, path, form) in &asks {
        let hidden = send(&test, method, path, THEIRS, form).await;
        assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{method} {path}");
        let nobody = send(&test, method, path, "", form).await;
        assert!(nobody.status.is_redirection() || nobody.status.is_client_error());
    }
    for cookie in [THEIRS, OURS] {
        let none = send(&test, "GET", &chain, cookie, "").await;
        assert_eq!(none.status, StatusCode::NOT_FOUND, "there is no certificate");
    }
    let at = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        organisation::change_status(tx, FACILITY, StatusChange::Suspend, "p", "調査", at).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    for (method, path, form) in &asks {
        let refused = send(&test, method, path, OURS, form).await;
        assert!(refused.status.is_client_error(), "{method} {path}: {}", refused.status);
    }
    assert!(certificates(&test, ROUTER).await.is_empty());
}

#[tokio::test]
async fn a_revoked_device_gets_nothing() {
    let test = instance().await;
    let at = test.app.now();
    let revocation =
        Revocation { crl_reason: 5, cause: "retired", note: "", person_id: Some("p"), at };
    transaction!(test.app.store(), StoreError, |tx| {
        terminal::revoke(tx, ROUTER, FACILITY, revocation).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    for answer in [
        send(&test, "GET", &page(ROUTER), OURS, "").await,
        certify(&test, ROUTER, &SoftwareKey::generate_p256().unwrap()).await,
        make_file(&test, ROUTER, ONCE).await,
    ] {
        assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    }
    assert!(certificates(&test, ROUTER).await.is_empty());
    let refused = "terminal.approve_certificate refused facility_administrator terminal_revoked";
    assert_eq!(acts(&test.app).await.iter().filter(|act| *act == refused).count(), 2);
}
