//! OpenSSL's `verify -x509_strict`, `crl`, `ocsp` and `pkcs7`.

use sekisho_ca::revocation::{
    CertificateStatus, RevocationReason,
    crl::RevokedEntry,
    ocsp::{OcspFailure, OcspResponder, OcspResponders},
};
use sekisho_pki::encoding::{cms, serial::Serial};
use time::Duration;

use crate::world::{World, text};

#[tokio::test]
async fn openssl_accepts_each_profile_with_each_kind_of_key_strictly() {
    let world = World::new().await;
    for one in world.every_certificate().await {
        world.pem("leaf.pem", "CERTIFICATE", &one.certificate.der);
        let own = format!("{}.pem", one.issuer);
        let verify = |issuer: &str| {
            let mut args = vec!["verify", "-x509_strict", "-check_ss_sig", "-policy_check"];
            if let Some(purpose) = one.purpose {
                args.extend(["-purpose", purpose]);
            }
            args.extend(["-CAfile", "root.pem", "-untrusted", issuer, "leaf.pem"]);
            world.openssl(&args)
        };
        let output = verify(&own);
        assert!(output.status.success(), "{}: {}", one.what, text(&output));
        // And not under another authority.
        if one.issuer != "root" {
            let other = if one.issuer == "routers" { "terminals.pem" } else { "routers.pem" };
            assert!(!verify(other).status.success(), "{}", one.what);
        }
    }
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
        serial: Serial::from_octets(&[octet]).unwrap(),
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
        serial: Serial::from_octets(&[7]).unwrap(),
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
            let request = world.ask("terminals.pem", "leaf.pem", &[digest]);
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
    let request = world.ask("routers.pem", "leaf.pem", &["-sha1"]);
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
