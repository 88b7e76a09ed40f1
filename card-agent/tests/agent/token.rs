//! The terminal's key in a token: SoftHSM and a TPM (swtpm behind tpm2-pkcs11), as the built program
//! uses them, with an EST server that has the client's signature verified in TLS.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sekisho_agent::door::Identity;
use sekisho_protocol::Sha256Digest;
use sekisho_software_card::Layout;
use sekisho_test_token::{CONFIGURATION, PIN, SoftToken};
use tempfile::TempDir;

use crate::enrolment::{Authority, CODE, HOST, server};
use crate::world::World;

const LABEL: &str = "desk";

/// A PC whose agent keeps its key in the token of these settings.
struct Pc {
    folder: TempDir,
    settings: Vec<(&'static str, String)>,
    module: PathBuf,
    authority: Arc<Authority>,
    address: url::Url,
    tpm: Option<Tpm>,
}

impl Pc {
    async fn new(module: PathBuf, settings: Vec<(&'static str, String)>) -> Self {
        let (authority, address) = server(HOST).await;
        let folder = tempfile::tempdir().unwrap();
        let pc = Self { folder, settings, module, authority, address, tpm: None };
        pc.write_pin(PIN);
        pc
    }

    async fn with_soft_token(token: &SoftToken) -> Self {
        let configuration = token.configuration().display().to_string();
        Self::new(sekisho_test_token::module(), vec![(CONFIGURATION, configuration)]).await
    }

    async fn with_tpm() -> Self {
        let tpm = Tpm::start();
        Self { tpm: Some(tpm.clone()), ..Self::new(Tpm::module(), tpm.settings()).await }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new file each time: its time of change is how the agent knows one PIN from another.
    fn write_pin(&self, pin: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path("pin");
        std::fs::write(&path, pin).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn tool(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        if let Some(tpm) = &self.tpm {
            tpm.free_what_was_left();
        }
        let mut command = Command::new(program);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    async fn agent(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = self.tool(env!("CARGO_BIN_EXE_sekisho-agent"));
        command.arg("--dir").arg(self.path("agent")).args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), text)
    }

    async fn enroll(&self, more: &[&str]) -> (i32, String) {
        let place = format!(
            "pkcs11:token={LABEL}?module-path={}&pin-source=file:{}",
            self.module.display(),
            self.path("pin").display()
        );
        let (address, root) = (self.address.as_str(), self.authority.root_fingerprint());
        let line = ["enroll", "--server", address, "--root", &root, "--terminal", "T0123456789"];
        self.agent(&[&line[..], &["--code", CODE, "--key-in", &place], more].concat()).await
    }

    /// What OpenSC says of the token's objects.
    fn objects(&self) -> String {
        let mut tool = self.tool("pkcs11-tool");
        tool.args(["--module", self.module.to_str().unwrap(), "--token-label", LABEL]);
        said(&tool.args(["--login", "--pin", PIN, "--list-objects"]).output().unwrap())
    }

    fn issued(&self) -> usize {
        self.authority.issued.load(Ordering::SeqCst)
    }
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn has_key_file(folder: &Path) -> bool {
    let held = std::fs::read_to_string(folder.join("terminal.p8"));
    !held.is_ok_and(|text| text.starts_with("pkcs11:token=desk;object=sekisho-T0123456789-"))
}

/// Enrolment, renewal and the trust document, each over TLS with the token's signature.
async fn enrols_and_renews(pc: &Pc) {
    let (code, told) = pc.enroll(&[]).await;
    assert_eq!(code, 0, "{told}");
    assert!(!has_key_file(&pc.path("agent")), "the key lies in the folder");
    let objects = pc.objects();
    assert!(objects.contains("Private Key Object; EC"), "{objects}");
    assert!(objects.contains("never extractable"), "{objects}");
    let (code, told) = pc.agent(&["renew"]).await;
    assert_eq!(code, 0, "{told}");
    assert_eq!(pc.issued(), 2);
    let (_, told) = pc.agent(&["doctor"]).await;
    assert!(told.contains("ok     server: answers\n"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pc_is_enrolled_and_renewed_with_a_key_that_its_token_keeps() {
    let token = SoftToken::new(LABEL);
    enrols_and_renews(&Pc::with_soft_token(&token).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_with_a_key_in_a_tpm() {
    enrols_and_renews(&Pc::with_tpm().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_away_is_named_and_the_line_works_once_it_is_back() {
    let token = SoftToken::new(LABEL);
    let pc = Pc::with_soft_token(&token).await;
    token.pull_out();
    let (code, told) = pc.enroll(&[]).await;
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("in the token \"desk\"") && told.contains("labelled `desk`"), "{told}");
    assert_eq!(pc.issued(), 0, "the code was not spent");
    token.put_back();
    let (code, told) = pc.enroll(&[]).await;
    assert_eq!(code, 0, "{told}");
    assert_eq!(pc.objects().matches("Private Key Object").count(), 1);

    token.pull_out();
    let (code, told) = pc.agent(&["renew"]).await;
    assert_eq!(code, 3, "{told}");
    let (_, told) = pc.agent(&["doctor"]).await;
    let line = told.lines().find(|line| line.starts_with("FAULT  server")).unwrap();
    assert!(line.contains("in the token \"desk\""), "{line}");
    token.put_back();
    assert_eq!(pc.agent(&["renew"]).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_that_the_token_refused_is_sent_no_second_time_until_its_file_changes() {
    let token = SoftToken::new(LABEL);
    let pc = Pc::with_soft_token(&token).await;
    pc.write_pin("00000000");
    let (code, told) = pc.enroll(&[]).await;
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("check the PIN"), "{told}");
    let (_, told) = pc.enroll(&[]).await;
    assert!(told.contains("refused the PIN") && told.contains("not tried again"), "{told}");
    assert!(!told.contains("00000000"), "{told}");
    assert_eq!(pc.issued(), 0);
    pc.write_pin(PIN);
    let (code, told) = pc.enroll(&[]).await;
    assert_eq!(code, 0, "{told}");
}

/// The agent as a service, until the end of the test.
struct Service(Child);

impl Service {
    /// Starts it on the software card of `portal`, whose page asks it from now on.
    async fn start(pc: &Pc, portal: &mut World) -> Self {
        let mut command = pc.tool(env!("CARGO_BIN_EXE_sekisho-agent"));
        command.arg("--dir").arg(pc.path("agent")).args(["run", "--port", "0"]);
        command.arg("--software-card").arg(&portal.card_folder);
        command.arg("--pin-file").arg(portal.pin_file());
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let ready = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            said.read_line(&mut line).map(|_| line)
        });
        let line = ready.await.unwrap().unwrap();
        portal.port = line.trim().strip_prefix("ready on port ").unwrap().parse().unwrap();
        Self(process)
    }

    /// Ends it as systemd does.
    fn stop(mut self) {
        said(&Command::new("kill").arg(self.0.id().to_string()).output().unwrap());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Service {
    /// Of a test that failed.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_pulled_out_under_a_running_agent_ends_its_logins_until_it_is_back() {
    let token = SoftToken::new(LABEL);
    let pc = Pc::with_soft_token(&token).await;
    let mut portal = World::new(Layout::Observed).await;
    let held = portal.agent.identity();
    *pc.authority.trust.lock().unwrap() = Some(held.trust.clone());
    let (code, told) = pc.enroll(&[]).await;
    assert_eq!(code, 0, "{told}");
    let certificate = std::fs::read(pc.path("agent").join("terminal.crt")).unwrap();
    let certificate_sha256 = Sha256Digest::of(certificate);
    let (trust, key) = (held.trust.clone(), held.key.clone());
    portal.agent.become_another(Identity { trust, key, certificate_sha256, former: None });

    let service = Service::start(&pc, &mut portal).await;
    assert_eq!(portal.login(&portal.request()).await.status, 200);
    token.pull_out();
    assert_eq!(portal.begin(&portal.request()).await.code(), "agent_failed");
    token.put_back();
    assert_eq!(portal.login(&portal.request()).await.status, 200);

    // Somebody changes the PIN; the session that is open works on, and ends when the token is pulled.
    const CHANGED: &str = "87651234";
    let mut change = pc.tool("pkcs11-tool");
    change.args(["--module", pc.module.to_str().unwrap(), "--token-label", LABEL]);
    change.args(["--login", "--pin", PIN, "--change-pin", "--new-pin", CHANGED]);
    said(&change.output().unwrap());
    token.pull_out();
    assert_eq!(portal.begin(&portal.request()).await.code(), "agent_failed");
    token.put_back();
    assert_eq!(portal.begin(&portal.request()).await.code(), "agent_failed");
    // The old PIN was sent, once: no program sends it again, however often it is started.
    let (code, told) = pc.agent(&["renew"]).await;
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("refused the PIN") && told.contains("not tried again"), "{told}");
    service.stop();
    pc.write_pin(CHANGED);
    let service = Service::start(&pc, &mut portal).await;
    assert_eq!(portal.login(&portal.request()).await.status, 200);
    service.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_tokens_of_one_label_neither_is_taken() {
    let token = SoftToken::new(LABEL);
    let pc = Pc::with_soft_token(&token).await;
    let mut second = pc.tool("softhsm2-util");
    second.args(["--init-token", "--free", "--label", LABEL, "--so-pin", "87654321", "--pin", PIN]);
    said(&second.output().unwrap());
    let (code, told) = pc.enroll(&[]).await;
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("no or more than one token is labelled `desk`"), "{told}");
    assert_eq!(pc.issued(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_shows_the_pin_or_says_half_is_wrong_usage() {
    let token = SoftToken::new(LABEL);
    let pc = Pc::with_soft_token(&token).await;
    for place in ["pkcs11:token=desk", "pkcs11:token=desk?module-path=/p11.so&pin-value=1234"] {
        let line = ["enroll", "--server", "https://x", "--root", "00", "--terminal", "T"];
        let (code, told) =
            pc.agent(&[&line[..], &["--code", "C", "--key-in", place]].concat()).await;
        assert_eq!(code, 2, "{told}");
        assert!(told.contains("pin-source"), "{told}");
    }
}

/// What Chromium's NSS does with such a database: TLS by the certificate and key of the token, as
/// NSS's own client shows it. Chromium itself asks for the token's PIN in a window.
#[tokio::test(flavor = "multi_thread")]
async fn nss_finds_key_and_certificate_in_the_token_and_shows_them_in_tls() {
    let token = SoftToken::new(LABEL);
    let pc = Pc::with_soft_token(&token).await;
    let store = pc.path("nssdb");
    let (code, told) = pc.enroll(&["--nss", store.to_str().unwrap()]).await;
    assert_eq!(code, 0, "{told}");
    let (_, told) = pc.agent(&["doctor"]).await;
    assert!(told.contains("holds the agent's certificate"), "{told}");
    // After a renewal the store shows the new one, and one only.
    assert_eq!(pc.agent(&["renew"]).await.0, 0);
    assert_eq!(pc.objects().matches("Certificate Object").count(), 1);
    let (_, told) = pc.agent(&["doctor"]).await;
    assert!(told.contains("holds the agent's certificate"), "{told}");

    let database = format!("sql:{}", store.display());
    let objects = pc.objects();
    let label = objects.split("label:").nth(1).unwrap().split_whitespace().next().unwrap();
    let name = format!("{LABEL}:{label}");
    let mut client = pc.tool("tstclnt");
    // Whose name the server has is no matter here.
    let port = pc.address.port().unwrap().to_string();
    client.args(["-h", "127.0.0.1", "-p", &port, "-4", "-o", "-Q"]);
    client.args(["-d", &database, "-n", &name, "-w", PIN, "-V", "tls1.3:tls1.3"]);
    let before = pc.authority.terminals_seen.load(Ordering::SeqCst);
    let shown = tokio::task::spawn_blocking(move || client.output()).await.unwrap().unwrap();
    let text = [shown.stdout, shown.stderr].concat();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&text));
    let deadline = Instant::now() + Duration::from_secs(10);
    while pc.authority.terminals_seen.load(Ordering::SeqCst) == before {
        let text = String::from_utf8_lossy(&text);
        assert!(Instant::now() < deadline, "no certificate was shown: {text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A software TPM in a folder of its own, with an initialised token.
#[derive(Clone)]
struct Tpm(Arc<Chip>);

struct Chip {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Tpm {
    fn module() -> PathBuf {
        PathBuf::from("/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so")
    }

    fn start() -> Self {
        assert!(
            Self::module().exists(),
            "tpm2-pkcs11 is not installed: apt-get install libtpm2-pkcs11-1"
        );
        let folder = tempfile::tempdir().unwrap();
        for name in ["state", "store"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        // Its control channel is the port beside.
        let port = loop {
            let first = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = first.local_addr().unwrap().port();
            let Some(next) = port.checked_add(1) else { continue };
            if std::net::TcpListener::bind(("127.0.0.1", next)).is_ok() {
                break port;
            }
        };
        let process = Command::new("swtpm")
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
            .args(["--tpmstate", &format!("dir={}", folder.path().join("state").display())])
            .args(["--server", &format!("type=tcp,bindaddr=127.0.0.1,port={port}")])
            .args(["--ctrl", &format!("type=tcp,bindaddr=127.0.0.1,port={}", port + 1)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("swtpm is not installed: apt-get install swtpm");
        let tpm = Self(Arc::new(Chip { folder, port, process }));
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port + 1)).is_err() {
            assert!(Instant::now() < deadline, "the TPM does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        let so_pin = ["--so-pin", "87654321"];
        let initialise = ["--init-token", "--slot-index", "0", "--label", LABEL];
        tpm.tool(&[&initialise[..], &so_pin].concat());
        let pin = ["--token-label", LABEL, "--login", "--login-type", "so", "--init-pin"];
        tpm.tool(&[&pin[..], &so_pin, &["--new-pin", PIN]].concat());
        tpm
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("TPM2_PKCS11_TCTI", self.transport()),
            ("TPM2_PKCS11_STORE", self.0.folder.path().join("store").display().to_string()),
            ("TSS2_LOG", "all+NONE".to_owned()),
        ]
    }

    /// What a program left in the TPM goes, as the kernel sees to when one closes `/dev/tpmrm0`.
    fn free_what_was_left(&self) {
        for kind in ["--transient-object", "--loaded-session"] {
            let mut flush = Command::new("tpm2_flushcontext");
            flush.arg(kind).env("TPM2TOOLS_TCTI", self.transport());
            let done = flush.output().expect("not installed: apt-get install tpm2-tools");
            said(&done);
        }
    }

    fn transport(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.0.port)
    }

    fn tool(&self, arguments: &[&str]) {
        self.free_what_was_left();
        let mut tool = Command::new("pkcs11-tool");
        tool.args(["--module", Self::module().to_str().unwrap()]).args(arguments);
        said(&tool.envs(self.settings()).output().unwrap());
    }
}

impl Drop for Chip {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
