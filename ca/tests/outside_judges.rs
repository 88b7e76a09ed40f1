//! What the ceremony and the authorities make, judged by OpenSSL.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use der::Decode;
use sekisho_ca::{
    ceremony::{CeremonyNames, MadeAuthorities, issue_server_certificate, make_authority},
    profile::Profile,
    record::{IssuedCertificate, MemoryRecord},
    registration::{
        Approval, RegisterEntry, approve_router, approve_terminal,
        terminal_identifier::TerminalIdentifier,
    },
    request::{UnverifiedRequest, VerifiedRequest},
    revocation::{
        CertificateStatus, RevocationReason,
        crl::RevokedEntry,
        ocsp::{OcspFailure, OcspResponder, OcspResponders},
    },
};
use sekisho_key::{SigningKey, SoftwareKey, SystemRandomness};
use sekisho_pki::{
    encoding::{
        cms,
        name::{Part, name},
        permanent_identifier::facility_of,
        request::to_be_signed,
        signed_object::assemble,
    },
    national::facility_identifier::FacilityIdentifier,
};
use time::{Duration, OffsetDateTime};
use x509_cert::Certificate;

struct World {
    folder: tempfile::TempDir,
    made: MadeAuthorities,
    now: OffsetDateTime,
}

impl World {
    /// OpenSSL judges by the machine's clock, so that is *now* here.
    async fn new() -> Self {
        let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
        let names = CeremonyNames {
            organisation: "Example Operating Body".to_owned(),
            network: "Example Healthcare Network G1".to_owned(),
            publication_base: "http://plain.sekisho.localhost:8080".to_owned(),
        };
        let made = make_authority(now, &SystemRandomness, &names).await.unwrap();
        let world = Self { folder: tempfile::tempdir().unwrap(), made, now };
        world.pem("root.pem", "CERTIFICATE", &world.made.root.certificate.der);
        world.pem("root.crl", "X509 CRL", &world.made.root.crl_der);
        for issuing in &world.made.issuing {
            world.pem(&format!("{}.pem", issuing.id), "CERTIFICATE", &issuing.certificate.der);
        }
        world
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn pem(&self, file: &str, label: &str, der: &[u8]) {
        let text = der::pem::encode_string(label, der::pem::LineEnding::LF, der).unwrap();
        std::fs::write(self.path(file), text).unwrap();
    }

    fn openssl(&self, args: &[&str]) -> Output {
        Command::new("openssl")
            .args(args)
            .current_dir(self.folder.path())
            .output()
            .expect("openssl is installed")
    }

    async fn issue(&self, id: &str, seed: u64) -> (IssuedCertificate, SoftwareKey) {
        let key = SoftwareKey::generate_p256().unwrap();
        let register = register(seed);
        let request = request(&key, &register.terminal);
        let approved = if id == "routers" {
            let profile = Profile::shipped("router").unwrap();
            let addresses = ["2001:db8::1".parse().unwrap()];
            approve_router(&request, &register, &profile, &["r1.example"], &addresses).unwrap()
        } else {
            let profile = Profile::shipped("terminal").unwrap();
            approve_terminal(&request, &register, &profile).unwrap()
        };
        let authority = &self.made.find(id).unwrap().authority;
        let record = MemoryRecord::default();
        let issued = authority.issue(&record, approved, self.now, &SystemRandomness).await.unwrap();
        assert_eq!(record.intentions().len(), 1);
        assert_eq!(record.certificates(), std::slice::from_ref(&issued));
        (issued, key)
    }
}

fn register(seed: u64) -> RegisterEntry {
    RegisterEntry {
        organisation_id: "o1".to_owned(),
        facility: FacilityIdentifier::from_random(seed),
        facility_active: true,
        terminal: TerminalIdentifier::from_random(seed),
        terminal_active: true,
        approval: Some(Approval { by: "p1".to_owned(), at: OffsetDateTime::UNIX_EPOCH }),
        key_compromised: false,
        key_used_by: None,
    }
}

fn request(key: &SoftwareKey, terminal: &TerminalIdentifier) -> VerifiedRequest {
    let subject = name(&[Part::CommonName(&terminal.to_string())]).unwrap();
    let info = to_be_signed(&subject, key.public_key_der()).unwrap();
    let signature = key.sign_now(&info).unwrap();
    let der = assemble(&info, key.algorithm().identifier(), &signature).unwrap();
    UnverifiedRequest::parse(&der).unwrap().verify().unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test]
async fn openssl_accepts_each_kind_of_certificate_strictly() {
    let world = World::new().await;
    let server_key = SoftwareKey::generate_p256().unwrap();
    let server = issue_server_certificate(
        &world.made.find("servers").unwrap().authority,
        &MemoryRecord::default(),
        &server_key,
        &["login.sekisho.localhost", "mtls.sekisho.localhost"],
        world.now,
        &SystemRandomness,
    )
    .await
    .unwrap();
    let responder = &world.made.find("terminals").unwrap().ocsp_responder;
    let (responder, _) = responder.as_ref().unwrap();
    for (certificate, issuer, purpose) in [
        (&world.issue("terminals", 1).await.0, "terminals.pem", "sslclient"),
        (&world.issue("routers", 2).await.0, "routers.pem", "sslserver"),
        (&server, "servers.pem", "sslserver"),
        (responder, "terminals.pem", "ocsphelper"),
    ] {
        world.pem("leaf.pem", "CERTIFICATE", &certificate.der);
        let output = world.openssl(&[
            "verify",
            "-x509_strict",
            "-check_ss_sig",
            "-policy_check",
            "-purpose",
            purpose,
            "-CAfile",
            "root.pem",
            "-untrusted",
            issuer,
            "leaf.pem",
        ]);
        assert!(output.status.success(), "{}", text(&output));
        // And not under another authority.
        let other = if issuer == "routers.pem" { "terminals.pem" } else { "routers.pem" };
        let output = world.openssl(&[
            "verify",
            "-x509_strict",
            "-CAfile",
            "root.pem",
            "-untrusted",
            other,
            "leaf.pem",
        ]);
        assert!(!output.status.success());
    }
}

#[tokio::test]
async fn a_terminal_certificate_is_small_and_says_its_facility() {
    let world = World::new().await;
    let (issued, _) = world.issue("terminals", 7).await;
    let certificate = Certificate::from_der(&issued.der).unwrap();
    assert_eq!(facility_of(&certificate).unwrap(), FacilityIdentifier::from_random(7));
    let access: usize = certificate
        .tbs_certificate()
        .extensions()
        .unwrap()
        .iter()
        .filter(|extension| extension.extn_id.to_string() == "1.3.6.1.5.5.7.1.1")
        .map(|extension| der::Encode::to_der(extension).unwrap().len())
        .sum();
    assert!(access > 0);
    assert!(issued.der.len() <= 900, "{} octets", issued.der.len());
    assert!(issued.der.len() - access <= 800, "{} octets", issued.der.len());
    assert_eq!(issued.encoded_validity().unwrap(), (issued.not_before, issued.not_after));
    let shown = world.openssl(&["version"]);
    assert!(shown.status.success());
}

#[tokio::test]
async fn openssl_accepts_the_crl_and_refuses_what_it_lists() {
    let world = World::new().await;
    let (good, _) = world.issue("terminals", 1).await;
    let (bad, _) = world.issue("terminals", 2).await;
    let authority = &world.made.find("terminals").unwrap().authority;
    let entries: Vec<_> = [
        (good.serial.as_octets()[0], RevocationReason::Unspecified),
        (3, RevocationReason::CertificateHold),
    ]
    .into_iter()
    .map(|(octet, reason)| RevokedEntry {
        serial: sekisho_pki::encoding::serial::Serial::from_octets(&[octet]).unwrap(),
        at: world.now,
        reason,
    })
    .chain([RevokedEntry {
        serial: bad.serial.clone(),
        at: world.now,
        reason: RevocationReason::KeyCompromise,
    }])
    .collect();
    let crl =
        authority.sign_crl(42, &entries, world.now, world.now + Duration::days(2)).await.unwrap();
    world.pem("terminals.crl", "X509 CRL", &crl);
    let output = world.openssl(&[
        "crl",
        "-in",
        "terminals.crl",
        "-noout",
        "-text",
        "-CAfile",
        "terminals.pem",
    ]);
    let shown = text(&output);
    assert!(shown.contains("verify OK"), "{shown}");
    assert!(shown.contains("Key Compromise"), "{shown}");
    let number = shown.split("CRL Number").nth(1).unwrap();
    assert!(number.trim_start_matches([':', ' ', '\n']).starts_with("42"), "{shown}");
    // Sorted by number.
    let small = shown.find("Serial Number: 03").unwrap();
    let large = shown.to_lowercase().find(&format!("serial number: {}", bad.serial)).unwrap();
    assert!(small < large);

    for (certificate, accepted) in [(&good, true), (&bad, false)] {
        world.pem("leaf.pem", "CERTIFICATE", &certificate.der);
        let output = world.openssl(&[
            "verify",
            "-x509_strict",
            "-crl_check_all",
            "-CAfile",
            "root.pem",
            "-untrusted",
            "terminals.pem",
            "-CRLfile",
            "terminals.crl",
            "-CRLfile",
            "root.crl",
            "leaf.pem",
        ]);
        assert_eq!(output.status.success(), accepted, "{}", text(&output));
        assert_eq!(text(&output).contains("certificate revoked"), !accepted);
    }
}

#[tokio::test]
async fn a_crl_without_window_or_with_a_repeated_entry_is_not_signed() {
    let world = World::new().await;
    let authority = &world.made.find("terminals").unwrap().authority;
    let entry = RevokedEntry {
        serial: sekisho_pki::encoding::serial::Serial::from_octets(&[7]).unwrap(),
        at: world.now,
        reason: RevocationReason::Superseded,
    };
    for (entries, until) in [
        (vec![], Duration::ZERO),
        (vec![], Duration::days(5)),
        (vec![entry.clone(), entry], Duration::days(1)),
    ] {
        let crl = authority.sign_crl(1, &entries, world.now, world.now + until).await;
        assert!(crl.is_err());
    }
}

fn ask(world: &World, issuer: &Path, certificate: &Path, digest: &str) -> Vec<u8> {
    let output = world.openssl(&[
        "ocsp",
        digest,
        "-issuer",
        issuer.to_str().unwrap(),
        "-cert",
        certificate.to_str().unwrap(),
        "-reqout",
        "request.der",
    ]);
    assert!(output.status.success(), "{}", text(&output));
    std::fs::read(world.path("request.der")).unwrap()
}

#[tokio::test]
async fn openssl_accepts_ocsp_answers_delegated_and_direct() {
    let world = World::new().await;
    let terminals = world.made.find("terminals").unwrap();
    let (issued, _) = world.issue("terminals", 1).await;
    world.pem("leaf.pem", "CERTIFICATE", &issued.der);
    let (certificate, key) = terminals.ocsp_responder.as_ref().unwrap();
    let delegated =
        OcspResponder::delegated(&terminals.authority, &certificate.der, key.clone()).unwrap();
    let direct = OcspResponder::direct(&terminals.authority).unwrap();
    let revoked =
        CertificateStatus::Revoked { at: world.now, reason: RevocationReason::KeyCompromise };
    for responder in [delegated, direct] {
        let responders = OcspResponders::new(vec![responder]);
        for (status, digest, expected) in [
            (CertificateStatus::Good, "-sha1", ": good"),
            (CertificateStatus::Good, "-sha256", ": good"),
            (revoked, "-sha256", "Reason: keyCompromise"),
            (CertificateStatus::Unknown, "-sha1", ": unknown"),
        ] {
            let request =
                ask(&world, &world.path("terminals.pem"), &world.path("leaf.pem"), digest);
            let question = responders.question(&request).unwrap();
            assert!(question.has_nonce());
            assert_eq!(question.issuer_id(), "terminals");
            assert_eq!(question.serials(), [Some(issued.serial.clone())]);
            let response = question.answer(&[status], world.now, Duration::hours(1)).await.unwrap();
            std::fs::write(world.path("response.der"), response).unwrap();
            // Signature and nonce against the very request, then the status of the certificate.
            let against = ["-reqin", "request.der"];
            let about = ["-no_nonce", "-issuer", "terminals.pem", digest, "-cert", "leaf.pem"];
            let mut shown = String::new();
            for more in [&against[..], &about[..]] {
                let mut args = vec![
                    "ocsp",
                    "-respin",
                    "response.der",
                    "-CAfile",
                    "root.pem",
                    "-verify_other",
                    "terminals.pem",
                ];
                args.extend(more);
                let output = world.openssl(&args);
                assert!(text(&output).contains("Response verify OK"), "{}", text(&output));
                shown.push_str(&text(&output));
            }
            assert!(shown.contains(expected), "{expected}: {shown}");
            assert!(!shown.contains("WARNING"), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_question_about_anothers_certificate_is_unauthorized() {
    let world = World::new().await;
    let terminals = world.made.find("terminals").unwrap();
    let responders =
        OcspResponders::new(vec![OcspResponder::direct(&terminals.authority).unwrap()]);
    let (issued, _) = world.issue("routers", 1).await;
    world.pem("leaf.pem", "CERTIFICATE", &issued.der);
    let request = ask(&world, &world.path("routers.pem"), &world.path("leaf.pem"), "-sha1");
    assert_eq!(responders.question(&request).unwrap_err(), OcspFailure::Unauthorized);
    assert_eq!(responders.question(b"x").unwrap_err(), OcspFailure::MalformedRequest);
    std::fs::write(world.path("f.der"), OcspFailure::Unauthorized.to_der()).unwrap();
    let output = world.openssl(&["ocsp", "-respin", "f.der", "-text", "-noverify"]);
    assert!(text(&output).contains("unauthorized"), "{}", text(&output));
}

#[tokio::test]
async fn a_responder_of_another_issuer_or_key_is_refused() {
    let world = World::new().await;
    let terminals = world.made.find("terminals").unwrap();
    let routers = world.made.find("routers").unwrap();
    let (certificate, key) = terminals.ocsp_responder.as_ref().unwrap();
    let (_, other_key) = routers.ocsp_responder.as_ref().unwrap();
    assert!(OcspResponder::delegated(&routers.authority, &certificate.der, key.clone()).is_err());
    assert!(
        OcspResponder::delegated(&terminals.authority, &certificate.der, other_key.clone())
            .is_err()
    );
}

#[tokio::test]
async fn openssl_reads_our_certs_only_message_and_we_read_its() {
    let world = World::new().await;
    let (issued, _) = world.issue("terminals", 1).await;
    let issuer = &world.made.find("terminals").unwrap().certificate.der;
    let ours = cms::certs_only(&[&issued.der, issuer]).unwrap();
    std::fs::write(world.path("ours.p7c"), &ours).unwrap();
    let output = world.openssl(&["pkcs7", "-inform", "DER", "-in", "ours.p7c", "-print_certs"]);
    assert_eq!(text(&output).matches("BEGIN CERTIFICATE").count(), 2);
    let mut read = cms::parse_certs_only(&ours).unwrap();
    read.sort();
    let mut expected = vec![issued.der.clone(), issuer.clone()];
    expected.sort();
    assert_eq!(read, expected);

    world.pem("leaf.pem", "CERTIFICATE", &issued.der);
    let output = world.openssl(&[
        "crl2pkcs7",
        "-nocrl",
        "-certfile",
        "terminals.pem",
        "-certfile",
        "leaf.pem",
        "-outform",
        "DER",
        "-out",
        "theirs.p7c",
    ]);
    assert!(output.status.success());
    let theirs = std::fs::read(world.path("theirs.p7c")).unwrap();
    let mut read = cms::parse_certs_only(&theirs).unwrap();
    read.sort();
    assert_eq!(read, expected);
}

#[tokio::test]
async fn an_authority_past_its_end_issues_nothing_and_records_nothing() {
    let world = World::new().await;
    let key = SoftwareKey::generate_p256().unwrap();
    let register = register(1);
    let profile = Profile::shipped("terminal").unwrap();
    let request = request(&key, &register.terminal);
    let approved = approve_terminal(&request, &register, &profile).unwrap();
    let record = MemoryRecord::default();
    let later = world.now + Duration::days(3653);
    let authority = &world.made.find("terminals").unwrap().authority;
    let issued = authority.issue(&record, approved, later, &SystemRandomness).await;
    assert!(issued.is_err());
    assert!(record.serials().is_empty() && record.intentions().is_empty());
}

#[tokio::test]
async fn a_certificate_does_not_outlive_its_issuer() {
    let world = World::new().await;
    let key = SoftwareKey::generate_p256().unwrap();
    let register = register(1);
    let profile = Profile::shipped("terminal").unwrap();
    let approved =
        approve_terminal(&request(&key, &register.terminal), &register, &profile).unwrap();
    let authority = &world.made.find("terminals").unwrap().authority;
    let late = world.now + Duration::days(3600);
    let issued =
        authority.issue(&MemoryRecord::default(), approved, late, &SystemRandomness).await.unwrap();
    assert_eq!(issued.not_after, authority.validity().1);
}
