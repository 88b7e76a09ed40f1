//! Enrolment against an EST server of the test's own, over real TLS.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use sekisho_agent::terminal::enrol::{EnrolError, enrol, refresh_trust, renew};
use sekisho_agent::terminal::invitation::Invitation;
use sekisho_agent::terminal::key::FileKey;
use sekisho_agent::terminal::place::Place;
use sekisho_ca::lookalike::Forge;
use sekisho_key::SoftwareKey;
use sekisho_pki::encoding::cms;
use sekisho_pki::encoding::name::{Part, name};
use sekisho_protocol::trust::TerminalTrust;
use sekisho_protocol::{Jwk, JwkSet, Sha256Digest};
use serde_json::json;
use time::{Duration, OffsetDateTime};
use tokio::net::TcpListener;
use x509_cert::der::asn1::Ia5String;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};
use x509_cert::name::Name;
use x509_cert::request::CertReq;

use crate::root_roll_over;

pub(super) const HOST: &str = "enrol.agent-test.localhost";
pub(super) const CODE: &str = "ABCD-EFGH";

pub(super) struct Authority {
    pub(super) root_der: Vec<u8>,
    /// The root that follows, that one by the first, and the first by that one.
    pub(super) next_root: [Vec<u8>; 3],
    /// What `cacerts` tells.
    pub(super) told: Mutex<Vec<Vec<u8>>>,
    pub(super) issuing_der: Vec<u8>,
    issuing: Name,
    issuing_key: SoftwareKey,
    /// The key that used the code, as the protocol has it: the same one may ask again.
    used_by: Mutex<Option<Vec<u8>>>,
    codes_received: AtomicUsize,
    pub(super) issued: AtomicUsize,
    /// Connections that showed a certificate and proved its key.
    pub(super) terminals_seen: AtomicUsize,
    /// The next certificate is made, but its answer is lost on the way.
    lose_answer: AtomicBool,
    /// The terminal is on hold: codes are refused for now.
    hold: AtomicBool,
    /// The portal's origin in the trust document.
    portal: Mutex<String>,
    /// The trust document, where a test has one of its own.
    pub(super) trust: Mutex<Option<TerminalTrust>>,
    /// Status, media type and body of what a terminal with a certificate is told instead.
    refusal: Mutex<Option<(u16, &'static str, String)>>,
}

impl Authority {
    fn certify(&self, subject: &Name, spki: &[u8], serial: u32) -> Vec<u8> {
        let now = OffsetDateTime::now_utc();
        let (from, until) = (now - Duration::DAY, now + Duration::DAY);
        let mut forge = Forge::new(&self.issuing, subject, &self.issuing_key, from, until);
        forge.public_key_der = spki.to_vec();
        forge.serial = serial;
        forge.sign(&self.issuing_key).unwrap()
    }

    fn certs_only(certificates: &[&[u8]]) -> (u16, String) {
        let text = STANDARD.encode(cms::certs_only(certificates).unwrap());
        // Line breaks, as many servers send them.
        let lines: Vec<String> =
            text.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into()).collect();
        (200, lines.join("\r\n"))
    }

    fn issue(&self, body: &[u8]) -> (Vec<u8>, (u16, String)) {
        let request = CertReq::from_der(&STANDARD.decode(body).unwrap()).unwrap();
        let spki = request.info.public_key.to_der().unwrap();
        let serial = 100 + self.issued.fetch_add(1, Ordering::SeqCst) as u32;
        let leaf = self.certify(&request.info.subject, &spki, serial);
        (spki, Self::certs_only(&[&leaf]))
    }

    fn answer(&self, path: &str, code: Option<&str>, known: bool, body: &[u8]) -> (u16, String) {
        if code.is_some() {
            self.codes_received.fetch_add(1, Ordering::SeqCst);
        }
        let expected = format!("Basic {}", STANDARD.encode(format!("T0123456789:{CODE}")));
        match path {
            "/.well-known/est/cacerts" => {
                let told = self.told.lock().unwrap();
                Self::certs_only(&told.iter().map(Vec::as_slice).collect::<Vec<_>>())
            }
            "/.well-known/est/simpleenroll" if self.hold.load(Ordering::SeqCst) => {
                (403, "this terminal was stopped for the time being".into())
            }
            "/.well-known/est/simpleenroll" if code == Some(expected.as_str()) => {
                let (spki, answer) = self.issue(body);
                let mut used_by = self.used_by.lock().unwrap();
                match used_by.as_ref().filter(|before| **before != spki) {
                    Some(_) => (403, "this code was used with another key".into()),
                    None => {
                        *used_by = Some(spki);
                        if self.lose_answer.swap(false, Ordering::SeqCst) {
                            return (502, "lost".into());
                        }
                        answer
                    }
                }
            }
            "/.well-known/est/simpleenroll" => (401, "no such code".into()),
            "/.well-known/est/simplereenroll" if known => self.issue(body).1,
            "/terminal/trust" if known => {
                if let Some(trust) = self.trust.lock().unwrap().as_ref() {
                    return (200, serde_json::to_string(trust).unwrap());
                }
                let key = SoftwareKey::generate_p256().unwrap();
                let key =
                    Jwk::from_spki_der(sekisho_key::SigningKey::public_key_der(&key)).unwrap();
                let keys = JwkSet::new(vec![key.named_by_thumbprint()]).unwrap();
                let document = json!({
                    "issuer": "https://login.example",
                    "portal_origins": [self.portal.lock().unwrap().as_str()],
                    "login_request_keys": keys,
                    "terminal": { "id": "T0123456789", "name": "外来1号機" },
                    "facility": { "id": "123456789015", "name": "架空クリニック" },
                    "card_issuers": [],
                    "accepted_policies": [],
                    "presence_url": "https://enrol.example/presence",
                    "minimum_agent_version": "0.1.0",
                });
                (200, document.to_string())
            }
            _ => (401, "who are you?".into()),
        }
    }
}

/// Starts a server; returns it and its address.
pub(super) async fn server(host: &'static str) -> (Arc<Authority>, url::Url) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let key = SoftwareKey::generate_p256().unwrap();
    let root = name(&[Part::CommonName("Test Root")]).unwrap();
    let now = OffsetDateTime::now_utc();
    let (from, until) = (now - Duration::DAY, now + Duration::DAY);
    let issuing = name(&[Part::CommonName("Test Issuing")]).unwrap();
    let issuing_key = SoftwareKey::generate_p256().unwrap();
    let server_key = SoftwareKey::generate_p256().unwrap();
    let subject = name(&[Part::CommonName("server")]).unwrap();

    let forge = |subject: &Name, its_key: &SoftwareKey, serial| Forge {
        serial,
        ..Forge::new(&root, subject, its_key, from, until)
    };
    let first = (&root, &key);
    let root_der = root_roll_over::root(first, first, 1, (from, until));
    let next_root = root_roll_over::next_root(first, (from, until));
    let mut issuing_forge = forge(&issuing, &issuing_key, 2);
    let constraints = BasicConstraints { ca: true, path_len_constraint: Some(0) };
    issuing_forge.put(true, &constraints).unwrap();
    let issuing_der = issuing_forge.sign(&key).unwrap();
    let mut server_forge = forge(&subject, &server_key, 3);
    let host = GeneralName::DnsName(Ia5String::new(host).unwrap());
    server_forge.put(false, &SubjectAltName(vec![host])).unwrap();
    let leaf = server_forge.sign(&key).unwrap();

    let authority = Arc::new(Authority {
        told: Mutex::new(vec![root_der.clone(), issuing_der.clone()]),
        root_der,
        next_root,
        issuing_der,
        issuing,
        issuing_key,
        used_by: Mutex::default(),
        codes_received: AtomicUsize::new(0),
        issued: AtomicUsize::new(0),
        terminals_seen: AtomicUsize::new(0),
        lose_answer: AtomicBool::new(false),
        hold: AtomicBool::new(false),
        portal: Mutex::new("https://terminal.localhost:1".to_owned()),
        trust: Mutex::default(),
        refusal: Mutex::default(),
    });
    let mut anchors = rustls::RootCertStore::empty();
    anchors.add(CertificateDer::from(authority.root_der.clone())).unwrap();
    let verifier =
        WebPkiClientVerifier::builder(anchors.into()).allow_unauthenticated().build().unwrap();
    let private = PrivateKeyDer::try_from(server_key.pkcs8_der().unwrap().to_vec()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            // The way to the root that follows comes along.
            vec![leaf.into(), CertificateDer::from(authority.next_root[2].clone())],
            private,
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = authority.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let known = stream.get_ref().1.peer_certificates().is_some();
            let authority = serving.clone();
            authority.terminals_seen.fetch_add(usize::from(known), Ordering::SeqCst);
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let authority = authority.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let code = head.headers.get("authorization").map(|v| v.to_str().unwrap());
                    let refusal = authority.refusal.lock().unwrap().clone().filter(|_| known);
                    let (status, media_type, text) = refusal.unwrap_or_else(|| {
                        let (status, text) = authority.answer(head.uri.path(), code, known, &body);
                        (status, "text/plain", text)
                    });
                    let answer = Response::builder().status(status);
                    let mut answer = answer.header("content-type", media_type);
                    if authority.hold.load(Ordering::SeqCst) {
                        answer = answer.header("retry-after", "3600");
                    }
                    answer.body(Full::<Bytes>::from(text))
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (authority, format!("https://{HOST}:{port}").parse().unwrap())
}

pub(super) fn invitation(authority: &Authority, server: &url::Url) -> Invitation {
    Invitation {
        server: server.clone(),
        root_sha256: authority.root_fingerprint(),
        terminal: "T0123456789".into(),
        code: CODE.to_owned().into(),
        key_in: None,
    }
}

impl Authority {
    /// What a terminal with a certificate is told from now on.
    pub(super) fn refuse(&self, status: u16, media_type: &'static str, text: &str) {
        *self.refusal.lock().unwrap() = Some((status, media_type, text.to_owned()));
    }

    pub(super) fn root_fingerprint(&self) -> String {
        hex::encode(Sha256Digest::of(&self.root_der).as_bytes())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_enrols_the_pc_and_a_second_run_changes_nothing() {
    let (authority, address) = server(HOST).await;
    let folder = tempfile::tempdir().unwrap();
    let place = Place::create(folder.path()).unwrap();
    let enrolled = enrol(&place, &invitation(&authority, &address)).await.unwrap();
    assert_eq!(enrolled.trust.terminal.name, "外来1号機");
    let first = std::fs::read(place.certificate()).unwrap();

    enrol(&place, &invitation(&authority, &address)).await.unwrap();
    assert_eq!(std::fs::read(place.certificate()).unwrap(), first);
    assert_eq!(authority.issued.load(Ordering::SeqCst), 1);

    use std::os::unix::fs::PermissionsExt;
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&place.folder), mode(&place.key())), (0o700, 0o600));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_line_that_enrolment_prints_works_from_a_home_without_enrolment() {
    let (authority, address) = server(HOST).await;
    let folder = tempfile::tempdir().unwrap();
    let (home, roots_home) = (folder.path().join("the user's"), folder.path().join("root"));
    std::fs::create_dir_all(&roots_home).unwrap();
    let of = |home: &std::path::Path, mut command: tokio::process::Command| {
        command.env_remove("XDG_DATA_HOME").env_remove("SEKISHO_AGENT_DIR").env("HOME", home);
        command
    };
    let program = env!("CARGO_BIN_EXE_sekisho-agent");
    let mut enroll = of(&home, tokio::process::Command::new(program));
    enroll.args(["enroll", "--server", address.as_str(), "--root", &authority.root_fingerprint()]);
    enroll.args(["--terminal", "T0123456789", "--code", CODE]);
    let enrolled = enroll.output().await.unwrap();
    let told = String::from_utf8(enrolled.stdout).unwrap();
    assert!(enrolled.status.success(), "{}", String::from_utf8_lossy(&enrolled.stderr));

    let target = folder.path().join("managed/sekisho.json");
    let printed = told.lines().find(|line| line.contains("--write")).unwrap();
    let line = printed
        .replace("/etc/chromium/policies/managed/sekisho.json", target.to_str().unwrap())
        .replace("sekisho-agent policy", &format!("{program} policy"));
    let mut shell = of(&roots_home, tokio::process::Command::new("sh"));
    let done = shell.arg("-c").arg(&line).output().await.unwrap();
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    assert!(std::fs::read_to_string(target).unwrap().contains("https://terminal.localhost:1"));
    assert_eq!(authority.codes_received.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_lost_its_answer_asks_again_with_the_same_key() {
    let (authority, address) = server(HOST).await;
    let folder = tempfile::tempdir().unwrap();
    let place = Place::create(folder.path()).unwrap();
    authority.lose_answer.store(true, Ordering::SeqCst);
    let lost = enrol(&place, &invitation(&authority, &address)).await;
    assert!(matches!(lost, Err(EnrolError::Refused { status: 502, .. })));
    enrol(&place, &invitation(&authority, &address)).await.unwrap();

    assert!(!folder.path().join("pending").exists());

    // Another key, another folder: the code is spent.
    let other = Place::create(&folder.path().join("other")).unwrap();
    let refused = enrol(&other, &invitation(&authority, &address)).await.unwrap_err();
    assert!(
        matches!(&refused, EnrolError::CodeRefused(text) if text.contains("another key")),
        "{refused}"
    );
    assert!(!other.folder.join("pending").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_wrong_root_the_code_is_never_sent() {
    let (authority, address) = server(HOST).await;
    let folder = tempfile::tempdir().unwrap();
    let place = Place::create(folder.path()).unwrap();
    let wrong = Invitation { root_sha256: "00".repeat(32), ..invitation(&authority, &address) };
    assert!(matches!(enrol(&place, &wrong).await, Err(EnrolError::WrongRoot)));
    let torn = Invitation { root_sha256: "abc".into(), ..invitation(&authority, &address) };
    assert!(matches!(enrol(&place, &torn).await, Err(EnrolError::FingerprintForm)));
    assert_eq!(authority.codes_received.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_another_authority_is_refused_before_anything_is_sent() {
    let (first, address) = server(HOST).await;
    let (second, elsewhere) = server(HOST).await;
    let folder = tempfile::tempdir().unwrap();
    let place = Place::create(folder.path()).unwrap();
    enrol(&place, &invitation(&first, &address)).await.unwrap();
    let certificate = std::fs::read(place.certificate()).unwrap();
    let refused = enrol(&place, &invitation(&second, &elsewhere)).await;
    assert!(matches!(refused, Err(EnrolError::AnotherRoot(_))));
    assert_eq!(second.codes_received.load(Ordering::SeqCst), 0);
    assert_eq!(std::fs::read(place.certificate()).unwrap(), certificate);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_shows_the_right_root_but_stands_not_under_its_name_gets_no_code() {
    let (authority, address) = server("somebody-else.localhost").await;
    let folder = tempfile::tempdir().unwrap();
    let place = Place::create(folder.path()).unwrap();
    let refused = enrol(&place, &invitation(&authority, &address)).await.unwrap_err();
    assert!(matches!(refused, EnrolError::ServerNotTrusted(_)), "{refused}");
    assert_eq!(authority.codes_received.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_on_hold_is_told_so_in_words_and_hears_nothing_of_a_code() {
    let (authority, address) = server(HOST).await;
    let folder = tempfile::tempdir().unwrap();
    let place = Place::create(folder.path()).unwrap();
    enrol(&place, &invitation(&authority, &address)).await.unwrap();
    let run = async |command: &str| {
        let mut agent = tokio::process::Command::new(env!("CARGO_BIN_EXE_sekisho-agent"));
        let output = agent.arg("--dir").arg(folder.path()).arg(command).output().await.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), text)
    };
    let (_, healthy) = run("doctor").await;
    assert!(healthy.contains("ok     server: answers\n"), "{healthy}");
    assert!(healthy.contains("ok     clock: "), "{healthy}");
    let away = "FAULT  portal: https://terminal.localhost:1 does not answer";
    assert!(healthy.contains(away), "{healthy}");
    let here = address.origin().ascii_serialization();
    *authority.portal.lock().unwrap() = here.clone();
    let (_, healthy) = run("doctor").await;
    assert!(healthy.contains(&format!("ok     portal: {here} answers\n")), "{healthy}");

    let problem = json!({
        "type": "urn:problem:on-hold",
        "title": "The connection does not speak for a facility",
        "status": 403,
        "detail": "the certificate of terminal T0123456789 is on hold.",
    });
    *authority.refusal.lock().unwrap() =
        Some((403, "application/problem+json", problem.to_string()));
    let (code, told) = run("doctor").await;
    assert_eq!(code, Some(1), "{told}");
    let line = told.lines().find(|line| line.starts_with("FAULT  server: ")).unwrap();
    assert!(line.contains("this terminal") && line.contains("is on hold; "), "{line}");
    assert!(!line.contains("code") && !line.contains('{') && !line.contains("403"), "{line}");
    assert!(
        told.contains("?      clock: not known: the server told no time; see the line"),
        "{told}"
    );

    let line = "renewal: the certificate shown is on hold.\n";
    *authority.refusal.lock().unwrap() = Some((403, "text/plain; charset=utf-8", line.to_owned()));
    let (code, told) = run("renew").await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("refused this terminal: renewal: the certificate"), "{told}");
    assert!(!told.contains("code"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_code_is_refused_and_nothing_answering_is_named() {
    let (authority, address) = server(HOST).await;
    let folder = tempfile::tempdir().unwrap();
    let place = Place::create(folder.path()).unwrap();
    let wrong = Invitation { code: "WRONG".to_owned().into(), ..invitation(&authority, &address) };
    assert!(matches!(enrol(&place, &wrong).await, Err(EnrolError::CodeRefused(_))));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "its key is gone");
    let nobody = Invitation {
        server: format!("https://{HOST}:1").parse().unwrap(),
        ..invitation(&authority, &address)
    };
    assert!(matches!(enrol(&place, &nobody).await, Err(EnrolError::Unreachable { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn renewal_shows_the_old_certificate_and_keeps_the_key() {
    let (authority, address) = server(HOST).await;
    let folder = tempfile::tempdir().unwrap();
    let place = Place::create(folder.path()).unwrap();
    enrol(&place, &invitation(&authority, &address)).await.unwrap();
    let (before, key) =
        (std::fs::read(place.certificate()).unwrap(), std::fs::read(place.key()).unwrap());
    renew(&place).await.unwrap();
    assert_ne!(std::fs::read(place.certificate()).unwrap(), before);
    assert_eq!(std::fs::read(place.key()).unwrap(), key);
    let key = FileKey::load(&place.key()).unwrap();
    let (_, ahead) = refresh_trust(&place, &key).await.unwrap();
    assert!(ahead.abs() <= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_refused_for_now_keeps_its_key() {
    let (authority, address) = server(HOST).await;
    let folder = tempfile::tempdir().unwrap();
    let place = Place::create(folder.path()).unwrap();
    authority.hold.store(true, Ordering::SeqCst);
    let waits = enrol(&place, &invitation(&authority, &address)).await;
    assert!(matches!(waits, Err(EnrolError::CodeWaits(_))));
    let key_of = |folder: &std::path::Path| std::fs::read(folder.join("terminal.p8")).unwrap();
    let begun = std::fs::read_dir(folder.path().join("pending")).unwrap().next().unwrap().unwrap();
    let key = key_of(&begun.path());
    authority.hold.store(false, Ordering::SeqCst);
    enrol(&place, &invitation(&authority, &address)).await.unwrap();
    assert_eq!(key_of(folder.path()), key);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_of_a_folder_that_does_not_know_its_code_is_answered_with_what_to_do() {
    let (authority, address) = server(HOST).await;
    let folder = tempfile::tempdir().unwrap();
    let place = Place::create(folder.path()).unwrap();
    enrol(&place, &invitation(&authority, &address)).await.unwrap();
    let before = std::fs::read(place.certificate()).unwrap();
    // As an older agent left it.
    let mut enrolment = place.enrolment().unwrap();
    enrolment.code_sha256 = None;
    place.remember(&enrolment).unwrap();
    let refused = enrol(&place, &invitation(&authority, &address)).await.unwrap_err();
    assert!(matches!(refused, EnrolError::EnrolledBefore { .. }), "{refused}");
    let told = refused.to_string();
    assert!(told.contains("T0123456789 already") && told.contains("another key"), "{told}");
    assert!(told.contains("sekisho-agent renew") && told.contains("a new code"), "{told}");
    assert_eq!(std::fs::read(place.certificate()).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_did_not_reach_the_browser_says_that_it_stands() {
    let (authority, address) = server(HOST).await;
    let folder = tempfile::tempdir().unwrap();
    let place = Place::create(folder.path()).unwrap();
    enrol(&place, &invitation(&authority, &address)).await.unwrap();
    let before = std::fs::read(place.certificate()).unwrap();
    let mut agent = tokio::process::Command::new(env!("CARGO_BIN_EXE_sekisho-agent"));
    agent.arg("--dir").arg(folder.path()).args(["renew", "--nss"]).arg(place.root());
    let output = agent.output().await.unwrap();
    let (told, error) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert_eq!(told, "Renewed.\n");
    assert!(error.contains("the certificate is renewed") && error.contains("--browser-only"));
    assert_ne!(std::fs::read(place.certificate()).unwrap(), before);
}
