//! An instance whose keys were moved to a signing process, and both processes running.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Mutex,
    time::Duration,
};

use der::{Decode, Encode};
use reqwest::{Response, StatusCode};
use sekisho::{
    config::{Config, Settings},
    demo::{
        browser::Browser,
        crowd::{self, Newcomer},
        est_client,
        process::Program,
        stage::{SigningProgram, Stage},
    },
};
use sekisho_key::signer_process::{RemoteKey, SignerProcess};
use sekisho_pki::encoding::signed_object::SignedObject;
use sekisho_store::{Store, audit, issuer};
use serde_json::Value as Json;
use time::OffsetDateTime;
use x509_cert::Certificate;

/// Of a test that waits for what a service does by itself.
pub const PATIENCE: Duration = Duration::from_secs(60);

fn sekisho(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sekisho")).args(arguments).output().unwrap()
}

pub fn done(arguments: &[&str]) -> String {
    let output = sekisho(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Fails, and says this.
pub fn refused(arguments: &[&str], why: &str) {
    let output = sekisho(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    assert!(said.contains(why), "{arguments:?}: {said}");
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Changes one value of a signing process's configuration.
pub fn configure(signer: &Path, key: &str, value: impl Into<toml::Value>) {
    let path = signer.join("signer.toml");
    let mut settings: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    assert!(settings.insert(key.to_owned(), value.into()).is_some());
    std::fs::write(path, settings.to_string()).unwrap();
}

pub struct House {
    pub stage: Stage,
    pub signer_folder: PathBuf,
    signer: Mutex<Option<Program>>,
    pub store: Store,
    newcomers: Vec<Newcomer>,
    browser: Browser,
}

impl House {
    /// `prepare` may change the signing process's folder before it starts.
    pub async fn build(
        folder: &Path,
        database: Option<String>,
        prepare: impl FnOnce(&Path),
    ) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let configure = |settings: &mut Settings| {
            if let Some(database) = database {
                settings.instance.database = database;
            }
        };
        let (stage, signing) = Stage::build_with_signer(folder, configure, |_, signer| {
            prepare(signer);
            Ok(())
        })
        .await
        .unwrap();
        let SigningProgram { folder, program } = signing;
        let config = Config::read(&stage.instance).unwrap();
        let store = Store::open(config.instance().database(), "test").await.unwrap();
        let now = OffsetDateTime::now_utc();
        let facility = crowd::facility(&store, now).await.unwrap();
        let newcomers = crowd::newcomers(&store, &facility, 60, now).await.unwrap();
        let browser = stage.browser(None).unwrap();
        Self {
            stage,
            signer_folder: folder,
            signer: Mutex::new(Some(program)),
            store,
            newcomers,
            browser,
        }
    }

    pub async fn kill_signer(&self) {
        let running = self.signer.lock().unwrap().take();
        running.unwrap().kill().await.unwrap();
    }

    pub async fn start_signer(&self) {
        let folder = self.signer_folder.clone();
        let signing = SigningProgram::start(folder, &self.stage.logs()).await.unwrap();
        *self.signer.lock().unwrap() = Some(signing.program);
    }

    pub fn newcomer(&mut self) -> Newcomer {
        self.newcomers.pop().unwrap()
    }

    /// What a newcomer brings to the EST door, under a key of its own.
    pub fn request(newcomer: &Newcomer) -> String {
        crowd::request(&newcomer.terminal_id).unwrap().0
    }

    pub async fn ask(&self, newcomer: &Newcomer, request: &str) -> Response {
        self.browser
            .client()
            .post(format!("{}/.well-known/est/simpleenroll", self.stage.origins.enrol))
            .header("Authorization", &newcomer.authorization)
            .header("Content-Type", "application/pkcs10")
            .header("Content-Transfer-Encoding", "base64")
            .body(request.to_owned())
            .send()
            .await
            .unwrap()
    }

    /// Asks until it is answered otherwise than by 503, as a client that follows `Retry-After` does.
    pub async fn enrol(&self, newcomer: &Newcomer, request: &str) -> Vec<u8> {
        let asking = async {
            loop {
                let response = self.ask(newcomer, request).await;
                let status = response.status();
                if status == StatusCode::SERVICE_UNAVAILABLE {
                    assert!(response.headers().contains_key("Retry-After"));
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    continue;
                }
                let body = response.bytes().await.unwrap();
                return est_client::certificate(status, &body).unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap()
    }

    pub async fn enrol_one(&mut self) -> Vec<u8> {
        let newcomer = self.newcomer();
        self.enrol(&newcomer, &Self::request(&newcomer)).await
    }

    /// A key of the signing process, asked by somebody other than the service.
    pub async fn key(&self, name: &str) -> RemoteKey {
        let process = SignerProcess::new(&self.socket());
        let held = process.keys().await.unwrap();
        let key = held.into_iter().find(|key| key.name == name);
        let public_key_der =
            key.map_or_else(|| self.public_key("terminals"), |key| key.public_key_der);
        process.key(name, &public_key_der).unwrap()
    }

    pub fn socket(&self) -> PathBuf {
        self.signer_folder.join("run/signer.sock")
    }

    /// The public key of an authority's certificate.
    pub fn public_key(&self, id: &str) -> Vec<u8> {
        let pem = std::fs::read(self.stage.instance.join(format!("ca/{id}.crt"))).unwrap();
        let (_, der) = der::pem::decode_vec(&pem).unwrap();
        let certificate = Certificate::from_der(&der).unwrap();
        certificate.tbs_certificate().subject_public_key_info().to_der().unwrap()
    }

    /// Whether an authority's key signed this.
    pub fn assert_signed(&self, id: &str, der: &[u8]) {
        // Certificates follow the signature of an OCSP answer.
        let signed = SignedObject::parse(der, true).unwrap();
        let key = self.public_key(id);
        let algorithm = &signed.algorithm;
        sekisho_pki::signature::verify(&key, algorithm, signed.to_be_signed, &signed.signature)
            .unwrap();
    }

    pub async fn get(&self, path: &str) -> Response {
        let url = format!("{}{path}", self.stage.origins.plain);
        self.browser.client().get(url).send().await.unwrap()
    }

    pub async fn post_ocsp(&self, request: Vec<u8>) -> Vec<u8> {
        let url = format!("{}/ocsp", self.stage.origins.plain);
        let post =
            self.browser.client().post(url).header("Content-Type", "application/ocsp-request");
        post.body(request).send().await.unwrap().bytes().await.unwrap().to_vec()
    }

    pub async fn issuer_name(&self, id: &str) -> x509_cert::name::Name {
        let issuer = issuer::find(&mut self.store.read(), id).await.unwrap().unwrap();
        let certificate = Certificate::from_der(&issuer.certificate_der).unwrap();
        certificate.tbs_certificate().subject().clone()
    }

    /// Reasons of the refusals that the signing process wrote into the audit trail.
    pub async fn refusals(&self) -> Vec<String> {
        let records = audit::list(&mut self.store.read(), "", None, 10_000).await.unwrap();
        records
            .iter()
            .map(|record| serde_json::from_slice::<Json>(&record.canonical).unwrap())
            .filter(|form| form["act"] == "signer.sign")
            .map(|form| form["reason"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Both processes stop in order and the trail is whole.
    pub async fn close(self) {
        assert_eq!(self.stage.server.stop().await.unwrap().code(), Some(0));
        let signer = self.signer.into_inner().unwrap();
        if let Some(signer) = signer {
            assert_eq!(signer.stop().await.unwrap().code(), Some(0));
        }
        self.store.close().await;
        done(&["audit", "verify", text(&self.stage.instance)]);
    }
}

/// Starts the instance and answers what it says while it fails.
pub fn fails_to_serve(instance: &Path, why: &str) {
    refused(&["serve", text(instance)], why);
}

/// The octets under a signature.
pub fn to_be_signed(der: &[u8]) -> Vec<u8> {
    SignedObject::parse(der, false).unwrap().to_be_signed.to_vec()
}
