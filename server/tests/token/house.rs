//! An instance whose terminals' authority has rolled over to a key in a token.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use reqwest::{Response, StatusCode};
use sekisho::{
    config::{Config, Settings, TokenSettings},
    demo::{
        browser::Browser,
        crowd::{self, Newcomer},
        est_client,
        process::Program,
        stage::{Stage, free_port},
    },
};
use sekisho_store::{
    Store, StoreError,
    audit::{Actor, Audited, Entry},
    certificate, sql, transaction,
};
use sekisho_test_token::{CONFIGURATION, PIN, SoftToken, module};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Label of the token.
pub const LABEL: &str = "hsm";
/// The authority whose key is in the token.
pub const ID: &str = "terminals-2";

/// Runs the program with this token in the reader.
pub fn sekisho(token: &SoftToken, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .args(arguments)
        .env(CONFIGURATION, token.configuration())
        .env_remove("LC_ALL")
        .env_remove("LC_MESSAGES")
        .env("LANG", "en_US.UTF-8")
        .output()
        .unwrap()
}

/// Ends with 0; answers standard output.
pub fn done(token: &SoftToken, arguments: &[&str]) -> String {
    let output = sekisho(token, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Ends with this code, says this, and never the PIN.
pub fn fails(token: &SoftToken, arguments: &[&str], code: i32, why: &str) {
    let output = sekisho(token, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(said.contains(why), "{arguments:?}: {said}");
    assert!(!said.contains(PIN), "{said}");
}

/// Runs OpenSSL; answers what it said.
pub fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The last 64 hexadecimal digits that stand alone in a text.
fn digits(text: &str) -> String {
    text.rsplit(|c: char| !c.is_ascii_hexdigit()).find(|word| word.len() == 64).unwrap().to_owned()
}

/// Writes the token into the instance's configuration, and its PIN.
pub fn name_token(instance: &Path) {
    edit(instance, |settings| {
        settings.authority.token = TokenSettings {
            module: module().display().to_string(),
            label: LABEL.to_owned(),
            ..TokenSettings::default()
        };
    });
    write_pin(instance, PIN, 0o600);
}

pub fn write_pin(folder: &Path, pin: &str, mode: u32) {
    let path = folder.join("secrets/token.pin");
    fs::write(&path, format!("{pin}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Changes the instance's configuration.
pub fn edit(instance: &Path, change: impl FnOnce(&mut Settings)) {
    let mut settings = Settings::read(instance).unwrap();
    change(&mut settings);
    fs::write(instance.join("sekisho.toml"), toml::to_string(&settings).unwrap()).unwrap();
}

pub struct House {
    pub folder: tempfile::TempDir,
    pub instance: PathBuf,
    pub token: SoftToken,
    pub store: Store,
    origins: sekisho::demo::stage::Origins,
    browser: Browser,
    newcomers: Vec<Newcomer>,
}

impl House {
    pub async fn build() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (folder, token) = (tempfile::tempdir().unwrap(), SoftToken::new(LABEL));
        // It is started again and again, at one address.
        let port = free_port().unwrap();
        let configure = |settings: &mut Settings| {
            for address in &mut settings.listen.tls {
                address.set_port(port);
            }
        };
        let stage = Stage::build_with(folder.path(), configure, |_| Ok(())).await.unwrap();
        let browser = stage.browser(None).unwrap();
        let Stage { instance, origins, server, .. } = stage;
        assert_eq!(server.stop().await.unwrap().code(), Some(0));
        let config = Config::read(&instance).unwrap();
        let store = Store::open(config.instance().database(), "test").await.unwrap();
        let now = OffsetDateTime::now_utc();
        let facility = crowd::facility(&store, now).await.unwrap();
        let newcomers = crowd::newcomers(&store, &facility, 8, now).await.unwrap();
        let house = Self { folder, instance, token, store, origins, browser, newcomers };
        house.roll_over();
        // Installed long ago, as far as issuing is concerned.
        transaction!(house.store, StoreError, |tx| {
            tx.execute(sql("UPDATE issuer SET active_from = 0 WHERE id = 'terminals-2'")).await?;
            Ok(Audited::new((), Entry::done("test", Actor::System, now)))
        })
        .unwrap();
        house
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn done(&self, arguments: &[&str]) -> String {
        done(&self.token, arguments)
    }

    /// As docs/operations.md tells it, with the root's key where the stage carried it.
    fn roll_over(&self) {
        let (instance, safe) = (text(&self.instance), self.path("safe"));
        let at = |name: &str| safe.join(name).to_str().unwrap().to_owned();
        let request = at("next.csr");
        let ask = ["ceremony", "request", instance, ID, "--out", &request, "--in-token"];
        fails(&self.token, &ask, 2, "[authority.token]");
        name_token(&self.instance);
        let told = self.done(&ask);
        assert!(told.contains("was made in the token hsm"), "{told}");
        let sha256 = digits(&told);
        let told = self.done(&ask);
        assert!(told.contains("was in the token hsm already"), "{told}");
        assert_eq!(digits(&told), sha256, "asked again, it is the same key");
        assert!(!self.instance.join("keys/terminals-2.p8").exists());

        fs::copy(self.instance.join("ca/root.crt"), safe.join("root.crt")).unwrap();
        let moment = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
        let plan = format!(
            "title = 'roll-over'\nat = '{}'\norganisation = 'Demonstration Operating Body'
publication = '{}'
[[key]]\nname = 'root'\nkind = 'p384'\nfile = 'root-key.p8'
[[key]]\nname = 'next'\nrequest = 'next.csr'\nsha256 = '{sha256}'
[[authority]]\nid = 'root'\nkey = 'root'\ncertificate = 'root.crt'
[[authority]]\nid = '{ID}'\nkey = 'next'\ncommon_name = 'Demonstration G2 Terminal CA'
[[certificate]]\nprofile = 'issuing'\nsubject = '{ID}'\nissuer = 'root'\ndays = 3000\n",
            moment.format(&Rfc3339).unwrap(),
            self.origins.plain,
        );
        fs::write(safe.join("plan.toml"), plan).unwrap();
        let (plan, secret) = (at("plan.toml"), format!("root={}", at("passphrase")));
        self.done(&["ceremony", "keys", &plan, "--secret", &secret]);
        let hash = digits(&self.done(&["ceremony", "dry-run", &plan]));
        let result = at("result");
        let run = ["ceremony", "run", &plan, "--hash", &hash, "--out", &result];
        self.done(&[&run[..], &["--secret", &secret]].concat());
        let install = ["ceremony", "install", &result, instance, "--hash", &hash];
        let told = self.done(&install);
        assert!(told.contains("terminals-2 is installed"), "{told}");
        assert!(self.done(&install).contains("Nothing changed"));
        // decision 0014
        assert!(self.instance.join("keys/ocsp-terminals-2.p8").exists());
    }

    /// Starts a program of the set over a folder, with the token in the reader.
    pub async fn start(&self, command: &str, folder: &Path) -> Program {
        let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_sekisho"));
        program.arg(command).arg(folder).env(CONFIGURATION, self.token.configuration());
        let (program, _) = Program::start(command, program, &self.path("logs")).await.unwrap();
        program
    }

    /// What a started program wrote into its log.
    pub fn log(&self, command: &str) -> String {
        fs::read_to_string(self.path("logs").join(format!("{command}.log"))).unwrap()
    }

    pub fn newcomer(&mut self) -> (Newcomer, String) {
        let newcomer = self.newcomers.pop().unwrap();
        let request = crowd::request(&newcomer.terminal_id).unwrap().0;
        (newcomer, request)
    }

    pub async fn ask(&self, newcomer: &Newcomer, request: &str) -> Response {
        self.browser
            .client()
            .post(format!("{}/.well-known/est/simpleenroll", self.origins.enrol))
            .header("Authorization", &newcomer.authorization)
            .header("Content-Type", "application/pkcs10")
            .header("Content-Transfer-Encoding", "base64")
            .body(request.to_owned())
            .send()
            .await
            .unwrap()
    }

    /// A newcomer is asked to come again, and nothing is issued.
    pub async fn is_refused_for_now(&mut self) {
        let (newcomer, request) = self.newcomer();
        let refused = self.ask(&newcomer, &request).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers().contains_key("Retry-After"));
        assert!(refused.text().await.unwrap().contains("could not be issued now"));
        let all = certificate::of_terminal(&mut self.store.read(), &newcomer.terminal_id).await;
        assert!(all.unwrap().is_empty());
    }

    /// Asks once, is answered, and writes the certificate as PEM.
    pub async fn enrol(&self, newcomer: &Newcomer, request: &str) -> String {
        let response = self.ask(newcomer, request).await;
        assert_eq!(response.status(), StatusCode::OK);
        let body = response.bytes().await.unwrap();
        let der = est_client::certificate(StatusCode::OK, &body).unwrap();
        let pem = der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, &der).unwrap();
        let path = self.path(&format!("{}.pem", newcomer.terminal_id));
        fs::write(&path, pem).unwrap();
        text(&path).to_owned()
    }

    /// The complete list, once a job has made the first one.
    async fn list(&self) -> Vec<u8> {
        let url = format!("{}/crl/{ID}.crl", self.origins.plain);
        let published = async {
            loop {
                let list = self.browser.client().get(&url).send().await.unwrap();
                if list.status() == StatusCode::OK {
                    return list.bytes().await.unwrap().to_vec();
                }
                assert_eq!(list.status(), StatusCode::NOT_FOUND);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), published).await.unwrap()
    }

    /// The path, the list and the OCSP answer of a certificate, as OpenSSL judges them.
    pub async fn judge(&self, certificate: &str) {
        let authority = |id: &str| self.instance.join(format!("ca/{id}.crt"));
        let (root, issuer) = (authority("root"), authority(ID));
        let (root, issuer) = (text(&root), text(&issuer));
        openssl(&["verify", "-x509_strict", "-CAfile", root, "-untrusted", issuer, certificate]);
        let port = self.origins.plain.rsplit_once(':').unwrap().1;
        let url = format!("http://127.0.0.1:{port}/ocsp");
        let ask = ["ocsp", "-issuer", issuer, "-cert", certificate, "-url", &url];
        let said = openssl(&[&ask[..], &["-CAfile", root, "-verify_other", issuer]].concat());
        assert!(said.contains("Response verify OK") && said.contains(": good"), "{said}");
        let path = self.path("list.crl");
        fs::write(&path, self.list().await).unwrap();
        let read = ["crl", "-inform", "DER", "-in", text(&path), "-noout", "-CAfile", issuer];
        let said = openssl(&read);
        assert!(said.contains("verify OK"), "{said}");
    }
}
