//! A router's first certificate, and what is told before.

use axum::body::Body;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Request, StatusCode, Version};
use sekisho_pki::{
    encoding::cms,
    scep::{Cipher, Envelope, FailInfo, UnverifiedMessage},
};
use sekisho_store::audit;
use x509_cert::{Certificate, der::Decode};

use super::{
    client::{Message, heard, key},
    scene::{ask, enabled, get, post, ra_der, send, with_scep, with_settings},
};
use crate::{
    config::Settings,
    enrol::est::tests::{
        routers::{FIXED, ROUTER, names},
        scene::{FACILITY, acts, certificates, new_code},
    },
    testing::TestApp,
};

/// The facts of the last record of an act.
async fn facts(test: &TestApp, act: &str) -> serde_json::Value {
    let records = audit::list(&mut test.app.store().read(), "", None, 1000).await.unwrap();
    let forms = records
        .into_iter()
        .map(|record| serde_json::from_slice::<serde_json::Value>(&record.canonical).unwrap());
    forms.rev().find(|form| form["act"] == act).unwrap()
}

#[tokio::test]
async fn a_router_gets_the_names_of_the_register_from_the_routers_authority_by_its_code() {
    let test = with_scep().await;
    for (id, subject, prefix, number, expected) in [
        (ROUTER, ROUTER, "", 0, vec!["t1111111111.router.sekisho.localhost"]),
        // The router stands before the code where its subject cannot be chosen.
        (FIXED, "", "t2222222222:", 1, vec!["t2222222222.router.sekisho.localhost", "c0000216"]),
    ] {
        let challenge = format!("{prefix}{}", new_code(&test, id).await);
        let message = Message::enrol(key(number), subject, &challenge);
        let der = send(&test, &message).await.certificate();
        assert_eq!(names(&der), expected, "{id}");
        let certificate = Certificate::from_der(&der).unwrap();
        let subject = certificate.tbs_certificate().subject().to_string();
        assert!(subject.contains(id) && subject.contains(FACILITY), "{subject}");
        let authority = test.app.authority().routers(test.app.now());
        assert_eq!(certificate.tbs_certificate().issuer(), authority.subject());
        let kept = certificates(&test, id).await;
        assert_eq!((kept.len(), kept[0].profile.as_str()), (1, "router_strongswan"));
    }
    let acts = acts(&test).await;
    for (act, times) in
        [("terminal.claim_code", 2), ("terminal.enrol", 2), ("terminal.scep_answer", 2)]
    {
        assert_eq!(acts.iter().filter(|found| *found == act).count(), times, "{act}: {acts:?}");
    }
    let record = facts(&test, "terminal.enrol").await.to_string();
    assert!(record.contains("\"door\":\"scep\"") && record.contains("\"t-1\""), "{record}");
}

#[tokio::test]
async fn a_self_signed_certificate_of_another_subject_is_let_pass_and_recorded() {
    let test = with_scep().await;
    let code = new_code(&test, ROUTER).await;
    let mut message = Message::enrol(key(0), ROUTER, &code);
    message.signer = Message::enrol(key(0), "SCEP SIGNER", &code).signer;
    send(&test, &message).await.certificate();
    let record = facts(&test, "terminal.enrol").await.to_string();
    assert!(record.contains("subject_mismatch"), "{record}");
}

#[tokio::test]
async fn each_cipher_of_today_is_answered_in_kind() {
    let test = with_scep().await;
    for (id, number, cipher) in [(ROUTER, 0, Cipher::Aes192), (FIXED, 1, Cipher::Aes256)] {
        let code = new_code(&test, id).await;
        let message = Message { cipher, ..Message::enrol(key(number), id, &code) };
        let answer = post(&test, message.octets(&ra_der(&test).await)).await;
        let answer = UnverifiedMessage::parse(&answer.octets).unwrap().verify().unwrap();
        assert_eq!(Envelope::parse(&answer.content).unwrap().cipher(), cipher);
    }
}

#[tokio::test]
async fn what_a_client_asks_first_says_what_is_taken_and_whose_certificates_are_whose() {
    let test = with_scep().await;
    let words = get(&test, "operation=GetCACaps").await;
    assert_eq!((words.status, words.media_type.as_str()), (StatusCode::OK, "text/plain"));
    let words = words.text();
    for word in ["AES", "SHA-256", "SHA-512", "POSTPKIOperation", "Renewal", "SCEPStandard"] {
        assert!(words.lines().any(|line| line == word), "{word}: {words}");
    }
    for word in ["DES3", "SHA-1", "GetNextCACert"] {
        assert!(!words.lines().any(|line| line == word), "{word}: {words}");
    }
    let told = get(&test, "operation=GetCACert&message=any").await;
    assert_eq!(told.media_type, "application/x-x509-ca-ra-cert");
    let all = cms::parse_certs_only(&told.octets).unwrap();
    let (authority, now) = (test.app.authority(), test.app.now());
    let ra = ra_der(&test).await;
    for expected in [&ra[..], authority.routers(now).certificate_der(), authority.root_der(now)] {
        assert!(all.iter().any(|der| der == expected));
    }
    assert_eq!(all.len(), 3);
}

#[tokio::test]
async fn a_client_of_http_1_0_that_names_no_host_is_served_at_the_usual_path_and_told_of() {
    let test = with_scep().await;
    let ra = ra_der(&test).await;
    let caps = Request::get("/cgi-bin/pkiclient.exe?operation=GetCACaps")
        .version(Version::HTTP_10)
        .body(Body::empty())
        .unwrap();
    assert_eq!(ask(&test, caps).await.status, StatusCode::OK);
    let code = new_code(&test, ROUTER).await;
    let message = Message::enrol(key(0), ROUTER, &code);
    // As Cisco IOS writes it: a GET with line breaks, and `+` as it is.
    let mut text = STANDARD.encode(message.octets(&ra)).replace('/', "%2F").replace('=', "%3D");
    text.insert_str(64, "%0A");
    let path = format!("/cgi-bin/pkiclient.exe?operation=PKIOperation&message={text}");
    let request = Request::get(path).version(Version::HTTP_10).body(Body::empty()).unwrap();
    let answer = ask(&test, request).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    heard(&answer.octets, message.transaction, key(0), &ra).certificate();
    let record = facts(&test, "terminal.enrol").await.to_string();
    assert!(record.contains("\"http\":\"1.0\""), "{record}");
}

#[tokio::test]
async fn an_instance_that_does_not_serve_scep_says_so_and_makes_no_registration_authority() {
    let test = with_settings(Settings::default()).await;
    for query in ["operation=GetCACaps", "operation=GetCACert", "operation=PKIOperation&message=AA"]
    {
        let answer = get(&test, query).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{query}");
        assert!(answer.text().contains("switched off"), "{}", answer.text());
    }
    assert!(!acts(&test).await.contains(&"scep_ra.make".to_owned()));
}

#[tokio::test]
async fn old_algorithms_are_taken_of_an_excused_family_only() {
    let mut settings = enabled();
    settings.scep.legacy_families = vec!["router_strongswan".to_owned()];
    let test = with_settings(settings).await;
    // Not told: a client of another family would take the weakest.
    let words = get(&test, "operation=GetCACaps").await.text();
    assert!(!words.contains("DES3") && !words.contains("SHA-1\n"), "{words}");
    for (id, number, cipher) in [(ROUTER, 0, Cipher::TripleDes), (FIXED, 1, Cipher::Des)] {
        let code = new_code(&test, id).await;
        let message = Message { cipher, ..Message::enrol(key(number), id, &code) };
        send(&test, &message).await.certificate();
        let record = facts(&test, "terminal.enrol").await.to_string();
        assert!(record.contains("\"weak\""), "{record}");
    }
    // With another family excused nothing is said about whether the router exists, but to who has its code.
    let mut settings = enabled();
    settings.scep.legacy_families = vec!["router_cisco_ios_xe".to_owned()];
    let test = with_settings(settings).await;
    let (code, others) = (new_code(&test, ROUTER).await, new_code(&test, FIXED).await);
    let weak = |subject: &str, code: &str| Message {
        cipher: Cipher::TripleDes,
        ..Message::enrol(key(0), subject, code)
    };
    for (subject, code) in [(ROUTER, &others), ("T0000000000", &code), (ROUTER, &"x".to_owned())] {
        let refused = send(&test, &weak(subject, code)).await;
        refused.is_refused(FailInfo::BadRequest, "not accepted");
    }
    send(&test, &weak(ROUTER, &code)).await.is_refused(FailInfo::BadAlg, "triple DES");
    assert!(certificates(&test, ROUTER).await.is_empty());
    // The code was not used.
    send(&test, &Message::enrol(key(0), ROUTER, &code)).await.certificate();
}
