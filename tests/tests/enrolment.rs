//! Enrolment as other people's programs see it: curl and OpenSSL against real sockets.
//!
//! A terminal's first certificate, its renewal, what it is told to trust, and its end: OCSP and CRL
//! as OpenSSL reads them.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use sekisho::{
    clock::SystemClock,
    config::{Config, Settings},
    instance::{Plan, Ready, create, run},
    paper_code::PaperCode,
};
use sekisho_key::SystemRandomness;
use sekisho_store::{
    Store, StoreError,
    audit::{Actor, Audited, Entry},
    certificate,
    enrolment_code::{self, NewCode},
    revocation, sql,
    terminal::{self, Revocation},
    transaction,
};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

const FACILITY: &str = "123456789007";
const TERMINAL: &str = "T0123456789";

/// Runs one change in a transaction of its own.
macro_rules! change {
    ($store:expr, |$tx:ident| $body:expr) => {
        transaction!($store, StoreError, |$tx| {
            let value = $body;
            let entry = Entry::done("test", Actor::System, OffsetDateTime::now_utc());
            Ok(Audited::new(value, entry))
        })
        .unwrap()
    };
}

/// A running instance with one active facility and one terminal, and a folder for files.
struct World {
    folder: tempfile::TempDir,
    ready: Ready,
    store: Store,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<()>,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let instance = folder.path().join("instance");
        let mut settings = Settings::default();
        settings.listen.tls = vec!["127.0.0.1:0".parse().unwrap()];
        settings.listen.plain = settings.listen.tls.clone();
        let plan = Plan {
            folder: instance.clone(),
            settings,
            organisation: "Test Operating Body".into(),
            network: "Test Network".into(),
            root_passphrase: Some("a passphrase of the test".into()),
            administrator: "admin".into(),
        };
        create(&plan, &SystemClock, &SystemRandomness).await.unwrap();
        let config = Config::read(&instance).unwrap();
        let store = Store::open(config.instance().database(), "test").await.unwrap();
        let stop = CancellationToken::new();
        let (told, ready) = tokio::sync::oneshot::channel();
        let stopped = stop.clone();
        let ended = tokio::spawn(async move {
            let random = Arc::new(SystemRandomness);
            let tell = |ready: &Ready| told.send(ready.clone()).unwrap();
            run(config, Arc::new(SystemClock), random, stopped, tell).await.unwrap();
        });
        let ready = tokio::time::timeout(Duration::from_secs(30), ready).await.unwrap().unwrap();
        change!(store, |tx| {
            tx.execute(sql("INSERT INTO application (id, receipt, kind, name, name_kana,
                     prefecture, postal_code, address, contact_name, contact_phone, contact_email,
                     created_at)
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
            let now = OffsetDateTime::now_utc();
            terminal::create(tx, TERMINAL, FACILITY, "外来1号機", "p", now).await?;
        });
        Self { folder, ready, store, stop, ended }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn authority(&self, name: &str) -> String {
        text(&self.file("instance/ca").join(format!("{name}.crt")))
    }

    async fn code(&self) -> String {
        self.code_of(TERMINAL).await
    }

    async fn code_of(&self, terminal_id: &str) -> String {
        let code = PaperCode::generate(&SystemRandomness).unwrap();
        let now = OffsetDateTime::now_utc();
        change!(self.store, |tx| {
            let kept = NewCode {
                code_hash: &code.hash(),
                terminal_id,
                tries: 5,
                person_id: "p",
                created_at: now,
                expires_at: now + time::Duration::DAY,
            };
            enrolment_code::issue(tx, kept).await?
        });
        code.reveal().to_string()
    }

    /// Makes a key and a request with OpenSSL; answers the file of the base64 body.
    fn request(&self, name: &str) -> PathBuf {
        let (key, der) = (text(&self.file(name)), text(&self.file(&format!("{name}.der"))));
        openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", &key]);
        openssl(&["req", "-new", "-key", &key, "-subj", "/", "-outform", "DER", "-out", &der]);
        let body = self.file(&format!("{name}.b64"));
        // OpenSSL breaks the lines of base64, as RFC 8951 has servers expect.
        openssl(&["base64", "-in", &der, "-out", &text(&body)]);
        body
    }

    /// Asks the enrolment name with curl; answers status and body.
    fn curl(&self, path: &str, arguments: &[&str]) -> (u16, String) {
        let origin = self.ready.origins["enrol"].clone();
        let host = origin.trim_start_matches("https://");
        let output = done(
            Command::new("curl")
                .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "20"])
                .args(["--cacert", &self.authority("root")])
                .args(["--resolve", &format!("{host}:127.0.0.1")])
                .args(["--write-out", "\n%{http_code}"])
                .args(arguments)
                .arg(format!("{origin}{path}")),
        );
        let answer = String::from_utf8(output.stdout).unwrap();
        let (body, status) = answer.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    fn post(&self, operation: &str, body: &Path, more: &[&str]) -> (u16, String) {
        let data = format!("@{}", body.display());
        let mut arguments =
            vec!["--header", "Content-Type: application/pkcs10", "--data-binary", &data];
        arguments.extend(more);
        self.curl(&format!("/.well-known/est/{operation}"), &arguments)
    }

    /// Writes the certificate of a certs-only answer as PEM.
    fn certificate(&self, answer: &str, name: &str) -> String {
        let (der, pem) = (text(&self.file(&format!("{name}.p7"))), text(&self.file(name)));
        std::fs::write(&der, STANDARD.decode(answer).unwrap()).unwrap();
        openssl(&["pkcs7", "-inform", "DER", "-in", &der, "-print_certs", "-out", &pem]);
        pem
    }

    fn plain(&self) -> String {
        format!("http://127.0.0.1:{}", self.ready.plain_port)
    }

    fn ocsp(&self, certificate: &str) -> String {
        let said = openssl(&[
            "ocsp",
            "-issuer",
            &self.authority("terminals"),
            "-cert",
            certificate,
            "-url",
            &format!("{}/ocsp", self.plain()),
            "-CAfile",
            &self.authority("root"),
            "-verify_other",
            &self.authority("terminals"),
        ]);
        let errors = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(errors.contains("Response verify OK"), "{errors}");
        String::from_utf8(said.stdout).unwrap()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.ended.await.unwrap();
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn openssl(arguments: &[&str]) -> Output {
    done(Command::new("openssl").args(arguments))
}

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

    // Its end.
    let now = OffsetDateTime::now_utc();
    let revocation =
        Revocation { crl_reason: 1, cause: "lost", note: "lost", person_id: Some("p"), at: now };
    let taken =
        change!(world.store, |tx| { terminal::revoke(tx, TERMINAL, FACILITY, revocation).await? });
    assert_eq!(taken.unwrap().certificates.len(), 2);
    for pem in [&certificate, &renewed] {
        let said = world.ocsp(pem);
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
    world.stop().await;
}

/// One PC: the folder of its agent.
struct Pc<'a> {
    world: &'a World,
    folder: PathBuf,
    root: String,
}

impl<'a> Pc<'a> {
    fn new(world: &'a World, name: &str) -> Self {
        let root = world.authority("root");
        let said = openssl(&["x509", "-in", &root, "-noout", "-fingerprint", "-sha256"]);
        let said = String::from_utf8(said.stdout).unwrap();
        let root = said.trim().split_once('=').unwrap().1.to_owned();
        Self { world, folder: world.file(name), root }
    }

    fn agent(&self, arguments: &[&str]) -> (i32, String) {
        let program = sekisho::demo::process::sibling("sekisho-agent").unwrap();
        let output =
            Command::new(program).arg("--dir").arg(&self.folder).args(arguments).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), said)
    }

    fn enroll(&self, terminal: &str, code: &str) -> (i32, String) {
        let server = &self.world.ready.origins["enrol"];
        let line = ["enroll", "--server", server, "--root", &self.root, "--terminal", terminal];
        self.agent(&[&line[..], &["--code", code]].concat())
    }

    fn holds(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.join(name)).unwrap()
    }

    /// Keys that were set aside.
    fn set_aside(&self) -> Vec<Vec<u8>> {
        let entries = std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let named = |path: &PathBuf| text(path).contains("/replaced-");
        entries.filter(named).map(|path| std::fs::read(path.join("terminal.p8")).unwrap()).collect()
    }
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

/// Waits for a CRL that names every one of these certificates; answers its file.
async fn listed(world: &World, certificates: &[certificate::Certificate]) -> String {
    let list = text(&world.file("terminals.crl"));
    let url = format!("{}/crl/terminals.crl", world.plain());
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
