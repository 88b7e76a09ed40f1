//! An instance, the root's computer beside it, and OpenSSL as a judge, for tests of ceremonies.

use std::{path::Path, process::Command, sync::Arc};

use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt;
use secrecy::SecretString;
use sekisho_ca::ceremony::{KeyKind, Live};
use sekisho_key::SystemRandomness;
use sekisho_store::{
    Store, StoreError,
    audit::{Actor, Audited, Entry},
    issuer, transaction,
};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use tower::ServiceExt;

use super::*;
use crate::{
    app::{App, Parts},
    clock::{Clock, ManualClock},
    config::{Config, Settings},
    instance::{CaKeys, Folder, Opened, Plan, create, read_passphrase},
    names::{NameRole, Names},
    revocation::{Measure, Order, Target, carry_out},
    router,
};

const SECRET: &str = "a root passphrase of some length";

pub(super) struct World {
    pub(super) folder: tempfile::TempDir,
    pub(super) clock: Arc<ManualClock>,
    config: Config,
    pub(super) store: Store,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::at(OffsetDateTime::now_utc().replace_nanosecond(0).unwrap()).await
    }

    pub(super) async fn at(now: OffsetDateTime) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("instance");
        let clock = Arc::new(ManualClock::new(now));
        let plan = Plan {
            folder: dir.clone(),
            settings: Settings::default(),
            organisation: "Example Operating Body".to_owned(),
            network: "Example G1".to_owned(),
            root_passphrase: Some(SecretString::from(SECRET)),
            administrator: "admin".to_owned(),
        };
        create(&plan, &*clock, &SystemRandomness).await.unwrap();
        let config = Config::read(&dir).unwrap();
        let store = Store::open(config.instance().database(), "n").await.unwrap();
        Self { folder, clock, config, store }
    }

    pub(super) fn instance(&self) -> Folder {
        Folder::new(self.config.folder())
    }

    pub(super) fn passphrase(&self) -> SecretString {
        read_passphrase(&self.instance()).unwrap()
    }

    pub(super) fn ca_keys(&self) -> CaKeys {
        CaKeys::of(&self.instance(), &self.config).unwrap()
    }

    pub(super) fn base(&self) -> String {
        self.names().plain
    }

    pub(super) fn names(&self) -> Names {
        self.config.host_names().origins(8443, 8080)
    }

    /// A process that was started now.
    pub(super) async fn process(&self) -> App {
        let names = self.names();
        let issuers = issuer::list(&mut self.store.read()).await.unwrap();
        let partitions = self.config.authority().crl_partitions();
        let opened =
            Opened::open(&self.instance(), self.ca_keys(), &names, partitions, &issuers).unwrap();
        App::new(Parts {
            card_trust: crate::login::trust_sources::TrustSources::load(&self.config).unwrap(),
            jpki_status: crate::login::jpki::status::of(&self.config, Arc::new(SystemRandomness))
                .unwrap(),
            entitlements: Arc::new(crate::entitlement::Entitlements::new()),
            store: self.store.clone(),
            clock: self.clock.clone(),
            random: Arc::new(SystemRandomness),
            config: self.config.clone(),
            authority: opened.authority,
            keys: opened.keys,
            catalogue: Arc::new(crate::catalogue::Catalogue::load().unwrap()),
            assets: Arc::new(crate::assets::Assets::load()),
            names,
        })
    }

    /// A folder on the root's computer.
    pub(super) fn safe(&self, name: &str) -> std::path::PathBuf {
        let safe = self.folder.path().join(name);
        std::fs::create_dir_all(&safe).unwrap();
        std::fs::copy(self.instance().root_key(), safe.join("root-key.p8")).unwrap();
        std::fs::copy(self.instance().certificate("root"), safe.join("root.crt")).unwrap();
        std::fs::write(safe.join("secret"), SECRET).unwrap();
        safe
    }

    /// The plan for a certificate of `id` by the request that is made here.
    pub(super) async fn plan(&self, safe: &Path, id: &str, publication: &str) {
        let made = self.request(id).await;
        std::fs::write(safe.join("request.csr"), &made.pem).unwrap();
        let at = self.clock.now().format(&Rfc3339).unwrap();
        let sha256 = hex::encode(made.sha256);
        let text = format!(
            "title = 'roll-over'\nat = '{at}'\norganisation = 'Example Operating Body'
publication = '{publication}'
[[key]]\nname = 'root'\nkind = 'p384'\nfile = 'root-key.p8'
[[key]]\nname = 'next'\nrequest = 'request.csr'\nsha256 = '{sha256}'
[[authority]]\nid = 'root'\nkey = 'root'\ncertificate = 'root.crt'
[[authority]]\nid = '{id}'\nkey = 'next'\ncommon_name = 'Example G2 {id}'
[[certificate]]\nprofile = 'issuing'\nsubject = '{id}'\nissuer = 'root'\ndays = 3000\n"
        );
        std::fs::write(safe.join("plan.toml"), text).unwrap();
    }

    /// The plan of the next root, as the instance writes it, with requests and certificate.
    pub(super) async fn plan_root(
        &self,
        safe: &Path,
        network: &str,
    ) -> Result<PlannedRoot, NextRootError> {
        let passphrase = self.passphrase();
        let place = RequestedPlace::Folder {
            passphrase: &passphrase,
            random: &SystemRandomness,
            token: None,
        };
        let next = NextRoot {
            folder: &self.instance(),
            network,
            publication_base: &self.base(),
            place,
            out: safe,
            now: self.clock.now(),
        };
        next.write(&mut self.store.read()).await
    }

    pub(super) async fn request(&self, id: &str) -> AuthorityRequest {
        self.try_request(id).await.unwrap()
    }

    pub(super) async fn try_request(&self, id: &str) -> Result<AuthorityRequest, RequestProblem> {
        let passphrase = self.passphrase();
        let place = RequestedPlace::Folder {
            passphrase: &passphrase,
            random: &SystemRandomness,
            token: None,
        };
        request(&self.instance(), id, KeyKind::P256, place).await
    }

    /// What the people with the root's key do.
    pub(super) async fn hold(&self, safe: &Path) -> VerifiedResult {
        let folder = PlanFolder::open(&safe.join("plan.toml")).unwrap();
        let secret = |name| format!("{name}={}", safe.join("secret").display());
        let secrets = Secrets::read(&["root", "root-2", "root-3"].map(secret)).unwrap();
        make_keys(&folder, &secrets, &SystemRandomness).unwrap();
        let ceremony = folder.prepare(&SystemRandomness).unwrap();
        let hash = ceremony.statement().hash();
        let keys = open_keys(&folder, &secrets).unwrap();
        let out = safe.join("result");
        let results = ResultFolder::begin(&out, ceremony.statement()).unwrap();
        let live = Live {
            reviewed_hash: hash,
            operator: "two people",
            now: self.clock.now(),
            journal: &results,
            progress: &|_, _| (),
        };
        let outcome = ceremony.run(&keys, &live).await.unwrap();
        results.finish(&outcome.transcript).unwrap();
        VerifiedResult::read(&out, Some(&hash)).unwrap()
    }

    pub(super) async fn install(&self, result: &VerifiedResult) -> Result<Installed, InstallError> {
        self.install_from(result, self.clock.now() + Duration::HOUR).await
    }

    pub(super) async fn install_from(
        &self,
        result: &VerifiedResult,
        active_from: OffsetDateTime,
    ) -> Result<Installed, InstallError> {
        let folder = self.instance();
        let operator = Actor::Operator { user: "u".to_owned(), host: "h".to_owned() };
        let installation = Installation {
            result,
            folder: &folder,
            publication_base: &self.base(),
            active_from,
            operator: &operator,
            now: self.clock.now(),
        };
        installation.carry_out(&self.store, &self.ca_keys(), &SystemRandomness).await
    }

    pub(super) async fn installs(&self) -> usize {
        self.count("SELECT COUNT(*) FROM audit_record WHERE act = 'ceremony.install'").await
    }

    pub(super) async fn count(&self, statement: &'static str) -> usize {
        let sql = sekisho_store::sql(statement);
        let (count,): (i64,) =
            sekisho_store::Queries::fetch_one(&mut self.store.read(), sql).await.unwrap();
        usize::try_from(count).unwrap()
    }

    /// Changes the database itself, as no command does.
    pub(super) async fn alter(&self, statement: &'static str) {
        let entry = Entry::done("test", Actor::System, self.clock.now());
        let altered: Result<(), StoreError> = transaction!(&self.store, StoreError, |tx| {
            tx.execute(sekisho_store::sql(statement)).await?;
            Ok(Audited::new((), entry.clone()))
        });
        altered.unwrap();
    }

    pub(super) async fn revoke(&self, target: Target) {
        let order = Order {
            target,
            measure: Measure::Revoke(sekisho_ca::revocation::RevocationReason::Superseded),
            invalidity_at: None,
            note: String::new(),
            actor: Actor::System,
            at: self.clock.now(),
        };
        assert!(carry_out(&self.store, &order).await.unwrap().changed);
    }

    pub(super) fn keep(&self, file: &str, label: &str, der: &[u8]) {
        std::fs::write(self.folder.path().join(file), files::pem(label, der)).unwrap();
    }

    pub(super) fn openssl(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .expect("openssl is installed");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}

pub(super) async fn get(app: &App, path: &str) -> Vec<u8> {
    let host = app.names().authority(NameRole::Plain);
    let request = Request::get(path).header(header::HOST, host).body(Body::empty()).unwrap();
    let response = router::plain(app).oneshot(request).await.unwrap();
    assert!(response.status().is_success(), "{path}: {}", response.status());
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

/// What OCSP says of a certificate, as OpenSSL reads it: the delegated responder's certificate is in
/// the answer, and the certificate's own issuer vouches for it.
pub(super) async fn status(world: &World, app: &App, issuer: &str, leaf: &str) -> &'static str {
    let issuer = format!("{issuer}.pem");
    let asked = ["-no_nonce", "-issuer", &issuer, "-cert", leaf];
    let (ok, said) = world.openssl(&[&["ocsp", "-reqout", "ask.der"], &asked[..]].concat());
    assert!(ok, "{said}");
    let ask = std::fs::read(world.folder.path().join("ask.der")).unwrap();
    let request = Request::post("/ocsp")
        .header(header::HOST, app.names().authority(NameRole::Plain))
        .header("content-type", "application/ocsp-request")
        .body(Body::from(ask))
        .unwrap();
    let response = router::plain(app).oneshot(request).await.unwrap();
    let der = response.into_body().collect().await.unwrap().to_bytes();
    std::fs::write(world.folder.path().join("answer.der"), &der).unwrap();
    let at = world.clock.now().unix_timestamp().to_string();
    // The machine's clock is not the test's.
    let judge = ["ocsp", "-respin", "answer.der", "-CAfile", "root.pem", "-attime", &at];
    let tolerant = ["-validity_period", "100000"];
    let (ok, said) = world.openssl(&[&judge[..], &tolerant[..], &asked[..]].concat());
    assert!(ok && said.contains("Response verify OK"), "{said}");
    match (said.contains(": good"), said.contains(": revoked")) {
        (true, false) => "good",
        (false, true) => "revoked",
        _ => panic!("{said}"),
    }
}
