//! SCEP as other people's clients speak it: strongSwan's `pki`, micromdm's `scepclient` and certmonger's
//! `scep-submit`, unmodified from Debian, at a running instance with a registration authority of RSA-3072
//! beside authorities on P-256.
//!
//! micromdm's client knows SHA-1 and single DES alone, and goes on only where a family is excused. certmonger's
//! helper submits messages that its daemon makes; here it submits one that strongSwan made, and judges the
//! answer by itself.

use std::{
    io::{Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use sekisho::config::Settings;
use sekisho_store::{audit, certificate};

use crate::{
    table::{Operation, Row, Table},
    unpacked::{Unpacked, said},
    world::{Router, World, done, openssl, text},
};

/// For an RSA key on two busy cores.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often micromdm's client enrols, each time with a new key: signatures by SHA-1 failed for some keys once.
const KEYS: usize = 4;

struct Clients<'a> {
    world: &'a World,
    unpacked: Unpacked,
    url: String,
}

impl Clients<'_> {
    fn run(&self, program: &str, folder: &Path, arguments: &[&str]) -> Output {
        self.unpacked.run(program, folder, arguments)
    }

    fn must(&self, program: &str, folder: &Path, arguments: &[&str]) -> Vec<u8> {
        let output = self.run(program, folder, arguments);
        assert!(output.status.success(), "{program} {arguments:?}: {}", said(&output));
        output.stdout
    }

    /// A new folder in the world.
    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.world.file(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn get(&self, operation: &str) -> (u16, Vec<u8>) {
        let url = format!("{}?operation={operation}", self.url);
        let curl = [
            "--silent",
            "--noproxy",
            "*",
            "--max-time",
            "20",
            "--write-out",
            "%{stderr}%{http_code}",
        ];
        let output = done(Command::new("curl").args(curl).arg(url));
        (String::from_utf8(output.stderr).unwrap().parse().unwrap(), output.stdout)
    }

    async fn issued(&self, router: &Router) -> usize {
        certificate::of_terminal(&mut self.world.store.read(), &router.id).await.unwrap().len()
    }
}

/// Subject and alternative names as OpenSSL reads them.
fn shown(path: &Path, form: &str) -> String {
    let path = text(path);
    let arguments = [
        "x509",
        "-inform",
        form,
        "-in",
        &path,
        "-noout",
        "-subject",
        "-issuer",
        "-ext",
        "subjectAltName",
    ];
    String::from_utf8(openssl(&arguments).stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_others_enrol_renew_and_are_refused_by_scep() {
    let mut settings = Settings::default();
    settings.scep.enabled = true;
    settings.scep.legacy_families = vec!["router_cisco_ios_xe".into()];
    let world = World::start_with(settings).await;
    let unpacked = Unpacked::fetch(world.hosts()).await;
    let clients = Clients { unpacked, url: format!("{}/scep", world.plain()), world: &world };

    // The registration authority is made by the first job that finds none.
    let began = Instant::now();
    while clients.get("GetCACert").0 != 200 {
        assert!(began.elapsed() < PATIENCE, "no registration authority");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut table = Table::of("SCEP");
    let version = |package| clients.unpacked.version(package);
    let name = format!("strongSwan {} `pki --scep`", version("strongswan-pki"));
    strongswan(&clients, table.client(name)).await;
    let name = format!("micromdm `scepclient` {} (SHA-1, DES)", version("scep"));
    micromdm(&clients, table.client(name)).await;
    let name = format!("certmonger {} `scep-submit`", version("certmonger"));
    certmonger(&clients, table.client(name)).await;
    table.keep();
    world.stop().await;
}

/// Authorities, enrolment, renewal, and refusals.
async fn strongswan(clients: &Clients<'_>, row: &mut Row) {
    let folder = clients.folder("strongswan");
    let router = clients.world.enter_router(1, "router_strongswan");
    let pki = |arguments: &[&str]| clients.run("pki", &folder, arguments);
    let key = |name: &str| {
        let made = clients.must("pki", &folder, &["--gen", "--type", "rsa", "--size", "3072"]);
        std::fs::write(folder.join(name), made).unwrap();
    };
    let told = pki(&[
        "--scepca",
        "--url",
        &clients.url,
        "--caout",
        "ca.der",
        "--raout",
        "ra.der",
        "--force",
    ]);
    assert!(said(&told).contains("RA cert is trusted"), "{}", said(&told));
    row.did(Operation::Authorities);
    let authorities = [
        "--cacert-enc",
        "ra.der",
        "--cacert-sig",
        "ra.der",
        "--cacert",
        "ca.der",
        "--cacert",
        "ca-1.der",
    ];
    let enrol = |id: &str, key: &str, code: &str| {
        let dn = format!("CN={id}");
        let own = ["--scep", "--url", &clients.url, "--in", key, "--dn", &dn, "--password", code];
        pki(&[&own[..], &authorities].concat())
    };
    key("key.der");
    let refused = enrol(&router.id, "key.der", "0000-0000-0000-0000-0000");
    assert!(!refused.status.success(), "a wrong code");
    assert!(said(&refused).contains("badRequest"), "{}", said(&refused));
    assert_eq!(clients.issued(&router).await, 0);
    row.did_so(Operation::Refusal, "wrong code");

    let first = enrol(&router.id, "key.der", &router.code);
    assert!(first.status.success(), "{}", said(&first));
    std::fs::write(folder.join("first.der"), &first.stdout).unwrap();
    let names = shown(&folder.join("first.der"), "DER");
    assert!(names.contains(&router.id) && names.contains("Router CA"), "{names}");
    assert!(names.contains(&format!("DNS:{}.router.", router.id.to_lowercase())), "{names}");
    // Its answer was lost: the same certificate.
    let again = enrol(&router.id, "key.der", &router.code);
    assert_eq!(again.stdout, first.stdout);
    row.did(Operation::First);
    row.did(Operation::Again);

    key("next.der");
    let dn = format!("CN={}", router.id);
    let own = ["--scep", "--url", &clients.url, "--in", "next.der", "--dn", &dn];
    let by = ["--cert", "first.der", "--key", "key.der"];
    let renewed = pki(&[&own[..], &by, &authorities].concat());
    assert!(renewed.status.success(), "{}", said(&renewed));
    assert_ne!(renewed.stdout, first.stdout);
    std::fs::write(folder.join("second.der"), &renewed.stdout).unwrap();
    assert!(shown(&folder.join("second.der"), "DER").contains(&router.id));
    assert_eq!(clients.issued(&router).await, 2);
    row.did(Operation::Renewal);
    waits_for_approval(clients, &folder, &authorities).await;
    row.did(Operation::Approval);
}

/// strongSwan's client polls by itself until a person has approved its key.
async fn waits_for_approval(clients: &Clients<'_>, folder: &Path, authorities: &[&str]) {
    let router = clients.world.enter_router(5, "router_strongswan");
    let instance = text(&clients.world.file("instance"));
    let code = ["router", "code", &instance, &router.id, "--approve-first", "--json"];
    let code: serde_json::Value = serde_json::from_str(&clients.world.sekisho(&code)).unwrap();
    assert_eq!(code["needs_approval"], true);
    let made = clients.must("pki", folder, &["--gen", "--type", "rsa", "--size", "3072"]);
    std::fs::write(folder.join("waits.der"), made).unwrap();
    let dn = format!("CN={}", router.id);
    let own = ["--scep", "--url", &clients.url, "--in", "waits.der", "--dn", &dn, "--password"];
    let polls = [code["code"].as_str().unwrap(), "--interval", "1", "--maxpolltime", "60"];
    let arguments = [&own[..], &polls, authorities].concat();
    let output =
        clients.world.approving(&router.id, || clients.run("pki", folder, &arguments)).await;
    assert!(output.status.success(), "{}", said(&output));
    std::fs::write(folder.join("approved.der"), &output.stdout).unwrap();
    assert!(shown(&folder.join("approved.der"), "DER").contains(&router.id));
    assert_eq!(clients.issued(&router).await, 1);
}

/// Refused with the reason where its family is not excused, and served where it is, key for key.
async fn micromdm(clients: &Clients<'_>, row: &mut Row) {
    let ra = text(&clients.world.file("strongswan/ra.der"));
    let digest = String::from_utf8(openssl(&["dgst", "-sha256", "-r", &ra]).stdout).unwrap();
    let fingerprint = digest.split(' ').next().unwrap();
    let enrol = |name: &str, router: &Router, code: &str| {
        let folder = clients.folder(name);
        let arguments = [
            "-server-url",
            &clients.url,
            "-ca-fingerprint",
            fingerprint,
            "-keySize",
            "3072",
            "-cn",
            &router.id,
            "-challenge",
            code,
            "-private-key",
            "key.pem",
            "-certificate",
            "certificate.pem",
        ];
        (clients.run("scepclient", &folder, &arguments), folder.join("certificate.pem"))
    };
    let other = clients.world.enter_router(2, "router_strongswan");
    let (refused, certificate) = enrol("micromdm-refused", &other, &other.code);
    assert!(said(&refused).contains("badAlg"), "{}", said(&refused));
    assert!(!certificate.exists());
    assert_eq!(clients.issued(&other).await, 0);
    let trail = audit::list(&mut clients.world.store.read(), "", None, 1000).await.unwrap();
    let recorded = trail.iter().map(|record| String::from_utf8_lossy(&record.canonical));
    let why =
        |text: &str| text.contains("scep_weak_algorithm") && text.contains("SHA-1, single DES");
    assert!(recorded.into_iter().any(|text| why(&text)), "the reason is on record");
    row.did_so(Operation::Refusal, "a family that is not excused, with the reason");

    let router = clients.world.enter_router(3, "router_cisco_ios_xe");
    let mut code = router.code.clone();
    for number in 0..KEYS {
        let (enrolled, certificate) = enrol(&format!("micromdm-{number}"), &router, &code);
        assert!(certificate.exists(), "key {number}: {}", said(&enrolled));
        let names = shown(&certificate, "PEM");
        assert!(names.contains(&router.id), "{names}");
        code = clients.world.code_of(&router.id).await;
    }
    assert_eq!(clients.issued(&router).await, KEYS);
    row.did_so(Operation::First, "an excused family's");
}

/// Capabilities, certificates, and a message by GET whose answer it verifies.
async fn certmonger(clients: &Clients<'_>, row: &mut Row) {
    const HELPER: &str = "/usr/lib/certmonger/scep-submit";
    let folder = clients.folder("certmonger");
    let helper = |arguments: &[&str]| {
        let output =
            clients.must(HELPER, &folder, &[&["-u", &clients.url][..], arguments].concat());
        String::from_utf8(output).unwrap()
    };
    let words = helper(&["-c"]);
    assert!(words.contains("AES\n") && words.contains("SHA-256\n"), "{words}");
    let certificates = helper(&["-C"]);
    assert_eq!(certificates.matches("BEGIN CERTIFICATE").count(), 3, "{certificates}");
    row.did(Operation::Authorities);

    let strongswan = clients.world.file("strongswan");
    for (from, to) in [("ra.der", "ra.pem"), ("ca.der", "root.pem"), ("ca-1.der", "routers.pem")] {
        let (from, to) = (text(&strongswan.join(from)), text(&folder.join(to)));
        openssl(&["x509", "-inform", "DER", "-in", &from, "-out", &to]);
    }
    let router = clients.world.enter_router(4, "router_strongswan");
    let message = recorded(|url| {
        let dn = format!("CN={}", router.id);
        let own =
            ["--scep", "--url", url, "--in", "key-4.der", "--dn", &dn, "--password", &router.code];
        let authorities =
            ["--cacert-enc", "ra.der", "--cacert-sig", "ra.der", "--cacert", "ca.der"];
        let made = clients.must("pki", &strongswan, &["--gen", "--type", "rsa", "--size", "3072"]);
        std::fs::write(strongswan.join("key-4.der"), made).unwrap();
        clients.run("pki", &strongswan, &[&own[..], &authorities].concat());
    });
    let lines: Vec<_> = STANDARD
        .encode(message)
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let pem = format!("-----BEGIN PKCS7-----\n{}\n-----END PKCS7-----\n", lines.join("\n"));
    std::fs::write(folder.join("message.pem"), pem).unwrap();
    let chain = ["root.pem", "routers.pem"].map(|name| std::fs::read(folder.join(name)).unwrap());
    std::fs::write(folder.join("chain.pem"), chain.concat()).unwrap();
    let answer = helper(&[
        "-r",
        "ra.pem",
        "-N",
        "routers.pem",
        "-I",
        "chain.pem",
        "-R",
        "root.pem",
        "-p",
        "message.pem",
    ]);
    // The helper verified the answer and hands on what is encrypted in it: only the key's holder opens it.
    std::fs::write(folder.join("answer.pem"), answer).unwrap();
    let key = text(&strongswan.join("key-4.der"));
    let (answer, opened) = (text(&folder.join("answer.pem")), text(&folder.join("opened.p7")));
    openssl(&[
        "smime", "-decrypt", "-inform", "PEM", "-in", &answer, "-inkey", &key, "-keyform", "DER",
        "-binary", "-out", &opened,
    ]);
    let pem = openssl(&["pkcs7", "-inform", "DER", "-in", &opened, "-print_certs"]);
    let pem = String::from_utf8(pem.stdout).unwrap();
    assert!(pem.contains(&router.id), "{pem}");
    assert_eq!(clients.issued(&router).await, 1);
    row.did_so(Operation::First, "a message that strongSwan made, by GET");
}

/// The body of the one POST that `send` makes to the address that it is given. Before that it is told what is
/// taken, in the words of our own.
fn recorded(send: impl FnOnce(&str)) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/scep", listener.local_addr().unwrap());
    let recorder = std::thread::spawn(move || {
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            let mut octets = Vec::new();
            let mut piece = [0; 4096];
            let body = loop {
                let read = stream.read(&mut piece).unwrap();
                octets.extend(&piece[..read]);
                let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") else {
                    continue;
                };
                let head = String::from_utf8_lossy(&octets[..end]).to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.map_or(0, |length| length.parse().unwrap());
                if octets.len() >= end + 4 + length {
                    break octets[end + 4..].to_vec();
                }
            };
            let words = "AES\nPOSTPKIOperation\nSHA-256\nSHA-384\nSCEPStandard\n";
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                words.len()
            );
            stream.write_all((head + words).as_bytes()).unwrap();
            if !body.is_empty() {
                return body;
            }
        }
    });
    send(&url);
    recorder.join().unwrap()
}
