//! ACME as other people's clients speak it: lego and dehydrated from Debian and certbot from PyPI, unmodified,
//! at a running instance: an account by a key of the service, a certificate by http-01 and by tls-alpn-01,
//! renewal, a changed contact, revocation, and refusals with their reasons.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use sekisho::{config::Settings, demo::stage::free_port};
use sekisho_store::acme_certificate::{self, Listed};
use sekisho_tests::installed;
use serde_json::Value;

use crate::{
    table::{Operation, Row, Table},
    unpacked::said,
    world::{FACILITY, World, openssl, text},
};

const HOST: &str = "ehr.localhost";
const SECOND_HOST: &str = "images.localhost";
const SERVICE: &str = "ehr";
/// For a client on two busy cores.
const PATIENCE: Duration = Duration::from_secs(60);

struct Clients<'a> {
    world: &'a World,
    tree: PathBuf,
    certbot: PathBuf,
    directory: String,
    http_port: u16,
    tls_port: u16,
}

/// What a service's owner is given.
struct Key {
    id: String,
    hmac: String,
}

impl Clients<'_> {
    fn key(&self) -> Key {
        let instance = text(&self.world.file("instance"));
        let told = self.world.sekisho(&["service", "acme-key", &instance, SERVICE, "--json"]);
        let told: Value = serde_json::from_str(&told).unwrap();
        let field = |name: &str| told[name].as_str().unwrap().to_owned();
        assert_eq!(field("directory"), self.directory);
        assert_eq!(told["names"], serde_json::json!([HOST, SECOND_HOST]));
        Key { id: field("key_id"), hmac: field("hmac_key") }
    }

    /// A program where our names lead to this machine.
    fn command(&self, program: &Path) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("acme/client.sh");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh"]).arg(script).arg(self.world.file("hosts")).arg(program);
        command.env("LC_ALL", "C").env_remove("http_proxy").env_remove("https_proxy");
        command.env_remove("HTTP_PROXY").env_remove("HTTPS_PROXY");
        command
    }

    fn root(&self) -> String {
        self.world.authority("root")
    }

    async fn issued(&self) -> Vec<Listed> {
        acme_certificate::of_service(&mut self.world.store.read(), SERVICE, 100).await.unwrap()
    }

    /// Whether OpenSSL believes the chain for this host, strictly.
    fn is_believed(&self, chain: &Path, host: &str) {
        let (root, chain) = (self.root(), text(chain));
        openssl(&[
            "verify",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-verify_hostname",
            host,
            "-CAfile",
            &root,
            "-untrusted",
            &chain,
            &chain,
        ]);
    }
}

fn must(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    said(&output)
}

fn refused(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{command:?}: {}", said(&output));
    said(&output)
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_others_get_renew_and_revoke_certificates_by_acme() {
    let (http_port, tls_port) = (free_port().unwrap(), free_port().unwrap());
    let mut settings = Settings::default();
    settings.oidc.allow_loopback_clients = true;
    settings.acme.http_port = http_port;
    settings.acme.tls_port = tls_port;
    let world = World::start_with(settings).await;
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("acme");
    let into = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let tree = installed::debian(&sources.join("acme-clients.packages"), into).await.unwrap();
    let python = installed::python(&sources, into).await.unwrap();
    register(&world);
    let origin = &world.ready.origins["enrol"];
    let host = url::Url::parse(origin).unwrap().host_str().unwrap().to_owned();
    std::fs::write(
        world.file("hosts"),
        format!("127.0.0.1 localhost {host} {HOST} {SECOND_HOST}\n"),
    )
    .unwrap();
    let clients = Clients {
        directory: format!("{origin}/acme/directory"),
        certbot: python.with_file_name("certbot"),
        world: &world,
        tree,
        http_port,
        tls_port,
    };
    let mut table = Table::of("ACME");
    let version = |package| installed::version(&clients.tree, package);
    lego(&clients, table.client(format!("lego {}", version("lego")))).await;
    let certbot_says = must(clients.command(&clients.certbot).arg("--version"));
    certbot(&clients, table.client(certbot_says.trim().to_owned())).await;
    dehydrated(&clients, table.client(format!("dehydrated {}", version("dehydrated")))).await;
    table.keep();
    world.stop().await;
}

fn register(world: &World) {
    let file = world.file("service.toml");
    let service = format!(
        r#"
id = "{SERVICE}"
operated_by = "{FACILITY}"
name = {{ ja = "電子カルテ", en = "Records" }}
description = {{ ja = "診療録を開く。", en = "Opens records." }}
home_url = "https://{HOST}/"
redirect_uris = ["https://{HOST}/callback", "https://{SECOND_HOST}/callback"]
sector = "{HOST}"
authentication = "none"
scopes = ["openid"]
"#
    );
    std::fs::write(&file, service).unwrap();
    world.sekisho(&["service", "add", &text(&world.file("instance")), &text(&file)]);
}

/// Both challenges, a renewal that names what it replaces, revocation, and what a stranger's name gets.
async fn lego(clients: &Clients<'_>, row: &mut Row) {
    let folder = clients.world.file("lego");
    let run = |key: Option<&Key>, domains: &[&str], by: &[&str], act: &[&str]| {
        let mut command = clients.command(&clients.tree.join("usr/bin/lego"));
        command.env("LEGO_CA_CERTIFICATES", clients.root());
        command.args(["--server", &clients.directory, "--accept-tos", "--path"]).arg(&folder);
        command.args(["--email", "admin@ehr.localhost"]).args(by);
        if let Some(key) = key {
            command.args(["--eab", "--kid", &key.id, "--hmac", &key.hmac]);
        }
        for domain in domains {
            command.args(["--domains", domain]);
        }
        command.args(act);
        command
    };
    let http_address = format!("127.0.0.1:{}", clients.http_port);
    let tls_address = format!("127.0.0.1:{}", clients.tls_port);
    let http = ["--http", "--http.port", &http_address];
    let tls = ["--tls", "--tls.port", &tls_address];
    let without = refused(&mut run(None, &[HOST], &http, &["run"]));
    assert!(without.contains("requires External Account Binding"), "{without}");
    let key = clients.key();
    let forged = Key { id: key.id.clone(), hmac: "AAAA".to_owned() };
    let forged = refused(&mut run(Some(&forged), &[HOST], &http, &["run"]));
    assert!(forged.contains("externalAccountBinding is not accepted"), "{forged}");
    row.did_so(Operation::Refusal, "no key of the service, a forged one");
    must(&mut run(Some(&key), &[HOST], &http, &["run"]));
    let chain = folder.join(format!("certificates/{HOST}.crt"));
    clients.is_believed(&chain, HOST);
    // lego wants to hear of a key at each run; an account that is open needs none.
    must(&mut run(Some(&key), &[SECOND_HOST, HOST], &tls, &["run"]));
    clients.is_believed(&folder.join(format!("certificates/{SECOND_HOST}.crt")), HOST);
    must(&mut run(Some(&key), &[HOST], &http, &["renew", "--days", "90", "--no-random-sleep"]));
    clients.is_believed(&chain, HOST);
    assert_eq!(clients.issued().await.len(), 3);
    row.did_so(Operation::First, "http-01, tls-alpn-01");
    row.did(Operation::Renewal);
    must(&mut run(Some(&key), &[HOST], &[], &["revoke", "--reason", "4"]));
    assert_eq!(clients.issued().await.iter().filter(|found| found.revoked).count(), 1);
    row.did_so(Operation::Revocation, "by the account");
    let foreign = refused(&mut run(Some(&key), &["elsewhere.localhost"], &http, &["run"]));
    assert!(
        foreign.contains(&format!("those of service {SERVICE} are: {HOST}, {SECOND_HOST}")),
        "{foreign}"
    );
    assert_eq!(clients.issued().await.len(), 3);
    row.did_so(Operation::Refusal, "another's name");
}

/// A certificate, its renewal by renewal information, and revocation by the certificate's own key.
async fn certbot(clients: &Clients<'_>, row: &mut Row) {
    let before = clients.issued().await.len();
    let folder = clients.world.file("certbot");
    let run = |arguments: &[&str]| {
        let mut command = clients.command(&clients.certbot);
        command.args(arguments).args(["--non-interactive", "--server", &clients.directory]);
        for (option, name) in
            [("--config-dir", "etc"), ("--work-dir", "work"), ("--logs-dir", "log")]
        {
            command.arg(option).arg(folder.join(name));
        }
        command.env("REQUESTS_CA_BUNDLE", clients.root());
        command
    };
    let key = clients.key();
    let port = clients.http_port.to_string();
    let standalone = ["--standalone", "--http-01-port", &port, "--http-01-address", "127.0.0.1"];
    let bound =
        ["--eab-kid", &key.id, "--eab-hmac-key", &key.hmac, "--agree-tos", "-m", "a@ehr.localhost"];
    must(&mut run(&[&["certonly", "-d", HOST], &standalone[..], &bound].concat()));
    let live = folder.join(format!("etc/live/{HOST}"));
    clients.is_believed(&live.join("fullchain.pem"), HOST);
    let not_due = must(&mut run(&["renew", "--no-random-sleep-on-renew"]));
    assert!(not_due.contains("not due for renewal"), "{not_due}");
    must(&mut run(&["renew", "--force-renewal", "--no-random-sleep-on-renew"]));
    clients.is_believed(&live.join("fullchain.pem"), HOST);
    assert_eq!(clients.issued().await.len(), before + 2);
    row.did_so(Operation::First, "http-01");
    must(&mut run(&["update_account", "-m", "b@ehr.localhost"]));
    let (certificate, private) = (text(&live.join("cert.pem")), text(&live.join("privkey.pem")));
    must(&mut run(&[
        "revoke",
        "--cert-path",
        &certificate,
        "--key-path",
        &private,
        "--reason",
        "keycompromise",
        "--no-delete-after-revoke",
    ]));
    assert!(clients.issued().await[0].revoked);
    row.did_so(Operation::Revocation, "by the certificate's key");
    // What was said to be compromised is told to be renewed, and is, with a new key, when certbot asks again: it
    // notes not to before the six hours of the answer are over.
    let noted = folder.join(format!("etc/renewal/{HOST}.conf"));
    let lines = std::fs::read_to_string(&noted).unwrap();
    assert!(lines.contains("ari_retry_after"), "{lines}");
    let hours_later: Vec<_> =
        lines.lines().filter(|line| !line.starts_with("ari_retry_after")).collect();
    std::fs::write(&noted, hours_later.join("\n")).unwrap();
    let renewed = must(&mut run(&["renew", "--no-random-sleep-on-renew"]));
    assert!(renewed.contains("Congratulations"), "{renewed}");
    assert_eq!(clients.issued().await.len(), before + 3);
    assert!(!clients.issued().await[0].revoked);
    row.did_so(Operation::Renewal, "by force, and at once when revoked (RFC 9773)");
}

/// With an RSA account key and a key on P-384, by a web server that is there already; the contact told anew.
async fn dehydrated(clients: &Clients<'_>, row: &mut Row) {
    let before = clients.issued().await.len();
    let folder = clients.world.file("dehydrated");
    let answers = folder.join("www/.well-known/acme-challenge");
    std::fs::create_dir_all(&answers).unwrap();
    let key = clients.key();
    let config = format!(
        "CA={}\nEAB_KID={}\nEAB_HMAC_KEY={}\nBASEDIR={}\nWELLKNOWN={}\nCONTACT_EMAIL=a@ehr.localhost\n\
         CURL_OPTS=\"--cacert {} --noproxy *\"\n",
        clients.directory,
        key.id,
        key.hmac,
        text(&folder),
        text(&answers),
        clients.root()
    );
    std::fs::write(folder.join("config"), config).unwrap();
    let _server = Server::start(clients.http_port, &folder.join("www"));
    let run = |arguments: &[&str]| {
        let mut command = clients.command(&clients.tree.join("usr/bin/dehydrated"));
        command.args(arguments).arg("--config").arg(folder.join("config"));
        command
    };
    must(&mut run(&["--register", "--accept-terms"]));
    must(&mut run(&["--cron", "--domain", HOST]));
    let chain = folder.join(format!("certs/{HOST}/fullchain.pem"));
    clients.is_believed(&chain, HOST);
    let shown = openssl(&["x509", "-in", &text(&chain), "-noout", "-text"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("secp384r1"));
    must(&mut run(&["--account"]));
    must(&mut run(&["--revoke", &text(&folder.join(format!("certs/{HOST}/cert.pem")))]));
    let issued = clients.issued().await;
    assert_eq!((issued.len(), issued[0].revoked), (before + 1, true));
    row.did_so(Operation::First, "http-01");
    row.did_so(Operation::Revocation, "by the account");
}

/// A web server of files, ended with this.
struct Server(Child);

impl Server {
    fn start(port: u16, folder: &Path) -> Self {
        let mut python = Command::new("python3");
        python.args(["-m", "http.server", &port.to_string(), "--bind", "127.0.0.1", "--directory"]);
        python.arg(folder).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self(python.spawn().unwrap());
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "no web server");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
