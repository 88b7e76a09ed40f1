//! Enrolment through the router of its name, against a real register.

use std::{collections::BTreeSet, net::SocketAddr};

use axum::body::Body;
use base64::{Engine, engine::general_purpose::STANDARD};
use der::Decode;
use futures_util::future::join_all;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use rustls_pki_types::CertificateDer;
use sekisho_ca::registration::terminal_identifier::TerminalIdentifier;
use sekisho_key::{RsaSize, SigningKey, SoftwareKey, SystemRandomness};
use sekisho_pki::encoding::{
    cms,
    key_identifier::fingerprint,
    name::{Part, name},
    request::to_be_signed,
    signed_object::assemble,
};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    certificate,
    enrolment_code::{self, Attempt, Claim, ClaimPolicy, NewCode},
    revocation, sql,
    terminal::{self, TerminalStatus},
    transaction,
};
use time::Duration;
use tower::ServiceExt;
use x509_cert::{Certificate, name::Name};

use crate::{
    enrol::code::EnrolmentCode,
    listener::Peer,
    names::NameRole,
    revocation::{Measure, Order, Target, carry_out},
    router,
    testing::{self, TestApp},
};

const FACILITY: &str = "123456789007";
const TERMINAL: &str = "T0123456789";
const OTHER: &str = "T9876543210";

/// Runs one change in a transaction of its own.
macro_rules! change {
    ($test:expr, |$tx:ident| $body:expr) => {{
        let at = $test.app.now();
        transaction!($test.app.store(), StoreError, |$tx| {
            let value = $body;
            Ok(Audited::new(value, Entry::done("test", Actor::System, at)))
        })
        .unwrap()
    }};
}

/// An instance with an active facility and two terminals.
async fn instance() -> TestApp {
    let test = testing::app().await;
    let at = test.app.now();
    change!(test, |tx| {
        tx.execute(sql("INSERT INTO application (id, receipt, kind, name, name_kana, prefecture,
                 postal_code, address, contact_name, contact_phone, contact_email, created_at)
             VALUES ('a', 'r', 'hospital', 'n', 'k', 13, '1', 'a', 'c', 'p', 'e', 0)"))
            .await?;
        tx.execute(
            sql("INSERT INTO organisation
                 (id, application_id, kind, prefecture, postal_code, address, created_at)
             VALUES ($1, 'a', 'hospital', 13, '1', 'a', 0)")
            .bind(FACILITY),
        )
        .await?;
        tx.execute(
            sql("INSERT INTO organisation_event (id, organisation_id, at, kind, reason)
                 VALUES ('00000000-0000-7000-8000-000000000000', $1, 0, 'activated', '')")
            .bind(FACILITY),
        )
        .await?;
        for id in [TERMINAL, OTHER] {
            terminal::create(tx, id, FACILITY, "外来1号機", "p", at).await?;
        }
    });
    test
}

async fn new_code(test: &TestApp, terminal_id: &str) -> String {
    let code = EnrolmentCode::generate(&SystemRandomness).unwrap();
    let now = test.app.now();
    change!(test, |tx| {
        let kept = NewCode {
            code_hash: &code.hash(),
            terminal_id,
            tries: 5,
            person_id: "p",
            created_at: now,
            expires_at: now + test.app.config().enrolment().code_lifetime(),
        };
        enrolment_code::issue(tx, kept).await?
    });
    code.reveal().to_string()
}

fn key() -> SoftwareKey {
    SoftwareKey::generate_p256().unwrap()
}

fn csr(key: &SoftwareKey, subject: &Name) -> Vec<u8> {
    signed_by(key, key, subject)
}

fn signed_by(key: &SoftwareKey, signer: &SoftwareKey, subject: &Name) -> Vec<u8> {
    let info = to_be_signed(subject, key.public_key_der()).unwrap();
    let signature = signer.sign_now(&info).unwrap();
    assemble(&info, signer.algorithm().identifier(), &signature).unwrap()
}

/// One request of a terminal; what is not set is as a good client sends it.
#[derive(Clone)]
struct Ask {
    operation: &'static str,
    authorization: Option<String>,
    content_type: &'static str,
    body: Vec<u8>,
    chain: Vec<Vec<u8>>,
}

impl Ask {
    fn enrol(terminal_id: &str, code: &str, der: &[u8]) -> Self {
        let basic = STANDARD.encode(format!("{terminal_id}:{code}"));
        Self {
            operation: "simpleenroll",
            authorization: Some(format!("Basic {basic}")),
            content_type: "application/pkcs10",
            body: STANDARD.encode(der).into_bytes(),
            chain: Vec::new(),
        }
    }

    fn renew(certificate: &[u8], der: &[u8]) -> Self {
        Self {
            operation: "simplereenroll",
            authorization: None,
            chain: vec![certificate.to_vec()],
            ..Self::enrol("", "", der)
        }
    }

    async fn send(self, test: &TestApp) -> Answer {
        let mut request = Request::post(format!("/.well-known/est/{}", self.operation))
            .header(header::HOST, test.app.names().authority(NameRole::Enrol))
            .header(header::CONTENT_TYPE, self.content_type)
            .header("content-transfer-encoding", "base64");
        if let Some(authorization) = self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let peer = Peer {
            addr: SocketAddr::from(([192, 0, 2, 1], 50_000)),
            role: NameRole::Enrol,
            chain: self.chain.into_iter().map(CertificateDer::from).collect::<Vec<_>>().into(),
        };
        let request = request.extension(peer).body(Body::from(self.body)).unwrap();
        let response = router::enrol(&test.app).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    text: String,
}

impl Answer {
    /// The one certificate of a good answer.
    fn certificate(&self) -> Vec<u8> {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            "application/pkcs7-mime; smime-type=certs-only"
        );
        assert_eq!(self.headers["content-transfer-encoding"], "base64");
        let mut all = cms::parse_certs_only(&STANDARD.decode(&self.text).unwrap()).unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    fn is_refused(&self, status: StatusCode, says: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert!(self.text.contains(says), "{}", self.text);
        assert!(
            self.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/plain"),
            "{:?}",
            self.headers
        );
    }
}

async fn certificates(test: &TestApp, terminal_id: &str) -> Vec<certificate::Certificate> {
    certificate::of_terminal(&mut test.app.store().read(), terminal_id).await.unwrap()
}

async fn acts(test: &TestApp) -> Vec<String> {
    let records =
        sekisho_store::audit::list(&mut test.app.store().read(), "", None, 1000).await.unwrap();
    records
        .into_iter()
        .map(|record| {
            let form: serde_json::Value = serde_json::from_slice(&record.canonical).unwrap();
            let reason = form["reason"].as_str().map(|r| format!(":{r}")).unwrap_or_default();
            format!("{}{reason}", form["act"].as_str().unwrap())
        })
        .collect()
}

async fn notices(test: &TestApp) -> usize {
    let now = test.app.now() + Duration::DAY;
    test.app.store().claim_outbox("notice", now, Duration::MINUTE, 100).await.unwrap().len()
}

#[tokio::test]
async fn a_code_gives_a_certificate_that_names_the_facility_whatever_the_request_wishes() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let key = key();
    // Another country and a facility number of its own: neither gets into the certificate.
    let wish = name(&[Part::Country("US"), Part::SerialNumber("999999999999")]).unwrap();
    let der = Ask::enrol(TERMINAL, &code, &csr(&key, &wish)).send(&test).await.certificate();

    let certificate = Certificate::from_der(&der).unwrap();
    let expected =
        name(&[Part::Country("JP"), Part::CommonName(TERMINAL), Part::SerialNumber(FACILITY)])
            .unwrap();
    assert_eq!(certificate.tbs_certificate().subject(), &expected);
    assert!(der.len() <= 900, "{} octets", der.len());
    let kept = certificates(&test, TERMINAL).await;
    assert_eq!(kept.len(), 1);
    assert_eq!((&kept[0].der, kept[0].status), (&der, revocation::Status::Good));
    let terminal = terminal::find(&mut test.app.store().read(), TERMINAL).await.unwrap().unwrap();
    assert_eq!(terminal.status, TerminalStatus::Enrolled);
    let acts = acts(&test).await;
    for act in ["terminal.claim_code", "certificate.intend", "certificate.issue", "terminal.enrol"]
    {
        assert!(acts.iter().any(|found| found == act), "{act} in {acts:?}");
    }
}

#[tokio::test]
async fn sixteen_enrolments_at_once_share_their_commits_and_take_two_each() {
    let test = instance().await;
    let mut asks = Vec::new();
    for number in 0..16 {
        let terminal_id = TerminalIdentifier::from_random(number).to_string();
        let at = test.app.now();
        change!(test, |tx| {
            terminal::create(tx, &terminal_id, FACILITY, &terminal_id, "p", at).await?
        });
        let code = new_code(&test, &terminal_id).await;
        asks.push(Ask::enrol(&terminal_id, &code, &csr(&key(), &Name::default())));
    }
    let before = test.app.store().shared_commits();
    let answers = join_all(asks.into_iter().map(|ask| ask.send(&test))).await;
    let after = test.app.store().shared_commits();
    let certificates: BTreeSet<Vec<u8>> = answers.iter().map(Answer::certificate).collect();
    assert_eq!(certificates.len(), 16);
    // Sixteen intentions, sixteen certificates, and blocks of 1, 2, 4, 8 and 16 serial numbers.
    assert!(after.steps - before.steps <= 32 + 5, "{before:?} {after:?}");
    assert!(after.commits - before.commits <= 16, "{before:?} {after:?}");
}

#[tokio::test]
async fn bodies_with_line_breaks_and_without_padding_are_read() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let key = key();
    let mut ask = Ask::enrol(TERMINAL, &code, &csr(&key, &Name::default()));
    let lines: Vec<&[u8]> = ask.body.chunks(64).collect();
    ask.body = lines.join(&b"\r\n"[..]);
    ask.content_type = "Application/PKCS10; charset=us-ascii";
    let first = ask.send(&test).await.certificate();
    let mut again = Ask::enrol(TERMINAL, &code, &csr(&key, &Name::default()));
    while again.body.last() == Some(&b'=') {
        again.body.pop();
    }
    assert_eq!(again.send(&test).await.certificate(), first);
}

#[tokio::test]
async fn the_same_key_gets_the_same_certificate_for_a_quarter_of_an_hour() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let key = key();
    let ask = || Ask::enrol(TERMINAL, &code, &csr(&key, &Name::default())).send(&test);
    let first = ask().await.certificate();
    test.clock.advance(Duration::minutes(15));
    assert_eq!(ask().await.certificate(), first);
    test.clock.advance(Duration::SECOND);
    ask().await.is_refused(StatusCode::FORBIDDEN, "used before with the same key");
    assert_eq!(certificates(&test, TERMINAL).await.len(), 1);
}

#[tokio::test]
async fn a_used_code_with_another_key_is_refused_and_the_administrator_told_once() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    Ask::enrol(TERMINAL, &code, &csr(&key(), &Name::default())).send(&test).await.certificate();
    for _ in 0..2 {
        let answer = Ask::enrol(TERMINAL, &code, &csr(&key(), &Name::default())).send(&test).await;
        answer.is_refused(StatusCode::FORBIDDEN, "administrator has been told");
    }
    assert_eq!(certificates(&test, TERMINAL).await.len(), 1);
    assert_eq!(notices(&test).await, 1);
    let terminal = terminal::find(&mut test.app.store().read(), TERMINAL).await.unwrap().unwrap();
    assert_eq!(terminal.code_misused_at, Some(test.app.now()));
    let refused = "terminal.enrol:code_used_with_another_key";
    assert_eq!(acts(&test).await.iter().filter(|act| *act == refused).count(), 2);
}

#[tokio::test]
async fn of_two_enrolments_with_one_code_exactly_one_wins() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let keys = [key(), key()];
    let ask = |key: &SoftwareKey| Ask::enrol(TERMINAL, &code, &csr(key, &Name::default()));
    let (one, two) = tokio::join!(ask(&keys[0]).send(&test), ask(&keys[1]).send(&test));
    let mut statuses = [one.status, two.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::FORBIDDEN]);
    assert_eq!(certificates(&test, TERMINAL).await.len(), 1);
}

#[tokio::test]
async fn an_unknown_terminal_and_a_wrong_code_get_the_same_challenge() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let wrong = EnrolmentCode::generate(&SystemRandomness).unwrap().reveal().to_string();
    let der = csr(&key(), &Name::default());
    let mut answers = vec![
        Ask::enrol(TERMINAL, &wrong, &der).send(&test).await,
        Ask::enrol("T5555555555", &code, &der).send(&test).await,
        Ask::enrol(OTHER, &code, &der).send(&test).await,
        Ask::enrol("admin", "secret", &der).send(&test).await,
    ];
    let silent = Ask { authorization: None, ..Ask::enrol(TERMINAL, &code, &der) };
    answers.push(silent.send(&test).await);
    for answer in &answers {
        answer.is_refused(StatusCode::UNAUTHORIZED, "terminal and code are not accepted");
        assert_eq!(answer.text, answers[0].text);
        assert!(answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Basic "));
    }
    assert!(certificates(&test, TERMINAL).await.is_empty());
    // The wrong attempts did not use the right code up.
    Ask::enrol(TERMINAL, &code, &der).send(&test).await.certificate();
}

#[tokio::test]
async fn a_refusal_is_of_the_terminals_facility_wherever_the_terminal_exists() {
    let test = instance().await;
    let wrong = EnrolmentCode::generate(&SystemRandomness).unwrap().reveal().to_string();
    let der = csr(&key(), &Name::default());
    for (named, code) in [
        (TERMINAL, wrong.as_str()),
        (TERMINAL, "no code"),
        ("T5555555555", "no code"),
        ("T5555555555", &wrong),
        ("admin", "secret"),
    ] {
        Ask::enrol(named, code, &der).send(&test).await;
    }
    let records =
        sekisho_store::audit::list(&mut test.app.store().read(), "", None, 1000).await.unwrap();
    let mut refused: Vec<_> = records
        .iter()
        .filter(|record| record.columns.act == "terminal.enrol")
        .map(|record| {
            let form: serde_json::Value = serde_json::from_slice(&record.canonical).unwrap();
            let organisation = record.columns.organisation_id.clone();
            (
                form["reason"].as_str().unwrap().to_owned(),
                organisation,
                form.to_string().contains(TERMINAL),
            )
        })
        .collect();
    refused.sort();
    let of = |reason: &str, facility: Option<&str>| {
        (reason.to_owned(), facility.map(str::to_owned), facility.is_some())
    };
    assert_eq!(
        refused,
        [
            of("malformed_credentials", None),
            of("malformed_credentials", None),
            of("malformed_credentials", Some(FACILITY)),
            of("unknown_terminal", None),
            of("wrong_code", Some(FACILITY)),
        ]
    );
}

#[tokio::test]
async fn an_expired_code_and_a_revoked_terminal_give_nothing() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let der = csr(&key(), &Name::default());
    test.clock.advance(Duration::DAY);
    let answer = Ask::enrol(TERMINAL, &code, &der).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "its time is over");

    let code = new_code(&test, TERMINAL).await;
    revoke(&test).await;
    let answer = Ask::enrol(TERMINAL, &code, &der).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "revoked");
    assert!(certificates(&test, TERMINAL).await.is_empty());
}

#[tokio::test]
async fn a_revoked_authority_gives_nothing_and_leaves_the_code_unused() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let mine =
        Ask::enrol(TERMINAL, &code, &csr(&key(), &Name::default())).send(&test).await.certificate();
    let code = new_code(&test, OTHER).await;
    let at = test.app.now();
    change!(test, |tx| revocation::revoke_issuer(tx, "terminals", 2, at).await?);

    let (key, der) = (key(), |key: &SoftwareKey| csr(key, &Name::default()));
    for _ in 0..2 {
        let answer = Ask::enrol(OTHER, &code, &der(&key)).send(&test).await;
        answer.is_refused(StatusCode::SERVICE_UNAVAILABLE, "was revoked");
        assert!(!answer.headers.contains_key(header::RETRY_AFTER), "waiting does not help");
    }
    Ask::renew(&mine, &der(&key)).send(&test).await.is_refused(StatusCode::FORBIDDEN, "revoked");
    assert!(certificates(&test, OTHER).await.is_empty());
    assert_eq!(certificates(&test, TERMINAL).await.len(), 1);
    let refusals =
        acts(&test).await.into_iter().filter(|a| a == "certificate.intend:issuer_revoked");
    assert_eq!(refusals.count(), 2);
    let kept = enrolment_code::latest(&mut test.app.store().read(), OTHER).await.unwrap().unwrap();
    assert!(kept.used_at.is_none(), "{kept:?}");
}

async fn revoke(test: &TestApp) {
    let revocation =
        terminal::Revocation { crl_reason: 1, note: "x", person_id: Some("p"), at: test.app.now() };
    let taken = change!(test, |tx| terminal::revoke(tx, TERMINAL, FACILITY, revocation).await?);
    assert!(taken.is_some());
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_leaves_the_code_unused() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let good = csr(&key(), &Name::default());
    let bad = |status: StatusCode, says: &'static str, body: Vec<u8>| {
        let ask = Ask { body, ..Ask::enrol(TERMINAL, &code, &good) };
        let test = &test;
        async move { ask.send(test).await.is_refused(status, says) }
    };
    let base64 = |der: &[u8]| STANDARD.encode(der).into_bytes();
    bad(StatusCode::BAD_REQUEST, "empty", Vec::new()).await;
    bad(StatusCode::BAD_REQUEST, "not base64", b"!!!!".to_vec()).await;
    bad(StatusCode::BAD_REQUEST, "not a PKCS #10", base64(b"hello")).await;
    bad(StatusCode::BAD_REQUEST, "not a PKCS #10", base64(&good[..good.len() - 1])).await;
    bad(StatusCode::PAYLOAD_TOO_LARGE, "16 KiB", vec![b'A'; 16 * 1024 + 1]).await;
    let foreign = signed_by(&key(), &key(), &Name::default());
    bad(StatusCode::BAD_REQUEST, "not signed by the key", base64(&foreign)).await;
    let short = SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap();
    bad(StatusCode::BAD_REQUEST, "RSA of 2048 bits", base64(&csr(&short, &Name::default()))).await;
    let wish = name(&[Part::CommonName(OTHER)]).unwrap();
    bad(StatusCode::FORBIDDEN, "asks for the name", base64(&csr(&key(), &wish))).await;
    let wrong_type = Ask { content_type: "text/plain", ..Ask::enrol(TERMINAL, &code, &good) };
    let answer = wrong_type.send(&test).await;
    answer.is_refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/pkcs10");

    assert!(certificates(&test, TERMINAL).await.is_empty());
    Ask::enrol(TERMINAL, &code, &good).send(&test).await.certificate();
}

#[tokio::test]
async fn a_key_of_another_terminal_is_refused() {
    let test = instance().await;
    let key = key();
    let der = csr(&key, &Name::default());
    let code = new_code(&test, OTHER).await;
    Ask::enrol(OTHER, &code, &der).send(&test).await.certificate();
    let code = new_code(&test, TERMINAL).await;
    let answer = Ask::enrol(TERMINAL, &code, &der).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "belongs to another terminal");
    assert!(!answer.text.contains(OTHER), "{}", answer.text);
}

#[tokio::test]
async fn enrolling_anew_takes_the_old_certificate_back() {
    let test = instance().await;
    for expected in 1..=2 {
        let code = new_code(&test, TERMINAL).await;
        let der = csr(&key(), &Name::default());
        Ask::enrol(TERMINAL, &code, &der).send(&test).await.certificate();
        let all = certificates(&test, TERMINAL).await;
        assert_eq!(all.len(), expected);
        let good = all.iter().filter(|c| c.status == revocation::Status::Good).count();
        assert_eq!(good, 1);
        test.clock.advance(Duration::MINUTE);
    }
}

#[tokio::test]
async fn a_new_code_is_no_way_round_a_hold() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let old = Ask::enrol(TERMINAL, &code, &csr(&key(), &Name::default())).send(&test).await;
    let old = old.certificate();
    let order = |measure| Order {
        target: Target::Terminal(TERMINAL.to_owned()),
        measure,
        invalidity_at: None,
        note: "being looked for".to_owned(),
        actor: Actor::System,
        at: test.app.now(),
    };
    carry_out(test.app.store(), &order(Measure::Hold)).await.unwrap();
    test.clock.advance(Duration::SECOND);
    let code = new_code(&test, TERMINAL).await;
    let new = Ask::enrol(TERMINAL, &code, &csr(&key(), &Name::default()));
    new.clone().send(&test).await.is_refused(StatusCode::FORBIDDEN, "on hold");
    assert_eq!(certificates(&test, TERMINAL).await.len(), 1);
    test.clock.advance(Duration::SECOND);
    carry_out(test.app.store(), &order(Measure::Release)).await.unwrap();
    let new = new.send(&test).await.certificate();
    let all = certificates(&test, TERMINAL).await;
    let status = |der: &[u8]| all.iter().find(|c| c.der == der).unwrap().status;
    assert_eq!(status(&new), revocation::Status::Good);
    assert!(status(&old).is_final());
}

#[tokio::test]
async fn an_older_code_never_comes_back_over_a_newer_enrolment() {
    let test = instance().await;
    let (first, second) = (key(), key());
    let old_code = new_code(&test, TERMINAL).await;
    let by_old = || Ask::enrol(TERMINAL, &old_code, &csr(&first, &Name::default())).send(&test);
    by_old().await.certificate();
    // A second code was brought, and the process died before anything came of it.
    test.clock.advance(Duration::SECOND);
    let dead_code = new_code(&test, TERMINAL).await;
    let dead_csr = csr(&second, &Name::default());
    let hash = EnrolmentCode::parse(&dead_code).unwrap().hash();
    let spki_sha256 = fingerprint(second.public_key_der());
    change!(test, |tx| {
        let attempt = Attempt {
            terminal_id: TERMINAL,
            code_hash: &hash,
            spki_sha256: &spki_sha256,
            at: test.app.now(),
        };
        let policy = ClaimPolicy {
            same_key_grace: Duration::minutes(15),
            issuance_limit: Duration::seconds(10),
        };
        assert!(matches!(enrolment_code::claim(tx, attempt, policy).await?, Claim::Won(_)));
    });
    test.clock.advance(Duration::SECOND);
    let code = new_code(&test, TERMINAL).await;
    let newest = Ask::enrol(TERMINAL, &code, &csr(&key(), &Name::default())).send(&test).await;
    let newest = newest.certificate();
    test.clock.advance(Duration::MINUTE);
    by_old().await.is_refused(StatusCode::FORBIDDEN, "was revoked since");
    let answer = Ask::enrol(TERMINAL, &dead_code, &dead_csr).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "was revoked since");
    let all = certificates(&test, TERMINAL).await;
    let good: Vec<_> = all.iter().filter(|c| c.status == revocation::Status::Good).collect();
    assert_eq!(good.len(), 1);
    assert_eq!(good[0].der, newest);
}

#[tokio::test]
async fn a_terminal_renews_by_its_certificate_and_keeps_the_old_one() {
    let test = instance().await;
    let key = key();
    let der = csr(&key, &name(&[Part::CommonName(TERMINAL)]).unwrap());
    let code = new_code(&test, TERMINAL).await;
    let old = Ask::enrol(TERMINAL, &code, &der).send(&test).await.certificate();
    test.clock.advance(Duration::days(200));
    let new = Ask::renew(&old, &der).send(&test).await.certificate();
    assert_ne!(new, old);
    // The answer was lost: the same again.
    assert_eq!(Ask::renew(&old, &der).send(&test).await.certificate(), new);
    let all = certificates(&test, TERMINAL).await;
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|c| c.status == revocation::Status::Good));
}

#[tokio::test]
async fn renewal_needs_the_terminals_own_unrevoked_certificate() {
    let test = instance().await;
    let (own, others) = (key(), key());
    let csr_of = |key: &SoftwareKey, id| csr(key, &name(&[Part::CommonName(id)]).unwrap());
    let code = new_code(&test, TERMINAL).await;
    let mine = Ask::enrol(TERMINAL, &code, &csr_of(&own, TERMINAL)).send(&test).await.certificate();
    let code = new_code(&test, OTHER).await;
    let theirs = Ask::enrol(OTHER, &code, &csr_of(&others, OTHER)).send(&test).await.certificate();

    // Another terminal's certificate renews neither my name nor my key.
    let answer = Ask::renew(&theirs, &csr_of(&key(), TERMINAL)).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "asks for the name");
    let answer = Ask::renew(&theirs, &csr_of(&own, OTHER)).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "belongs to another terminal");

    let bare = Ask { chain: Vec::new(), ..Ask::renew(&mine, &csr_of(&own, TERMINAL)) };
    bare.send(&test).await.is_refused(StatusCode::FORBIDDEN, "no certificate");
    let mut forged = mine.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let answer = Ask::renew(&forged, &csr_of(&own, TERMINAL)).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "not one that we issued");

    revoke(&test).await;
    let answer = Ask::renew(&mine, &csr_of(&own, TERMINAL)).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "revoked");
    test.clock.advance(Duration::days(400));
    let answer = Ask::renew(&theirs, &csr_of(&others, OTHER)).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "expired");
    assert_eq!(certificates(&test, TERMINAL).await.len(), 1);
    assert_eq!(certificates(&test, OTHER).await.len(), 1);
}

#[tokio::test]
async fn the_authorities_certificates_are_given_to_anybody() {
    let test = instance().await;
    let request = Request::get("/.well-known/est/cacerts")
        .header(header::HOST, test.app.names().authority(NameRole::Enrol))
        .body(Body::empty())
        .unwrap();
    let response = router::enrol(&test.app).oneshot(request).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/pkcs7-mime");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let all = cms::parse_certs_only(&STANDARD.decode(body).unwrap()).unwrap();
    let authority = test.app.authority();
    for expected in [authority.root_der(), authority.terminals(test.app.now()).certificate_der()] {
        assert!(all.iter().any(|der| der == expected));
    }
    assert_eq!(all.len(), 2);
}
