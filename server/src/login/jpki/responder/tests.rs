//! OpenSSL's responder, and others that do not answer as one should.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use sekisho_ca::lookalike::{CardUse, LookalikeJpki};
use sekisho_key::SystemRandomness;
use sekisho_pki::{
    national::jpki::{CertificateStatus, JpkiError, JpkiRules, UnjudgedJpkiCertificate},
    path::{Anchors, TrustAnchor},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

fn jpki() -> &'static LookalikeJpki {
    static MADE: OnceLock<LookalikeJpki> = OnceLock::new();
    // OpenSSL signs at the time of this machine.
    MADE.get_or_init(|| LookalikeJpki::make(OffsetDateTime::now_utc()).unwrap())
}

fn card(serial: u32) -> UnjudgedJpkiCertificate {
    let now = OffsetDateTime::now_utc();
    let validity = (now - Duration::DAY, now + Duration::DAY);
    let card = jpki().issue_card(CardUse::Authentication, serial, validity).unwrap();
    let anchor = TrustAnchor::from_der(&card.authority_der).unwrap();
    let anchors = Anchors::new(vec![anchor]);
    JpkiRules::default().examine(&card.certificate_der, &[], &anchors, now).unwrap()
}

fn responder(port: u16, patience: Duration) -> Responder {
    responder_with(Nonce::Required, port, patience)
}

fn responder_with(nonce: Nonce, port: u16, patience: Duration) -> Responder {
    let address = Url::parse(&format!("http://127.0.0.1:{port}/jpki")).unwrap();
    Responder::new(address, patience, nonce, Arc::new(SystemRandomness)).unwrap()
}

async fn ask(
    responder: &Responder,
    card: &UnjudgedJpkiCertificate,
) -> Result<StatusAnswer, ProviderError> {
    // Answers are dated to the second; a moment later than any of them.
    let now = OffsetDateTime::now_utc() + Duration::SECOND;
    responder.status(card.query(), now).await
}

/// `openssl ocsp` over an index of certificates (ca(1)).
struct OpenSsl {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl OpenSsl {
    fn start(index: &str, by: &LookalikeJpki) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, octets: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, octets).unwrap();
            path
        };
        let index = write("index.txt", index.as_bytes());
        let authority = write("ca.pem", by.anchor_pem().unwrap().as_bytes());
        let key = write("ca.key", &by.authentication.key.pkcs8_der().unwrap());
        let mut child = Command::new("openssl")
            .args(["ocsp", "-port", "0", "-ndays", "1", "-index"])
            .arg(index)
            .arg("-CA")
            .arg(&authority)
            .arg("-rsigner")
            .arg(&authority)
            .arg("-rkey")
            .arg(key)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        // "ACCEPT 0.0.0.0:PORT PID=…", once it listens.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines.find_map(|line| Some(line.ok()?.strip_prefix("ACCEPT ")?.to_owned()));
        let said = said.expect("openssl ocsp listens");
        let address = said.split(' ').next().unwrap();
        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        Self { child, port, _folder: folder }
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openssls_responder_is_asked_and_believed() {
    let index = "V\t351231000000Z\t\t2A\tunknown\t/CN=good\n\
                 R\t351231000000Z\t261101000000Z,keyCompromise\t2B\tunknown\t/CN=revoked\n";
    let openssl = OpenSsl::start(index, jpki());
    let responder = responder(openssl.port, Duration::seconds(20));
    let good = card(0x2A);
    let answer = ask(&responder, &good).await.unwrap();
    assert_eq!(answer.status, CertificateStatus::Good);
    let now = OffsetDateTime::now_utc() + Duration::SECOND;
    assert!(good.with_status(answer, now).is_ok());
    let revoked = card(0x2B);
    let answer = ask(&responder, &revoked).await.unwrap();
    assert!(matches!(
        revoked.with_status(answer, now),
        Err(JpkiError::Revoked { reason: Some(1), .. })
    ));
    assert!(ask(&responder, &card(0x2C)).await.is_err(), "of one that it does not know");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_the_jpki_did_not_sign_is_none() {
    let stranger = LookalikeJpki::make(OffsetDateTime::now_utc()).unwrap();
    let openssl = OpenSsl::start("V\t351231000000Z\t\t2A\tunknown\t/CN=good\n", &stranger);
    let responder = responder(openssl.port, Duration::seconds(20));
    assert!(ask(&responder, &card(0x2A)).await.is_err());
}

/// Answers each connection with these octets, whatever it asks, and holds it open.
async fn says(octets: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(&octets).await;
            held.push(stream);
        }
    });
    port
}

fn http(status: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let mut octets =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{more}\r\n", body.len()).into_bytes();
    octets.extend(body);
    octets
}

#[tokio::test]
async fn silence_and_whatever_is_no_answer_refuse_within_the_time_that_was_given() {
    let card = card(0x2A);
    let elsewhere = says(http("200 OK", "", b"elsewhere")).await;
    for (what, octets, patience) in [
        ("nothing", Vec::new(), Duration::milliseconds(200)),
        (
            "half an answer",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123".to_vec(),
            Duration::milliseconds(200),
        ),
        ("an error", http("500 Oops", "", b""), Duration::seconds(20)),
        ("what is no OCSP", http("200 OK", "", b"hello"), Duration::seconds(20)),
        ("tryLater", http("200 OK", "", &[0x30, 3, 0x0a, 1, 3]), Duration::seconds(20)),
        ("too much", http("200 OK", "", &vec![0; MOST_OCTETS + 1]), Duration::seconds(20)),
        (
            "a way elsewhere",
            http("307 There", &format!("Location: http://127.0.0.1:{elsewhere}/\r\n"), b""),
            Duration::seconds(20),
        ),
    ] {
        let responder = responder(says(octets).await, patience);
        assert!(ask(&responder, &card).await.is_err(), "{what}");
    }
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = ask(&responder(gone, Duration::seconds(20)), &card).await.unwrap_err();
    assert!(!error.0.contains("127.0.0.1"), "the log need not say where: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_another_question_is_none() {
    let openssl = OpenSsl::start("V\t351231000000Z\t\t2A\tunknown\t/CN=good\n", jpki());
    let card = card(0x2A);
    let asking = responder(openssl.port, Duration::seconds(20));
    // What the responder said once, with that question's nonce.
    let earlier = asking.ask(request(&card.query(), Some(&[7; 32])).unwrap()).await.unwrap();
    let replaying = says(http("200 OK", "", &earlier)).await;
    for nonce in [Nonce::Required, Nonce::Optional] {
        let replaying = responder_with(nonce, replaying, Duration::seconds(20));
        let error = ask(&replaying, &card).await.unwrap_err();
        assert!(error.0.contains("another question"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_nonce_counts_where_the_configuration_says_so() {
    let openssl = OpenSsl::start("V\t351231000000Z\t\t2A\tunknown\t/CN=good\n", jpki());
    let card = card(0x2A);
    let asking = responder(openssl.port, Duration::seconds(20));
    let ahead = asking.ask(request(&card.query(), None).unwrap()).await.unwrap();
    let port = says(http("200 OK", "", &ahead)).await;
    let error = ask(&responder(port, Duration::seconds(20)), &card).await.unwrap_err();
    assert!(error.0.contains("repeats no nonce"), "{error}");
    let willing = responder_with(Nonce::Optional, port, Duration::seconds(20));
    assert_eq!(ask(&willing, &card).await.unwrap().status, CertificateStatus::Good);
}
