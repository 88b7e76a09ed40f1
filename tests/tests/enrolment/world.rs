//! A running instance, the PCs of its terminals, curl and OpenSSL.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use sekisho::{
    clock::{Clock, SystemClock},
    config::{Config, Settings},
    demo::stage::free_port,
    instance::{Plan, Ready, create, run},
    paper_code::PaperCode,
};
use sekisho_key::SystemRandomness;
use sekisho_store::{
    Store,
    enrolment_code::{self, NewCode},
    sql, terminal,
    waiting_enrolment::{self, Decision},
};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

pub const FACILITY: &str = "123456789007";
pub const TERMINAL: &str = "T0123456789";

/// For a client on two busy cores.
const PATIENCE: Duration = Duration::from_secs(60);

pub const ROOT_PASSPHRASE: &str = "a passphrase of the test";

/// A running instance with one active facility and one terminal, and a folder for files.
pub struct World {
    folder: tempfile::TempDir,
    pub ready: Ready,
    pub store: Store,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<()>,
}

/// A router in the register, and its first code.
pub struct Router {
    pub id: String,
    pub code: String,
    /// Whether a person has to approve its key.
    pub approval: bool,
}

impl World {
    pub async fn start() -> Self {
        Self::start_with(Settings::default()).await
    }

    /// With this configuration but for its addresses.
    pub async fn start_with(mut settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let instance = folder.path().join("instance");
        // The same after it was started again: agents remember them.
        let address = || vec![std::net::SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()))];
        settings.listen.tls = address();
        settings.listen.plain = address();
        let plan = Plan {
            folder: instance.clone(),
            settings,
            organisation: "Test Operating Body".into(),
            network: "Test Network".into(),
            root_passphrase: Some(ROOT_PASSPHRASE.into()),
            administrator: "admin".into(),
        };
        create(&plan, &SystemClock, &SystemRandomness).await.unwrap();
        let (ready, stop, ended) = serve(&instance, time::Duration::ZERO).await;
        let store = opened(&instance).await;
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

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file that takes the place of `/etc/hosts`, where the enrolment name leads to this machine.
    pub fn hosts(&self) -> PathBuf {
        let origin = url::Url::parse(&self.ready.origins["enrol"]).unwrap();
        let file = self.file("hosts");
        let line = format!("127.0.0.1 localhost {}\n", origin.host_str().unwrap());
        std::fs::write(&file, line).unwrap();
        file
    }

    pub fn authority(&self, name: &str) -> String {
        text(&self.file("instance/ca").join(format!("{name}.crt")))
    }

    /// Enters a router of this family at the host, as an operator does.
    pub fn enter_router(&self, number: u8, family: &str) -> Router {
        let instance = text(&self.file("instance"));
        let (address, network) = (format!("192.0.2.{number}"), format!("10.79.{number}.0/24"));
        let name = format!("router-{number}");
        let of = ["router", "add", &instance, "--facility", FACILITY, "--name", &name];
        let with = ["--family", family, "--address", &address, "--network", &network, "--json"];
        let added = self.sekisho(&[&of[..], &with].concat());
        let made: serde_json::Value = serde_json::from_str(&added).unwrap();
        let field = |name: &str| made[name].as_str().unwrap().to_owned();
        Router { id: field("id"), code: field("code"), approval: made["needs_approval"] == true }
    }

    pub async fn code(&self) -> String {
        self.code_of(TERMINAL).await
    }

    pub async fn code_of(&self, terminal_id: &str) -> String {
        self.code_for(terminal_id, false).await
    }

    /// A code by which nothing is issued before a person has approved the key.
    pub async fn code_to_approve_of(&self, terminal_id: &str) -> String {
        self.code_for(terminal_id, true).await
    }

    async fn code_for(&self, terminal_id: &str, needs_approval: bool) -> String {
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
                needs_approval,
            };
            enrolment_code::issue(tx, kept).await?
        });
        code.reveal().to_string()
    }

    /// Waits until a request of this terminal waits for a person, and approves its key as one does at the
    /// console; whether one came in time.
    pub async fn approve_what_waits(&self, terminal_id: &str) -> bool {
        let began = Instant::now();
        let now = OffsetDateTime::now_utc();
        while began.elapsed() < PATIENCE {
            let mut reader = self.store.read();
            let waiting = waiting_enrolment::of_terminal(&mut reader, terminal_id, now).await;
            drop(reader);
            let Some(waiting) = waiting.unwrap() else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let decision = Decision::Approve { until: now + time::Duration::DAY };
            let which = (terminal_id, &waiting.spki_sha256);
            return change!(self.store, |tx| {
                waiting_enrolment::decide(tx, which, decision, "p", now).await?
            });
        }
        false
    }

    /// What a client came to that asks again by itself, whose key was approved meanwhile.
    pub async fn approving(
        &self,
        terminal_id: &str,
        client: impl FnOnce() -> Output + Send,
    ) -> Output {
        tokio::task::block_in_place(|| {
            std::thread::scope(|scope| {
                let asking = scope.spawn(client);
                let approved = self.approve_what_waits(terminal_id);
                let approved = tokio::runtime::Handle::current().block_on(approved);
                let output = asking.join().unwrap();
                assert!(approved, "nothing waited: {output:?}");
                output
            })
        })
    }

    /// Makes a key and a request with OpenSSL; answers the file of the base64 body.
    pub fn request(&self, name: &str) -> PathBuf {
        let (key, der) = (text(&self.file(name)), text(&self.file(&format!("{name}.der"))));
        openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", &key]);
        openssl(&["req", "-new", "-key", &key, "-subj", "/", "-outform", "DER", "-out", &der]);
        let body = self.file(&format!("{name}.b64"));
        // OpenSSL breaks the lines of base64, as RFC 8951 has servers expect.
        openssl(&["base64", "-in", &der, "-out", &text(&body)]);
        body
    }

    /// Asks the enrolment name with curl; answers status and body.
    pub fn curl(&self, path: &str, arguments: &[&str]) -> (u16, String) {
        self.curl_by(("enrol", "root"), path, arguments)
    }

    /// The same of another name, by somebody who believes in this root alone.
    pub fn curl_by(
        &self,
        (role, root): (&str, &str),
        path: &str,
        arguments: &[&str],
    ) -> (u16, String) {
        let origin = self.ready.origins[role].clone();
        let host = origin.trim_start_matches("https://");
        let output = done(
            Command::new("curl")
                .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "20"])
                .args(["--cacert", &self.authority(root)])
                .args(["--resolve", &format!("{host}:127.0.0.1")])
                .args(["--write-out", "\n%{http_code}"])
                .args(arguments)
                .arg(format!("{origin}{path}")),
        );
        let answer = String::from_utf8(output.stdout).unwrap();
        let (body, status) = answer.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    pub fn post(&self, operation: &str, body: &Path, more: &[&str]) -> (u16, String) {
        let data = format!("@{}", body.display());
        let mut arguments =
            vec!["--header", "Content-Type: application/pkcs10", "--data-binary", &data];
        arguments.extend(more);
        self.curl(&format!("/.well-known/est/{operation}"), &arguments)
    }

    /// Writes the certificate of a certs-only answer as PEM.
    pub fn certificate(&self, answer: &str, name: &str) -> String {
        let (der, pem) = (text(&self.file(&format!("{name}.p7"))), text(&self.file(name)));
        std::fs::write(&der, STANDARD.decode(answer).unwrap()).unwrap();
        openssl(&["pkcs7", "-inform", "DER", "-in", &der, "-print_certs", "-out", &pem]);
        pem
    }

    pub fn plain(&self) -> String {
        format!("http://127.0.0.1:{}", self.ready.plain_port)
    }

    pub fn ocsp(&self, certificate: &str) -> String {
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

    pub async fn stop(self) {
        drop(self.stopped().await);
    }

    /// The same without a process.
    pub async fn stopped(self) -> Self {
        self.stop.cancel();
        self.ended.await.unwrap();
        Self { ended: tokio::spawn(async {}), ..self }
    }

    /// Ends the process and starts another one, whose clock is so far ahead.
    pub async fn start_again(self, ahead: time::Duration) -> Self {
        let instance = self.file("instance");
        let stopped = self.stopped().await;
        stopped.store.close().await;
        let (ready, stop, ended) = serve(&instance, ahead).await;
        Self { ready, store: opened(&instance).await, stop, ended, ..stopped }
    }

    /// A command at this instance's host; it must succeed.
    pub fn sekisho(&self, arguments: &[&str]) -> String {
        String::from_utf8(done(&mut self.command(arguments)).stdout).unwrap()
    }

    /// The same; it must end with this exit code. Answers what it says.
    pub fn refused(&self, exit: i32, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(sekisho::demo::process::sibling("sekisho").unwrap());
        command.args(arguments).current_dir(self.folder.path()).env("LC_ALL", "en_US.UTF-8");
        command
    }
}

/// The machine's clock, and a difference to it.
#[derive(Debug)]
struct Ahead(time::Duration);

impl Clock for Ahead {
    fn now(&self) -> OffsetDateTime {
        SystemClock.now() + self.0
    }
}

/// The database, for a test beside the process. Only once that runs: its start reads the folder's
/// files, and whoever closes a file loses this program's locks on it (POSIX `fcntl`).
async fn opened(instance: &Path) -> Store {
    let config = Config::read(instance).unwrap();
    Store::open(config.instance().database(), "test").await.unwrap()
}

async fn serve(
    instance: &Path,
    ahead: time::Duration,
) -> (Ready, CancellationToken, tokio::task::JoinHandle<()>) {
    let config = Config::read(instance).unwrap();
    let stop = CancellationToken::new();
    let (told, ready) = tokio::sync::oneshot::channel();
    let stopped = stop.clone();
    let ended = tokio::spawn(async move {
        let tell = |ready: &Ready| told.send(ready.clone()).unwrap();
        run(config, Arc::new(Ahead(ahead)), Arc::new(SystemRandomness), stopped, tell)
            .await
            .unwrap();
    });
    let ready = tokio::time::timeout(Duration::from_secs(30), ready).await.unwrap().unwrap();
    (ready, stop, ended)
}

pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

pub fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

pub fn openssl(arguments: &[&str]) -> Output {
    done(Command::new("openssl").args(arguments))
}

/// One PC: the folder of its agent.
pub struct Pc<'a> {
    pub world: &'a World,
    pub folder: PathBuf,
    pub root: String,
}

impl<'a> Pc<'a> {
    pub fn new(world: &'a World, name: &str) -> Self {
        Self::told(world, name, "root")
    }

    /// With a line that names this root.
    pub fn told(world: &'a World, name: &str, root: &str) -> Self {
        let root = world.authority(root);
        let said = openssl(&["x509", "-in", &root, "-noout", "-fingerprint", "-sha256"]);
        let said = String::from_utf8(said.stdout).unwrap();
        let root = said.trim().split_once('=').unwrap().1.to_owned();
        Self { world, folder: world.file(name), root }
    }

    pub fn agent(&self, arguments: &[&str]) -> (i32, String) {
        let program = sekisho::demo::process::sibling("sekisho-agent").unwrap();
        let output =
            Command::new(program).arg("--dir").arg(&self.folder).args(arguments).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), said)
    }

    pub fn enroll(&self, terminal: &str, code: &str) -> (i32, String) {
        let server = &self.world.ready.origins["enrol"];
        let line = ["enroll", "--server", server, "--root", &self.root, "--terminal", terminal];
        self.agent(&[&line[..], &["--code", code]].concat())
    }

    pub fn holds(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.join(name)).unwrap()
    }

    /// Keys that were set aside.
    pub fn set_aside(&self) -> Vec<Vec<u8>> {
        let entries = std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let named = |path: &PathBuf| text(path).contains("/replaced-");
        entries.filter(named).map(|path| std::fs::read(path.join("terminal.p8")).unwrap()).collect()
    }
}
