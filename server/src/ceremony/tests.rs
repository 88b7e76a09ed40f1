//! A roll-over and a renewed root list, from the request to the answers of both generations.

use std::{path::Path, process::Command, sync::Arc};

use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt;
use secrecy::SecretString;
use sekisho_ca::{
    ceremony::{KeyKind, Live},
    record::IssuedCertificate,
};
use sekisho_key::SystemRandomness;
use sekisho_store::{Store, audit::Actor, crl, issuer};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use tower::ServiceExt;

use super::*;
use crate::{
    app::{App, Parts},
    authority::Line,
    clock::{Clock, ManualClock},
    config::{Config, Settings},
    instance::{CaKeys, Folder, Opened, Plan, create, issuers_of_folder, read_passphrase},
    listener::FacilityConnection,
    names::NameRole,
    repository::publish,
    revocation::{Measure, Order, Target, carry_out},
    router,
    testing::{self, TestTerminal},
};

const SECRET: &str = "a root passphrase of some length";

struct World {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    config: Config,
    store: Store,
}

impl World {
    async fn new() -> Self {
        Self::at(OffsetDateTime::now_utc().replace_nanosecond(0).unwrap()).await
    }

    async fn at(now: OffsetDateTime) -> Self {
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

    fn instance(&self) -> Folder {
        Folder::new(self.config.folder())
    }

    fn passphrase(&self) -> SecretString {
        read_passphrase(&self.instance()).unwrap()
    }

    fn ca_keys(&self) -> CaKeys {
        CaKeys::of(&self.instance(), &self.config).unwrap()
    }

    fn base(&self) -> String {
        self.config.host_names().origins(8443, 8080).plain
    }

    /// A process that was started now.
    async fn process(&self) -> App {
        let names = self.config.host_names().origins(8443, 8080);
        let issuers = issuer::list(&mut self.store.read()).await.unwrap();
        let partitions = self.config.authority().crl_partitions();
        let opened =
            Opened::open(&self.instance(), self.ca_keys(), &names, partitions, &issuers).unwrap();
        App::new(Parts {
            card_trust: crate::login::trust_sources::TrustSources::load(self.config.card_login()),
            entitlements: crate::entitlement::Entitlements::new(),
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
    fn safe(&self, name: &str) -> std::path::PathBuf {
        let safe = self.folder.path().join(name);
        std::fs::create_dir_all(&safe).unwrap();
        std::fs::copy(self.instance().root_key(), safe.join("root-key.p8")).unwrap();
        std::fs::copy(self.instance().certificate("root"), safe.join("root.crt")).unwrap();
        std::fs::write(safe.join("secret"), SECRET).unwrap();
        safe
    }

    /// The plan for a certificate of `id` by the request that is made here.
    async fn plan(&self, safe: &Path, id: &str, publication: &str) {
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

    async fn request(&self, id: &str) -> AuthorityRequest {
        self.try_request(id).await.unwrap()
    }

    async fn try_request(&self, id: &str) -> Result<AuthorityRequest, RequestProblem> {
        let passphrase = self.passphrase();
        let place = RequestedPlace::Folder {
            passphrase: &passphrase,
            random: &SystemRandomness,
            token: None,
        };
        request(&self.instance(), id, KeyKind::P256, place).await
    }

    /// What the people with the root's key do.
    async fn hold(&self, safe: &Path) -> VerifiedResult {
        let folder = PlanFolder::open(&safe.join("plan.toml")).unwrap();
        let secret = format!("root={}", safe.join("secret").display());
        let secrets = Secrets::read(&[secret]).unwrap();
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

    async fn install(&self, result: &VerifiedResult) -> Result<Installed, InstallError> {
        self.install_from(result, self.clock.now() + Duration::HOUR).await
    }

    async fn install_from(
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

    async fn installs(&self) -> usize {
        let sql =
            sekisho_store::sql("SELECT COUNT(*) FROM audit_record WHERE act = 'ceremony.install'");
        let (count,): (i64,) =
            sekisho_store::Queries::fetch_one(&mut self.store.read(), sql).await.unwrap();
        usize::try_from(count).unwrap()
    }

    async fn revoke(&self, target: Target) {
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

    fn keep(&self, file: &str, label: &str, der: &[u8]) {
        std::fs::write(self.folder.path().join(file), files::pem(label, der)).unwrap();
    }

    fn openssl(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .expect("openssl is installed");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}

async fn get(app: &App, path: &str) -> Vec<u8> {
    let host = app.names().authority(NameRole::Plain);
    let request = Request::get(path).header(header::HOST, host).body(Body::empty()).unwrap();
    let response = router::plain(app).oneshot(request).await.unwrap();
    assert!(response.status().is_success(), "{path}: {}", response.status());
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

/// What OCSP says of a certificate, as OpenSSL reads it: the delegated responder's certificate is in
/// the answer, and the certificate's own issuer vouches for it.
async fn status(world: &World, app: &App, issuer: &str, leaf: &str) -> &'static str {
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

/// What OpenSSL says of a terminal's certificate by the complete list of its issuer.
fn accepted(world: &World, issuer: &str, leaf: &str) -> bool {
    let at = world.clock.now().unix_timestamp().to_string();
    let (issuer, list) = (format!("{issuer}.pem"), format!("{issuer}.crl.pem"));
    let (ok, said) = world.openssl(&[
        "verify",
        "-x509_strict",
        "-attime",
        &at,
        "-trusted",
        "root.pem",
        "-untrusted",
        &issuer,
        "-crl_check",
        "-CRLfile",
        &list,
        leaf,
    ]);
    assert!(ok || said.contains("certificate revoked"), "{said}");
    ok
}

async fn publish_lists(world: &World, app: &App) {
    publish::publish_due(app).await.unwrap();
    for id in ["terminals", "terminals-2"] {
        let der = get(app, &format!("/crl/{id}.crl")).await;
        world.keep(&format!("{id}.crl.pem"), "X509 CRL", &der);
    }
}

#[tokio::test]
async fn after_a_roll_over_both_generations_are_answered_for() {
    let world = World::new().await;
    let old = world.process().await;
    let before: TestTerminal = testing::terminal(&old, 1).await;
    let safe = world.safe("safe");
    world.plan(&safe, "terminals-2", &world.base()).await;
    let result = world.hold(&safe).await;
    assert_eq!(world.install(&result).await.unwrap().authorities, ["terminals-2"]);
    // Once more, as after a loss of power: nothing changes.
    let responder = std::fs::read(world.instance().certificate("ocsp-terminals-2")).unwrap();
    assert_eq!(world.install(&result).await.unwrap(), Installed::default());
    let again = std::fs::read(world.instance().certificate("ocsp-terminals-2")).unwrap();
    assert_eq!(again, responder);

    // Announced to each process, and not begun.
    let app = world.process().await;
    assert_eq!(testing::terminal(&app, 2).await.certificate.issuer_id, "terminals");
    world.clock.advance(Duration::hours(2));
    let after = testing::terminal(&app, 3).await;
    assert_eq!(after.certificate.issuer_id, "terminals-2");
    for terminal in [&before, &after] {
        FacilityConnection::judge(&app, &terminal.peer).await.unwrap();
    }
    // A process that was not started again refuses rather than trust a stranger.
    assert!(FacilityConnection::judge(&old, &after.peer).await.is_err());

    world.keep("root.pem", "CERTIFICATE", app.authority().root_der());
    for authority in app.authority().of(Line::Terminals) {
        let served = get(&app, &format!("/ca/{}.crt", authority.id())).await;
        assert_eq!(served, authority.certificate_der());
        world.keep(&format!("{}.pem", authority.id()), "CERTIFICATE", &served);
    }
    world.keep("before.pem", "CERTIFICATE", &before.certificate.der);
    world.keep("after.pem", "CERTIFICATE", &after.certificate.der);
    publish_lists(&world, &app).await;
    let both = [("terminals", "before.pem"), ("terminals-2", "after.pem")];
    for (issuer, leaf) in both {
        assert!(accepted(&world, issuer, leaf));
        assert_eq!(status(&world, &app, issuer, leaf).await, "good");
    }

    for terminal in [&before, &after] {
        let IssuedCertificate { issuer_id, serial, .. } = terminal.certificate.clone();
        world.revoke(Target::Certificate { issuer_id, serial: serial.as_octets().to_vec() }).await;
    }
    let issuers: Vec<_> = app.authority().issuing().map(|authority| authority.id()).collect();
    app.ocsp().follow(app.store(), &issuers).await.unwrap();
    publish_lists(&world, &app).await;
    for (issuer, leaf) in both {
        assert!(!accepted(&world, issuer, leaf));
        assert_eq!(status(&world, &app, issuer, leaf).await, "revoked");
    }
    // Whoever looks at a copy of the folder alone finds both.
    let mut ids: Vec<_> =
        issuers_of_folder(&world.instance()).unwrap().into_iter().map(|issuer| issuer.id).collect();
    ids.sort();
    assert_eq!(ids, ["routers", "servers", "terminals", "terminals-2"]);
    // The old one goes on until it ends itself, and no longer.
    let end = app.authority().find("terminals").unwrap().validity().1;
    assert!(app.authority().living(end).any(|authority| authority.id() == "terminals"));
    let later = end + Duration::SECOND;
    assert!(!app.authority().living(later).any(|authority| authority.id() == "terminals"));
}

#[tokio::test]
async fn the_roots_list_is_renewed_with_every_certificate_that_was_taken_back() {
    let world = World::new().await;
    let app = world.process().await;
    world.revoke(Target::Issuer("routers".to_owned())).await;
    world.clock.advance(Duration::MINUTE);
    let plan = async |name: &str| {
        let safe = world.safe(name);
        let mut reader = world.store.read();
        let (folder, now) = (world.instance(), world.clock.now());
        plan_root_list(&mut reader, &folder, &world.base(), &safe, now).await.unwrap();
        safe
    };
    let edited = |safe: &Path, from: &str, to: &str| {
        let text = std::fs::read_to_string(safe.join("plan.toml")).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(safe.join("plan.toml"), text.replace(from, to)).unwrap();
    };
    // A list that forgets what was taken back.
    let forgetful = plan("forgetful").await;
    let text = std::fs::read_to_string(forgetful.join("plan.toml")).unwrap();
    let entries = text.find("[[crl.revoked]]").unwrap();
    std::fs::write(forgetful.join("plan.toml"), &text[..entries]).unwrap();
    let refused = world.install(&world.hold(&forgetful).await).await;
    assert!(
        matches!(refused, Err(InstallError::List { source: ListError::Lacks(_), .. })),
        "{refused:?}"
    );
    let old = get(&app, "/crl/root.crl").await;
    // A number that was given before, as the first list's.
    let late = plan("late").await;
    edited(&late, "number = 2", "number = 1");
    let refused = world.install(&world.hold(&late).await).await;
    assert!(matches!(refused, Err(InstallError::List { source: ListError::Number(1), .. })));
    assert_eq!(get(&app, "/crl/root.crl").await, old);
    assert_eq!(world.installs().await, 0);

    let result = world.hold(&plan("safe").await).await;
    assert_eq!(world.install(&result).await.unwrap().lists, [("root".to_owned(), 2)]);
    assert_eq!(world.installs().await, 1);
    assert_eq!(world.install(&result).await.unwrap(), Installed::default());
    let new = get(&app, "/crl/root.crl").await;
    assert_ne!(new, old);
    assert_eq!(crl::next_number(&mut world.store.read(), "root").await.unwrap(), 3);
    world.keep("root.pem", "CERTIFICATE", app.authority().root_der());
    world.keep("list.pem", "X509 CRL", &new);
    let at = world.clock.now().unix_timestamp().to_string();
    for (id, counts) in [("routers", false), ("servers", true)] {
        let der = app.authority().find(id).unwrap().certificate_der();
        world.keep("issuer.pem", "CERTIFICATE", der);
        let (ok, said) = world.openssl(&[
            "verify",
            "-attime",
            &at,
            "-trusted",
            "root.pem",
            "-crl_check",
            "-CRLfile",
            "list.pem",
            "issuer.pem",
        ]);
        assert_eq!(ok, counts, "{said}");
    }
}

#[tokio::test]
async fn what_a_stranger_might_bring_is_not_installed() {
    let world = World::new().await;
    let unchanged = async || {
        assert_eq!(issuer::list(&mut world.store.read()).await.unwrap().len(), 4);
        assert!(!world.instance().certificate("terminals-2").exists());
        assert_eq!(world.installs().await, 0);
    };
    for id in ["terminals", "terminals-1", "root-2", "../terminals-2", "admin"] {
        assert!(matches!(world.try_request(id).await, Err(RequestProblem::Name(_))), "{id}");
    }
    // Signed for other addresses than this instance publishes at.
    let elsewhere = world.safe("elsewhere");
    world.plan(&elsewhere, "terminals-2", "http://elsewhere.example").await;
    let refused = world.install(&world.hold(&elsewhere).await).await;
    assert!(matches!(refused, Err(InstallError::Certificate { .. })), "{refused:?}");
    unchanged().await;
    // By another root.
    let stranger = World::at(world.clock.now()).await;
    let theirs = stranger.safe("safe");
    world.plan(&theirs, "terminals-2", &world.base()).await;
    let refused = world.install(&stranger.hold(&theirs).await).await;
    assert!(matches!(refused, Err(InstallError::Path { .. })), "{refused:?}");
    unchanged().await;
    // Before anybody could know of it.
    let good = world.safe("good");
    world.plan(&good, "terminals-2", &world.base()).await;
    let result = world.hold(&good).await;
    let folder = world.instance();
    let refused = world.install_from(&result, world.clock.now()).await;
    assert!(matches!(refused, Err(InstallError::TooSoon)), "{refused:?}");
    let refused = world.install_from(&result, world.clock.now() + Duration::days(9999)).await;
    assert!(matches!(refused, Err(InstallError::NotValidThen(_))), "{refused:?}");
    unchanged().await;
    // For a key that is no longer this instance's.
    std::fs::remove_file(folder.key("terminals-2")).unwrap();
    let refused = world.install(&result).await;
    assert!(matches!(refused, Err(InstallError::Secrets(_))), "{refused:?}");
    world.request("terminals-2").await;
    let refused = world.install(&result).await;
    assert!(matches!(refused, Err(InstallError::Key { .. })), "{refused:?}");
    unchanged().await;
}
