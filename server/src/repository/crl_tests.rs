//! Complete, delta and partitioned lists, fetched over HTTP and judged by OpenSSL.

use std::process::Command;

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use sekisho_ca::revocation::{CrlPartitions, RevocationReason};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    crl, sql, transaction,
};
use time::Duration;
use tower::ServiceExt;
use x509_cert::der::pem::{LineEnding, encode_string};

use super::publish::publish_due;
use crate::{
    config::Settings,
    names::NameRole,
    revocation::{Measure, Order, Target, carry_out},
    router,
    testing::{self, TestApp, TestTerminal},
};

struct World {
    test: TestApp,
    files: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let world = Self { test: testing::app().await, files: tempfile::tempdir().unwrap() };
        let authority = world.test.app.authority();
        world.keep("root", "CERTIFICATE", authority.root_der(world.test.app.now()));
        world.keep(
            "issuing",
            "CERTIFICATE",
            authority.terminals(world.test.app.now()).certificate_der(),
        );
        world.publish().await;
        world
    }

    /// An hour later everything is published anew.
    async fn publish_all(&self) {
        self.test.clock.advance(Duration::HOUR);
        self.publish().await;
    }

    async fn publish(&self) {
        publish_due(&self.test.app).await.unwrap();
    }

    fn keep(&self, name: &str, label: &str, der: &[u8]) {
        let text = encode_string(label, LineEnding::LF, der).unwrap();
        std::fs::write(self.files.path().join(name), text).unwrap();
    }

    async fn fetch(&self, path: &str, name: &str) -> HeaderMap {
        let response = self.ask(Request::get(path)).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let headers = response.headers().clone();
        let octets = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(headers[header::CONTENT_LENGTH], octets.len().to_string());
        self.keep(name, "X509 CRL", &octets);
        headers
    }

    async fn ask(&self, request: http::request::Builder) -> axum::response::Response {
        let request = request
            .header(header::HOST, "plain.sekisho.localhost:8080")
            .extension(testing::peer(NameRole::Plain, &[]))
            .body(Body::empty())
            .unwrap();
        router::plain(&self.test.app).oneshot(request).await.unwrap()
    }

    async fn terminal(&self, seed: u64) -> TestTerminal {
        let terminal = testing::terminal(&self.test.app, seed).await;
        self.keep(&seed.to_string(), "CERTIFICATE", &terminal.certificate.der);
        terminal
    }

    /// `/crl/…` that the certificate itself names.
    fn address(&self, terminal: &TestTerminal) -> String {
        let publication = self.test.app.authority().terminals(self.test.app.now()).publication();
        let url = publication.crl_url_of(&terminal.certificate.serial);
        let der = &terminal.certificate.der;
        assert!(der.windows(url.len()).any(|octets| octets == url.as_bytes()), "{url}");
        url[url.find("/crl/").unwrap()..].to_owned()
    }

    async fn act(&self, terminal: &TestTerminal, measure: Measure) {
        let now = self.test.app.now();
        let order = Order {
            target: Target::Certificate {
                issuer_id: "terminals".to_owned(),
                serial: terminal.certificate.serial.as_octets().to_vec(),
            },
            measure,
            invalidity_at: match measure {
                Measure::Revoke(_) => Some(now - Duration::DAY),
                _ => None,
            },
            note: String::new(),
            actor: Actor::System,
            at: now,
        };
        assert!(carry_out(self.test.app.store(), &order).await.unwrap().changed);
    }

    /// What OpenSSL says of a certificate with these lists, at the standing clock's time.
    fn judge(&self, certificate: &str, lists: &[&str], options: &[&str]) -> Result<(), String> {
        let mut command = Command::new("openssl");
        command.current_dir(self.files.path()).args(["verify", "-x509_strict", "-crl_check"]);
        command.args(["-attime", &self.test.app.now().unix_timestamp().to_string()]);
        command.args(["-CAfile", "root", "-untrusted", "issuing"]).args(options);
        for list in lists {
            command.args(["-CRLfile", list]);
        }
        let output = command.arg(certificate).output().expect("openssl is installed");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        if output.status.success() { Ok(()) } else { Err(said) }
    }

    fn refuses(&self, certificate: &str, lists: &[&str], options: &[&str], why: &str) {
        let said = self.judge(certificate, lists, options).unwrap_err();
        assert!(said.contains(why), "{said}");
    }
}

/// A date before 1970 was refused when it was given; but rows come from backups and by hand.
#[tokio::test]
async fn a_date_that_no_list_can_say_keeps_nothing_off_the_list() {
    let world = World::new().await;
    let (one, other) = (world.terminal(1).await, world.terminal(2).await);
    world.act(&one, LOST).await;
    world.act(&other, LOST).await;
    transaction!(world.test.app.store(), StoreError, |tx| {
        let serial = one.certificate.serial.as_octets();
        let early = sql("UPDATE revocation_event SET invalidity_at = -1 WHERE serial = $1");
        assert_eq!(tx.execute(early.bind(serial)).await?, 1);
        Ok(Audited::new((), Entry::done("test", Actor::System, world.test.app.now())))
    })
    .unwrap();
    world.publish_all().await;
    world.fetch("/crl/terminals.crl", "list").await;
    for terminal in ["1", "2"] {
        world.refuses(terminal, &["list"], &[], "certificate revoked");
    }
}

const LOST: Measure = Measure::Revoke(RevocationReason::KeyCompromise);

#[tokio::test]
async fn a_partition_speaks_of_its_own_certificates_and_of_no_other() {
    let world = World::new().await;
    let one = world.terminal(1).await;
    let mut seed = 2;
    let other = loop {
        let other = world.terminal(seed).await;
        if world.address(&other) != world.address(&one) {
            break other;
        }
        seed += 1;
    };
    let name = seed.to_string();
    world.fetch(&world.address(&one), "before").await;
    assert_eq!(world.judge("1", &["before"], &["-extended_crl"]), Ok(()));
    world.act(&one, LOST).await;
    world.publish().await;
    world.fetch(&world.address(&one), "own").await;
    world.fetch(&world.address(&other), "others").await;
    world.fetch("/crl/terminals.crl", "complete").await;
    for options in [&[][..], &["-extended_crl"]] {
        world.refuses("1", &["own"], options, "certificate revoked");
        world.refuses("1", &["complete"], options, "certificate revoked");
        // Another partition says nothing, neither good nor bad.
        world.refuses("1", &["others"], options, "");
        world.refuses(&name, &["own"], options, "");
        assert_eq!(world.judge(&name, &["others"], options), Ok(()));
        assert_eq!(world.judge(&name, &["complete"], options), Ok(()));
    }
}

#[tokio::test]
async fn a_delta_brings_a_complete_list_up_to_date_both_ways() {
    let world = World::new().await;
    let (lost, held) = (world.terminal(1).await, world.terminal(2).await);
    world.act(&held, Measure::Hold).await;
    world.publish_all().await;
    world.fetch("/crl/terminals.crl", "base").await;
    assert_eq!(world.judge("1", &["base"], &[]), Ok(()));
    world.refuses("2", &["base"], &[], "certificate revoked");
    world.act(&lost, LOST).await;
    world.act(&held, Measure::Release).await;
    world.publish().await;
    world.fetch("/crl/terminals-delta.crl", "delta").await;
    let both = ["base", "delta"];
    let deltas = ["-use_deltas", "-extended_crl"];
    world.refuses("1", &both, &deltas, "certificate revoked");
    assert_eq!(world.judge("2", &both, &deltas), Ok(()));
    // The complete list of the same edition says the same.
    world.fetch("/crl/terminals.crl", "complete").await;
    world.refuses("1", &["complete"], &[], "certificate revoked");
    assert_eq!(world.judge("2", &["complete"], &[]), Ok(()));
    let text = Command::new("openssl")
        .current_dir(world.files.path())
        .args(["crl", "-noout", "-text", "-in", "delta"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&text.stdout);
    for part in ["Delta CRL Indicator: critical", "Remove From CRL", "Invalidity Date"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn routers_get_one_complete_list_with_nothing_to_combine() {
    let world = World::new().await;
    world.publish_all().await;
    let list = world.test.app.store();
    let published = crl::newest_of_each(&mut list.read(), "routers").await.unwrap();
    assert_eq!(published.len(), 1);
    assert_eq!(published[0].scope, crl::COMPLETE);
    world.fetch("/crl/routers.crl", "routers").await;
    let text = Command::new("openssl")
        .current_dir(world.files.path())
        .args(["crl", "-noout", "-text", "-in", "routers"])
        .output()
        .unwrap();
    assert!(!String::from_utf8_lossy(&text.stdout).contains("critical"));
}

#[tokio::test]
async fn an_entry_stays_until_one_list_past_expiry_and_then_goes() {
    let world = World::new().await;
    let terminal = world.terminal(1).await;
    world.act(&terminal, LOST).await;
    world.publish().await;
    let serial = terminal.certificate.serial.as_octets();
    let is_listed = async || {
        let list = crl::latest(&mut world.test.app.store().read(), "terminals").await;
        list.unwrap().unwrap().der.windows(serial.len()).any(|octets| octets == serial)
    };
    assert!(is_listed().await);
    world
        .test
        .clock
        .advance(terminal.certificate.not_after - world.test.app.now() + Duration::HOUR);
    world.publish().await;
    assert!(is_listed().await, "on one list after its end");
    world.test.clock.advance(world.test.app.config().authority().crl_validity());
    world.publish().await;
    assert!(!is_listed().await);
}

#[tokio::test]
async fn partitions_that_earlier_certificates_name_go_on_under_another_number_of_them() {
    let world = World::new().await;
    let terminal = world.terminal(1).await;
    world.act(&terminal, LOST).await;
    let mut settings = Settings::default();
    settings.authority.crl_partitions = 4;
    let later = testing::reopened(&world.test, settings).await;
    assert_eq!(
        later.authority().terminals(later.now()).publication().crl_partitions,
        CrlPartitions::new(4)
    );
    publish_due(&later).await.unwrap();
    world.fetch(&world.address(&terminal), "old").await;
    world.refuses("1", &["old"], &["-extended_crl"], "certificate revoked");
    let published = crl::newest_of_each(&mut later.store().read(), "terminals").await.unwrap();
    // 128 and 4 partitions, delta and complete.
    assert_eq!(published.len(), 128 + 4 + 2);
}

#[tokio::test]
async fn caches_may_keep_a_list_for_a_moment_and_then_ask_whether_it_changed() {
    let world = World::new().await;
    world.publish_all().await;
    for path in ["/crl/terminals.crl", "/crl/terminals-delta.crl", "/crl/terminals-5of128.crl"] {
        let headers = world.fetch(path, "list").await;
        assert_eq!(headers[header::CONTENT_TYPE], "application/pkix-crl");
        let control = headers[header::CACHE_CONTROL].to_str().unwrap();
        assert!(control.contains("max-age=30"), "{control}");
        for (name, value) in [
            (header::IF_NONE_MATCH, &headers[header::ETAG]),
            (header::IF_MODIFIED_SINCE, &headers[header::LAST_MODIFIED]),
        ] {
            let again = world.ask(Request::get(path).header(name, value)).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
            assert_eq!(again.headers()[header::ETAG], headers[header::ETAG]);
        }
        let head = world.ask(Request::head(path)).await;
        assert_eq!(head.status(), StatusCode::OK);
        assert_eq!(head.headers()[header::CONTENT_LENGTH], headers[header::CONTENT_LENGTH]);
        assert!(head.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
    // Never beyond nextUpdate: ten seconds before it, and after it.
    let validity = world.test.app.config().authority().crl_validity();
    world.test.clock.advance(validity - Duration::seconds(10));
    let control = |headers: HeaderMap| headers[header::CACHE_CONTROL].to_str().unwrap().to_owned();
    let path = "/crl/terminals.crl";
    assert!(control(world.fetch(path, "list").await).contains("max-age=10"));
    world.test.clock.advance(Duration::seconds(10));
    assert!(control(world.fetch(path, "list").await).contains("no-cache"));
    for path in ["/crl/terminals-128of128.crl", "/crl/routers-delta.crl", "/crl/-delta.crl"] {
        assert_eq!(world.ask(Request::get(path)).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}
