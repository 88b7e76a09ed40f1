//! An instance made, run and stopped, over real sockets.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore, SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, ServerName};
use secrecy::SecretString;
use sekisho_key::{SoftwareKey, SystemRandomness};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::{CreateError, Created, Folder, NewFolderError, Plan, Ready, RunError, create, run};
use crate::{
    clock::SystemClock,
    config::{Config, Settings},
    listener::provider,
    names::NameRole,
};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn plan(folder: &Path, change: impl FnOnce(&mut Settings)) -> Plan {
    let mut settings = Settings::default();
    settings.listen.tls = vec!["[::1]:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()];
    settings.listen.plain = settings.listen.tls.clone();
    change(&mut settings);
    Plan {
        folder: folder.to_owned(),
        settings,
        organisation: "Test Operating Body".into(),
        network: "Test Network".into(),
        root_passphrase: Some(SecretString::from("a passphrase of the test")),
        administrator: "admin".into(),
    }
}

pub(crate) async fn make(plan: &Plan) -> Result<Created, CreateError> {
    create(plan, &SystemClock, &SystemRandomness).await
}

/// A running instance.
struct Running {
    folder: tempfile::TempDir,
    ready: Ready,
    stop: CancellationToken,
    ended: JoinHandle<Result<(), RunError>>,
}

impl Running {
    async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("instance");
        make(&plan(&dir, change)).await.unwrap();
        let config = Config::read(&dir).unwrap();
        let stop = CancellationToken::new();
        let (told, ready) = oneshot::channel();
        let ended = tokio::spawn(run(
            config,
            Arc::new(SystemClock),
            Arc::new(SystemRandomness),
            stop.clone(),
            move |ready| told.send(ready.clone()).unwrap(),
        ));
        let ready = timeout(PATIENCE, ready).await.unwrap().unwrap();
        Self { folder, ready, stop, ended }
    }

    fn dir(&self) -> Folder {
        Folder::new(self.folder.path().join("instance"))
    }

    fn tls_address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ready.tls_port))
    }

    fn plain_address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ready.plain_port))
    }

    /// One request over TLS; the answer, and whether a certificate was asked for.
    async fn ask(
        &self,
        host: &str,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> std::io::Result<(String, bool)> {
        let asked = Arc::new(Asked::default());
        let mut roots = RootCertStore::empty();
        let root = Folder::read_certificates(&self.dir().certificate("root")).unwrap();
        roots.add(CertificateDer::from(root[0].clone())).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_client_cert_resolver(asked.clone());
        let stream = TcpStream::connect(self.tls_address()).await?;
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let head = format!(
            "GET /nowhere HTTP/1.1\r\nHost: {host}:{}\r\nConnection: close\r\n\r\n",
            self.ready.tls_port
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok((String::from_utf8_lossy(&answer).into_owned(), asked.0.load(Ordering::SeqCst)))
    }

    async fn end(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.ended).await.unwrap().unwrap().unwrap();
    }
}

/// Notes that the server asked for a certificate, and has none.
#[derive(Debug, Default)]
struct Asked(AtomicBool);

impl ResolvesClientCert for Asked {
    fn resolve(&self, hints: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // Exactly one authority is named: ours for terminals.
        assert_eq!(hints.len(), 1);
        self.0.store(true, Ordering::SeqCst);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

const TLS13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];
const TLS12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];

fn host(role: NameRole) -> String {
    Settings::default().validate(Path::new("/")).unwrap().host_names().host(role).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_name_has_its_own_certificate_and_asks_as_its_role_says() {
    let running = Running::start(|_| {}).await;
    for role in NameRole::TLS {
        let (answer, asked) = running.ask(&host(role), TLS13).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{role:?}: {answer}");
        assert_eq!(asked, role.asks_for_certificate(), "{role:?}");
    }
    for stranger in ["other.sekisho.localhost", "plain.sekisho.localhost", "127.0.0.1"] {
        assert!(running.ask(stranger, TLS13).await.is_err(), "{stranger}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_is_refused_unless_it_is_switched_on_for_the_name() {
    let running = Running::start(|settings| settings.listen.tls12 = vec![NameRole::Enrol]).await;
    for role in NameRole::TLS {
        let outcome = running.ask(&host(role), TLS12).await;
        assert_eq!(outcome.is_ok(), role == NameRole::Enrol, "{role:?}: {outcome:?}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_told_while_it_runs_on_both_families() {
    let running = Running::start(|_| {}).await;
    let path = running.dir().addresses();
    let told: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(told["tls_port"], running.ready.tls_port);
    assert_eq!(
        told["origins"]["public"],
        format!("https://login.sekisho.localhost:{}", running.ready.tls_port)
    );
    for address in &running.ready.listening {
        TcpStream::connect(address).await.unwrap();
    }
    assert_eq!(running.ready.listening.iter().filter(|a| a.is_ipv6()).count(), 2);
    running.end().await;
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_a_request_under_way_finish_and_takes_no_new_one() {
    let running = Running::start(|_| {}).await;
    let mut under_way = TcpStream::connect(running.plain_address()).await.unwrap();
    let head = "POST /ocsp HTTP/1.1\r\nHost: plain.sekisho.localhost\r\n\
                Content-Type: application/ocsp-request\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    under_way.write_all(head.as_bytes()).await.unwrap();
    // The handler is reading the body: it asked for it.
    let mut go_on = [0; 25];
    timeout(PATIENCE, under_way.read_exact(&mut go_on)).await.unwrap().unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100 Continue"));
    let mut idle = TcpStream::connect(running.plain_address()).await.unwrap();
    idle.write_all(b"GET /ca/root.crt HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    timeout(PATIENCE, idle.read_exact(&mut first)).await.unwrap().unwrap();

    running.stop.cancel();
    // The idle connection is closed, then no new one is taken.
    let mut rest = Vec::new();
    timeout(PATIENCE, idle.read_to_end(&mut rest)).await.unwrap().unwrap();
    timeout(PATIENCE, async {
        while TcpStream::connect(running.plain_address()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert!(!running.ended.is_finished());

    under_way.write_all(b"oops").await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, under_way.read_to_end(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_is_cut_off() {
    let running = Running::start(|settings| {
        settings.listen.head_seconds = 1;
        settings.listen.handshake_seconds = 1;
    })
    .await;
    for address in [running.plain_address(), running.tls_address()] {
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(b"G").await.unwrap();
        let mut rest = Vec::new();
        timeout(PATIENCE, silent.read_to_end(&mut rest)).await.unwrap().ok();
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn first_lists_are_in_force_as_long_as_configured_and_the_offline_ones_a_year() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    make(&plan(&dir, |settings| settings.authority.crl_hours = 30)).await.unwrap();
    let config = Config::read(&dir).unwrap();
    let store = sekisho_store::Store::open(config.instance().database(), "n").await.unwrap();
    let issuing = sekisho_ca::ceremony::ISSUING.map(|(id, _)| (id, time::Duration::hours(30)));
    for (id, expected) in issuing.into_iter().chain([("root", time::Duration::days(366))]) {
        let crl = sekisho_store::crl::latest(&mut store.read(), id).await.unwrap().unwrap();
        assert_eq!(crl.next_update - crl.this_update, expected, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn init_refuses_a_folder_that_is_not_empty_and_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("note.txt"), "mine").unwrap();
    assert!(matches!(
        make(&plan(&dir, |_| {})).await,
        Err(CreateError::NewFolder(NewFolderError::NotEmpty { .. }))
    ));
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
    std::fs::remove_file(dir.join("note.txt")).unwrap();
    make(&plan(&dir, |_| {})).await.unwrap();
    let before = std::fs::read(dir.join("ca/root.crt")).unwrap();
    assert!(matches!(
        make(&plan(&dir, |_| {})).await,
        Err(CreateError::NewFolder(NewFolderError::NotEmpty { .. }))
    ));
    assert_eq!(std::fs::read(dir.join("ca/root.crt")).unwrap(), before);
    // Nothing half-made stays beside it.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn init_refuses_a_weak_passphrase_a_bad_name_and_a_bad_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    let mut weak = plan(&dir, |_| {});
    weak.root_passphrase = Some(SecretString::from("short"));
    assert!(matches!(make(&weak).await, Err(CreateError::WeakPassphrase { characters: 5 })));
    let mut name = plan(&dir, |_| {});
    name.administrator = "Admin; DROP".into();
    assert!(matches!(make(&name).await, Err(CreateError::LoginName { .. })));
    let bad = plan(&dir, |settings| settings.oidc.code_seconds = 0);
    assert!(matches!(make(&bad).await, Err(CreateError::Config(_))));
    let mut japanese = plan(&dir, |_| {});
    japanese.organisation = "運営主体".into();
    assert!(matches!(make(&japanese).await, Err(CreateError::Ceremony(_))));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn only_this_user_can_read_the_folder_and_its_secrets() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    make(&plan(&dir, |_| {})).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for private in ["", "keys", "secrets", "root"] {
        assert_eq!(mode(&dir.join(private)), 0o700, "{private}");
    }
    assert_eq!(mode(&dir.join("secrets/passphrase")), 0o600);
    assert_eq!(mode(&dir.join("root/root-key.p8")), 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_refuses_without_its_list_of_breached_passwords_or_with_half_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    make(&plan(&dir, |settings| {
        settings.people.breached_passwords_file = "breached.txt".into();
    }))
    .await
    .unwrap();
    let list = dir.join("breached.txt");
    let start = || {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        // A start that succeeds ends at once.
        run(
            Config::read(&dir).unwrap(),
            Arc::new(SystemClock),
            Arc::new(SystemRandomness),
            stop,
            move |_| stopped.cancel(),
        )
    };
    let refused = start().await.unwrap_err().to_string();
    assert!(refused.contains("breached.txt") && refused.contains("cannot be read"), "{refused}");
    let first = format!("{:0>40}:1\n", 'A');
    std::fs::write(&list, &first).unwrap();
    let refused = start().await.unwrap_err().to_string();
    assert!(refused.contains("is not whole"), "{refused}");
    std::fs::write(&list, format!("{first}{:F>40}:1\n", 'A')).unwrap();
    timeout(PATIENCE, start()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_refuses_while_the_roots_key_lies_open_and_runs_while_it_is_wrapped() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    let plan = plan(&dir, |_| {});
    make(&plan).await.unwrap();
    let passphrase = plan.root_passphrase.unwrap();
    let wrapped = std::fs::read(dir.join("root/root-key.p8")).unwrap();
    let key = SoftwareKey::from_encrypted_pem(&wrapped, &passphrase).unwrap();
    let open = dir.join("anchors/hpki/forgotten.pem");
    std::fs::write(&open, &*key.pkcs8_der().unwrap()).unwrap();
    let start = || {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        // A start that succeeds ends at once.
        run(
            Config::read(&dir).unwrap(),
            Arc::new(SystemClock),
            Arc::new(SystemRandomness),
            stop,
            move |_| stopped.cancel(),
        )
    };
    match start().await {
        Err(RunError::RootKeyOpen { path }) => assert_eq!(path, open),
        other => panic!("{other:?}"),
    }
    std::fs::remove_file(&open).unwrap();
    timeout(PATIENCE, start()).await.unwrap().unwrap();
    std::fs::remove_dir_all(dir.join("root")).unwrap();
    timeout(PATIENCE, start()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn own_certificates_are_renewed_at_two_thirds_of_their_life() {
    use crate::{clock::ManualClock, listener::Tls};
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    make(&plan(&dir, |_| {})).await.unwrap();
    let paths = Folder::new(&dir);
    let clock = Arc::new(ManualClock::new(time::OffsetDateTime::now_utc()));
    let (app, ca_keys) = crate::testing::app_over(&dir, clock.clone()).await;
    let config = app.config();
    let tls = Tls::new(config.host_names(), config.listen(), Vec::new(), Vec::new()).unwrap();
    let renew = async || {
        super::renew_server_certificates(&app, &tls, ca_keys.passphrase()).await.unwrap();
        std::fs::read(paths.server_certificate(NameRole::Public)).unwrap()
    };
    let first = renew().await;
    clock.advance(time::Duration::days(119));
    assert_eq!(renew().await, first);
    clock.advance(time::Duration::days(2));
    let second = renew().await;
    assert_ne!(second, first);
    assert_eq!(renew().await, second);

    let responder = || std::fs::read(paths.certificate("ocsp-terminals")).unwrap();
    let responder_key = || std::fs::read(paths.key("ocsp-terminals")).unwrap();
    let answers_until = || app.authority().ocsp().iter().next().unwrap().not_after().unwrap();
    let (first, first_key, until) = (responder(), responder_key(), answers_until());
    super::renew_ocsp_responders(&app, &ca_keys).await.unwrap();
    assert_eq!(responder(), first);
    clock.advance(time::Duration::days(130));
    super::renew_ocsp_responders(&app, &ca_keys).await.unwrap();
    assert_ne!(responder(), first);
    assert!(answers_until() > until);
    // What was written opens again, also where the process was killed between key and certificate,
    // or before the key was put in its place.
    let (second, second_key) = (responder(), responder_key());
    assert_ne!(second_key, first_key);
    let key_path = paths.key("ocsp-terminals");
    let next_path = key_path.with_extension("p8.next");
    assert!(!next_path.exists());
    for (certificate, expected) in [(&first, &first_key), (&second, &second_key)] {
        std::fs::write(paths.certificate("ocsp-terminals"), certificate).unwrap();
        std::fs::write(&key_path, &first_key).unwrap();
        std::fs::write(&next_path, &second_key).unwrap();
        crate::testing::app_over(&dir, clock.clone()).await;
        assert_eq!(responder_key(), *expected);
    }
    assert!(!next_path.exists());
    crate::testing::app_over(&dir, clock).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_name_gets_a_certificate_and_the_others_keep_theirs() {
    use crate::{clock::ManualClock, listener::Tls};
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    make(&plan(&dir, |_| {})).await.unwrap();
    let path = dir.join(crate::config::FILE_NAME);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"login.", "\"moved.")).unwrap();
    let clock = Arc::new(ManualClock::new(time::OffsetDateTime::now_utc()));
    let (app, ca_keys) = crate::testing::app_over(&dir, clock).await;
    let config = app.config();
    let tls = Tls::new(config.host_names(), config.listen(), Vec::new(), Vec::new()).unwrap();
    let certificates = || {
        [NameRole::Public, NameRole::Terminal]
            .map(|role| std::fs::read(Folder::new(&dir).server_certificate(role)).unwrap())
    };
    let [public, terminal] = certificates();
    super::renew_server_certificates(&app, &tls, ca_keys.passphrase()).await.unwrap();
    let renewed = certificates();
    assert_ne!(renewed[0], public);
    assert_eq!(renewed[1], terminal);
    super::renew_server_certificates(&app, &tls, ca_keys.passphrase()).await.unwrap();
    assert_eq!(certificates(), renewed, "once");
}
