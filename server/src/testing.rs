//! A whole instance for tests beside the code: fresh database, standing clock, throw-away keys.

use std::{net::SocketAddr, sync::Arc};

use rustls_pki_types::CertificateDer;
use sekisho_ca::{
    authority::Authority,
    ceremony::{CeremonyNames, MadeAuthority, make_authority},
    profile::Profile,
    record::IssuedCertificate,
    registration::{
        Approval, RegisterEntry, approve_terminal, terminal_identifier::TerminalIdentifier,
    },
    request::UnverifiedRequest,
    revocation::ocsp::OcspResponder,
};
use sekisho_key::{SigningKey, SoftwareKey, SystemRandomness};
use sekisho_pki::{
    encoding::{
        name::{Part, name},
        request::to_be_signed,
        signed_object::assemble,
    },
    national::facility_identifier::FacilityIdentifier,
};
use sekisho_store::{
    Store, StoreError, Tx,
    audit::{Actor, Audited, Entry},
    person,
    sandbox::{self, Hierarchy, NewCard},
    sql, terminal, transaction,
};
use time::{Duration, OffsetDateTime, macros::datetime};
use zeroize::Zeroizing;

use crate::{
    app::{App, Parts},
    assets::Assets,
    authority::{Authorities, Generation, Line, Roots},
    catalogue::Catalogue,
    clock::{Clock, ManualClock},
    config::{Config, Settings},
    entitlement::Entitlements,
    instance::{CaKeys, Folder, Opened, fill_register},
    keys::{InstanceKeys, NamedKey, named},
    listener::Peer,
    login::{
        jpki::status::{self, JpkiStatus},
        trust_sources::TrustSources,
    },
    names::NameRole,
    sealing::SealingKey,
};

/// An [`App`] with what a test wants to move.
#[derive(Debug)]
pub struct TestApp {
    /// The instance.
    pub app: App,
    /// Its clock, at 2026-11-21T09:00:00Z.
    pub clock: Arc<ManualClock>,
    /// Its folder, deleted at the end.
    pub folder: tempfile::TempDir,
}

/// An instance with default configuration.
pub async fn app() -> TestApp {
    app_with(Settings::default()).await
}

/// An instance with this configuration.
pub async fn app_with(settings: Settings) -> TestApp {
    app_asking(settings, configured).await
}

/// Whom the configuration names for the status of a My Number card.
pub fn configured(config: &Config) -> Box<dyn JpkiStatus> {
    status::of(config, Arc::new(SystemRandomness)).unwrap()
}

/// The same, with somebody else to tell the status of a My Number card.
pub async fn app_asking(
    settings: Settings,
    told_by: impl FnOnce(&Config) -> Box<dyn JpkiStatus>,
) -> TestApp {
    let folder = tempfile::tempdir().unwrap();
    let config = settings.validate(folder.path()).unwrap();
    let store = Store::open(config.instance().database(), config.instance().node()).await.unwrap();
    let clock = Arc::new(ManualClock::new(datetime!(2026-11-21 09:00 UTC)));
    let authority = authorities(&store, &config, clock.now()).await;
    let status = told_by(&config);
    let parts = Parts { jpki_status: status, ..parts(store, clock.clone(), config, authority) };
    TestApp { app: App::new(parts), clock, folder }
}

/// Another process over the same database, with the same clock.
pub async fn second_process(first: &TestApp, node: &str) -> App {
    let config = first.app.config().clone();
    let store = Store::open(config.instance().database(), node).await.unwrap();
    App::new(parts(store, first.clock.clone(), config, first.app.authority().clone()))
}

/// Another process over the same database, with a clock of its own.
pub async fn second_process_at(first: &TestApp, node: &str, clock: Arc<ManualClock>) -> App {
    let config = first.app.config().clone();
    let store = Store::open(config.instance().database(), node).await.unwrap();
    App::new(parts(store, clock, config, first.app.authority().clone()))
}

/// The same instance, started again with another configuration.
pub async fn reopened(first: &TestApp, settings: Settings) -> App {
    let config = settings.validate(first.folder.path()).unwrap();
    let store = Store::open(config.instance().database(), "node-1").await.unwrap();
    let authority = first.app.authority().clone().mapped(|authority| divided(authority, &config));
    App::new(parts(store, first.clock.clone(), config, authority))
}

/// Authorities by a real ceremony, entered into the register.
async fn authorities(store: &Store, config: &Config, now: OffsetDateTime) -> Authorities {
    let names = CeremonyNames {
        organisation: "Test Operating Body".to_owned(),
        network: "Test Network".to_owned(),
        publication_base: config.host_names().origins(8443, 8080).plain,
    };
    let made = make_authority(now, &SystemRandomness, &names, Duration::days(4)).await.unwrap();
    fill_register(store, &made, now).await.unwrap();
    let responder = |made: &MadeAuthority| {
        let (certificate, key) = made.ocsp_responder.as_ref().unwrap();
        OcspResponder::delegated(&made.authority, &certificate.der, key.clone()).unwrap()
    };
    let first = Line::ALL.map(|line| {
        let authority = divided(made.find(line.id()).unwrap().authority.clone(), config);
        Generation { line, active_from: now, authority }
    });
    let responders = made.issuing.iter().map(responder).collect();
    let roots = Roots::only(made.root.certificate.der.clone());
    Authorities::new(roots, first, Vec::new(), Vec::new(), responders)
}

/// The terminals' list is divided as configured, the others' never.
fn divided(authority: Authority, config: &Config) -> Authority {
    if Line::of(authority.id()) != Some(Line::Terminals) {
        return authority;
    }
    let publication = authority.publication().clone();
    authority.with_publication(publication.divided(config.authority().crl_partitions()))
}

fn parts(store: Store, clock: Arc<ManualClock>, config: Config, authority: Authorities) -> Parts {
    let names = config.host_names().origins(8443, 8080);
    let card_trust = TrustSources::load(&config).unwrap();
    Parts {
        card_trust,
        jpki_status: configured(&config),
        entitlements: Arc::new(Entitlements::new().with_sandbox(config.sandbox().clone())),
        store,
        clock,
        random: Arc::new(SystemRandomness),
        config,
        authority,
        keys: InstanceKeys {
            audit: key(),
            sealing: SealingKey::new(&[1; 32]).unwrap(),
            pairwise_salt: Zeroizing::new([2; 32]),
        },
        catalogue: Arc::new(Catalogue::load().unwrap()),
        assets: Arc::new(Assets::load()),
        names,
    }
}

fn key() -> NamedKey {
    named(Arc::new(SoftwareKey::generate_p256().unwrap())).unwrap()
}

/// A facility in operation with one terminal and the terminal's certificate.
#[derive(Debug, Clone)]
pub struct TestTerminal {
    /// The facility's identifier.
    pub organisation_id: String,
    /// The terminal's identifier.
    pub terminal_id: String,
    /// The terminal's key.
    pub key: Arc<SoftwareKey>,
    /// What the authority issued.
    pub certificate: IssuedCertificate,
    /// A connection from that terminal to the portal's name.
    pub peer: Peer,
}

/// Enters a facility named 試験病院 with a terminal named 外来1号機 and has a certificate issued.
/// Another `seed` is another facility.
pub async fn terminal(app: &App, seed: u64) -> TestTerminal {
    let facility = FacilityIdentifier::from_random(seed);
    let terminal = TerminalIdentifier::from_random(seed);
    let (organisation_id, terminal_id) = (facility.to_string(), terminal.to_string());
    enter(app, &organisation_id, &terminal_id).await;
    certified(app, facility, terminal).await
}

/// The same terminal with a new key and certificate.
pub async fn renewed(app: &App, seed: u64) -> TestTerminal {
    let facility = FacilityIdentifier::from_random(seed);
    certified(app, facility, TerminalIdentifier::from_random(seed)).await
}

async fn certified(
    app: &App,
    facility: FacilityIdentifier,
    terminal: TerminalIdentifier,
) -> TestTerminal {
    let (organisation_id, terminal_id) = (facility.to_string(), terminal.to_string());
    let key = Arc::new(SoftwareKey::generate_p256().unwrap());
    let request = request_of(&key, &terminal_id);
    let request = UnverifiedRequest::parse(&request).unwrap().verify().unwrap();
    let register = RegisterEntry {
        organisation_id: organisation_id.clone(),
        facility,
        facility_active: true,
        terminal,
        terminal_active: true,
        approval: Some(Approval { by: "test".to_owned(), at: app.now() }),
        key_compromised: false,
        key_used_by: None,
    };
    let approved =
        approve_terminal(&request, &register, &Profile::shipped("terminal").unwrap()).unwrap();
    let certificate = app
        .authority()
        .terminals(app.now())
        .issue(app.store(), approved, app.now(), app.random())
        .await
        .unwrap();
    let peer = peer(NameRole::Terminal, &[&certificate.der]);
    TestTerminal { organisation_id, terminal_id, key, certificate, peer }
}

/// A PKCS #10 request by this key for this commonName, DER.
pub fn request_of(key: &SoftwareKey, common_name: &str) -> Vec<u8> {
    let subject = name(&[Part::CommonName(common_name)]).unwrap();
    let info = to_be_signed(&subject, key.public_key_der()).unwrap();
    let signature = key.sign_now(&info).unwrap();
    assemble(&info, key.algorithm().identifier(), &signature).unwrap()
}

/// Makes the facility of this `seed`, which the configuration has to name, one of the sandbox with a card
/// `physician` to be handed out: no software card, and no anchors.
pub async fn sandbox(app: &App, seed: u64) -> String {
    let organisation_id = FacilityIdentifier::from_random(seed).to_string();
    enter(app, &organisation_id, &TerminalIdentifier::from_random(seed).to_string()).await;
    let now = app.now();
    let hierarchy = Hierarchy {
        organisation_id: organisation_id.clone(),
        root_der: vec![1],
        root_crl: vec![2],
        authority_der: vec![3],
        authority_crl: vec![4],
        made_at: now,
        expires_at: now + Duration::days(365),
    };
    let mut archive = tar::Builder::new(Vec::new());
    for folder in ["physician", "physician-expired", "physician-revoked"] {
        let (mut header, octets) = (tar::Header::new_gnu(), b"a card".as_slice());
        header.set_size(octets.len() as u64);
        archive.append_data(&mut header, format!("{folder}/card.toml"), octets).unwrap();
    }
    let archive = archive.into_inner().unwrap();
    transaction!(app.store(), StoreError, |tx| {
        sandbox::replace_hierarchy(tx, &hierarchy).await?;
        let person_id = &person::enter(tx, "見本　太郎", "ミホン　タロウ", now).await?;
        let (name, role, archive) = ("physician", "Medical Doctor", archive.as_slice());
        sandbox::add_card(tx, NewCard { person_id, name, place: 0, role, archive }).await?;
        Ok(Audited::new((), Entry::done("test.sandbox", Actor::System, now)))
    })
    .unwrap();
    organisation_id
}

/// A connection from loopback that showed these certificates.
pub fn peer(role: NameRole, chain: &[&[u8]]) -> Peer {
    let chain = chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
    Peer { addr: SocketAddr::from(([127, 0, 0, 1], 50_000)), role, chain }
}

async fn enter(app: &App, organisation_id: &str, terminal_id: &str) {
    let now = app.now();
    transaction!(app.store(), StoreError, |tx| {
        tx.execute(
            sql("INSERT INTO application (id, receipt, kind, name, name_kana, prefecture,
                     postal_code, address, contact_name, contact_phone, contact_email, created_at)
                 VALUES ($1, $1, 'hospital', '試験病院', 'シケンビョウイン', 13, '1000001', '東京都',
                     '担当', '03', 'a@example.jp', $2)")
            .bind(organisation_id)
            .bind(now),
        )
        .await?;
        tx.execute(
            sql("INSERT INTO organisation
                     (id, application_id, kind, prefecture, postal_code, address, created_at)
                 VALUES ($1, $1, 'hospital', 13, '1000001', '東京都', $2)")
            .bind(organisation_id)
            .bind(now),
        )
        .await?;
        tx.execute(
            sql("INSERT INTO organisation_name
                     (organisation_id, name, name_kana, search_key, valid_from)
                 VALUES ($1, '試験病院', 'シケンビョウイン', '試験病院', $2)")
            .bind(organisation_id)
            .bind(now),
        )
        .await?;
        organisation_event(tx, organisation_id, "activated", now).await?;
        terminal::create(tx, terminal_id, organisation_id, "外来1号機", "test", now).await?;
        Ok(Audited::new((), Entry::done("test.enter", Actor::System, now)))
    })
    .unwrap();
}

/// Adds an event to an organisation: `suspended`, `resumed`, `closed`.
pub async fn organisation_event(
    tx: &mut Tx,
    organisation_id: &str,
    kind: &'static str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO organisation_event (id, organisation_id, at, kind, reason)
             VALUES ($1, $2, $3, $4, '')")
        .bind(uuid::Uuid::now_v7().to_string())
        .bind(organisation_id)
        .bind(at)
        .bind(kind),
    )
    .await?;
    Ok(())
}

/// A process over the instance in `dir`, with its own keys or those of its signing process.
pub async fn app_over(dir: &std::path::Path, clock: Arc<ManualClock>) -> (App, CaKeys) {
    let config = Config::read(dir).unwrap();
    let listen = config.listen();
    let names = config.host_names().origins(listen.tls()[0].port(), listen.plain()[0].port());
    let store = Store::open(config.instance().database(), config.instance().node()).await.unwrap();
    let issuers = sekisho_store::issuer::list(&mut store.read()).await.unwrap();
    let folder = Folder::new(dir);
    let ca_keys = CaKeys::of(&folder, &config).unwrap();
    let partitions = config.authority().crl_partitions();
    let opened = Opened::open(&folder, ca_keys.clone(), &names, partitions, &issuers).unwrap();
    let app = App::new(Parts {
        card_trust: TrustSources::load(&config).unwrap(),
        jpki_status: configured(&config),
        entitlements: Arc::new(Entitlements::new().with_sandbox(config.sandbox().clone())),
        store,
        clock,
        random: Arc::new(SystemRandomness),
        config,
        authority: opened.authority,
        keys: opened.keys,
        catalogue: Arc::new(Catalogue::load().unwrap()),
        assets: Arc::new(Assets::load()),
        names,
    });
    (app, ca_keys)
}
