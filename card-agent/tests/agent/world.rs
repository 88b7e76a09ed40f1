//! A terminal with a software card, an agent behind its door, and the portal's key.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, Mutex, RwLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use sekisho_agent::card::reader::Readers;
use sekisho_agent::card::software::SoftwareReaders;
use sekisho_agent::card::watcher::Watcher;
use sekisho_agent::door::http::{self, Bounds};
use sekisho_agent::door::{Agent, Identity, SeenRequests, listeners};
use sekisho_agent::pin::PinEntry;
use sekisho_agent::pin::file::PinFile;
use sekisho_agent::presence::Watched;
use sekisho_agent::terminal::key::FileKey;
use sekisho_protocol::request::{
    AUDIENCE, Language, LoginRequest, Purpose, RemovalPolicy, RequestFacility,
};
use sekisho_protocol::trust::{CardIssuer, Named, TerminalTrust};
use sekisho_protocol::{ChallengeNonce, Jwk, JwkSet, Sha256Digest};
use sekisho_software_card::{INSERTED, Layout};
use serde_json::{Value, json};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

use crate::cards::write_card;
use crate::counting::{Count, CountingReaders, CountingWindow, Keys, Person, Said};

pub const ORIGIN: &str = "https://terminal.example";
pub const PIN: &str = "1234";
/// Of a My Number card's key for signatures.
pub const PASSWORD: &str = "ABC123";

/// What a stranger hears, whatever was asked: no server's name, no time, no version, no card.
pub const STRANGER: &str = "HTTP/1.1 403 Forbidden\r\ncache-control: no-store\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Everything at one desk.
pub struct World {
    pub agent: Arc<Agent>,
    pub port: u16,
    pub card_folder: PathBuf,
    pub certificate_der: Vec<u8>,
    /// Cards that the agent opened.
    pub opened: Count,
    /// PIN windows that it showed.
    pub shown: Count,
    /// What they said.
    pub said: Said,
    /// The reader's own keys: it has none to begin with.
    pub keys: Keys,
    /// Who sits before the window: nobody to begin with.
    pub person: Person,
    /// Whether the card answers a wrong PIN as one of a wrong length.
    pub of_length: Arc<AtomicBool>,
    portal: EcdsaKeyPair,
    folder: TempDir,
    _stop: watch::Sender<bool>,
}

/// An answer of the door.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap().to_owned()
    }
}

impl World {
    pub async fn new(layout: Layout) -> Self {
        Self::with_card(|folder| write_card(folder, layout)).await
    }

    /// With the card that `write` makes; it returns the authentication certificate.
    pub async fn with_card(write: impl FnOnce(&std::path::Path) -> Vec<u8>) -> Self {
        let world = Self::make(write, Bounds::default()).await;
        world.insert();
        world
    }

    /// The same with the card out of the reader, and a door with these bounds.
    pub async fn without_card(layout: Layout, bounds: Bounds) -> Self {
        Self::make(|folder| write_card(folder, layout), bounds).await
    }

    async fn make(write: impl FnOnce(&std::path::Path) -> Vec<u8>, bounds: Bounds) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let card_folder = folder.path().join("card");
        let certificate_der = write(&card_folder);
        let readers = Arc::new(SoftwareReaders::new(vec![card_folder]));
        let pin = Arc::new(PinFile(folder.path().join("pin")));
        Self::open(folder, readers, pin, certificate_der, bounds).await
    }

    /// At these readers, with this window. Requests are for cards of this certificate's issuer.
    pub async fn at(
        readers: Arc<dyn Readers>,
        pin: Arc<dyn PinEntry>,
        certificate_der: Vec<u8>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::open(folder, readers, pin, certificate_der, Bounds::default()).await
    }

    async fn open(
        folder: TempDir,
        readers: Arc<dyn Readers>,
        pin: Arc<dyn PinEntry>,
        certificate_der: Vec<u8>,
        bounds: Bounds,
    ) -> Self {
        let card_folder = folder.path().join("card");
        let portal = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let public = Jwk::from_point(portal.public_key().as_ref()).unwrap().with_kid("portal-1");
        let trust = TerminalTrust {
            issuer: "https://login.example".into(),
            portal_origins: vec![ORIGIN.into()],
            login_request_keys: JwkSet::new(vec![public]).unwrap(),
            terminal: Named { id: "T0123456789".into(), name: "外来1号機".into() },
            facility: Named { id: "123456789015".into(), name: "架空クリニック".into() },
            card_issuers: vec![],
            accepted_policies: vec![],
            presence_url: "https://enrol.example/presence".into(),
            minimum_agent_version: "0.1.0".parse().unwrap(),
            navigation: true,
        };
        let (opened, shown, said) = (Count::default(), Count::default(), Said::default());
        let (keys, person) = (Keys::default(), Person::default());
        let of_length = Arc::new(AtomicBool::new(false));
        let readers = Arc::new(CountingReaders {
            inner: readers,
            opened: opened.clone(),
            keys: keys.clone(),
            of_length: of_length.clone(),
        });
        let pin = Arc::new(CountingWindow {
            inner: pin,
            shown: shown.clone(),
            said: said.clone(),
            person: person.clone(),
        });
        let agent = Arc::new(Agent {
            identity: RwLock::new(Arc::new(Identity {
                trust,
                key: Arc::new(FileKey::load_or_make(&folder.path().join("key")).unwrap()),
                certificate_sha256: Sha256Digest::of(b"terminal certificate"),
                former: None,
            })),
            watcher: Watcher::start(readers.clone()).unwrap(),
            readers,
            pin,
            pin_pads: true,
            watched: Watched::default(),
            clock_ahead: AtomicI64::new(0),
            clock: OffsetDateTime::now_utc,
            seen: SeenRequests::default(),
            trust_wanted: tokio::sync::Notify::new(),
            exchange: Mutex::default(),
        });
        let (stop, stopping) = watch::channel(false);
        let (listeners, port) = listeners::bind(None, 0).await.unwrap();
        tokio::spawn(http::serve_within(bounds, agent.clone(), listeners, port, stopping));
        let world = Self {
            agent,
            port,
            card_folder,
            certificate_der,
            opened,
            shown,
            said,
            keys,
            person,
            of_length,
            portal,
            folder,
            _stop: stop,
        };
        world.set_pin(PIN);
        world
    }

    /// Where the PIN comes from.
    pub fn pin_file(&self) -> PathBuf {
        self.folder.path().join("pin")
    }

    pub fn set_pin(&self, pin: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.pin_file();
        std::fs::write(&path, pin).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn insert(&self) {
        std::fs::write(self.card_folder.join(INSERTED), "").unwrap();
    }

    pub fn pull(&self) {
        std::fs::remove_file(self.card_folder.join(INSERTED)).unwrap();
    }

    /// A request that this desk would serve.
    pub fn request(&self) -> LoginRequest {
        let certificate = Certificate::from_der(&self.certificate_der).unwrap();
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let mut random = [0; 32];
        aws_lc_rs::rand::fill(&mut random).unwrap();
        LoginRequest {
            iss: "https://login.example".into(),
            aud: AUDIENCE.into(),
            origin: ORIGIN.into(),
            jti: ChallengeNonce::new(random).to_string(),
            iat: now,
            exp: now + 60,
            nonce: ChallengeNonce::new(random),
            facility: RequestFacility {
                id: "123456789015".into(),
                name: "架空クリニック".into(),
                x5t_s256: self.agent.identity().certificate_sha256,
            },
            page_key: Sha256Digest::of(b"page key"),
            purpose: Purpose::Login,
            acr: sekisho_wire::acr::HPKI_CARD.into(),
            expected_subject: None,
            card_issuers: vec![CardIssuer {
                subject_der: certificate.tbs_certificate().issuer().to_der().unwrap().into(),
                spki_sha256: Sha256Digest::of(b"not compared here"),
            }],
            accepted_policies: vec![],
            confirmation_code: "42".parse().unwrap(),
            minimum_agent_version: "0.1.0".parse().unwrap(),
            removal: RemovalPolicy::Lock,
            language: Language::En,
            return_address: None,
            expected_certificate: None,
            vouching_request: None,
            consent: None,
        }
    }

    pub fn sign(&self, request: &LoginRequest) -> String {
        let unsigned = request.prepare("portal-1").unwrap();
        let signature = self.portal_signature(unsigned.signing_input());
        unsigned.attach(signature)
    }

    /// By the portal's key, whatever it is: what only the portal itself could have made.
    pub fn portal_signature(&self, octets: &[u8]) -> [u8; 64] {
        let signature = self.portal.sign(&SystemRandom::new(), octets).unwrap();
        signature.as_ref().try_into().unwrap()
    }

    /// Sends what the page's script sends.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(
            &[("Origin", ORIGIN)],
            path,
            "application/json",
            "cors",
            "empty",
            &body.to_string(),
        )
        .await
    }

    pub async fn send(
        &self,
        headers: &[(&str, &str)],
        path: &str,
        content_type: &str,
        mode: &str,
        dest: &str,
        body: &str,
    ) -> Answer {
        self.raw(&self.text(headers, path, content_type, mode, dest, body)).await
    }

    /// A request as it stands on the wire.
    pub fn text(
        &self,
        headers: &[(&str, &str)],
        path: &str,
        content_type: &str,
        mode: &str,
        dest: &str,
        body: &str,
    ) -> String {
        let mut head = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nX-Card-Login: 1\r\nContent-Type: {content_type}\r\nSec-Fetch-Mode: {mode}\r\nSec-Fetch-Dest: {dest}\r\nSec-Fetch-Site: cross-site\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.port,
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        format!("{head}\r\n{body}")
    }

    pub async fn raw(&self, text: &str) -> Answer {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub async fn begin(&self, request: &LoginRequest) -> Answer {
        self.post("/v1/card-login/begin", &json!({ "request": self.sign(request) })).await
    }

    /// Polls until the exchange is over; returns the states on the way and the last answer.
    pub async fn finish(&self, exchange: &Value) -> (Vec<String>, Answer) {
        let mut states: Vec<String> = Vec::new();
        loop {
            let mut body = json!({ "exchange": exchange });
            if let Some(seen) = states.last() {
                body["seen"] = seen.as_str().into();
            }
            let answer = self.post("/v1/card-login/finish", &body).await;
            if answer.status != 200 {
                return (states, answer);
            }
            states.push(answer.json()["state"].as_str().unwrap().to_owned());
            if states.last().unwrap() == "done" {
                return (states, answer);
            }
        }
    }

    /// Begins and finishes.
    pub async fn login(&self, request: &LoginRequest) -> Answer {
        let begun = self.begin(request).await;
        assert_eq!(begun.status, 200, "{}", begun.body);
        self.finish(&begun.json()["exchange"]).await.1
    }
}

/// A program of a user without rights, whom every Debian has. To become another user takes root or
/// `sudo` without a password, as `./run` itself does.
pub fn as_nobody(program: &str) -> std::process::Command {
    use std::os::unix::fs::MetadataExt;
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut command = std::process::Command::new(if is_root { "setpriv" } else { "sudo" });
    if !is_root {
        command.args(["-n", "setpriv"]);
    }
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", program]);
    command
}
