//! Enrolment as other people's programs see it: curl and OpenSSL against real sockets.
//!
//! A terminal's first certificate, its renewal, what it is told to trust, and its end: OCSP and CRL
//! as OpenSSL reads them. And a root's roll-over beneath all of it.
#![allow(clippy::unwrap_used, missing_docs)]

/// Runs one change in a transaction of its own.
macro_rules! change {
    ($store:expr, |$tx:ident| $body:expr) => {
        sekisho_store::transaction!($store, sekisho_store::StoreError, |$tx| {
            use sekisho_store::audit::{Actor, Audited, Entry};
            let value = $body;
            let entry = Entry::done("test", Actor::System, time::OffsetDateTime::now_utc());
            Ok(Audited::new(value, entry))
        })
        .unwrap()
    };
}

mod acme;
mod approval;
mod cmp;
mod est;
mod ike;
mod renewal;
mod root_roll_over;
mod scep;
mod table;
mod unpacked;
mod world;

use std::{
    process::Command,
    time::{Duration, Instant},
};

use sekisho_store::{
    certificate, revocation,
    terminal::{self, Revocation},
};
use table::{Operation, Table};
use time::OffsetDateTime;
use world::{FACILITY, Pc, TERMINAL, World, done, openssl, text};

#[tokio::test(flavor = "multi_thread")]
async fn openssl_and_curl_enrol_renew_and_see_the_end_of_a_terminal() {
    let world = World::start().await;
    let code = world.code().await;
    let user = format!("{TERMINAL}:{code}");

    // The root first, by anybody.
    let (status, answer) = world.curl("/.well-known/est/cacerts", &[]);
    assert_eq!(status, 200, "{answer}");
    let authorities = std::fs::read_to_string(world.certificate(&answer, "cacerts.pem")).unwrap();
    assert_eq!(authorities.matches("BEGIN CERTIFICATE").count(), 2);

    // Without a code, with a wrong one, with the right one, and again with another key.
    let request = world.request("key.pem");
    assert_eq!(world.post("simpleenroll", &request, &[]).0, 401);
    let wrong = format!("{TERMINAL}:0000-0000-0000-0000-0000");
    assert_eq!(world.post("simpleenroll", &request, &["--user", &wrong]).0, 401);
    let (status, answer) = world.post("simpleenroll", &request, &["--user", &user]);
    assert_eq!(status, 200, "{answer}");
    let (_, again) = world.post("simpleenroll", &request, &["--user", &user]);
    assert_eq!(again, answer);
    let other = world.request("other.pem");
    let (status, said) = world.post("simpleenroll", &other, &["--user", &user]);
    assert_eq!(status, 403, "{said}");
    assert!(said.contains("another key"), "{said}");

    // What a request is to look like, as OpenSSL reads it.
    for label in ["", "/routers"] {
        let (status, answer) = world.curl(&format!("/.well-known/est{label}/csrattrs"), &[]);
        assert_eq!(status, 200, "{answer}");
        let (told, der) = (text(&world.file("csrattrs")), text(&world.file("csrattrs.der")));
        std::fs::write(&told, answer).unwrap();
        openssl(&["base64", "-d", "-A", "-in", &told, "-out", &der]);
        let parsed = openssl(&["asn1parse", "-inform", "DER", "-in", &der]);
        let parsed = String::from_utf8(parsed.stdout).unwrap();
        for part in ["id-ecPublicKey", "prime256v1", "ecdsa-with-SHA256"] {
            assert!(parsed.contains(part), "{parsed}");
        }
    }

    // OpenSSL's strict judgement of the path, and what the certificate says.
    let certificate = world.certificate(&answer, "terminal.pem");
    let (root, issuer) = (world.authority("root"), world.authority("terminals"));
    let path = ["-CAfile", &root, "-untrusted", &issuer];
    openssl(
        &[&["verify", "-x509_strict", "-purpose", "sslclient"], &path[..], &[&certificate]]
            .concat(),
    );
    let subject = openssl(&["x509", "-in", &certificate, "-noout", "-subject"]);
    let subject = String::from_utf8(subject.stdout).unwrap();
    assert!(subject.contains(TERMINAL) && subject.contains(FACILITY), "{subject}");
    assert!(world.ocsp(&certificate).contains(": good"));

    // What it is told to trust, with its certificate only.
    let key = text(&world.file("key.pem"));
    let identity = ["--cert", &certificate, "--key", &key];
    assert_eq!(world.curl("/terminal/trust", &[]).0, 403);
    let (status, trust) = world.curl("/terminal/trust", &identity);
    assert_eq!(status, 200, "{trust}");
    let trust: sekisho_protocol::trust::TerminalTrust = serde_json::from_str(&trust).unwrap();
    trust.check().unwrap();
    assert_eq!((trust.terminal.id.as_str(), trust.facility.id.as_str()), (TERMINAL, FACILITY));

    // Renewal, with a new key.
    assert_eq!(world.post("simplereenroll", &other, &[]).0, 403);
    let (status, renewed) = world.post("simplereenroll", &other, &identity);
    assert_eq!(status, 200, "{renewed}");
    let renewed = world.certificate(&renewed, "renewed.pem");
    openssl(
        &[&["verify", "-x509_strict", "-purpose", "sslclient"], &path[..], &[&renewed]].concat(),
    );

    est::keys_made_here(&world).await;

    // Its end.
    let now = OffsetDateTime::now_utc();
    let revocation =
        Revocation { crl_reason: 1, cause: "lost", note: "lost", person_id: Some("p"), at: now };
    let taken =
        change!(world.store, |tx| { terminal::revoke(tx, TERMINAL, FACILITY, revocation).await? });
    assert_eq!(taken.unwrap().certificates.len(), 2);
    // Another process took them back: this one knows within a second.
    for pem in [&certificate, &renewed] {
        let patience = Instant::now() + Duration::from_secs(30);
        let mut said = world.ocsp(pem);
        while !said.contains(": revoked") && Instant::now() < patience {
            said = world.ocsp(pem);
        }
        assert!(said.contains(": revoked") && said.contains("keyCompromise"), "{said}");
    }
    let (status, said) = world.post("simplereenroll", &other, &identity);
    assert_eq!(status, 403, "{said}");
    assert!(said.contains("revoked"), "{said}");
    assert_eq!(world.curl("/terminal/trust", &identity).0, 403);

    // The list follows by the clock of its job; OpenSSL reads and verifies it.
    let kept = certificate::of_terminal(&mut world.store.read(), TERMINAL).await.unwrap();
    let list = listed(&world, &kept).await;
    let verified = openssl(&["crl", "-inform", "DER", "-in", &list, "-noout", "-CAfile", &issuer]);
    assert!(String::from_utf8_lossy(&verified.stderr).contains("verify OK"));
    let curl = String::from_utf8(done(Command::new("curl").arg("--version")).stdout).unwrap();
    let curl = curl.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let mut table = Table::of("EST");
    let row = table.client(format!("{curl} with OpenSSL"));
    for operation in [Operation::First, Operation::Again, Operation::Renewal] {
        row.did(operation);
    }
    row.did_so(Operation::First, "serverkeygen");
    row.did_so(Operation::Renewal, "serverkeygen");
    row.did_so(Operation::Authorities, "yes, and csrattrs");
    row.did_so(Operation::Revocation, "seen by OCSP and list");
    row.did_so(Operation::Refusal, "no code, a wrong one, another key, a revoked certificate");
    table.keep();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pc_whose_certificate_was_taken_back_is_enrolled_anew_by_the_same_line() {
    let world = World::start().await;
    let pc = Pc::new(&world, "pc");
    let code = world.code().await;
    assert_eq!(pc.enroll(TERMINAL, &code).0, 0);
    let (key, certificate) = (pc.holds("terminal.p8"), pc.holds("terminal.crt"));

    // The same line twice changes nothing; another code is tried, and what it is not, it is not.
    assert_eq!(pc.enroll(TERMINAL, &code.to_lowercase()).0, 0);
    for nonsense in ["nonsense", "0000-0000-0000-0000-0000"] {
        let (exit, said) = pc.enroll(TERMINAL, nonsense);
        assert_eq!(exit, 1, "{said}");
        assert!(said.contains("refused the code"), "{said}");
    }
    assert_eq!((pc.holds("terminal.p8"), pc.holds("terminal.crt")), (key.clone(), certificate));

    // The key is lost to somebody, and everything that was made for it is taken back.
    let kept = certificate::of_terminal(&mut world.store.read(), TERMINAL).await.unwrap();
    let lost = kept.first().unwrap();
    let now = OffsetDateTime::now_utc();
    let key_compromise = 1;
    assert!(change!(world.store, |tx| {
        revocation::revoke(tx, &lost.issuer_id, &lost.serial, key_compromise, now).await?
    }));
    assert_eq!(pc.enroll(TERMINAL, &code).0, 1);
    let (exit, said) = pc.enroll(TERMINAL, &world.code().await);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("A new key was made"), "{said}");
    assert_eq!(pc.set_aside(), [key]);
    assert_eq!(pc.agent(&["renew"]).0, 0);

    // Displaced by another PC, and back.
    let other = Pc::new(&world, "other-pc");
    assert_eq!(other.enroll(TERMINAL, &world.code().await).0, 0);
    assert_eq!(pc.agent(&["renew"]).0, 1);
    assert_eq!(pc.enroll(TERMINAL, &world.code().await).0, 0);
    assert_eq!(pc.agent(&["renew"]).0, 0);

    // The terminal's end, and another one for the same PC.
    let next = "T1123456789";
    change!(world.store, |tx| {
        let note =
            Revocation { crl_reason: 5, cause: "lost", note: "", person_id: Some("p"), at: now };
        terminal::revoke(tx, TERMINAL, FACILITY, note).await?.unwrap();
        terminal::create(tx, next, FACILITY, "外来2号機", "p", now).await?;
    });
    let (exit, said) = pc.enroll(next, &world.code_of(next).await);
    assert_eq!(exit, 0, "{said}");
    assert!(pc.agent(&["status"]).1.contains(next));
    assert_eq!(pc.agent(&["renew"]).0, 0);
    assert_eq!(pc.set_aside().len(), 3);
    world.stop().await;
}

/// Waits for a list of the terminals' authority that names every one of these certificates; answers its file.
async fn listed(world: &World, certificates: &[certificate::Certificate]) -> String {
    listed_by(world, "terminals", certificates).await
}

/// The same of another authority.
async fn listed_by(
    world: &World,
    issuer: &str,
    certificates: &[certificate::Certificate],
) -> String {
    let list = text(&world.file(&format!("{issuer}.crl")));
    let url = format!("{}/crl/{issuer}.crl", world.plain());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        done(Command::new("curl").args([
            "--silent",
            "--fail",
            "--noproxy",
            "*",
            "-o",
            &list,
            &url,
        ]));
        let shown = openssl(&["crl", "-inform", "DER", "-in", &list, "-noout", "-text"]);
        let shown = String::from_utf8(shown.stdout).unwrap();
        let named = |c: &certificate::Certificate| shown.contains(&hex::encode_upper(&c.serial));
        if certificates.iter().all(named) {
            return list;
        }
        assert!(tokio::time::Instant::now() < deadline, "{shown}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
