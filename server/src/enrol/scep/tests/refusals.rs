//! Hostile input: refused, recorded, and nothing issued.

use axum::body::Body;
use http::{Request, StatusCode, header};
use sekisho_ca::request::RequestError;
use sekisho_key::SoftwareKey;
use sekisho_pki::scep::{Cipher, FailInfo, MessageType};
use sekisho_store::Queries;

use super::{
    client::{Heard, Message, common_name, key, request, self_signed},
    scene::{ask, enabled, get, post, ra_der, send, send_octets, with_scep, with_settings},
};
use crate::{
    enrol::{
        est::tests::{
            routers::{FIXED, ROUTER},
            scene::{TERMINAL, acts, certificates, new_code},
        },
        scep::refusal,
    },
    testing::TestApp,
};

async fn nothing_was_issued(test: &TestApp) {
    for id in [ROUTER, FIXED, TERMINAL] {
        assert!(certificates(test, id).await.is_empty(), "{id}");
    }
}

async fn records(test: &TestApp, act: &str) -> usize {
    acts(test).await.iter().filter(|found| *found == act).count()
}

#[tokio::test]
async fn garbage_is_refused_by_http_and_recorded() {
    let test = with_scep().await;
    for octets in [&b""[..], b"\x30", b"\x30\x80", b"hello", &[0x30; 300], &[0xff; 300]] {
        let answer = post(&test, octets.to_vec()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{octets:02x?}");
        assert!(answer.text().starts_with("SCEP: "), "{}", answer.text());
    }
    for query in [
        "",
        "operation=",
        "operation=PKIOperation",
        "operation=PKIOperation&message=%",
        "operation=PKIOperation&message=AAAA",
        "operation=GetNextCACert",
        "operation=GetCACaps&operation=GetCACaps",
        "operation=%3Cscript%3E",
    ] {
        let answer = get(&test, query).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(!answer.text().contains('<'), "{}", answer.text());
    }
    assert_eq!(records(&test, "terminal.enrol:scep_malformed").await, 7);
    nothing_was_issued(&test).await;
}

#[tokio::test]
async fn a_message_that_breaks_off_is_refused_wherever_it_does() {
    let test = with_scep().await;
    let code = new_code(&test, ROUTER).await;
    let message = Message::enrol(key(0), ROUTER, &code);
    let whole = message.octets(&ra_der(&test).await);
    // Each octet: `a_message_cut_at_any_octet_is_none` of the parser. Here the door, before its network rests.
    for end in (0..whole.len()).step_by(whole.len() / 20) {
        let answer = post(&test, whole[..end].to_vec()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{end}");
    }
    nothing_was_issued(&test).await;
    send_octets(&test, &message, whole).await.certificate();
}

#[tokio::test]
async fn a_wrong_type_and_ten_megabytes_are_refused_before_they_are_read_as_anything() {
    let test = with_scep().await;
    let code = new_code(&test, ROUTER).await;
    let octets = Message::enrol(key(0), ROUTER, &code).octets(&ra_der(&test).await);
    let at = |named: &str, octets: Vec<u8>| {
        Request::post("/scep?operation=PKIOperation")
            .header(header::CONTENT_TYPE, named)
            .body(Body::from(octets))
            .unwrap()
    };
    for named in ["application/pkcs10", "text/html", "application/x-www-form-urlencoded"] {
        let answer = ask(&test, at(named, octets.clone())).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{named}");
    }
    let mut twice = at("application/x-pki-message", octets);
    twice.headers_mut().append(header::CONTENT_TYPE, "text/html".parse().unwrap());
    assert_eq!(ask(&test, twice).await.status, StatusCode::BAD_REQUEST);
    let answer = post(&test, vec![0x30; 10 * 1024 * 1024]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    nothing_was_issued(&test).await;
}

#[tokio::test]
async fn a_client_that_stops_in_its_message_is_given_up() {
    let mut settings = enabled();
    settings.listen.body_seconds = 1;
    let test = with_settings(settings).await;
    let code = new_code(&test, ROUTER).await;
    let whole = Message::enrol(key(0), ROUTER, &code).octets(&ra_der(&test).await);
    let first = futures_util::stream::once(async move {
        Ok::<_, std::io::Error>(whole[..whole.len() - 1].to_vec())
    });
    let silent = futures_util::StreamExt::chain(first, futures_util::stream::pending());
    let request = Request::post("/scep?operation=PKIOperation")
        .header(header::CONTENT_TYPE, "application/x-pki-message")
        .body(Body::from_stream(silent))
        .unwrap();
    let answer = ask(&test, request).await;
    assert!(answer.status.is_client_error(), "{} {}", answer.status, answer.text());
    nothing_was_issued(&test).await;
}

#[tokio::test]
async fn a_message_signed_by_another_key_is_refused() {
    let test = with_scep().await;
    let code = new_code(&test, ROUTER).await;
    let good = Message::enrol(key(0), ROUTER, &code);
    // The right certificate, another key.
    let mut forged = good.clone();
    forged.signer = (key(1), good.signer.1.clone());
    send(&test, &forged).await.is_refused(FailInfo::BadMessageCheck, "does not count");
    // Another certificate with its key, around somebody's request that was recorded.
    let mut stolen = good.clone();
    stolen.signer = (key(1), self_signed(key(1), &common_name(ROUTER)));
    send(&test, &stolen).await.is_refused(FailInfo::BadMessageCheck, "another key than the one");
    // RenewalReq by nobody's certificate.
    let renewal = Message { kind: MessageType::RenewalReq, ..good.clone() };
    send(&test, &renewal).await.is_refused(FailInfo::BadRequest, "no challenge password");
    assert_eq!(records(&test, "terminal.enrol:scep_signature").await, 1);
    assert_eq!(records(&test, "terminal.enrol:scep_other_signer").await, 1);
    nothing_was_issued(&test).await;
    send(&test, &good).await.certificate();
}

#[tokio::test]
async fn a_wrong_code_an_unknown_router_and_what_is_no_code_are_told_alike() {
    let test = with_scep().await;
    let wrong = new_code(&test, FIXED).await;
    new_code(&test, ROUTER).await;
    let mut told = Vec::new();
    for (subject, challenge) in [
        (ROUTER, wrong.as_str()),
        ("T0000000000", &wrong),
        ("T2222222229", &wrong),
        (ROUTER, "secret"),
        ("router1.example", "secret"),
        ("", "T0000000000:secret"),
        (ROUTER, ""),
    ] {
        let refused = send(&test, &Message::enrol(key(0), subject, challenge)).await;
        let Heard::Failure(FailInfo::BadRequest, text) = refused else { panic!("{refused:?}") };
        told.push(text);
    }
    assert!(told.iter().all(|text| *text == told[0]), "{told:?}");
    assert!(told[0].contains("not accepted"), "{}", told[0]);
    assert_eq!(records(&test, "terminal.enrol:wrong_code").await, 1);
    assert_eq!(records(&test, "terminal.enrol:unknown_terminal").await, 2);
    assert_eq!(records(&test, "terminal.enrol:malformed_credentials").await, 4);
    let refused = send(&test, &Message::enrol(key(0), "", &wrong)).await;
    refused.is_refused(FailInfo::BadRequest, "which router it is for");
    nothing_was_issued(&test).await;
}

#[tokio::test]
async fn a_name_that_is_anothers_and_a_code_for_a_pc_are_refused() {
    let test = with_scep().await;
    let code = new_code(&test, ROUTER).await;
    let challenge = format!("{ROUTER}:{code}");
    let refused = send(&test, &Message::enrol(key(0), FIXED, &challenge)).await;
    refused.is_refused(FailInfo::BadRequest, "asks for the name");
    let of_pc = new_code(&test, TERMINAL).await;
    let refused = send(&test, &Message::enrol(key(0), TERMINAL, &of_pc)).await;
    refused.is_refused(FailInfo::BadRequest, "for a PC");
    assert_eq!(records(&test, "terminal.enrol:registration").await, 1);
    assert_eq!(records(&test, "terminal.enrol:other_door").await, 1);
    nothing_was_issued(&test).await;
    send(&test, &Message::enrol(key(0), ROUTER, &code)).await.certificate();
}

#[tokio::test]
async fn whatever_does_not_open_or_read_is_one_refusal() {
    let test = with_scep().await;
    let ra = ra_der(&test).await;
    let code = new_code(&test, ROUTER).await;
    let good = Message::enrol(key(0), ROUTER, &code);
    let envelope = good.sealed(&ra);
    let flipped = |place: usize| {
        let mut changed = envelope.clone();
        changed[place] ^= 1;
        good.around(changed)
    };
    let place = |needle: &[u8]| envelope.windows(needle.len()).position(|w| w == needle).unwrap();
    // The OID of RSA encryption with NULL, then an OCTET STRING of 256.
    let encrypted_key = place(b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x04\x82") + 15 + 100;
    let encrypted = place(b"\x60\x86\x48\x01\x65\x03\x04\x01\x02") + 9 + 2;
    let other = |content: Vec<u8>| good.clone().of(good.kind, content).octets(&ra);
    let mut unsigned = good.content.clone();
    let last = unsigned.len() - 1;
    unsigned[last] ^= 1;
    let cases = [
        ("the encrypted key", flipped(encrypted_key)),
        ("the initialisation vector", flipped(encrypted)),
        ("the first block", flipped(encrypted + 16 + 10)),
        ("the padding", flipped(envelope.len() - 17)),
        ("the last block", flipped(envelope.len() - 1)),
        ("no request", other(b"hello".to_vec())),
        ("nothing", other(Vec::new())),
        ("a request cut off", other(good.content[..200].to_vec())),
        ("a request whose signature does not hold", other(unsigned)),
    ];
    let mut told = Vec::new();
    for (what, octets) in cases {
        let refused = send_octets(&test, &good, octets).await;
        assert!(matches!(refused, Heard::Failure(FailInfo::BadMessageCheck, _)), "{what}");
        told.push(refused);
    }
    assert!(told.iter().all(|refused| *refused == told[0]), "{told:?}");
    assert_eq!(records(&test, "terminal.enrol:scep_unreadable").await, told.len());
    // That it is for somebody else stands in the clear.
    let elsewhere = good.octets(&self_signed(key(2), &common_name("elsewhere")));
    let refused = send_octets(&test, &good, elsewhere).await;
    refused.is_refused(FailInfo::BadMessageCheck, "another certificate");
    nothing_was_issued(&test).await;
}

/// A request whose octets were changed behind the back of who made it.
fn changed(mut request: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let place = request.windows(from.len()).position(|window| window == from).unwrap();
    request[place..place + to.len()].copy_from_slice(to);
    request
}

#[tokio::test]
async fn what_stands_where_the_key_should_is_told_to_nobody_who_did_not_make_it() {
    let test = with_scep().await;
    let code = new_code(&test, ROUTER).await;
    let good = Message::enrol(key(1), ROUTER, &code);
    let mallory = |content: Vec<u8>| Message {
        content,
        signer: (key(0), self_signed(key(0), &common_name(ROUTER))),
        ..good.clone()
    };
    let rsa = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
    let mut told = Vec::new();
    for content in [
        // The kind of the key: ASCII in it would be printed arc by arc.
        changed(good.content.clone(), rsa, b"\x2a\x41\x42\x43\x44\x45\x46\x47\x48"),
        // The exponent.
        changed(good.content.clone(), b"\x02\x03\x01\x00\x01", b"\x02\x03\x01\x00\x03"),
        // The signature.
        changed(good.content.clone(), code.as_bytes(), b"~"),
        b"garbage".to_vec(),
    ] {
        told.push(send(&test, &mallory(content)).await);
    }
    assert!(matches!(&told[0], Heard::Failure(FailInfo::BadMessageCheck, _)), "{told:?}");
    assert!(told.iter().all(|refused| *refused == told[0]), "{told:?}");
    // Nor to who made it, once the key in it is another than the one that signs.
    let own = changed(good.content.clone(), b"\x02\x03\x01\x00\x01", b"\x02\x03\x01\x00\x03");
    let own = Message { content: own, ..good.clone() };
    send(&test, &own).await.is_refused(FailInfo::BadMessageCheck, "cannot be opened or read");
    // Who signs with the very key hears what is wrong with it.
    let told = refusal::own_request(&RequestError::RsaExponent);
    assert_eq!(told.fail_info, FailInfo::BadAlg);
    assert!(told.text.contains("65537"), "{}", told.text);
    nothing_was_issued(&test).await;
}

#[tokio::test]
async fn a_poll_tells_nothing_of_what_is_in_it() {
    let test = with_scep().await;
    let ra = ra_der(&test).await;
    let code = new_code(&test, ROUTER).await;
    let captured = Message::enrol(key(1), ROUTER, &code).sealed(&ra);
    let poll = Message::enrol(key(0), ROUTER, "x").of(MessageType::CertPoll, Vec::new());
    let mut told = Vec::new();
    for octet in [0, captured.len() - 1, captured.len() - 17, captured.len() - 33] {
        let mut envelope = captured.clone();
        envelope[octet] ^= u8::from(octet > 0);
        told.push(send_octets(&test, &poll, poll.around(envelope)).await);
    }
    assert!(matches!(&told[0], Heard::Failure(FailInfo::BadCertId, _)), "{told:?}");
    assert!(told.iter().all(|refused| *refused == told[0]), "{told:?}");
    assert_eq!(records(&test, "terminal.enrol:scep_not_found").await, told.len());
}

#[tokio::test]
async fn old_algorithms_short_keys_and_keys_of_another_kind_are_refused_with_the_reason() {
    let test = with_scep().await;
    let code = new_code(&test, ROUTER).await;
    for (cipher, says) in [(Cipher::TripleDes, "triple DES"), (Cipher::Des, "single DES")] {
        let message = Message { cipher, ..Message::enrol(key(0), ROUTER, &code) };
        send(&test, &message).await.is_refused(FailInfo::BadAlg, says);
    }
    let vector =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/scep/micromdm-2.1.0-pkcsreq.der");
    let answer = post(&test, std::fs::read(vector).unwrap()).await;
    let read = sekisho_pki::scep::UnverifiedMessage::parse(&answer.octets).unwrap();
    // Recorded for another instance: that stands in the clear, and comes first.
    assert_eq!(read.attributes().fail_info, Some(FailInfo::BadMessageCheck));
    static SHORT: std::sync::OnceLock<SoftwareKey> = std::sync::OnceLock::new();
    let short =
        SHORT.get_or_init(|| SoftwareKey::generate_rsa(sekisho_key::RsaSize::Bits2048).unwrap());
    let message = Message::enrol(short, ROUTER, &code);
    send(&test, &message).await.is_refused(FailInfo::BadRequest, "RSA of 2048 bits");
    static CURVE: std::sync::OnceLock<SoftwareKey> = std::sync::OnceLock::new();
    let curve = CURVE.get_or_init(|| SoftwareKey::generate_p256().unwrap());
    // Signed by RSA, as a message must be, for a key that could not open the answer.
    let mut mixed = Message::enrol(key(0), ROUTER, &code);
    mixed.content = request(curve, &common_name(ROUTER), Some(&code));
    send(&test, &mixed).await.is_refused(FailInfo::BadMessageCheck, "another key than the one");
    nothing_was_issued(&test).await;
}

#[tokio::test]
async fn a_network_that_only_fails_rests_and_fills_neither_trail_nor_time() {
    let test = with_scep().await;
    let mut refused = 0;
    let answer = loop {
        let answer = post(&test, b"garbage".to_vec()).await;
        if answer.status != StatusCode::BAD_REQUEST || refused == 1000 {
            break answer;
        }
        refused += 1;
    };
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "after {refused}");
    let before = records(&test, "terminal.enrol:scep_malformed").await;
    let code = new_code(&test, ROUTER).await;
    let octets = Message::enrol(key(0), ROUTER, &code).octets(&ra_der(&test).await);
    assert_eq!(post(&test, octets).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(records(&test, "terminal.enrol:scep_malformed").await, before);
    nothing_was_issued(&test).await;
    let mut reader = test.app.store().read();
    let bound: (i64,) = reader
        .fetch_one(sekisho_store::sql("SELECT COUNT(*) FROM scep_transaction"))
        .await
        .unwrap();
    assert_eq!(bound.0, 0);
}
